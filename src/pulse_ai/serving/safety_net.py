"""What holds when the prediction is wrong: watch what waiting really costs, and tighten admission by it.

A prediction can be wrong for a while: the model has become slower, the machine is shared, inputs changed. Two
things are watched over intervals, in the spirit of CoDel (Nichols and Jacobson, 2012), which looks at the least
sojourn in an interval because a standing queue is one that never gets short:

* the least share of its time that any item had spent when it was sent. Above three quarters for a whole
  interval, every item is cutting it fine: admission is tightened.
* the share of admitted items that ran out of time. Above a fifth, admission is tightened more. Above a half the
  queue has collapsed: the newest items go first until it is over, because the oldest ones are lost anyway.
"""

__all__ = ("SafetyNet",)

_INTERVAL_S = 0.1
_LATE_SHARE = 0.2
_COLLAPSE_SHARE = 0.5
_FINE_SHARE = 0.75
_MOST_TIGHT = 4.0


class SafetyNet:
    """A factor by which predicted times are multiplied before they decide.

    Attributes:
        factor: 1.0 where the prediction is trusted as it is; at most 4.
        newest_first: Whether most admitted items are running out of time.

    Example:
        >>> net = SafetyNet()
        >>> for _ in range(5):
        ...     net.expired()
        >>> net.look(now_s=1.0)
        >>> net.factor > 1.0, net.newest_first
        (True, True)
    """

    __slots__ = ("_late", "_least_share", "_look_at_s", "_settled", "factor", "newest_first")

    def __init__(self) -> None:
        self.factor = 1.0
        self.newest_first = False
        self._look_at_s = 0.0
        self._least_share = 1.0
        self._settled = 0
        self._late = 0

    def sent(self, share: float) -> None:
        """Note an item that was sent after this share of its time."""
        self._least_share = min(self._least_share, share)

    def answered(self, items: int) -> None:
        """Note a batch of answers; those among them that came too late are noted as expired besides."""
        self._settled += items

    def expired(self) -> None:
        """Note an admitted item that ran out of time."""
        self._settled += 1
        self._late += 1

    def look(self, *, now_s: float) -> None:
        """Draw the conclusions, if an interval has passed and something happened in it."""
        if now_s < self._look_at_s or not self._settled:
            return
        self.newest_first = self._late > _COLLAPSE_SHARE * self._settled
        if self._late > _LATE_SHARE * self._settled:
            self.factor = min(self.factor * 1.25, _MOST_TIGHT)
        elif self._least_share > _FINE_SHARE:
            self.factor = min(self.factor * 1.1, _MOST_TIGHT)
        else:
            self.factor = max(1.0, self.factor * 0.8)
        self._look_at_s = now_s + _INTERVAL_S
        self._least_share = 1.0
        self._settled = self._late = 0
