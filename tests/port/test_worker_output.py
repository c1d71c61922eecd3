"""What a worker prints goes to the log and nowhere else."""

import asyncio
import os
from collections.abc import Callable

import numpy as np
import psutil
import pytest

from pulse_ai.core import TaskSpec, WorkerSettings
from pulse_ai.port import process

from .conftest import FOLDER, Leaks, descriptors, fast, one_worker, supervised

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("no_leaks")]


async def test_what_a_task_prints_is_logged_and_does_not_break_the_wire(
    worker_log: Callable[[], str],
) -> None:
    async with supervised("Talker") as pool:
        worker = await pool.ready()
        assert await pool.ask(worker, "a", "b") == ["a", "b"]
        assert await pool.ask(worker, "c") == ["c"]
    printed = worker_log()
    for line in ("load on stdout", "load on stderr", "predict on stdout", "from C on 1", "from C on 2"):
        assert f"[{worker.pid}] {line}" in printed
    assert "\ufffd no text" in printed


async def test_a_flood_without_a_line_end_is_held_in_no_more_than_a_little_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pieces: list[int] = []

    def note(_text: str, _pid: int, line: str) -> None:
        pieces.append(len(line))

    monkeypatch.setattr(process._log, "info", note)
    async with supervised("Flood") as pool:
        worker = await pool.ready()
        await pool.ask(worker, 1)
        before_bytes = psutil.Process().memory_info().rss
        assert await pool.ask(worker, 100) == [100]
        grown_bytes = psutil.Process().memory_info().rss - before_bytes
    assert sum(pieces) == 101 * 2**20
    assert max(pieces) <= 16 * 1024
    assert grown_bytes < 20 * 2**20


async def test_a_program_that_prints_short_lines_without_end_leaves_the_loop_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []

    def note(_text: str, _pid: int, line: str) -> None:
        lines.append(line)

    monkeypatch.setattr(process._log, "info", note)
    in_a_turn: list[int] = []
    async with process.open_process(("/bin/sh", "-c", "yes"), wire_fd=0):
        while len(lines) < 20_000:
            before = len(lines)
            await asyncio.sleep(0)
            in_a_turn.append(len(lines) - before)
    assert max(in_a_turn) <= 512 + 1


async def test_a_task_that_closes_its_stdout_goes_on_and_ends_with_code_0() -> None:
    async with supervised("Ends") as pool:
        worker = await pool.ready()
        assert await pool.ask(worker, "close stdout") == ["close stdout"]
        assert await pool.ask(worker, "x") == ["x"]
    assert [worker._started_process()._process.returncode] == [0]


def _sockets(pid: int) -> set[str]:
    return {what for what in descriptors(pid).values() if what.startswith("socket:")}


async def test_a_worker_has_its_end_of_the_wire_and_nothing_else_of_ours() -> None:
    before = _sockets(os.getpid())
    async with one_worker("Echo") as (first, _), one_worker("Echo") as (second, _):
        await asyncio.gather(first.wait_ready(), second.wait_ready())
        ours = _sockets(os.getpid()) - before
        wires = [_sockets(worker.pid) - before for worker in (first, second)]
        assert [len(wire) for wire in wires] == [1, 1]
        assert not wires[0] & wires[1]
        assert not (wires[0] | wires[1]) & ours
        for worker in (first, second):
            assert not {what for what in descriptors(worker.pid).values() if "event" in what}


async def test_arrays_of_8_megabytes_go_both_ways_intact() -> None:
    array = np.random.default_rng(5).integers(0, 2**63, 2**20)
    async with supervised(TaskSpec(f"{FOLDER / 'array_tasks.py'}:Arrays")) as pool:
        worker = await pool.ready()
        backwards, small = await pool.ask(worker, array, array[:3])
    assert array.nbytes == 8 * 2**20
    assert np.array_equal(backwards, array[::-1])
    assert np.array_equal(small, array[2::-1])


async def test_answers_that_are_too_large_together_fail_alone_and_the_worker_goes_on() -> None:
    async with supervised("Large", fast(max_frame_bytes=100_000)) as pool:
        worker = await pool.ready()
        await pool.ask(worker, 90_000)
        answers = await pool.ask(worker, 60_000, 60_000, 10)
        assert answers[2] == bytes(10)
        assert all("over the frame limit of 100000 bytes together" in answer for answer in answers[:2])
        assert "over the limit of 100000" in (await pool.ask(worker, 100_001))[0]
        assert await pool.ask(worker, 5) == [bytes(5)]


async def test_progress_after_loading_is_left_out() -> None:
    async with supervised("LateReporter") as pool:
        assert await pool.ask(await pool.ready(), 1) == [1]
        assert pool.noted.named("progress") == [(0, None, "importing")]


async def test_progress_from_a_thread_keeps_a_long_load_alive() -> None:
    async with supervised("ReportsForLong", WorkerSettings(start_timeout_s=0.9)) as pool:
        await pool.ready()
        texts = [text for _, _, text in pool.noted.named("progress")]
    assert texts == ["importing", *["\\udce9 still there"] * 12]


async def test_a_worker_that_ends_leaves_nothing(no_leaks: Leaks) -> None:
    async with one_worker("Echo") as (worker, _):
        await worker.wait_ready()
        assert no_leaks.found() != []
    assert no_leaks.found() == []
