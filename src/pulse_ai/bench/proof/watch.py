"""Looks at the metrics of a service, and kills its workers, while something else loads it."""

__all__ = ("Watch", "watching")

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from pulse_ai.bench.proof.report import Gauges
from pulse_ai.bench.proof.service import Service

_SAMPLE_S = 0.1  # between two looks at /metrics


@dataclass(slots=True)
class Watch:
    """What is seen and done while a load run goes on; instants are seconds from its beginning.

    Attributes:
        kills_at_s: When a worker is to be killed.
        killed_at_s: When one was.
        gauges: What ``/metrics`` said.
    """

    kills_at_s: tuple[float, ...] = ()
    killed_at_s: list[float] = field(default_factory=list[float])
    gauges: list[Gauges] = field(default_factory=list[Gauges])


@contextlib.asynccontextmanager
async def watching(service: Service, watch: Watch) -> AsyncGenerator[None]:
    """Look at the metrics and kill workers for as long as the block lasts."""
    began_s = time.monotonic()
    tasks = [
        asyncio.create_task(_look(service, watch, began_s)),
        asyncio.create_task(_kill(service, watch, began_s)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


async def _look(service: Service, watch: Watch, began_s: float) -> None:
    while True:
        await asyncio.sleep(_SAMPLE_S)
        with contextlib.suppress(TimeoutError, ConnectionError):
            watch.gauges.append(await service.gauges(time.monotonic() - began_s))


async def _kill(service: Service, watch: Watch, began_s: float) -> None:
    chance = random.Random(0)  # noqa: S311 - which worker is of no importance
    for at_s in watch.kills_at_s:
        await asyncio.sleep(max(0.0, began_s + at_s - time.monotonic()))
        pids = await asyncio.to_thread(service.workers)
        if pids:
            os.kill(chance.choice(pids), signal.SIGKILL)
            watch.killed_at_s.append(time.monotonic() - began_s)
