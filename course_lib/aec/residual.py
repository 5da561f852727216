"""Residual-echo suppression: what a linear canceller leaves, taken away by a small recurrent network.

A linear filter cannot follow what a loudspeaker distorts, nor an echo path that has just changed, nor one longer than
itself. The known signals give away when and in which bands the rest is heard, so that a gain from 0 to 1 for each band
of each frame, on the canceller's output, can take most of it and leave the near-end speech.

Conventions. x far end, y microphone, ŷ echo estimate, e = y − ŷ the canceller's output; in this order, aligned as
the canceller sees them. Frames of 32 ms every 16 ms, at 16 kHz, with a square-root Hann window in analysis and
synthesis. How loud the signals are has no influence.
"""

from __future__ import annotations

import functools
import zipfile
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from course_lib.aec._frame_network import LAYERS, FrameNetwork
from course_lib.aec._signals import as_call
from course_lib.aec._suppressor_features import (
    FRAME_LENGTH,
    HOP_LENGTH,
    OUTPUT,
    SIGNALS,
    WINDOW,
    spread_gains,
    suppressor_features,
)
from course_lib.stft import make_window

CHECKPOINT_NAME: Final = "residual_echo_suppressor.npz"
"""File of the shipped parameters, beside this module."""

# Below 1 the gains are gentler than the network's own. With voices unlike those it was trained on, that keeps more of
# the near end than it leaves of the echo.
_CAUTION: Final = 0.7


def load_parameters(checkpoint: str | Path | None = None) -> dict[str, NDArray[np.float32]]:
    """Read the parameters of a trained suppressor.

    Equation: one array a parameter, by the names that the network gives them

    Args:
        checkpoint: a file that the training command wrote; the one that comes with course_lib unless given.
    Returns:
        Arrays by name.
    Raises:
        ValueError: if the file does not hold the parameters of such a network.
    Cost: O(1), at most 100 000 numbers.
    Reference: NumPy's .npz, a zip archive of plain arrays, which runs no code when it is read.
    Lesson: 05 §9
    """
    source = resources.files("course_lib.aec") / CHECKPOINT_NAME if checkpoint is None else Path(checkpoint)
    expected = "Make one by `python -m course_lib.training.residual_echo`, or leave checkpoint out for the one shipped."
    try:
        with source.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            parameters = {name: arrays[name] for name in arrays.files}
    except (ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"checkpoint: {source} is no archive of arrays. {expected}") from error
    missing = [layer for layer in LAYERS if not any(name.startswith(f"{layer}.") for name in parameters)]
    if missing:
        raise ValueError(f"checkpoint: {source} has no parameters for {', '.join(missing)}. {expected}")
    return parameters


@functools.cache
def _shipped_parameters() -> dict[str, NDArray[np.float32]]:
    return load_parameters()


class ResidualSuppressor:
    """Suppress the residual echo of a call while it lasts.

    Equation: Ŝ[k,m] = g[k,m] E[k,m], g = B · network(features of X, Y, E, Ŷ up to frame m)^0.7

    All outputs end to end are those of :func:`suppress_residual_echo` for all inputs end to end, to the last bit and
    whatever the block sizes. A sample comes out at most ``latency`` samples after it went in. Silence stays silence.

    Args:
        checkpoint: parameters of the network; those that come with course_lib unless given.
    Raises:
        ValueError: if the checkpoint does not fit.
    Cost: O(K log K + n_parameters) a frame: 0.5 million multiplications every 16 ms.
    Reference: J.-M. Valin et al., "Low-complexity, real-time joint neural echo control and speech enhancement based on
        PercepNet", ICASSP 2021, for the place of such a network behind a linear canceller.
    Lesson: 05 §9
    """

    latency: int = FRAME_LENGTH - 1
    """Most samples by which the output is behind the input: 32 ms at 16 kHz."""

    def __init__(self, checkpoint: str | Path | None = None) -> None:
        """Start a stream; see the class."""
        self._parameters = _shipped_parameters() if checkpoint is None else load_parameters(checkpoint)
        self._window = make_window(WINDOW, FRAME_LENGTH)
        self._start()

    def _start(self) -> None:
        self._network = FrameNetwork(self._parameters)
        self._levels = (0.0, 0.0)
        # The first frame is centred on the first sample; the half of it before that is dropped when it comes out.
        self._pending = np.zeros((len(SIGNALS), HOP_LENGTH))
        self._overlap = np.zeros(FRAME_LENGTH)
        self._n_to_drop = HOP_LENGTH
        self._n_left = 0

    def push(
        self, far_end: ArrayLike, microphone: ArrayLike, output: ArrayLike, echo_estimate: ArrayLike
    ) -> NDArray[np.float64]:
        """Take the next samples of the four signals and return what is ready.

        Args:
            far_end: x, shape (n_samples,), any number of samples from 0.
            microphone: y, shape (n_samples,).
            output: e, the canceller's, shape (n_samples,).
            echo_estimate: ŷ, shape (n_samples,).
        Returns:
            Samples, shape (n_ready,).
        Raises:
            ValueError: if a block is no real finite signal, or their lengths differ.
        """
        blocks = np.stack(as_call(_named(far_end, microphone, output, echo_estimate), allow_empty=True))
        self._n_left += blocks.shape[1]
        samples = self._suppress(blocks)
        self._n_left -= len(samples)
        return samples

    def flush(self) -> NDArray[np.float64]:
        """Return the samples that are left, and be ready for another call.

        Returns:
            Samples, shape (n_left,).
        """
        last = self._suppress(np.zeros((len(SIGNALS), FRAME_LENGTH)))[: self._n_left]
        self._start()
        return last

    def _suppress(self, blocks: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take the next samples and return those that no later frame touches."""
        self._pending = np.concatenate([self._pending, blocks], axis=1)
        n_frames = max(0, (self._pending.shape[1] - FRAME_LENGTH) // HOP_LENGTH + 1)
        samples = np.empty(n_frames * HOP_LENGTH)
        # One frame at a time: then nothing can depend on how many there are.
        for start in range(0, n_frames * HOP_LENGTH, HOP_LENGTH):
            spectra = scipy.fft.rfft(self._pending[:, start : start + FRAME_LENGTH] * self._window)
            features, self._levels = suppressor_features(spectra[:, :, None], self._levels)
            gains = spread_gains(self._network(features[0])[:, None] ** _CAUTION)[:, 0]
            self._overlap += scipy.fft.irfft(gains * spectra[OUTPUT], n=FRAME_LENGTH) * self._window
            samples[start : start + HOP_LENGTH] = self._overlap[:HOP_LENGTH]
            self._overlap[:HOP_LENGTH] = self._overlap[HOP_LENGTH:]
            self._overlap[HOP_LENGTH:] = 0.0
        self._pending = self._pending[:, n_frames * HOP_LENGTH :]
        n_dropped = min(self._n_to_drop, len(samples))
        self._n_to_drop -= n_dropped
        return samples[n_dropped:]


def suppress_residual_echo(
    far_end: ArrayLike,
    microphone: ArrayLike,
    output: ArrayLike,
    echo_estimate: ArrayLike,
    *,
    checkpoint: str | Path | None = None,
) -> NDArray[np.float64]:
    """Suppress the residual echo of a whole call.

    Equation: Ŝ[k,m] = g[k,m] E[k,m], g = B · network(features of X, Y, E, Ŷ up to frame m)^0.7

    The result is aligned with the canceller's output. Noise that is no speech is suppressed too, as far as it can be
    told from speech by bands.

    Args:
        far_end: x, aligned as the canceller saw it, shape (n_samples,).
        microphone: y, shape (n_samples,).
        output: e, the canceller's, shape (n_samples,).
        echo_estimate: ŷ, shape (n_samples,).
        checkpoint: parameters of the network; those that come with course_lib unless given.
    Returns:
        The near-end speech as far as it could be saved, shape (n_samples,).
    Raises:
        ValueError: if a signal is empty or not real and finite, their lengths differ, or the checkpoint does not fit.
    Cost: O(n_samples·log K + n_frames·n_parameters).
    Reference: see :class:`ResidualSuppressor`.
    Lesson: 05 §9
    """
    blocks = as_call(_named(far_end, microphone, output, echo_estimate))
    stream = ResidualSuppressor(checkpoint)
    return np.concatenate([stream.push(*blocks), stream.flush()])


def _named(*signals: ArrayLike) -> dict[str, ArrayLike]:
    """Return the four signals by their names."""
    return dict(zip(SIGNALS, signals, strict=True))
