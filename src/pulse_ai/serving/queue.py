"""The waiting items of one model, in the order in which they should be served.

The order is one number for each item, its rank, fixed on arrival: the instant of its deadline, plus half of its
time limit where its class is ``batch``, plus a place behind the items that its caller has waiting already. So
the earliest deadline goes first within a class; interactive items go before batch items, but not for ever,
since new deadlines are ever later; and a caller who floods the queue ranks behind one who does not.
"""

__all__ = ("WaitingQueue",)

from collections import OrderedDict
from heapq import heapify, heappop, heappush

from pulse_ai.serving.forming import WINDOW_BATCHES, FormingBatch
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

    def fill(self, batch: FormingBatch, *, newest_first: bool = False) -> None:
        """Move the first tickets by rank into a batch, or the newest ones, as many as it takes.

        Where a batch is long enough for the choice to pay, and more waits than fits, the ones of like size
        among the next few batches' worth share it.
        """
        most = batch.most_items
        if batch.workers and not newest_first and len(self._by_arrival) > most - len(batch.tickets):
            self._fill_alike(batch)
            return
        while len(batch.tickets) < most:
            ticket = self.newest() if newest_first else self._first()
            if ticket is None or not batch.add(ticket):
                return
            self.discard(ticket)

    def _fill_alike(self, batch: FormingBatch) -> None:
        window: list[tuple[float, int, Ticket]] = []
        while len(window) < WINDOW_BATCHES * batch.most_items and self._first() is not None:
            window.append(heappop(self._heap))
        chosen = batch.choose([entry[2] for entry in window])
        for place, entry in enumerate(window):
            if place in chosen and batch.add(entry[2]):
                self.discard(entry[2])
            else:
                heappush(self._heap, entry)

    def _first(self) -> Ticket | None:
        """Return the first ticket by rank, and forget those that have left."""
        heap, waiting = self._heap, self._by_arrival
        while heap:
            if heap[0][1] in waiting:
                return heap[0][2]
            heappop(heap)
        return None

    def newest(self) -> Ticket | None:
        """Return the ticket that came last."""
        for ticket in reversed(self._by_arrival.values()):
            return ticket
        return None
