"""How fast batches are answered, as seen so far; and from that, how long a wait is."""

__all__ = ("Pace",)

_WEIGHT = 0.2  # of the newest batch in the running mean: about the last ten batches count
_LEAST_WAIT_S = 0.05
_LONGEST_WAIT_S = 60.0


class Pace:
    """A running mean of the time that one item takes.

    Example:
        >>> pace = Pace()
        >>> pace.batch_done(items=10, took_s=1.0)
        >>> pace.wait_s(items=40, workers=2)
        2.0
    """

    __slots__ = ("_item_s",)

    def __init__(self) -> None:
        self._item_s: float | None = None

    def batch_done(self, *, items: int, took_s: float) -> None:
        """Count a batch."""
        item_s = took_s / items
        self._item_s = item_s if self._item_s is None else self._item_s + _WEIGHT * (item_s - self._item_s)

    def wait_s(self, *, items: int, workers: int) -> float:
        """Return how long it takes until so many waiting items are answered, in seconds, at least 0.05."""
        wait_s = 1.0 if self._item_s is None else items * self._item_s / max(workers, 1)
        return min(max(wait_s, _LEAST_WAIT_S), _LONGEST_WAIT_S)
