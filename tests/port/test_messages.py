"""Messages and their exact bytes."""

import contextlib
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_ai.core import BadFrame, FrameTooLarge
from pulse_ai.port.messages import (
    Hello,
    Pong,
    Result,
    decode_from_child,
    decode_from_parent,
    encode_message,
)

from .golden import FROM_PARENT, FROM_WORKER, Golden

DOCUMENT = Path(__file__).parents[2] / "docs" / "port-protocol.md"
BOUND = 1_000_000
EVERY = pytest.mark.parametrize("golden", FROM_PARENT + FROM_WORKER, ids=lambda golden: golden.name)


@EVERY
def test_a_message_has_exactly_these_bytes(golden: Golden) -> None:
    assert encode_message(golden.message, max_frame_bytes=BOUND).hex() == golden.frame.hex()


@EVERY
def test_these_bytes_are_exactly_that_message(golden: Golden) -> None:
    decode = decode_from_parent if golden in FROM_PARENT else decode_from_child
    read = decode(golden.frame[4:])
    assert type(read) is type(golden.message)
    assert encode_message(read, max_frame_bytes=BOUND) == golden.frame


@EVERY
def test_a_side_cannot_say_what_only_the_other_may(golden: Golden) -> None:
    decode = decode_from_child if golden in FROM_PARENT else decode_from_parent
    with pytest.raises(BadFrame):
        decode(golden.frame[4:])


@EVERY
def test_the_document_has_the_bytes_of_every_message(golden: Golden) -> None:
    document = re.sub(r"\s+", "", DOCUMENT.read_text())
    assert golden.frame.hex() in document
    assert golden.name.replace(" ", "") in document


@EVERY
def test_any_part_of_a_message_is_no_message(golden: Golden) -> None:
    decode = decode_from_parent if golden in FROM_PARENT else decode_from_child
    body = golden.frame[4:]
    for end in range(len(body)):
        with pytest.raises(BadFrame):
            decode(body[:end])
    with pytest.raises(BadFrame):
        decode(body + b"\x00")


def test_fields_with_defaults_can_be_left_out() -> None:
    assert decode_from_parent(msgspec.msgpack.encode([1, 1, "echo", 1024])) == Hello(1, "echo", 1024)
    assert decode_from_child(msgspec.msgpack.encode([19, 7, []])) == Result(7, [])


def test_fields_of_a_newer_side_are_passed_over() -> None:
    assert decode_from_child(msgspec.msgpack.encode([20, 9, "new", {"newer": 1}])) == Pong(9)


@given(frame=st.binary(max_size=200))
def test_arbitrary_bytes_are_a_message_or_a_bad_frame(frame: bytes) -> None:
    for decode in (decode_from_child, decode_from_parent):
        with contextlib.suppress(BadFrame):
            decode(frame)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)


@given(tag=st.sampled_from([1, 2, 3, 4, 17, 18, 19, 20, 21, 22, -1]), fields=st.lists(JUNK, max_size=5))
def test_arbitrary_fields_are_a_message_or_a_bad_frame(tag: int, fields: list[object]) -> None:
    frame = msgspec.msgpack.encode([tag, *fields])
    for decode in (decode_from_child, decode_from_parent):
        with contextlib.suppress(BadFrame):
            decode(frame)


@given(golden=st.sampled_from(FROM_WORKER), at=st.integers(0, 100), byte=st.integers(0, 255))
def test_one_wrong_byte_is_a_message_or_a_bad_frame(golden: Golden, at: int, byte: int) -> None:
    body = bytearray(golden.frame[4:])
    body[at % len(body)] = byte
    with contextlib.suppress(BadFrame):
        decode_from_child(bytes(body))


def test_a_frame_nested_without_end_is_a_bad_frame() -> None:
    for frame in (b"\x91" * 200_000, b"\x93\x13\x07\x91" + b"\x91" * 200_000, b"\x81" * 200_000):
        with pytest.raises(BadFrame):
            decode_from_child(frame)


@EVERY
def test_a_message_over_the_bound_is_not_sent(golden: Golden) -> None:
    with pytest.raises(FrameTooLarge):
        encode_message(golden.message, max_frame_bytes=len(golden.frame) - 5)
    assert encode_message(golden.message, max_frame_bytes=len(golden.frame) - 4)
