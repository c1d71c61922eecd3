"""Admission by prediction: a request gets a place only if its answer is likely to come in time.

The rule, for an item with so much time left: admit if ``wait + its own batch <= time left``, where the wait is
what is left of the batches that run plus the full batches that wait before it, shared by the workers that live.
A worker that is down is not among them, so its capacity is gone from the prediction at once. Two bounds hold
besides, whatever is predicted: items and bytes waiting. And one exception keeps the model honest: where nothing
waits and a worker is free an item is always admitted, because refusing it would help nobody, and a model that
has become too gloomy learns from it that it is wrong.
"""

__all__ = ("Admission",)

from collections.abc import Iterable

from pulse_ai.core import (
    DeadlineExceeded,
    Overloaded,
    PoisonedInput,
    RequestError,
    SchedulerSettings,
    TooLarge,
)
from pulse_ai.port import Timing
from pulse_ai.serving.cost_model import CostModel
from pulse_ai.serving.fleet import Fleet, Run
from pulse_ai.serving.forming import FormingBatch
from pulse_ai.serving.overtaking import Overtaking
from pulse_ai.serving.quarantine import Quarantine
from pulse_ai.serving.queue import WaitingQueue
from pulse_ai.serving.safety_net import SafetyNet
from pulse_ai.serving.shares import Shares
from pulse_ai.serving.ticket import Ticket

_LEAST_RETRY_S = 0.05
_LONGEST_RETRY_S = 60.0
_UNKNOWN_RETRY_S = 1.0  # before any batch was seen
_WORTH_CHOOSING_S = 0.002  # shorter batches go as they come: the choice by size takes some 50 microseconds
_GOLDEN = 0.618033988749895  # its multiples modulo 1 spread evenly: jitter without randomness


class Admission:
    """Decides who may wait. It reads the scheduler's parts and changes none of them.

    Args:
        settings: The bounds.
        queue: What waits.
        fleet: What runs.
    """

    def __init__(self, settings: SchedulerSettings, queue: WaitingQueue, fleet: Fleet) -> None:
        self._settings = settings
        self._queue = queue
        self._fleet = fleet
        self._refusals = 0
        self._ample_s = 0.0  # a full queue of empty items takes no longer; 0 until the model is trusted
        self._byte_s = 0.0  # and each byte so much
        self.seeds = 0
        self.model = CostModel()
        self.net = SafetyNet()
        self.shares = Shares()
        self.overtaking = Overtaking()
        self.quarantine = Quarantine()

    def refusal(self, ticket: Ticket, *, now_s: float) -> RequestError | None:
        """Return why a ticket may not wait; None where it may."""
        if ticket.caller:
            self.shares.asked(ticket.caller, now_s=now_s)
        return self._misfit(ticket, now_s) or self._full(ticket, now_s) or self._too_late(ticket, now_s)

    def finishes_in_s(self, ticket: Ticket, *, now_s: float) -> float:
        """Return when the answer to a ticket that is offered now is likely to have come, in seconds from now."""
        ahead = self._ahead_items(ticket)
        size, workers = self._settings.batch_size, max(len(self._fleet), 1)
        item_bytes = self._item_bytes(ticket)
        soonest_s, mean_s = self._fleet.left_s(now_s)
        if ahead < size:
            wait_s, shared_by = soonest_s, 1
            own_s = self.model.predict_s(items=ahead + 1, cost_bytes=(ahead + 1) * item_bytes)
        else:
            own_s = self.model.predict_s(items=size, cost_bytes=size * item_bytes)
            wait_s, shared_by = mean_s + ahead // size * own_s / workers, workers
        return wait_s + own_s + self.model.margin_for_s(own_s, after_s=wait_s / shared_by)

    def joined(self, ticket: Ticket) -> None:
        """Note a ticket that is about to join the queue."""
        if not ticket.caller:
            return
        if self.shares.callers > 1:
            self.overtaking.joined(ticket.id, waiting=len(self._queue), most=self._most_ahead(ticket))
        self.shares.joined(ticket.caller)

    def left(self, ticket: Ticket) -> None:
        """Note a ticket that waits no more."""
        if ticket.caller:
            self.overtaking.left(ticket.id)
            self.shares.left(ticket.caller)

    def is_crowded(self, batch: FormingBatch, *, now_s: float) -> bool:
        """Say whether the newest of what waits is likely to be late if this batch and all of it are served."""
        newest = self._queue.newest()
        if newest is None:
            return False
        takes_s = self.model.predict_s(items=len(batch.tickets), cost_bytes=batch.cost_bytes)
        left_s = newest.deadline_at_s - now_s - takes_s / max(len(self._fleet), 1)
        return self.finishes_in_s(newest, now_s=now_s) > left_s

    def new_batch(self, *, now_s: float) -> FormingBatch:
        """Return an empty batch that knows how far it may grow if it is sent now."""
        settings, waiting = self._settings, len(self._queue)
        size = settings.batch_size
        queue_bytes = self._queue.size_bytes
        workers = 0
        if waiting > size:
            full_s = self.model.predict_s(items=size, cost_bytes=size * queue_bytes // waiting)
            workers = len(self._fleet) if full_s >= _WORTH_CHOOSING_S else 0
        return FormingBatch(
            most_items=size,
            most_bytes=settings.batch_limit_bytes,
            now_s=now_s,
            model=self.model,
            safe_s=self.model.predict_s(items=size, cost_bytes=queue_bytes),
            workers=workers,
        )

    def seed(self, timings: Iterable[Timing]) -> None:
        """Learn from a worker's warm-up, unless a batch has been answered: that says more."""
        if self.model.batches > self.seeds:
            return
        for timing in timings:
            self.seeds += 1
            self.batch_done(items=timing.items, cost_bytes=timing.cost_bytes, took_s=timing.took_s)

    def batch_done(self, *, items: int, cost_bytes: int, took_s: float) -> None:
        """Learn from a batch."""
        model, settings = self.model, self._settings
        model.batch_done(items=items, cost_bytes=cost_bytes, took_s=took_s)
        if model.is_trusted:
            base_s, item_s, byte_s = model.coefficients
            full_s = base_s + item_s * settings.batch_size
            usual_s = full_s + byte_s * settings.batch_size * cost_bytes / items
            batches = settings.queue_limit_items // settings.batch_size + 3  # waiting, running and its own
            self._byte_s = byte_s
            self._ample_s = batches * full_s + model.margin_for_s(usual_s, after_s=batches * usual_s)

    def new_run(self, tickets: list[Ticket], *, now_s: float) -> Run:
        """Return what to expect of a batch that is sent now."""
        settings, model = self._settings, self.model
        cost_bytes = sum([ticket.cost_bytes for ticket in tickets])
        takes_s = model.predict_s(items=len(tickets), cost_bytes=cost_bytes)
        high_s = takes_s + model.margin_for_s(takes_s)
        overdue_s = settings.overdue_s
        if model.is_trusted:
            overdue_s = min(max(settings.overdue_factor * high_s, settings.overdue_least_s), overdue_s)
        run = Run(tickets, cost_bytes, sent_at_s=now_s)
        run.ends_at_s = now_s + takes_s
        run.high_at_s = now_s + high_s
        run.overdue_at_s = now_s + overdue_s
        return run

    def behind_s(self, ticket: Ticket) -> float:
        """Return how far a ticket ranks behind for the sake of the other callers, in seconds."""
        if not ticket.caller or self.shares.callers == 1:
            return 0.0
        size = self._settings.batch_size
        full_s = self.model.predict_s(items=size, cost_bytes=size * ticket.cost_bytes)
        turn_s = full_s / size / max(len(self._fleet), 1)  # what one item keeps all workers busy
        return self.shares.waiting(ticket.caller) * self.shares.callers * turn_s

    def _misfit(self, ticket: Ticket, now_s: float) -> RequestError | None:
        limit_bytes = self._settings.batch_limit_bytes
        if ticket.cost_bytes > limit_bytes:
            return TooLarge(what="the item", size_bytes=ticket.cost_bytes, limit_bytes=limit_bytes)
        if not ticket.deadline_at_s > now_s:  # also NaN, which no order of deadlines survives
            return DeadlineExceeded(waited_s=now_s - ticket.offered_at_s, where="before it was admitted")
        if self.quarantine.holds(ticket.value, now_s=now_s):
            return PoisonedInput(deaths=0)
        return None

    def _full(self, ticket: Ticket, now_s: float) -> Overloaded | None:
        settings, queue = self._settings, self._queue
        waiting = len(queue)
        if waiting >= settings.queue_limit_items:
            return self._overloaded(waiting, settings.queue_limit_items, "items", now_s)
        if queue.size_bytes + ticket.cost_bytes > settings.queue_limit_bytes:
            return self._overloaded(queue.size_bytes, settings.queue_limit_bytes, "bytes", now_s)
        keeps_busy = settings.batch_size * len(self._fleet) // 2  # up to there nobody gains by a refusal
        if waiting >= keeps_busy and self.shares.callers > 1 and ticket.caller:
            own, limit = self.shares.waiting(ticket.caller), self.shares.limit(settings.queue_limit_items)
            if own >= limit:
                return self._overloaded(own, limit, "items of this caller", now_s)
        return None

    def _too_late(self, ticket: Ticket, now_s: float) -> Overloaded | None:
        left_s = ticket.deadline_at_s - now_s
        all_bytes = self._queue.size_bytes + self._fleet.running_bytes + ticket.cost_bytes
        ample_s = self._ample_s + self._byte_s * all_bytes
        if left_s >= ample_s * self.net.factor or (self._fleet.free and not len(self._queue)):
            return None
        needs_s = self.finishes_in_s(ticket, now_s=now_s) * self.net.factor
        if needs_s <= left_s:
            return None
        retry_after_s = self._jittered(needs_s - left_s)
        return Overloaded.for_time(needs_s=needs_s, left_s=left_s, retry_after_s=retry_after_s)

    def _overloaded(self, waiting: int, limit: int, unit: str, now_s: float) -> Overloaded:
        """Refuse for want of a place; one is likely once half of what waits has been served."""
        retry_after_s = _UNKNOWN_RETRY_S
        if self.model.is_trusted:
            size = self._settings.batch_size
            mean_bytes = self._queue.size_bytes // max(len(self._queue), 1)
            full_s = self.model.predict_s(items=size, cost_bytes=size * mean_bytes)
            half_s = 0.5 * len(self._queue) / size * full_s / max(len(self._fleet), 1)
            retry_after_s = self._fleet.left_s(now_s)[0] + half_s
        return Overloaded(
            waiting=waiting, limit=limit, unit=unit, retry_after_s=self._jittered(retry_after_s)
        )

    def _jittered(self, retry_after_s: float) -> float:
        """Spread returns over the next half of the time again, so that they do not come all at once."""
        self._refusals += 1
        spread = 1.0 + 0.5 * (self._refusals * _GOLDEN % 1.0)
        return min(max(retry_after_s * spread, _LEAST_RETRY_S), _LONGEST_RETRY_S)

    def _ahead_items(self, ticket: Ticket) -> int:
        """Return how many waiting items are likely to be served before this one."""
        waiting = len(self._queue)
        if not ticket.caller or self.shares.callers == 1:
            return waiting
        return self.overtaking.ahead(waiting=waiting, most=self._most_ahead(ticket))

    def _most_ahead(self, ticket: Ticket) -> int:
        """Return how many items rank before this one if every caller has as much waiting as its own has."""
        return (self.shares.waiting(ticket.caller) + 1) * self.shares.callers

    def _item_bytes(self, ticket: Ticket) -> int:
        """Return the mean size of what waits; the ticket's own where nothing does."""
        waiting = len(self._queue)
        return self._queue.size_bytes // waiting if waiting else ticket.cost_bytes
