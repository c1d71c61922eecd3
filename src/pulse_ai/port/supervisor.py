"""Keeps a pool of workers running: starts, watches, restarts with back-off, and gives up loudly.

A rolling restart opens a slot for each new worker beside the slot of the old one, and closes that when the new
one has taken over. So a slot's number is never used twice, and a worker that does not load changes nothing.
"""

__all__ = ("PoolEvents", "Succession", "Supervisor")

import asyncio
import logging
import random
from typing import NamedTuple, Protocol

from pulse_ai.core import LoadFailed, Manifest, PulseError, TaskSpec, WireError, WorkerLost, WorkerSettings
from pulse_ai.port.restart import Restart, RestartPolicy
from pulse_ai.port.worker import Worker, WorkerEvents, open_worker

_log = logging.getLogger("pulse_ai.supervisor")


class Succession(NamedTuple):
    """A new worker is to take the place of an old one.

    Attributes:
        slot: Where the old one is.
        taken_over: To be set when the old one gets nothing more; it is ended then.
    """

    slot: int
    taken_over: asyncio.Future[None]


class PoolEvents(WorkerEvents, Protocol):
    """What a supervisor tells whoever serves with its workers. Called from the event loop; must not block."""

    def worker_ready(self, worker: Worker, manifest: Manifest) -> None:
        """The worker has loaded and is free."""

    def worker_lost(self, slot: int, worker: Worker | None, error: PulseError, restart: Restart) -> None:
        """The worker has ended, or could not be started; the next one starts after ``restart.delay_s``."""

    def worker_succeeds(self, worker: Worker, manifest: Manifest, succession: Succession) -> None:
        """The worker has loaded, and is to take over as soon as the one before it has no batch.

        Raises:
            LoadFailed: It must not, because to callers it is another model.
        """

    def slot_opened(self, slot: int) -> None:
        """A worker starts in a new slot."""

    def slot_closed(self, slot: int, error: PulseError | None) -> None:
        """No worker will start in this slot any more; ``error`` is why, None where it was let go."""


class Supervisor:
    """Runs ``settings.workers`` processes of one task.

    Args:
        name: The model's name; the worker puts it into its Manifest.
        task: What the workers build.
        settings: How many, and when to restart them.
        events: Told of everything that happens.
    """

    def __init__(
        self, *, name: str, task: TaskSpec | None, settings: WorkerSettings, events: PoolEvents
    ) -> None:
        self._name = name
        self._task = task
        self._settings = settings
        self._events = events
        self._random = random.Random()  # noqa: S311 - jitter, not a secret
        self._keepers: dict[int, asyncio.Task[None]] = {}
        self._next_slot = 0
        self._roll_is_due = asyncio.Event()

    async def run(self) -> None:
        """Keep the workers running until cancelled. All of them have ended when this returns.

        Raises:
            ExceptionGroup: Of a PulseError, where a slot gave up and ``on_give_up`` is ``exit``.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.workers):
                self._open_slot(group)
            group.create_task(self._roll_when_due(group), name="rolling-restart")

    def roll(self) -> None:
        """Have each worker replaced by a new one, one after the other, in ``run``.

        Asked again while that goes on, it begins anew afterwards.
        """
        self._roll_is_due.set()

    async def _roll_when_due(self, group: asyncio.TaskGroup) -> None:
        while await self._roll_is_due.wait():
            self._roll_is_due.clear()
            await self._roll(group)

    async def _roll(self, group: asyncio.TaskGroup) -> None:
        """Replace each worker, one after the other, until a new one cannot take over."""
        _log.info("%s: rolling restart begins", self._name)
        for done, slot in enumerate(tuple(self._keepers)):
            error = await self._replace(slot, group)
            if error is not None:
                text = "%s: rolling restart ended, %d workers are new: %s; the others stay as they are"
                _log.error(text, self._name, done, error)
                return
        _log.info("%s: rolling restart done, every worker is new", self._name)

    async def _replace(self, slot: int, group: asyncio.TaskGroup) -> PulseError | None:
        """Start a worker in a slot of its own; once it has taken over, let the one in ``slot`` go.

        Returns:
            None; or why the new one could not take over, in which case nothing has changed.
        """
        succession = Succession(slot, asyncio.get_running_loop().create_future())
        self._open_slot(group, succession)
        try:
            await succession.taken_over
        except PulseError as error:
            return error
        keeper = self._keepers.pop(slot)
        keeper.cancel()
        await asyncio.wait({keeper})
        self._events.slot_closed(slot, None)
        return None

    def _open_slot(self, group: asyncio.TaskGroup, succession: Succession | None = None) -> None:
        slot = self._next_slot
        self._next_slot += 1
        self._events.slot_opened(slot)
        self._keepers[slot] = group.create_task(self._keep(slot, succession), name=f"worker-slot-{slot}")

    async def _keep(self, slot: int, succession: Succession | None) -> None:
        policy = RestartPolicy(self._settings)
        loop = asyncio.get_running_loop()
        while True:
            worker, error = await self._run_worker(slot, succession)
            if succession is not None and not succession.taken_over.done():
                del self._keepers[slot]
                self._events.slot_closed(slot, error)
                succession.taken_over.set_exception(error)
                return
            served = worker is not None and worker.batches > 0
            restart = policy.worker_ended(now_s=loop.time(), jitter=self._random.random(), served=served)
            level = (
                logging.INFO if isinstance(error, LoadFailed) else logging.WARNING
            )  # that one is raised, too
            _log.log(level, "%s: %s; next start in %.2f s", self._name, error, restart.delay_s)
            self._events.worker_lost(slot, worker, error, restart)
            if restart.gave_up and self._settings.on_give_up == "exit":
                raise error
            await asyncio.sleep(restart.delay_s)

    async def _run_worker(self, slot: int, succession: Succession | None) -> tuple[Worker | None, PulseError]:
        """Run one worker from start to end and return it with the reason of its end."""
        worker: Worker | None = None
        try:
            async with open_worker(
                slot, name=self._name, task=self._task, settings=self._settings, events=self._events
            ) as worker:
                return worker, await self._watch(worker, succession)
        except (OSError, WireError) as error:
            return worker, WorkerLost(f"a worker could not be started: {error}")

    async def _watch(self, worker: Worker, succession: Succession | None) -> PulseError:
        ended = asyncio.ensure_future(worker.wait_ended())
        try:
            try:
                manifest = await worker.wait_ready()
            except PulseError:
                return await ended
            if worker.idle:  # else it has ended in the same turn of the loop
                self._hand_over(worker, manifest, succession)
            await self._ping(worker, ended)
            return await ended
        finally:
            ended.cancel()

    def _hand_over(self, worker: Worker, manifest: Manifest, succession: Succession | None) -> None:
        """Give a worker that has loaded to whoever serves with it."""
        if succession is None or succession.taken_over.done():
            self._events.worker_ready(worker, manifest)
            return
        try:
            self._events.worker_succeeds(worker, manifest, succession)
        except LoadFailed as error:
            worker.give_up(error)

    async def _ping(self, worker: Worker, ended: asyncio.Future[PulseError]) -> None:
        """Ask for a sign of life whenever the worker is idle, until it has ended."""
        every_s = self._settings.ping_every_s
        nonce = 0
        while not (await asyncio.wait({ended}, timeout=every_s))[0]:
            nonce += 1
            if worker.idle and not await worker.wait_life(nonce=nonce, limit_s=every_s):
                text = f"worker {worker.pid} was idle and gave no sign of life in {every_s:g} s"
                worker.give_up(WorkerLost(text, reason="silent"))
