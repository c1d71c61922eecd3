"""However a worker ends: it is told once, clearly, and the next one starts."""

import asyncio
import os
import re
import signal
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from pulse_ai.core import FrameTooLarge, LoadFailed, StartTimeout, TaskSpec, WorkerLost, WorkerSettings
from pulse_ai.port.worker import open_worker

from .conftest import LIMIT_S, Leaks, Noted, fast, one_worker, poll_until, rogue, send, supervised

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("no_leaks")]


@pytest.mark.both_loops
async def test_a_killed_worker_is_closed_and_lost_once_and_started_again() -> None:
    async with supervised("Echo") as pool:
        worker = await pool.ready()
        os.kill(worker.pid, signal.SIGKILL)
        error = await pool.lost()
        assert isinstance(error, WorkerLost)
        assert str(error) == f"worker {worker.pid} was killed by SIGKILL"
        again = await pool.ready(2)
        assert again.pid != worker.pid
        assert await pool.ask(again, "x") == ["x"]
        names = [event[0] for event in pool.noted.events if event[0] in ("closed", "lost", "ready")]
        assert names == ["ready", "closed", "lost", "ready"]


@pytest.mark.parametrize(
    ("way", "how"),
    [
        ("exit", "exited with code 7"),
        ("exit with a thread", "exited with code 7"),
        ("os._exit", "exited with code 9"),
        ("segfault", "was killed by SIGSEGV"),
        ("abort", "was killed by SIGABRT"),
        ("close everything", "exited with code 1"),
    ],
)
async def test_a_task_that_ends_its_process_is_told_by_how_it_did(way: str, how: str) -> None:
    async with supervised("Ends") as pool:
        worker = await pool.ready()
        send(worker, way)
        error = await pool.lost()
        assert isinstance(error, WorkerLost)
        assert str(error) == f"worker {worker.pid} {how}"
        assert await pool.ask(await pool.ready(2), "fine") == ["fine"]


async def test_a_worker_that_is_killed_while_it_hangs_in_a_batch_is_replaced() -> None:
    async with supervised("Ends") as pool:
        worker = await pool.ready()
        send(worker, "hang")
        worker.kill()
        worker.kill()
        assert "SIGKILL" in str(await pool.lost())
        await pool.ready(2)


@pytest.mark.both_loops
async def test_a_grandchild_that_holds_wire_and_output_hides_no_death(worker_log: Callable[[], str]) -> None:
    async with supervised("Forks") as pool:
        worker = await pool.ready()
        send(worker, "and die")
        assert str(await pool.lost()) == f"worker {worker.pid} exited with code 5"
        await pool.ready(2)
        (line,) = [line for line in worker_log().splitlines() if "grandchild" in line]
        await _wait_gone(int(line.split()[-1]))


@pytest.mark.both_loops
async def test_a_grandchild_ends_with_its_worker() -> None:
    async with one_worker("Forks") as (worker, pool):
        await worker.wait_ready()
        (grandchild,) = await pool.ask(worker, "x")
        assert psutil.pid_exists(grandchild)
    await _wait_gone(grandchild)


@pytest.mark.both_loops
async def test_a_death_in_load_is_seen_though_a_grandchild_holds_the_wire() -> None:
    async with supervised("ForksAndDiesInLoad", fast(backoff_longest_s=30, restart_intensity=0)) as pool:
        error = await pool.lost()
        assert isinstance(error, WorkerLost)
        assert "exited with code 5" in str(error)


async def _wait_gone(pid: int) -> None:
    assert await poll_until(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    )


@pytest.mark.parametrize(
    ("task", "kind", "text"),
    [
        ("RaisesInLoad", LoadFailed, "RaisesInLoad.load failed: OSError: no file \\udce9 here"),
        ("ExitsInLoad", LoadFailed, "ExitsInLoad.load failed: SystemExit: 0"),
        ("DiesInLoad", WorkerLost, "was killed by SIGSEGV"),
        ("NoSuchTask", LoadFailed, "'NoSuchTask' in '.*tasks.py' does not exist"),
    ],
)
async def test_a_load_that_fails_says_why(task: str, kind: type[Exception], text: str) -> None:
    async with one_worker(task) as (worker, pool):
        ended = asyncio.ensure_future(worker.wait_ended())
        with pytest.raises((LoadFailed, WorkerLost)):
            await worker.wait_ready()
        error = await ended
        assert type(error) is kind
        assert text in str(error) or task == "NoSuchTask"
        await pool.noted.wait("closed")
    assert len(pool.noted.named("closed")) == 1


async def test_of_a_long_text_the_start_and_the_end_are_kept_for_each_refusal_repeats_it() -> None:
    async with one_worker("SaysMuchInLoad") as (worker, pool):
        error = str(await worker.wait_ended())
        progress = pool.noted.named("progress")[-1][-1]
    assert error.startswith("SaysMuchInLoad.load failed: KeyError: 'weights")
    assert re.search(r"weights ' \(tasks\.py, line \d+\)$", error)
    assert progress.startswith("looks for weights")
    assert max(len(error), len(progress)) < 2100


async def test_the_traceback_of_a_load_that_fails_is_in_the_log(worker_log: Callable[[], str]) -> None:
    async with one_worker("RaisesInLoad") as (worker, _):
        await worker.wait_ended()
    assert 'tasks.py", line' in worker_log()
    assert "OSError" in worker_log()


@pytest.mark.both_loops
async def test_programs_that_a_task_starts_get_none_of_our_descriptors() -> None:
    with open(os.devnull, "rb") as ours:  # noqa: ASYNC230, PTH123 - one that we have got from whoever started us
        os.set_inheritable(ours.fileno(), True)
        async with supervised("StartsPrograms") as pool:
            (given,) = await pool.ask(await pool.ready(), "x")
    assert set(given) <= {"0", "1", "2", "3"}  # 3 is the folder that ls reads


async def test_a_load_that_hangs_is_killed_at_the_start_timeout() -> None:
    async with supervised("HangsInLoad", fast(start_timeout_s=1.0, stop_timeout_s=60)) as pool:
        error = await pool.lost()
        assert isinstance(error, StartTimeout)
        assert str(error) == "the worker did not become ready within 1 s; raise the start timeout"


@pytest.mark.both_loops
async def test_an_idle_worker_that_is_stopped_is_found_by_a_ping() -> None:
    async with supervised("Echo", fast(ping_every_s=0.2)) as pool:
        worker = await pool.ready()
        os.kill(worker.pid, signal.SIGSTOP)
        assert str(await pool.lost()) == f"worker {worker.pid} was idle and gave no sign of life in 0.2 s"
        await pool.ready(2)


async def test_an_idle_worker_that_answers_pings_is_left_alone() -> None:
    async with supervised("Echo", fast(ping_every_s=0.3)) as pool:
        worker = await pool.ready()
        assert [await worker.wait_life(nonce=n, limit_s=LIMIT_S) for n in range(50)] == [True] * 50
        assert await pool.ask(worker, "x") == ["x"]
        assert pool.noted.named("lost") == []


@pytest.mark.both_loops
async def test_shutdown_ends_an_idle_worker_with_code_0() -> None:
    async with one_worker("Echo") as (worker, _):
        await worker.wait_ready()
        process = worker._started_process()
    assert await process.wait() == 0


async def test_a_worker_that_does_not_end_in_time_is_killed(worker_log: Callable[[], str]) -> None:
    async with one_worker("HangsAtExit", fast(stop_timeout_s=0.2)) as (worker, _):
        await worker.wait_ready()
        process = worker._started_process()
    assert await process.wait() == -signal.SIGKILL
    assert f"worker {worker.pid} did not end in 0.2 s; killing it" in worker_log()


async def test_a_busy_worker_is_killed_at_once() -> None:
    async with one_worker("Native", fast(stop_timeout_s=60)) as (worker, _):
        await worker.wait_ready()
        send(worker, 1)
        process = worker._started_process()
    assert await process.wait() == -signal.SIGKILL


async def test_a_batch_for_a_worker_that_has_just_ended_goes_nowhere() -> None:
    async with one_worker("Echo") as (worker, pool):
        await worker.wait_ready()
        worker.kill()
        await worker.wait_ended()
        send(worker, "x")
        worker.ping(1)
        assert not worker.idle
        assert pool.noted.named("closed") == [(worker,)]


@pytest.mark.both_loops
async def test_a_program_that_is_not_there_is_lost_and_tried_again() -> None:
    async with supervised("Echo", fast(command=("/no/such/program",), backoff_longest_s=0.01)) as pool:
        for count in (1, 2, 3):
            assert "a worker could not be started" in str(await pool.lost(count))
        assert pool.noted.named("closed") == []


async def test_a_task_that_does_not_fit_into_a_frame_is_lost_and_not_the_service() -> None:
    spec = TaskSpec("shop:Echo", ("x" * 5000,))
    async with supervised(spec, fast(max_frame_bytes=1024, restart_intensity=0)) as pool:
        assert "over the limit of 1024" in str(await pool.lost())
    with pytest.raises(FrameTooLarge):
        async with one_worker(spec, fast(max_frame_bytes=1024)):
            pass


async def test_a_pool_that_gives_up_ends_with_the_error_where_it_is_told_to() -> None:
    settings = fast(
        command=rogue("end at once"), restart_intensity=2, backoff_longest_s=0.01, on_give_up="exit"
    )
    noted: Any = Noted()
    from pulse_ai.port import Supervisor

    supervisor = Supervisor(name="test", task=None, settings=settings, events=noted)
    with pytest.raises(ExceptionGroup) as raised:
        await supervisor.run()
    assert isinstance(raised.value.exceptions[0], WorkerLost)
    assert [restart.gave_up for *_, restart in noted.named("lost")] == [False, False, True]
    await noted.settle()


@pytest.mark.both_loops
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 20])
async def test_a_start_that_is_cancelled_leaves_nothing(turns: int, no_leaks: Leaks) -> None:
    noted = Noted()

    async def start() -> None:
        settings = WorkerSettings(command=rogue("silent"))
        async with open_worker(0, name="test", task=None, settings=settings, events=noted) as worker:
            await worker.wait_ready()

    starting = asyncio.create_task(start())
    for _ in range(turns):
        await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait({starting}, timeout=LIMIT_S)
    assert starting.cancelled()
    await noted.settle()
