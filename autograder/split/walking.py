"""Walking through plain containers in one order, so that both processes number the same values alike."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

_MUTABLE = (list, dict, set, bytearray)
_SCALARS = frozenset({int, float, complex, str, bytes, bool, type(None)})
MAX_DEPTH = 64


def is_array(value: Any) -> bool:
    """Say whether a value is exactly a NumPy array."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray


def is_tensor(value: Any) -> bool:
    """Say whether a value is a PyTorch tensor or parameter."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def mutable_values(values: Any) -> list[Any]:
    """Return every array, tensor, list, dict, set and bytearray in a value, each once, outermost first."""
    return list(_walk(values, lambda one: is_array(one) or is_tensor(one) or type(one) in _MUTABLE))


def tensors(values: Any) -> list[Any]:
    """Return every tensor in a value, each once, in order."""
    return list(_walk(values, is_tensor))


def _walk(value: Any, wanted: Callable[[Any], bool]) -> Iterator[Any]:
    seen: set[int] = set()

    def visit(one: Any, depth: int) -> Iterator[Any]:
        if id(one) in seen or depth > MAX_DEPTH:
            return
        if wanted(one):
            seen.add(id(one))
            yield one
        if type(one) in (list, tuple):
            for item in one:
                if type(item) not in _SCALARS:
                    yield from visit(item, depth + 1)
        elif type(one) is dict:
            for item in one.values():
                if type(item) not in _SCALARS:
                    yield from visit(item, depth + 1)

    return visit(value, 0)


def replace_tensors(value: Any, replacement: Callable[[Any], Any]) -> Any:
    """Return a value with every tensor in its lists, tuples and dicts replaced."""
    if is_tensor(value):
        return replacement(value)
    if type(value) is list:
        return [replace_tensors(item, replacement) for item in value]
    if type(value) is tuple:
        return tuple(replace_tensors(item, replacement) for item in value)
    if type(value) is dict:
        return {key: replace_tensors(item, replacement) for key, item in value.items()}
    return value
