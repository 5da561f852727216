"""What the residual-echo network is given, and what becomes of its answer: bands, features, gains.

Shared by the stream in :mod:`course_lib.aec.residual` and by the training. Frames of 32 ms every 16 ms, at 16 kHz. How
loud the signals are has no influence: levels count relative to the recent peaks of the microphone, and of the far end
for the far end's own.
"""

from __future__ import annotations

import functools
import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.constants import SAMPLE_RATE_HZ

FRAME_LENGTH: Final = 512
"""Samples of a frame of the suppressor."""

HOP_LENGTH: Final = 256
"""Samples from frame to frame."""

N_FREQS: Final = FRAME_LENGTH // 2 + 1
N_BANDS: Final = 96
SIGNALS: Final = ("far_end", "microphone", "output", "echo_estimate")
"""The signals whose levels are the network's features, in their order."""

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
FAR_END, MICROPHONE, OUTPUT, ECHO_ESTIMATE = range(4)


@functools.cache
def band_interpolation() -> NDArray[np.float64]:
    """Return the weights that spread gains of bands over the bins of a spectrum.

    Equation: B[k,b] = max(0, 1 − |p(k) − b|), p(k) = k up to k₀ and k₀ (1 + log(k/k₀)) above

    The weights of a bin add up to 1. k₀, about 1 kHz, is such that the last bin is the centre of the last band.

    Returns:
        B, shape (n_freqs, n_bands), read-only.
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
    """
    lower, weights, upper_weights = _neighbours()
    g = np.asarray(gains, dtype=np.float64)
    spread: NDArray[np.float64] = weights * g[lower] + upper_weights * g[lower + 1]
    return spread


@functools.cache
def _neighbours() -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return for each bin the band below it (or the last but one), and the weights of that band and the next.

    A bin lies between two bands. To add just these two takes less time than a product of matrices, and does not depend
    on the number of frames as that may.
    """
    weights = band_interpolation()
    lower = np.minimum(np.argmax(weights > 0.0, axis=1), N_BANDS - 2)
    bins = np.arange(N_FREQS)
    return lower, weights[bins, lower, None], weights[bins, lower + 1, None]


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
    """
    X = np.asarray(spectra).transpose(2, 0, 1)
    power = np.ascontiguousarray(X.real**2 + X.imag**2, dtype=np.float64)
    references = np.empty((len(power), len(SIGNALS), 1))
    far_level, near_level = levels
    means = power[:, [FAR_END, MICROPHONE]].mean(axis=2).tolist()
    for m, (far_power, near_power) in enumerate(means):
        far_level = max(far_power, _RELEASE * far_level)
        near_level = max(near_power, _RELEASE * near_level)
        references[m] = near_level
        references[m, FAR_END] = far_level
    in_bands = power @ _band_means()
    relative = np.divide(in_bands, references, out=np.zeros_like(in_bands), where=references > 0.0)
    relative = np.log10(np.clip(relative, _SMALLEST_POWER, _LARGEST_POWER))
    return ((relative - _CENTRE) / _HALF_RANGE).astype(np.float32), (far_level, near_level)
