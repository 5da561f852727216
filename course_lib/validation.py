"""Checks of what callers hand in, with errors that say what came, what was expected and what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def describe(value: Any) -> str:
    """Name a value for an error message: type, and shape and dtype where it has them."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    return f"{type(value).__name__} {value!r:.60}"


def as_signal(
    value: ArrayLike,
    name: str,
    *,
    n_axes: int | None = None,
    allow_complex: bool = False,
    allow_empty: bool = False,
) -> NDArray[Any]:
    """Return ``value`` as a floating-point array ``(..., n_samples)``, or raise ``ValueError``.

    Integers and booleans become float64; float32, float64 and (if allowed) complex keep their precision.
    A wrong number of axes, an empty last axis, complex input where it has no meaning, and NaN or
    infinity are refused with the remedy in the message.
    """
    try:
        signal = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name}: got {describe(value)}, which is not a rectangular array. Pass one array of numbers.") from error
    if signal.dtype.kind in "iub":
        signal = signal.astype(np.float64)
    if signal.dtype.kind == "c" and not allow_complex:
        raise ValueError(f"{name}: got {describe(signal)}, expected real samples. Take its real part if that is what you mean.")
    if signal.dtype.kind not in "fc":
        raise ValueError(f"{name}: got {describe(value)}, expected numbers. Pass a NumPy array of float32 or float64.")
    if signal.dtype == np.float16:
        signal = signal.astype(np.float32)
    elif signal.dtype.itemsize > (16 if signal.dtype.kind == "c" else 8):
        # Extended precision differs from machine to machine and compiled loops cannot take it.
        signal = signal.astype(np.complex128 if signal.dtype.kind == "c" else np.float64)
    elif not signal.dtype.isnative:
        signal = signal.astype(signal.dtype.newbyteorder("="))
    if signal.ndim == 0 or (n_axes is not None and signal.ndim != n_axes):
        expected = "at least 1 axis (..., n_samples)" if n_axes is None else f"{n_axes} axis" if n_axes == 1 else f"{n_axes} axes"
        raise ValueError(f"{name}: got {describe(signal)}, expected {expected}. Select or reshape before the call.")
    if signal.size == 0 and not allow_empty:
        raise ValueError(f"{name}: got {describe(signal)}, expected at least one sample. Check the slice that made it.")
    if not np.isfinite(signal).all():
        n_bad = int(signal.size - np.count_nonzero(np.isfinite(signal)))
        raise ValueError(f"{name}: {n_bad} of {signal.size} values are NaN or infinite, expected finite samples. Find where they arise before the call.")
    return signal


def as_positive_integer(value: Any, name: str, *, minimum: int = 1) -> int:
    """Return ``value`` as a Python ``int`` of at least ``minimum``, or raise ``ValueError``."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < minimum:
        raise ValueError(f"{name}: got {describe(value)}, expected a whole number of at least {minimum}.")
    return int(value)
