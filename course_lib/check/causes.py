"""Recognising the usual mistakes of signal processing from a wrong result and the right one.

Each detector looks at one mistake and returns the sentence that names it, or ``None``. They are asked in order, the
most specific first, and only after the comparison has already failed: a detector can never turn a wrong answer into a
right one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SAME = 1e-6
"""Largest error, relative to the peak, at which a result counts as the one that a mistake would give."""

_FLOAT32_ERROR = 1e-5
"""Errors below this, relative to the peak, look like rounding in single precision."""

_MAX_SHIFT_CANDIDATES = 4


def cause_of_shape(got: NDArray[Any], right: NDArray[Any]) -> str | None:
    """Name the mistake that explains a wrong shape.

    Args:
        got: the learner's result, of any shape.
        right: the right result, of another shape; all NaN where only its shape is known.
    Returns:
        One sentence, or ``None`` where no usual mistake is recognised.

    Lesson: 01 §2
    """
    if got.ndim != right.ndim:
        if np.squeeze(got).shape == np.squeeze(right).shape:
            return (
                "only an axis of length 1 differs: index it away or keep it (keepdims, [:, None]) to get the "
                "promised axes."
            )
        return (
            f"your result has {_count(got.ndim, 'axis', 'axes')} instead of {right.ndim}: was a batch or channel axis "
            "dropped, or added?"
        )
    if right.ndim >= 2 and got.shape == (*right.shape[:-2], right.shape[-1], right.shape[-2]):
        return (
            "the last two axes are swapped: transpose (our order is (..., n_freqs, n_frames) and (n_channels, "
            "n_samples))."
        )
    if got.shape[:-1] != right.shape[:-1]:
        return None
    n_got, n_right = got.shape[-1], right.shape[-1]
    return _cause_of_shorter(got, right) if n_got < n_right else _cause_of_longer(got, right)


def cause_of_values(got: NDArray[Any], right: NDArray[Any], tolerance: float) -> str | None:
    """Name the mistake that explains wrong values.

    Args:
        got: the learner's result, float64 or complex128 and finite.
        right: the right result, of the same shape.
        tolerance: largest error that the comparison accepts.
    Returns:
        One sentence, or ``None`` where no usual mistake is recognised.

    Lesson: 01 §2
    """
    if got.size == 0:
        return None
    detectors: tuple[Callable[[NDArray[Any], NDArray[Any]], str | None], ...] = (
        _cause_silence,
        _cause_precision,
        _cause_truncation,
        _cause_symmetry,
        _cause_scale,
        _cause_shift,
        _cause_circular_wrap,
        _cause_offset,
        lambda got, right: _cause_region(got, right, tolerance),
    )
    return next((cause for detect in detectors if (cause := detect(got, right)) is not None), None)


def undo_lag(got: NDArray[Any], right: NDArray[Any], lag: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cut both arrays to the part that overlaps when ``got`` is ``lag`` samples late.

    Args:
        got: array of shape (..., n_samples).
        right: array of the same shape.
        lag: samples by which ``got`` is late; negative when it is early.
    Returns:
        The two overlapping parts, each of shape (..., n_samples − |lag|); scalars come back as they are.

    Lesson: 01 §2
    """
    if lag == 0 or got.ndim == 0:
        return got, right
    if lag > 0:
        return got[..., lag:], right[..., :-lag]
    return got[..., :lag], right[..., -lag:]


def holds_most_energy(part: NDArray[Any], whole: NDArray[Any]) -> bool:
    """Return whether a part is enough to judge the whole by.

    Without this, silence would agree with any signal once a lag has moved the signal out of sight.

    Args:
        part: the samples that are compared.
        whole: all samples.
    Returns:
        ``True`` if the part holds more than half of the energy, or if there is none.

    Lesson: 01 §2
    """
    energy = float(np.sum(np.abs(whole) ** 2))
    return energy == 0 or 2 * float(np.sum(np.abs(part) ** 2)) > energy


def _cause_of_shorter(got: NDArray[Any], right: NDArray[Any]) -> str:
    n_got, n_right = got.shape[-1], right.shape[-1]
    n_missing = n_right - n_got
    missing = _count(n_missing, "sample")
    if n_got > 0 and _same(got, right[..., :n_got]):
        if n_missing == 1:
            return (
                "off by one: the last sample is missing, the rest is right. Check the formula for the length, and "
                "where each range ends."
            )
        return (
            f"what came is right, but the last {missing} are missing: did you keep the tail, or drop the last, "
            "shorter block?"
        )
    if n_got > 0 and n_got < n_right and _same(got, _folded(right, n_got)):
        return (
            f"circular wrap: the last {missing} are folded onto the first ones. "
            "The FFT was shorter than the linear result: pad to at least N + M − 1 before you transform."
        )
    start = _find(got, right)
    if start is not None:
        return (
            f"what came is right from sample {start} on, but the head is missing: was it cut to 'same' or 'valid'? "
            "The full result has a head and a tail."
        )
    if n_missing == 1:
        return "off by one: one sample too short. Check the formula for the length, and where each range ends."
    return f"{missing} too short: was the tail or the last, shorter block dropped?"


def _cause_of_longer(got: NDArray[Any], right: NDArray[Any]) -> str:
    n_got, n_right = got.shape[-1], right.shape[-1]
    extra = _count(n_got - n_right, "sample")
    if _same(got[..., :n_right], right) and not got[..., n_right:].any():
        return f"the right result is followed by {extra} of zeros: cut off the padding before you return."
    if _same(got[..., :n_right], right):
        return f"the right result is followed by {extra} too many: cut the result to its length."
    start = _find(right, got)
    if start is not None:
        return f"the right result starts at sample {start}: cut off what stands before it (padding or delay)."
    if n_got == n_right + 1:
        return "off by one: one sample too long. Check the formula for the length, and where each range ends."
    return f"{extra} too long: was padding kept, or the length not cut at the end?"


def _cause_silence(got: NDArray[Any], right: NDArray[Any]) -> str | None:
    if got.any() or not right.any():
        return None
    return "your result is all zeros: is the output array ever written to, and is it the one that you return?"


def _cause_precision(got: NDArray[Any], right: NDArray[Any]) -> str | None:
    peak = _peak(right)
    error = _peak(got - right)
    if peak == 0 or error > _FLOAT32_ERROR * peak:
        return None
    digits = int(np.floor(-np.log10(error / peak)))
    return (
        f"only about {digits} digits agree: was something computed or stored in float32 on the way, or a constant "
        "rounded?"
    )


def _cause_truncation(got: NDArray[Any], right: NDArray[Any]) -> str | None:
    for rounding, word in ((np.trunc, "truncated"), (np.round, "rounded")):
        for scale, grid in ((1.0, "whole numbers"), (32768.0, "16-bit steps")):
            if not np.iscomplexobj(right) and _same(got, rounding(right * scale) / scale):
                return (
                    f"your result was {word} to {grid}: keep floats until the end (no astype(int), no integer output "
                    "array)."
                )
    return None


def _cause_symmetry(got: NDArray[Any], right: NDArray[Any]) -> str | None:
    """Look for one operation too many or too few that keeps the numbers but not their order, sign or phase."""
    is_complex = np.iscomplexobj(right)
    candidates: list[tuple[str, NDArray[Any]]] = [
        ("the sign is flipped: look for a minus too many or too few.", -right)
    ]
    if is_complex:
        candidates += [
            (
                "the result is conjugated: check the sign of the exponent (e^−j forward, e^+j inverse), and .T "
                "against .conj().T.",
                right.conj(),
            ),
            ("only the real part is there: nothing may take .real on the way.", right.real),
            ("your result is the magnitude: keep the phase too (no abs).", np.abs(right)),
        ]
    if right.ndim >= 1:
        candidates.append(
            ("the result is reversed in time: was one flip forgotten, or one too many made?", right[..., ::-1])
        )
    if right.ndim >= 2:
        if right.shape[-1] == right.shape[-2]:
            candidates.append(("the last two axes are swapped: transpose.", np.swapaxes(right, -1, -2)))
        candidates.append(("the first axis comes in reverse order.", right[::-1]))
    return next((sentence for sentence, candidate in candidates if _same(got, candidate)), None)


def _cause_scale(got: NDArray[Any], right: NDArray[Any]) -> str | None:
    power = float(np.vdot(right, right).real)
    if power == 0:
        return None
    factor = complex(np.vdot(right, got)) / power
    if not _same(got, factor * right):
        return None
    if abs(factor.imag) > _SAME * abs(factor):
        if abs(abs(factor) - 1) < _SAME:
            return f"every value is turned by the same phase of {np.degrees(np.angle(factor)):.4g}°."
        return f"every value is multiplied by the same complex factor {factor:.4g}."
    gain = factor.real
    sentence = f"every value is multiplied by {gain:.6g}"
    if any(abs(gain / value - 1) < _SAME for value in (2.0, 0.5)):
        return (
            f"{sentence}: is something counted twice or halved (20·log10 against 10·log10, a doubled half of a "
            "spectrum)?"
        )
    # One or two numbers are a multiple of anything, so only a usual factor says something there.
    if right.size < 3:
        return None
    for value in (gain, 1 / gain):
        if value > 2.5 and abs(value - round(value)) < _SAME * value:
            direction = "missing" if value == gain else "applied twice"
            return (
                f"{sentence}: is a division by {round(value)} {direction} (the 1/N of the inverse DFT, a mean, a "
                "window's sum)?"
            )
    return f"{sentence}: is a normalisation (1/N, the window's sum, a mean) missing, doubled or of the wrong size?"


def _cause_shift(got: NDArray[Any], right: NDArray[Any]) -> str | None:
    """Find a delay along the last axis by cross-correlation, then make sure of it sample by sample."""
    if right.ndim == 0 or right.shape[-1] < 4 or not right.any():
        return None
    n_samples = right.shape[-1]
    n_fft = 2 * n_samples
    cross_spectrum = np.fft.fft(got, n_fft) * np.fft.fft(right, n_fft).conj()
    correlation = np.abs(np.fft.ifft(cross_spectrum)).reshape(-1, n_fft).sum(axis=0)
    best = np.argsort(correlation)[::-1][:_MAX_SHIFT_CANDIDATES]
    unit = "sample" if right.ndim == 1 else "step"
    along = "" if right.ndim == 1 else " along the last axis"
    for position in (int(p) for p in best):
        lag = position if position < n_samples else position - n_fft
        if lag == 0 or abs(lag) >= n_samples:
            continue
        if _same(got, np.roll(right, lag, axis=-1)):
            way = "late" if lag > 0 else "early"
            return (
                f"your result is rotated: {_count(abs(lag), unit)} too {way}{along}, what leaves at one end comes in "
                "at the other."
            )
        got_part, right_part = undo_lag(got, right, lag)
        if holds_most_energy(right_part, right) and _same(got_part, right_part):
            way = "late: y[n] holds what belongs at n − " if lag > 0 else "early: y[n] holds what belongs at n + "
            return (
                f"your result is {_count(abs(lag), unit)} too {way}{abs(lag)}{along}. Check where the index starts, "
                "or an uncompensated delay."
            )
    return None


def _cause_circular_wrap(got: NDArray[Any], right: NDArray[Any]) -> str | None:
    """A result of the right length whose tail is zero because it was folded onto the head."""
    if right.ndim == 0 or right.shape[-1] < 3:
        return None
    sounding = np.flatnonzero(np.abs(got).reshape(-1, right.shape[-1]).max(axis=0) > _SAME * _peak(right))
    if sounding.size == 0:
        return None
    n_fft = int(sounding[-1]) + 1
    if 2 <= n_fft < right.shape[-1] and _same(got[..., :n_fft], _folded(right, n_fft)):
        return (
            f"circular wrap: the last {_count(right.shape[-1] - n_fft, 'sample')} are folded onto the first ones. "
            "The FFT was shorter than the linear result: pad to at least N + M − 1 before you transform."
        )
    return None


def _cause_offset(got: NDArray[Any], right: NDArray[Any]) -> str | None:
    if right.size < 3:
        return None
    offset = np.mean(got - right)
    if _peak(got - right - offset) > _SAME * max(_peak(right), abs(offset)):
        return None
    return f"the same constant {offset:.4g} is added everywhere: was a mean not removed, or a start value not zero?"


def _cause_region(got: NDArray[Any], right: NDArray[Any], tolerance: float) -> str | None:
    """Name where along the last axis the errors are, when that alone says what to look at."""
    if right.ndim == 0 or right.shape[-1] < 4:
        return None
    n_samples = right.shape[-1]
    wrong = (np.abs(got - right) > tolerance).reshape(-1, n_samples).any(axis=0)
    positions = np.flatnonzero(wrong)
    unit = "sample" if right.ndim == 1 else "step"
    along = "" if right.ndim == 1 else " of the last axis"
    n_head = int(positions[positions < n_samples // 2].max(initial=-1)) + 1
    n_tail = n_samples - int(positions[positions >= n_samples // 2].min(initial=n_samples))
    if 2 * (n_head + n_tail) <= n_samples:
        if n_head == 0 and not got[..., -n_tail:].any():
            return f"the last {_count(n_tail, unit)}{along} are zero: was the last, shorter block or the tail left out?"
        ends = [f"first {_count(n_head, unit)}"] * (n_head > 0) + [f"last {_count(n_tail, unit)}"] * (n_tail > 0)
        edge_question = "did the edge frames get their share (padding, window compensation, start state)?"
        return f"only the {' and the '.join(ends)}{along} are wrong: {edge_question}"
    starts = np.flatnonzero(wrong & ~np.r_[False, wrong[:-1]])
    spacing = np.diff(starts)
    if starts.size >= 3 and spacing.min() == spacing.max() >= 3:
        return (
            f"the errors come back every {_count(int(spacing[0]), unit)}: look at the block boundaries (overlap not "
            "added, state not kept)."
        )
    return None


def _find(part: NDArray[Any], whole: NDArray[Any]) -> int | None:
    """Return where along the last axis ``part`` stands in the longer ``whole``, or ``None``."""
    if part.size == 0 or not _peak(part) > 0:
        return None
    # Only where the loudest sample fits can the rest fit, which spares comparing at every start.
    loudest = np.unravel_index(int(np.argmax(np.abs(part))), part.shape)
    row, position = loudest[:-1], int(loudest[-1])
    n_starts = whole.shape[-1] - part.shape[-1] + 1
    distance = np.abs(whole[row][position : position + n_starts] - part[loudest])
    for start in (int(s) for s in np.flatnonzero(distance <= _SAME * _peak(part))):
        if _same(part, whole[..., start : start + part.shape[-1]]):
            return start
    return None


def _folded(right: NDArray[Any], n_fft: int) -> NDArray[Any]:
    """Return what a circular convolution of ``n_fft`` samples makes of the linear result."""
    n_blocks = -(-right.shape[-1] // n_fft)
    padding = [(0, 0)] * (right.ndim - 1) + [(0, n_blocks * n_fft - right.shape[-1])]
    return np.asarray(np.pad(right, padding).reshape(*right.shape[:-1], n_blocks, n_fft).sum(axis=-2))


def _same(got: NDArray[Any], candidate: NDArray[Any]) -> bool:
    """Return whether ``got`` is what the mistake would give; false for silence, which proves nothing, and for NaN."""
    peak = _peak(candidate)
    return bool(peak > 0 and _peak(got - candidate) <= _SAME * peak)


def _peak(array: NDArray[Any]) -> float:
    return float(np.max(np.abs(array), initial=0.0))


def _count(number: int, singular: str, plural: str | None = None) -> str:
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
