"""Heads of requests that were seen before: the same bytes mean the same, so they are read once.

Whatever keeps a connection open (a proxy, a pool of clients, an SDK) sends the same head again and again, down
to the byte; only the body differs, and with it the length. Reading a head is a pure function of its bytes. So
what was read of one, by the parser and by ``read_head``, is remembered for the next one that is equal. Lines that
nobody here reads and that differ each time, the ids of traces and the addresses that proxies add, are left out of
the comparison, where they are of plain characters: then the parser would take any such line. A head that differs
in something else is read each time.
"""

__all__ = ("KnownHead", "KnownHeads")

from typing import NamedTuple

from pulse_ai.core import Priority
from pulse_ai.web.asgi import Head, key_of
from pulse_ai.web.endpoint import ModelEndpoint

_END = b"\r\n\r\n"
_MOST_HEADS = 1024
_MOST_HEAD_BYTES = 2048
_MOST_MARKS = 16
_LINE = b"\r\n"
_PLAIN = bytes(range(0x20, 0x7F))  # what a value may have without a second thought
_PASSED_OVER = frozenset(
    b"""traceparent tracestate baggage b3 x-b3-traceid x-b3-spanid x-b3-parentspanid x-b3-sampled x-request-id
    x-correlation-id x-trace-id request-id x-amzn-trace-id x-cloud-trace-context uber-trace-id sentry-trace
    x-datadog-trace-id x-datadog-parent-id x-forwarded-for x-real-ip""".split()
)


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

    __slots__ = ("_known", "_marks")

    def __init__(self) -> None:
        self._known: dict[bytes, KnownHead] = {}
        self._marks: list[bytes] = []  # how lines that are passed over begin, in the spellings seen

    def __len__(self) -> int:
        return len(self._known)

    def find(self, request: bytes) -> tuple[KnownHead, bytes] | None:
        """Return what is known of the head, and the body; None where bytes are missing, left over or new."""
        end = request.find(_END) + len(_END)
        known = self._known.get(request[:end])
        if known is None and self._marks:
            known = self._known.get(self._comparable(request[:end]))
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
        self._mark(request[:end])
        compared = self._comparable(request[:end])
        if not compared:
            return
        known = self._known
        if len(known) >= _MOST_HEADS:
            del known[next(iter(known))]
        known[compared] = KnownHead(endpoint, head.length_bytes, head.timeout_s, head.priority, key_of(head))

    def _mark(self, head: bytes) -> None:
        """Remember how the lines begin that are passed over."""
        for line in head.split(_LINE)[1:]:
            name = line.partition(b":")[0]
            mark = _LINE + name + b":"
            if name.lower() in _PASSED_OVER and mark not in self._marks and len(self._marks) < _MOST_MARKS:
                self._marks.append(mark)

    def _comparable(self, head: bytes) -> bytes:
        """Return a head without the lines that are passed over; nothing where one of them is not plain."""
        for mark in self._marks:
            start = head.find(mark)
            if start < 0:
                continue
            value = start + len(mark)
            stop = head.find(_LINE, value)
            if head[value:stop].translate(None, _PLAIN):
                return b""
            head = head[:start] + head[stop:]
        return head
