"""One admitted request on its way, and the actions that a scheduler asks for."""

__all__ = ("Action", "KillWorker", "SendBatch", "Settle", "Ticket", "TicketState")

from enum import IntEnum

import msgspec

from pulse_ai.core import Priority, RequestError


class TicketState(IntEnum):
    """Where a ticket is. It only moves down this list, but a retry takes it back from RUNNING to WAITING."""

    NEW = 0
    WAITING = 1
    RUNNING = 2
    SETTLED = 3


class Ticket:
    """One request: an encoded item with a deadline.

    Attributes:
        id: Unique within a scheduler; the id that travels with the item.
        value: The encoded item; empty once settled, so that nothing holds on to it.
        cost_bytes: Encoded size, also after ``value`` is gone.
        offered_at_s: When it was offered.
        deadline_at_s: When its time runs out.
        priority: ``interactive`` goes before ``batch``, until that has waited for half of its time.
        caller: Who asks, for fair shares; empty where nobody knows.
        state: Where it is.
        deaths: How many workers ended while they had it.
    """

    __slots__ = (
        "caller",
        "cost_bytes",
        "deadline_at_s",
        "deaths",
        "id",
        "offered_at_s",
        "priority",
        "state",
        "value",
    )

    def __init__(
        self,
        ticket_id: int,
        value: bytes,
        *,
        offered_at_s: float,
        deadline_at_s: float,
        priority: Priority = "interactive",
        caller: str = "",
    ) -> None:
        self.id = ticket_id
        self.value = value
        self.cost_bytes = len(value)
        self.offered_at_s = offered_at_s
        self.deadline_at_s = deadline_at_s
        self.priority = priority
        self.caller = caller
        self.state = TicketState.NEW
        self.deaths = 0


class SendBatch:
    """Send these items to this worker; it is busy until ``batch_done`` or ``worker_lost``."""

    __slots__ = ("batch_id", "tickets", "worker_id")

    def __init__(self, worker_id: int, batch_id: int, tickets: list[Ticket]) -> None:
        self.worker_id = worker_id
        self.batch_id = batch_id
        self.tickets = tickets


class Settle:
    """Give this ticket's caller its answer: an encoded result, or an error."""

    __slots__ = ("outcome", "ticket")

    def __init__(self, ticket: Ticket, outcome: msgspec.Raw | RequestError) -> None:
        self.ticket = ticket
        self.outcome = outcome


class KillWorker:
    """Kill this worker: its batch is overdue. ``worker_lost`` follows when it has ended."""

    __slots__ = ("overdue_s", "worker_id")

    def __init__(self, worker_id: int, overdue_s: float) -> None:
        self.worker_id = worker_id
        self.overdue_s = overdue_s


Action = SendBatch | Settle | KillWorker
