"""Residual-echo suppression: what a linear canceller leaves, taken away by a small recurrent network.

A linear filter cannot follow what a loudspeaker distorts, nor an echo path that has just changed, nor one longer than
itself. The known signals give away when and in which bands the rest is heard, so that a gain from 0 to 1 for each band
of each frame, on the canceller's output, can take most of it and leave the near-end speech.

Conventions. x far end, y microphone, ŷ echo estimate, e = y − ŷ the canceller's output; in this order, aligned as
the canceller sees them. Frames of 32 ms every 16 ms, at 16 kHz, with a square-root Hann window in analysis and
synthesis. Bands are one bin wide up to about 1 kHz and of constant relative width above. How loud the signals are has
no influence: levels count relative to the recent peaks of the microphone, and of the far end for the far end's own.
"""

from __future__ import annotations

import functools
import math
import zipfile
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from course_lib.aec._frame_network import LAYERS, FrameNetwork
from course_lib.constants import SAMPLE_RATE_HZ
from course_lib.stft import make_window
from course_lib.validation import as_signal

FRAME_LENGTH: Final = 512
"""Samples of a frame of the suppressor."""

HOP_LENGTH: Final = 256
"""Samples from frame to frame."""

N_FREQS: Final = FRAME_LENGTH // 2 + 1
N_BANDS: Final = 96
SIGNALS: Final = ("far_end", "microphone", "output", "echo_estimate")
"""The signals whose levels are the network's features, in their order."""

CHECKPOINT_NAME: Final = "residual_echo_suppressor.npz"
"""File of the shipped parameters, beside this module."""

WINDOW: Final = "sqrt_hann"
"""Of analysis and of synthesis: its square adds up to 1 at this hop."""

# How fast the reference level of the features falls after a peak.
_RELEASE_DB_PER_S: Final = 3.0
_RELEASE: Final = 10.0 ** (-_RELEASE_DB_PER_S / 10.0 * HOP_LENGTH / SAMPLE_RATE_HZ)
# Powers relative to the reference level, as logarithms to base 10, are kept in a range and brought to about −1 … 1.
_SMALLEST_POWER: Final = 1e-7
_LARGEST_POWER: Final = 1e3
_CENTRE: Final = -2.0
_HALF_RANGE: Final = 2.5
_FAR_END, _MICROPHONE, _OUTPUT, _ECHO_ESTIMATE = range(4)


@functools.cache
def band_interpolation() -> NDArray[np.float64]:
    """Return the weights that spread gains of bands over the bins of a spectrum.

    Equation: B[k,b] = max(0, 1 − |p(k) − b|), p(k) = k up to k₀ and k₀ (1 + log(k/k₀)) above

    The weights of a bin add up to 1. k₀, about 1 kHz, is such that the last bin is the centre of the last band.

    Returns:
        B, shape (n_freqs, n_bands), read-only.
    Cost: O(n_freqs·n_bands), once.
    Reference: bands of constant relative width above about 1 kHz follow hearing: B. R. Glasberg and B. C. J. Moore,
        "Derivation of auditory filter shapes from notched-noise data", Hearing Research 47, 1990.
    Lesson: 05 §9
    """
    low, high = 1.0, N_BANDS - 1.0
    for _ in range(60):  # p at the last bin grows with k₀
        knee = 0.5 * (low + high)
        if knee * (1.0 + math.log((N_FREQS - 1) / knee)) < N_BANDS - 1:
            low = knee
        else:
            high = knee
    bins = np.arange(N_FREQS, dtype=np.float64)
    places = np.where(bins <= knee, bins, knee * (1.0 + np.log(np.maximum(bins, knee) / knee)))
    weights = np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(N_BANDS)))
    weights /= weights.sum(axis=1, keepdims=True)
    weights.flags.writeable = False
    return weights


def spread_gains(gains: ArrayLike) -> NDArray[np.float64]:
    """Spread gains of bands over the bins of a spectrum.

    Equation: G[k,m] = Σ_b B[k,b] g[b,m], with B of :func:`band_interpolation`

    Args:
        gains: g, shape (n_bands, n_frames).
    Returns:
        G, shape (n_freqs, n_frames).
    Cost: O(n_freqs·n_frames).
    Reference: J.-M. Valin, MMSP 2018, see :func:`suppressor_features`.
    Lesson: 05 §9
    """
    # A bin lies between two bands, and adding just these two does not depend on the number of frames as BLAS may.
    weights, lower = band_interpolation(), _lower_bands()
    g = np.asarray(gains, dtype=np.float64)
    bins = np.arange(N_FREQS)
    spread: NDArray[np.float64] = weights[bins, lower, None] * g[lower] + weights[bins, lower + 1, None] * g[lower + 1]
    return spread


@functools.cache
def _lower_bands() -> NDArray[np.int64]:
    """Return for each bin the band below it, or the last but one."""
    below = np.argmax(band_interpolation() > 0.0, axis=1)
    lower: NDArray[np.int64] = np.minimum(below, N_BANDS - 2)
    return lower


@functools.cache
def _band_means() -> NDArray[np.float64]:
    """Return the weights that average the powers of bins over bands, shape (n_freqs, n_bands)."""
    weights = band_interpolation()
    means: NDArray[np.float64] = weights / weights.sum(axis=0)
    return means


def suppressor_features(
    spectra: ArrayLike, levels: tuple[float, float] = (0.0, 0.0)
) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Turn the spectra of the four signals into the levels that the network is given.

    Equation: f[m,i,b] = (log₁₀ clip(Σ_k B̄[b,k] |X_i[k,m]|² / L_i[m]) + 2) / 2.5, L[m] = max(P[m], ρ L[m − 1])

    P[m] is the mean power of the microphone's frame, for the far end of its own; ρ lets the reference fall by 3 dB/s.
    Powers are kept between −70 and 30 dB of it. Silence gives the lowest value.

    Args:
        spectra: STFTs of far end, microphone, output and echo estimate, shape (4, n_freqs, n_frames).
        levels: L after the frame before, of the far end and of the microphone.
    Returns:
        Features, shape (n_frames, 4, n_bands), and L after the last frame.
    Cost: O(n_freqs·n_bands) a frame.
    Reference: log-compressed band powers as in J.-M. Valin, "A hybrid DSP/deep learning approach to real-time full-band
        speech enhancement", MMSP 2018.
    Lesson: 05 §9
    """
    X = np.asarray(spectra).transpose(2, 0, 1)
    power = np.ascontiguousarray(X.real**2 + X.imag**2, dtype=np.float64)
    references = np.empty((len(power), len(SIGNALS), 1))
    far_level, near_level = levels
    means = power[:, [_FAR_END, _MICROPHONE]].mean(axis=2).tolist()
    for m, (far_power, near_power) in enumerate(means):
        far_level = max(far_power, _RELEASE * far_level)
        near_level = max(near_power, _RELEASE * near_level)
        references[m] = near_level
        references[m, _FAR_END] = far_level
    in_bands = power @ _band_means()
    relative = np.divide(in_bands, references, out=np.zeros_like(in_bands), where=references > 0.0)
    relative = np.log10(np.clip(relative, _SMALLEST_POWER, _LARGEST_POWER))
    return ((relative - _CENTRE) / _HALF_RANGE).astype(np.float32), (far_level, near_level)


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

    Equation: Ŝ[k,m] = g[k,m] E[k,m], g = B · network(features of X, Y, E, Ŷ up to frame m)

    All outputs end to end are those of :func:`suppress_residual_echo` for all inputs end to end, to the last bit and
    whatever the block sizes. A sample comes out at most ``latency`` samples after it went in. Silence stays silence.

    Args:
        checkpoint: parameters of the network; those that come with course_lib unless given.
    Raises:
        ValueError: if the checkpoint does not fit.
    Cost: O(K log K + n_parameters) a frame: 0.4 million multiplications every 16 ms.
    Reference: J.-M. Valin et al., "Low-complexity, real-time joint neural echo control and speech enhancement based on
        PercepNet", ICASSP 2021, for the place of such a network behind a linear canceller.
    Lesson: 05 §9
    """

    latency: Final = FRAME_LENGTH - 1
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
        blocks = _as_blocks(far_end, microphone, output, echo_estimate, allow_empty=True)
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
            gains = spread_gains(self._network(features[0])[:, None])[:, 0]
            self._overlap += scipy.fft.irfft(gains * spectra[_OUTPUT], n=FRAME_LENGTH) * self._window
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

    Equation: Ŝ[k,m] = g[k,m] E[k,m], g = B · network(features of X, Y, E, Ŷ up to frame m)

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
    blocks = _as_blocks(far_end, microphone, output, echo_estimate, allow_empty=False)
    stream = ResidualSuppressor(checkpoint)
    return np.concatenate([stream.push(*blocks), stream.flush()])


def _as_blocks(*signals: ArrayLike, allow_empty: bool) -> NDArray[np.float64]:
    """Return the four signals as one array, shape (4, n_samples)."""
    checked = [
        as_signal(signal, name, n_axes=1, allow_empty=allow_empty)
        for signal, name in zip(signals, SIGNALS, strict=True)
    ]
    lengths = [len(signal) for signal in checked]
    if len(set(lengths)) > 1:
        came = ", ".join(f"{name} {length}" for name, length in zip(SIGNALS, lengths, strict=True))
        raise ValueError(f"Got different numbers of samples: {came}. Pass the same stretch of all four signals.")
    return np.stack(checked).astype(np.float64)
