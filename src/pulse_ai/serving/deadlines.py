"""The deadlines of all live tickets, soonest first, in memory bounded by the number of live tickets."""

__all__ = ("Deadlines",)

from collections.abc import Mapping
from heapq import heapify, heappop, heappush

from pulse_ai.serving.ticket import Ticket

_SPARE_ENTRIES = 64  # dead entries that may be held beyond the live ones


class Deadlines:
    """A heap whose dead entries are passed over, and cleared out once they outnumber the live ones.

    Args:
        live: The tickets that are not settled, by id; kept by the scheduler.
    """

    __slots__ = ("_heap", "_live")

    def __init__(self, live: Mapping[int, Ticket]) -> None:
        self._live = live
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, ticket: Ticket) -> None:
        """Add a live ticket's deadline."""
        heappush(self._heap, (ticket.deadline_at_s, ticket.id))
        if len(self._heap) > 2 * len(self._live) + _SPARE_ENTRIES:
            self._heap = [entry for entry in self._heap if entry[1] in self._live]
            heapify(self._heap)

    def take_due(self, now_s: float) -> list[Ticket]:
        """Remove and return the live tickets whose deadline has come."""
        heap, due = self._heap, list[Ticket]()
        while heap and heap[0][0] <= now_s:
            ticket = self._live.get(heappop(heap)[1])
            if ticket is not None:
                due.append(ticket)
        return due

    def next_at_s(self) -> float | None:
        """Return the soonest deadline of a live ticket."""
        heap = self._heap
        while heap and heap[0][1] not in self._live:
            heappop(heap)
        return heap[0][0] if heap else None
