"""A worker that speaks wrong: a clear error and a restart, never a hang and never a spin."""

import re

import pytest

from pulse_ai.core import (
    BadFrame,
    FrameTooLarge,
    LoadFailed,
    PulseError,
    StartTimeout,
    VersionMismatch,
    WorkerLost,
)

from .conftest import fast, rogue, send, supervised
from .rogue import WAYS

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("no_leaks")]

WHILE_LOADING: list[tuple[str, type[PulseError], str]] = [
    ("silent", StartTimeout, "did not become ready within 0.7 s"),
    ("wrong version", VersionMismatch, "the other side speaks protocol 2, this side speaks 1"),
    ("oversize", FrameTooLarge, "a frame of 4294967295 bytes is over the limit"),
    ("garbage", FrameTooLarge, "a frame of 1213486160 bytes"),
    ("garbage in a frame", BadFrame, "cannot be read"),
    ("unknown message", BadFrame, "cannot be read"),
    ("ready twice", BadFrame, "Ready is not legal while the worker is idle"),
    ("ready twice at once", BadFrame, "Ready is not legal while the worker is idle"),
    ("progress after ready", BadFrame, "Progress is not legal while the worker is idle"),
    ("result unasked", BadFrame, "Result is not legal while the worker is idle"),
    ("parent's word", BadFrame, "cannot be read"),
    (
        "end in a frame",
        WorkerLost,
        r"exited with code 0; the stream ended in the middle of a frame, \d+ bytes",
    ),
    ("end at once", WorkerLost, "exited with code 0"),
    ("ready and gone", WorkerLost, "exited with code 0"),
    ("closes", WorkerLost, "closed the wire but did not end, and was killed"),
    ("closes all", WorkerLost, "closed the wire but did not end, and was killed"),
    ("fatal and stays", LoadFailed, "no such model"),
    ("fatal and gone", WorkerLost, "the engine is gone"),
]
WHILE_BUSY: list[tuple[str, type[PulseError], str]] = [
    ("other batch", BadFrame, "a result for batch 12345 came, but another batch is out"),
    ("unknown ids", BadFrame, "does not answer each of its items once"),
    ("no answers", BadFrame, "does not answer each of its items once"),
    ("shares unasked", BadFrame, "speaks of a shared area, but that was not agreed on"),
    ("shares the parent's half", BadFrame, "a value from 0 to 1 is not in the shared area from 33554432"),
    ("keeps too much", BadFrame, "the worker keeps 67108864 bytes of items, but they have 33554432"),
    ("result and fatal", WorkerLost, "done for"),
    ("result and garbage", BadFrame, "cannot be read"),
]


def test_every_way_to_speak_wrong_is_tried() -> None:
    tried = {way for way, _, _ in WHILE_LOADING + WHILE_BUSY}
    assert tried | {"well", "half a result", "shares a hole"} == set(WAYS)


@pytest.mark.parametrize(("way", "kind", "text"), WHILE_LOADING, ids=lambda value: str(value)[:20])
async def test_a_worker_that_speaks_wrong_ends_in_a_clear_error_and_a_restart(
    way: str, kind: type[PulseError], text: str
) -> None:
    async with supervised("Echo", fast(command=rogue(way), start_timeout_s=0.7, stop_timeout_s=0.05)) as pool:
        error = await pool.lost()
        assert type(error) is kind
        assert re.search(text, str(error))
        await pool.lost(2)  # the next one was started, and ends in the same way
        assert len(pool.noted.named("closed")) == 2


@pytest.mark.parametrize(("way", "kind", "text"), WHILE_BUSY, ids=lambda value: str(value)[:20])
async def test_a_worker_that_answers_wrong_ends_in_a_clear_error_and_a_restart(
    way: str, kind: type[PulseError], text: str
) -> None:
    async with supervised("Echo", fast(command=rogue(way), stop_timeout_s=0.05)) as pool:
        send(await pool.ready(), "x")
        error = await pool.lost()
        assert type(error) is kind
        assert text in str(error)
        await pool.ready(2)
        assert len(pool.noted.named("result")) == way.startswith("result")


async def test_half_a_result_waits_until_the_batch_is_overdue() -> None:
    async with supervised("Echo", fast(command=rogue("half a result"), stop_timeout_s=0.05)) as pool:
        worker = await pool.ready()
        send(worker, "x")
        assert not worker.idle
        worker.kill()  # what the scheduler does with an overdue batch
        assert isinstance(await pool.lost(), WorkerLost)
        await pool.ready(2)


async def test_a_worker_of_another_program_serves_as_ours_does() -> None:
    async with supervised("Echo", fast(command=rogue("well"), ping_every_s=0.05)) as pool:
        worker = await pool.ready()
        assert await pool.ask(worker, "a", {"b": [1, None]}) == ["a", {"b": [1, None]}]
        assert await worker.wait_life(nonce=5, limit_s=10)
        assert await pool.ask(worker, "c") == ["c"]
