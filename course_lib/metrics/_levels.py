"""Levels and ratios in decibels that neither overflow nor underflow, and what is refused before them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from course_lib.validation import SilentSignalError, as_signal, describe


def as_pair(reference: ArrayLike, estimate: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    s, s_hat = as_signal(reference, "reference"), as_signal(estimate, "estimate")
    if s.shape != s_hat.shape:
        raise ValueError(
            f"estimate: got {describe(s_hat)}, expected the shape of the reference, {s.shape}. "
            "Cut both to the same samples and put channels in the same order."
        )
    return s.astype(np.float64), s_hat.astype(np.float64)


def refuse_silence(silent: NDArray[np.bool_], name: str, state: str = "silent") -> None:
    if silent.any():
        first = tuple(int(i) for i in np.argwhere(silent)[0])
        which = f"{name}{list(first)}" if first else name
        raise SilentSignalError(
            f"{which} is {state}, and a ratio of powers has no value there. "
            "Leave such signals out, or take them where something sounds."
        )


def peak_of(x: NDArray[np.float64]) -> NDArray[np.float64]:
    peak: NDArray[np.float64] = np.abs(x).max(axis=-1, keepdims=True)
    return peak


def level_db(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 10 log₁₀ Σ x², with −inf for silence; through the peak, so that no square over- or underflows."""
    peak = peak_of(x)
    heard = peak > 0
    shape = np.divide(x, peak, out=np.zeros_like(x), where=heard)
    level = np.full(peak.shape, -np.inf)
    np.log10(np.sum(shape**2, axis=-1, keepdims=True), out=level, where=heard)
    np.add(10 * level, 20 * np.log10(peak, out=np.zeros_like(peak), where=heard), out=level)
    result: NDArray[np.float64] = level[..., 0]
    return result


def ratio_db(power: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 10 log₁₀ of a ratio of powers: −inf for no power over anything, +inf for some over none."""
    level = np.full(power.shape, np.inf)
    np.log10(np.divide(power, other, out=level, where=other > 0), out=level, where=(other > 0) & (power > 0))
    return np.where(power > 0, 10 * level, -np.inf)


def as_result(ratio_db: NDArray[np.float64]) -> float | NDArray[np.float64]:
    return float(ratio_db) if ratio_db.ndim == 0 else ratio_db
