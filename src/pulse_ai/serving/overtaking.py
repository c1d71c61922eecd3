"""How many of those that come later are served earlier: what fair shares do to a caller with much waiting.

An item that joins behind ``k`` others of its caller ranks as if each of the ``n`` callers had ``k`` waiting. So up
to ``(k + 1) * n`` items may be served before it, and those of them that do not wait yet may still come. How many
will is not known: all of them where every caller asks as much, hardly any where one floods and the others ask
little. It is learned from what happened, as one share of the places that were open: least squares over recent
items.
"""

__all__ = ("Overtaking",)

_MEMORY = 0.98  # of an observation, when the next one comes: some fifty count


class Overtaking:
    """Foresees how many items are served before one that joins, and learns how many were.

    Attributes:
        share: Of the places open before an item, those that later ones take, from 0 to 1.

    Example:
        >>> overtaking = Overtaking()
        >>> overtaking.ahead(waiting=10, most=30)
        10
        >>> overtaking.joined(1, waiting=0, most=2)
        >>> for _ in range(2):
        ...     overtaking.served(7)
        >>> overtaking.served(1)
        >>> overtaking.ahead(waiting=10, most=30)
        30
    """

    __slots__ = ("_foreseen", "_open", "_served", "_taken", "share")

    def __init__(self) -> None:
        self.share = 0.0
        self._foreseen: dict[int, tuple[int, int, int]] = {}
        self._served = 0
        self._taken = self._open = 0.0

    def ahead(self, *, waiting: int, most: int) -> int:
        """Return how many items are likely to be served before one that joins now.

        Args:
            waiting: How many wait.
            most: How many may be served before it, those to come included.
        """
        least = min(waiting, most)
        return least + round(self.share * (most - least))

    def joined(self, ticket_id: int, *, waiting: int, most: int) -> None:
        """Note what was known of an item when it joined; ``served``, ``late`` or ``left`` follows."""
        if most > waiting:
            self._foreseen[ticket_id] = (self._served, waiting, most - waiting)

    def served(self, ticket_id: int) -> None:
        """Learn from an item that is served now."""
        self.late(ticket_id)
        self._served += 1

    def late(self, ticket_id: int) -> None:
        """Learn from an item that ran out of time: at least so many were served before it."""
        foreseen = self._foreseen.pop(ticket_id, None)
        if foreseen is None:
            return
        served, waited, places = foreseen
        taken = min(max(self._served - served - waited, 0), places)
        self._taken = _MEMORY * self._taken + taken * places
        self._open = _MEMORY * self._open + places * places
        self.share = self._taken / self._open

    def left(self, ticket_id: int) -> None:
        """Forget an item that waits no more; harmless where it is not known."""
        self._foreseen.pop(ticket_id, None)
