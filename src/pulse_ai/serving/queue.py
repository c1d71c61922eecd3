"""The waiting items of one model: first in, first out, with any of them removable at once."""

__all__ = ("WaitingQueue",)

from collections import OrderedDict

from pulse_ai.serving.ticket import Ticket, TicketState


class WaitingQueue:
    """Tickets in the order of their arrival. Every operation takes constant time for each ticket it moves.

    Attributes:
        size_bytes: Encoded size of all that waits.
    """

    __slots__ = ("_tickets", "size_bytes")

    def __init__(self) -> None:
        self._tickets: OrderedDict[int, Ticket] = OrderedDict()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._tickets)

    def push(self, ticket: Ticket) -> None:
        """Add a ticket at the end."""
        ticket.state = TicketState.WAITING
        self._tickets[ticket.id] = ticket
        self.size_bytes += ticket.cost_bytes

    def discard(self, ticket: Ticket) -> None:
        """Remove a ticket, if it is here."""
        if self._tickets.pop(ticket.id, None) is not None:
            self.size_bytes -= ticket.cost_bytes

    def oldest(self) -> Ticket | None:
        """Return the ticket that has waited longest."""
        for ticket in self._tickets.values():
            return ticket
        return None

    def take(self, most_items: int, most_bytes: int) -> list[Ticket]:
        """Remove and return the oldest tickets within both limits; at least one where any waits."""
        tickets = self._tickets
        taken: list[Ticket] = []
        left_bytes = most_bytes
        while tickets and len(taken) < most_items:
            ticket = next(iter(tickets.values()))
            if ticket.cost_bytes > left_bytes and taken:
                break
            del tickets[ticket.id]
            left_bytes -= ticket.cost_bytes
            taken.append(ticket)
        self.size_bytes -= most_bytes - left_bytes
        return taken
