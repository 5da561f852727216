"""Applying an operator to a student's object as Python itself would, with all of Python's other ways to do it."""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Callable
from typing import Any, Final

_BY_NAME: Final[dict[str, Callable[..., Any]]] = {
    "__bool__": bool,
    "__complex__": complex,
    "__contains__": operator.contains,
    "__copy__": copy.copy,
    "__deepcopy__": copy.deepcopy,
    "__divmod__": divmod,
    "__float__": float,
    "__format__": format,
    "__hash__": hash,
    "__int__": int,
    "__iter__": iter,
    "__len__": len,
    "__next__": next,
    "__repr__": repr,
    "__reversed__": reversed,
    "__round__": round,
    "__str__": str,
    "__trunc__": math.trunc,
    "__floor__": math.floor,
    "__ceil__": math.ceil,
}
_METHODS: Final = ("__enter__", "__exit__")
"""Special methods that no operator or function stands for."""


def apply_operation(thing: Any, name: str, args: tuple[Any, ...]) -> Any:
    """Apply a special method's operation.

    ``x in thing`` works with ``__contains__`` as well as with ``__iter__``, and ``a + thing`` with either's method: an
    answer need not have the very methods that the reference has.
    """
    if name in _METHODS:
        return getattr(type(thing), name)(thing, *args)
    if name in _BY_NAME:
        return _BY_NAME[name](thing, *args)
    plain = name.strip("_")
    if plain.startswith("r") and hasattr(operator, f"__{plain[1:]}__"):
        return getattr(operator, f"__{plain[1:]}__")(*args, thing)
    return getattr(operator, name)(thing, *args)
