"""Fair shares of the queue between callers, as long as more than one has asked lately."""

__all__ = ("Shares",)

from collections import OrderedDict

_RECENTLY_S = 10.0  # a caller who asked within this time, refused or not, has a share kept for it
_NOTED_S = 1.0  # asking again within this time is not noted anew
_MOST_CALLERS = 4096  # remembered; the one who asked longest ago is forgotten first


class Shares:
    """How much each caller has waiting, and how much it may.

    With one caller the whole queue is its own. With ``n`` recent ones each may have ``2 / (n + 1)`` of it: more
    than an equal share, so that room is not wasted on callers who ask little, but never all.

    Example:
        >>> shares = Shares()
        >>> shares.asked("a", now_s=0.0), shares.limit(200)
        (None, 200)
        >>> shares.asked("b", now_s=1.0), shares.limit(200)
        (None, 133)
    """

    __slots__ = ("_asked_at_s", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[str, int] = {}
        self._asked_at_s: OrderedDict[str, float] = OrderedDict()

    def asked(self, caller: str, *, now_s: float) -> None:
        """Note that a caller asks, whatever the answer will be."""
        asked = self._asked_at_s
        if now_s < asked.get(caller, -_NOTED_S) + _NOTED_S:
            return
        asked[caller] = now_s
        asked.move_to_end(caller)
        while len(asked) > _MOST_CALLERS or next(iter(asked.values())) < now_s - _RECENTLY_S:
            asked.popitem(last=False)

    def waiting(self, caller: str) -> int:
        """Return how many items a caller has waiting."""
        return self._waiting.get(caller, 0)

    def limit(self, queue_limit_items: int) -> int:
        """Return how many items one caller may have waiting now."""
        return max(1, 2 * queue_limit_items // (self.callers + 1))

    @property
    def callers(self) -> int:
        """How many callers have asked lately; at least 1."""
        return len(self._asked_at_s) or 1

    def joined(self, caller: str) -> None:
        """Count an item that joined the queue."""
        self._waiting[caller] = self._waiting.get(caller, 0) + 1

    def left(self, caller: str) -> None:
        """Count an item that left the queue."""
        left = self._waiting.get(caller, 0) - 1
        if left > 0:
            self._waiting[caller] = left
        else:
            self._waiting.pop(caller, None)
