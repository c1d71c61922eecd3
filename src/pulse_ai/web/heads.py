"""Heads of requests that were seen before: the same bytes mean the same, so they are read once.

Whatever keeps a connection open (a proxy, a pool of clients, an SDK) sends the same head again and again, down
to the byte; only the body differs, and with it the length. Reading a head is a pure function of its bytes. So
what was read of one, by the parser and by ``read_head``, is remembered for the next one that is equal. A head
that is different each time, because it carries a trace id, is read each time, at the price of one look.
"""

__all__ = ("KnownHead", "KnownHeads")

from typing import NamedTuple

from pulse_ai.core import Priority
from pulse_ai.web.asgi import Head, key_of
from pulse_ai.web.endpoint import ModelEndpoint

_END = b"\r\n\r\n"
_MOST_HEADS = 1024
_MOST_HEAD_BYTES = 2048


class KnownHead(NamedTuple):
    """What a ``POST`` with one body in full, on a connection that goes on, asks for.

    Attributes:
        endpoint: The model.
        length_bytes: Of the body.
        timeout_s: The caller's time limit, in seconds; None: the default one.
        priority: The class.
        key: The caller by its API key; empty where only its address is known.
    """

    endpoint: ModelEndpoint
    length_bytes: int
    timeout_s: float | None
    priority: Priority
    key: str


class KnownHeads:
    """Heads by their bytes: at most 1024 of at most 2048 bytes each; the one learned first goes first."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, KnownHead] = {}

    def __len__(self) -> int:
        return len(self._known)

    def find(self, request: bytes) -> tuple[KnownHead, bytes] | None:
        """Return what is known of the head, and the body; None where bytes are missing, left over or new."""
        end = request.find(_END) + len(_END)
        known = self._known.get(request[:end])
        if known is None or len(request) - end != known.length_bytes:
            return None
        return known, request[end:]

    def learn(self, request: bytes, endpoint: ModelEndpoint, head: Head) -> None:
        """Remember a head.

        Args:
            request: What came in one piece. Nothing is learned unless it is exactly one head and its body.
            endpoint: What the parser found its path to mean.
            head: What ``read_head`` found in it.
        """
        end = request.find(_END) + len(_END)
        if end > _MOST_HEAD_BYTES or head.length_bytes is None or len(request) - end != head.length_bytes:
            return
        known = self._known
        if len(known) >= _MOST_HEADS:
            del known[next(iter(known))]
        known[request[:end]] = KnownHead(
            endpoint, head.length_bytes, head.timeout_s, head.priority, key_of(head)
        )
