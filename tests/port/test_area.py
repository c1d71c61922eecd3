"""Large values in shared memory: what goes there, what is refused, and that nothing is left."""

import asyncio
import contextlib
import fcntl
import gc
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_ai import Serving
from pulse_ai.core import BadFrame, FrameTooLarge, TaskSpec
from pulse_ai.port import OK, Answer, Item, WorkerConnection, decode_value, encode_value
from pulse_ai.port.area import AREA_BYTES, SharedArea, WorkersArea
from pulse_ai.port.lending import SHARED_LEAST_BYTES, AreaOffer, Placed, Room, check_shared, lend, restore
from pulse_ai.port.messages import Batch, Shared, decode_from_child, decode_from_parent
from pulse_ai.port.values import encode_pieces, to_wire

from .conftest import FOLDER, LIMIT_S, Pool, fast, one_worker, poll_until, rogue, supervised

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the area is a memory file of Linux"),
    pytest.mark.usefixtures("nothing_left"),
]
LARGE = np.arange(SHARED_LEAST_BYTES // 8 + 3, dtype="<f8")
ROOM = Room(0, 2**24)


def array_task(name: str) -> TaskSpec:
    return TaskSpec(f"{FOLDER / 'array_tasks.py'}:{name}")


def held(pid: int | None = None) -> list[str]:
    """Return where a process holds an area: its descriptors and its maps."""
    folder = Path(f"/proc/{pid or os.getpid()}")
    found: list[str] = []
    for entry in (folder / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += [f"fd {entry.name}"] if "memfd:pulse" in str(entry.readlink()) else []
    return found + [line for line in (folder / "maps").read_text().splitlines() if "memfd:pulse" in line]


def descriptor() -> int:
    """Return a descriptor of the area that this process holds."""
    return next(int(entry.split()[1]) for entry in held() if entry.startswith("fd"))


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fail the test where this process holds an area when it has ended."""
    gc.collect()
    before = held()
    yield
    gc.collect()
    assert held() == before


@pytest.fixture
def areas() -> Iterator[tuple[SharedArea, WorkersArea]]:
    """Give both sides' views of one small area."""
    parents = SharedArea.create(2**20)
    workers = WorkersArea.adopt(os.dup(parents.offer.fd))
    yield parents, workers
    workers.close()
    parents.close()


Areas = tuple[SharedArea, WorkersArea]


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


# The memory.


def test_what_one_side_writes_the_other_reads(areas: Areas) -> None:
    parents, workers = areas
    lent = lend(_items(SHARED_LEAST_BYTES, SHARED_LEAST_BYTES + 5), parents.offer.parents)
    parents.write(parents.offer.parents, lent.shared, lent.contents)
    views = workers.views(lent.shared)
    assert [bytes(view) for view in views] == [
        bytes(content) for content in lent.contents if content is not None
    ]
    assert all(view.readonly for view in views)
    del views
    placed = workers.encode(LARGE)
    assert isinstance(placed, Placed)
    (read,) = parents.read([Shared(0, placed.start, placed.size_bytes)])
    assert np.array_equal(decode_value(read), LARGE)
    assert workers.kept_bytes() == 0


def test_a_worker_says_what_is_kept_for_as_long_as_an_array_lives(areas: Areas) -> None:
    parents, workers = areas
    lent = lend([Item(n, msgspec.Raw(encode_value(LARGE + n))) for n in range(2)], parents.offer.parents)
    parents.write(parents.offer.parents, lent.shared, lent.contents)
    restore(lent.values, lent.shared, workers.views(lent.shared))
    first, second = (decode_value(item.value) for item in lent.values)
    ends = [each.start + each.size_bytes for each in lent.shared]
    lent.values.clear()
    assert workers.kept_bytes() == ends[1]
    part = second[5:7]
    del second
    assert workers.kept_bytes() == ends[1]
    del part
    assert workers.kept_bytes() == ends[0]
    assert np.array_equal(first, LARGE)
    del first
    assert workers.kept_bytes() == 0


def test_answers_go_one_behind_the_other_and_then_in_the_frame(areas: Areas) -> None:
    _, workers = areas
    for _ in range(2):
        workers.begin()
        answers = [workers.encode(LARGE) for _ in range(5)]
        placed = [answer for answer in answers if isinstance(answer, Placed)]
        assert len(placed) == 3
        assert [answer.start % 64 for answer in placed] == [0, 0, 0]
        assert all(one.start + len(one) <= two.start for one, two in itertools.pairwise(placed))
        assert answers[3:] == [encode_value(LARGE)] * 2
        assert workers.room().end - workers.room().start < len(placed[0])


@pytest.mark.parametrize("value", [1, "x" * 2**18, LARGE[:10]], ids=["int", "text", "small"])
def test_an_answer_without_a_large_array_is_bytes(areas: Areas, value: Any) -> None:
    assert areas[1].encode(value) == encode_value(value)


def test_without_memory_a_value_goes_in_the_frame(areas: Areas, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pulse_ai.port.area.os.posix_fallocate", no_memory)
    assert areas[1].encode(LARGE) == encode_value(LARGE)
    with pytest.raises(OSError, match="No space"):
        areas[0].write(areas[0].offer.parents, [Shared(0, 0, 1)], [msgspec.Raw(b"\1")])


def test_neither_side_can_change_the_size(areas: Areas) -> None:
    for area in areas:
        for size_bytes in (0, 2**21):
            with pytest.raises(PermissionError):
                os.ftruncate(area.offer.fd, size_bytes)
    assert fcntl.fcntl(areas[0].offer.fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SEAL


def test_memory_is_taken_for_what_was_used_and_no_more(areas: Areas) -> None:
    parents, workers = areas
    taken = os.fstat(parents.offer.fd).st_blocks
    assert taken == 0
    workers.encode(LARGE)
    assert os.fstat(parents.offer.fd).st_blocks * 512 <= LARGE.nbytes + 2 * 4096


@pytest.mark.parametrize("what", ["pipe", "closed", "empty"])
def test_what_is_no_area_is_an_error(what: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    fd = os.pipe()[0] if what == "pipe" else os.open(tmp_path / "empty", os.O_RDWR)
    if what == "closed":
        os.close(fd)
    with pytest.raises((OSError, ValueError)):
        WorkersArea.adopt(fd)


# Processes.


@pytest.mark.process
@pytest.mark.usefixtures("no_leaks")
async def test_large_arrays_go_through_the_area_both_ways_and_it_goes_with_its_worker() -> None:
    async with Serving(array_task("Arrays"), deadline_s=LIMIT_S).open() as serving:
        (pid,) = [slot.pid for slot in serving.slots]
        backwards = await serving.infer(LARGE)
        assert np.array_equal(backwards, LARGE[::-1])
        fd = descriptor()
        assert os.fstat(fd).st_size == AREA_BYTES
        assert os.fstat(fd).st_blocks * 512 >= 2 * LARGE.nbytes
        assert held(pid)
    assert held() == []
    assert np.array_equal(backwards, LARGE[::-1])  # an answer is the caller's own


@pytest.mark.process
async def test_a_batch_of_large_arrays_is_answered_each_with_its_own() -> None:
    async with Serving(array_task("Arrays"), deadline_s=LIMIT_S).open() as serving:
        answers = await serving.infer_all([LARGE + n for n in range(40)], timeout_s=LIMIT_S)
        assert all(np.array_equal(answer, (LARGE + n)[::-1]) for n, answer in enumerate(answers))


@pytest.mark.process
async def test_what_a_task_keeps_is_not_written_over() -> None:
    async with supervised(array_task("Remembers")) as pool:
        worker = await pool.ready()
        assert await pool.ask(worker, LARGE) == [LARGE.sum()]
        for n in range(1, 4):
            assert await pool.ask(worker, LARGE + n) == [LARGE.sum()]  # of the first one
        assert await pool.ask(worker, "forget", LARGE + 5) == [0, (LARGE + 5).sum()]


@pytest.mark.process
async def test_a_worker_killed_with_values_on_their_way_is_replaced_and_the_batch_is_tried_again() -> None:
    async with Serving(array_task("Arrays"), deadline_s=LIMIT_S).open() as serving:
        (pid,) = [slot.pid for slot in serving.slots]
        os.kill(pid, signal.SIGSTOP)
        pending = asyncio.gather(*(serving.infer(LARGE + n, timeout_s=LIMIT_S) for n in range(3)))
        fd = descriptor()
        assert await poll_until(lambda: os.fstat(fd).st_blocks > 0)
        os.kill(pid, signal.SIGKILL)
        answers = await pending
        assert all(np.array_equal(answer, (LARGE + n)[::-1]) for n, answer in enumerate(answers))


PARENT = """
import asyncio, sys
import numpy as np
from pulse_ai import Serving
from pulse_ai.core import TaskSpec

async def main():
    async with Serving(TaskSpec(":".join(sys.argv[1:3])), deadline_s=60).open() as serving:
        asked = asyncio.ensure_future(serving.infer(np.zeros(2**20)))
        if sys.argv[2] == "Arrays":
            await asked
        print(serving.slots[0].pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.process
@pytest.mark.parametrize("task", ["Arrays", "Keeps"])
def test_a_killed_parent_leaves_no_process_that_holds_an_area(task: str) -> None:
    arguments = [sys.executable, "-c", PARENT, str(FOLDER / "array_tasks.py"), task]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        assert held(parent.pid)
        assert held(worker.pid)
        parent.send_signal(signal.SIGKILL)
        gone, _ = psutil.wait_procs([worker], timeout=10)
    assert gone == [worker] or worker.status() == psutil.STATUS_ZOMBIE


@pytest.mark.process
async def test_a_worker_that_knows_no_area_gets_all_in_the_frame() -> None:
    async with one_worker(None, fast(command=rogue("well"))) as (worker, pool):
        await worker.wait_ready()
        (echoed,) = await pool.ask(worker, LARGE)
        assert np.array_equal(echoed, LARGE)


@pytest.mark.process
async def test_a_value_where_nothing_was_written_is_an_answer_like_another() -> None:
    async with supervised("Echo", fast(command=rogue("shares a hole"), stop_timeout_s=0.05)) as pool:
        assert await pool.ask(await pool.ready(), "x") == [0]


@pytest.mark.process
async def test_answers_over_the_bound_together_fail_alone_in_the_area_too() -> None:
    async with supervised(array_task("Zeros"), fast(max_frame_bytes=3 * SHARED_LEAST_BYTES)) as pool:
        worker = await pool.ready()
        large, small = await pool.ask(worker, SHARED_LEAST_BYTES, 10)
        assert (len(large), len(small)) == (SHARED_LEAST_BYTES, 10)
        *three, small = await pool.ask(worker, *[SHARED_LEAST_BYTES] * 3, 10)
        assert all("over the frame limit of 393216 bytes together" in answer for answer in three)
        assert len(small) == 10
        assert "over the limit of 393216" in (await pool.ask(worker, 3 * SHARED_LEAST_BYTES))[0]


@pytest.mark.process
async def test_without_memory_for_the_area_a_batch_goes_through_the_wire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_memory(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pulse_ai.port.area.os.posix_fallocate", no_memory)
    async with supervised(array_task("Arrays")) as pool:
        assert await _backwards(pool)
    monkeypatch.setattr("pulse_ai.port.area.os.memfd_create", no_memory)
    async with supervised(array_task("Arrays")) as pool:
        assert await _backwards(pool)
        assert held() == []


async def _backwards(pool: Pool) -> bool:
    (answer,) = await pool.ask(await pool.ready(), LARGE)
    return np.array_equal(answer, LARGE[::-1])
