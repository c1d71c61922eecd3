"""Large arrays in shared memory: what is passed, what is refused, and that nothing is left."""

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_ai import Serving
from pulse_ai.core import BadFrame, FrameTooLarge, TaskSpec, WorkerLost
from pulse_ai.port import OK, Answer, Item, WorkerConnection, decode_value, encode_for_lending, encode_value
from pulse_ai.port.lending import check_shared, lend, restore
from pulse_ai.port.messages import MOST_SEGMENTS, Batch, Shared, decode_from_parent
from pulse_ai.port.segments import Segment, SegmentChannel, make_segment, raw_of
from pulse_ai.port.values import LARGE_BYTES, encode_pieces
from pulse_ai.serving.quarantine import Quarantine

from .conftest import FOLDER, LIMIT_S, fast, one_worker, poll_until, rogue, send, supervised

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="segments are memory files of Linux"),
    pytest.mark.usefixtures("nothing_left"),
]
ARRAYS = TaskSpec(f"{FOLDER / 'array_tasks.py'}:Arrays")
LARGE = np.arange(LARGE_BYTES // 8 + 3, dtype="<f8")


def held(pid: int | None = None) -> list[str]:
    """Return where a process holds segments: its descriptors and its maps."""
    folder = Path(f"/proc/{pid or os.getpid()}")
    found: list[str] = []
    for entry in (folder / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += [f"fd {entry.name}"] if "memfd:pulse" in str(entry.readlink()) else []
    return found + [line for line in (folder / "maps").read_text().splitlines() if "memfd:pulse" in line]


async def let_go() -> None:
    """Have the event loop forget what it has just handed over."""
    await asyncio.sleep(0)
    gc.collect()


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fail the test where this process holds a segment when it has ended."""
    gc.collect()
    before = held()
    yield
    gc.collect()
    assert held() == before


# Values.


@pytest.mark.parametrize(
    "value",
    [
        LARGE, LARGE.astype(">f8"), LARGE[::-1], LARGE[: len(LARGE) // 3 * 3].reshape(-1, 3).T, (LARGE,),
        np.zeros(LARGE_BYTES, "u1"), {"a": LARGE, "b": [1, LARGE[1:], "x" * 100], "c": None}, [LARGE, LARGE],
    ],
    ids=str,
)  # fmt: skip
def test_what_is_lent_is_what_would_be_sent(value: Any) -> None:
    lent = encode_for_lending(value)
    assert type(lent) is memoryview
    assert isinstance(lent.obj, Segment)
    assert lent == encode_value(value)
    assert b"".join(encode_pieces(value)) == encode_value(value)
    with contextlib.suppress(AttributeError):
        numbers = decode_value(msgspec.Raw(lent))
        assert numbers.ctypes.data % 64 == 0


@pytest.mark.parametrize(
    "value", [None, "x" * LARGE_BYTES, LARGE[:-4], [LARGE[:9]] * 9], ids=["nil", "text", "array", "list"]
)
def test_what_has_no_large_array_is_bytes(value: Any) -> None:
    assert encode_for_lending(value) == encode_value(value)
    assert type(encode_for_lending(value)) is bytes


@pytest.mark.parametrize(
    "value", [np.zeros(LARGE_BYTES, "M8[s]"), [LARGE, object()], np.full(LARGE_BYTES, None)]
)
def test_what_cannot_travel_is_a_type_error_as_without_segments(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot travel"):
        encode_for_lending(value)


PARTS = st.text(max_size=5) | st.binary(max_size=5) | st.integers(0, 9) | st.just("large")


@given(parts=st.lists(PARTS, max_size=8))
def test_any_mixture_is_encoded_as_without_segments(parts: list[Any]) -> None:
    value = [LARGE if part == "large" else part for part in parts]
    assert encode_for_lending(value) == encode_value(value)


def test_without_memory_or_descriptors_a_value_goes_in_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pulse_ai.port.segments.os.memfd_create", no_memory)
    assert encode_for_lending([LARGE]) == encode_value([LARGE])
    assert type(encode_for_lending([LARGE])) is bytes


def test_segments_leave_half_of_the_descriptors_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def few(_: int) -> tuple[int, int]:
        return 6, 6

    monkeypatch.setattr("pulse_ai.port.segments.resource.getrlimit", few)
    assert type(encode_for_lending(LARGE)) is bytes


def test_a_segment_cannot_be_changed() -> None:
    view: Any = encode_for_lending(LARGE)
    with pytest.raises(TypeError, match="read-only"):
        view[0] = 1
    with pytest.raises(PermissionError):
        os.pwrite(view.obj.fd, b"x", 0)
    with pytest.raises(PermissionError):
        os.truncate(view.obj.fd, 0)


def test_a_segment_goes_with_the_last_array_on_it() -> None:
    view: Any = encode_for_lending(LARGE)
    fd = view.obj.fd
    array = decode_value(msgspec.Raw(view))
    del view
    gc.collect()
    assert fd in (int(entry.split()[1]) for entry in held() if entry.startswith("fd"))
    assert array.sum() == LARGE.sum()
    del array
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_the_quarantine_knows_a_value_whether_it_is_lent_or_not() -> None:
    quarantine = Quarantine()
    quarantine.add(encode_for_lending(LARGE), now_s=0.0)
    assert quarantine.holds(encode_value(LARGE), now_s=1.0)


# What a frame says.


def _items(count: int) -> list[Item]:
    return [Item(n, raw_of(encode_for_lending(LARGE))) for n in range(count)]


def test_where_the_other_side_takes_no_segments_all_goes_in_the_frame() -> None:
    lent = lend(_items(2), shares=False)
    assert (lent.shared, lent.segments) == ([], [])
    assert [bytes(item.value) for item in lent.values] == [encode_value(LARGE)] * 2


def test_more_than_the_most_segments_go_in_the_frame() -> None:
    view = encode_for_lending(LARGE)
    lent = lend([Item(n, raw_of(view)) for n in range(MOST_SEGMENTS + 2)], shares=True)
    assert len(lent.segments) == MOST_SEGMENTS
    assert [each.place for each in lent.shared] == list(range(MOST_SEGMENTS))
    assert len(lent.values[-1].value) == len(encode_value(LARGE))


@given(large=st.lists(st.booleans(), max_size=6))
def test_what_is_lent_comes_back_in_its_place(large: list[bool]) -> None:
    values = [[n, LARGE] if is_large else n for n, is_large in enumerate(large)]
    answers = [Answer(n, OK, raw_of(encode_for_lending(value))) for n, value in enumerate(values)]
    lent = lend(answers, shares=True)
    assert [each.place for each in lent.shared] == [n for n, is_large in enumerate(large) if is_large]
    views = [
        memoryview(segment)[each.start :] for segment, each in zip(lent.segments, lent.shared, strict=True)
    ]
    restore(lent.values, lent.shared, views)
    assert [bytes(answer.value) for answer in lent.values] == [bytes(answer.value) for answer in answers]


@pytest.mark.parametrize(
    ("shared", "says"),
    [
        ([Shared(0, 0, 1001)], "segments of 1001 bytes are over the limit of 1000"),
        ([Shared(0, 0, 600), Shared(1, 0, 600)], "segments of 1200 bytes"),
        ([Shared(3, 0, 1)], "do not have a place each"),
        ([Shared(1, 0, 1), Shared(1, 0, 1)], "do not have a place each"),
        ([Shared(n, 0, 1) for n in range(MOST_SEGMENTS + 1)], "do not have a place each"),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_frame_says_of_segments_is_checked_before_they_are_touched(
    shared: list[Shared], says: str
) -> None:
    with pytest.raises(BadFrame, match=says):
        check_shared(shared, count=3 if len(shared) < 9 else 99, max_bytes=1000)


@pytest.mark.parametrize(
    "shared", [[[-1, 0, 1]], [[0, -1, 1]], [[0, 0, -1]], [[0, 0]], [0], 1, [["0", 0, 1]]], ids=str
)
def test_what_is_no_segment_is_a_bad_frame(shared: Any) -> None:
    with pytest.raises(BadFrame):
        decode_from_parent(msgspec.msgpack.encode([2, 1, [], shared]))


@given(numbers=st.lists(st.tuples(*[st.integers(0, 2**64 - 1)] * 3), max_size=4), count=st.integers(0, 4))
def test_any_numbers_are_places_or_a_bad_frame(numbers: list[Any], count: int) -> None:
    body = msgspec.msgpack.encode([2, 1, [[n, None] for n in range(count)], numbers])
    with contextlib.suppress(BadFrame):
        batch = decode_from_parent(body)
        assert isinstance(batch, Batch)
        check_shared(batch.shared, count=count, max_bytes=10**6)
        assert all(each.place < count for each in batch.shared)


def _shares(*, offered: bool, taken: bool) -> WorkerConnection:
    connection = WorkerConnection(max_frame_bytes=10 * LARGE_BYTES)
    connection.hello("x", None, segments_fd=5 if offered else -1)
    body = msgspec.msgpack.encode([17, 1, {"name": "x"}, taken])
    connection.receive(len(body).to_bytes(4, "big") + body)
    return connection


@pytest.mark.parametrize(("offered", "taken"), [(False, False), (False, True), (True, False), (True, True)])
def test_segments_are_used_where_both_sides_agreed(offered: bool, taken: bool) -> None:
    connection = _shares(offered=offered, taken=taken)
    agreed = offered and taken
    assert connection.shares is agreed
    frame, segments = connection.batch(1, _items(2))
    assert len(segments) == (2 if agreed else 0)
    assert (len(frame) < 100) is agreed
    result = msgspec.msgpack.encode([19, 1, [[0, "ok", None], [1, "ok", None]], 0.0, {}, [[1, 0, 9]]])
    wire = len(result).to_bytes(4, "big") + result
    if agreed:
        assert connection.receive(wire)
    else:
        with pytest.raises(BadFrame, match="that was not agreed on"):
            connection.receive(wire)


def test_segments_over_the_bound_of_a_frame_are_not_sent() -> None:
    connection = _shares(offered=True, taken=True)
    with pytest.raises(FrameTooLarge):
        connection.batch(1, _items(10))
    assert connection.batch(2, _items(9)).segments


# What comes over the channel.


@pytest.fixture
def channel() -> Iterator[tuple[SegmentChannel, socket.socket]]:
    """Give a channel, and a socket that says what it likes to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    found = SegmentChannel(ours)
    with theirs, contextlib.closing(found):
        yield found, theirs


Channel = tuple[SegmentChannel, socket.socket]


def _memory(content: bytes, *, seals: int = 15) -> int:
    fd = os.memfd_create("pulse", os.MFD_ALLOW_SEALING)
    os.write(fd, content)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def _tell(sock: socket.socket, batch_id: int, fds: Sequence[int]) -> None:
    socket.send_fds(sock, [batch_id.to_bytes(8, "big")], fds)
    for fd in fds:
        os.close(fd)


def test_segments_come_in_their_order_and_where_they_begin(channel: Channel) -> None:
    ours, theirs = channel
    sender = SegmentChannel(theirs)
    sender.send(7, [make_segment([b"..abc"]), make_segment([b"de", b"f"])])
    one, two = ours.receive(7, [Shared(0, 2, 3), Shared(1, 0, 2)])
    assert (bytes(one), bytes(two)) == (b"abc", b"de")
    assert one.readonly


@pytest.mark.parametrize(
    ("batch_id", "contents", "seals", "says"),
    [
        (8, [b"abc"], 15, "others came"),
        (7, [], 15, "others came"),
        (7, [b"abc", b"abc"], 15, "others came"),
        (7, [b"abc"], fcntl.F_SEAL_SHRINK, "is not sealed"),
        (7, [b"abc"], 0, "is not sealed"),
        (7, [b"ab"], 15, "a segment has 2 bytes, not 0 and 3"),
        (7, [b""], 15, "a segment has 0 bytes"),
    ],
)
def test_wrong_segments_are_a_bad_frame_and_none_is_kept(
    channel: Channel, batch_id: int, contents: list[bytes], seals: int, says: str
) -> None:
    ours, theirs = channel
    _tell(theirs, batch_id, [_memory(content, seals=seals) for content in contents])
    with pytest.raises(BadFrame, match=says):
        ours.receive(7, [Shared(0, 0, 3)])
    assert held() == []


@pytest.mark.parametrize("what", ["file", "pipe", "socket", "folder"])
def test_what_is_no_memory_file_is_a_bad_frame(channel: Channel, what: str, tmp_path: Path) -> None:
    ours, theirs = channel
    (tmp_path / "file").write_bytes(b"abc")
    fds = {
        "file": lambda: os.open(tmp_path / "file", os.O_RDWR),
        "pipe": lambda: os.pipe()[0],
        "socket": lambda: os.dup(theirs.fileno()),
        "folder": lambda: os.open(tmp_path, os.O_RDONLY),
    }
    _tell(theirs, 7, [fds[what]()])
    with pytest.raises(BadFrame, match="a segment cannot be used"):
        ours.receive(7, [Shared(0, 0, 3)])


@pytest.mark.parametrize("said", [b"", b"x", b"\0" * 7, b"\0\0\0\0\0\0\0\7more"])
def test_a_packet_that_is_no_batch_is_a_bad_frame(channel: Channel, said: bytes) -> None:
    ours, theirs = channel
    socket.send_fds(theirs, [said], [fd := _memory(b"abc")])
    os.close(fd)
    if said[8:]:
        assert len(ours.receive(7, [Shared(0, 0, 3)])) == 1  # what is behind the id is passed over
    else:
        with pytest.raises(BadFrame):
            ours.receive(7, [Shared(0, 0, 3)])


def test_segments_that_did_not_come_are_a_bad_frame_and_nobody_waits(channel: Channel) -> None:
    ours, theirs = channel
    with pytest.raises(BadFrame, match="did not come"):
        ours.receive(7, [Shared(0, 0, 3)])
    theirs.close()
    with pytest.raises(BadFrame, match="others came"):
        ours.receive(7, [Shared(0, 0, 3)])


# Processes.


@pytest.mark.process
@pytest.mark.usefixtures("no_leaks")
async def test_large_arrays_go_through_segments_both_ways_and_are_free_afterwards() -> None:
    async with Serving(ARRAYS, deadline_s=LIMIT_S).open() as serving:
        (pid,) = [slot.pid for slot in serving.slots]
        backwards = await serving.infer(LARGE)
        assert np.array_equal(backwards, LARGE[::-1])
        assert [line[:2] for line in held()].count("fd") == 1  # the map of the answer keeps it
        del backwards
        await let_go()
        assert held() == []
        assert await poll_until(lambda: not held(pid))  # the worker has let go of it before the next batch


@pytest.mark.process
async def test_a_batch_of_large_arrays_is_answered_each_with_its_own() -> None:
    async with Serving(ARRAYS, deadline_s=LIMIT_S).open() as serving:
        answers = await serving.infer_all([LARGE + n for n in range(40)], timeout_s=LIMIT_S)
        assert all(np.array_equal(answer, (LARGE + n)[::-1]) for n, answer in enumerate(answers))


@pytest.mark.process
async def test_a_worker_killed_with_segments_on_their_way_leaves_none_and_the_batch_is_tried_again() -> None:
    async with Serving(ARRAYS, deadline_s=LIMIT_S).open() as serving:
        (pid,) = [slot.pid for slot in serving.slots]
        os.kill(pid, signal.SIGSTOP)
        pending = asyncio.gather(*(serving.infer(LARGE + n, timeout_s=LIMIT_S) for n in range(3)))
        assert await poll_until(lambda: bool(held()))
        os.kill(pid, signal.SIGKILL)
        answers = await pending
        assert all(np.array_equal(answer, (LARGE + n)[::-1]) for n, answer in enumerate(answers))
        del answers, pending
        await let_go()
        assert held() == []


@pytest.mark.process
@pytest.mark.parametrize("task", ["Arrays", "Keeps"])
def test_a_parent_killed_with_segments_leaves_no_process_that_holds_one(task: str) -> None:
    arguments = [sys.executable, "-c", PARENT, str(FOLDER / "array_tasks.py"), task]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        assert held(parent.pid)
        parent.send_signal(signal.SIGKILL)
        gone, _ = psutil.wait_procs([worker], timeout=10)
    assert gone == [worker] or worker.status() == psutil.STATUS_ZOMBIE


PARENT = """
import asyncio, sys
import numpy as np
from pulse_ai import Serving
from pulse_ai.core import TaskSpec

async def main():
    async with Serving(TaskSpec(":".join(sys.argv[1:3])), deadline_s=60).open() as serving:
        array = np.zeros(2**20)
        if sys.argv[2] == "Arrays":
            answer = await serving.infer(array)
        else:
            asked = asyncio.ensure_future(serving.infer(array))
            await asyncio.sleep(0.1)
        print(serving.slots[0].pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.process
async def test_a_worker_that_knows_no_segments_gets_all_in_the_frame() -> None:
    async with one_worker(None, fast(command=rogue("well"))) as (worker, pool):
        await worker.wait_ready()
        worker.send_batch(7, [Item(1, raw_of(encode_for_lending(LARGE)))])
        _, result = await pool.noted.wait("result")
        assert np.array_equal(decode_value(result.answers[0].value), LARGE)


@pytest.mark.process
async def test_answers_over_the_bound_together_fail_alone_in_segments_too() -> None:
    spec = TaskSpec(f"{FOLDER / 'array_tasks.py'}:Zeros")
    async with supervised(spec, fast(max_frame_bytes=3 * LARGE_BYTES)) as pool:
        worker = await pool.ready()
        large, small = await pool.ask(worker, LARGE_BYTES, 10)
        assert (len(large), len(small)) == (LARGE_BYTES, 10)
        *three, small = await pool.ask(worker, *[LARGE_BYTES] * 3, 10)
        assert all("over the frame limit of 786432 bytes together" in answer for answer in three)
        assert len(small) == 10
        assert "over the limit of 786432" in (await pool.ask(worker, 3 * LARGE_BYTES))[0]


@pytest.mark.process
@pytest.mark.parametrize("way", ["segments unasked", "segments that do not come"])
async def test_a_worker_that_lies_about_segments_is_ended(way: str) -> None:
    async with supervised("Echo", fast(command=rogue(way), stop_timeout_s=0.05)) as pool:
        send(await pool.ready(), "x")
        error = await pool.lost()
        assert type(error) is BadFrame
        assert ("not agreed on" if way == "segments unasked" else "did not come") in str(error)


@pytest.mark.process
async def test_where_segments_cannot_be_passed_the_worker_is_ended_and_the_batch_is_lost_once() -> None:
    async with supervised(ARRAYS) as pool:
        worker = await pool.ready()
        assert worker._channel is not None
        worker._channel.close()
        worker.send_batch(7, [Item(1, raw_of(encode_for_lending(LARGE)))])
        error = await pool.lost()
        assert type(error) is WorkerLost
        assert "could not be passed the segments of a batch" in str(error)
        await pool.ready(2)
