"""What the two halves of the codec agree on: limits, errors, names and the layout of the pieces of a message."""

from __future__ import annotations

import re
import struct
import sys
from collections import namedtuple
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import cache, lru_cache
from keyword import iskeyword
from types import EllipsisType, NotImplementedType
from typing import Any
from unicodedata import normalize

import numpy as np

VERSION = 1
PLAIN_DATA = (
    "plain data can cross: numbers, text, bytes, tuples, lists, dicts, sets, dates, "
    "NumPy arrays of numbers or text, PyTorch tensors on the CPU"
)
MAX_DIMENSIONS = 32
MAX_NAME_LENGTH = 100
MAX_FIELDS = 255
MAX_TEXT_WIDTH = 2**24
# Python reads a lone surrogate several hundred times more slowly than any other character.
MAX_SURROGATE_TEXT = 2**20
# Arithmetic on a Decimal or a Fraction may take time and memory in proportion to the exponent, or to the square of the
# length, so both are kept far below what an integer may have.
MAX_DECIMAL_DIGITS = 10_000
MAX_DECIMAL_EXPONENT = 10_000
MAX_FRACTION_BYTES = 512
# An ordinary container never has more than a few keys with one hash; a peer can choose numbers that all share one.
MAX_EQUAL_HASHES = 32
MAX_NAMED_TUPLES = 64
# Below this an extra copy is cheaper than a memoryview.
SMALL_ARRAY_BYTES = 2**14
# These take more memory on arrival than their few bytes in a message suggest: each counts as so many items.
SET_ITEMS = 4
ARRAY_ITEMS = 4
TENSOR_ITEMS = 16


@dataclass(frozen=True)
class Reference:
    """Something that stays on its side: a function, a class, an object, a generator, an importable name, an argument.

    ``kind`` is a short ASCII word, ``number`` says which one it is, and ``about`` is data describing it.
    """

    kind: str
    number: int
    about: Any = None


@dataclass(frozen=True)
class CodecLimits:
    """What one message may hold, the same for sender and receiver.

    ``max_text`` is UTF-8 bytes of all strings together (a character may take four times its bytes once decoded).
    ``max_number_keys`` bounds dict keys and set members other than text in one message, because their hashes have no
    secret in them: a peer can choose numbers for which the time to insert them grows with the square of their count.
    """

    max_bytes: int = 256 * 2**20
    max_items: int = 2_000_000
    max_depth: int = 64
    max_text: int = 64 * 2**20
    max_integer_bytes: int = 64 * 2**10
    max_number_keys: int = 2**15


DEFAULT_LIMITS = CodecLimits()


class CannotCrossError(TypeError):
    """A value has no plain form. ``type_name`` is its type, ``place`` where it stood, empty for the value itself."""

    def __init__(self, reason: str, type_name: str, place: str = "") -> None:
        """Note the parts and make the message of them."""
        super().__init__(f"{place}: {reason}" if place else reason)
        self.reason = reason
        self.type_name = type_name
        self.place = place


class MalformedError(ValueError):
    """Bytes that no honest peer sends. ``position`` is the byte at which that was seen."""

    def __init__(self, reason: str, position: int | None = None) -> None:
        """Note the parts and make the message of them."""
        super().__init__(reason if position is None else f"{reason}, at byte {position} of the message")
        self.reason = reason
        self.position = position


def with_article(name: str) -> str:
    """Put "a" or "an" before a name."""
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


# What a class says of itself, whatever its metaclass would answer.
_read_name = type.__dict__["__name__"].__get__
read_qualified_name = type.__dict__["__qualname__"].__get__
_read_dict = type.__dict__["__dict__"].__get__
read_bases = type.__dict__["__mro__"].__get__


def type_name(value: Any) -> str:
    """Name a value's type as its class statement did, whatever its metaclass answers."""
    return type_name_of(type(value))


def type_name_of(cls: type) -> str:
    """Name a class as its class statement did."""
    module = _read_dict(cls).get("__module__")
    name = str.__str__(read_qualified_name(cls))[:MAX_NAME_LENGTH]
    if type(module) is str and module not in ("builtins", "__main__"):
        return f"{module[:MAX_NAME_LENGTH]}.{name}"
    return name


def class_attribute(cls: type, name: str) -> Any:
    """Look an attribute up in a class without running its metaclass; ``None`` if there is none."""
    for base in read_bases(cls):
        attributes = _read_dict(base)
        if name in attributes:
            return attributes[name]
    return None


SIMPLE_DTYPES: dict[str, np.dtype[Any]] = {code: np.dtype(code) for code in "?bBhHiIlLqQefdgFDG"}
_SIZED_DTYPE = re.compile(r"[US](0|[1-9][0-9]{0,8})", re.ASCII)
_DATE_DTYPE = re.compile(r"[mM]8(\[([1-9][0-9]{0,8})?(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?", re.ASCII)
KIND = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
DECIMAL = re.compile(r"-?(?:([0-9]+)E(0|-?[1-9][0-9]*)|Infinity|s?NaN(?:[1-9][0-9]*)?)", re.ASCII)

TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(object, type, bool, int, float, complex, str, bytes, bytearray, tuple, list, dict, set, frozenset, slice),
        *(range, type(None), EllipsisType, NotImplementedType, Decimal, Fraction),
        *(date, time, datetime, timedelta, timezone),
    )
} | {
    f"numpy.{kind.__name__}": kind
    for kind in (
        *(dtype.type for dtype in SIMPLE_DTYPES.values()),
        *(np.str_, np.bytes_, np.datetime64, np.timedelta64, np.ndarray, np.dtype, np.generic, np.number, np.integer),
        *(np.signedinteger, np.unsignedinteger, np.inexact, np.floating, np.complexfloating, np.flexible, np.character),
    )
}
TYPE_NAMES: dict[type, str] = {kind: name for name, kind in TYPES.items()}

# complex32 is left out: PyTorch warns at every use of it that it is experimental.
_TORCH_DTYPES = (
    *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"),
)

# The x86 long double: 64 bits of significand, whose first is written out, 16 of sign and exponent, and padding.
PADDED_LONGDOUBLE = np.dtype("g").itemsize == 16 and np.finfo(np.longdouble).nmant == 63
LONGDOUBLE_BYTES = 10


def dtype_text(dtype: np.dtype[Any]) -> str | None:
    """Name a dtype, native byte order; ``None`` for one that cannot cross. Inverse of :func:`dtype_named`."""
    code = dtype.char
    if code in SIMPLE_DTYPES:
        return code
    if code in "US":
        width = dtype.itemsize // (4 if code == "U" else 1)
        return f"{code}{width}" if width <= MAX_TEXT_WIDTH else None
    if code in "mM":
        unit, count = np.datetime_data(dtype)
        if unit == "generic":
            return f"{code}8"
        return f"{code}8[{unit}]" if count == 1 else f"{code}8[{count}{unit}]"
    return None


def dtype_named(text: str) -> np.dtype[Any] | None:
    """Give the dtype of this name, or ``None``."""
    dtype = SIMPLE_DTYPES.get(text)
    if dtype is not None:
        return dtype
    sized = _SIZED_DTYPE.fullmatch(text)
    if sized:
        return np.dtype(text) if int(sized[1]) <= MAX_TEXT_WIDTH else None
    if _DATE_DTYPE.fullmatch(text):
        dtype = np.dtype(text)
        return dtype if dtype_text(dtype) == text else None
    return None


def imported_torch() -> Any:
    """Give PyTorch if this process has imported it."""
    return sys.modules.get("torch")


@cache
def torch_names(torch: Any) -> tuple[dict[str, Any], dict[Any, str]]:
    """Give PyTorch's dtypes by name, and the names by dtype."""
    found = {name: getattr(torch, name, None) for name in _TORCH_DTYPES}
    by_name = {name: dtype for name, dtype in found.items() if type(dtype) is torch.dtype}
    return by_name, {dtype: name for name, dtype in by_name.items()}


def is_name(name: Any, *, field: bool = False) -> bool:
    """Tell whether this can name a class, or a field of a named tuple, unambiguously."""
    return (
        type(name) is str
        and len(name) <= MAX_NAME_LENGTH
        and name.isidentifier()
        and not iskeyword(name)
        and normalize("NFKC", name) == name
        and not (field and name.startswith("_"))
        and not name.startswith("__")
    )


def named_tuple_names(cls: type) -> tuple[str, ...] | None:
    """Give the name and the fields of a named tuple's class, or ``None`` for any other tuple's."""
    fields = class_attribute(cls, "_fields")
    if fields is None and "n_sequence_fields" in _read_dict(cls):
        # The tuples with names that C code makes: time.struct_time, torch.return_types.max.
        fields = class_attribute(cls, "__match_args__")
    if type(fields) is not tuple or len(fields) > MAX_FIELDS or not all(is_name(name, field=True) for name in fields):
        return None
    name = str.__str__(_read_name(cls))
    return (name, *fields) if is_name(name) and len(set(fields)) == len(fields) else None


@lru_cache(maxsize=256)
def named_tuple(name: str, *fields: str) -> type[tuple[Any, ...]]:
    """Make a named tuple's class: the same names give the same class, so that two results have one type."""
    made: type[tuple[Any, ...]] = namedtuple(name, fields)  # type: ignore[misc]
    return made


DATE = struct.Struct("=HBB")
TIME = struct.Struct("=BBBIB")
DELTA = struct.Struct("=iII")
INT = struct.Struct("=q")
FLOAT = struct.Struct("=d")
COMPLEX = struct.Struct("=dd")
NUMBER = struct.Struct("=Q")
LONG = 255

BYTES = tuple(bytes([n]) for n in range(256))

CONSTANTS = {b"N": None, b"T": True, b"F": False, b".": ..., b"!": NotImplemented}
# What share=True sends once: everything that can change.
SHARED_TYPES = frozenset({list, dict, set, bytearray, np.ndarray})
SHARED_TAGS = frozenset(b"[dq{<BaX")

WRITEABLE, FORTRAN = 1, 2
REQUIRES_GRAD, PARAMETER, HAS_GRAD = 1, 2, 4

# Their hashes hold a secret of this process, so nobody outside it can choose some that collide.
TEXT_KEYS = frozenset({str, bytes, type(None)})
NUMPY_SCALARS = frozenset(
    {dtype.type for dtype in SIMPLE_DTYPES.values()} | {np.str_, np.bytes_, np.datetime64, np.timedelta64}
)
DTYPE_CLASSES = frozenset(map(type, (*SIMPLE_DTYPES.values(), *map(np.dtype, ("U1", "S1", "M8", "m8")))))


def integer_bytes(value: int) -> int:
    """Count the bytes of an integer in two's complement."""
    return ((value if value >= 0 else ~value).bit_length() + 8) // 8
