"""A pool that notes what its workers do and waits to be asked, on both event loops, with a check for leaks."""

import asyncio
import collections
import contextlib
import gc
import logging
import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import uvloop

from pulse_ai.core import Manifest, PulseError, TaskSpec, WorkerSettings
from pulse_ai.port import Item, Restart, Result, Succession, Supervisor, Worker, decode_value, encode_value
from pulse_ai.port.process import open_process
from pulse_ai.port.worker import open_worker

FOLDER = Path(__file__).parent
LIMIT_S = 20.0  # generous: the machine may be busy


class Noted:
    """Implements ``PoolEvents``: writes down what happens, in order, and lets a test wait for it."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def wait(self, name: str, count: int = 1) -> tuple[Any, ...]:
        """Wait for the event of that name to come for the ``count``-th time and return what came with it."""
        async with asyncio.timeout(LIMIT_S), self._changed:
            await self._changed.wait_for(lambda: len(self.named(name)) >= count)
        return self.named(name)[count - 1]

    def named(self, name: str) -> list[tuple[Any, ...]]:
        return [event[1:] for event in self.events if event[0] == name]

    def _note(self, *event: Any) -> None:
        self.events.append(event)
        task = asyncio.get_running_loop().create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def settle(self) -> None:
        await asyncio.gather(*self._tasks)

    def worker_progress(self, slot: int, fraction: float | None, text: str) -> None:
        self._note("progress", slot, fraction, text)

    def worker_result(self, worker: Worker, result: Result) -> None:
        self._note("result", worker, result)

    def worker_closed(self, worker: Worker) -> None:
        self._note("closed", worker)

    def worker_ready(self, worker: Worker, manifest: Manifest) -> None:
        self._note("ready", worker, manifest)

    def worker_lost(self, slot: int, worker: Worker | None, error: PulseError, restart: Restart) -> None:
        self._note("lost", slot, worker, error, restart)

    def worker_succeeds(self, worker: Worker, manifest: Manifest, succession: Succession) -> None:
        self._note("succeeds", worker, manifest, succession)

    def slot_opened(self, slot: int) -> None:
        self._note("opened", slot)

    def slot_closed(self, slot: int, error: PulseError | None) -> None:
        self._note("slot closed", slot, error)


class Pool:
    """One slot under supervision."""

    def __init__(self, noted: Noted) -> None:
        self.noted = noted

    async def ready(self, count: int = 1) -> Worker:
        return (await self.noted.wait("ready", count))[0]

    async def lost(self, count: int = 1) -> PulseError:
        return (await self.noted.wait("lost", count))[2]

    async def ask(self, worker: Worker, *values: Any) -> list[Any]:
        """Send one batch and return what its items were answered with, in order."""
        count = len(self.noted.named("result")) + 1
        send(worker, *values)
        _, result = await self.noted.wait("result", count)
        answers = {answer.id: decode_value(answer.value) for answer in result.answers}
        return [answers[number] for number in range(1, len(values) + 1)]


def send(worker: Worker, *values: Any) -> None:
    worker.send_batch(7, [Item(n, msgspec.Raw(encode_value(value))) for n, value in enumerate(values, 1)])


def task_named(name: str) -> TaskSpec:
    return TaskSpec(f"{FOLDER / 'tasks.py'}:{name}")


def rogue(way: str) -> tuple[str, ...]:
    return (sys.executable, str(FOLDER / "rogue.py"), way)


def fast(**changes: Any) -> WorkerSettings:
    """Return settings under which a worker is started again at once."""
    merged: dict[str, Any] = {"backoff_first_s": 0.0, "restart_intensity": 1000, **changes}
    return WorkerSettings(**merged)


@contextlib.asynccontextmanager
async def supervised(task: str | TaskSpec, settings: WorkerSettings | None = None) -> AsyncGenerator[Pool]:
    """Keep one worker of a task running for as long as the block lasts."""
    noted = Noted()
    spec = task_named(task) if isinstance(task, str) else task
    supervisor = Supervisor(name="test", task=spec, settings=settings or fast(), events=noted)
    running = asyncio.create_task(supervisor.run())
    try:
        yield Pool(noted)
    finally:
        running.cancel()
        await asyncio.wait({running}, timeout=LIMIT_S)
        await noted.settle()


@contextlib.asynccontextmanager
async def one_worker(
    task: str | TaskSpec | None, settings: WorkerSettings | None = None
) -> AsyncGenerator[tuple[Worker, Pool]]:
    """Run one worker without a supervisor."""
    noted = Noted()
    spec = task_named(task) if isinstance(task, str) else task
    async with open_worker(0, name="test", task=spec, settings=settings or fast(), events=noted) as worker:
        yield worker, Pool(noted)
    await noted.settle()


def descriptors(pid: int) -> dict[int, str]:
    """Return what a process has open: the number of each descriptor, and what it is."""
    found: dict[int, str] = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists
            found[int(entry.name)] = str(entry.readlink())
    return found


async def poll_until(condition: Callable[[], bool], *, limit_s: float = LIMIT_S) -> bool:
    """Look until it is so, where nobody could tell us: other processes, and later turns of the loop."""
    loop = asyncio.get_running_loop()
    end_at_s = loop.time() + limit_s
    while not (done := condition()) and loop.time() < end_at_s:  # noqa: ASYNC110 - see above
        await asyncio.sleep(0.01)  # nobody tells us when another process or loop turn is done
    return done


def _kinds() -> collections.Counter[str]:
    """Count the descriptors of each kind; uvloop opens other ones of the same kinds whenever it runs."""
    return collections.Counter(what.partition(":")[0] for what in descriptors(os.getpid()).values())


class Leaks:
    """What was open before; ``found`` says what is open besides."""

    def __init__(self) -> None:
        self._descriptors = _kinds()
        self._children = set(psutil.Process().children(recursive=True))
        self._tasks = asyncio.all_tasks()

    def found(self) -> list[str]:
        gc.collect()
        tasks = asyncio.all_tasks() - self._tasks - {asyncio.current_task()}
        children = set(psutil.Process().children(recursive=True)) - self._children
        return [*map(str, tasks), *map(str, children), *(_kinds() - self._descriptors).elements()]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_loops: run on asyncio's own loop too, besides uvloop")


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on uvloop, as production does; and where the loops differ most, on both."""
    both = item.get_closest_marker("both_loops") is not None
    plain = {"asyncio": asyncio.new_event_loop} if both else {}
    return {**plain, "uvloop": uvloop.new_event_loop}


async def _warm_up() -> None:
    """Have the loop open what it opens for its first connection and its first process, and keeps."""
    ours, theirs = socket.socketpair()
    with theirs:
        wire, _ = await asyncio.get_running_loop().create_unix_connection(asyncio.Protocol, sock=ours)
    wire.close()
    async with open_process(("/bin/true",), wire_fd=0) as first:
        await first.wait()


@pytest.fixture
async def no_leaks() -> AsyncGenerator[Leaks]:
    """Fail the test where a process, descriptor or task is left when it has ended."""
    await _warm_up()
    leaks = Leaks()
    yield leaks
    await poll_until(lambda: not leaks.found(), limit_s=2.0)
    assert leaks.found() == []


@pytest.fixture
def worker_log(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Collect what the workers printed."""
    with caplog.at_level(logging.INFO, "pulse_ai.worker"):
        yield lambda: "\n".join(r.getMessage() for r in caplog.records if r.name == "pulse_ai.worker")
