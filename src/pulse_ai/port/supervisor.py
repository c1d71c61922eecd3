"""Keeps a pool of workers running: starts, watches, restarts with back-off, and gives up loudly."""

__all__ = ("PoolEvents", "Supervisor")

import asyncio
import logging
import random
from typing import Protocol

from pulse_ai.core import LoadFailed, Manifest, PulseError, TaskSpec, WireError, WorkerLost, WorkerSettings
from pulse_ai.port.restart import Restart, RestartPolicy
from pulse_ai.port.worker import Worker, WorkerEvents, open_worker

_log = logging.getLogger("pulse_ai.supervisor")


class PoolEvents(WorkerEvents, Protocol):
    """What a supervisor tells whoever serves with its workers. Called from the event loop; must not block."""

    def worker_ready(self, worker: Worker, manifest: Manifest) -> None:
        """The worker has loaded and is free."""

    def worker_lost(self, slot: int, worker: Worker | None, error: PulseError, restart: Restart) -> None:
        """The worker has ended, or could not be started; the next one starts after ``restart.delay_s``."""


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

    async def run(self) -> None:
        """Keep the workers running until cancelled. All of them have ended when this returns.

        Raises:
            ExceptionGroup: Of a PulseError, where a slot gave up and ``on_give_up`` is ``exit``.
        """
        async with asyncio.TaskGroup() as group:
            for slot in range(self._settings.workers):
                group.create_task(self._keep(slot), name=f"worker-slot-{slot}")

    async def _keep(self, slot: int) -> None:
        policy = RestartPolicy(self._settings)
        loop = asyncio.get_running_loop()
        while True:
            worker, error = await self._run_worker(slot)
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

    async def _run_worker(self, slot: int) -> tuple[Worker | None, PulseError]:
        """Run one worker from start to end and return it with the reason of its end."""
        worker: Worker | None = None
        try:
            async with open_worker(
                slot, name=self._name, task=self._task, settings=self._settings, events=self._events
            ) as worker:
                return worker, await self._watch(worker)
        except (OSError, WireError) as error:
            return worker, WorkerLost(f"a worker could not be started: {error}")

    async def _watch(self, worker: Worker) -> PulseError:
        ended = asyncio.ensure_future(worker.wait_ended())
        try:
            try:
                manifest = await worker.wait_ready()
            except PulseError:
                return await ended
            if worker.idle:  # else it has ended in the same turn of the loop
                self._events.worker_ready(worker, manifest)
            await self._ping(worker, ended)
            return await ended
        finally:
            ended.cancel()

    async def _ping(self, worker: Worker, ended: asyncio.Future[PulseError]) -> None:
        """Ask for a sign of life whenever the worker is idle, until it has ended."""
        every_s = self._settings.ping_every_s
        nonce = 0
        while not (await asyncio.wait({ended}, timeout=every_s))[0]:
            nonce += 1
            if worker.idle and not await worker.wait_life(nonce=nonce, limit_s=every_s):
                worker.give_up(
                    WorkerLost(f"worker {worker.pid} was idle and gave no sign of life in {every_s:g} s")
                )
