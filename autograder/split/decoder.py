"""Reading a message of the codec: bytes from a peer that may send anything."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from math import gcd, prod
from types import BuiltinFunctionType, EllipsisType, NotImplementedType
from typing import Any

import numpy as np

from .plain_data import (
    ARRAY_ITEMS,
    BYTES,
    COMPLEX,
    CONSTANTS,
    DATE,
    DECIMAL,
    DEFAULT_LIMITS,
    DELTA,
    DTYPE_CLASSES,
    FLOAT,
    FORTRAN,
    HAS_GRAD,
    INT,
    KIND,
    LONG,
    LONGDOUBLE_BYTES,
    MAX_DECIMAL_DIGITS,
    MAX_DECIMAL_EXPONENT,
    MAX_DIMENSIONS,
    MAX_EQUAL_HASHES,
    MAX_FIELDS,
    MAX_FRACTION_BYTES,
    MAX_NAMED_TUPLES,
    MAX_SURROGATE_TEXT,
    NUMBER,
    NUMPY_SCALARS,
    PADDED_LONGDOUBLE,
    PARAMETER,
    REQUIRES_GRAD,
    SET_ITEMS,
    SHARED_TAGS,
    TENSOR_ITEMS,
    TEXT_KEYS,
    TIME,
    TYPES,
    VERSION,
    WRITEABLE,
    CodecLimits,
    MalformedError,
    Reference,
    class_attribute,
    dtype_named,
    imported_torch,
    integer_bytes,
    is_name,
    named_tuple,
    read_bases,
    torch_names,
    type_name,
    with_article,
)


def refuse_references(reference: Reference) -> Any:
    """Accept no references: only plain data can be received."""
    raise MalformedError(f"a reference ({reference.kind} {reference.number}) came where only plain data is accepted")


def decode(
    data: bytes | bytearray | memoryview,
    from_reference: Callable[[Reference], Any] = refuse_references,
    limits: CodecLimits = DEFAULT_LIMITS,
    *,
    share: bool = False,
) -> Any:
    """Read one message.

    Args:
        data: the whole message.
        from_reference: gives what a reference stands for here. What it raises passes through unchanged.
        limits: what one message may hold.
        share: accept values that occur twice (``encode``'s ``share``). Not for bytes from a student's process.

    Returns:
        the value; what it holds shares no memory with ``data``.

    Raises:
        MalformedError: if the bytes are not a message or exceed a limit.
    """
    if not isinstance(data, bytes):
        data = memoryview(data).cast("B")
    decoder = _Decoder(data, from_reference, limits, share)
    try:
        return decoder.message()
    except _Passed as passed:
        raise passed.error from passed.error.__cause__
    except MalformedError:
        raise
    except (LookupError, struct.error):
        raise MalformedError("the message ends too early", decoder.position) from None
    except (ValueError, TypeError, ArithmeticError, MemoryError, RuntimeError) as error:
        # What NumPy, PyTorch and the standard library say to values that the checks here let through.
        raise MalformedError(f"no such value ({type(error).__name__})", decoder.position) from error


class _Passed(Exception):
    """An exception of the caller's own ``from_reference``, on its way out."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class _Decoder:
    """One message being read. Every count is checked against the bytes that remain before anything is made of it."""

    def __init__(
        self, data: bytes | memoryview, from_reference: Callable[[Reference], Any], limits: CodecLimits, share: bool
    ) -> None:
        self.data = data
        self.end = len(data)
        self.position = 0
        self.from_reference = from_reference
        self.limits = limits
        self.items = 0
        self.text = 0
        self.surrogate_text = 0
        self.number_keys = 0
        self.named_tuples: set[tuple[str, ...]] = set()
        self.shared: list[Any] | None = [] if share else None

    def message(self) -> Any:
        if self.end > self.limits.max_bytes:
            self.refuse(f"the message has {self.end:,} bytes, more than {self.limits.max_bytes:,}")
        if not self.end or self.data[0] != VERSION:
            self.refuse(f"a message starts with the byte {VERSION}")
        self.position = 1
        value = self.get(0)
        if self.position != self.end:
            self.refuse("bytes follow the end of the value")
        return value

    def refuse(self, reason: str) -> None:
        raise MalformedError(reason, self.position)

    def get(self, depth: int) -> Any:
        """Read one value, with everything in it."""
        tag = self.data[self.position]
        self.position += 1
        value = _READERS[tag](self, depth)
        if self.shared is not None and tag in SHARED_TAGS:
            self.shared.append(value)
        return value

    def get_unknown(self, depth: int) -> Any:
        self.position -= 1
        self.refuse("no value starts like this")

    # Pieces

    def take(self, count: int) -> int:
        """Step over this many bytes and give where they start."""
        start = self.position
        if count > self.end - start:
            self.refuse(f"{count:,} bytes are announced and {self.end - start:,} remain")
        self.position = start + count
        return start

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        return form.unpack_from(self.data, self.take(form.size))

    def length(self) -> int:
        count = self.data[self.position]
        self.position += 1
        if count != LONG:
            return count
        (long_count,) = self.unpack(NUMBER)
        if long_count < LONG:
            self.refuse("a short length is written as a long one")
        return int(long_count)

    def raw(self, count: int) -> bytes | memoryview:
        start = self.take(count)
        return self.data[start : start + count]

    def ascii_name(self, count: int) -> str:
        try:
            return str(self.raw(count), "ascii")
        except UnicodeDecodeError:
            self.refuse("a name is not ASCII")
            raise

    def get_text(self) -> str:
        count = self.length()
        self.text += count
        if self.text > self.limits.max_text:
            self.refuse(f"more than {self.limits.max_text:,} bytes of text")
        raw = self.raw(count)
        try:
            return str(raw, "utf-8")
        except UnicodeDecodeError:
            self.surrogate_text += count
            if self.surrogate_text > MAX_SURROGATE_TEXT:
                self.refuse(f"text is not UTF-8, or more than {MAX_SURROGATE_TEXT:,} bytes of it have lone surrogates")
        try:
            return str(raw, "utf-8", "surrogatepass")
        except UnicodeDecodeError:
            self.refuse("text is not UTF-8")
            raise

    def count_items(self, count: int) -> None:
        """Count the items of a container, or those that one item stands for, before they are read."""
        self.items += count
        if self.items > self.limits.max_items:
            self.refuse(f"more than {self.limits.max_items:,} items")

    def enter(self, depth: int, count: int, bytes_each: int = 1) -> int:
        """Check a container's count and give the depth of what it holds. The container itself counts as one more."""
        if depth >= self.limits.max_depth:
            self.refuse(f"more than {self.limits.max_depth} containers within each other")
        self.count_items(count + 1)
        if count * bytes_each > self.end - self.position:
            self.refuse(f"{count:,} items are announced and {self.end - self.position:,} bytes remain")
        return depth + 1

    # Scalars

    def get_int(self, depth: int) -> int:
        (value,) = INT.unpack_from(self.data, self.position)
        self.position += 8
        return value  # type: ignore[no-any-return]

    def get_long_int(self, depth: int) -> int:
        count = self.length()
        if count > self.limits.max_integer_bytes:
            self.refuse(f"an integer of more than {self.limits.max_integer_bytes:,} bytes")
        value = int.from_bytes(self.raw(count), "little", signed=True)
        if count <= 8 or integer_bytes(value) != count:
            self.refuse("an integer is written longer than it is")
        return value

    def get_any_int(self) -> int:
        """Read an integer that has to stand here."""
        value = self.get(self.limits.max_depth)
        if type(value) is not int:
            self.refuse("an integer must stand here")
        return value  # type: ignore[no-any-return]

    def get_float(self, depth: int) -> float:
        (value,) = FLOAT.unpack_from(self.data, self.position)
        self.position += 8
        return value  # type: ignore[no-any-return]

    def get_complex(self, depth: int) -> complex:
        return complex(*self.unpack(COMPLEX))

    def get_str(self, depth: int) -> str:
        return self.get_text()

    def get_bytes(self, depth: int) -> bytes:
        return bytes(self.raw(self.length()))

    def get_bytearray(self, depth: int) -> bytearray:
        return bytearray(self.raw(self.length()))

    # Containers

    def get_list(self, depth: int) -> list[Any]:
        count = self.length()
        inner = self.enter(depth, count)
        return [self.get(inner) for _ in range(count)]

    def get_tuple(self, depth: int) -> tuple[Any, ...]:
        return tuple(self.get_list(depth))

    def packed(self, kind: str, depth: int) -> list[Any]:
        count = self.length()
        self.enter(depth, count, 8)
        numbers: list[Any] = np.frombuffer(self.data, kind, count, self.take(8 * count)).tolist()
        return numbers

    def get_float_list(self, depth: int) -> list[float]:
        return self.packed("d", depth)

    def get_float_tuple(self, depth: int) -> tuple[float, ...]:
        return tuple(self.packed("d", depth))

    def get_int_list(self, depth: int) -> list[int]:
        return self.packed("q", depth)

    def get_int_tuple(self, depth: int) -> tuple[int, ...]:
        return tuple(self.packed("q", depth))

    def get_named_tuple(self, depth: int) -> tuple[Any, ...]:
        count = self.length()
        if count > MAX_FIELDS:
            self.refuse(f"a named tuple of more than {MAX_FIELDS} fields")
        inner = self.enter(depth, 2 * count + 1)
        names = tuple(self.get_text() for _ in range(count + 1))
        if names not in self.named_tuples:
            fields = names[1:]
            if not is_name(names[0]) or not all(is_name(name, field=True) for name in fields):
                self.refuse("a named tuple's names are not identifiers")
            if len(set(fields)) != count:
                self.refuse("a named tuple has one name twice")
            if len(self.named_tuples) >= MAX_NAMED_TUPLES:
                self.refuse(f"more than {MAX_NAMED_TUPLES} kinds of named tuple")
            self.named_tuples.add(names)
        values = [self.get(inner) for _ in range(count)]
        return named_tuple(*names)(*values)

    def get_dict(self, depth: int) -> dict[Any, Any]:
        count = self.length()
        inner = self.enter(depth, 2 * count)
        get = self.get
        keys: list[Any] = []
        values: list[Any] = []
        for _ in range(count):
            keys.append(get(inner))
            values.append(get(inner))
        self.check_keys(keys)
        made = dict(zip(keys, values, strict=True))
        if len(made) != count:
            self.refuse("a dict has one key twice")
        return made

    def members(self, depth: int) -> list[Any]:
        count = self.length()
        inner = self.enter(depth, count)
        self.count_items(SET_ITEMS)
        members = [self.get(inner) for _ in range(count)]
        self.check_keys(members)
        return members

    def get_set(self, depth: int) -> set[Any]:
        members = self.members(depth)
        made = set(members)
        if len(made) != len(members):
            self.refuse("a set has one member twice")
        return made

    def get_frozenset(self, depth: int) -> frozenset[Any]:
        members = self.members(depth)
        made = frozenset(members)
        if len(made) != len(members):
            self.refuse("a set has one member twice")
        return made

    def check_keys(self, keys: list[Any]) -> None:
        """Refuse keys that cannot be hashed, whose hash runs code, or that are chosen to collide."""
        if TEXT_KEYS.issuperset(map(type, keys)):
            return
        for key in keys:
            if not _is_safe_key(key):
                self.refuse(f"{with_article(type_name(key))} cannot be a key")
        self.number_keys += len(keys)
        if self.number_keys > self.limits.max_number_keys:
            self.refuse(f"more than {self.limits.max_number_keys:,} dict keys or set members that are not text")
        if len(keys) > MAX_EQUAL_HASHES:
            hashes = sorted(map(hash, keys))
            if any(map(int.__eq__, hashes, hashes[MAX_EQUAL_HASHES:])):
                self.refuse(f"more than {MAX_EQUAL_HASHES} keys with one hash")

    def get_slice(self, depth: int) -> slice:
        inner = self.enter(depth, 3)
        start, stop, step = self.get(inner), self.get(inner), self.get(inner)
        return slice(start, stop, step)

    def get_range(self, depth: int) -> range:
        self.count_items(3)
        start, stop, step = self.get_any_int(), self.get_any_int(), self.get_any_int()
        if step == 0:
            self.refuse("a range has step 0")
        return range(start, stop, step)

    # Dates and exact numbers

    def get_date(self, depth: int) -> date:
        return date(*self.unpack(DATE))

    def get_time(self, depth: int) -> time:
        hour, minute, second, microsecond, fold = self.unpack(TIME)
        return time(hour, minute, second, microsecond, self.get_zone(depth), fold=fold)

    def get_datetime(self, depth: int) -> datetime:
        year, month, day = self.unpack(DATE)
        hour, minute, second, microsecond, fold = self.unpack(TIME)
        return datetime(year, month, day, hour, minute, second, microsecond, self.get_zone(depth), fold=fold)

    def get_zone(self, depth: int) -> timezone | None:
        zone = self.get(self.enter(depth, 1))
        if zone is not None and type(zone) is not timezone:
            self.refuse("a time zone must stand here")
        return zone  # type: ignore[no-any-return]

    def get_timedelta(self, depth: int) -> timedelta:
        days, seconds, microseconds = self.unpack(DELTA)
        if seconds >= 86_400 or microseconds >= 1_000_000:
            self.refuse("a time difference is not in its shortest form")
        return timedelta(days, seconds, microseconds)

    def get_timezone(self, depth: int) -> timezone:
        offset = self.get_timedelta(depth)
        self.count_items(1)
        named = self.data[self.position]
        self.position += 1
        if named > 1:
            self.refuse("a time zone has one name")
        return timezone(offset, self.get_text()) if named else timezone(offset)

    def get_decimal(self, depth: int) -> Decimal:
        text = self.get_text()
        if len(text) > MAX_DECIMAL_DIGITS + 10:
            self.refuse(f"a Decimal of more than {MAX_DECIMAL_DIGITS:,} digits")
        match = DECIMAL.fullmatch(text)
        if match is None:
            self.refuse("a Decimal is not written as one")
        assert match is not None
        digits, exponent = match[1], match[2]
        if exponent is not None:
            if len(exponent) > 6 or abs(int(exponent)) > MAX_DECIMAL_EXPONENT or len(digits) > MAX_DECIMAL_DIGITS:
                self.refuse("a Decimal is too long or too large")
            if len(digits) > 1 and digits[0] == "0":
                self.refuse("a Decimal starts with zeros")
        return Decimal(text)

    def get_fraction(self, depth: int) -> Fraction:
        numerator, denominator = self.get_any_int(), self.get_any_int()
        if max(integer_bytes(numerator), integer_bytes(denominator)) > MAX_FRACTION_BYTES:
            self.refuse(f"a Fraction of integers longer than {MAX_FRACTION_BYTES} bytes")
        if denominator < 1 or gcd(numerator, denominator) != 1:
            self.refuse("a Fraction is not in its lowest terms")
        return Fraction(numerator, denominator)

    # NumPy

    def get_dtype_name(self) -> np.dtype[Any]:
        count = self.data[self.position]
        self.position += 1
        dtype = dtype_named(self.ascii_name(count))
        if dtype is None:
            self.refuse("no such dtype")
        assert dtype is not None
        return dtype

    def shape(self) -> tuple[int, ...]:
        count = self.data[self.position]
        self.position += 1
        if count > MAX_DIMENSIONS:
            self.refuse(f"more than {MAX_DIMENSIONS} dimensions")
        shape = tuple([self.length() for _ in range(count)])
        # An array with a zero in its shape has no data, so nothing else bounds what the other lengths pretend.
        if prod(n for n in shape if n) > self.limits.max_bytes:
            self.refuse(f"an array of more than {self.limits.max_bytes:,} values")
        return shape

    def get_array(self, depth: int) -> np.ndarray[Any, np.dtype[Any]]:
        self.count_items(ARRAY_ITEMS)
        dtype = self.get_dtype_name()
        if dtype.itemsize == 0:
            self.refuse("an array of empty items")
        flags = self.data[self.position]
        self.position += 1
        shape = self.shape()
        fortran = bool(flags & FORTRAN)
        if flags > WRITEABLE + FORTRAN or (fortran and len(shape) < 2):
            self.refuse("no such array flags")
        count = prod(shape) * dtype.itemsize
        start = self.take(count)
        values = np.empty(shape, dtype, "F" if fortran else "C")
        raw = (values.T if fortran else values).reshape(-1).view(np.uint8)
        raw[...] = np.frombuffer(self.data, np.uint8, count, start)
        # The copy is checked, not the message: a sender that shares its memory may still write into that.
        self.check_values(dtype.char, raw)
        if not flags & WRITEABLE:
            values.flags.writeable = False
        return values

    def check_values(self, code: str, raw: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
        """Refuse bit patterns that no value of the type has, on which NumPy's own code does not reckon."""
        if raw.size == 0:
            return
        if code == "?" and raw.max() > 1:
            self.refuse("a truth value is neither 0 nor 1")
        elif code == "U" and raw.view(np.uint32).max() > sys.maxunicode:
            self.refuse("a character is beyond the last one")
        elif PADDED_LONGDOUBLE and code in "gG":
            words = raw.reshape(-1, 16)
            leading = words[:, 7] >> 7
            exponent = words[:, 8].astype(np.uint16) | (words[:, 9].astype(np.uint16) & 0x7F) << 8
            if words[:, LONGDOUBLE_BYTES:].any() or (leading != (exponent != 0)).any():
                self.refuse("a long double is not in its normal form")

    def get_numpy_scalar(self, depth: int) -> Any:
        self.count_items(1)
        dtype = self.get_dtype_name()
        if dtype.char in "US":
            self.refuse("text is not written as text")
        raw = np.frombuffer(self.raw(dtype.itemsize), np.uint8)
        self.check_values(dtype.char, raw)
        return raw.view(dtype)[0]

    def get_numpy_str(self, depth: int) -> np.str_:
        self.count_items(1)
        return np.str_(self.get_text())

    def get_numpy_bytes(self, depth: int) -> np.bytes_:
        self.count_items(1)
        return np.bytes_(self.get_bytes(depth))

    def get_dtype(self, depth: int) -> np.dtype[Any]:
        self.count_items(1)
        dtype = self.get_dtype_name()
        order = self.raw(1)
        if order == b"=":
            return dtype
        swapped = dtype.newbyteorder("S")
        if order != b"x" or swapped.isnative:
            self.refuse("no such byte order")
        return swapped

    def get_type(self, depth: int) -> type:
        found = TYPES.get(self.get_text())
        if found is None:
            self.refuse("no such type")
        assert found is not None
        return found

    # PyTorch

    def torch(self) -> Any:
        torch = imported_torch()
        if torch is None:
            self.refuse("PyTorch data came to a process that has not imported PyTorch")
        return torch

    def get_torch_dtype(self, depth: int) -> Any:
        return self.torch_dtype(self.torch(), self.get_text())

    def torch_dtype(self, torch: Any, name: str) -> Any:
        dtype = torch_names(torch)[0].get(name)
        if dtype is None:
            self.refuse("no such dtype")
        return dtype

    def get_torch_size(self, depth: int) -> Any:
        return self.torch().Size(self.packed("q", depth))

    def get_torch_device(self, depth: int) -> Any:
        torch = self.torch()
        name = self.get_text()
        if name not in ("cpu", "cpu:0"):
            self.refuse("no such device")
        return torch.device(name)

    def get_tensor(self, depth: int) -> Any:
        torch = self.torch()
        self.count_items(TENSOR_ITEMS)
        count = self.data[self.position]
        self.position += 1
        dtype = self.torch_dtype(torch, self.ascii_name(count))
        flags = self.data[self.position]
        self.position += 1
        shape = self.shape()
        requires_grad = bool(flags & REQUIRES_GRAD)
        if flags > REQUIRES_GRAD + PARAMETER + HAS_GRAD:
            self.refuse("no such tensor flags")
        if requires_grad and not (dtype.is_floating_point or dtype.is_complex):
            self.refuse("only floating-point and complex tensors have gradients")
        value = self.tensor_data(torch, dtype, shape)
        if flags & PARAMETER:
            value = torch.nn.Parameter(value, requires_grad=requires_grad)
        elif requires_grad:
            value.requires_grad_(True)
        if flags & HAS_GRAD:
            value.grad = self.tensor_data(torch, dtype, shape)
        return value

    def tensor_data(self, torch: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
        count = prod(shape) * dtype.itemsize
        start = self.take(count)
        value = torch.empty(shape, dtype=dtype)
        if count:
            raw = value.reshape(-1).view(torch.uint8).numpy()
            raw[...] = np.frombuffer(self.data, np.uint8, count, start)
            if dtype is torch.bool:
                self.check_values("?", raw)
        return value

    # References

    def get_shared(self, depth: int) -> Any:
        if self.shared is None:
            self.refuse("a value that occurs twice came where each must stand by itself")
        assert self.shared is not None
        number = self.length()
        if number >= len(self.shared):
            self.refuse("no such earlier value")
        return self.shared[number]

    def get_reference(self, depth: int) -> Any:
        inner = self.enter(depth, 1)
        count = self.data[self.position]
        self.position += 1
        kind = self.ascii_name(count)
        if not KIND.fullmatch(kind):
            self.refuse("a reference's kind is no short word")
        (number,) = self.unpack(NUMBER)
        if number >= 2**63:
            self.refuse("a reference's number is too large")
        reference = Reference(kind, number, self.get(inner))
        try:
            return self.from_reference(reference)
        except Exception as error:
            raise _Passed(error) from None


_PLAIN_KEYS = (
    frozenset({bool, int, float, complex, date, time, datetime, timedelta, timezone, Decimal, Fraction, range, type})
    | TEXT_KEYS
    | {EllipsisType, NotImplementedType, BuiltinFunctionType}
    | NUMPY_SCALARS
    | DTYPE_CLASSES
)


def _is_safe_key(key: Any) -> bool:
    """Tell whether hashing and comparing a key runs only the interpreter's own code."""
    kind = type(key)
    if kind in _PLAIN_KEYS or kind is frozenset:
        return True
    if tuple in read_bases(kind):
        # A named tuple made here, or torch.Size: from_reference gives no tuple that it did not make itself.
        return all(map(_is_safe_key, tuple.__iter__(key)))
    torch = imported_torch()
    if torch is not None and kind in (torch.dtype, torch.device):
        return True
    special = (class_attribute(kind, "__hash__"), class_attribute(kind, "__eq__"))
    return special == (object.__hash__, object.__eq__)


def _constant(value: Any) -> Callable[[_Decoder, int], Any]:
    return lambda decoder, depth: value


_BY_TAG: dict[bytes, Callable[[_Decoder, int], Any]] = {
    **{tag: _constant(value) for tag, value in CONSTANTS.items()},
    b"i": _Decoder.get_int,
    b"I": _Decoder.get_long_int,
    b"f": _Decoder.get_float,
    b"c": _Decoder.get_complex,
    b"s": _Decoder.get_str,
    b"b": _Decoder.get_bytes,
    b"B": _Decoder.get_bytearray,
    b"[": _Decoder.get_list,
    b"(": _Decoder.get_tuple,
    b"d": _Decoder.get_float_list,
    b"D": _Decoder.get_float_tuple,
    b"q": _Decoder.get_int_list,
    b"Q": _Decoder.get_int_tuple,
    b"n": _Decoder.get_named_tuple,
    b"{": _Decoder.get_dict,
    b"<": _Decoder.get_set,
    b">": _Decoder.get_frozenset,
    b":": _Decoder.get_slice,
    b"r": _Decoder.get_range,
    b"Y": _Decoder.get_date,
    b"t": _Decoder.get_time,
    b"Z": _Decoder.get_datetime,
    b"m": _Decoder.get_timedelta,
    b"z": _Decoder.get_timezone,
    b"e": _Decoder.get_decimal,
    b"/": _Decoder.get_fraction,
    b"a": _Decoder.get_array,
    b"g": _Decoder.get_numpy_scalar,
    b"u": _Decoder.get_numpy_str,
    b"v": _Decoder.get_numpy_bytes,
    b"y": _Decoder.get_dtype,
    b"k": _Decoder.get_type,
    b"x": _Decoder.get_torch_dtype,
    b"#": _Decoder.get_torch_size,
    b"p": _Decoder.get_torch_device,
    b"X": _Decoder.get_tensor,
    b"@": _Decoder.get_shared,
    b"*": _Decoder.get_reference,
}
_READERS = tuple(_BY_TAG.get(tag, _Decoder.get_unknown) for tag in BYTES)
