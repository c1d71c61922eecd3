"""The waiting items of one model, in the order in which they should be served.

The order is one number for each item, its rank, fixed on arrival: the instant of its deadline, plus half of its
time limit where its class is ``batch``, plus a place behind the items that its caller has waiting already. So
the earliest deadline goes first within a class; interactive items go before batch items, but not for ever,
since new deadlines are ever later; and a caller who floods the queue ranks behind one who does not.
"""

__all__ = ("BatchLimits", "WaitingQueue")

from collections import OrderedDict
from collections.abc import Callable
from heapq import heapify, heappop, heappush

from pulse_ai.serving.ticket import Ticket, TicketState

_SPARE_ENTRIES = 64  # dead entries that the heap may hold beyond the live ones


class WaitingQueue:
    """Tickets by rank. Each may leave at any time; memory follows the live ones.

    Attributes:
        size_bytes: Encoded size of all that waits.
    """

    __slots__ = ("_by_arrival", "_heap", "size_bytes")

    def __init__(self) -> None:
        self._by_arrival: OrderedDict[int, Ticket] = OrderedDict()
        self._heap: list[tuple[float, int, Ticket]] = []
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._by_arrival)

    def push(self, ticket: Ticket, *, behind_s: float = 0.0) -> None:
        """Add a ticket.

        Args:
            ticket: A new one.
            behind_s: How far its rank is put back for the sake of other callers, in seconds.
        """
        ticket.state = TicketState.WAITING
        self._by_arrival[ticket.id] = ticket
        self.size_bytes += ticket.cost_bytes
        rank_s = ticket.deadline_at_s + behind_s
        if ticket.priority == "batch":
            rank_s += 0.5 * (ticket.deadline_at_s - ticket.offered_at_s)
        heappush(self._heap, (rank_s, ticket.id, ticket))
        if len(self._heap) > 2 * len(self._by_arrival) + _SPARE_ENTRIES:
            self._heap = [entry for entry in self._heap if entry[1] in self._by_arrival]
            heapify(self._heap)

    def discard(self, ticket: Ticket) -> None:
        """Remove a ticket, if it is here."""
        if self._by_arrival.pop(ticket.id, None) is not None:
            self.size_bytes -= ticket.cost_bytes

    def oldest(self) -> Ticket | None:
        """Return the ticket that has waited longest."""
        for ticket in self._by_arrival.values():
            return ticket
        return None

    def take(self, limits: "BatchLimits", *, newest_first: bool = False) -> list[Ticket]:
        """Remove and return the first tickets by rank, or the newest ones, as many as the limits allow.

        At least one is taken where any waits.
        """
        taken: list[Ticket] = []
        cost_bytes = 0
        ends_at_s = float("inf")
        while len(taken) < limits.most_items:
            ticket = self._newest() if newest_first else self._first()
            if ticket is None:
                break
            cost_bytes += ticket.cost_bytes
            ends_at_s = min(ends_at_s, ticket.deadline_at_s)
            if taken and not limits.allow(len(taken) + 1, cost_bytes, ends_at_s):
                break
            self.discard(ticket)
            taken.append(ticket)
        return taken

    def _first(self) -> Ticket | None:
        """Return the first ticket by rank, and forget those that have left."""
        heap, waiting = self._heap, self._by_arrival
        while heap:
            if heap[0][1] in waiting:
                return heap[0][2]
            heappop(heap)
        return None

    def _newest(self) -> Ticket | None:
        for ticket in reversed(self._by_arrival.values()):
            return ticket
        return None


class BatchLimits:
    """How far a batch may grow.

    Args:
        most_items: Most items.
        most_bytes: Most bytes.
        now_s: When it would be sent.
        safe_s: A batch within the first two limits takes no longer than this; so with more time than that left
            there is nothing to work out.
        takes_s: Told items and bytes, says how long such a batch takes, in seconds.
    """

    __slots__ = ("_most_bytes", "_now_s", "_safe_at_s", "_takes_s", "most_items")

    def __init__(
        self,
        *,
        most_items: int,
        most_bytes: int,
        now_s: float,
        safe_s: float,
        takes_s: Callable[[int, int], float],
    ) -> None:
        self.most_items = most_items
        self._most_bytes = most_bytes
        self._now_s = now_s
        self._safe_at_s = now_s + safe_s
        self._takes_s = takes_s

    def allow(self, items: int, cost_bytes: int, ends_at_s: float) -> bool:
        """Say whether a batch of this size may be, if its tightest deadline is at ``ends_at_s``."""
        if cost_bytes > self._most_bytes:
            return False
        return self._safe_at_s <= ends_at_s or self._now_s + self._takes_s(items, cost_bytes) <= ends_at_s
