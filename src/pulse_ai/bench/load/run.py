"""The shell of a load run: it reads the clock, holds the sockets, and moves what ``Flow`` decides."""

__all__ = ("Progress", "loop_factory", "run_load", "run_load_sync")

import asyncio
import errno
import gc
import math
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle

from pulse_ai.bench.load.alarm import open_alarm
from pulse_ai.bench.load.flow import NO_SOCKET, NOT_CONNECTED, Flow
from pulse_ai.bench.load.ledger import Ledger
from pulse_ai.bench.load.link import Link
from pulse_ai.bench.load.plan import LoadPlan
from pulse_ai.bench.load.report import LoadReport
from pulse_ai.bench.load.schedule import Schedule
from pulse_ai.bench.load.slo import Rule
from pulse_ai.bench.load.target import Target
from pulse_ai.bench.load.verdicts import make_report

_HOUSEKEEPING_S = 0.02  # how often timeouts are looked for
_FOLD_S = 0.25  # how often ends are folded and progress is told
_CLOSE_S = 5.0
_OWN_FAULTS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL)  # no file or port is left here
_BURST = 64  # arrivals taken up before the sockets get a turn


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, for a live view.

    Attributes:
        elapsed_s: Seconds since its beginning; negative just before.
        total_s: Seconds that the plan takes, warm-up included.
        in_flight: Requests sent and not ended.
        waiting: Requests due that have no connection.
        stopping: Whether it was asked to stop, and waits for the answers that are due.
        ledger: Everything counted so far; read it, and do not keep it.
    """

    elapsed_s: float
    total_s: float
    in_flight: int
    waiting: int
    stopping: bool
    ledger: Ledger


Watch = Callable[[Progress], None]


def run_load_sync(
    plan: LoadPlan,
    target: Target,
    requests: Sequence[bytes],
    *,
    rules: tuple[Rule, ...] = (),
    watch: Watch | None = None,
) -> LoadReport:
    """Carry out a plan on an event loop of its own, uvloop where it exists; Ctrl-C stops it with a report.

    A first Ctrl-C sends no more and waits for the answers that are due; a second gives those up.

    Args:
        plan: When requests are due.
        target: Where they go.
        requests: Whole requests, sent in turn; see ``encode_requests``.
        rules: Objectives to be judged.
        watch: Told of the progress a few times a second.
    """

    async def supervised() -> LoadReport:
        run = _Run(plan, target, requests)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, run.stop)
        try:
            return await run.carry_out(rules, watch)
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(supervised())


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes an event loop for a run: uvloop's where it exists, else None for asyncio's own."""
    if sys.platform == "win32" or sys.implementation.name != "cpython":
        return None
    import uvloop

    return uvloop.new_event_loop


async def run_load(
    plan: LoadPlan,
    target: Target,
    requests: Sequence[bytes],
    *,
    rules: tuple[Rule, ...] = (),
    watch: Watch | None = None,
) -> LoadReport:
    """Carry out a plan on the running loop; see ``run_load_sync``. Cancelling it closes every connection."""
    return await _Run(plan, target, requests).carry_out(rules, watch)


class _Run:
    """One run. All its instants are seconds from its beginning, ``_zero_s`` of the monotonic clock."""

    def __init__(self, plan: LoadPlan, target: Target, requests: Sequence[bytes]) -> None:
        if not requests:
            raise ValueError("there is nothing to send")
        self._plan = plan
        self._target = target
        self._requests = cycle(requests)
        self._ledger = Ledger(plan)
        self._flow: Flow[Link] = Flow(
            connections=plan.connections, timeout_s=plan.timeout_s, finish=self._ledger.finish
        )
        self._schedule = Schedule(plan)
        self._links: set[Link] = set()
        self._no_links = asyncio.Event()
        self._opening: set[asyncio.Task[None]] = set()
        self._closing = False
        self._stops = 0
        self._stopped_at_s = math.inf
        self._zero_s = 0.0

    async def carry_out(self, rules: tuple[Rule, ...], watch: Watch | None) -> LoadReport:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        _rehearse(self._plan)
        gc.collect()
        gc.freeze()  # a collection of all that was ever imported would stall the generator
        self._zero_s = time.monotonic() + 0.01
        try:
            with open_alarm(asyncio.get_running_loop(), self._ring) as self._alarm:
                async with asyncio.TaskGroup() as self._tasks:
                    self._alarm.at(self._zero_s)
                    await self._keep_house(watch)
                    for task in self._opening:
                        task.cancel()
        finally:
            gc.unfreeze()
            await self._close()
        self._ledger.fold()
        url = f"http://{self._target.authority}{self._target.path}"
        return make_report(
            self._ledger, self._plan, url=url, started=started, rules=rules, until_s=self._stopped_at_s
        )

    def stop(self) -> None:
        """Send no more; called again, wait no more."""
        self._stops += 1
        self._stopped_at_s = min(self._stopped_at_s, self._now_s())
        self._schedule.end()
        if self._stops > 1:
            self._flow.abandon(self._now_s())
            self._move()

    def _now_s(self) -> float:
        return time.monotonic() - self._zero_s

    def _ring(self) -> None:
        """Take up what is due, and set the alarm for what comes next."""
        now_s = self._now_s()
        schedule, flow = self._schedule, self._flow
        taken = 0
        while schedule.next_s <= now_s and taken < _BURST:
            flow.offer(schedule.take(), now_s)
            taken += 1
        self._fill(now_s)
        self._move()
        if schedule.next_s < math.inf:
            self._alarm.at(self._zero_s + schedule.next_s)

    def _fill(self, now_s: float) -> None:
        """In a closed loop, let whatever is free ask again."""
        if self._schedule.closed_at(now_s):
            for _ in range(self._flow.spare):
                self._flow.offer(now_s, now_s)

    def _move(self) -> None:
        """Do what the flow decided."""
        flow = self._flow
        for link in flow.to_send:
            link.send(next(self._requests))
        flow.to_send.clear()
        while flow.to_open:
            flow.to_open -= 1
            task = self._tasks.create_task(self._open_link())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        for link in flow.to_close:
            link.cut()
        flow.to_close.clear()

    async def _open_link(self) -> None:
        try:
            async with asyncio.timeout(self._plan.timeout_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: Link(self), self._target.host, self._target.port
                )
        except OSError as error:  # refused, unreachable, unknown or out of time; or none could be had here
            code = NO_SOCKET if error.errno in _OWN_FAULTS else NOT_CONNECTED
            self._flow.open_failed(self._now_s(), code=code)
            self._move()

    def link_opened(self, link: Link) -> None:
        """Called by a link; see ``LinkEvents``."""
        self._links.add(link)
        self._flow.opened(link, self._now_s())
        self._move()

    def link_answered(self, link: Link, status: int, *, keep: bool) -> None:
        """Called by a link; see ``LinkEvents``."""
        now_s = self._now_s()
        self._flow.answered(link, status, now_s, keep=keep)
        self._fill(now_s)
        self._move()

    def link_lost(self, link: Link) -> None:
        """Called by a link; see ``LinkEvents``."""
        self._links.discard(link)
        self._flow.lost(link, self._now_s())
        if not self._links:
            self._no_links.set()
        if not self._closing:
            self._move()

    async def _keep_house(self, watch: Watch | None) -> None:
        """Give up what is overdue, fold and tell, until all is done."""
        fold_at_s = _FOLD_S
        while not (self._schedule.over_at(self._now_s()) and self._flow.idle):
            await asyncio.sleep(_HOUSEKEEPING_S)
            now_s = self._now_s()
            self._flow.expire(now_s)
            self._fill(now_s)
            self._move()
            if now_s >= fold_at_s:
                fold_at_s = now_s + _FOLD_S
                self._ledger.fold()
                if watch is not None:
                    watch(self._progress(now_s))

    def _progress(self, now_s: float) -> Progress:
        return Progress(
            elapsed_s=now_s,
            total_s=self._schedule.total_s,
            in_flight=self._flow.in_flight,
            waiting=self._flow.waiting,
            stopping=self._stops > 0,
            ledger=self._ledger,
        )

    async def _close(self) -> None:
        """Cut every connection, and wait until the loop has let go of them."""
        self._closing = True
        self._no_links.clear()
        for link in self._links:
            link.cut()
        if self._links:
            async with asyncio.timeout(_CLOSE_S):
                await self._no_links.wait()


def _rehearse(plan: LoadPlan) -> None:
    """Count one request that never was: what NumPy imports on first use would stall the generator."""
    ledger = Ledger(plan)
    ledger.finish(0.0, 0.0, 0.0, 0.0, 200)
    ledger.fold()
