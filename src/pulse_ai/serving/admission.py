"""Admission by prediction: a request gets a place only if its answer is likely to come in time.

The rule, for an item with so much time left: admit if ``wait + its own batch <= time left``, where the wait is
what is left of the batches that run plus the full batches that wait before it, shared by the workers that live.
A worker that is down is not among them, so its capacity is gone from the prediction at once. Two bounds hold
besides, whatever is predicted: items and bytes waiting. And one exception keeps the model honest: where nothing
waits and a worker is free an item is always admitted, because refusing it would help nobody, and a model that
has become too gloomy learns from it that it is wrong.
"""

__all__ = ("Admission",)

from pulse_ai.core import (
    DeadlineExceeded,
    Overloaded,
    PoisonedInput,
    RequestError,
    SchedulerSettings,
    TooLarge,
)
from pulse_ai.serving.cost_model import CostModel
from pulse_ai.serving.fleet import Fleet
from pulse_ai.serving.quarantine import Quarantine
from pulse_ai.serving.queue import BatchLimits, WaitingQueue
from pulse_ai.serving.safety_net import SafetyNet
from pulse_ai.serving.shares import Shares
from pulse_ai.serving.ticket import Ticket

_LEAST_RETRY_S = 0.05
_LONGEST_RETRY_S = 60.0
_UNKNOWN_RETRY_S = 1.0  # before any batch was seen
_GOLDEN = 0.618033988749895  # its multiples modulo 1 spread evenly: jitter without randomness


class Admission:
    """Decides who may wait. It reads the scheduler's parts and changes none of them but ``shares``.

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
        self.model = CostModel()
        self.net = SafetyNet()
        self.shares = Shares()
        self.quarantine = Quarantine()

    def refusal(self, ticket: Ticket, *, now_s: float) -> RequestError | None:
        """Return why a ticket may not wait; None where it may."""
        if ticket.caller:
            self.shares.asked(ticket.caller, now_s=now_s)
        return self._misfit(ticket, now_s) or self._full(ticket, now_s) or self._too_late(ticket, now_s)

    def finishes_in_s(self, ticket: Ticket, *, now_s: float) -> float:
        """Return when the answer to a ticket that is offered now is likely to have come, in seconds from now."""
        ahead = self._ahead_items(ticket)
        size = self._settings.batch_size
        item_bytes = self._item_bytes(ticket)
        soonest_s, mean_s = self._fleet.left_s(now_s)
        if ahead < size:
            own_s = self.model.predict_high_s(items=ahead + 1, cost_bytes=(ahead + 1) * item_bytes)
            return soonest_s + own_s
        full_s = self.model.predict_high_s(items=size, cost_bytes=size * item_bytes)
        return mean_s + ahead // size * full_s / max(len(self._fleet), 1) + full_s

    def batch_limits(self, *, now_s: float) -> BatchLimits:
        """Return how far a batch that is sent now may grow."""
        settings = self._settings
        return BatchLimits(
            most_items=settings.batch_size,
            most_bytes=settings.batch_limit_bytes,
            now_s=now_s,
            safe_s=self.model.predict_s(items=settings.batch_size, cost_bytes=self._queue.size_bytes),
            takes_s=self._takes_s,
        )

    def batch_done(self, *, items: int, cost_bytes: int, took_s: float) -> None:
        """Learn from a batch."""
        model, settings = self.model, self._settings
        model.batch_done(items=items, cost_bytes=cost_bytes, took_s=took_s)
        if model.is_trusted:
            base_s, item_s, self._byte_s = model.coefficients
            batches = settings.queue_limit_items // settings.batch_size + 3  # waiting, running and its own
            self._ample_s = batches * (base_s + item_s * settings.batch_size + model.margin_s)

    def _takes_s(self, items: int, cost_bytes: int) -> float:
        return self.model.predict_s(items=items, cost_bytes=cost_bytes)

    def overdue_s(self, takes_s: float) -> float:
        """Return how long a batch that is predicted to take so long may take before its worker counts as hung."""
        settings = self._settings
        if not self.model.is_trusted:
            return settings.overdue_s
        allowed_s = settings.overdue_factor * (takes_s + self.model.margin_s)
        return min(max(allowed_s, settings.overdue_least_s), settings.overdue_s)

    def behind_s(self, ticket: Ticket) -> float:
        """Return how far a ticket ranks behind for the sake of the other callers, in seconds."""
        if not ticket.caller or self.shares.callers == 1:
            return 0.0
        size = self._settings.batch_size
        full_s = self.model.predict_s(items=size, cost_bytes=size * ticket.cost_bytes)
        return self.shares.waiting(ticket.caller) * self.shares.callers * full_s / size

    def _misfit(self, ticket: Ticket, now_s: float) -> RequestError | None:
        limit_bytes = self._settings.batch_limit_bytes
        if ticket.cost_bytes > limit_bytes:
            return TooLarge(what="the item", size_bytes=ticket.cost_bytes, limit_bytes=limit_bytes)
        if ticket.deadline_at_s <= now_s:
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
        if waiting and self.shares.callers > 1 and ticket.caller:
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
        return min(waiting, (self.shares.waiting(ticket.caller) + 1) * self.shares.callers)

    def _item_bytes(self, ticket: Ticket) -> int:
        """Return the mean size of what waits; the ticket's own where nothing does."""
        waiting = len(self._queue)
        return self._queue.size_bytes // waiting if waiting else ticket.cost_bytes
