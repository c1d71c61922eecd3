"""Which of the waiting items make the next batch: how far it may grow, who joins it, and who is let go.

Three decisions, each on values only:

* ``FormingBatch.add``: a batch grows while it is within its items and bytes, and is predicted to end before its
  tightest deadline.
* ``FormingBatch.choose``: where more waits than fits, items of like size share a batch, because a model that
  pads every item to the longest pays for the difference. But only as far as no deadline breaks: the first by
  rank always goes, and those that are passed over must be able to finish after it, batch by batch in their order.
* ``FormingBatch.let_go``: where the tightest deadlines would cut the batch short, they may cost more than they
  are worth. A short batch has the fixed cost of a long one, all that waits behind it becomes later by that, the
  next batch is cut shorter still, and so on: the domino effect of earliest-deadline-first under overload. Then
  those few are let go, so that the batch can be full (the early drop of Nexus, SOSP 2019).
"""

__all__ = ("WINDOW_BATCHES", "FormingBatch", "alike")

from collections.abc import Sequence

from pulse_ai.serving.cost_model import CostModel
from pulse_ai.serving.ticket import Ticket

WINDOW_BATCHES = 4
"""Items are chosen by size from the first so many batches' worth by rank."""

_WORTH_SAVING = 0.1


class FormingBatch:
    """A batch while it grows.

    Args:
        most_items: Most items.
        most_bytes: Most bytes.
        now_s: When it would be sent.
        model: Says how long batches take.
        safe_s: A batch within the first two limits takes no longer than this; so with more time than that left
            there is nothing to work out.
        workers: How many workers serve what is passed over for items of like size; 0: nothing is.

    Attributes:
        tickets: Its items so far.
        cost_bytes: Their encoded size.
        cut: Whether it is predicted to miss its tightest deadline, or would with the next item.
    """

    __slots__ = (
        "_ends_at_s",
        "_model",
        "_most_bytes",
        "_now_s",
        "_safe_at_s",
        "cost_bytes",
        "cut",
        "most_items",
        "tickets",
        "workers",
    )

    def __init__(
        self,
        *,
        most_items: int,
        most_bytes: int,
        now_s: float,
        model: CostModel,
        safe_s: float,
        workers: int = 0,
    ) -> None:
        self.most_items = most_items
        self.workers = workers
        self.tickets: list[Ticket] = []
        self.cost_bytes = 0
        self.cut = False
        self._most_bytes = most_bytes
        self._now_s = now_s
        self._model = model
        self._safe_at_s = now_s + safe_s
        self._ends_at_s = float("inf")

    def add(self, ticket: Ticket) -> bool:
        """Take an item if it fits; the first one always does."""
        cost_bytes = self.cost_bytes + ticket.cost_bytes
        ends_at_s = min(self._ends_at_s, ticket.deadline_at_s)
        if not self._allows(cost_bytes, ends_at_s) and self.tickets:
            return False
        self.tickets.append(ticket)
        self.cost_bytes = cost_bytes
        self._ends_at_s = ends_at_s
        return True

    def _allows(self, cost_bytes: int, ends_at_s: float) -> bool:
        self.cut = False
        if cost_bytes > self._most_bytes:
            return False
        if self._safe_at_s <= ends_at_s:
            return True
        takes_s = self._model.predict_s(items=len(self.tickets) + 1, cost_bytes=cost_bytes)
        self.cut = self._now_s + takes_s > ends_at_s
        return not self.cut

    def choose(self, window: Sequence[Ticket]) -> set[int]:
        """Return the positions of the items to add: like ones, if time is ample for all, else the first.

        Args:
            window: The first of what waits, by rank; more than there are places.
        """
        places = self.most_items - len(self.tickets)
        soonest_at_s = min(ticket.deadline_at_s for ticket in window)
        if soonest_at_s < self._now_s + self._window_s(window):
            return set(range(places))
        return alike([ticket.cost_bytes for ticket in window], places)

    def _window_s(self, window: Sequence[Ticket]) -> float:
        """Return in how long all of the window has been served, whatever the order."""
        size, model = self.most_items, self._model
        most_bytes = size * max(ticket.cost_bytes for ticket in window)
        full_s = model.predict_s(items=size, cost_bytes=most_bytes)
        ahead_s = full_s * ((len(window) - 1) // size) / self.workers
        return ahead_s + full_s + model.margin_for_s(full_s, after_s=ahead_s)

    def let_go(self, *, waiting: int, crowded: bool) -> list[Ticket]:
        """Remove and return the items whose deadlines cost the others more than they are worth.

        A full batch spends the share ``base / whole`` of its time on its fixed cost. So each place that stays
        empty costs that share of a place, since it takes another batch to make up for it. Letting the ``k``
        tightest items go pays where the places that this fills, times the share, are more than ``k``.

        Args:
            waiting: How many items wait besides.
            crowded: Whether time is short for those; else nothing is let go but what cannot finish anyway.

        Example:
            >>> model = CostModel()
            >>> for items in (1, 2, 4, 8, 16) * 20:
            ...     model.batch_done(items=items, cost_bytes=items, took_s=0.020 + 0.002 * items)
            >>> batch = FormingBatch(most_items=16, most_bytes=999, now_s=0.0, model=model, safe_s=1.0)
            >>> for number, deadline_at_s in ((1, 0.025), (2, 1.0)):
            ...     _ = batch.add(Ticket(number, b"x", offered_at_s=0.0, deadline_at_s=deadline_at_s))
            >>> batch.let_go(waiting=15, crowded=False)
            []
            >>> [ticket.id for ticket in batch.let_go(waiting=15, crowded=True)]
            [1]
        """
        if not self._model.is_trusted:
            return []
        gone = sorted(self.tickets, key=lambda ticket: ticket.deadline_at_s)
        gone = gone[: self._worth_letting_go([ticket.deadline_at_s for ticket in gone], waiting, crowded)]
        if gone:
            self.tickets = [ticket for ticket in self.tickets if ticket not in gone]
            self.cost_bytes -= sum(ticket.cost_bytes for ticket in gone)
            self._ends_at_s = min((ticket.deadline_at_s for ticket in self.tickets), default=float("inf"))
        return gone

    def _worth_letting_go(self, rising_at_s: Sequence[float], waiting: int, crowded: bool) -> int:  # noqa: FBT001 - passed on
        """Return for how many of the tightest deadlines the gain is largest."""
        now, base_s = len(rising_at_s), self._model.predict_s(items=0, cost_bytes=0)
        item_s = self._model.predict_s(items=1, cost_bytes=self.cost_bytes // now) - base_s
        most = min(self.most_items, now + waiting)
        share = base_s / (base_s + item_s * most) if crowded and base_s else 0.0
        best, best_gain, can_finish = 0, 0.0, 0
        for count, ends_at_s in enumerate(rising_at_s, 1):
            can_finish += self._now_s + base_s + item_s <= ends_at_s
            left_s = (rising_at_s[count] - self._now_s) if count < now else float("inf")
            fits_all = left_s >= base_s + item_s * most
            places = most if fits_all else max(0, int((left_s - base_s) / item_s))
            gain = share * (places - now) - can_finish
            if gain > best_gain or (not can_finish and places):
                best, best_gain = count, gain
        return best


def alike(sizes: Sequence[int], places: int) -> set[int]:
    """Return the positions of the items that share a batch with least padding; the first is among them.

    It costs ``places * longest`` to serve them. The sizes of the best choice are neighbours, apart from the
    first; of the items that would do as well the first in order are taken. Where the choice saves less than a
    tenth it is not worth a change, and the first ``places`` go.

    Args:
        sizes: Of what waits, in the order of service; more than ``places``.
        places: How many go, at least 1.

    Example:
        >>> sorted(alike([90, 10, 80, 12, 85], places=3))
        [0, 2, 4]
        >>> sorted(alike([90, 88, 80, 92, 95], places=3))
        [0, 1, 2]
    """
    room, rising = places - 1, sorted(sizes[1:])
    used, best, least = sum(rising[:room]), 0, float("inf")
    for start in range(len(rising) - room + 1 if room else 0):
        padding = places * max(sizes[0], rising[start + room - 1]) - used - sizes[0]
        if padding < least:
            best, least = start, padding
        if start + room < len(rising):
            used += rising[start + room] - rising[start]
    in_order = sizes[:places]
    if places * max(in_order) - sum(in_order) - least < _WORTH_SAVING * sum(in_order):
        return set(range(places))
    low, high = rising[best], rising[best + room - 1]
    others = [place for place, size in enumerate(sizes) if place and low <= size <= high]
    return {0, *others[:room]}
