"""The scheduler: who may wait, what is sent to which worker, and when a request's time is over.

It is a plain object without clock, task, socket or lock. Events go in with ``now_s``, and ``poll`` gives the
actions that follow from them, so a test or a simulator can drive it through a day of faults in a second, the
same way each time. Four rules hold after every call:

* A ticket is settled exactly once; whatever comes for it later is dropped (G1).
* ``admitted == settled + waiting + running``: nothing is in two places, nothing in none.
* Items and bytes waiting are within their limits, and dead entries never pile up (G3).
* A ticket whose deadline has passed is never put into a batch (G4).

The parts decide: ``Admission`` who may wait, ``WaitingQueue`` who is first, ``RetryQueue`` what a lost worker's
items become, ``CostModel`` how long things take. The scheduler moves tickets between them.
"""

__all__ = ("Scheduler",)

from collections.abc import Sequence

import msgspec

from pulse_ai.core import (
    DeadlineExceeded,
    Draining,
    NotReady,
    PoisonedInput,
    RequestError,
    SchedulerSettings,
)
from pulse_ai.port import OK, Result, Timing
from pulse_ai.serving.admission import Admission
from pulse_ai.serving.deadlines import Deadlines
from pulse_ai.serving.failures import failure_of
from pulse_ai.serving.fleet import Fleet
from pulse_ai.serving.queue import WaitingQueue
from pulse_ai.serving.retries import RetryQueue
from pulse_ai.serving.statistics import Counters, Statistics
from pulse_ai.serving.ticket import Action, KillWorker, SendBatch, Settle, Ticket, TicketState

_DRAIN_RETRY_S = 1.0  # by then a load balancer has found another instance


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
        self._fleet = Fleet()
        self._admission = Admission(settings, self._queue, self._fleet)
        self._actions: list[Action] = []
        self._next_batch_id = 0
        self._draining = False
        self._outlook = ("loading", 0.0)
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
        refusal = self.shut(now_s=now_s) or self._admission.refusal(ticket, now_s=now_s)
        if refusal is not None:
            self.counters.answers[refusal.code] += 1
            return refusal
        self.counters.admitted += 1
        self._live[ticket.id] = ticket
        behind_s = self._admission.behind_s(ticket)
        self._admission.joined(ticket)
        self._queue.push(ticket, behind_s=behind_s)
        self._deadlines.push(ticket)
        return None

    def cancel(self, ticket_id: int) -> None:
        """Forget a ticket whose caller has gone; harmless where it is already settled (G2)."""
        ticket = self._live.get(ticket_id)
        if ticket is not None:
            self.counters.answers["cancelled"] += 1
            self._leave(ticket)

    def worker_ready(self, worker_id: int, timings: Sequence[Timing] = ()) -> None:
        """Take a new worker into service; its id has never been used before.

        Args:
            worker_id: Names it from now on.
            timings: What batches of its warm-up took; the first workers' are where the cost model begins.
        """
        self._fleet.add(worker_id)
        self._admission.seed(timings)

    def worker_expected(self, why: str, *, at_s: float) -> None:
        """Note when the next worker is likely to be ready; a refusal for want of one says so."""
        self._outlook = (why, at_s)

    def batch_done(self, worker_id: int, result: Result, *, now_s: float) -> None:
        """Settle the items of a batch that has been answered; the worker is free."""
        run = self._fleet.finish(worker_id)
        if run is None:
            return
        took_s = now_s - run.sent_at_s
        if now_s <= run.overdue_at_s and not run.unwatched:
            self._admission.batch_done(items=len(run.tickets), cost_bytes=run.cost_bytes, took_s=took_s)
        self.counters.worker_s.observe(took_s)
        if result.counts:
            self.counters.add_task_counts(result.counts)
        live, observe = self._live, self.counters.answer_s.observe
        for answer in result.answers:
            ticket = live.get(answer.id)
            if ticket is None:
                self.counters.late += 1
            elif ticket.deadline_at_s <= now_s:
                self._expire(ticket, now_s)
            elif answer.code == OK:
                observe(now_s - ticket.offered_at_s)
                self._settle(ticket, answer.value)
            else:
                self._settle(ticket, failure_of(answer.code, answer.value))
        self._admission.net.answered(len(result.answers))

    def worker_lost(self, worker_id: int, *, now_s: float) -> None:
        """Take a worker out of service; what it had goes again, or is found to have killed it (G5)."""
        if worker_id not in self._fleet:
            return
        self.counters.workers_lost += 1
        run = self._fleet.remove(worker_id)
        killer = self._retries.worker_lost(run.tickets) if run is not None else None
        if killer is not None:
            self._admission.quarantine.add(killer.value, now_s=now_s)
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
            self._expire(ticket, now_s)
        for worker_id, run in self._fleet.take_overdue(now_s):
            self._actions.append(KillWorker(worker_id, now_s - run.sent_at_s))
        self._admission.net.look(now_s=now_s)
        if self._fleet.free:
            self._form(now_s)
        actions = self._actions
        self._actions = []
        return actions

    # Views.

    def shut(self, *, now_s: float) -> RequestError | None:
        """Return what every offer is refused with now, whatever it is; None where offers are looked at."""
        if self._draining:
            return Draining(retry_after_s=_DRAIN_RETRY_S)
        if not len(self._fleet):
            why, at_s = self._outlook
            return NotReady(why, retry_after_s=max(0.1, at_s - now_s))
        return None

    def wake_at_s(self) -> float | None:
        """Return the instant at which ``poll`` must be called even if nothing happens; None: no need."""
        instants = [self._deadlines.next_at_s(), self._fleet.next_overdue_at_s()]
        oldest = self._queue.oldest()
        if oldest is not None and self._fleet.free:
            instants.append(oldest.offered_at_s + self._settings.batch_timeout_s)
        return min((at_s for at_s in instants if at_s is not None), default=None)

    def statistics(self) -> Statistics:
        """Return how things stand now."""
        again = list(self._retries.waiting())
        waiting = len(self._queue) + len(again)
        running = sum(ticket.state is TicketState.RUNNING for ticket in self._live.values())
        model = self._admission.model
        return Statistics(
            waiting_items=waiting,
            waiting_bytes=self._queue.size_bytes + sum(ticket.cost_bytes for ticket in again),
            running_items=running,
            workers_ready=len(self._fleet),
            workers_free=self._fleet.free,
            lost=self.counters.admitted - self.counters.settled - waiting - running,
            cost_s=model.coefficients,
            cost_margin_s=model.margin_s,
            cost_warm_up_batches=self._admission.seeds,
            admission_factor=self._admission.net.factor,
            quarantined_inputs=len(self._admission.quarantine),
            counters=self.counters,
        )

    @property
    def is_empty(self) -> bool:
        """Whether every admitted ticket is settled."""
        return not self._live

    @property
    def can_serve(self) -> bool:
        """Whether a worker is ready and new requests are taken (G8)."""
        return len(self._fleet) > 0 and not self._draining

    # Batches.

    def _form(self, now_s: float) -> None:
        """Give each free worker what waits: first what a lost worker left, then the queue."""
        while self._fleet.free:
            tickets = self._retries.next_group()
            if tickets:
                self.counters.retried += len(tickets)
                self._send(tickets, now_s)
            elif self._is_due(now_s):
                self._send(self._next_batch(now_s), now_s)
            else:
                return

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

    def _next_batch(self, now_s: float) -> list[Ticket]:
        """Form a batch from the queue; what would cost the others too much gives way to them."""
        batch = self._admission.new_batch(now_s=now_s)
        newest_first = self._admission.net.newest_first
        self._queue.fill(batch, newest_first=newest_first)
        while batch.cut and len(self._queue):
            gone = batch.let_go(
                waiting=len(self._queue), crowded=self._admission.is_crowded(batch, now_s=now_s)
            )
            if not gone:
                break
            for ticket in gone:
                self._expire(ticket, now_s, where="in the queue; it gave way to what could still finish")
            self._queue.fill(batch, newest_first=newest_first)
        return batch.tickets

    def _send(self, tickets: list[Ticket], now_s: float) -> None:
        self._next_batch_id += 1
        run = self._admission.new_run(tickets, now_s=now_s)
        for ticket in tickets:
            self._admission.overtaking.served(ticket.id)
            self._leave_queue(ticket)
            ticket.state = TicketState.RUNNING
            waited_s = now_s - ticket.offered_at_s
            self.counters.queue_s.observe(waited_s)
            self._admission.net.sent(waited_s / (ticket.deadline_at_s - ticket.offered_at_s))
        self.counters.batch_items.observe(len(tickets))
        self._actions.append(SendBatch(self._fleet.assign(run), self._next_batch_id, tickets))

    # Ends.

    def _expire(self, ticket: Ticket, now_s: float, *, where: str = "") -> None:
        where = where or ("with a worker" if ticket.state is TicketState.RUNNING else "in the queue")
        self._admission.net.expired()
        self._admission.overtaking.late(ticket.id)
        self._settle(ticket, DeadlineExceeded(waited_s=now_s - ticket.offered_at_s, where=where))

    def _settle(self, ticket: Ticket, outcome: msgspec.Raw | RequestError) -> None:
        self.counters.answers[OK if type(outcome) is msgspec.Raw else outcome.code] += 1
        self._leave(ticket)
        self._actions.append(Settle(ticket, outcome))

    def _leave(self, ticket: Ticket) -> None:
        """Take a ticket out of the live ones, wherever it is."""
        del self._live[ticket.id]
        self._leave_queue(ticket)
        ticket.state = TicketState.SETTLED
        ticket.value = b""
        self.counters.settled += 1

    def _leave_queue(self, ticket: Ticket) -> None:
        """Take a ticket out of the queue and its caller's share, if it waits there for the first time."""
        if ticket.state is TicketState.WAITING:
            self._queue.discard(ticket)
            if not ticket.deaths:
                self._admission.left(ticket)
