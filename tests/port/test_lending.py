"""Large values: how they are encoded, which of them are shared, and what frames say of that."""

import contextlib
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_ai.core import BadFrame, FrameTooLarge
from pulse_ai.port import OK, Answer, Item, WorkerConnection, encode_value
from pulse_ai.port.lending import SHARED_LEAST_BYTES, AreaOffer, Placed, Room, check_shared, lend, restore
from pulse_ai.port.messages import Batch, Shared, decode_from_child, decode_from_parent
from pulse_ai.port.values import encode_pieces, to_wire

LARGE = np.arange(SHARED_LEAST_BYTES // 8 + 3, dtype="<f8")
ROOM = Room(0, 2**24)


# Encoding.


@pytest.mark.parametrize(
    "value",
    [
        LARGE, LARGE.astype(">f8"), LARGE[::-1], LARGE[: len(LARGE) // 3 * 3].reshape(-1, 3).T, (LARGE,),
        np.zeros(SHARED_LEAST_BYTES, "u1"), {"a": LARGE, "b": [1, LARGE[1:], "x"], "c": None}, [LARGE, LARGE],
        None, "x" * SHARED_LEAST_BYTES, LARGE[:-4], [LARGE[:9]] * 9,
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_an_array_is_encoded_as_msgspec_would_without_a_copy_too_many(value: Any) -> None:
    plain = msgspec.msgpack.encode(value, enc_hook=to_wire)
    assert encode_value(value) == plain
    assert b"".join(encode_pieces(value)) == plain


def test_a_large_array_is_a_piece_in_its_own_memory() -> None:
    _, piece, _ = encode_pieces(LARGE)
    assert isinstance(piece, memoryview)
    assert np.shares_memory(np.frombuffer(piece, "u1"), LARGE)


@pytest.mark.parametrize(
    "value",
    [np.zeros(2**17, "M8[s]"), [LARGE, object()], np.full(2**17, None)],
    ids=["date", "list", "objects"],
)
def test_what_cannot_travel_is_a_type_error_however_large(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot travel"):
        encode_value(value)


PARTS = st.text(max_size=5) | st.binary(max_size=5) | st.integers(0, 9) | st.just("large")


@given(parts=st.lists(PARTS, max_size=8))
def test_any_mixture_is_encoded_as_msgspec_would(parts: list[Any]) -> None:
    value = [LARGE if part == "large" else part for part in parts]
    assert encode_value(value) == msgspec.msgpack.encode(value, enc_hook=to_wire)


# What a frame says.


def _items(*sizes: int) -> list[Item]:
    return [Item(n, msgspec.Raw(bytes([n]) * size)) for n, size in enumerate(sizes, 1)]


def test_large_values_have_their_places_and_the_rest_stays_in_the_frame() -> None:
    lent = lend(
        _items(10, SHARED_LEAST_BYTES, SHARED_LEAST_BYTES - 1, SHARED_LEAST_BYTES + 1), Room(100, 2**20)
    )
    assert [len(item.value) for item in lent.values] == [10, 1, SHARED_LEAST_BYTES - 1, 1]
    assert lent.shared == [
        Shared(1, 128, SHARED_LEAST_BYTES),
        Shared(3, 128 + SHARED_LEAST_BYTES, SHARED_LEAST_BYTES + 1),
    ]
    assert [item.id for item in lent.values] == [1, 2, 3, 4]


@pytest.mark.parametrize("room", [None, Room(0, SHARED_LEAST_BYTES - 1), Room(2**20, 2**20)])
def test_where_there_is_no_room_all_goes_in_the_frame(room: Room | None) -> None:
    items = _items(SHARED_LEAST_BYTES, 5)
    lent = lend(items, room)
    assert (lent.values, lent.shared) == (items, [])


@given(
    sizes=st.lists(st.sampled_from([1, 9, SHARED_LEAST_BYTES, SHARED_LEAST_BYTES + 7]), max_size=6),
    start=st.integers(0, 99),
)
def test_what_is_lent_passes_the_check_does_not_overlap_and_comes_back(sizes: list[int], start: int) -> None:
    items = _items(*sizes)
    room = Room(start, start + 4 * SHARED_LEAST_BYTES)
    lent = lend(items, room)
    check_shared(lent.shared, count=len(items), room=room)
    ends = [each.start + each.size_bytes for each in lent.shared]
    assert all(end <= after.start for end, after in zip(ends[:-1], lent.shared[1:], strict=True))
    restore(lent.values, lent.shared, [bytes(content) for content in lent.contents if content is not None])
    assert [bytes(item.value) for item in lent.values] == [bytes(item.value) for item in items]


def test_an_answer_that_is_placed_already_is_only_spoken_of() -> None:
    answers: list[Any] = [Answer(1, OK, msgspec.Raw(b"\1")), Answer(2, OK, Placed(64, SHARED_LEAST_BYTES))]  # type: ignore[arg-type]
    lent = lend(answers, Room(0, 0))
    assert (lent.shared, lent.contents) == ([Shared(1, 64, SHARED_LEAST_BYTES)], [None])
    assert bytes(lent.values[1].value) == b"\xc0"


@pytest.mark.parametrize(
    ("shared", "says"),
    [
        ([Shared(0, 99, 1)], "a value from 99 to 100 is not in the shared area from 100 to 200"),
        ([Shared(0, 150, 51)], "a value from 150 to 201 is not"),
        ([Shared(0, 2**64 - 1, 2**64 - 1)], "is not in the shared area"),
        ([Shared(3, 100, 1)], "do not have a place each"),
        ([Shared(1, 100, 1), Shared(1, 101, 1)], "do not have a place each"),
        ([Shared(0, 100, 60), Shared(1, 100, 60)], "do not have a place each"),
    ],
    ids=str,
)
def test_what_a_frame_says_of_the_area_is_checked_before_it_is_read(shared: list[Shared], says: str) -> None:
    with pytest.raises(BadFrame, match=says):
        check_shared(shared, count=3, room=Room(100, 200))
    with pytest.raises(BadFrame, match="not agreed on"):
        check_shared(shared, count=3, room=None)


@pytest.mark.parametrize(
    "shared", [[[-1, 0, 1]], [[0, -1, 1]], [[0, 0, -1]], [[0, 0]], [0], 1, [["0", 0, 1]]], ids=str
)
def test_what_is_no_place_is_a_bad_frame(shared: Any) -> None:
    with pytest.raises(BadFrame):
        decode_from_parent(msgspec.msgpack.encode([2, 1, [], shared]))
    with pytest.raises(BadFrame):
        decode_from_child(msgspec.msgpack.encode([19, 1, [], 0.0, {}, shared]))


@given(numbers=st.lists(st.tuples(*[st.integers(0, 2**64 - 1)] * 3), max_size=4), count=st.integers(0, 4))
def test_any_numbers_are_places_in_the_room_or_a_bad_frame(numbers: list[Any], count: int) -> None:
    body = msgspec.msgpack.encode([2, 1, [[n, None] for n in range(count)], numbers])
    with contextlib.suppress(BadFrame):
        batch = decode_from_parent(body)
        assert isinstance(batch, Batch)
        check_shared(batch.shared, count=count, room=ROOM)
        assert all(each.place < count and each.start + each.size_bytes <= ROOM.end for each in batch.shared)


def _ready(*, offered: bool, taken: bool) -> WorkerConnection:
    connection = WorkerConnection(max_frame_bytes=3 * SHARED_LEAST_BYTES)
    offer = AreaOffer(5, Room(0, 2**20), Room(2**20, 2**21))
    connection.hello("x", None, area=offer if offered else None)
    _hear(connection, [17, 1, {"name": "x"}, taken])
    return connection


def _hear(connection: WorkerConnection, message: list[Any]) -> list[Any]:
    body = msgspec.msgpack.encode(message)
    return list(connection.receive(len(body).to_bytes(4, "big") + body))


@pytest.mark.parametrize(("offered", "taken"), [(False, False), (False, True), (True, False), (True, True)])
def test_the_area_is_used_where_both_sides_agreed(offered: bool, taken: bool) -> None:
    connection = _ready(offered=offered, taken=taken)
    lent = connection.lend(_items(SHARED_LEAST_BYTES))
    assert bool(lent.shared) is (offered and taken)
    frame = connection.batch(1, lent.values, lent.shared)
    assert (len(frame) < 100) is (offered and taken)
    result: list[Any] = [19, 1, [[1, "ok", None]], 0.0, {}, [[0, 2**20, 9]]]
    if offered and taken:
        assert _hear(connection, result)
    else:
        with pytest.raises(BadFrame, match="that was not agreed on"):
            _hear(connection, result)


def test_what_is_longer_than_a_frame_may_be_does_not_go_beside_it() -> None:
    connection = _ready(offered=True, taken=True)
    lent = connection.lend(_items(*[SHARED_LEAST_BYTES] * 4))
    with pytest.raises(FrameTooLarge):
        connection.batch(1, lent.values, lent.shared)
    assert connection.batch(1, lent.values[:3], lent.shared[:3])


def test_the_parent_writes_behind_what_the_worker_keeps_until_it_keeps_less() -> None:
    connection = _ready(offered=True, taken=True)
    starts: list[int] = []
    for number, kept_bytes in enumerate([1000, 2**20 - 10, 0, 0]):
        lent = connection.lend(_items(SHARED_LEAST_BYTES))
        starts += [each.start for each in lent.shared] or [-1]
        connection.batch(number, lent.values, lent.shared)
        _hear(connection, [19, number, [[1, "ok", None]], 0.0, {}, [], kept_bytes])
    assert starts == [0, 1024, -1, 0]
