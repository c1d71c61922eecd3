"""The runner that carries batches to supervised worker processes, and knows how each of them is."""

__all__ = ("SlotStatus", "WorkerPool")

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from pulse_ai.core import (
    DeathReason,
    LoadFailed,
    Manifest,
    PulseError,
    StartTimeout,
    TaskSpec,
    WorkerLost,
    WorkerSettings,
)
from pulse_ai.port import Item, Restart, Result, Succession, Supervisor, Worker, reason_of
from pulse_ai.serving.engine import Engine

_FIRST_LOAD_S = 2.0  # how long a load is taken to last before one has been seen


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotStatus:
    """One of the pool's places for a worker.

    Attributes:
        state: ``loading``; ``ready``: can serve; ``waiting``: ended, starts again after a back-off;
            ``failed``: ended too often, goes on trying at the longest back-off; ``leaving``: a new worker has
            taken over.
        pid: The process, or 0.
        text: What is being done, or why it is not.
        fraction: How far loading is, in [0, 1], or None where unknown.
    """

    state: Literal["loading", "ready", "waiting", "failed", "leaving"] = "loading"
    pid: int = 0
    text: str = "starting"
    fraction: float | None = None


class _Successor(NamedTuple):
    """A worker that has loaded and waits until the one before it has no batch."""

    worker: Worker
    manifest: Manifest
    taken_over: asyncio.Future[None]


class WorkerPool:
    """Implements ``Runner`` for the engine and ``PoolEvents`` for the supervisor.

    Args:
        name: The model's name.
        task: What the workers build; None where they know by themselves.
        settings: How many workers, and when to restart them.

    Attributes:
        slots: How each worker is, by the number of its slot.
        manifest: What the newest worker said of the model; None until one was ready.
        restarts: How many workers were started because one had ended.
        deaths: How many workers ended, by the reason; those that were let go are not among them.
    """

    def __init__(self, *, name: str, task: TaskSpec | None, settings: WorkerSettings) -> None:
        self._supervisor = Supervisor(name=name, task=task, settings=settings, events=self)
        self._engine: Engine | None = None
        self._workers: dict[int, Worker] = {}
        self._ids: dict[Worker, int] = {}
        self._next_id = 0
        self._successors: dict[Worker, _Successor] = {}
        self._load_began_at_s: dict[int, float] = {}
        self._load_s = _FIRST_LOAD_S
        self._first_ready: asyncio.Future[Manifest] = asyncio.get_running_loop().create_future()
        self._failed: asyncio.Future[Manifest] = asyncio.get_running_loop().create_future()
        self.slots = {slot: SlotStatus() for slot in range(settings.workers)}
        self.manifest: Manifest | None = None
        self.restarts = 0
        self.deaths: Counter[DeathReason] = Counter()

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

    async def wait_ready_or_failed(self) -> Manifest:
        """Wait until a worker has been ready once, or one took too long, or each slot has ended too often.

        Raises:
            LoadFailed: The task cannot be built or loaded, and never was.
            WorkerError: What the last worker ended with. The slots go on trying all the same.
        """
        ready, failed = self._first_ready, self._failed
        await asyncio.wait({ready, failed}, return_when=asyncio.FIRST_COMPLETED)
        return (ready if ready.done() else failed).result()

    def roll(self) -> None:
        """Have each worker replaced by a new one that has loaded before the old one goes."""
        self._supervisor.roll()

    # What the engine asks for.

    def send_batch(self, worker_id: int, batch_id: int, items: Sequence[Item]) -> None:
        """Send a batch to a worker."""
        self._workers[worker_id].send_batch(batch_id, items)

    def kill(self, worker_id: int) -> None:
        """Kill a worker that hangs."""
        worker = self._workers[worker_id]
        text = f"worker {worker.pid} had a batch for longer than is plausible, and was killed"
        worker.give_up(WorkerLost(text, reason="overdue"))

    # What the supervisor tells.

    def worker_progress(self, slot: int, fraction: float | None, text: str) -> None:
        """Note how far a load is."""
        self._set(slot, state="loading", fraction=fraction, text=text)

    def worker_ready(self, worker: Worker, manifest: Manifest) -> None:
        """Give the worker to the engine."""
        self._next_id += 1
        self._take_in(worker, self._next_id, manifest)
        self._to_engine().worker_ready(self._next_id, worker.timings)
        if not self._first_ready.done():
            self._first_ready.set_result(manifest)

    def worker_succeeds(self, worker: Worker, manifest: Manifest, succession: Succession) -> None:
        """Put the worker in the place of the old one, now or when that has answered its batch.

        Raises:
            LoadFailed: The new model takes or answers something else than the old one.
        """
        _check_same(self.manifest, manifest)
        self._set(worker.slot, pid=worker.pid, text="loaded; waits until the old worker has no batch")
        successor = _Successor(worker, manifest, succession.taken_over)
        old = next((each for each in self._ids if each.slot == succession.slot), None)
        if old is None:  # it is loading, or has ended
            self._succeed_nobody(successor)
            return
        self._successors[old] = successor
        if old.idle:
            self._succeed(old)

    def worker_result(self, worker: Worker, result: Result) -> None:
        """Pass a batch's answers on."""
        worker_id = self._ids[worker]
        if worker in self._successors:
            self._succeed(worker)
        self._to_engine().batch_done(worker_id, result)

    def worker_closed(self, worker: Worker) -> None:
        """Take the worker from the engine, which retries what it had."""
        self._successors = {old: new for old, new in self._successors.items() if new.worker is not worker}
        worker_id = self._ids.pop(worker, None)
        if worker_id is None:
            return
        del self._workers[worker_id]
        self._to_engine().worker_lost(worker_id)
        self._set(worker.slot, state="waiting", pid=0, text="ended", fraction=None)
        successor = self._successors.pop(worker, None)
        if successor is not None:
            self._succeed_nobody(successor)

    def worker_lost(self, slot: int, worker: Worker | None, error: PulseError, restart: Restart) -> None:
        """Note why, and when the next one can be expected."""
        if worker is not None:
            self.worker_closed(worker)
        self.restarts += 1
        self.deaths[reason_of(error)] += 1
        state = "failed" if restart.gave_up else "waiting"
        self._set(slot, state=state, pid=0, text=str(error), fraction=None)
        self._load_began_at_s[slot] = time.monotonic() + restart.delay_s
        self._to_engine().worker_expected(str(error), in_s=restart.delay_s + self._load_s)
        if self._first_ready.done():
            return
        if isinstance(error, LoadFailed):
            _fail(self._first_ready, error)
        elif isinstance(error, StartTimeout) or all(each.state == "failed" for each in self.slots.values()):
            _fail(self._failed, error)

    def slot_opened(self, slot: int) -> None:
        """Note that a worker starts."""
        self.slots[slot] = SlotStatus()
        self._load_began_at_s[slot] = time.monotonic()

    def slot_closed(self, slot: int, error: PulseError | None) -> None:
        """Forget a slot."""
        del self.slots[slot], self._load_began_at_s[slot]
        if error is not None:
            self.deaths[reason_of(error)] += 1

    def _succeed(self, old: Worker) -> None:
        """Have a new worker go on under the id of an old one, which has no batch: the engine sees no change."""
        successor = self._successors.pop(old)
        self._set(old.slot, state="leaving", text="a new worker has taken over")
        self._take_in(successor.worker, self._ids.pop(old), successor.manifest)
        _set_done(successor.taken_over)

    def _succeed_nobody(self, successor: "_Successor") -> None:
        self.worker_ready(successor.worker, successor.manifest)
        _set_done(successor.taken_over)

    def _take_in(self, worker: Worker, worker_id: int, manifest: Manifest) -> None:
        self._workers[worker_id] = worker
        self._ids[worker] = worker_id
        self._load_s = time.monotonic() - self._load_began_at_s[worker.slot]
        self.manifest = manifest
        self._set(worker.slot, state="ready", pid=worker.pid, text="ready", fraction=1.0)

    def _set(self, slot: int, **changes: object) -> None:
        self.slots[slot] = replace(self.slots[slot], **changes)  # type: ignore[arg-type]

    def _to_engine(self) -> Engine:
        assert self._engine is not None  # noqa: S101 - run sets it before the supervisor starts
        return self._engine


def _check_same(old: Manifest | None, new: Manifest) -> None:
    """Raise where callers of the old model could not call the new one.

    Raises:
        LoadFailed: A schema has changed.
    """
    if old is None:
        return
    for what in ("input_schema", "output_schema"):
        if getattr(old, what) != getattr(new, what):
            raise LoadFailed(
                f"the {what} of the new model differs from that of the one that is served, so its callers would "
                "have to change; restart the service to serve it"
            )


def _fail(future: asyncio.Future[Manifest], error: PulseError) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # whoever waits sees it; nobody has to


def _set_done(taken_over: asyncio.Future[None]) -> None:
    if not taken_over.done():  # it is cancelled where the service ends meanwhile
        taken_over.set_result(None)
