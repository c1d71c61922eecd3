"""A worker with a memory limit: an item that is too much fails alone, and a death for want of memory is told."""

import signal
import sys

import pytest

from pulse_ai.core import DEATH_REASONS, LoadFailed, StartTimeout, WireError, WorkerLost
from pulse_ai.port import reason_of
from pulse_ai.port.deaths import death_reason

from .conftest import fast, send, supervised

pytestmark = [
    pytest.mark.process,
    pytest.mark.usefixtures("no_leaks"),
    pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA is what we need only on Linux"),
]
MIB = 2**20
BAD_ALLOC = "terminate called after throwing an instance of 'std::bad_alloc'"


async def test_an_item_over_the_limit_fails_alone_and_no_worker_dies() -> None:
    async with supervised("Allocates", fast(worker_memory_bytes=256 * MIB)) as pool:
        worker = await pool.ready()
        why = "MemoryError: no memory is left for this item"
        assert await pool.ask(worker, 1, 10_000, 2, 3) == [1, why, 2, 3]
        assert await pool.ask(worker, 100) == [100]
        assert worker.idle


async def test_without_a_limit_there_is_none() -> None:
    async with supervised("Allocates") as pool:
        assert await pool.ask(await pool.ready(), 600) == [600]


async def test_a_limit_over_what_the_machine_has_is_none() -> None:
    async with supervised("Allocates", fast(worker_memory_bytes=2**62)) as pool:
        assert await pool.ask(await pool.ready(), 600) == [600]


async def test_a_worker_without_memory_for_its_own_work_says_so_and_is_replaced() -> None:
    async with supervised("Echo", fast(worker_memory_bytes=64 * MIB)) as pool:
        send(await pool.ready(), "x" * (60 * MIB))
        error = await pool.lost()
        assert reason_of(error) == "memory"
        assert "no memory left" in str(error)
        assert await pool.ask(await pool.ready(2), "fine") == ["fine"]


@pytest.mark.parametrize(
    ("limit_bytes", "words", "reason"),
    [(256 * MIB, BAD_ALLOC, "memory"), (256 * MIB, "assertion failed", "crash"), (0, BAD_ALLOC, "crash")],
)
async def test_an_abort_is_told_by_its_last_words_where_there_is_a_limit(
    limit_bytes: int, words: str, reason: str
) -> None:
    async with supervised("Aborts", fast(worker_memory_bytes=limit_bytes)) as pool:
        send(await pool.ready(), words)
        error = await pool.lost()
        assert reason_of(error) == reason
        assert ("at its memory limit of 268435456 bytes" in str(error)) == (reason == "memory")


async def test_a_limit_under_what_loading_takes_is_a_failed_load() -> None:
    async with supervised("TakesMemoryInLoad", fast(worker_memory_bytes=128 * MIB)) as pool:
        error = await pool.lost()
        assert isinstance(error, LoadFailed)
        assert "MemoryError" in str(error)


@pytest.mark.parametrize(
    ("code", "words", "reason"),
    [
        (0, b"", "exit"),
        (7, b"", "exit"),
        (-signal.SIGSEGV, b"", "crash"),
        (-signal.SIGKILL, b"", "killed"),
        (-signal.SIGKILL, BAD_ALLOC.encode(), "killed"),
        (-signal.SIGTERM, b"", "killed"),
        (-signal.SIGABRT, b"memory allocation of 99 bytes failed\n", "memory"),
        (1, b"OpenBLAS: Cannot allocate memory", "memory"),
        (0, b"out of memory", "exit"),
    ],
)
def test_the_reason_of_an_exit(code: int, words: bytes, reason: str) -> None:
    assert death_reason(code, last_words=words) == reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (WorkerLost("x"), "exit"),
        (WorkerLost("x", reason="overdue"), "overdue"),
        (LoadFailed("x"), "load"),
        (StartTimeout(limit_s=1), "silent"),
        (WireError("x"), "protocol"),
    ],
)
def test_every_end_has_a_reason_that_is_counted(error: WorkerLost, reason: str) -> None:
    assert reason_of(error) == reason
    assert reason in DEATH_REASONS
