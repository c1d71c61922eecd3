"""Which message is legal when, on the parent's side."""

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_ai.core import (
    BadFrame,
    FrameTooLarge,
    Manifest,
    TaskSpec,
    TruncatedStream,
    VersionMismatch,
    WireError,
)
from pulse_ai.port import OK, Answer, Item, State, WorkerConnection
from pulse_ai.port.connection import _LEGAL
from pulse_ai.port.messages import (
    Batch,
    Fatal,
    Hello,
    Ping,
    Pong,
    Progress,
    Ready,
    Result,
    Shutdown,
    encode_message,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "port-protocol.md"
VALUE = msgspec.Raw(b"\x01")
ITEMS = [Item(1, VALUE), Item(2, VALUE)]
ANSWERS = [Answer(2, OK, VALUE), Answer(1, "model_error", VALUE)]

Send = Callable[[WorkerConnection], bytearray]
TO_WORKER: dict[type, Send] = {
    Hello: lambda connection: connection.hello("echo", TaskSpec("shop:Echo")),
    Batch: lambda connection: connection.batch(7, ITEMS),
    Ping: lambda connection: connection.ping(9),
    Shutdown: lambda connection: connection.shutdown(),
}
FROM_WORKER: dict[type, Any] = {
    Ready: Ready(1, Manifest("echo")),
    Progress: Progress(None, "reading"),
    Result: Result(7, ANSWERS),
    Pong: Pong(9),
    Fatal: Fatal("LoadFailed", "no"),
}


def _wire(*messages: Any) -> bytes:
    return b"".join(encode_message(message, max_frame_bytes=10_000) for message in messages)


def _connection(state: State) -> WorkerConnection:
    connection = WorkerConnection(max_frame_bytes=1000)
    if state is not State.NEW:
        connection.hello("echo", None)
    if state in (State.IDLE, State.BUSY, State.ENDED):
        connection.receive(_wire(FROM_WORKER[Ready]))
    if state is State.BUSY:
        connection.batch(7, ITEMS)
    if state is State.ENDED:
        connection.shutdown()
    assert connection.state is state
    return connection


@pytest.mark.parametrize("state", State, ids=lambda state: state.value)
@pytest.mark.parametrize("kind", TO_WORKER, ids=lambda kind: kind.__name__)
def test_the_parent_sends_what_is_legal_and_nothing_else(state: State, kind: type) -> None:
    connection = _connection(state)
    after = _LEGAL.get((state, kind))
    if after is None:
        with pytest.raises(
            ValueError, match=f"{kind.__name__} cannot be sent while the worker is {state.value}"
        ):
            TO_WORKER[kind](connection)
    else:
        assert TO_WORKER[kind](connection)
    assert connection.state is (after or state)


@pytest.mark.parametrize("state", State, ids=lambda state: state.value)
@pytest.mark.parametrize("kind", FROM_WORKER, ids=lambda kind: kind.__name__)
def test_the_worker_is_heard_where_it_is_legal_and_ended_where_it_is_not(state: State, kind: type) -> None:
    connection = _connection(state)
    after = _LEGAL.get((state, kind))
    if after is None:
        with pytest.raises(BadFrame, match=f"{kind.__name__} is not legal while the worker is {state.value}"):
            connection.receive(_wire(FROM_WORKER[kind]))
    else:
        assert [type(message) for message in connection.receive(_wire(FROM_WORKER[kind]))] == [kind]
    assert connection.state is (after or State.ENDED)


def test_the_document_draws_the_table_of_states() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| `(\w+)` \|$", DOCUMENT.read_text(), re.MULTILINE)
    drawn = {(state, message.strip(), after) for state, names, after in rows for message in names.split(",")}
    assert drawn == {
        (before.value.upper(), kind.__name__.upper(), after.value.upper())
        for (before, kind), after in _LEGAL.items()
    }


@pytest.mark.parametrize(
    "result",
    [
        Result(8, ANSWERS),
        Result(7, []),
        Result(7, ANSWERS[:1]),
        Result(7, [*ANSWERS, Answer(3, OK, VALUE)]),
        Result(7, [ANSWERS[0], ANSWERS[0]]),
        Result(7, [*ANSWERS, ANSWERS[0]]),
        Result(7, [ANSWERS[0], Answer(9, OK, VALUE)]),
        Result(-7, ANSWERS),
    ],
    ids=[
        "other-batch",
        "none",
        "one-missing",
        "one-more",
        "one-twice",
        "one-too-often",
        "a-stranger",
        "negative-batch",
    ],
)
def test_a_result_answers_each_item_of_its_batch_once(result: Result) -> None:
    connection = _connection(State.BUSY)
    with pytest.raises(BadFrame):
        connection.receive(_wire(result))
    assert connection.state is State.ENDED


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_answers_of_a_batch_come_in_any_order(order: tuple[int, ...]) -> None:
    connection = _connection(State.IDLE)
    connection.batch(7, [Item(number, VALUE) for number in range(4)])
    (result,) = connection.receive(_wire(Result(7, [Answer(number, OK, VALUE) for number in order])))
    assert isinstance(result, Result)
    assert connection.state is State.IDLE


def test_a_second_result_for_one_batch_ends_the_connection() -> None:
    connection = _connection(State.BUSY)
    assert len(connection.receive(_wire(FROM_WORKER[Result], FROM_WORKER[Result]))) == 1
    with pytest.raises(BadFrame, match="Result is not legal while the worker is idle"):
        connection.receive(b"")


def test_a_worker_of_another_version_is_refused() -> None:
    connection = _connection(State.LOADING)
    with pytest.raises(VersionMismatch, match="other side speaks protocol 2, this side speaks 1"):
        connection.receive(_wire(Ready(2, Manifest("echo"))))
    assert connection.state is State.ENDED


@pytest.mark.parametrize(
    ("violation", "kind"),
    [
        (b"\xff\xff\xff\xff", FrameTooLarge),
        (b"\0\0\0\1\xc1", BadFrame),
        (b"\0\0\0\0", BadFrame),
        (_wire(Ready(1, Manifest("echo"))), BadFrame),
        (_wire(Ping(1)), BadFrame),
    ],
    ids=lambda value: value.hex() if isinstance(value, bytes) else value.__name__,
)
def test_after_a_violation_every_call_raises_the_same_error(violation: bytes, kind: type[WireError]) -> None:
    connection = _connection(State.IDLE)
    with pytest.raises(kind) as first:
        connection.receive(violation)
    assert connection.failed is first.value
    assert connection.state is State.ENDED
    with pytest.raises(kind) as second:
        connection.receive(_wire(Pong(1)))
    assert second.value is first.value
    connection.receive_eof()


CHUNKS = (
    _wire(Progress(0.5, "a"), Progress(None, "b"), Ready(1, Manifest("echo")), Pong(1), Pong(2))
    + b"\0\0\0\1\xc1"
)


@given(cuts=st.lists(st.integers(0, len(CHUNKS))))
def test_any_cut_of_the_stream_gives_the_same_messages_before_the_same_error(cuts: list[int]) -> None:
    connection = WorkerConnection(max_frame_bytes=1000)
    connection.hello("echo", None)
    messages: list[Any] = []
    edges = [0, *sorted(cuts), len(CHUNKS)]
    for start, end in itertools.pairwise(edges):
        if connection.failed is None:
            try:
                messages += connection.receive(CHUNKS[start:end])
            except BadFrame as error:
                assert error is connection.failed  # noqa: PT017 - it may or may not be raised here
    assert [type(message) for message in messages] == [Progress, Progress, Ready, Pong, Pong]
    assert isinstance(connection.failed, BadFrame)


@given(chunks=st.lists(st.binary(max_size=30), max_size=6), state=st.sampled_from(State))
def test_arbitrary_bytes_raise_nothing_but_wire_errors(chunks: list[bytes], state: State) -> None:
    connection = _connection(state)
    try:
        for chunk in chunks:
            connection.receive(chunk)
        connection.receive_eof()
    except WireError:
        assert connection.state is State.ENDED


def test_the_end_in_the_middle_of_a_frame_is_an_error() -> None:
    connection = _connection(State.BUSY)
    assert connection.receive(_wire(FROM_WORKER[Result])[:-1]) == []
    with pytest.raises(TruncatedStream):
        connection.receive_eof()
    assert connection.state is State.ENDED


def test_a_batch_over_the_bound_is_refused_and_leaves_the_worker_idle() -> None:
    connection = _connection(State.IDLE)
    with pytest.raises(FrameTooLarge):
        connection.batch(7, [Item(1, msgspec.Raw(b"\xc5\x04\x00" + bytes(1024)))])
    assert connection.state is State.IDLE
    assert connection.batch(8, ITEMS)
