"""Mixtures at a stated signal-to-noise ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.scenes._images import sum_in_order
from course_lib.validation import SilentSignalError, as_number, as_signal, describe

_LARGEST_SNR_DB: Final = 300.0


@dataclass(frozen=True, eq=False)
class Mixture:
    """A target and a noise at a stated signal-to-noise ratio.

    Args:
        mixture: shape (..., n_samples); equal to ``images[0] + images[1]`` to the last bit.
        images: target and noise as they stand in the mixture, shape (2, ..., n_samples).
        snr_db: the ratio that was asked for, in decibels.

    Lesson: 02 §4
    """

    mixture: NDArray[np.float64]
    images: NDArray[np.float64]
    snr_db: float


def _norm(signal: NDArray[np.float64], name: str) -> float:
    """Return the root of a signal's energy, or raise ``SilentSignalError``; no scale overflows or underflows it."""
    peak = float(np.abs(signal).max())
    if peak == 0.0:
        raise SilentSignalError(
            f"{name}: got silence ({describe(signal)}), which has no level. Pass a signal with sound."
        )
    return math.sqrt(float(np.sum(np.square(signal / peak)))) * peak


def mix_at_snr(
    target: ArrayLike, noise: ArrayLike, snr_db: float, *, rng: np.random.Generator | None = None
) -> Mixture:
    """Add noise to a target at a stated signal-to-noise ratio.

    Equation: y[n] = x[n] + g v[n],  g = √(Σ x² / Σ v² · 10^(−SNR/10))

    The target keeps its level. A shorter noise is repeated, a longer one cut; sums run over all channels
    and samples of the target, so that the ratio holds for the mixture as a whole.

    Args:
        target: signal x, shape (..., n_samples).
        noise: noise v, shape (..., n_noise_samples) with the target's leading axes, or (n_noise_samples,).
        snr_db: signal-to-noise ratio in decibels.
        rng: draws where in the noise to start; without it the noise starts at its beginning.

    Returns:
        The mixture and its two images.

    Raises:
        SilentSignalError: if the target or the part of the noise that is used is silent.
        ValueError: if shapes do not agree or the ratio is not a finite number.

    Cost: O(N).
    Reference: Loizou, Speech Enhancement: Theory and Practice, 2nd ed., ch. 11.
    Lesson: 02 §4
    """
    clean = as_signal(target, "target").astype(np.float64)
    disturbance = as_signal(noise, "noise").astype(np.float64)
    snr_db = as_number(snr_db, "snr_db", -_LARGEST_SNR_DB, _LARGEST_SNR_DB)
    if disturbance.ndim != 1 and disturbance.shape[:-1] != clean.shape[:-1]:
        raise ValueError(
            f"noise: got shape {disturbance.shape}, expected ({disturbance.shape[-1]},) or the target's leading axes "
            f"{clean.shape[:-1]} before the samples."
        )
    n_samples, n_noise_samples = clean.shape[-1], disturbance.shape[-1]
    # A noise that is long enough is never wrapped: its end and beginning need not fit together.
    n_starts = n_noise_samples - n_samples + 1 if n_noise_samples >= n_samples else n_noise_samples
    start = 0 if rng is None else int(rng.integers(n_starts))
    used = np.take(disturbance, np.arange(start, start + n_samples) % n_noise_samples, axis=-1)
    used = np.array(np.broadcast_to(used, clean.shape))
    gain = _norm(clean, "target") / _norm(used, "noise") * 10.0 ** (-float(snr_db) / 20.0)
    images = np.stack([clean, gain * used])
    return Mixture(mixture=sum_in_order(images), images=images, snr_db=float(snr_db))
