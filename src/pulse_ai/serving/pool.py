"""The runner that carries batches to supervised worker processes, and knows how each of them is."""

__all__ = ("SlotStatus", "WorkerPool")

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pulse_ai.core import LoadFailed, Manifest, PulseError, TaskSpec, WorkerSettings
from pulse_ai.port import Item, Restart, Result, Supervisor, Worker
from pulse_ai.serving.engine import Engine

_FIRST_LOAD_S = 2.0  # how long a load is taken to last before one has been seen


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotStatus:
    """One of the pool's places for a worker.

    Attributes:
        state: ``loading``; ``ready``: can serve; ``waiting``: ended, starts again after a back-off;
            ``failed``: ended too often, goes on trying at the longest back-off.
        pid: The process, or 0.
        text: What is being done, or why it is not.
        fraction: How far loading is, in [0, 1], or None where unknown.
        starts: How many times a process was started here.
    """

    state: Literal["loading", "ready", "waiting", "failed"] = "loading"
    pid: int = 0
    text: str = "starting"
    fraction: float | None = None
    starts: int = 1


class WorkerPool:
    """Implements ``Runner`` for the engine and ``PoolEvents`` for the supervisor.

    Args:
        name: The model's name.
        task: What the workers build; None where they know by themselves.
        settings: How many workers, and when to restart them.
    """

    def __init__(self, *, name: str, task: TaskSpec | None, settings: WorkerSettings) -> None:
        self._supervisor = Supervisor(name=name, task=task, settings=settings, events=self)
        self._engine: Engine | None = None
        self._workers: dict[int, Worker] = {}
        self._ids: dict[Worker, int] = {}
        self._next_id = 0
        self._load_began_at_s = [time.monotonic()] * settings.workers
        self._load_s = _FIRST_LOAD_S
        self._first_ready: asyncio.Future[Manifest] = asyncio.get_running_loop().create_future()
        self.slots = [SlotStatus()] * settings.workers
        self.manifest: Manifest | None = None

    async def run(self, engine: Engine) -> None:
        """Keep the workers running for the engine until cancelled.

        Raises:
            WorkerError: A slot gave up and ``on_give_up`` is ``exit``.
        """
        self._engine = engine
        engine.worker_expected("loading", in_s=self._load_s)
        try:
            await self._supervisor.run()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def wait_ready(self) -> Manifest:
        """Wait until a worker has been ready once.

        Raises:
            LoadFailed: The task cannot be built or loaded, and never was.
        """
        return await asyncio.shield(self._first_ready)

    # What the engine asks for.

    def send_batch(self, worker_id: int, batch_id: int, items: Sequence[Item]) -> None:
        """Send a batch to a worker."""
        self._workers[worker_id].send_batch(batch_id, items)

    def kill(self, worker_id: int) -> None:
        """Kill a worker that hangs."""
        self._workers[worker_id].kill()

    # What the supervisor tells.

    def worker_progress(self, slot: int, fraction: float | None, text: str) -> None:
        """Note how far a load is."""
        self._set(slot, state="loading", fraction=fraction, text=text)

    def worker_ready(self, worker: Worker, manifest: Manifest) -> None:
        """Give the worker to the engine."""
        self._next_id += 1
        self._workers[self._next_id] = worker
        self._ids[worker] = self._next_id
        self._load_s = time.monotonic() - self._load_began_at_s[worker.slot]
        self.manifest = manifest
        self._set(worker.slot, state="ready", pid=worker.pid, text="ready", fraction=1.0)
        self._to_engine().worker_ready(self._next_id)
        if not self._first_ready.done():
            self._first_ready.set_result(manifest)

    def worker_result(self, worker: Worker, result: Result) -> None:
        """Pass a batch's answers on."""
        self._to_engine().batch_done(self._ids[worker], result)

    def worker_closed(self, worker: Worker) -> None:
        """Take the worker from the engine, which retries what it had."""
        worker_id = self._ids.pop(worker, None)
        if worker_id is not None:
            del self._workers[worker_id]
            self._to_engine().worker_lost(worker_id)
            self._set(worker.slot, state="waiting", pid=0, text="ended", fraction=None)

    def worker_lost(self, slot: int, worker: Worker | None, error: PulseError, restart: Restart) -> None:
        """Note why, and when the next one can be expected."""
        if worker is not None:
            self.worker_closed(worker)
        state = "failed" if restart.gave_up else "waiting"
        starts = self.slots[slot].starts + 1
        self._set(slot, state=state, pid=0, text=str(error), fraction=None, starts=starts)
        self._load_began_at_s[slot] = time.monotonic() + restart.delay_s
        self._to_engine().worker_expected(str(error), in_s=restart.delay_s + self._load_s)
        if isinstance(error, LoadFailed) and not self._first_ready.done():
            self._first_ready.set_exception(error)
            self._first_ready.exception()  # whoever waits sees it; nobody has to

    @property
    def restarts(self) -> int:
        """How many workers were started beyond the first ones."""
        return sum(slot.starts - 1 for slot in self.slots)

    def _set(self, slot: int, **changes: object) -> None:
        self.slots[slot] = replace(self.slots[slot], **changes)  # type: ignore[arg-type]

    def _to_engine(self) -> Engine:
        assert self._engine is not None  # noqa: S101 - run sets it before the supervisor starts
        return self._engine
