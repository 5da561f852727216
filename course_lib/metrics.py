"""Measures of how close an estimate is to its reference. The reference comes first.

Conventions. Levels are in dB; computation is in float64 whatever the input. A perfect estimate gives +inf, the honest
value of a ratio whose denominator is zero. A silent reference leaves nothing to compare with and raises
:class:`~course_lib.validation.SilentSignalError`: never NaN, never a warning.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import SilentSignalError, as_signal, describe


def snr(reference: ArrayLike, estimate: ArrayLike) -> float | NDArray[np.float64]:
    """Signal-to-noise ratio: everything that differs from the reference counts as noise, its scale included.

    Equation: SNR = 10 log₁₀( Σ_n s[n]² / Σ_n (ŝ[n] − s[n])² ) dB.

    A perfect estimate gives +inf, a silent one 0 dB. No mean is removed.

    Args:
        reference: s, shape (..., n_samples).
        estimate: ŝ, of the same shape (..., n_samples).
    Returns:
        SNR in dB: a float for one signal, else an array of shape (...).
    Raises:
        SilentSignalError: if a reference is silent; a ValueError, which names the signal.
        ValueError: if the shapes differ, or an input is empty, complex or not finite.
    Cost: O(N).
    Reference: E. Vincent, R. Gribonval and C. Févotte, "Performance measurement in blind audio source separation",
        IEEE Trans. ASLP 14(4), 2006.
    Lesson: 02 §4
    """
    s, s_hat = _as_pair(reference, estimate)
    _refuse_silence(_peak(s)[..., 0] == 0, "reference")
    return _as_result(_level_db(s) - _level_db(s_hat - s))


def si_sdr(reference: ArrayLike, estimate: ArrayLike, *, zero_mean: bool = True) -> float | NDArray[np.float64]:
    """Scale-invariant signal-to-distortion ratio: compares after scaling the reference to fit the estimate.

    Equation: SI-SDR = 10 log₁₀( ‖αs‖² / ‖ŝ − αs‖² ) dB, α = ⟨ŝ, s⟩ / ‖s‖².

    No constant is added to either sum. A perfect estimate, whatever its scale, gives +inf or, where rounding leaves a
    residue, about 300 dB; an estimate orthogonal to its reference gives −inf.

    Args:
        reference: s, shape (..., n_samples).
        estimate: ŝ, of the same shape (..., n_samples).
        zero_mean: whether to subtract the mean of both signals first, as most toolkits do.
    Returns:
        SI-SDR in dB: a float for one signal, else an array of shape (...).
    Raises:
        SilentSignalError: if a reference or an estimate is silent, or constant with zero_mean: 0/0 has no value.
            A ValueError, which names the signal.
        ValueError: if the shapes differ, or an input is empty, complex or not finite.
    Cost: O(N).
    Reference: J. Le Roux, S. Wisdom, H. Erdogan and J. Hershey, "SDR – half-baked or well done?", ICASSP 2019.
    Lesson: 02 §4
    """
    s, s_hat = _as_pair(reference, estimate)
    s, s_hat = _normalised(s, "reference", zero_mean), _normalised(s_hat, "estimate", zero_mean)
    alpha = np.sum(s_hat * s, axis=-1, keepdims=True) / np.sum(s**2, axis=-1, keepdims=True)
    return _as_result(_level_db(alpha * s) - _level_db(s_hat - alpha * s))


def _as_pair(reference: ArrayLike, estimate: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    s, s_hat = as_signal(reference, "reference"), as_signal(estimate, "estimate")
    if s.shape != s_hat.shape:
        raise ValueError(
            f"estimate: got {describe(s_hat)}, expected the shape of the reference, {s.shape}. "
            "Cut both to the same samples and put channels in the same order."
        )
    return s.astype(np.float64), s_hat.astype(np.float64)


def _normalised(x: NDArray[np.float64], name: str, zero_mean: bool) -> NDArray[np.float64]:
    """Scale each signal to a peak of one, which SI-SDR does not see, so that no square over- or underflows."""
    peak = _peak(x)
    silent = peak[..., 0] == 0
    _refuse_silence(silent, name)
    x = x / peak
    if zero_mean:
        x = x - x.mean(axis=-1, keepdims=True)
        # A constant is all ones or minus ones by now, whose mean is exact.
        residue = _peak(x)
        _refuse_silence(residue[..., 0] == 0, name, "constant, so silent without its mean")
        x = x / residue
    return x


def _refuse_silence(silent: NDArray[np.bool_], name: str, state: str = "silent") -> None:
    if silent.any():
        first = tuple(int(i) for i in np.argwhere(silent)[0])
        which = f"{name}{list(first)}" if first else name
        raise SilentSignalError(
            f"{which} is {state}, and a ratio of powers has no value there. "
            "Leave such signals out, or take them where something sounds."
        )


def _peak(x: NDArray[np.float64]) -> NDArray[np.float64]:
    peak: NDArray[np.float64] = np.abs(x).max(axis=-1, keepdims=True)
    return peak


def _level_db(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 10 log₁₀ Σ x², with −inf for silence; through the peak, so that no square over- or underflows."""
    peak = _peak(x)
    heard = peak > 0
    shape = np.divide(x, peak, out=np.zeros_like(x), where=heard)
    level = np.full(peak.shape, -np.inf)
    np.log10(np.sum(shape**2, axis=-1, keepdims=True), out=level, where=heard)
    np.add(10 * level, 20 * np.log10(peak, out=np.zeros_like(peak), where=heard), out=level)
    result: NDArray[np.float64] = level[..., 0]
    return result


def _as_result(ratio_db: NDArray[np.float64]) -> float | NDArray[np.float64]:
    return float(ratio_db) if ratio_db.ndim == 0 else ratio_db
