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

from pulse_ai import Serving
from pulse_ai.core import TaskSpec
from pulse_ai.port import Item, decode_value, encode_value
from pulse_ai.port.area import AREA_BYTES, SharedArea, WorkersArea
from pulse_ai.port.lending import SHARED_LEAST_BYTES, Placed, lend, restore
from pulse_ai.port.messages import Shared

from .conftest import FOLDER, LIMIT_S, Pool, fast, one_worker, poll_until, rogue, supervised

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the area is a memory file of Linux"),
    pytest.mark.usefixtures("nothing_left"),
]
LARGE = np.arange(SHARED_LEAST_BYTES // 8 + 3, dtype="<f8")


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


# The memory.


def test_what_one_side_writes_the_other_reads(areas: Areas) -> None:
    parents, workers = areas
    lent = lend(
        [Item(n, msgspec.Raw(bytes(SHARED_LEAST_BYTES + n))) for n in range(2)], parents.offer.parents
    )
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
