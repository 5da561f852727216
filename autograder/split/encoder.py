"""Writing a message of the codec: plain data, read without running a line of a subclass's code."""

from __future__ import annotations

import struct
import sys
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from types import EllipsisType, NotImplementedType
from typing import Any

import numpy as np

from .plain_data import (
    ARRAY_ITEMS,
    BYTES,
    DATE,
    DEFAULT_LIMITS,
    DELTA,
    DTYPE_CLASSES,
    FORTRAN,
    HAS_GRAD,
    KIND,
    LONG,
    LONGDOUBLE_BYTES,
    MAX_DECIMAL_DIGITS,
    MAX_DECIMAL_EXPONENT,
    MAX_DIMENSIONS,
    MAX_FRACTION_BYTES,
    MAX_NAME_LENGTH,
    MAX_SURROGATE_TEXT,
    NUMPY_SCALARS,
    PADDED_LONGDOUBLE,
    PARAMETER,
    PLAIN_DATA,
    REQUIRES_GRAD,
    SET_ITEMS,
    SHARED_TYPES,
    SMALL_ARRAY_BYTES,
    TENSOR_ITEMS,
    TEXT_KEYS,
    TIME,
    TYPE_NAMES,
    VERSION,
    WRITEABLE,
    CannotCrossError,
    CodecLimits,
    Reference,
    class_attribute,
    dtype_text,
    imported_torch,
    integer_bytes,
    named_tuple_names,
    read_bases,
    read_qualified_name,
    torch_names,
    type_name,
    type_name_of,
    with_article,
)


def no_references(value: Any) -> Reference | None:
    """Make no references: only plain data can be sent."""
    return None


def encode(
    value: Any,
    to_reference: Callable[[Any], Reference | None] = no_references,
    limits: CodecLimits = DEFAULT_LIMITS,
    *,
    share: bool = False,
) -> bytes:
    """Write a value as one message.

    Args:
        value: what to send. A :class:`Reference` anywhere in it is sent as it is.
        to_reference: asked about everything that is not exactly of a plain type; ``None`` means that it is not to be
            sent as a reference.
        limits: what one message may hold.
        share: send a list, dict, set, bytearray, array or tensor that occurs twice once, to arrive as one object.

    Returns:
        the message.

    Raises:
        CannotCrossError: if something in it has no plain form, contains itself or exceeds a limit.
    """
    encoder = _Encoder(to_reference, limits, share)
    try:
        encoder.put(value, 0)
        return encoder.message()
    except _Refused as refused:
        raise refused.error() from None


class _Refused(Exception):
    """A refusal on its way out of the encoder, gathering the place as it passes each container."""

    def __init__(self, reason: str, type_name: str, *, too_deep: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.type_name = type_name
        self.too_deep = too_deep
        self.places: list[str] = []
        self.containers: list[int] = []

    def inside(self, container: Any, place: str) -> None:
        """Note that this happened at a place in a container."""
        self.places.append(place)
        self.containers.append(id(container))

    def error(self) -> CannotCrossError:
        """Give the public error."""
        if self.too_deep:
            # The whole way down would not be read; the outermost steps say where to look.
            self.places = self.places[-3:]
            if len(set(self.containers)) < len(self.containers):
                self.reason = f"{with_article(self.type_name)} that contains itself cannot be sent"
        return CannotCrossError(self.reason, self.type_name, " of ".join(self.places))


_pack_int = struct.Struct("=cq").pack
_pack_float = struct.Struct("=cd").pack
_pack_complex = struct.Struct("=cdd").pack
_pack_length = struct.Struct("=BQ").pack
_pack_number = struct.Struct("=Q").pack


def _length(n: int) -> bytes:
    return BYTES[n] if n < LONG else _pack_length(LONG, n)


class _Encoder:
    """One message being written, as a list of pieces that are joined at the end: arrays are copied once."""

    def __init__(self, to_reference: Callable[[Any], Reference | None], limits: CodecLimits, share: bool) -> None:
        self.to_reference = to_reference
        self.limits = limits
        self.pieces: list[Any] = [BYTES[VERSION]]
        self.items = 0
        self.text = 0
        self.surrogate_text = 0
        self.bulk = 0
        self.number_keys = 0
        # By identity, with the object itself so that no other can get its address while the message is written.
        self.shared: dict[int, tuple[int, Any]] | None = {} if share else None

    def message(self) -> bytes:
        message = b"".join(self.pieces)
        if len(message) > self.limits.max_bytes:
            self.refuse_size()
        return message

    def put(self, value: Any, depth: int) -> None:
        """Write one value, with everything in it."""
        kind = type(value)
        shared = self.shared
        if shared is not None and id(value) in shared:
            self.pieces.append(b"@" + _length(shared[id(value)][0]))
            return
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, value, depth)
            if shared is not None and kind in SHARED_TYPES:
                shared[id(value)] = (len(shared), value)
        else:
            self.put_other(value, depth)

    def put_other(self, value: Any, depth: int) -> None:
        """Write what is not exactly of a plain type."""
        kind = type(value)
        torch = imported_torch()
        if torch is not None and (kind is torch.Tensor or kind is torch.nn.Parameter):
            self.put_shared_base(value, value, _Encoder.put_tensor, depth)
            return
        if torch is not None and self.put_torch_name(torch, kind, value, depth):
            return
        reference = self.reference_to(value)
        if reference is not None:
            self.put_reference(reference, depth)
            return
        self.put_reduced(torch, kind, value, depth)

    def put_reduced(self, torch: Any, kind: type, value: Any, depth: int) -> None:
        """Write a subclass of a plain type as that type, by the plain type's own methods, never the subclass's."""
        base: Any
        mro = read_bases(kind)
        if np.ndarray in mro:
            masked_arrays = sys.modules.get("numpy.ma")
            if masked_arrays is not None and masked_arrays.MaskedArray in mro:
                self.refuse(value, "a masked array cannot be sent: send its data and its mask")
            base = np.ndarray.view(value, np.ndarray)
        elif torch is not None and torch.Tensor in mro:
            self.put_shared_base(value, value, _Encoder.put_tensor, depth)
            return
        elif dict in mro:
            pairs = OrderedDict.items(value) if OrderedDict in mro else dict.items(value)
            base = dict(list(pairs))
        elif tuple in mro:
            base = tuple.__getitem__(value, slice(None))
            names = named_tuple_names(kind)
            if names is not None and len(names) == len(base) + 1:
                self.put_named_tuple(names, base, depth)
                return
        elif list in mro:
            base = list.__getitem__(value, slice(None))
        elif set in mro:
            base = set(set.__iter__(value))
        elif frozenset in mro:
            base = frozenset(frozenset.__iter__(value))
        elif str in mro:
            base = str.__str__(value)
        elif bytes in mro:
            base = bytes.__bytes__(value)
        elif bytearray in mro:
            base = bytearray.__getitem__(value, slice(None))
        elif int in mro:
            base = int.__int__(value)
        elif float in mro:
            base = float.__float__(value)
        elif complex in mro:
            base = complex.__complex__(value)
        else:
            self.refuse(value)
        self.put_shared_base(value, base, _HANDLERS[type(base)], depth)

    def put_shared_base(self, value: Any, base: Any, handler: Callable[[_Encoder, Any, int], None], depth: int) -> None:
        """Write the plain form of a value, remembering the value itself for ``share``."""
        handler(self, base, depth)
        if self.shared is not None and (type(base) in SHARED_TYPES or handler is _Encoder.put_tensor):
            self.shared[id(value)] = (len(self.shared), value)

    def refuse(self, value: Any, reason: str | None = None) -> None:
        name = type_name(value)
        raise _Refused(f"{reason or f'{with_article(name)} cannot be sent'} ({PLAIN_DATA})", name)

    def refuse_size(self) -> None:
        raise _Refused(f"more than {self.limits.max_bytes:,} bytes cannot be sent at once", "message")

    def enter(self, value: Any, depth: int, count: int) -> int:
        """Check a container's count and give the depth of what it holds. The container itself counts as one more."""
        if depth >= self.limits.max_depth:
            reason = f"more than {self.limits.max_depth} containers within each other cannot be sent"
            raise _Refused(reason, type_name(value), too_deep=True)
        self.count_items(count + 1)
        return depth + 1

    def count_items(self, count: int) -> None:
        """Count the items of a container, or those that one item stands for, before they are written."""
        self.items += count
        if self.items > self.limits.max_items:
            raise _Refused(f"more than {self.limits.max_items:,} items cannot be sent at once", "message")

    def put_bulk(self, tag: bytes, count: int, data: Any) -> None:
        """Write a tag, a length and that many bytes."""
        self.bulk += count
        if self.bulk > self.limits.max_bytes:
            self.refuse_size()
        self.pieces += (tag + _length(count), data)

    # Scalars

    def put_none(self, value: None, depth: int) -> None:
        self.pieces.append(b"N")

    def put_bool(self, value: bool, depth: int) -> None:
        self.pieces.append(b"T" if value else b"F")

    def put_ellipsis(self, value: Any, depth: int) -> None:
        self.pieces.append(b".")

    def put_not_implemented(self, value: Any, depth: int) -> None:
        self.pieces.append(b"!")

    def put_int(self, value: int, depth: int) -> None:
        try:
            self.pieces.append(_pack_int(b"i", value))
        except struct.error:
            count = integer_bytes(value)
            if count > self.limits.max_integer_bytes:
                limit = self.limits.max_integer_bytes
                raise _Refused(f"an integer of {count:,} bytes cannot be sent (at most {limit:,})", "int") from None
            self.put_bulk(b"I", count, value.to_bytes(count, "little", signed=True))

    def put_float(self, value: float, depth: int) -> None:
        self.pieces.append(_pack_float(b"f", value))

    def put_complex(self, value: complex, depth: int) -> None:
        self.pieces.append(_pack_complex(b"c", value.real, value.imag))

    def put_str(self, value: str, depth: int) -> None:
        self.put_text(b"s", value)

    def put_text(self, tag: bytes, value: str) -> None:
        try:
            data = value.encode()
        except UnicodeEncodeError:
            data = value.encode("utf-8", "surrogatepass")
            self.surrogate_text += len(data)
            if self.surrogate_text > MAX_SURROGATE_TEXT:
                raise _Refused(f"more than {MAX_SURROGATE_TEXT:,} bytes of broken text cannot be sent", "str") from None
        self.text += len(data)
        if self.text > self.limits.max_text:
            raise _Refused(f"more than {self.limits.max_text:,} bytes of text cannot be sent at once", "str")
        self.pieces.append(tag + _length(len(data)) + data)

    def put_bytes(self, value: bytes, depth: int) -> None:
        self.put_bulk(b"b", len(value), value)

    def put_bytearray(self, value: bytearray, depth: int) -> None:
        self.put_bulk(b"B", len(value), bytes(value))

    # Containers. Each is copied first, so that a change meanwhile cannot leave a wrong count in the message.

    def put_list(self, value: list[Any], depth: int) -> None:
        self.put_sequence(value, value[:], b"[", b"d", b"q", depth)

    def put_tuple(self, value: tuple[Any, ...], depth: int) -> None:
        self.put_sequence(value, value, b"(", b"D", b"Q", depth)

    def put_sequence(
        self, value: Any, items: Sequence[Any], tag: bytes, float_tag: bytes, int_tag: bytes, depth: int
    ) -> None:
        inner = self.enter(value, depth, len(items))
        if len(items) > 3:
            kinds = set(map(type, items))
            if kinds == _ONLY_FLOAT:
                self.put_packed(float_tag, array("d", items))
                return
            if kinds == _ONLY_INT:
                try:
                    packed = array("q", items)
                except OverflowError:
                    pass
                else:
                    self.put_packed(int_tag, packed)
                    return
        self.pieces.append(tag + _length(len(items)))
        self.put_items(value, items, inner)

    def put_packed(self, tag: bytes, packed: array[Any]) -> None:
        self.bulk += 8 * len(packed)
        if self.bulk > self.limits.max_bytes:
            self.refuse_size()
        self.pieces += (tag + _length(len(packed)), packed)

    def put_items(self, value: Any, items: Iterable[Any], inner: int) -> None:
        index = 0
        try:
            for item in items:
                self.put(item, inner)
                index += 1
        except _Refused as refused:
            refused.inside(value, f"item {index}")
            raise

    def put_named_tuple(self, names: tuple[str, ...], value: tuple[Any, ...], depth: int) -> None:
        inner = self.enter(value, depth, 2 * len(value) + 1)
        self.pieces.append(b"n" + _length(len(value)))
        for name in names:
            self.put_text(b"", name)
        for name, item in zip(names[1:], value, strict=True):
            try:
                self.put(item, inner)
            except _Refused as refused:
                refused.inside(value, f"'{name}'")
                raise

    def put_dict(self, value: dict[Any, Any], depth: int) -> None:
        items = list(value.items())
        inner = self.enter(value, depth, 2 * len(items))
        self.pieces.append(b"{" + _length(len(items)))
        self.check_keys(value, [key for key, _ in items])
        for key, item in items:
            try:
                self.put(key, inner)
            except _Refused as refused:
                refused.inside(value, f"the key {_key_text(key)}")
                raise
            try:
                self.put(item, inner)
            except _Refused as refused:
                refused.inside(value, _key_text(key))
                raise

    def put_set(self, value: set[Any], depth: int) -> None:
        self.put_members(b"<", value, depth)

    def put_frozenset(self, value: frozenset[Any], depth: int) -> None:
        self.put_members(b">", value, depth)

    def put_members(self, tag: bytes, value: set[Any] | frozenset[Any], depth: int) -> None:
        items = list(value)
        inner = self.enter(value, depth, len(items))
        self.count_items(SET_ITEMS)
        self.pieces.append(tag + _length(len(items)))
        self.check_keys(value, items)
        for item in items:
            try:
                self.put(item, inner)
            except _Refused as refused:
                refused.inside(value, "a member")
                raise

    def check_keys(self, container: Any, keys: list[Any]) -> None:
        """Refuse keys that the receiver would refuse, or that only their subclass keeps apart."""
        kinds = set(map(type, keys))
        if TEXT_KEYS.issuperset(kinds):
            return
        self.number_keys += len(keys)
        if self.number_keys > self.limits.max_number_keys:
            reason = f"more than {self.limits.max_number_keys:,} dict keys or set members that are not text"
            raise _Refused(f"{reason} cannot be sent at once", type(container).__name__)
        torch = imported_torch()
        for kind in kinds:
            if kind is slice or (torch is not None and torch.Tensor in read_bases(kind)):
                raise _Refused(f"{with_article(type_name_of(kind))} cannot be sent as a key", type_name_of(kind))
        if {str, int}.issuperset(kinds):
            return
        reduced = [_reduced_key(key) for key in keys]
        if len(set(reduced)) != len(reduced):
            reason = f"{with_article(type(container).__name__)} with keys that are equal as plain data cannot be sent"
            raise _Refused(reason, type(container).__name__)

    def put_slice(self, value: slice, depth: int) -> None:
        inner = self.enter(value, depth, 3)
        self.pieces.append(b":")
        self.put_items(value, (value.start, value.stop, value.step), inner)

    def put_range(self, value: range, depth: int) -> None:
        self.count_items(3)
        self.pieces.append(b"r")
        for part in (value.start, value.stop, value.step):
            self.put_int(int.__int__(part), depth)

    # Dates and exact numbers

    def put_date(self, value: date, depth: int) -> None:
        self.pieces.append(b"Y" + DATE.pack(value.year, value.month, value.day))

    def put_time(self, value: time, depth: int) -> None:
        inner = self.enter(value, depth, 1)
        self.pieces.append(b"t" + _time_bytes(value))
        self.put(value.tzinfo, inner)

    def put_datetime(self, value: datetime, depth: int) -> None:
        inner = self.enter(value, depth, 1)
        self.pieces.append(b"Z" + DATE.pack(value.year, value.month, value.day) + _time_bytes(value))
        self.put(value.tzinfo, inner)

    def put_timedelta(self, value: timedelta, depth: int) -> None:
        self.pieces.append(b"m" + DELTA.pack(value.days, value.seconds, value.microseconds))

    def put_timezone(self, value: timezone, depth: int) -> None:
        self.count_items(1)
        offset, *name = value.__getinitargs__()  # type: ignore[attr-defined]
        self.pieces.append(b"z" + DELTA.pack(offset.days, offset.seconds, offset.microseconds) + _length(len(name)))
        if name:
            self.put_text(b"", str.__str__(name[0]))

    def put_decimal(self, value: Decimal, depth: int) -> None:
        sign, digits, exponent = value.as_tuple()
        mark = "-" if sign else ""
        if type(exponent) is int:
            if len(digits) > MAX_DECIMAL_DIGITS or abs(exponent) > MAX_DECIMAL_EXPONENT:
                self.refuse(
                    value,
                    f"a Decimal of more than {MAX_DECIMAL_DIGITS:,} digits, "
                    f"or with an exponent beyond ±{MAX_DECIMAL_EXPONENT:,}, cannot be sent",
                )
            text = f"{mark}{''.join(map(str, digits))}E{exponent}"
        else:
            payload = "".join(map(str, digits)) if exponent != "F" and digits != (0,) else ""
            text = mark + {"F": "Infinity", "n": "NaN", "N": "sNaN"}[str(exponent)] + payload
        self.put_text(b"e", text)

    def put_fraction(self, value: Fraction, depth: int) -> None:
        numerator, denominator = int(value.numerator), int(value.denominator)
        if max(integer_bytes(numerator), integer_bytes(denominator)) > MAX_FRACTION_BYTES:
            self.refuse(value, f"a Fraction of integers longer than {MAX_FRACTION_BYTES} bytes cannot be sent")
        self.pieces.append(b"/")
        self.put_int(numerator, depth)
        self.put_int(denominator, depth)

    # NumPy

    def put_dtype_text(self, tag: bytes, value: Any, dtype: np.dtype[Any]) -> str:
        text = dtype_text(dtype)
        if text is None:
            self.refuse(value, f"NumPy data of dtype {_dtype_description(dtype)} cannot be sent")
        assert text is not None
        self.pieces.append(tag + BYTES[len(text)] + text.encode("ascii"))
        return text

    def put_array(self, value: np.ndarray[Any, np.dtype[Any]], depth: int) -> None:
        dtype = value.dtype
        self.count_items(ARRAY_ITEMS)
        if value.ndim > MAX_DIMENSIONS:
            self.refuse(value, f"an array of more than {MAX_DIMENSIONS} dimensions cannot be sent")
        if dtype.itemsize == 0 or self.bulk + value.nbytes > self.limits.max_bytes:
            self.refuse_size() if dtype.itemsize else self.refuse(value, "an array of empty items cannot be sent")
        self.bulk += value.nbytes
        self.put_dtype_text(b"a", value, dtype)
        flags = value.flags
        fortran = value.ndim > 1 and flags.f_contiguous and not flags.c_contiguous
        shape = value.shape
        self.pieces.append(
            BYTES[(WRITEABLE if flags.writeable else 0) + (FORTRAN if fortran else 0)]
            + BYTES[len(shape)]
            + b"".join(map(_length, shape))
        )
        if not dtype.isnative:
            value = value.astype(dtype.newbyteorder("="))
        if fortran:
            value = value.T
        if PADDED_LONGDOUBLE and dtype.char in "gG":
            self.pieces.append(_without_padding(value))
        elif value.nbytes > SMALL_ARRAY_BYTES and value.flags.c_contiguous:
            self.pieces.append(value.reshape(-1).view(np.uint8))
        else:
            self.pieces.append(value.tobytes())

    def put_numpy_scalar(self, value: Any, depth: int) -> None:
        kind = type(value)
        self.count_items(1)
        if kind is np.str_:
            self.put_text(b"u", str.__str__(value))
        elif kind is np.bytes_:
            self.put_bulk(b"v", len(value), bytes.__bytes__(value))
        else:
            text = self.put_dtype_text(b"g", value, value.dtype)
            data = _without_padding(np.array(value)) if PADDED_LONGDOUBLE and text in "gG" else value.tobytes()
            self.pieces.append(data)

    def put_dtype(self, value: np.dtype[Any], depth: int) -> None:
        self.count_items(1)
        self.put_dtype_text(b"y", value, value)
        self.pieces.append(b"=" if value.isnative else b"x")

    def put_type(self, value: type, depth: int) -> None:
        name = TYPE_NAMES.get(value)
        if name is not None:
            self.put_text(b"k", name)
            return
        reference = self.reference_to(value)
        if reference is None:
            shown = str.__str__(read_qualified_name(value))[:MAX_NAME_LENGTH]
            raise _Refused(f"the class {shown} cannot be sent ({PLAIN_DATA})", "type")
        self.put_reference(reference, depth)

    # PyTorch

    def put_torch_name(self, torch: Any, kind: type, value: Any, depth: int) -> bool:
        """Write one of PyTorch's small values; false if this is none of them."""
        if kind is torch.dtype:
            name = torch_names(torch)[1].get(value)
            if name is None:
                self.refuse(value, f"the dtype {value} cannot be sent")
            assert name is not None
            self.put_text(b"x", name)
        elif kind is torch.Size:
            self.enter(value, depth, len(value))
            self.put_packed(b"#", array("q", [int(n) for n in value]))
        elif kind is torch.device:
            if value.type != "cpu":
                self.refuse(value, f"the device {value} cannot be sent: only the CPU's")
            self.put_text(b"p", str(value))
        else:
            return False
        return True

    def put_tensor(self, value: Any, depth: int) -> None:
        torch = imported_torch()
        self.count_items(TENSOR_ITEMS)
        kind = type(value)
        if kind is not torch.Tensor and kind is not torch.nn.Parameter:
            dispatch = class_attribute(kind, "__torch_dispatch__")
            if dispatch is not class_attribute(torch.Tensor, "__torch_dispatch__"):
                self.refuse(value)
        # Keeps a subclass's __torch_function__ from running, and costs under a microsecond.
        with torch._C.DisableTorchFunctionSubclass():
            try:
                self.put_plain_tensor(torch, value, torch.nn.Parameter in read_bases(kind))
            except (RuntimeError, TypeError) as error:
                # Tensors of PyTorch's own transformations (vmap, tracing) have no memory to read.
                self.refuse(value, f"this tensor has no data to send: {str(error)[:200]}")

    def put_plain_tensor(self, torch: Any, value: Any, is_parameter: bool) -> None:
        tensor = torch.Tensor
        data = tensor.detach(value)
        if data.device.type != "cpu":
            self.refuse(value, f"a tensor on {data.device} cannot be sent: call .cpu() first")
        if data.layout is not torch.strided or data.is_quantized or data.is_nested:
            self.refuse(value, "a sparse, quantised or nested tensor cannot be sent: make it dense first")
        name = torch_names(torch)[1].get(data.dtype)
        shape = tuple(data.shape)
        if name is None or len(shape) > MAX_DIMENSIONS:
            self.refuse(value, f"a tensor of dtype {data.dtype} with {len(shape)} dimensions cannot be sent")
        assert name is not None
        # Only a leaf's gradient is kept by PyTorch; asking another for it prints a warning.
        gradient = tensor.grad.__get__(value) if tensor.is_leaf.__get__(value) else None
        flags = (REQUIRES_GRAD if tensor.requires_grad.__get__(value) else 0) + (PARAMETER if is_parameter else 0)
        if gradient is not None:
            gradient = tensor.detach(gradient)
            flags += HAS_GRAD
            like = gradient.dtype is data.dtype and gradient.shape == data.shape
            if gradient.layout is not torch.strided or not like:
                self.refuse(value, "a tensor whose gradient is not a dense tensor like itself cannot be sent")
        header = (len(name), *name.encode("ascii"), flags, len(shape))
        self.pieces.append(b"X" + bytes(header) + b"".join(map(_length, shape)))
        self.put_tensor_data(torch, data)
        if gradient is not None:
            self.put_tensor_data(torch, gradient)

    def put_tensor_data(self, torch: Any, data: Any) -> None:
        count = data.numel() * data.element_size()
        self.bulk += count
        if self.bulk > self.limits.max_bytes:
            self.refuse_size()
        if count:
            dense = data.resolve_conj().resolve_neg().contiguous().reshape(-1)
            if dense.stride(0) != 1:
                # A single expanded number counts as contiguous, and cannot be viewed as bytes all the same.
                dense = dense.clone(memory_format=torch.contiguous_format)
            self.pieces.append(dense.view(torch.uint8).numpy())

    # References

    def reference_to(self, value: Any) -> Reference | None:
        """Ask the caller, whose own refusal gets the place added to it."""
        try:
            return self.to_reference(value)
        except CannotCrossError as error:
            raise _Refused(error.reason, error.type_name) from None

    def put_reference(self, value: Any, depth: int) -> None:
        if type(value) is not Reference:
            raise TypeError(f"to_reference gave {with_article(type_name(value))}, not a Reference or None")
        if not KIND.fullmatch(value.kind) or not 0 <= value.number < 2**63:
            raise TypeError(f"a Reference has a short ASCII kind and a number ≥ 0, not {value.kind!r}, {value.number}")
        inner = self.enter(value, depth, 1)
        self.pieces.append(b"*" + BYTES[len(value.kind)] + value.kind.encode("ascii") + _pack_number(value.number))
        try:
            self.put(value.about, inner)
        except _Refused as refused:
            refused.inside(value, f"the description of the {value.kind}")
            raise


_ONLY_FLOAT = {float}
_ONLY_INT = {int}

_HANDLERS: dict[type, Callable[[_Encoder, Any, int], None]] = {
    type(None): _Encoder.put_none,
    bool: _Encoder.put_bool,
    EllipsisType: _Encoder.put_ellipsis,
    NotImplementedType: _Encoder.put_not_implemented,
    int: _Encoder.put_int,
    float: _Encoder.put_float,
    complex: _Encoder.put_complex,
    str: _Encoder.put_str,
    bytes: _Encoder.put_bytes,
    bytearray: _Encoder.put_bytearray,
    list: _Encoder.put_list,
    tuple: _Encoder.put_tuple,
    dict: _Encoder.put_dict,
    set: _Encoder.put_set,
    frozenset: _Encoder.put_frozenset,
    slice: _Encoder.put_slice,
    range: _Encoder.put_range,
    date: _Encoder.put_date,
    time: _Encoder.put_time,
    datetime: _Encoder.put_datetime,
    timedelta: _Encoder.put_timedelta,
    timezone: _Encoder.put_timezone,
    Decimal: _Encoder.put_decimal,
    Fraction: _Encoder.put_fraction,
    np.ndarray: _Encoder.put_array,
    type: _Encoder.put_type,
    Reference: _Encoder.put_reference,
}
_HANDLERS |= dict.fromkeys(NUMPY_SCALARS, _Encoder.put_numpy_scalar)
_HANDLERS |= dict.fromkeys(DTYPE_CLASSES, _Encoder.put_dtype)


def _reduced_key(key: Any) -> Any:
    """Give what tells this key from others as plain data: the key itself, but for subclasses of text and numbers."""
    kind = type(key)
    mro = read_bases(kind)
    if tuple in mro:
        return tuple(map(_reduced_key, tuple.__iter__(key)))
    if frozenset in mro:
        return frozenset(map(_reduced_key, frozenset.__iter__(key)))
    if kind in _HANDLERS and kind is not Reference:
        return key
    if str in mro:
        return str.__str__(key)
    if bytes in mro:
        return bytes.__bytes__(key)
    if int in mro:
        return int.__int__(key)
    if float in mro:
        return float.__float__(key)
    # Something for to_reference: apart by identity, as far as can be told without running it.
    return (_reduced_key, id(key))


def _key_text(key: Any) -> str:
    """Show a key in an error: text and numbers as they are, the type of anything else."""
    if type(key) is str:
        return repr(key[:MAX_NAME_LENGTH])
    # Python refuses to print longer integers.
    if type(key) in (float, bool) or (type(key) is int and abs(key) < 10**MAX_NAME_LENGTH):
        return repr(key)
    return f"a key of type {type_name(key)}"


def _time_bytes(value: time | datetime) -> bytes:
    return TIME.pack(value.hour, value.minute, value.second, value.microsecond, value.fold)


def _dtype_description(dtype: np.dtype[Any]) -> str:
    return "with fields" if dtype.names is not None else str(dtype)[:MAX_NAME_LENGTH]


def _without_padding(value: np.ndarray[Any, np.dtype[Any]]) -> bytes:
    """Give long doubles with zeros where memory holds whatever was there before: it must not reach the peer."""
    raw = np.frombuffer(value.tobytes(), np.uint8).reshape(-1, 16).copy()
    raw[:, LONGDOUBLE_BYTES:] = 0
    return raw.tobytes()
