"""What the student's process says about a function, class or object that stays there.

A description is the student's own statement: names, a signature, a place in a cell. It shapes a proxy and a
message; no mark rests on it.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import operator
import sys
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final

FUNCTION: Final = "function"
CLASS: Final = "class"
OBJECT: Final = "object"
ITERATOR: Final = "iterator"

_SPECIAL_NAMES: Final = """
    add radd iadd sub rsub isub mul rmul imul matmul rmatmul imatmul truediv rtruediv itruediv floordiv rfloordiv
    ifloordiv mod rmod imod divmod rdivmod pow rpow ipow lshift rlshift ilshift rshift rrshift irshift and rand iand
    or ror ior xor rxor ixor neg pos abs invert eq ne lt le gt ge hash bool int float complex index round trunc floor
    ceil len getitem setitem delitem contains iter next reversed call str repr format enter exit copy deepcopy
"""
SPECIAL_METHODS: Final = frozenset(f"__{name}__" for name in _SPECIAL_NAMES.split())
"""Special methods that may be forwarded to a student's object."""

_MAX_TEXT = 4_000
_MAX_PARAMETERS = 100
_IN_NOTEBOOK = "__main__"


def describe(thing: Any, number_of: Callable[[Any], int]) -> dict[str, Any]:
    """Describe something that cannot be sent.

    Args:
        thing: function, class, iterator or object.
        number_of: gives a class its number.
    Returns:
        Plain data with at least ``type`` and ``name``.
    """
    if isinstance(thing, type):
        return _describe_class(thing, number_of)
    if is_iterator(thing):
        return {"type": ITERATOR, "name": _text(getattr(thing, "__name__", type(thing).__name__))}
    if _is_function(thing):
        return _describe_function(thing)
    kind = type(thing)
    about: dict[str, Any] = {"type": OBJECT, "name": class_name(kind), "specials": special_methods(kind)}
    if kind.__module__ == _IN_NOTEBOOK:
        about["class"] = {"number": number_of(kind), **_describe_class(kind, number_of)}
    return about


def importable_name(thing: Any) -> str | None:
    """Return ``module:name`` under which a library's function, class or module is found, or ``None``."""
    if inspect.ismodule(thing):
        name = getattr(thing, "__name__", "")
        return f"{name}:" if sys.modules.get(name) is thing else None
    names = (getattr(thing, "__module__", None), getattr(thing, "__qualname__", getattr(thing, "__name__", None)))
    candidates = [names] if isinstance(names[0], str) else []
    if names[1] is not None and not isinstance(names[0], str):
        # A ufunc does not say where it comes from.
        candidates = [(module, names[1]) for module in ("numpy", "scipy.special", "builtins")]
    for module, name in candidates:
        if not isinstance(module, str) or not isinstance(name, str) or module in (_IN_NOTEBOOK, "__mp_main__"):
            continue
        found = lookup(module, name)
        if found is thing:
            return f"{module}:{name}"
    return None


def lookup(module: str, name: str) -> Any:
    """Return what an already imported module holds under a dotted name, or ``None``."""
    found: Any = sys.modules.get(module)
    if found is None or not name:
        return found
    try:
        return operator.attrgetter(name)(found)
    except AttributeError:
        return None


def import_named(name: str) -> Any:
    """Return what ``importable_name`` has named, importing its module."""
    module, _, attribute = name.partition(":")
    found = importlib.import_module(module)
    return operator.attrgetter(attribute)(found) if attribute else found


def class_name(kind: type) -> str:
    """Return a class's name: alone if it stands in the notebook, with its module if a library defines it."""
    module = str(kind.__module__)
    return _text(kind.__name__ if module == _IN_NOTEBOOK else f"{module}.{kind.__qualname__}")


def special_methods(kind: type) -> list[str]:
    """Return the special methods that a class defines itself or inherits from another than ``object``."""
    found = {name for base in kind.__mro__ if base is not object for name in vars(base)}
    return sorted(name for name in found & SPECIAL_METHODS if getattr(kind, name, None) is not None)


def library_base(kind: type) -> str:
    """Return ``module`` for a ``torch.nn.Module``, the name of the nearest built-in exception, or an empty string."""
    torch = sys.modules.get("torch")
    if torch is not None and issubclass(kind, torch.nn.Module):
        return "module"
    if issubclass(kind, BaseException):
        return next(base.__name__ for base in kind.__mro__ if base.__module__ == "builtins")
    return ""


def _describe_class(kind: type, number_of: Callable[[Any], int]) -> dict[str, Any]:
    own = [base for base in kind.__bases__ if base.__module__ == _IN_NOTEBOOK]
    bases = [{"number": number_of(base), **_describe_class(base, number_of)} for base in own]
    return {
        "type": CLASS,
        "name": class_name(kind),
        "doc": _document(kind),
        "signature": _signature(kind),
        "bases": bases,
        "base": library_base(kind),
        "specials": special_methods(kind),
    }


def _describe_function(thing: Any) -> dict[str, Any]:
    name = getattr(thing, "__name__", None)
    inner = thing.__func__ if isinstance(thing, MethodType) else thing
    code = getattr(inspect.unwrap(inner), "__code__", None) if isinstance(inner, FunctionType) else None
    return {
        "type": FUNCTION,
        "name": _text(name) if isinstance(name, str) else type(thing).__name__,
        "doc": _document(thing),
        "signature": _signature(thing),
        "place": [_text(code.co_filename), code.co_firstlineno] if code is not None else None,
    }


def _is_function(thing: Any) -> bool:
    if isinstance(thing, (FunctionType, BuiltinFunctionType, MethodType, functools.partial)):
        return True
    kind = type(thing)
    return kind.__module__ != _IN_NOTEBOOK and callable(thing) and not library_base(kind)


def is_iterator(thing: Any) -> bool:
    """Say whether a value is a generator or an iterator of Python itself."""
    return isinstance(thing, Iterator) and type(thing).__module__ in ("builtins", "itertools")


def _document(thing: Any) -> str | None:
    document = getattr(thing, "__doc__", None)
    return _text(document) if isinstance(document, str) else None


def _signature(thing: Any) -> list[list[Any]] | None:
    """Return (name, kind, has a default, default if it is a simple value) of every parameter."""
    try:
        parameters = list(inspect.signature(thing).parameters.values())[:_MAX_PARAMETERS]
    except (ValueError, TypeError):
        return None
    described: list[list[Any]] = []
    for one in parameters:
        simple = type(one.default) in (int, float, bool, str, type(None))
        has_default = one.default is not inspect.Parameter.empty
        described.append([one.name, int(one.kind), has_default, one.default if has_default and simple else None])
    return described


def _text(value: object) -> str:
    return str(value)[:_MAX_TEXT]
