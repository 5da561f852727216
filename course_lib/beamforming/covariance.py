"""Spatial covariance: what the microphones have in common at each frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib._frames import compiled
from course_lib.beamforming._checks import as_frequencies, as_positions
from course_lib.beamforming._linear_algebra import mean_power
from course_lib.constants import SPEED_OF_SOUND_M_S
from course_lib.validation import as_number, as_signal, as_spectrograms, describe


def spatial_covariance(X: ArrayLike, mask: ArrayLike | None = None, *, loading: float = 0.0) -> NDArray[np.complex128]:
    """Average the outer products of the channels over time, each cell weighted by a mask.

    Equation: Φ[k] = Σ_m M[k,m] X[k,m] X[k,m]ᴴ / Σ_m M[k,m]  ( + loading·tr(Φ)/C·I ).

    A mask that is 1 everywhere gives the plain covariance; a mask of the target gives the target's, one of the noise
    the noise's. Loading is relative to the mean power of the channels, so that the level of a recording makes
    no difference to it. Where a frequency is silent or its mask zero throughout, Φ is zero.

    Args:
        X: recording, shape (n_channels, n_freqs, n_frames).
        mask: M, not negative, shape (n_freqs, n_frames), or one that broadcasts to it; all ones unless given.
        loading: part of the mean power that is added to the diagonal.
    Returns:
        Φ, Hermitian, shape (n_freqs, n_channels, n_channels).
    Raises:
        ValueError: if the shapes do not fit, a value is not finite, or a weight or the loading is negative.
    Cost: O(C²·n_freqs·n_frames).
    Reference: J. Heymann, L. Drude and R. Haeb-Umbach, "Neural network based spectral mask estimation for acoustic
        beamforming", ICASSP 2016.
    Lesson: 04 §5
    """
    channels = as_spectrograms(X, "X")
    loading = as_number(loading, "loading", 0)
    n_channels, n_freqs, n_frames = channels.shape
    if mask is None:
        shares = np.full((n_frames, n_freqs), 1 / n_frames)
    else:
        weights = _as_mask(mask, (n_freqs, n_frames))
        total = weights.sum(axis=1)
        # Weights first become shares: a sum over all frames then needs no division that could be by zero.
        shares = np.ascontiguousarray(weights.T * np.divide(1, total, out=np.zeros_like(total), where=total > 0))
    # A spectrogram's frames lie one after the other in memory, hence in this order nothing is copied.
    frames = np.ascontiguousarray(channels.transpose(0, 2, 1))
    lower = np.zeros((n_channels, n_channels, n_freqs), dtype=np.complex128)
    _add_outer_products(frames, shares, lower)
    below = np.ascontiguousarray(lower.transpose(2, 0, 1))
    covariance = below + np.tril(below, -1).conj().swapaxes(1, 2)
    np.einsum("kcc->kc", covariance).imag[...] = 0.0
    if loading > 0:
        covariance += loading * mean_power(covariance)[:, None, None] * np.eye(n_channels)
    return covariance


def diffuse_coherence(positions_m: ArrayLike, frequencies_hz: ArrayLike) -> NDArray[np.float64]:
    """Return how much two microphones have in common in a sound field that comes from all directions alike.

    Equation: Γ_cd(f) = sin(2πf r/c₀) / (2πf r/c₀), r = ‖p_c − p_d‖.

    It is the covariance of spherically isotropic noise whose power at each microphone is 1.

    Args:
        positions_m: p, shape (n_channels, 3), in metres.
        frequencies_hz: f, shape (n_freqs,), in hertz.
    Returns:
        Γ, shape (n_freqs, n_channels, n_channels), ones on the diagonal.
    Raises:
        ValueError: if a shape does not fit, a value is not finite or a frequency negative.
    Cost: O(C²·n_freqs).
    Reference: R. K. Cook et al., "Measurement of correlation coefficients in reverberant sound fields",
        JASA 27(6), 1955.
    Lesson: 04 §4
    """
    positions, frequencies = as_positions(positions_m), as_frequencies(frequencies_hz)
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    # NumPy's sinc(x) is sin(πx)/(πx).
    coherence: NDArray[np.float64] = np.sinc(2 * frequencies[:, None, None] * distances / SPEED_OF_SOUND_M_S)
    return coherence


def _as_mask(value: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return weights of the shape of a spectrogram, none of them negative."""
    given = as_signal(value, "mask").astype(np.float64)
    try:
        weights: NDArray[np.float64] = np.broadcast_to(given, shape)
    except ValueError as error:
        raise ValueError(
            f"mask: got {describe(given)}, expected the frequencies and frames of X, {shape}. "
            "Give one weight a cell, the same for all channels."
        ) from error
    if weights.min() < 0:
        raise ValueError(f"mask: the smallest value is {weights.min():.3g}, expected none below 0.")
    return weights


@compiled
def _add_outer_products(frames: NDArray[Any], weights: NDArray[np.float64], sums: NDArray[np.complex128]) -> None:
    """Add Σ_m M X_c X_d* of all d ≤ c to ``sums`` (n_channels, n_channels, n_freqs).

    ``frames`` are (n_channels, n_frames, n_freqs), ``weights`` (n_frames, n_freqs).
    """
    n_channels, n_frames, n_freqs = frames.shape
    for m in range(n_frames):
        weight = weights[m]
        for c in range(n_channels):
            x = frames[c, m]
            for d in range(c + 1):
                y = frames[d, m]
                total = sums[c, d]
                for k in range(n_freqs):
                    total[k] += weight[k] * (x[k] * np.conj(y[k]))
