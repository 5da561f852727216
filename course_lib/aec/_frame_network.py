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

_STRIDE: Final = 2


class FrameNetwork:
    """The network with its parameters and what its recurrent layers remember."""

    def __init__(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        self._p = {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in parameters.items()}
        n_channels = self._p["band_memory.weight_hh_l0"].shape[1]
        n_wide = self._p["wide_memory.weight_hh_l0"].shape[1]
        n_places = self._p["gather.weight"].shape[1] // self._p["squeeze.weight"].shape[0]
        self._wide: Array = np.zeros((n_wide, 1), dtype=np.float32)
        self._band: Array = np.zeros((n_channels, n_places), dtype=np.float32)

    def __call__(self, features: Array) -> Array:
        """Return the gains of the next frame, shape (n_bands,), for its features (n_signals, n_bands)."""
        middle = _activate(self._convolve("down_1", features, stride=_STRIDE))
        coarse = _activate(self._convolve("down_2", middle, stride=_STRIDE))
        bottleneck = _activate(self._convolve("squeeze", coarse)).reshape(-1, 1)
        self._wide = self._remember("wide_memory", _activate(self._connect("gather", bottleneck)), self._wide)
        context = _activate(self._connect("spread", self._wide)).reshape(-1, coarse.shape[1])
        self._band = self._remember("band_memory", coarse + self._convolve("widen", context), self._band)
        x = _activate(self._convolve_up("up_2", np.concatenate([self._band, coarse])))
        x = _activate(self._convolve_up("up_1", np.concatenate([x, middle])))
        return _sigmoid(self._convolve("gain", np.concatenate([x, features]))[0])

    def _connect(self, layer: str, x: Array) -> Array:
        y: Array = self._p[f"{layer}.weight"] @ x + self._p[f"{layer}.bias"][:, None]
        return y

    def _convolve(self, layer: str, x: Array, *, stride: int = 1) -> Array:
        """Convolve along the bands, padded with zeros so that an output stands for each input, or each second one."""
        weight = self._p[f"{layer}.weight"]
        n_outputs, n_inputs, width = weight.shape
        n_places, margin = x.shape[1], width // 2
        if margin:
            padded = np.zeros((n_inputs, n_places + 2 * margin), dtype=np.float32)
            padded[:, margin : margin + n_places] = x
            columns = [padded[:, i : i + n_places : stride] for i in range(width)]
            x = np.stack(columns, axis=1).reshape(n_inputs * width, -1)
        y: Array = weight.reshape(n_outputs, -1) @ x + self._p[f"{layer}.bias"][:, None]
        return y

    def _convolve_up(self, layer: str, x: Array) -> Array:
        """Convolve to twice as many places: each input spreads over four neighbouring outputs."""
        weight = self._p[f"{layer}.weight"]
        n_inputs, n_outputs, width = weight.shape
        n_places = x.shape[1]
        spread = (weight.reshape(n_inputs, -1).T @ x).reshape(n_outputs, width, n_places)
        y = np.zeros((n_outputs, _STRIDE * n_places + _STRIDE), dtype=np.float32)
        for i in range(width):
            y[:, i : i + _STRIDE * n_places : _STRIDE] += spread[:, i]
        inner: Array = y[:, 1:-1] + self._p[f"{layer}.bias"][:, None]
        return inner

    def _remember(self, layer: str, x: Array, state: Array) -> Array:
        """Take one step of a gated recurrent unit in every column."""
        of_input = self._p[f"{layer}.weight_ih_l0"] @ x + self._p[f"{layer}.bias_ih_l0"][:, None]
        of_state = self._p[f"{layer}.weight_hh_l0"] @ state + self._p[f"{layer}.bias_hh_l0"][:, None]
        n_units = len(state)
        gates = _sigmoid(of_input[: 2 * n_units] + of_state[: 2 * n_units])
        reset, keep = gates[:n_units], gates[n_units:]
        candidate = np.tanh(of_input[2 * n_units :] + reset * of_state[2 * n_units :])
        new_state: Array = candidate + keep * (state - candidate)
        return new_state


def _activate(x: Array) -> Array:
    y: Array = np.maximum(x, np.float32(0.1) * x)
    return y


def _sigmoid(x: Array) -> Array:
    # 1 / (1 + exp(−x)) would overflow for very negative x.
    y: Array = np.float32(0.5) + np.float32(0.5) * np.tanh(np.float32(0.5) * x)
    return y
