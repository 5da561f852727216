"""Comparisons of a learner's result with the right one, in the order in which a mistake is easiest to understand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from course_lib.check.causes import cause_of_shape, cause_of_values, holds_most_energy, undo_lag
from course_lib.check.failure import CheckFailed
from course_lib.check.plain import is_tensor, plain_array
from course_lib.validation import as_positive_integer

# Two correct float32 algorithms differ by rounding that grows with their length; 64 units in the last place cover a
# lesson's sizes.
_UNITS_IN_THE_LAST_PLACE = 64
# An author may state a mistake's array in less precision than the answer's tolerance asks for.
_MISTAKE_TOLERANCE = 1e-6
# Imaginary parts below this, relative to the peak, are what an inverse FFT leaves of a real signal.
_ROUNDING = 1e-6


def close(
    actual: Any,
    expected: ArrayLike,
    *,
    name: str = "your answer",
    dtype: DTypeLike | None = None,
    relative_tolerance: float = 1e-9,
    absolute_tolerance: float = 1e-12,
    up_to_lag: int = 0,
    up_to_scale: bool = False,
    up_to_sign: bool = False,
    mistakes: Mapping[str, ArrayLike] | None = None,
) -> None:
    """Compare a result with the right one: type, shape, dtype, finiteness, then values; silent when they agree.

    Values agree when no error exceeds ``absolute_tolerance + relative_tolerance · max|expected|``: relative to the
    peak of the whole array, because rounding in an FFT or a sum spreads over all samples. Where ``expected`` is
    float32 the relative tolerance is at least 64 units in its last place (8e-6). NaN and infinity in ``expected`` must
    come back in place.

    Args:
        actual: what the learner's function returned. Where ``expected`` is an array it must be an array, where it is a
            tensor a tensor; where it is a number or a list, anything that holds numbers will do.
        expected: the right result, of any shape.
        name: how the message calls the result.
        dtype: the dtype that the exercise promises; ``None`` accepts any that can hold the right values.
        relative_tolerance: largest error, relative to the peak of ``expected``.
        absolute_tolerance: largest error allowed even where ``expected`` is silent.
        up_to_lag: accept a shift of at most this many samples either way along the last axis; samples shifted out are
            not compared.
        up_to_scale: accept any positive factor common to the whole array.
        up_to_sign: accept a sign flip common to the whole array.
        mistakes: teaching sentence to the array that this mistake would give; a match is named as the likely cause.
    Raises:
        CheckFailed: if they disagree, with what came, what was expected, the largest error and the likely cause.

    Lesson: 01 §2
    """
    # Whatever a learner's array holds (infinity, NaN, huge numbers) must end in a message, never in a warning of ours.
    with np.errstate(all="ignore"):
        known_mistakes = {sentence: np.asarray(value) for sentence, value in (mistakes or {}).items()}
        got, right = _same_kind(actual, expected, name, known_mistakes)
        precision = max(relative_tolerance, _UNITS_IN_THE_LAST_PLACE * _unit_in_the_last_place(right))
        if got.shape != right.shape:
            cause = cause_of_shape(_in_double_precision(got), _in_double_precision(right))
            _fail_shape(got, right.shape, name, _named_mistake(got, known_mistakes) or cause)
        _check_dtype(got, right, dtype, name, known_mistakes)
        got, right = _in_double_precision(got), _in_double_precision(right)
        special = ~np.isfinite(right)
        _check_finite(got, name, where_expected=~special)
        if special.any():
            _check_special_values(got, right, special, name)
            got, right = np.where(special, 0.0, got), np.where(special, 0.0, right)

        tolerance = absolute_tolerance + precision * _peak(right)
        got_part, right_part = _best_match(got, right, tolerance, up_to_lag, up_to_scale, up_to_sign)
        if _peak(got_part - right_part) > tolerance:
            cause_found = _named_mistake(got, known_mistakes) or cause_of_values(got_part, right_part, tolerance)
            raise CheckFailed(
                f"{name} has wrong values", _describe_errors(got_part, right_part, tolerance), cause_found
            )


def shape(
    actual: Any,
    expected_shape: int | Sequence[int],
    *,
    name: str = "your answer",
    mistakes: Mapping[str, int | Sequence[int]] | None = None,
) -> None:
    """Check the shape alone, for results whose values have no single right answer; silent when it agrees.

    Args:
        actual: array, tensor, number, or list of numbers.
        expected_shape: the right shape; one number stands for the length of a one-dimensional array.
        name: how the message calls the result.
        mistakes: teaching sentence to the shape or length that this mistake would give.
    Raises:
        CheckFailed: if the shapes differ.

    Lesson: 01 §2
    """
    got = plain_array(actual, name)
    right = _as_shape(expected_shape)
    if got.shape == right:
        return
    for sentence, wrong in (mistakes or {}).items():
        if got.shape == _as_shape(wrong):
            _fail_shape(got, right, name, sentence)
    _fail_shape(got, right, name, cause_of_shape(_in_double_precision(got), np.full(right, np.nan)))


def finite(actual: Any, *, name: str = "your answer") -> None:
    """Check that no value is NaN or infinite; silent when all are finite.

    Args:
        actual: array, tensor, number, or list of numbers.
        name: how the message calls the result.
    Raises:
        CheckFailed: if a value is not finite, with how many and the first one's index.

    Lesson: 01 §6
    """
    _check_finite(plain_array(actual, name), name)


def _same_kind(
    actual: Any, expected: ArrayLike, name: str, mistakes: Mapping[str, NDArray[Any]]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both as plain arrays, after making sure that a promised array or tensor is one."""
    right = plain_array(expected, "expected")
    if type(actual) is tuple and right.ndim > 0:
        raise CheckFailed(
            f"{name} is a tuple of {len(actual)} items",
            [f"expected one array of shape {right.shape}"],
            cause="several results were returned, or a stray comma made a tuple of one: return the array alone.",
        )
    got = plain_array(actual, name)
    remedy = None
    if is_tensor(expected) and not is_tensor(actual):
        remedy = "this exercise works on tensors: return a torch.Tensor (torch.from_numpy(...) converts)."
    elif isinstance(expected, np.ndarray) and right.ndim > 0:
        if is_tensor(actual):
            remedy = "this exercise works on arrays: convert with tensor.numpy() before you return it."
        elif type(actual) is list:
            remedy = "wrap the result in np.array(...) before you return it."
        elif got.ndim == 0:
            remedy = _named_mistake(got, mistakes) or (
                "your function returned a single number: does `return` stand inside the loop, or was one element or "
                "a sum returned?"
            )
    if remedy is not None:
        wanted = "a torch.Tensor" if is_tensor(expected) else "a NumPy array"
        raise CheckFailed(
            f"{name} is of type {type(actual).__name__}", [f"expected {wanted} of shape {right.shape}"], remedy
        )
    return got, right


def _best_match(
    got: NDArray[Any], right: NDArray[Any], tolerance: float, up_to_lag: int, up_to_scale: bool, up_to_sign: bool
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Apply the lag, scale and sign that are allowed and fit best, and return the two arrays as they then compare."""
    max_lag = as_positive_integer(up_to_lag, "up_to_lag", minimum=0)
    n_samples = right.shape[-1] if right.ndim else 0
    best, best_error = (got, right), np.inf
    for lag in sorted(range(-max_lag, max_lag + 1), key=abs):
        if lag != 0 and abs(lag) >= n_samples:
            break
        got_part, right_part = undo_lag(got, right, lag)
        if not holds_most_energy(right_part, right):
            continue
        got_part = got_part * _gain(got_part, right_part, up_to_scale, up_to_sign)
        error = _peak(got_part - right_part)
        if error < best_error:
            best, best_error = (got_part, right_part), error
        if error <= tolerance:
            break
    return best


def _check_dtype(
    got: NDArray[Any], right: NDArray[Any], dtype: DTypeLike | None, name: str, mistakes: Mapping[str, NDArray[Any]]
) -> None:
    """Refuse a dtype that was not promised, or that cannot hold the right values."""
    promised = None if dtype is None else np.dtype(dtype)
    # A dtype compares equal to None where it is float64, so None has to be told apart first.
    if promised is not None and got.dtype == promised:
        return
    wanted = right.dtype if promised is None else promised
    if got.dtype.kind in "biu" and wanted.kind in "fc":
        cause = _cause_of_whole_numbers(got, right, promised)
    elif got.dtype.kind == "c" and wanted.kind != "c":
        cause = _cause_of_complex(got, right)
    elif got.dtype.kind != "c" and wanted.kind == "c":
        cause = _cause_of_lost_imaginary_part(got, right, promised)
    elif promised is None:
        cause = None
    elif got.dtype.kind != wanted.kind:
        cause = f"convert the result with astype({wanted})."
    elif got.dtype.itemsize < wanted.itemsize:
        cause = f"{got.dtype} keeps fewer digits than the promised {wanted}: was an array made in lower precision?"
    else:
        cause = f"{got.dtype} keeps more digits than the promised {wanted}: let the result follow the input's dtype."
    if cause is not None:
        raise CheckFailed(
            f"{name} has dtype {got.dtype}", [f"expected dtype {wanted}"], _named_mistake(got, mistakes) or cause
        )


def _cause_of_whole_numbers(got: NDArray[Any], right: NDArray[Any], promised: np.dtype[Any] | None) -> str | None:
    if not np.array_equal(right, np.round(right)):
        return (
            f"{got.dtype}: your result was truncated to whole numbers. Was the output array made from an integer one "
            "(zeros_like, dtype=int), so that every value lost its fraction when it was stored?"
        )
    if promised is not None:
        return f"whole numbers are stored as {got.dtype}: make the output {promised}, whatever the input's dtype."
    return None


def _cause_of_complex(got: NDArray[Any], right: NDArray[Any]) -> str:
    largest = _peak(_in_double_precision(got).imag)
    if largest <= _ROUNDING * _peak(right):
        return (
            f"the imaginary parts reach only {largest:.3g}, which is rounding: take the real part, or use irfft, "
            "whose output is real."
        )
    return (
        f"the imaginary parts reach {largest:.3g}, but real signals give real results: was half of a "
        "conjugate-symmetric spectrum changed or forgotten?"
    )


def _cause_of_lost_imaginary_part(got: NDArray[Any], right: NDArray[Any], promised: np.dtype[Any] | None) -> str | None:
    if promised is None and not right.imag.any():
        return None
    if _peak(np.abs(right) - got) <= _MISTAKE_TOLERANCE * _peak(right):
        return "the imaginary part is lost: your result is the magnitude; keep the phase too (no abs)."
    return (
        "the imaginary part is lost: does the output array have a complex dtype, and does nothing take .real or abs "
        "on the way?"
    )


def _check_finite(got: NDArray[Any], name: str, where_expected: NDArray[np.bool_] | None = None) -> None:
    bad = ~np.isfinite(got)
    if where_expected is not None:
        bad &= where_expected
    if not bad.any():
        return
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    cause = (
        "0/0 gives NaN and x/0 infinity: what is the denominator there (a window's edge, a silent frame)? "
        "np.empty can also hold such values."
    )
    if bad.all():
        cause = "all of them are: was the array made by np.empty and never filled, or divided by zero as a whole?"
    raise CheckFailed(
        f"{name} holds {int(bad.sum())} NaN or infinite values among {bad.size}",
        ["expected finite values", f"the first stands at index {_index(first)}: {got[first]}"],
        cause,
    )


def _check_special_values(got: NDArray[Any], right: NDArray[Any], special: NDArray[np.bool_], name: str) -> None:
    """Where the right answer is NaN or infinite (the SNR of a perfect copy, say), the same must have come."""
    wrong = special & ~((got == right) | (np.isnan(got) & np.isnan(right)))
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise CheckFailed(
            f"{name} has wrong values", [f"at index {_index(first)}: got {got[first]:.6g}, expected {right[first]:.6g}"]
        )


def _fail_shape(got: NDArray[Any], right: tuple[int, ...], name: str, cause: str | None) -> None:
    if got.ndim == len(right) == 1:
        raise CheckFailed(f"{name} has {_samples(got.size)}", [f"expected {_samples(right[0])}"], cause)
    raise CheckFailed(f"{name} has shape {got.shape}", [f"expected shape {right}"], cause)


def _describe_errors(got: NDArray[Any], right: NDArray[Any], tolerance: float) -> list[str]:
    """Say where the largest error is and how many values are off; one expected value at most is shown."""
    error = np.abs(got - right)
    worst = np.unravel_index(int(np.argmax(error)), error.shape)
    index = tuple(int(i) for i in worst)
    got_text, right_text = _distinct(got[index], right[index])
    peak = _peak(right)
    relative = f" ({20 * np.log10(error[index] / peak):+.0f} dB relative to the expected peak)" if peak > 0 else ""
    where = f" at index {_index(index)}" if index else ""
    lines = [f"largest error{where}: got {got_text}, expected {right_text}{relative}"]
    if error.size > 1:
        n_wrong = int(np.count_nonzero(error > tolerance))
        lines.append(f"{n_wrong} of {error.size} values differ by more than {tolerance:.2g}")
    return lines


def _named_mistake(got: NDArray[Any], mistakes: Mapping[str, NDArray[Any]]) -> str | None:
    """Return the sentence of the author's mistake that ``got`` agrees with best, if it agrees with any."""
    best, best_error = None, np.inf
    for sentence, wrong in mistakes.items():
        if wrong.shape != got.shape:
            continue
        error = _peak(_in_double_precision(got) - _in_double_precision(wrong))
        # A comparison with NaN is false, so an answer that is not finite matches no mistake.
        if error <= _MISTAKE_TOLERANCE * _peak(wrong) and error < best_error:
            best, best_error = sentence, error
    return best


def _gain(got: NDArray[Any], right: NDArray[Any], up_to_scale: bool, up_to_sign: bool) -> float:
    """Return the factor that the comparison may apply: the least-squares one, its sign, or one."""
    correlation, power = float(np.vdot(got, right).real), float(np.vdot(got, got).real)
    gain = correlation / power if power > 0 else 1.0
    if not up_to_sign and gain <= 0:
        return 1.0
    if not up_to_scale:
        return float(np.copysign(1.0, gain)) if up_to_sign else 1.0
    return gain


def _unit_in_the_last_place(array: NDArray[Any]) -> float:
    return float(np.finfo(array.dtype).eps) if array.dtype.kind in "fc" else 0.0


def _in_double_precision(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _peak(array: NDArray[Any]) -> float:
    return float(np.max(np.abs(array), initial=0.0))


def _as_shape(value: int | Sequence[int]) -> tuple[int, ...]:
    return (int(value),) if isinstance(value, (int, np.integer)) else tuple(int(n) for n in value)


def _index(index: tuple[int, ...]) -> str:
    return str(index[0]) if len(index) == 1 else str(index)


def _distinct(first: Any, second: Any) -> tuple[str, str]:
    """Print two numbers with as many digits as it takes to tell them apart, and no more."""
    texts = [(f"{first:.{digits}g}", f"{second:.{digits}g}") for digits in (4, 8, 12, 17)]
    return next((pair for pair in texts if pair[0] != pair[1]), texts[-1])


def _samples(count: int) -> str:
    """Return a number of samples in words."""
    return "1 sample" if count == 1 else f"{count} samples"
