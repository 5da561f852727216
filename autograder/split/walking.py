"""Walking through plain containers in one order, so that both processes number the same values alike."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

# Sets, since a tuple's membership would ask a student's metaclass whether it equals ``list``.
_MUTABLE = frozenset({list, dict, set, bytearray})
_CONTAINERS = frozenset({list, tuple, dict})
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
        if type(one) is list or type(one) is tuple:
            for item in one:
                if type(item) not in _SCALARS:
                    yield from visit(item, depth + 1)
        elif type(one) is dict:
            for item in one.values():
                if type(item) not in _SCALARS:
                    yield from visit(item, depth + 1)

    return visit(value, 0)


def replace_leaves(
    value: Any,
    replacement: Callable[[Any], Any],
    is_leaf: Callable[[Any], bool] = lambda _value: False,
    depth: int = 0,
) -> Any:
    """Return a value with what stands in its lists, tuples and dicts replaced.

    Args:
        value: plain data.
        replacement: gives what stands for a leaf; the leaf itself, where it stays.
        is_leaf: says of a container that it is to be replaced as a whole.
        depth: at which the value stands.
    """
    kind = type(value)
    if kind not in _CONTAINERS or depth > MAX_DEPTH or is_leaf(value):
        return replacement(value)
    if kind is dict:
        return {key: replace_leaves(item, replacement, is_leaf, depth + 1) for key, item in value.items()}
    if all(type(item) in _SCALARS for item in value):
        return value
    return kind(replace_leaves(item, replacement, is_leaf, depth + 1) for item in value)
