"""What lost workers left behind: tried again in halves, until the item that kills is alone.

When a worker ends with a batch, the items that still have time go again in two halves, ahead of the queue and
apart from new items. So the item that kills is alone after at most log2(batch_size) further deaths. An item
counts as the killer when it was alone at a death and that was not its first one: a single death of a single
item proves nothing, because somebody else may have killed the worker.
"""

__all__ = ("RetryQueue",)

from collections import deque
from collections.abc import Iterator

from pulse_ai.serving.ticket import Ticket, TicketState

_DEATHS_THAT_PROVE = 2


class RetryQueue:
    """Groups of tickets to be sent again, each as a batch of its own."""

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: deque[list[Ticket]] = deque()

    def waiting(self) -> Iterator[Ticket]:
        """Give the tickets that wait here and are not settled yet."""
        return (t for group in self._groups for t in group if t.state is TicketState.WAITING)

    def worker_lost(self, batch: list[Ticket]) -> Ticket | None:
        """Take over the items of a lost worker.

        Args:
            batch: All items of the batch, those settled meanwhile included.

        Returns:
            The item that is now known to kill; it is not taken over. Else None.
        """
        alive = [ticket for ticket in batch if ticket.state is TicketState.RUNNING]
        for ticket in alive:
            ticket.deaths += 1
        if len(batch) == 1 and alive and alive[0].deaths >= _DEATHS_THAT_PROVE:
            return alive[0]
        for ticket in alive:
            ticket.state = TicketState.WAITING
        middle = (len(alive) + 1) // 2
        self._groups.extend(group for group in (alive[:middle], alive[middle:]) if group)
        return None

    def next_group(self) -> list[Ticket]:
        """Remove and return the next group without those settled meanwhile; empty where none is left."""
        while self._groups:
            group = [ticket for ticket in self._groups.popleft() if ticket.state is TicketState.WAITING]
            if group:
                return group
        return []
