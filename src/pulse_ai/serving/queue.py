"""The waiting items of one model, in the order in which they should be served.

The order is one number for each item, its rank, fixed on arrival: the instant of its deadline, plus half of its
time limit where its class is ``batch``, plus a place behind the items that its caller has waiting already. So
the earliest deadline goes first within a class; interactive items go before batch items, but not for ever,
since new deadlines are ever later; and a caller who floods the queue ranks behind one who does not.
"""

__all__ = ("WaitingQueue",)

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

    def take(self, most_items: int, fits: Callable[[list[Ticket], Ticket], bool]) -> list[Ticket]:
        """Remove and return the first tickets by rank, as long as each fits to those before it.

        Args:
            most_items: How many at most.
            fits: Told what is taken so far, says whether the next one may join; never asked for the first.
        """
        heap, waiting = self._heap, self._by_arrival
        taken: list[Ticket] = []
        while heap and len(taken) < most_items:
            ticket = heap[0][2]
            if ticket.id in waiting:
                if taken and not fits(taken, ticket):
                    break
                self.discard(ticket)
                taken.append(ticket)
            heappop(heap)
        return taken

    def take_newest(self, most_items: int, fits: Callable[[list[Ticket], Ticket], bool]) -> list[Ticket]:
        """Remove and return the tickets that came last, as long as each fits to those before it."""
        taken: list[Ticket] = []
        while self._by_arrival and len(taken) < most_items:
            ticket = next(reversed(self._by_arrival.values()))
            if taken and not fits(taken, ticket):
                break
            self.discard(ticket)
            taken.append(ticket)
        return taken
