"""The asyncio shell round a scheduler: reads the clock, knows whom to tell, carries out actions.

All decisions are the scheduler's. Requests that arrive in one turn of the event loop are seen by it together,
because ``poll`` runs once at the end of the turn: so concurrent callers fill a batch without any timer.
"""

__all__ = ("Engine", "OnSettled", "Runner")

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from pulse_ai.core import Priority, RequestError
from pulse_ai.port import Item, Result, Timing
from pulse_ai.serving.scheduler import Scheduler
from pulse_ai.serving.statistics import Statistics
from pulse_ai.serving.ticket import Action, SendBatch, Settle, Ticket

OnSettled = Callable[[msgspec.Raw | RequestError], None]
"""Told what became of an item: the encoded answer, or the error. Errors are handed over as values: one that is
raised holds its frame, which holds it, and such circles pile up until a collection stalls the whole service."""

_LEAST_TIMER_S = 0.001  # the event loop's clock ticks in milliseconds


class Runner(Protocol):
    """Where batches go: worker processes, or in a test a fake that waits to be told."""

    def send_batch(self, worker_id: int, batch_id: int, items: Sequence[Item]) -> None:
        """Hand a batch to a free worker; ``Engine.batch_done`` or ``Engine.worker_lost`` follows."""

    def kill(self, worker_id: int) -> None:
        """End a worker that hangs; ``Engine.worker_lost`` follows."""


class Engine:
    """Serves callers in one event loop.

    Args:
        scheduler: Decides; nobody else may drive it.
        runner: Carries batches to workers.
        deadline_s: A caller's time limit where it brings none.
    """

    def __init__(self, scheduler: Scheduler, runner: Runner, *, deadline_s: float) -> None:
        self._scheduler = scheduler
        self._runner = runner
        self._deadline_s = deadline_s
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, OnSettled] = {}
        self._next_id = 0
        self._poll_is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = 0.0
        self._emptied = asyncio.Event()

    async def infer(
        self,
        value: bytes,
        *,
        timeout_s: float | None = None,
        priority: Priority = "interactive",
        caller: str = "",
    ) -> msgspec.Raw:
        """Have one encoded item answered.

        Args:
            value: The item as msgpack.
            timeout_s: The caller's time limit, in seconds; None: the default one.
            priority: ``interactive`` goes before ``batch``.
            caller: Who asks, for fair shares of the queue; empty where nobody knows.

        Returns:
            The answer as msgpack. It shares the memory of the frame that it came in.

        Raises:
            RequestError: Refused, failed or out of time; the class says which. If the caller is cancelled,
                the item is taken out of the queue.
        """
        future: asyncio.Future[msgspec.Raw] = self._loop.create_future()

        def settle(outcome: msgspec.Raw | RequestError) -> None:
            if future.done():
                return  # the caller has gone
            if isinstance(outcome, RequestError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        ticket_id = self.submit(value, settle, timeout_s=timeout_s, priority=priority, caller=caller)
        try:
            return await future
        except asyncio.CancelledError:
            self.cancel(ticket_id)
            raise
        finally:
            del future  # it holds the error, whose traceback holds this frame

    def submit(
        self,
        value: bytes,
        on_settled: OnSettled,
        *,
        timeout_s: float | None = None,
        priority: Priority = "interactive",
        caller: str = "",
    ) -> int:
        """Hand in one encoded item, and be called with its outcome: ``infer`` without a task of its own.

        Args:
            value: The item as msgpack.
            on_settled: Called once with the answer or the error: from the event loop, or before this returns
                where the item is refused. It must not block or raise.
            timeout_s: The caller's time limit, in seconds; None: the default one.
            priority: ``interactive`` goes before ``batch``.
            caller: Who asks, for fair shares of the queue; empty where nobody knows.

        Returns:
            An id for ``cancel``; 0 where the item was refused.
        """
        now_s = time.monotonic()
        self._next_id = ticket_id = self._next_id + 1
        ticket = Ticket(
            ticket_id,
            value,
            offered_at_s=now_s,
            deadline_at_s=now_s + (self._deadline_s if timeout_s is None else timeout_s),
            priority=priority,
            caller=caller,
        )
        refusal = self._scheduler.offer(ticket, now_s=now_s)
        if refusal is not None:
            on_settled(refusal)
            return 0
        self._waiting[ticket_id] = on_settled
        if not self._poll_is_due:
            self.wake()
        return ticket_id

    def cancel(self, ticket_id: int) -> None:
        """Forget an item whose caller has gone; ``on_settled`` will not be called any more."""
        if self._waiting.pop(ticket_id, None) is not None:
            self._scheduler.cancel(ticket_id)
            self.wake()

    # What the runner tells.

    def worker_ready(self, worker_id: int, timings: Sequence[Timing] = ()) -> None:
        """Take a new worker into service, with what its warm-up took."""
        self._scheduler.worker_ready(worker_id, timings)
        self.wake()

    def worker_expected(self, why: str, *, in_s: float) -> None:
        """Note when the next worker is likely to be ready, and why there may be none until then."""
        self._scheduler.worker_expected(why, at_s=time.monotonic() + in_s)

    def batch_done(self, worker_id: int, result: Result) -> None:
        """Settle a batch, and give the worker the next one in the same turn."""
        self._scheduler.batch_done(worker_id, result, now_s=time.monotonic())
        self._poll()

    def worker_lost(self, worker_id: int) -> None:
        """Take a worker out of service."""
        self._scheduler.worker_lost(worker_id, now_s=time.monotonic())
        self.wake()

    # Ends.

    async def drain(self, *, grace_s: float) -> None:
        """Refuse new requests, let the accepted ones finish within the grace time, answer the rest (G7)."""
        self._scheduler.drain()
        self._emptied.clear()
        if not self._scheduler.is_empty:
            try:
                async with asyncio.timeout(grace_s):
                    await self._emptied.wait()
            except TimeoutError:
                pass
        self.close()

    def close(self) -> None:
        """Refuse new requests and answer all that is left, at once."""
        self._scheduler.drain()
        self._scheduler.answer_rest()
        self._poll()
        if self._timer is not None:
            self._timer.cancel()

    # Views.

    def statistics(self) -> Statistics:
        """Return how things stand now."""
        return self._scheduler.statistics()

    @property
    def can_serve(self) -> bool:
        """Whether a worker is ready and new requests are taken (G8)."""
        return self._scheduler.can_serve

    def shut(self) -> RequestError | None:
        """Return what any request is refused with now: ``NotReady`` or ``Draining``; None where one can serve."""
        return self._scheduler.shut(now_s=time.monotonic())

    # The turn.

    def wake(self) -> None:
        """Have the scheduler polled at the end of this turn of the event loop."""
        if not self._poll_is_due:
            self._poll_is_due = True
            self._loop.call_soon(self._poll)

    def _poll(self) -> None:
        self._poll_is_due = False
        now_s = time.monotonic()
        for action in self._scheduler.poll(now_s=now_s):
            try:
                self._carry_out(action)
            except Exception as error:  # noqa: BLE001 - a bug, which must not cost the others their answers
                what = f"{type(action).__name__} could not be carried out"
                self._loop.call_exception_handler({"message": what, "exception": error})
        if self._scheduler.is_empty:
            self._emptied.set()
        self._arm(now_s)

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, Settle):
            on_settled = self._waiting.pop(action.ticket.id, None)
            if on_settled is not None:
                on_settled(action.outcome)
        elif isinstance(action, SendBatch):
            items = [Item(ticket.id, msgspec.Raw(ticket.value)) for ticket in action.tickets]
            self._runner.send_batch(action.worker_id, action.batch_id, items)
        else:
            self._runner.kill(action.worker_id)

    def _arm(self, now_s: float) -> None:
        """Set the timer, unless one is set that rings early enough: a ring too many costs little."""
        wake_at_s = self._scheduler.wake_at_s()
        if wake_at_s is None or (self._timer is not None and self._timer_at_s <= wake_at_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at_s = wake_at_s
        self._timer = self._loop.call_later(max(wake_at_s - now_s, _LEAST_TIMER_S), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._poll()
