"""A pool that notes what its workers do and waits to be asked, on both event loops, with a check for leaks."""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import uvloop

from pulse_ai.core import Manifest, PulseError, TaskSpec, WorkerSettings
from pulse_ai.port import Item, Restart, Result, Supervisor, Worker, decode_value, encode_value
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
    return WorkerSettings(**{"backoff_first_s": 0.0, "restart_intensity": 1000, **changes})


@asynccontextmanager
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


@asynccontextmanager
async def one_worker(
    task: str | TaskSpec | None, settings: WorkerSettings | None = None
) -> AsyncGenerator[tuple[Worker, Pool]]:
    """Run one worker without a supervisor."""
    noted = Noted()
    spec = task_named(task) if isinstance(task, str) else task
    async with open_worker(0, name="test", task=spec, settings=settings or fast(), events=noted) as worker:
        yield worker, Pool(noted)
    await noted.settle()


def _descriptors() -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add((name, os.readlink(f"/proc/self/fd/{name}")))
        except FileNotFoundError:  # the one that lists
            continue
    return found


class Leaks:
    """What was open before; ``found`` says what is open besides."""

    def __init__(self) -> None:
        self._descriptors = _descriptors()
        self._children = set(psutil.Process().children(recursive=True))
        self._tasks = asyncio.all_tasks()

    def found(self) -> list[str]:
        gc.collect()
        tasks = asyncio.all_tasks() - self._tasks
        children = set(psutil.Process().children(recursive=True)) - self._children
        return [*map(str, tasks), *map(str, children), *map(str, _descriptors() - self._descriptors)]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each asynchronous test of this folder on both loops; uvloop is what production runs on."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def no_leaks() -> AsyncGenerator[Leaks]:
    """Fail the test where a process, descriptor or task is left when it has ended."""
    loop = asyncio.get_running_loop()
    warm = await asyncio.create_subprocess_exec(
        "/bin/true"
    )  # a loop opens some for its first process, and keeps them
    await warm.wait()
    await asyncio.sleep(0)
    leaks = Leaks()
    yield leaks
    deadline_s = loop.time() + 2.0
    while leaks.found() and loop.time() < deadline_s:
        await asyncio.sleep(0.01)  # transports close in later turns of the loop
    assert leaks.found() == []


@pytest.fixture
def worker_log(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Collect what the workers printed."""
    with caplog.at_level(logging.INFO, "pulse_ai.worker"):
        yield lambda: "\n".join(r.getMessage() for r in caplog.records if r.name == "pulse_ai.worker")
