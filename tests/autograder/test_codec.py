"""The codec between the trusted process and a student's: what crosses is exact; what is not plain data is refused."""

from __future__ import annotations

import enum
import math
import random
import struct
import subprocess
import sys
import time
from collections import Counter, OrderedDict, defaultdict, namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as clock_time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.split.codec import CannotCrossError, CodecLimits, MalformedError, Reference, decode, encode

# Nothing here depends on a file or the time of day, and a shared machine may pause any example.
quickly = settings(max_examples=150, deadline=None)

NUMBER_CODES = "?bBhHiIlLqQefdgFDG"
FLOAT_TENSORS = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128)
EIGHT_BIT_FLOATS = (torch.float8_e4m3fn, torch.float8_e5m2)
INTEGER_TENSORS = (
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.uint16, torch.uint32, torch.uint64),
)
_NAN_BITS = (0x7FF8000000000000, 0x7FF8000000000001, 0xFFF8DEADBEEF0000)


def exactly(value: Any) -> Any:
    """Describe a value so that two descriptions are equal only if type, bits, shape, dtype, order and flags are."""
    kind = type(value)
    if kind is float:
        return ("float", struct.pack("=d", value))
    if kind is complex:
        return ("complex", struct.pack("=dd", value.real, value.imag))
    if kind is np.ndarray:
        dtype = value.dtype.newbyteorder("=")
        data = value.astype(dtype).tobytes()
        return ("array", dtype.char, dtype.str, value.shape, value.flags.writeable, without_padding(dtype, data))
    if isinstance(value, np.generic):
        if kind in (np.str_, np.bytes_):
            return (kind, value.item())
        return (kind, value.dtype.str, without_padding(value.dtype, value.tobytes()))
    if isinstance(value, torch.Tensor):
        dense = value.detach().resolve_conj().contiguous().reshape(-1)
        data = dense.view(torch.uint8).tolist() if value.numel() else []
        gradient = exactly(value.grad) if value.is_leaf and value.grad is not None else None
        return (kind, value.dtype, tuple(value.shape), value.requires_grad, data, gradient)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return ("named", kind.__name__, value._fields, [exactly(item) for item in value])
    if kind in (list, tuple):
        return (kind, [exactly(item) for item in value])
    if kind is dict:
        return ("dict", [(exactly(key), exactly(item)) for key, item in value.items()])
    if kind in (set, frozenset):
        return (kind, sorted(map(repr, map(exactly, value))))
    if kind is slice:
        return ("slice", exactly(value.start), exactly(value.stop), exactly(value.step))
    if kind is Decimal:
        return ("Decimal", value.as_tuple())
    if kind in (datetime, clock_time):
        return (kind, repr(value), value.fold)
    return (kind, value)


def without_padding(dtype: np.dtype[Any], data: bytes) -> bytes:
    if dtype.char not in "gG" or np.finfo(np.longdouble).nmant != 63:
        return data
    return b"".join(data[start : start + 10] for start in range(0, len(data), 16))


def assert_crosses(value: Any, **options: Any) -> Any:
    arrived = decode(encode(value, **options), **options)
    assert exactly(arrived) == exactly(value)
    return arrived


Point = namedtuple("Point", "x y")


class Fit(NamedTuple):
    slope: float
    λ: Any


# strategies

bit_floats = st.one_of(
    st.floats(), st.sampled_from(_NAN_BITS).map(lambda bits: struct.unpack("=d", struct.pack("=Q", bits))[0])
)
large_integers = st.integers(0, 4000).map(lambda bits: 3 - 2**bits)
integers = st.one_of(st.integers(), large_integers, st.sampled_from([2**63 - 1, 2**63]))
any_text = st.text(st.characters(), max_size=30)  # lone surrogates included
zones = st.one_of(
    st.none(),
    st.just(UTC),
    st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23))),
    st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)), any_text),
)
moments = st.one_of(
    st.dates(),
    st.timedeltas(),
    zones.filter(lambda zone: zone is not None),
    st.builds(datetime.replace, st.datetimes(), tzinfo=zones, fold=st.sampled_from([0, 1])),
    st.builds(clock_time.replace, st.times(), tzinfo=zones, fold=st.sampled_from([0, 1])),
)
exact_numbers = st.one_of(
    st.fractions(),
    st.decimals().filter(lambda number: not number.is_finite() or abs(number.as_tuple().exponent) <= 10_000),
    st.sampled_from([Decimal("sNaN123"), Decimal("-NaN7"), Decimal("-0"), Decimal("0.00"), Decimal("1E+10000")]),
)
hashable_scalars = st.one_of(
    st.none(), st.booleans(), integers, bit_floats, st.complex_numbers(), any_text, st.binary(max_size=30)
)
dtypes = st.one_of(
    st.sampled_from(NUMBER_CODES).map(np.dtype),
    hnp.unicode_string_dtypes(max_len=5),
    hnp.byte_string_dtypes(max_len=5),
    hnp.datetime64_dtypes(),
    hnp.timedelta64_dtypes(),
    st.sampled_from(["M8[25s]", "m8[7ms]", "M8"]).map(np.dtype),
)
# Raw bits: every NaN, every denormal. Truth values, characters and long doubles have bit patterns that are no value.
raw_codes = [code for code in NUMBER_CODES if code not in "?gG"]


@st.composite
def arrays(draw: Any) -> np.ndarray:
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    if draw(st.booleans()):
        dtype = np.dtype(draw(st.sampled_from(raw_codes)))
        size = math.prod(shape) * dtype.itemsize
        array = np.frombuffer(draw(st.binary(min_size=size, max_size=size)) + b" ", "u1", size).copy().view(dtype)
        array = array.reshape(shape)
    else:
        dtype = draw(dtypes)
        if dtype.char in "gG":
            with np.errstate(all="ignore"):
                array = np.asarray(draw(hnp.arrays("f8", shape)).astype(dtype) / dtype.type(3))
        else:
            array = draw(hnp.arrays(dtype, shape))
    ways = ["as it is", "transposed", "reversed", "every other", "swapped", "Fortran", "read-only"]
    way = draw(st.sampled_from(ways))
    if way == "transposed":
        array = array.T
    elif way == "reversed":
        array = array[..., ::-1] if array.ndim else array
    elif way == "every other":
        array = np.repeat(array, 2, axis=0)[::2] if array.ndim else array
    elif way == "swapped":
        array = array.astype(array.dtype.newbyteorder("S"))
    elif way == "Fortran":
        array = np.asfortranarray(array)
    elif way == "read-only":
        array.flags.writeable = False
    return array


numpy_scalars = st.one_of(
    arrays().filter(lambda array: array.size > 0).map(lambda array: array.reshape(-1)[0]),
    any_text.map(np.str_),
    st.binary(max_size=9).map(np.bytes_),
)


@st.composite
def tensors(draw: Any) -> torch.Tensor:
    dtype = draw(st.sampled_from((*FLOAT_TENSORS, *EIGHT_BIT_FLOATS, *INTEGER_TENSORS)))
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    size = math.prod(shape) * dtype.itemsize
    raw = draw(st.binary(min_size=size, max_size=size))
    if dtype is torch.bool:
        raw = bytes(byte % 2 for byte in raw)
    tensor = torch.frombuffer(bytearray(raw), dtype=dtype).reshape(shape) if size else torch.empty(shape, dtype=dtype)
    if draw(st.booleans()):
        tensor = tensor.T if tensor.ndim == 2 else tensor
    if dtype in FLOAT_TENSORS:
        if draw(st.booleans()):
            tensor = torch.nn.Parameter(tensor.detach().clone(), requires_grad=draw(st.booleans()))
        elif draw(st.booleans()):
            tensor = tensor.detach().clone().requires_grad_(True)
        if draw(st.booleans()):
            tensor.grad = torch.ones_like(tensor, requires_grad=False)
    return tensor


plain_types = st.sampled_from([int, bool, str, type(None), list, np.float64, np.int8, np.longlong, np.ndarray, complex])
others = st.one_of(
    st.sampled_from([..., NotImplemented, torch.float32, torch.bfloat16, torch.device("cpu"), torch.Size([2, 0])]),
    plain_types,
    dtypes,
    dtypes.map(lambda dtype: dtype.newbyteorder("S")),
    st.builds(range, st.integers(), st.integers(), st.integers().filter(bool)),
    st.builds(slice, integers, st.none(), integers),
    st.binary(max_size=30).map(bytearray),
)
scalars = st.one_of(hashable_scalars, moments, exact_numbers, others)
keys = st.recursive(
    st.one_of(hashable_scalars, moments),
    lambda inner: st.one_of(st.tuples(inner, inner), st.frozensets(inner, max_size=3)),
    max_leaves=4,
)
values = st.recursive(
    st.one_of(scalars, arrays(), numpy_scalars, tensors()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.builds(Point, inner, inner),
        st.builds(Fit, bit_floats, inner),
        st.dictionaries(keys, inner, max_size=4),
        st.sets(keys, max_size=4),
        st.frozensets(keys, max_size=4),
    ),
    max_leaves=8,
)


# round trips


@quickly
@given(values)
def test_every_plain_value_arrives_exactly(value: Any) -> None:
    assert_crosses(value)
    assert_crosses(value, share=True)


@quickly
@given(arrays())
def test_arrays_arrive_with_their_bits_shape_dtype_and_flags(array: np.ndarray) -> None:
    arrived = assert_crosses(array)
    assert arrived.flags.owndata
    assert arrived.dtype.isnative
    assert arrived.flags.c_contiguous or arrived.flags.f_contiguous


@quickly
@given(numpy_scalars)
def test_numpy_scalars_arrive_as_the_same_scalar_type(scalar: Any) -> None:
    assert_crosses(scalar)


@quickly
@given(tensors())
def test_tensors_arrive_with_their_bits_gradient_and_flags(tensor: torch.Tensor) -> None:
    arrived = assert_crosses(tensor)
    assert arrived.is_leaf


@pytest.mark.parametrize("count", [0, 1, 3, 4, 254, 255, 256, 3_000])
def test_lists_of_numbers_arrive_exactly_at_every_length(count: int) -> None:
    assert_crosses([float(i) / 3 for i in range(count)])
    assert_crosses(tuple(-0.0 for _ in range(count)))
    assert_crosses([i - 5 for i in range(count)])
    assert_crosses([*range(count), 2**63])
    assert_crosses([*range(count), True])
    assert_crosses({str(i): i for i in range(count)})
    assert_crosses("é" * count)
    assert_crosses(b"x" * count)


def test_fortran_order_survives_and_any_other_order_becomes_c() -> None:
    a = np.arange(24.0).reshape(2, 3, 4)
    assert decode(encode(np.asfortranarray(a))).flags.f_contiguous
    assert decode(encode(a[:, ::2])).flags.c_contiguous
    assert decode(encode(a)).flags.c_contiguous


def test_a_large_array_arrives_from_any_buffer() -> None:
    array = np.random.default_rng(1).normal(size=(300, 1000))
    message = encode(array)
    for data in (message, bytearray(message), memoryview(message), memoryview(b"x" + message)[1:]):
        arrived = decode(data)
        assert exactly(arrived) == exactly(array)
    arrived[0] = 1.0
    assert message == encode(array)


def test_a_tensor_that_was_computed_arrives_as_a_leaf() -> None:
    weight = torch.ones(2, requires_grad=True)
    arrived = decode(encode(weight * 2))
    assert arrived.requires_grad
    assert arrived.is_leaf
    assert arrived.grad is None


def test_conjugated_and_expanded_tensors_arrive_by_value() -> None:
    z = torch.tensor([1 + 2j, 3 - 1j])
    assert decode(encode(z.conj())).tolist() == [1 - 2j, 3 + 1j]
    assert decode(encode(torch.ones(1, 2).expand(3, 2))).tolist() == [[1.0, 1.0]] * 3


def test_two_named_tuples_of_one_kind_arrive_with_one_type() -> None:
    first, second = decode(encode([Point(1, 2), Point(3, 4)]))
    assert type(first) is type(second)
    assert (first.x, second.y) == (1, 4)
    assert type(first).__mro__[1:] == (tuple, object)


def test_named_results_of_libraries_keep_their_names() -> None:
    assert decode(encode(torch.max(torch.eye(2), dim=0))).indices.tolist() == [0, 1]
    assert decode(encode(time.gmtime(0))).tm_year == 1970
    assert decode(encode(np.linalg.svd(np.eye(2)))).S.tolist() == [1.0, 1.0]


def test_what_is_read_only_stays_read_only() -> None:
    array = np.broadcast_to(np.float32(3), (4, 2))
    arrived = decode(encode(array))
    assert not arrived.flags.writeable
    assert arrived.tolist() == array.tolist()


def test_one_object_twice_arrives_as_one_object_if_shared() -> None:
    array, items, tensor = np.zeros(3), [1, "a"], torch.zeros(2)
    mapping, members, data = {"a": items}, {1}, bytearray(b"x")
    value = [array, items, tensor, mapping, members, data, (array, [items], tensor, mapping, members, data)]
    arrived = decode(encode(value, share=True), share=True)
    again = arrived[6]
    assert again[0] is arrived[0]
    assert again[1][0] is arrived[1] is arrived[3]["a"]
    assert all(again[i] is arrived[i] for i in (2, 3, 4, 5))
    arrived = decode(encode(value))
    assert arrived[6][0] is not arrived[0]


def test_equal_objects_that_are_two_arrive_as_two_if_shared() -> None:
    first, second = decode(encode([[1], [1]], share=True), share=True)
    assert first is not second


def test_one_object_of_a_subclass_twice_arrives_as_one_object_if_shared() -> None:
    counts, matrix = Counter("aab"), np.ones((2, 2)).view(np.matrix)
    arrived = decode(encode([counts, counts, matrix, matrix, [1], [1]], share=True), share=True)
    assert arrived[0] is arrived[1]
    assert arrived[2] is arrived[3]
    assert arrived[4] is not arrived[5]


def test_passing_things_to_reference_does_not_confuse_sharing() -> None:
    # The descriptions are new lists at every call, so their addresses are used again and again.
    def to_reference(value: Any) -> Reference | None:
        return Reference("thing", 0, about=[len(message)])

    message: list[int] = []
    value = []
    for _ in range(200):
        value += [object(), [1]]
    arrived = decode(encode(value, to_reference, share=True), lambda reference: reference.about, share=True)
    assert arrived[1::2] == [[1]] * 200
    assert len({id(item) for item in arrived}) == 400


# base types


class Colour(enum.IntEnum):
    RED = 1


class Shade(enum.StrEnum):
    DARK = "dark"


ran: list[str] = []


def lies(base: type, *, call: Callable[..., Any] = type) -> type:
    """Make a subclass whose every override records that it ran, and lies."""

    def override(name: str) -> Callable[..., Any]:
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            ran.append(name)
            raise ZeroDivisionError(name)

        return method

    names = (
        *("__eq__", "__iter__", "__len__", "__array__", "__reduce__", "__reduce_ex__", "__getitem__", "__contains__"),
        *("__int__", "__index__", "__float__", "__complex__", "__str__", "__bytes__", "__repr__", "__bool__"),
        *("items", "keys", "values", "copy", "encode", "tobytes", "view", "astype", "reshape", "detach", "contiguous"),
        *("__array_finalize__", "__array_interface__", "__array_ufunc__", "__array_function__", "__getattr__"),
        *("__torch_function__", "numpy", "untyped_storage", "bit_length", "to_bytes", "as_integer_ratio", "__neg__"),
        *("__abs__", "__lt__", "__getstate__", "__copy__", "__deepcopy__", "__next__", "__buffer__"),
    )
    overrides = {name: override(name) for name in names}
    read = ("dtype", "shape", "nbytes", "flags", "T", "real", "imag", "grad", "requires_grad", "is_leaf", "device")
    for name in read:
        overrides[name] = property(override(name))
    overrides["__hash__"] = base.__hash__
    return type("Liar", (base,), overrides)


TRUTHS: list[Any] = [
    7,
    2.5,
    1 + 2j,
    "text",
    b"bytes",
    bytearray(b"array"),
    [1, "a"],
    (1, "a"),
    {"a": 1},
    {1, 2},
    frozenset({1, 2}),
]


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: type(truth).__name__)
def test_a_subclass_arrives_as_its_base_type_and_runs_nothing(truth: Any) -> None:
    ran.clear()
    liar = lies(type(truth))(truth)
    ran.clear()
    arrived = decode(encode([liar]))[0]
    assert ran == []
    assert exactly(arrived) == exactly(truth)


def test_a_subclass_of_an_array_arrives_as_an_array_and_runs_nothing() -> None:
    truth = np.arange(6.0).reshape(2, 3)
    cls = lies(np.ndarray)
    del cls.__array_finalize__
    liar = truth.view(cls)
    ran.clear()
    message = encode({"a": liar})
    assert ran == []
    assert exactly(decode(message)["a"]) == exactly(truth)


def test_a_subclass_of_a_tensor_arrives_as_a_tensor_and_runs_nothing() -> None:
    cls = lies(torch.Tensor)
    cls.__torch_function__ = classmethod(lambda cls, *args, **kwargs: ran.append("__torch_function__"))
    truth = torch.ones(2, 3, requires_grad=True)
    with torch._C.DisableTorchFunctionSubclass():
        liar = torch.Tensor._make_subclass(cls, torch.ones(2, 3), True)
    ran.clear()
    message = encode([liar])
    assert ran == []
    assert exactly(decode(message)[0]) == exactly(truth)


def test_a_metaclass_that_lies_about_names_is_not_asked() -> None:
    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            ran.append(name)
            raise ZeroDivisionError(name)

    class Odd(metaclass=Meta):
        pass

    ran.clear()
    with pytest.raises(CannotCrossError, match="Odd cannot be sent"):
        encode([object.__new__(Odd)])
    with pytest.raises(CannotCrossError):
        encode(Odd)
    assert ran == []


def test_ordinary_subclasses_arrive_with_their_content() -> None:
    ordered = OrderedDict(a=1, b=2)
    ordered.move_to_end("a")
    counted = defaultdict(list, a=[1])
    value = [ordered, Counter("aab"), counted, Colour.RED, Shade.DARK, np.ones((1, 2)).view(np.matrix), {Colour.RED: 1}]
    arrived = decode(encode(value))
    expected = [{"b": 2, "a": 1}, {"a": 2, "b": 1}, {"a": [1]}, 1, "dark", np.ones((1, 2)), {1: 1}]
    assert exactly(arrived) == exactly(expected)


def test_a_shared_library_subclass_of_a_parameter_stays_a_parameter() -> None:
    class Scale(torch.nn.Parameter):
        pass

    assert type(decode(encode(Scale(torch.ones(2))))) is torch.nn.Parameter


def test_keys_that_only_their_subclass_keeps_apart_are_refused() -> None:
    class Apart(str):
        __slots__ = ()
        __hash__ = object.__hash__

        def __eq__(self, other: object) -> bool:
            return self is other

    with pytest.raises(CannotCrossError, match="equal as plain data"):
        encode({Apart("a"): 1, Apart("a"): 2})
    with pytest.raises(CannotCrossError, match="equal as plain data"):
        encode({(Apart("a"), 1), (Apart("a"), 1)})
    assert decode(encode({Apart("a"): 1, Apart("b"): 2})) == {"a": 1, "b": 2}


# refusals


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), r"^an object cannot be sent \(plain data can cross: numbers"),
        ({"weights": [1, 2, 3, object()]}, r"^item 3 of 'weights': an object"),
        ([{"a": {object()}}], r"^a member of 'a' of item 0: an object"),
        (Point(1, lambda: 0), r"^'y': a function"),
        ({"x": np.array([1, None])}, r"^'x': NumPy data of dtype object"),
        (np.array([1, None])[:1], "dtype object"),
        (np.zeros(2, "f4,i4"), "with fields"),
        (np.zeros(2, "V3"), "cannot be sent"),
        (np.zeros(2, "V3")[0], "cannot be sent"),
        (np.dtype("f4,i4"), "cannot be sent"),
        (np.dtype(object), "ObjectDType"),
        (np.ma.array([1.0], mask=[True]), "masked array"),
        (torch.ones(2).to_sparse(), "sparse"),
        (torch.ones(2, device="meta"), "meta"),
        (torch.device("cuda"), "cuda"),
        ((x for x in ()), "a generator"),
        (open, "builtin_function"),
        (math, "a module"),
        (subprocess.Popen, "the class Popen"),
        ([2 ** (8 * 65536)], r"^item 0: an integer of 65,537 bytes"),
        (Decimal("1E+10001"), "Decimal"),
        (Decimal("1" * 10_001), "Decimal"),
        (Fraction(1, 3**4000), "Fraction"),
        (datetime(2026, 1, 1, tzinfo=lies(timezone.__base__)()), "Liar"),
        (np.broadcast_to(0.0, (2**20, 2**20)), "268,435,456 bytes"),
        (torch.ones(1).expand(2**20, 2**20), "268,435,456 bytes"),
        (np.zeros((1,) * 33), "32 dimensions"),
        (ValueError("no"), "a ValueError"),
        ({1: Counter}, "^1: the class Counter"),
    ],
    ids=lambda value: value if type(value) is str else type(value).__name__,
)
def test_what_has_no_plain_form_is_refused_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(CannotCrossError, match=message):
        encode(value)


def test_what_contains_itself_is_refused_and_so_is_what_is_too_deep() -> None:
    loop: list[Any] = [1]
    loop.append({"loop": loop})
    with pytest.raises(CannotCrossError, match="contains itself"):
        encode(loop)
    with pytest.raises(CannotCrossError, match="contains itself"):
        encode(loop, share=True)
    deep: Any = 1
    for _ in range(64):
        deep = [deep]
    assert decode(encode(deep)) == deep
    with pytest.raises(CannotCrossError, match="more than 64 containers"):
        encode([deep])
    with pytest.raises(MalformedError, match="more than 64 containers"):
        decode(encode([deep], limits=CodecLimits(max_depth=99)))


def test_a_small_value_that_unfolds_to_millions_is_refused() -> None:
    value: Any = [0] * 10
    for _ in range(10):
        value = [value] * 10
    with pytest.raises(CannotCrossError, match="2,000,000 items"):
        encode(value)
    assert decode(encode(value, share=True), share=True)[9][9][0] is not None


@pytest.mark.parametrize(
    ("limits", "value"),
    [
        (CodecLimits(max_bytes=100), b"x" * 100),
        (CodecLimits(max_bytes=100), [b"x" * 30] * 5),
        (CodecLimits(max_bytes=100), np.zeros(100)),
        (CodecLimits(max_bytes=100), torch.zeros(100)),
        (CodecLimits(max_bytes=100), [0.5] * 20),
        (CodecLimits(max_items=10), [None] * 11),
        (CodecLimits(max_items=10), [[None] * 5, [None] * 5]),
        (CodecLimits(max_items=10), [0.5] * 11),
        (CodecLimits(max_items=10), [np.zeros(1)] * 3),
        (CodecLimits(max_text=10), ["12345", "67890", "x"]),
        (CodecLimits(max_integer_bytes=8), 2**64),
        (CodecLimits(max_number_keys=10), [set(range(6)), dict.fromkeys(range(6))]),
        (CodecLimits(max_depth=2), [[[1]]]),
    ],
    ids=lambda value: type(value).__name__ if type(value) is not CodecLimits else "",
)
def test_a_limit_holds_for_sender_and_receiver_alike(limits: CodecLimits, value: Any) -> None:
    with pytest.raises(CannotCrossError):
        encode(value, limits=limits)
    message = encode(value)
    with pytest.raises(MalformedError):
        decode(message, limits=limits)
    decode(message)


# references


def test_references_are_made_by_the_sender_and_resolved_by_the_receiver() -> None:
    def to_reference(value: Any) -> Reference | None:
        return Reference("function", 7, {"name": value.__name__}) if callable(value) else None

    message = encode([1, {"f": math.sqrt}, Reference("object", 2**62)], to_reference)
    assert decode(message, lambda reference: reference) == [
        *(1, {"f": Reference("function", 7, {"name": "sqrt"})}, Reference("object", 2**62)),
    ]
    with pytest.raises(MalformedError, match=r"a reference \(function 7\)"):
        decode(message)


def test_the_sender_is_asked_about_subclasses_before_they_are_reduced() -> None:
    asked: list[Any] = []
    counts = Counter("a")
    encode([1, "a", counts, np.zeros(2), torch.zeros(2), int, Colour.RED, None], asked.append)
    assert asked == [counts, Colour.RED]


def test_what_the_receivers_function_raises_passes_through() -> None:
    def raising(reference: Reference) -> Any:
        raise IndexError("mine")

    with pytest.raises(IndexError, match="mine"):
        decode(encode(Reference("object", 1)), raising)


def test_a_refusal_by_to_reference_gets_its_place() -> None:
    def refusing(value: Any) -> Reference | None:
        raise CannotCrossError("not this one", "Special")

    with pytest.raises(CannotCrossError, match=r"^item 1: not this one$") as caught:
        encode([1, object()], refusing)
    assert (caught.value.place, caught.value.type_name) == ("item 1", "Special")


def test_a_key_whose_hash_would_run_code_is_refused() -> None:
    class Hashed:
        def __hash__(self) -> int:
            ran.append("__hash__")
            return 1

    message = encode({Reference("object", 1): 1})
    ran.clear()
    with pytest.raises(MalformedError, match="cannot be a key"):
        decode(message, lambda reference: Hashed())
    with pytest.raises(MalformedError, match="cannot be a key"):
        decode(encode({(1, (Reference("object", 1), 2))}), lambda reference: Hashed())
    assert ran == []
    for plain in (object(), math.sqrt, Hashed, lambda: 0):
        assert decode(message, lambda reference, plain=plain: plain) == {plain: 1}


@pytest.mark.parametrize("reference", [Reference("Bad kind", 1), Reference("x", -1), Reference("x" * 40, 1)], ids=str)
def test_a_reference_that_is_none_is_a_mistake_of_the_caller(reference: Reference) -> None:
    with pytest.raises(TypeError, match="a Reference has"):
        encode(reference)


# hostile bytes

PLAIN = (
    *(type(None), bool, int, float, complex, str, bytes, bytearray, slice, range, type),
    *(type(...), type(NotImplemented)),
    *(date, clock_time, datetime, timedelta, timezone, Decimal, Fraction, np.ndarray, torch.Tensor, torch.nn.Parameter),
    *(torch.dtype, torch.Size, torch.device),
)


def assert_plain(value: Any) -> None:
    kind = type(value)
    if kind in (list, tuple, set, frozenset) or (issubclass(kind, tuple) and hasattr(kind, "_fields")):
        for item in tuple.__iter__(value) if isinstance(value, tuple) else value:
            assert_plain(item)
    elif kind is dict:
        assert_plain(list(value.items()))
    elif kind is np.ndarray:
        assert value.dtype.kind in "biufcmMUS"
        repr(value)
    else:
        assert kind in PLAIN or isinstance(value, np.generic | np.dtype)
        if kind is not type:
            assert type(value).__module__ in ("builtins", "datetime", "decimal", "fractions", "numpy", "torch") or (
                type(value).__module__ in ("numpy.dtypes", "torch.nn.parameter")
            )


def decode_or_refuse(data: bytes) -> None:
    try:
        value = decode(data)
    except MalformedError:
        return
    assert_plain(value)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes_are_plain_data_or_refused(data: bytes) -> None:
    decode_or_refuse(data)
    decode_or_refuse(b"\x01" + data)


@settings(max_examples=150, deadline=None)
@given(values, st.randoms(use_true_random=False))
def test_changed_messages_are_plain_data_or_refused(value: Any, rng: random.Random) -> None:
    message = bytearray(encode(value))
    for _ in range(10):
        changed = bytearray(message)
        for _ in range(rng.randint(1, 3)):
            start = rng.randrange(len(changed))
            way = rng.randrange(4)
            if way == 0:
                changed[start] = rng.randrange(256)
            elif way == 1:
                changed[start] ^= 1 << rng.randrange(8)
            elif way == 2:
                del changed[start : start + rng.randint(1, 4)]
            else:
                changed[start:start] = rng.choice([b"[", b"{", b"(\xff", b"\xff" * 9, b"a", bytes(8), b"@\x00", b"*"])
            if not changed:
                break
        decode_or_refuse(bytes(changed))


def test_every_prefix_of_a_message_and_anything_after_it_is_refused() -> None:
    value = [1, 2.5, "é", {"a": (np.eye(2), torch.ones(2, 2))}, {1, "b"}, Point(1, b"x"), 2**70, UTC, Decimal(1)]
    message = encode(value)
    for stop in range(len(message)):
        with pytest.raises(MalformedError):
            decode(message[:stop])
    with pytest.raises(MalformedError, match="bytes follow"):
        decode(message + b"N")


def test_every_changed_byte_of_a_message_is_plain_data_or_refused() -> None:
    first = [np.array(["a"]), np.longdouble(1) / 3, torch.ones(1, dtype=torch.bool), (1.0,) * 4, np.datetime64("2020")]
    second = [1j, np.dtype("U3"), datetime(2026, 1, 2, tzinfo=UTC), range(3), Fit(1.0, Fraction(1, 3))]
    message = encode(first + second)
    for position, before in enumerate(message):
        for byte in {0, 1, 254, 255, *b"[({<I*s", *((before ^ 1 << bit) for bit in range(8))}:
            decode_or_refuse(message[:position] + bytes([byte]) + message[position + 1 :])


def length(n: int) -> bytes:
    return bytes([n]) if n < 255 else b"\xff" + struct.pack("=Q", n)


def array_header(dtype: str, *shape: int, flags: int = 1) -> bytes:
    return b"a" + bytes([len(dtype)]) + dtype.encode() + bytes([flags, len(shape)]) + b"".join(map(length, shape))


def int_item(value: int) -> bytes:
    return b"i" + struct.pack("=q", value)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "too early"),
        (b"?", "no value starts"),
        (b"[\x05N", "remain"),
        (b"[" + length(2**63), "items"),
        (b"[" + length(2**40), "items"),
        (b"[\xff" + struct.pack("=Q", 3) + b"NNN", "short length"),
        (b"s\x02\xc3\x28", "UTF-8"),
        (b"s" + length(2**62), "text"),
        (b"s\x05abc", "remain"),
        (b"b" + length(2**40), "remain"),
        (b"I\x01\x05", "longer than it is"),
        (b"I\x0a" + bytes(9) + b"\x00", "longer than it is"),
        (b"I" + length(70_000) + bytes(70_000), "integer"),
        (b"{\x02s\x01aNs\x01aN", "twice"),
        (b"{\x02" + int_item(1) + b"NTN", "twice"),
        (b"{\x01[\x00N", "cannot be a key"),
        (b"{\x01(\x01[\x00N", "cannot be a key"),
        (b"<\x01{\x00", "cannot be a key"),
        (b"<\x01:NNN", "cannot be a key"),
        (b"<\x01" + array_header("d", 0), "cannot be a key"),
        (b"<\x01e\x04sNaN", "no such value"),
        (b"<\x02NN", "twice"),
        (b">\x02NN", "twice"),
        (array_header("O", 0), "no such dtype"),
        (array_header("V8", 0), "no such dtype"),
        (array_header("f8", 0), "no such dtype"),
        (array_header("d,d", 0), "no such dtype"),
        (array_header("U99999999", 0), "no such dtype"),
        (array_header("U01", 0), "no such dtype"),
        (array_header("M8[1s]", 0), "no such dtype"),
        (array_header("M8[25s/4]", 0), "no such dtype"),
        (b"a\x01\xe9\x01\x00", "ASCII"),
        (array_header("d", 2**32, 2**32), "values"),
        (array_header("d", 2**62, 2**62, 2**62, 2**62), "values"),
        (array_header("d", 2**62, 0), "values"),
        (array_header("d", 2**27), "remain"),
        (array_header("U0", 5), "empty items"),
        (array_header("S0", 2**27), "empty items"),
        (array_header("d", *(1,) * 33), "dimensions"),
        (array_header("d", 0, flags=4), "flags"),
        (array_header("d", 0, flags=3), "flags"),
        (array_header("?", 2) + b"\x00\x02", "neither 0 nor 1"),
        (b"g\x01?\x02", "neither 0 nor 1"),
        (array_header("U1", 1) + struct.pack("=I", 0x110000), "beyond the last"),
        (array_header("g", 1) + bytes(8) + b"\x01\x00" + bytes(6), "long double"),
        (array_header("g", 1) + bytes(15) + b"\x01", "long double"),
        (b"g\x02U1" + bytes(4), "written as text"),
        (b"y\x01?x", "byte order"),
        (b"y\x01d?", "byte order"),
        (b"k\x09os.system", "no such type"),
        (b"k\x08BaseExce", "no such type"),
        (b"x\x07float33", "no such dtype"),
        (b"x\x06Tensor", "no such dtype"),
        (b"p\x04cuda", "device"),
        (b"X\x05int64\x01\x00" + bytes(8), "gradients"),
        (b"X\x05int64\x08\x00" + bytes(8), "flags"),
        (b"X\x04bool\x00\x00\x02", "neither 0 nor 1"),
        (b"X\x07float32\x00\x02" + length(2**40) * 2, "values"),
        (b"@\x00", "stand by itself"),
        (b"[\x02[\x00@\x00", "stand by itself"),
        (b"r" + int_item(0) * 3, "step 0"),
        (b"rNNN", "integer must stand"),
        (b"/" + int_item(2) + int_item(4), "lowest terms"),
        (b"/" + int_item(1) + int_item(0), "lowest terms"),
        (b"/" + int_item(1) + int_item(-3), "lowest terms"),
        (b"e\x051E99", "remain"),
        (b"e\x071E99999", "Decimal"),
        (b"e\x0b1E999999999", "Decimal"),
        (b"e\x04\xd9\xa1E0", "Decimal"),
        (b"e\x0401E0", "Decimal"),
        (b"e\x03abc", "Decimal"),
        (b"Y" + struct.pack("=HBB", 2026, 13, 1), "no such value"),
        (b"t" + struct.pack("=BBBIB", 24, 0, 0, 0, 0) + b"N", "no such value"),
        (b"t" + struct.pack("=BBBIB", 4, 0, 0, 0, 0) + int_item(1), "time zone"),
        (b"m" + struct.pack("=iII", 0, 86_400, 0), "shortest form"),
        (b"m" + struct.pack("=iII", 2**31 - 1, 0, 0), "no such value"),
        (b"z" + struct.pack("=iII", 1, 0, 0) + b"\x00", "no such value"),
        (b"z" + struct.pack("=iII", 0, 0, 0) + b"\x02", "one name"),
        (b"n\x01s\x01P", "remain|identifiers|UTF-8"),
        (b"n\x01\x01P\x05class" + b"N", "identifiers"),
        (b"n\x01\x01P\x02_x" + b"N", "identifiers"),
        (b"n\x01\x07__new__\x01x" + b"N", "identifiers"),
        (b"n\x01\x01P\x05a=1,b" + b"N", "identifiers"),
        (b"n\x02\x01P\x01x\x01xNN", "one name twice"),
        (b"n\x02\x01P\x02fi\x03\xef\xac\x81NN", "identifiers"),
        (b"*\x06object" + struct.pack("=Q", 1) + b"N", "a reference"),
        (b"*\x01O" + struct.pack("=Q", 1) + b"N", "short word"),
        (b"*\x01o" + struct.pack("=Q", 2**63) + b"N", "too large"),
        (b"[\x01" * 65 + b"N", "64 containers"),
        (b"[\x01" * 10_000 + b"N", "64 containers"),
        (b"(\x01" * 10_000 + b"N", "64 containers"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_malformed_bytes_are_refused_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason) as caught:
        decode(b"\x01" + body)
    assert caught.value.position is None or 0 <= caught.value.position <= len(body) + 1


def test_another_version_is_refused() -> None:
    with pytest.raises(MalformedError, match="starts with"):
        decode(b"\x02N")
    with pytest.raises(MalformedError, match="starts with"):
        decode(b"")


def test_earlier_values_are_accepted_only_where_they_may_be_shared() -> None:
    assert decode(b"\x01[\x02[\x00@\x00", share=True) == [[], []]
    with pytest.raises(MalformedError, match="no such earlier value"):
        decode(b"\x01[\x02[\x00@\x01", share=True)
    with pytest.raises(MalformedError, match="no such earlier value"):
        decode(b"\x01[\x01@\x00", share=True)  # the list itself is not complete yet


def many(count: int, item: bytes, tag: bytes = b"[") -> bytes:
    return tag + length(count) + item * count


def numbers_with_one_hash(count: int, before: bytes = b"") -> bytes:
    multiples = (k * sys.hash_info.modulus for k in range(2**30, 2**30 + count))
    return b"<" + length(count) + b"".join(before + b"I\x0c" + k.to_bytes(12, "little") for k in multiples)


# What each is refused with; nothing for those that are small enough to be accepted.
BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "announced millions": ("items", lambda: (b"[" + length(1_900_000)) * 63 + b"N" * 20_000_000),
    "lists": ("", lambda: many(600_000, b"[\x00")),
    "more lists": ("items", lambda: many(1_100_000, b"[\x00")),
    "sets": ("", lambda: many(300_000, b"<\x00")),
    "more sets": ("items", lambda: many(600_000, b"<\x00")),
    "arrays of nothing, of wide text": ("", lambda: many(100_000, array_header("U9999999", 0))),
    "tensors of nothing": ("items", lambda: many(200_000, b"X\x07float32\x00\x01\x00")),
    "numbers with one hash": ("one hash", lambda: numbers_with_one_hash(30_000)),
    "tuples with one hash": ("one hash", lambda: numbers_with_one_hash(20_000, before=b"(\x01")),
    "number keys": ("not text", lambda: b"<" + length(200_000) + b"".join(map(int_item, range(200_000)))),
    "lone surrogates": ("surrogates", lambda: b"s" + length(15_000_000) + b"\xed\xa0\x80" * 5_000_000),
    "kinds of named tuple": (
        "kinds",
        lambda: b"[" + length(5_000) + b"".join(b"n\x01\x05P%04d\x01xN" % k for k in range(5_000)),
    ),
    "long fractions": ("Fraction", lambda: many(500, b"/" + (b"I" + length(60_000) + b"\x55" * 60_000) * 2)),
    "long Decimals": ("Decimal", lambda: many(50, b"e" + length(1_000_000) + b"1" * 1_000_000)),
    "long integers": ("", lambda: many(300, b"I" + length(65_536) + b"\x55" * 65_536)),
}


@contextmanager
def memory_limit(n_bytes: int) -> Iterator[None]:
    """Let the process grow by so much; what it cannot have then is a MemoryError."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_cost_no_more_than_their_bytes(name: str) -> None:
    reason, make = BOMBS[name]
    data = b"\x01" + make()
    started = time.process_time()
    refusal = None
    with memory_limit(300 * 2**20):
        try:
            decode(data)
        except MalformedError as error:
            refusal = error
    # An honest message of this size takes half a second; inserting colliding keys would take minutes.
    assert time.process_time() - started < 10.0
    assert (refusal is not None) == bool(reason)
    if refusal is not None:
        assert refusal.__cause__ is None
        assert reason in str(refusal)


# PyTorch absent


def test_torch_is_neither_imported_nor_needed() -> None:
    message = encode(torch.ones(2))
    script = f"""
import sys
from autograder.split.codec import MalformedError, decode, encode
decode(encode([1, object]))
for data in ({message!r}, {encode(torch.float32)!r}, {encode(torch.Size([1]))!r}, {encode(torch.device("cpu"))!r}):
    try:
        decode(data)
    except MalformedError as error:
        assert "has not imported PyTorch" in str(error)
    else:
        raise SystemExit("decoded")
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_long_doubles_carry_no_memory_in_their_padding() -> None:
    if np.finfo(np.longdouble).nmant != 63:
        pytest.skip("long doubles have no padding here")
    raw = np.full(64, 0xAB, np.uint8)
    raw.reshape(-1, 16)[:, 7:10] = (0x80, 0xFF, 0x3F)
    array = raw.view(np.longdouble)
    for value in (array, array[0], array.view("G"), array.reshape(2, 2).T, array[::2]):
        assert b"\xab" * 8 not in encode(value)
        assert exactly(decode(encode(value))) == exactly(value)
