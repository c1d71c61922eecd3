"""Items and answers as msgpack, arrays included."""

import contextlib
import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_ai.core import BadFrame, PulseError
from pulse_ai.port import decode_value, encode_value, to_plain, value_decoder
from pulse_ai.port.values import ARRAY_EXT

NUMBERS = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
SHAPES = [(), (0,), (1,), (7,), (2, 3), (0, 3), (3, 0, 2), (2, 1, 2, 1), (1,) * 32]


def _array(dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.arange(math.prod(shape)).reshape(shape).astype(dtype)


def _same(one: np.ndarray[Any, Any], other: Any) -> None:
    assert (other.dtype.str, other.shape) == (one.dtype.str, one.shape)
    assert other.tobytes() == one.tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_an_array_of_numbers_arrives_as_it_is(order: str, dtype: str) -> None:
    for shape in SHAPES:
        array = _array(order + dtype, shape)
        _same(array, decode_value(encode_value(array)))
        _same(array, value_decoder(np.ndarray).decode(encode_value(array)))


def test_the_memory_order_does_not_matter() -> None:
    array = _array("f4", (3, 4))
    for view in (np.asfortranarray(array), array.T, array[::2, ::-1], np.broadcast_to(array[0], (5, 4))):
        _same(np.ascontiguousarray(view), decode_value(encode_value(view)))


def test_an_array_that_arrived_is_read_only() -> None:
    array = decode_value(encode_value(_array("f4", (2,))))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_arrays_inside_other_values_travel() -> None:
    value = decode_value(
        encode_value({"a": [_array("i4", (2,)), "x"], "n": np.float32(0.5), "b": np.bool_(1)})
    )
    _same(_array("i4", (2,)), value["a"][0])
    assert (value["a"][1], value["n"], value["b"]) == ("x", 0.5, True)


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()]), np.array(["text"]), np.array([b"bytes"]), np.zeros(2, "M8[s]"), np.zeros(2, "m8[s]"),
        np.zeros(2, "f4,i4"), np.zeros(2, np.longdouble), np.longdouble(1), np.complex64(1j), np.zeros((1,) * 33),
        object(), 1j, 2**64, "\ud800", [object()], {"a": object()}, lambda: 0,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_cannot_travel_is_a_type_error_that_says_so(value: Any) -> None:
    with pytest.raises(TypeError, match=r"cannot travel|can't serialize|surrogates"):
        encode_value(value)


def test_a_value_that_holds_itself_is_a_type_error() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TypeError, match="cannot travel: it holds itself"):
        encode_value(endless)


def _lie(dtype: Any, shape: Any, raw: Any) -> bytes:
    packed = msgspec.msgpack.encode((dtype, shape, raw))
    return msgspec.msgpack.encode(msgspec.msgpack.Ext(ARRAY_EXT, packed))


LIES: list[tuple[Any, Any, Any]] = [
    ("<f4", [2], bytes(4)), ("<f4", [2], bytes(12)), ("<f4", [], b""), ("<f4", [-1], bytes(4)),
    ("<f4", [-1, -1], bytes(4)), ("<f4", [0, 2**62], b""), ("<f4", [0, 2**63], b""), ("<f4", [2**64 - 1, 0], b""),
    ("<f4", [2**32, 2**32], b""), ("<f4", [2**40, 0, 2**40], b""), ("<u1", [1] * 33, bytes(1)),
    ("|O", [1], bytes(8)), ("O", [1], bytes(8)), ("<U1", [1], bytes(4)), ("|S4", [1], bytes(4)),
    ("|V4", [1], bytes(4)),
    ("<M8[s]", [1], bytes(8)), ("f4,f4", [1], bytes(8)), ("(2,)f4", [1], bytes(8)), ("<f16", [1], bytes(16)),
    ("f4", [1], bytes(4)), ("=f4", [1], bytes(4)), ("float32", [1], bytes(4)), ("", [1], b""),
    ("<f3", [1], bytes(3)), ("<f4", [2**24, 0], b""), ("<f4", [0, 2**24], b""),
    ("<f0", [1], b""), ("<f4\0", [1], bytes(4)), ("é", [1], bytes(4)), (5, [1], bytes(4)), ("<f4", 1, bytes(4)),
    ("<f4", ["1"], bytes(4)), ("<f4", [1], "text"), ("<f4", [1.5], bytes(4)), (None, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "shape", "raw"), LIES, ids=str)
def test_an_array_that_lies_is_a_bad_frame(dtype: Any, shape: Any, raw: Any) -> None:
    with pytest.raises(BadFrame):
        decode_value(_lie(dtype, shape, raw))
    with pytest.raises((BadFrame, msgspec.MsgspecError)):
        value_decoder(np.ndarray).decode(_lie(dtype, shape, raw))


@settings(max_examples=300)
@given(
    dtype=st.text(max_size=8) | st.sampled_from([order + number for order in "<>|=" for number in NUMBERS]),
    shape=st.lists(st.integers(-(2**63), 2**64 - 1) | st.integers(0, 3), max_size=5),
    raw=st.binary(max_size=64),
)
def test_any_claim_about_an_array_is_an_array_or_a_bad_frame(
    dtype: str, shape: list[int], raw: bytes
) -> None:
    try:
        encoded = _lie(dtype, shape, raw)
        array = decode_value(encoded)
    except BadFrame:
        return
    assert (list(array.shape), array.nbytes) == (shape, len(raw))


@given(encoded=st.binary(max_size=100))
def test_arbitrary_bytes_are_a_value_or_a_bad_frame(encoded: bytes) -> None:
    for body in (encoded, b"\xc7" + bytes([len(encoded), ARRAY_EXT]) + encoded):
        with contextlib.suppress(BadFrame):
            decode_value(body)


@given(code=st.integers(-128, 127), body=st.binary(max_size=16))
def test_an_unknown_extension_is_a_bad_frame(code: int, body: bytes) -> None:
    encoded = msgspec.msgpack.encode(msgspec.msgpack.Ext(code, body))
    if code != -1:  # msgpack's own timestamp
        with pytest.raises(BadFrame):
            decode_value(encoded)


def test_half_a_value_and_more_than_one_are_bad_frames() -> None:
    for encoded in (b"", b"\x92\x01", b"\x01\x02", b"\x91" * 100_000):
        with pytest.raises(BadFrame):
            decode_value(encoded)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(value=PLAIN)
def test_a_plain_value_arrives_as_it_is(value: Any) -> None:
    assert decode_value(encode_value(value)) == value


def test_not_a_number_travels() -> None:
    assert math.isnan(decode_value(encode_value(math.nan)))


@pytest.mark.parametrize("value", [[1, 2], [[1.5, 2], [3, 4]], [], [True]])
def test_nested_lists_become_an_array_where_the_task_wants_one(value: list[Any]) -> None:
    array = value_decoder(list[np.ndarray]).decode(encode_value([value]))[0]
    assert array.tolist() == value


@pytest.mark.parametrize("value", [5, "text", None, {"a": 1}, [1, [2]], ["a"], [None], [2**63, -1, "x"]])
def test_what_is_no_list_of_numbers_is_no_array(value: Any) -> None:
    with pytest.raises((msgspec.ValidationError, PulseError)):
        value_decoder(np.ndarray).decode(encode_value(value))


def test_arrays_have_a_json_form_and_other_things_do_not() -> None:
    assert (
        msgspec.json.encode([_array("i4", (2, 2)), np.float32(0.5)], enc_hook=to_plain)
        == b"[[[0,1],[2,3]],0.5]"
    )
    with pytest.raises(NotImplementedError, match="object has no JSON form"):
        to_plain(object())
    with pytest.raises(NotImplementedError, match="longdouble has no JSON form"):
        to_plain(np.longdouble(1))
