"""The scheduler: who may wait, what is sent to which worker, and when a request's time is over.

It is a plain object without clock, task, socket or lock. Events go in with ``now_s``, and ``poll`` gives the
actions that follow from them, so a test or a simulator can drive it through a day of faults in a second, the
same way each time. Four rules hold after every call:

* A ticket is settled exactly once; whatever comes for it later is dropped (G1).
* ``admitted == settled + waiting + running``: nothing is in two places, nothing in none.
* Items and bytes waiting are within their limits, and dead entries never pile up (G3).
* A ticket whose deadline has passed is never put into a batch (G4).
"""

__all__ = ("Scheduler",)

from collections import deque

import msgspec

from pulse_ai.core import (
    DeadlineExceeded,
    Draining,
    InvalidInput,
    ModelError,
    NotReady,
    Overloaded,
    PoisonedInput,
    RequestError,
    SchedulerSettings,
    TooLarge,
)
from pulse_ai.port import OK, Result
from pulse_ai.serving.deadlines import Deadlines
from pulse_ai.serving.pace import Pace
from pulse_ai.serving.queue import WaitingQueue
from pulse_ai.serving.retries import RetryQueue
from pulse_ai.serving.statistics import Counters, Statistics
from pulse_ai.serving.ticket import Action, KillWorker, SendBatch, Settle, Ticket, TicketState

_DRAIN_RETRY_S = 1.0  # by then a load balancer has found another instance


class _Run:
    """A batch that is with a worker."""

    __slots__ = ("killed", "overdue_at_s", "sent_at_s", "tickets")

    def __init__(self, tickets: list[Ticket], *, sent_at_s: float, overdue_at_s: float) -> None:
        self.tickets = tickets
        self.sent_at_s = sent_at_s
        self.overdue_at_s = overdue_at_s
        self.killed = False


class Scheduler:
    """Decides for one model's queue and workers.

    Args:
        settings: The limits.

    Example:
        >>> scheduler = Scheduler(SchedulerSettings(batch_size=2))
        >>> scheduler.worker_ready(1)
        >>> tickets = [Ticket(number, b"x", offered_at_s=0.0, deadline_at_s=1.0) for number in range(3)]
        >>> [scheduler.offer(ticket, now_s=0.0) for ticket in tickets]
        [None, None, None]
        >>> [(action.worker_id, len(action.tickets)) for action in scheduler.poll(now_s=0.0)]
        [(1, 2)]
        >>> scheduler.statistics().waiting_items
        1
    """

    def __init__(self, settings: SchedulerSettings) -> None:
        self._settings = settings
        self._live: dict[int, Ticket] = {}
        self._queue = WaitingQueue()
        self._retries = RetryQueue()
        self._deadlines = Deadlines(self._live)
        self._workers: dict[int, _Run | None] = {}
        self._free: deque[int] = deque()
        self._actions: list[Action] = []
        self._next_batch_id = 0
        self._draining = False
        self._outlook = ("loading", 0.0)
        self._pace = Pace()
        self.counters = Counters()

    # Events.

    def offer(self, ticket: Ticket, *, now_s: float) -> RequestError | None:
        """Admit a ticket, or say why not. It is decided now; nothing waits to be refused.

        Args:
            ticket: A new ticket.
            now_s: The present instant.

        Returns:
            None where the ticket was admitted and will be settled; else the refusal, and nothing was queued.
        """
        refusal = self.shut(now_s=now_s) or self._misfit(ticket, now_s) or self._overload(ticket)
        if refusal is not None:
            self.counters.answers[refusal.code] += 1
            return refusal
        self.counters.admitted += 1
        self._live[ticket.id] = ticket
        self._queue.push(ticket)
        self._deadlines.push(ticket)
        return None

    def cancel(self, ticket_id: int) -> None:
        """Forget a ticket whose caller has gone; harmless where it is already settled (G2)."""
        ticket = self._live.get(ticket_id)
        if ticket is not None:
            self.counters.answers["cancelled"] += 1
            self._leave(ticket)

    def worker_ready(self, worker_id: int) -> None:
        """Take a new worker into service; its id has never been used before."""
        self._workers[worker_id] = None
        self._free.append(worker_id)

    def worker_expected(self, why: str, *, at_s: float) -> None:
        """Note when the next worker is likely to be ready; a refusal for want of one says so."""
        self._outlook = (why, at_s)

    def batch_done(self, worker_id: int, result: Result, *, now_s: float) -> None:
        """Settle the items of a batch that has been answered; the worker is free."""
        run = self._workers.get(worker_id)
        if run is None:
            return
        self._workers[worker_id] = None
        self._free.append(worker_id)
        took_s = now_s - run.sent_at_s
        self._pace.batch_done(items=len(run.tickets), took_s=took_s)
        self.counters.worker_s.observe(took_s)
        if result.counts:
            self.counters.add_task_counts(result.counts)
        for answer in result.answers:
            ticket = self._live.get(answer.id)
            if ticket is None:
                self.counters.late += 1
            elif ticket.deadline_at_s <= now_s:
                self._settle(ticket, _expired(ticket, now_s))
            else:
                if answer.code == OK:
                    self.counters.answer_s.observe(now_s - ticket.offered_at_s)
                self._settle(ticket, _outcome(answer.code, answer.value))

    def worker_lost(self, worker_id: int) -> None:
        """Take a worker out of service; what it had goes again, or is found to have killed it (G5)."""
        if worker_id not in self._workers:
            return
        run = self._workers.pop(worker_id)
        self.counters.workers_lost += 1
        if run is None:
            self._free.remove(worker_id)
            return
        killer = self._retries.worker_lost(run.tickets)
        if killer is not None:
            self._settle(killer, PoisonedInput(deaths=killer.deaths))

    def drain(self) -> None:
        """Refuse whatever is offered from now on; what was admitted goes on (G7)."""
        self._draining = True

    def answer_rest(self) -> None:
        """Answer all that still waits or runs with ``draining``: the grace time is over (G7)."""
        for ticket in list(self._live.values()):
            self._settle(ticket, Draining(retry_after_s=_DRAIN_RETRY_S))

    def poll(self, *, now_s: float) -> list[Action]:
        """Let time pass, form batches, and return the actions that follow from all events so far."""
        for ticket in self._deadlines.take_due(now_s):
            self._settle(ticket, _expired(ticket, now_s))
        for worker_id, run in self._workers.items():
            if run is not None and run.overdue_at_s <= now_s and not run.killed:
                run.killed = True
                self._actions.append(KillWorker(worker_id, now_s - run.sent_at_s))
        if self._free:
            self._form(now_s)
        actions = self._actions
        self._actions = []
        return actions

    # Views.

    def wake_at_s(self) -> float | None:
        """Return the instant at which ``poll`` must be called even if nothing happens; None: no need."""
        instants = [run.overdue_at_s for run in self._workers.values() if run is not None and not run.killed]
        deadline_at_s = self._deadlines.next_at_s()
        if deadline_at_s is not None:
            instants.append(deadline_at_s)
        oldest = self._queue.oldest()
        if oldest is not None and self._free:
            instants.append(oldest.offered_at_s + self._settings.batch_timeout_s)
        return min(instants, default=None)

    def statistics(self) -> Statistics:
        """Return how things stand now."""
        again = list(self._retries.waiting())
        waiting = len(self._queue) + len(again)
        running = sum(ticket.state is TicketState.RUNNING for ticket in self._live.values())
        return Statistics(
            waiting_items=waiting,
            waiting_bytes=self._queue.size_bytes + sum(ticket.cost_bytes for ticket in again),
            running_items=running,
            workers_ready=len(self._workers),
            workers_free=len(self._free),
            lost=self.counters.admitted - self.counters.settled - waiting - running,
            counters=self.counters,
        )

    @property
    def is_empty(self) -> bool:
        """Whether every admitted ticket is settled."""
        return not self._live

    @property
    def can_serve(self) -> bool:
        """Whether a worker is ready and new requests are taken (G8)."""
        return bool(self._workers) and not self._draining

    # Admission.

    def shut(self, *, now_s: float) -> RequestError | None:
        """Return what every offer is refused with now, whatever it is; None where offers are looked at."""
        if self._draining:
            return Draining(retry_after_s=_DRAIN_RETRY_S)
        if not self._workers:
            why, at_s = self._outlook
            return NotReady(why, retry_after_s=max(0.1, at_s - now_s))
        return None

    def _misfit(self, ticket: Ticket, now_s: float) -> RequestError | None:
        limit_bytes = self._settings.batch_limit_bytes
        if ticket.cost_bytes > limit_bytes:
            return TooLarge(what="the item", size_bytes=ticket.cost_bytes, limit_bytes=limit_bytes)
        if ticket.deadline_at_s <= now_s:
            return DeadlineExceeded(waited_s=now_s - ticket.offered_at_s, where="before it was admitted")
        return None

    def _overload(self, ticket: Ticket) -> Overloaded | None:
        settings, queue = self._settings, self._queue
        if len(queue) >= settings.queue_limit_items:
            waiting, limit, unit = len(queue), settings.queue_limit_items, "items"
        elif queue.size_bytes + ticket.cost_bytes > settings.queue_limit_bytes:
            waiting, limit, unit = queue.size_bytes, settings.queue_limit_bytes, "bytes"
        else:
            return None
        wait_s = self._pace.wait_s(items=len(queue), workers=len(self._workers))
        return Overloaded(waiting=waiting, limit=limit, unit=unit, retry_after_s=wait_s)

    # Batches.

    def _form(self, now_s: float) -> None:
        """Give each free worker what waits: first what a lost worker left, then the queue."""
        while self._free:
            tickets = self._retries.next_group()
            if tickets:
                self.counters.retried += len(tickets)
            elif self._is_due(now_s):
                tickets = self._queue.take(self._settings.batch_size, self._settings.batch_limit_bytes)
            else:
                return
            self._send(self._free.popleft(), tickets, now_s)

    def _is_due(self, now_s: float) -> bool:
        """Say whether a batch should be taken from the queue now."""
        oldest = self._queue.oldest()
        if oldest is None:
            return False
        settings = self._settings
        return (
            settings.batch_mode == "eager"
            or len(self._queue) >= settings.batch_size
            or now_s >= oldest.offered_at_s + settings.batch_timeout_s
        )

    def _send(self, worker_id: int, tickets: list[Ticket], now_s: float) -> None:
        self._next_batch_id += 1
        self._workers[worker_id] = _Run(
            tickets, sent_at_s=now_s, overdue_at_s=now_s + self._settings.overdue_s
        )
        for ticket in tickets:
            ticket.state = TicketState.RUNNING
            self.counters.queue_s.observe(now_s - ticket.offered_at_s)
        self.counters.batch_items.observe(len(tickets))
        self._actions.append(SendBatch(worker_id, self._next_batch_id, tickets))

    # Ends.

    def _settle(self, ticket: Ticket, outcome: msgspec.Raw | RequestError) -> None:
        self.counters.answers[outcome.code if isinstance(outcome, RequestError) else OK] += 1
        self._leave(ticket)
        self._actions.append(Settle(ticket, outcome))

    def _leave(self, ticket: Ticket) -> None:
        """Take a ticket out of the live ones, wherever it is."""
        del self._live[ticket.id]
        if ticket.state is TicketState.WAITING:
            self._queue.discard(ticket)
        ticket.state = TicketState.SETTLED
        ticket.value = b""
        self.counters.settled += 1


def _expired(ticket: Ticket, now_s: float) -> DeadlineExceeded:
    where = "with a worker" if ticket.state is TicketState.RUNNING else "in the queue"
    return DeadlineExceeded(waited_s=now_s - ticket.offered_at_s, where=where)


def _outcome(code: str, value: msgspec.Raw) -> msgspec.Raw | RequestError:
    if code == OK:
        return value
    error = InvalidInput if code == InvalidInput.code else ModelError
    try:
        return error(msgspec.msgpack.decode(value, type=str))
    except msgspec.MsgspecError:
        return ModelError(f"the worker answered {code!r} without a text")
