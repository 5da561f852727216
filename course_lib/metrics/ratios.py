"""Signal-to-noise and signal-to-distortion ratios of one estimate and one reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.metrics._levels import as_pair, as_result, level_db, peak_of, refuse_silence
from course_lib.validation import as_signal, describe


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
    s, s_hat = as_pair(reference, estimate)
    refuse_silence(peak_of(s)[..., 0] == 0, "reference")
    return as_result(level_db(s) - level_db(s_hat - s))


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
    s, s_hat = as_pair(reference, estimate)
    s, s_hat = _normalised(s, "reference", zero_mean), _normalised(s_hat, "estimate", zero_mean)
    alpha = np.sum(s_hat * s, axis=-1, keepdims=True) / np.sum(s**2, axis=-1, keepdims=True)
    return as_result(level_db(alpha * s) - level_db(s_hat - alpha * s))


def si_sdr_improvement(
    reference: ArrayLike, estimate: ArrayLike, mixture: ArrayLike, *, zero_mean: bool = True
) -> float | NDArray[np.float64]:
    """SI-SDR that a separation has gained over doing nothing.

    Equation: ΔSI-SDR = SI-SDR(s, ŝ) − SI-SDR(s, x).

    Where both are infinite of one sign, nothing was gained: 0 dB.

    Args:
        reference: s, shape (..., n_samples).
        estimate: ŝ, of the same shape (..., n_samples).
        mixture: x, of the same shape, or one for all references, shape (n_samples,).
        zero_mean: whether to subtract the mean of all signals first.
    Returns:
        Improvement in dB: a float for one signal, else an array of shape (...).
    Raises:
        SilentSignalError: if a reference, an estimate or a mixture is silent; a ValueError, which names the signal.
        ValueError: if the shapes differ, or an input is empty, complex or not finite.
    Cost: O(N).
    Reference: J. Le Roux, S. Wisdom, H. Erdogan and J. Hershey, "SDR – half-baked or well done?", ICASSP 2019.
    Lesson: 02 §4
    """
    x = as_signal(mixture, "mixture")
    shape = as_signal(reference, "reference").shape
    if x.shape not in (shape, shape[-1:]):
        raise ValueError(
            f"mixture: got {describe(x)}, expected the shape of the reference, {shape}, or one mixture for all, "
            f"{shape[-1:]}. Cut both to the same samples."
        )
    # Only for the errors, which would name an estimate otherwise.
    _normalised(x.astype(np.float64), "mixture", zero_mean)
    after = np.asarray(si_sdr(reference, estimate, zero_mean=zero_mean))
    before = np.asarray(si_sdr(reference, np.broadcast_to(x, shape), zero_mean=zero_mean))
    return as_result(np.subtract(after, before, out=np.zeros(after.shape), where=after != before))


def _normalised(x: NDArray[np.float64], name: str, zero_mean: bool) -> NDArray[np.float64]:
    """Scale each signal to a peak of one, which SI-SDR does not see, so that no square over- or underflows."""
    peak = peak_of(x)
    silent = peak[..., 0] == 0
    refuse_silence(silent, name)
    x = x / peak
    if zero_mean:
        x = x - x.mean(axis=-1, keepdims=True)
        # A constant is all ones or minus ones by now, whose mean is exact.
        residue = peak_of(x)
        refuse_silence(residue[..., 0] == 0, name, "constant, so silent without its mean")
        x = x / residue
    return x
