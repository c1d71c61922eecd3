"""Inputs that are known to end a worker: remembered by hash, for a while, so the next try costs no worker."""

__all__ = ("Quarantine",)

from collections import OrderedDict
from hashlib import blake2b

_MOST_INPUTS = 1024
_REMEMBERED_S = 600.0  # then it gets another chance: the model may have been mended


class Quarantine:
    """A bounded set of hashes with an end.

    Example:
        >>> quarantine = Quarantine()
        >>> quarantine.add(b"poison", now_s=0.0)
        >>> quarantine.holds(b"poison", now_s=599.0), quarantine.holds(b"poison", now_s=601.0)
        (True, False)
    """

    __slots__ = ("_ends_at_s",)

    def __init__(self) -> None:
        self._ends_at_s: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ends_at_s)

    def add(self, value: bytes, *, now_s: float) -> None:
        """Remember an encoded item; the one remembered longest ago may be forgotten for it."""
        self._ends_at_s[_digest(value)] = now_s + _REMEMBERED_S
        if len(self._ends_at_s) > _MOST_INPUTS:
            self._ends_at_s.popitem(last=False)

    def holds(self, value: bytes, *, now_s: float) -> bool:
        """Say whether an encoded item is remembered; costs nothing while none is."""
        if not self._ends_at_s:
            return False
        digest = _digest(value)
        ends_at_s = self._ends_at_s.get(digest)
        if ends_at_s is not None and ends_at_s <= now_s:
            del self._ends_at_s[digest]
            return False
        return ends_at_s is not None


def _digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=16).digest()
