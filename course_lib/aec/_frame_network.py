"""The residual-echo network at work: one frame at a time, in NumPy.

It computes what :class:`course_lib.models.residual_echo_suppressor.ResidualEchoSuppressor` computes, layer by layer
under the same names. PyTorch is meant for many frames at once: for one, calling its layers takes several times as
long as their arithmetic, and a canceller should not need it installed. One frame at a time also means that
the result cannot depend on how many frames a block brings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LAYERS: Final = (
    "down_1", "down_2", "squeeze", "gather", "wide_memory", "spread", "widen", "band_memory", "up_2", "up_1", "gain",
)  # fmt: skip
"""The network's layers, by which its parameters are named."""


class FrameNetwork:
    """The network with its parameters and what its recurrent layers remember."""

    def __init__(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        p = {name: np.asarray(values, dtype=np.float32) for name, values in parameters.items()}
        n_channels, n_wide = (p[f"{layer}.weight_hh_l0"].shape[1] for layer in ("band_memory", "wide_memory"))
        n_places = p["gather.weight"].shape[1] // p["squeeze.weight"].shape[0]
        self._down_1 = _Convolution(p, "down_1", 4 * n_places, stride=2)
        self._down_2 = _Convolution(p, "down_2", 2 * n_places, stride=2)
        self._squeeze = _Convolution(p, "squeeze", n_places)
        self._gather = _Linear(p, "gather")
        self._wide_memory = _RecurrentUnit(p, "wide_memory")
        self._spread = _Linear(p, "spread")
        self._widen = _Convolution(p, "widen", n_places)
        self._band_memory = _RecurrentUnit(p, "band_memory")
        self._up_2 = _ConvolutionUp(p, "up_2")
        self._up_1 = _ConvolutionUp(p, "up_1")
        self._gain = _Convolution(p, "gain", 4 * n_places)
        self._wide: Array = np.zeros((n_wide, 1), dtype=np.float32)
        self._band: Array = np.zeros((n_channels, n_places), dtype=np.float32)

    def __call__(self, features: Array) -> Array:
        """Return the gains of the next frame, shape (n_bands,), for its features (n_signals, n_bands)."""
        middle = _activate(self._down_1(features))
        coarse = _activate(self._down_2(middle))
        bottleneck = _activate(self._squeeze(coarse)).reshape(-1, 1)
        self._wide = self._wide_memory(_activate(self._gather(bottleneck)), self._wide)
        context = _activate(self._spread(self._wide)).reshape(-1, coarse.shape[1])
        self._band = self._band_memory(coarse + self._widen(context), self._band)
        x = _activate(self._up_2(np.concatenate([self._band, coarse])))
        x = _activate(self._up_1(np.concatenate([x, middle])))
        gains: Array = _sigmoid(self._gain(np.concatenate([x, features]))[0])
        return gains


class _Linear:
    def __init__(self, parameters: Mapping[str, Array], layer: str, suffix: str = "") -> None:
        self._weight = parameters[f"{layer}.weight{suffix}"]
        self._bias = parameters[f"{layer}.bias{suffix}"][:, None]

    def __call__(self, x: Array) -> Array:
        y: Array = self._weight @ x
        y += self._bias
        return y


class _Convolution:
    """Convolution along the bands, padded with zeros so that an output stands for each input, or each second one."""

    def __init__(self, parameters: Mapping[str, Array], layer: str, n_places: int, *, stride: int = 1) -> None:
        weight = parameters[f"{layer}.weight"]
        n_outputs, n_inputs, width = weight.shape
        self._weight = weight.reshape(n_outputs, n_inputs * width)
        self._bias = parameters[f"{layer}.bias"][:, None]
        padded: Array = np.zeros((n_inputs, n_places + width - 1), dtype=np.float32)
        self._inner = padded[:, width // 2 : width // 2 + n_places]
        # Views of the padded input: what each output sees of it.
        windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)[:, ::stride]
        self._windows = windows.transpose(0, 2, 1)

    def __call__(self, x: Array) -> Array:
        self._inner[...] = x
        y: Array = self._weight @ self._windows.reshape(self._weight.shape[1], -1)
        y += self._bias
        return y


class _ConvolutionUp:
    """Convolution to twice as many places: each input spreads over four neighbouring outputs."""

    def __init__(self, parameters: Mapping[str, Array], layer: str) -> None:
        weight = parameters[f"{layer}.weight"]
        self._shape = weight.shape[1:]
        self._weight = np.ascontiguousarray(weight.reshape(len(weight), -1).T)
        self._bias = parameters[f"{layer}.bias"][:, None]

    def __call__(self, x: Array) -> Array:
        n_outputs, width = self._shape
        n_places = x.shape[1]
        spread = (self._weight @ x).reshape(n_outputs, width, n_places)
        y: Array = np.zeros((n_outputs, 2 * n_places + width - 2), dtype=np.float32)
        for i in range(width):
            y[:, i : i + 2 * n_places : 2] += spread[:, i]
        y += self._bias
        return y[:, 1:-1]


class _RecurrentUnit:
    """One step of a gated recurrent unit in every column."""

    def __init__(self, parameters: Mapping[str, Array], layer: str) -> None:
        self._of_input = _Linear(parameters, layer, "_ih_l0")
        self._of_state = _Linear(parameters, layer, "_hh_l0")

    def __call__(self, x: Array, state: Array) -> Array:
        of_input, of_state = self._of_input(x), self._of_state(state)
        n_gated = 2 * len(state)
        gates = _sigmoid(of_input[:n_gated] + of_state[:n_gated])
        reset, keep = gates[: len(state)], gates[len(state) :]
        candidate = np.tanh(of_input[n_gated:] + reset * of_state[n_gated:])
        new_state: Array = candidate + keep * (state - candidate)
        return new_state


def _activate(x: Array) -> Array:
    y: Array = np.maximum(x, np.float32(0.1) * x)
    return y


def _sigmoid(x: Array) -> Array:
    # 1 / (1 + exp(−x)) would overflow for very negative x.
    y: Array = np.float32(0.5) + np.float32(0.5) * np.tanh(np.float32(0.5) * x)
    return y
