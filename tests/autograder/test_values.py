import contextlib
import math
import struct
import time
from collections import Counter, OrderedDict, defaultdict, namedtuple
from enum import IntEnum, StrEnum

import msgpack
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder import values, wire
from autograder.values import decode, encode
from autograder.wire import WireError

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
)
KEYS = st.one_of(st.integers(), st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(st.one_of(KEYS, st.tuples(KEYS, KEYS)), inner),
        st.sets(KEYS),
        st.frozensets(KEYS),
    ),
    max_leaves=20,
)


def same(a, b):
    """Equality that tells types apart and takes NaN for itself."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (a == b and math.copysign(1, a) == math.copysign(1, b)) or (a != a and b != b)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


@given(VALUES)
def test_plain_values_come_back_as_they_were(value):
    assert same(decode(encode(value)), value)


DTYPES = st.sampled_from(sorted(values._NUMPY))


@given(hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)))
def test_arrays_come_back_as_they_were(array):
    back = decode(encode(array))
    assert type(back) is np.ndarray
    assert back.dtype == array.dtype
    assert back.flags.writeable
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [">f8", "<i4", ">c16"])
def test_byte_and_memory_order_make_no_difference(order, dtype):
    array = np.arange(30).reshape(2, 3, 5).astype(dtype, order=order)[:, ::-1, ::2]
    np.testing.assert_array_equal(decode(encode(array)), array)


@pytest.mark.parametrize("dtype", sorted(values._TORCH))
def test_tensors_come_back_as_they_were(dtype):
    tensor = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype)).T
    back = decode(encode(tensor))
    assert back.dtype is tensor.dtype
    assert torch.equal(back, tensor)


BITS = st.binary(min_size=48, max_size=48)


@given(BITS, st.sampled_from(["float16", "float32", "float64", "complex64", "complex128"]))
def test_every_bit_of_an_array_comes_back(bits, dtype):
    array = np.frombuffer(bits, dtype)
    assert decode(encode(array)).tobytes() == bits
    assert decode(encode(array[0])).tobytes() == array[0].tobytes()
    tensor = torch.frombuffer(bytearray(bits), dtype=getattr(torch, dtype))
    assert decode(encode(tensor)).numpy().tobytes() == bits


@given(BITS)
def test_every_bit_of_a_bfloat16_or_a_float_comes_back(bits):
    tensor = torch.frombuffer(bytearray(bits), dtype=torch.bfloat16)
    back = decode(encode(tensor))
    assert back.dtype is torch.bfloat16
    assert back.view(torch.int16).numpy().tobytes() == bits
    (number,) = struct.unpack("<d", bits[:8])
    assert struct.pack("<d", decode(encode(number))) == struct.pack("<d", number)


def test_a_float_keeps_its_sign_and_its_payload():
    payload = struct.unpack("<d", b"\x07\x00\x00\x00\x00\x00\xf8\xff")[0]
    assert math.isnan(payload)
    for number in (payload, -0.0, math.inf, 5e-324):
        assert struct.pack("<d", decode(encode(number))) == struct.pack("<d", number)
    back = decode(encode(complex(-0.0, payload)))
    assert (math.copysign(1, back.real), struct.pack("<d", back.imag)) == (
        -1,
        struct.pack("<d", payload),
    )


BASE = torch.arange(30.0).reshape(2, 3, 5)
LAYOUTS = {
    "0-d": BASE[1, 2, 4],
    "zero-size": BASE[:, 1:1],
    "transposed": BASE.transpose(0, 2),
    "strided": BASE[:, ::2, ::3],
    "expanded": BASE[:1].expand(7, 3, 5),
    "channels last": BASE[None].contiguous(memory_format=torch.channels_last),
    "conjugated": (BASE + 1j * BASE).conj(),
    "negated": (BASE + 1j * BASE).conj().imag,
    "in a graph": (torch.nn.Parameter(BASE) * 1).mT[0],
}


@pytest.mark.parametrize("tensor", LAYOUTS.values(), ids=LAYOUTS)
def test_how_a_tensor_lies_in_memory_makes_no_difference(tensor):
    back = decode(encode(tensor))
    assert back.is_contiguous()
    assert torch.equal(back, tensor)


def test_gradients_travel_with_a_leaf():
    weight = torch.nn.Parameter(torch.ones(2, 3))
    (weight * 7).sum().backward()
    back = decode(encode(weight))
    assert type(back) is torch.Tensor
    assert back.requires_grad
    assert torch.equal(back.grad, torch.full((2, 3), 7.0))


def test_a_tensor_that_is_kept_arrives_with_its_number():
    leaf = torch.ones(2, requires_grad=True)
    inner = leaf * 2
    numbers = {id(leaf): 3, id(inner): 5}
    data = encode([leaf, inner, inner.detach()], keep=lambda tensor: numbers[id(tensor)])
    seen = []

    def link(tensor, number):
        seen.append((number, tensor.requires_grad))
        return tensor

    decode(data, link=link)
    assert seen == [(3, True), (5, False)]  # whether it is a leaf
    with pytest.raises(WireError, match="a tensor of a graph where only values are allowed"):
        decode(data)
    assert [each.requires_grad for each in decode(encode([leaf, inner]))] == [True, False]


def test_slices_dtypes_and_devices_come_back():
    values = [slice(None), slice(1, None, -2), torch.bfloat16, torch.device("cuda", 1)]
    assert decode(encode(values)) == values
    for value in (torch.qint8, torch.device("meta")):
        with pytest.raises(WireError, match="can't be sent"):
            encode(value)


def test_numpy_scalars_and_texts():
    assert same(decode(encode(np.float32(0.1))), np.float32(0.1))
    assert type(decode(encode(np.int8(-3)))) is np.int8
    assert decode(encode(np.str_("é"))) == "é"
    np.testing.assert_array_equal(decode(encode(np.array([["a"], ["bcd"]]))), [["a"], ["bcd"]])


# --- the student's side may send what it likes: subclasses that lie ---

Pair = namedtuple("Pair", "a b")


class Colour(IntEnum):
    RED = 2


class Name(StrEnum):
    ADA = "ada"


class LyingInt(int):
    def __int__(self):
        return 99

    __index__ = __int__


class LyingList(list):
    def __iter__(self):
        return iter([99])

    def __len__(self):
        return 1

    def __eq__(self, other):
        return True

    __hash__ = None


class LyingStr(str):
    def __str__(self):
        return "a lie"


class LyingFloat(float):
    def __float__(self):
        return 99.0


class LyingArray(np.ndarray):
    def __array__(self, *args, **kwargs):
        return np.full(3, 99.0)

    def tobytes(self, *args):
        return b"lies"


class LyingTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, *args, **kwargs):
        return torch.full((3,), 99.0)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (LyingInt(7), 7),
        (LyingList([1, 2, 3]), [1, 2, 3]),
        (LyingStr("true"), "true"),
        (LyingFloat(0.0), 0.0),
        (Pair(1, 2), (1, 2)),
        (Colour.RED, 2),
        (Name.ADA, "ada"),
        (Counter("aab"), {"a": 2, "b": 1}),
        (defaultdict(list, {1: [2]}), {1: [2]}),
        (OrderedDict(a=1), {"a": 1}),
        (bytearray(b"x"), b"x"),
        (type("Fs", (frozenset,), {})([1]), frozenset([1])),
        (type("C", (complex,), {})(1j), 1j),
    ],
)
def test_a_subclass_is_sent_as_the_plain_value_that_it_holds(value, plain):
    assert same(decode(encode(value)), plain)


def test_subclasses_of_arrays_are_sent_as_what_is_in_their_memory():
    back = decode(encode(np.arange(3.0).view(LyingArray)))
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, [0, 1, 2])
    tensor = torch.arange(3.0).as_subclass(LyingTensor)
    assert torch.equal(decode(encode(tensor)), torch.arange(3.0))


def test_an_object_goes_by_reference_or_not_at_all():
    thing = object()
    seen = []
    data = encode([thing, len], lambda value: seen.append(value) or ["id", len(seen)])
    assert decode(data, lambda fields: tuple(fields)) == [("id", 1), ("id", 2)]
    assert seen == [thing, len]
    with pytest.raises(WireError, match="a object can't be sent"):
        encode(thing)
    with pytest.raises(WireError, match="a reference where only values are allowed"):
        decode(data)


def test_arrays_of_objects_and_dates_go_by_reference():
    for value in (np.array([object()]), np.array(["2026-01-01"], "M8[D]"), np.datetime64("2026")):
        assert decode(encode(value, lambda value: ["it"]), lambda fields: fields) == ["it"]


def cyclic():
    value = []
    value.append(value)
    return value


def deep(levels, kind):
    value = kind()
    for _ in range(levels):
        value = kind([value])
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (cyclic(), "can't be sent"),
        (deep(100_000, list), "can't be sent"),
        (deep(100_000, tuple), "can't be sent"),
        (deep(100, list), "nested too deeply"),
        (np.broadcast_to(0.0, (10**10,)), "array of 80,000,000,000 bytes; at most"),
        (torch.zeros(()).expand(10**10), "array of 40,000,000,000 bytes; at most"),
        (2**5000, "an int of 626 bytes; at most 512"),
        (list(range(2_000_001)), "over 2,000,000 elements"),
        ("\ud800", "can't be sent"),
    ],
)
def test_what_is_too_large_or_too_deep_is_refused_before_it_is_sent(value, message):
    with pytest.raises(WireError, match=message):
        encode(value)


def test_a_value_has_at_most_two_million_elements_itself_among_them():
    wire.check(b"\xdd" + (2_000_000 - 1).to_bytes(4, "big") + b"\x00" * (2_000_000 - 1))
    with pytest.raises(WireError, match="over 2,000,000 elements"):
        wire.check(b"\xdd" + (2_000_000).to_bytes(4, "big"))  # and there is nothing to walk through


def test_a_frame_has_a_largest_size():
    with pytest.raises(WireError, match="a value of 2,003 bytes; at most 1,000"):
        encode(b"x" * 2000, max_bytes=1000)


# --- hostile bytes ---


def marked(mark, *fields):
    return msgpack.packb([msgpack.ExtType(int(mark), b""), *fields])


M = wire.Mark
HOSTILE = {
    "nothing": b"",
    "two values": b"\x01\x02",
    "never used code": b"\xc1",
    "array that claims 4 billion items": b"\xdd\xff\xff\xff\xff",
    "map that claims 4 billion items": b"\xdf\xff\xff\xff\xff",
    "text that claims 4 GB": b"\xdb\xff\xff\xff\xff",
    "claims within claims": b"\xdd\x00\x1f\xff\xff" * 60,
    "too deep": b"\x91" * 10_000 + b"\xc0",
    "cut off number": b"\xcf\x00",
    "cut off mark": b"\x91\xc7",
    "timestamp": b"\xd6\xff\x00\x00\x00\x00",
    "bare mark": b"\xc7\x00\x01",
    "mark in second place": b"\x92\x01\xc7\x00\x01",
    "mark with content": b"\x91\xc7\x01\x01\x00",
    "unknown mark": b"\x91\xc7\x00\x63",
    "mark as a key": b"\x81\xc7\x00\x01\x01",
    "bad utf-8": b"\xa1\xff",
    "list as a key": b"\x81\x91\x01\x01",
    "set of lists": marked(M.SET, [1]),
    "array of pickles": marked(M.ARRAY, "object", [1], b"x" * 8),
    "array dtype not a name": marked(M.ARRAY, 8, [1], b"x" * 8),
    "array too short": marked(M.ARRAY, "float64", [2], b"x" * 8),
    "array of negative size": marked(M.ARRAY, "float64", [-1], b""),
    "array of overflowing size": marked(M.ARRAY, "int8", [2**40, 2**40], b""),
    "array of many axes": marked(M.ARRAY, "int8", [1] * 33, b"x"),
    "array shape not a list": marked(M.ARRAY, "int8", 1, b"x"),
    "array shape of bools": marked(M.ARRAY, "int8", [True], b"x"),
    "array without data": marked(M.ARRAY, "int8", [1]),
    "array of text": marked(M.ARRAY, "int8", [1], "x"),
    "scalar of the wrong size": marked(M.SCALAR, "int64", b"x"),
    "empty scalar": marked(M.SCALAR),
    "strings that are none": marked(M.STRINGS, [1], 7),
    "strings that don't fit": marked(M.STRINGS, [3], "a"),
    "strings that blow up": marked(M.STRINGS, [2000], "a" * 100_000, *["b"] * 1999),
    "array of a huge empty shape": marked(M.ARRAY, "int8", [0, 2**62], b""),
    "array of many empty rows": marked(M.ARRAY, "int8", [2**21, 0], b""),
    "tensor of a strange dtype": marked(M.TENSOR, "qint8", [1], b"x", None, None, None),
    "tensor without a history": marked(M.TENSOR, "int8", [1], b"x"),
    "tensor of whole numbers with a graph": marked(M.TENSOR, "int8", [1], b"x", True, None, None),
    "tensor that is a sort of leaf": marked(M.TENSOR, "float16", [1], b"xx", 1, None, None),
    "tensor with a number for a gradient": marked(M.TENSOR, "float16", [1], b"xx", True, 7, None),
    "tensor with a gradient and no leaf": marked(M.TENSOR, "float16", [1], b"xx", False, 7, None),
    "tensor kept under a text": marked(M.TENSOR, "float16", [1], b"xx", False, None, "7"),
    "tensor kept under a number": marked(M.TENSOR, "float16", [1], b"xx", False, None, 7),
    "dtype of another kind": marked(M.DTYPE, "qint8"),
    "dtype that is an attribute": marked(M.DTYPE, "load"),
    "device of another kind": marked(M.DEVICE, "cuda:1; rm"),
    "device that is no name": marked(M.DEVICE, 0),
    "slice of one": marked(M.SLICE, 1),
    "complex of ints": marked(M.COMPLEX, 1, 2),
    "long int": marked(M.INT, b"x" * 513),
    "int of text": marked(M.INT, "x"),
    "complex of text": marked(M.COMPLEX, "a", "b"),
    "reference": marked(M.REFERENCE, 1),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_refused(data):
    with pytest.raises(WireError):
        decode(data)


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_random_bytes_are_a_value_or_refused(data):
    try:
        value = decode(data)
    except WireError:
        return
    assert same(decode(encode(value)), value)


@given(VALUES, st.data())
def test_a_damaged_frame_is_a_value_or_refused(value, data):
    good = bytearray(encode(value))
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        decode(bytes(good))


def test_strings_may_blow_up_no_more_together_than_alone():
    """Each array is as wide as its longest string: 64 MB here, from 20 kB."""
    one = [msgpack.ExtType(int(M.STRINGS), b""), [1024], "a" * 2**14, *["b"] * 1023]
    assert decode(msgpack.packb([one] * 4))[3].nbytes == 2**26
    with pytest.raises(WireError, match="arrays of strings that are too long"):
        decode(msgpack.packb([one] * 5))


def test_what_the_memory_does_not_hold_is_refused(monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr(values.np, "ndarray", full)
    with pytest.raises(WireError, match="not a frame"):
        decode(marked(M.ARRAY, "int8", [1], b"x"))


@pytest.mark.parametrize(
    ("sent", "dtype"), [(np.longdouble, np.float64), (np.clongdouble, np.complex128)]
)
def test_long_doubles_arrive_as_doubles(sent, dtype):
    array = decode(encode(np.array([[1.5], [2.5]], dtype=sent)))
    assert array.dtype == dtype
    assert array.tolist() == [[1.5], [2.5]]
    assert decode(encode(sent(0.5))).dtype == dtype


def test_claims_are_not_believed_with_memory():
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(WireError):
        decode(b"\xdd\x00\x1f\xff\xff" * 60)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


COLLIDING = [(2**61 - 1) * k for k in range(20_000)]  # all have the hash 0


@pytest.mark.parametrize("kind", [dict.fromkeys, set, frozenset])
def test_keys_made_to_collide_are_refused_at_once(kind):
    few = kind(COLLIDING[:64])
    assert decode(encode(few)) == few
    keys = [marked(M.INT, key.to_bytes(16, "little")) for key in COLLIDING]
    if kind is dict.fromkeys:
        data = b"\xdf" + len(keys).to_bytes(4, "big") + b"\xc0".join([*keys, b""])
    else:
        mark = bytes([0xC7, 0, M.SET if kind is set else M.FROZENSET])
        data = b"\xdd" + (len(keys) + 1).to_bytes(4, "big") + mark + b"".join(keys)
    began = time.process_time()
    with pytest.raises(WireError, match="20,000 keys of the same hash"):
        decode(data)
    assert time.process_time() - began < 5  # a set of them takes minutes


def test_a_bool_is_0_or_1():
    back = decode(marked(M.ARRAY, "bool", [3], b"\x00\x02\xff"))
    assert np.equal(back, True).tolist() == [False, True, True]
    assert back.view(np.uint8).tolist() == [0, 1, 1]
