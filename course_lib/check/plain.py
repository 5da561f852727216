"""From what a learner's function returned to a plain array that cannot lie about its values."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course_lib.check.failure import CheckFailed

_NUMBERS = (bool, int, float, complex, np.number, np.bool_)


def is_tensor(value: Any) -> bool:
    """Return whether ``value`` is exactly a torch tensor or parameter, without importing torch.

    Args:
        value: anything.
    Returns:
        ``True`` for a tensor. A subclass is none: it could override what it is asked.

    Lesson: 01 §4
    """
    if type(value).__module__.partition(".")[0] != "torch":
        # Asked of torch itself, an array would have to wait for a torch that has been imported and not loaded yet.
        return False
    torch = sys.modules.get("torch")
    return torch is not None and type(value) in (torch.Tensor, torch.nn.Parameter)


def plain_array(value: Any, name: str) -> NDArray[Any]:
    """Return the numbers in ``value`` as a base-class array, so that no subclass's override has a part in the verdict.

    Args:
        value: array, tensor, number, or nested list or tuple of numbers.
        name: how a message calls the value.
    Returns:
        An array of exactly the type ``numpy.ndarray`` and of a boolean, integer, real or complex dtype.
    Raises:
        CheckFailed: if it is ``None``, a function, text, or anything else that is not numbers.

    Lesson: 01 §2
    """
    if value is None:
        raise CheckFailed(
            f"{name} is None", cause="your function returned nothing: did you forget `return` on its last line?"
        )
    try:
        # At C level this refuses whatever is not truly an array, whatever its class claims to be.
        array = np.ndarray.view(value, np.ndarray)
    except TypeError:
        array = _array_of_other(value, name)
    if array.dtype.kind not in "biufc":
        raise CheckFailed(
            f"{name} is an array of dtype {array.dtype}",
            ["expected numbers"],
            cause="its elements are not all numbers: are the rows of unequal length, or is an element None or text?",
        )
    return array


def _array_of_other(value: Any, name: str) -> NDArray[Any]:
    if is_tensor(value):
        return np.asarray(value.detach().cpu().resolve_conj().resolve_neg())
    if type(value) in (list, tuple):
        try:
            return np.array([plain_array(item, name) for item in value])
        except ValueError:
            lengths = ", ".join(str(np.shape(plain_array(item, name))) for item in value[:4])
            raise CheckFailed(
                f"{name} is a {type(value).__name__} of {len(value)} items of unequal shapes: {lengths}",
                ["expected one array"],
                cause="does your function return several results where one is asked for?",
            ) from None
    if isinstance(value, _NUMBERS):
        return np.array(value)
    if callable(value):
        raise CheckFailed(
            f"{name} is {_class_name(value)}, not numbers",
            cause="you passed or returned the function itself: did you forget the parentheses that call it?",
        )
    raise CheckFailed(
        f"{name} is {_class_name(value)}, not numbers",
        ["expected a NumPy array"],
        cause="convert the result with np.array(...) before you return it.",
    )


def _class_name(value: Any) -> str:
    return f"an object of class {type(value).__name__}"
