"""Checks of what callers hand in, with errors that say what came, what was expected and what to do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class SilentSignalError(ValueError):
    """A signal is silent where a ratio of powers needs one that is not."""


def describe(value: Any) -> str:
    """Name a value for an error message: type, and shape and dtype where it has them.

    Args:
        value: anything.
    Returns:
        A few words, without the values of an array.
    Lesson: 01 §2
    """
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
    infinity are refused with the remedy in the message. Other precisions and byte orders become the nearest of these.

    Args:
        value: what the caller handed in.
        name: the caller's name for it, with which the message begins.
        n_axes: number of axes it must have; any from 1 unless given.
        allow_complex: whether complex values have a meaning.
        allow_empty: whether no samples at all have a meaning, as in a stream.
    Returns:
        The samples, shape (..., n_samples); the caller's own array where nothing had to change.
    Raises:
        ValueError: if the value is no such signal.
    Lesson: 01 §2
    """
    try:
        signal = np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"{name}: got {describe(value)}, which is not a rectangular array. Pass one array of numbers."
        ) from error
    if signal.dtype.kind in "iub":
        signal = signal.astype(np.float64)
    if signal.dtype.kind == "c" and not allow_complex:
        raise ValueError(
            f"{name}: got {describe(signal)}, expected real samples. Take its real part if that is what you mean."
        )
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
        axes = "at least 1 axis (..., n_samples)" if n_axes is None else "1 axis" if n_axes == 1 else f"{n_axes} axes"
        raise ValueError(f"{name}: got {describe(signal)}, expected {axes}. Select or reshape before the call.")
    if signal.size == 0 and not allow_empty:
        raise ValueError(f"{name}: got {describe(signal)}, expected at least one sample. Check the slice that made it.")
    # A sum is finite only if every sample is, and costs no temporary array; that of huge samples may overflow, hence
    # the second look. A dot product would do as well, but BLAS may wake threads for it, which takes longer than an FFT.
    with np.errstate(over="ignore", invalid="ignore"):
        total = signal.sum()
    if not np.isfinite(total) and not np.isfinite(signal).all():
        n_bad = int(signal.size - np.count_nonzero(np.isfinite(signal)))
        raise ValueError(
            f"{name}: {n_bad} of {signal.size} values are NaN or infinite, expected finite samples. "
            "Find where they arise before the call."
        )
    return signal


def as_positive_integer(value: Any, name: str, *, minimum: int = 1) -> int:
    """Return ``value`` as a Python ``int`` of at least ``minimum``, or raise ``ValueError``.

    Args:
        value: what the caller handed in; booleans and floats are no whole numbers.
        name: the caller's name for it, with which the message begins.
        minimum: smallest value that has a meaning.
    Returns:
        The number.
    Raises:
        ValueError: if the value is anything else.
    Lesson: 01 §5
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < minimum:
        raise ValueError(f"{name}: got {describe(value)}, expected a whole number of at least {minimum}.")
    return int(value)


def as_spectrograms(value: ArrayLike, name: str, axes: str = "(n_channels, n_freqs, n_frames)") -> NDArray[Any]:
    """Return three-axis complex spectrograms, in double precision unless they came in single.

    Args:
        value: what the caller handed in.
        name: the caller's name for it, with which the message begins.
        axes: what the three axes are, for the message.
    Returns:
        The spectrograms, complex64 or complex128, shape (n_channels, n_freqs, n_frames).
    Raises:
        ValueError: if there are not three axes, one is empty, or a value is not finite.
    Lesson: 03 §5
    """
    spectrograms = np.asarray(value)
    if spectrograms.ndim != 3:
        raise ValueError(
            f"{name}: got {describe(spectrograms)}, expected 3 axes {axes}. "
            "Pass the STFT of a signal (n_channels, n_samples)."
        )
    spectrograms = as_signal(spectrograms, name, n_axes=3, allow_complex=True)
    single = spectrograms.dtype in (np.float32, np.complex64)
    return spectrograms.astype(np.complex64 if single else np.complex128, copy=False)


def as_channel(value: Any, name: str, n_channels: int) -> int:
    """Return the index of a channel as an ``int``; negative ones count from the last channel.

    Args:
        value: what the caller handed in.
        name: the caller's name for it, with which the message begins.
        n_channels: how many channels there are.
    Returns:
        The index, 0 to n_channels - 1.
    Raises:
        ValueError: if there is no such channel.
    Lesson: 03 §7
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    if not whole or not -n_channels <= value < n_channels:
        raise ValueError(
            f"{name}: got {describe(value)}, expected the index of one of {n_channels} channels, 0 to {n_channels - 1}."
        )
    return int(value) % n_channels


def as_number(
    value: Any, name: str, minimum: float = -math.inf, maximum: float = math.inf, *, above: bool = False
) -> float:
    """Return ``value`` as a finite Python ``float`` within its bounds, or raise ``ValueError``.

    Args:
        value: what the caller handed in; booleans and texts are no numbers.
        name: the caller's name for it, with its unit, with which the message begins.
        minimum: smallest value that has a meaning.
        maximum: largest value that has a meaning.
        above: whether the value must be larger than the minimum.
    Returns:
        The number.
    Raises:
        ValueError: if the value is anything else.
    Lesson: 05 §2
    """
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not is_number or not minimum <= value <= maximum or not math.isfinite(value) or (above and value == minimum):
        bounds = [f"above {minimum:g}" if above else f"of at least {minimum:g}"] if math.isfinite(minimum) else []
        bounds += [f"up to {maximum:g}"] if math.isfinite(maximum) else []
        raise ValueError(f"{name}: got {describe(value)}, expected {' '.join(['a finite number', *bounds])}.")
    return float(value)
