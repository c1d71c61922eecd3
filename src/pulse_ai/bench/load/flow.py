"""Which request goes out on which connection, and how each one ends: a plain object without sockets or clock.

Theory. Every arrival that is offered ends in exactly one outcome, an HTTP status or one of the negative codes
below, so the outcomes always add up to what was offered. An arrival goes out at once on a free connection,
the one used last first (so that spare ones stay idle and few are needed); with none free it waits, first come
first served, and one more connection is asked for while the bound allows.

Times are seconds of one monotonic clock. The shell tells what happened, then empties ``to_send``, ``to_open``
and ``to_close``.
"""

__all__ = (
    "ABANDONED",
    "CLOSED",
    "GIVEN_UP",
    "NEVER_SENT",
    "NOT_CONNECTED",
    "NO_CONNECTION",
    "NO_SOCKET",
    "OUTCOMES",
    "TIMED_OUT",
    "Flow",
)

import math
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

TIMED_OUT = -1
CLOSED = -2
ABANDONED = -3
NOT_CONNECTED = -4
NO_CONNECTION = -5
NEVER_SENT = -6
NO_SOCKET = -7

OUTCOMES = {
    TIMED_OUT: "no answer in time",
    CLOSED: "connection closed before the answer",
    ABANDONED: "given up when the run was stopped",
    NOT_CONNECTED: "could not connect",
    NO_CONNECTION: "no connection was free in time",
    NEVER_SENT: "not sent when the run was stopped",
    NO_SOCKET: "the generator had no socket left",
}
"""What each negative code means. The first three were sent and not answered; the others never left."""

GIVEN_UP = (TIMED_OUT, NO_CONNECTION)
"""Ended because their time ran out, sent or not: what they would have taken is at least that long."""

LinkT = TypeVar("LinkT", bound=Hashable)
Finish = Callable[[float, float, float, float, int], None]
"""Told of each end: planned, noticed, sent (NaN where never), ended, and the status or negative code."""


class Flow(Generic[LinkT]):
    """Requests between the plan and the connections.

    Args:
        connections: Most connections at once, opening ones included.
        timeout_s: Seconds after its planned instant when a request is given up.
        finish: Told of the end of each request.

    Attributes:
        to_send: Connections that must now write the next request.
        to_open: How many connections must now be opened.
        to_close: Connections that must now be cut, because their answer came too late.

    Example:
        >>> ended = []
        >>> flow = Flow(connections=1, timeout_s=1.0, finish=lambda *end: ended.append(end))
        >>> flow.offer(0.0, 0.001); flow.to_open
        1
        >>> flow.opened("a", 0.002); flow.to_send
        ['a']
        >>> flow.answered("a", 200, 0.010, keep=True); ended
        [(0.0, 0.001, 0.002, 0.01, 200)]
    """

    def __init__(self, *, connections: int, timeout_s: float, finish: Finish) -> None:
        self.to_send: list[LinkT] = []
        self.to_open = 0
        self.to_close: list[LinkT] = []
        self._connections = connections
        self._timeout_s = timeout_s
        self._finish = finish
        self._waiting: deque[tuple[float, float]] = deque()
        self._busy: dict[LinkT, tuple[float, float, float]] = {}
        self._free: list[LinkT] = []
        self._opening = 0

    @property
    def waiting(self) -> int:
        """Requests that are due and have no connection yet."""
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        """Requests that were sent and have not ended."""
        return len(self._busy)

    @property
    def idle(self) -> bool:
        """Whether every request offered so far has ended."""
        return not self._busy and not self._waiting

    @property
    def spare(self) -> int:
        """How many more requests could be under way at once."""
        return self._connections - len(self._busy) - len(self._waiting)

    def offer(self, planned_s: float, now_s: float) -> None:
        """Take an arrival that is due."""
        if self._free:
            link = self._free.pop()
            self._busy[link] = (planned_s, now_s, now_s)
            self.to_send.append(link)
            return
        self._waiting.append((planned_s, now_s))
        self._ask_for_more()

    def _ask_for_more(self) -> None:
        """Ask for a connection while more requests wait than connections are opening, within the bound."""
        links = len(self._busy) + len(self._free) + self._opening
        wanted = min(len(self._waiting) - self._opening, self._connections - links)
        if wanted > 0:
            self._opening += wanted
            self.to_open += wanted

    def opened(self, link: LinkT, now_s: float) -> None:
        """Take a connection that is ready."""
        self._opening -= 1
        self._next(link, now_s)

    def _next(self, link: LinkT, now_s: float) -> None:
        if self._waiting:
            planned_s, noticed_s = self._waiting.popleft()
            self._busy[link] = (planned_s, noticed_s, now_s)
            self.to_send.append(link)
        else:
            self._free.append(link)

    def open_failed(self, now_s: float, *, code: int = NOT_CONNECTED) -> None:
        """Take the news that a connection could not be opened; the oldest waiting request ends with it.

        Args:
            now_s: When.
            code: Whose fault it was: ``NOT_CONNECTED`` or ``NO_SOCKET``.
        """
        self._opening -= 1
        if self._waiting:
            self._finish(*self._waiting.popleft(), math.nan, now_s, code)
        self._ask_for_more()

    def answered(self, link: LinkT, status: int, now_s: float, *, keep: bool) -> None:
        """Take a whole answer. ``keep`` says whether the connection can be used again."""
        sent = self._busy.pop(link, None)
        if sent is None:  # it was given up a moment ago
            return
        self._finish(*sent, now_s, status)
        if keep:
            self._next(link, now_s)
        else:
            self.to_close.append(link)
            self._ask_for_more()

    def lost(self, link: LinkT, now_s: float) -> None:
        """Take the news that a connection has ended."""
        sent = self._busy.pop(link, None)
        if sent is not None:
            self._finish(*sent, now_s, CLOSED)
        elif link in self._free:
            self._free.remove(link)
        self._ask_for_more()

    def expire(self, now_s: float) -> None:
        """End the requests whose time has run out."""
        due_before_s = now_s - self._timeout_s
        while self._waiting and self._waiting[0][0] <= due_before_s:
            self._finish(*self._waiting.popleft(), math.nan, now_s, NO_CONNECTION)
        self._cut([link for link, sent in self._busy.items() if sent[0] <= due_before_s], now_s, TIMED_OUT)

    def abandon(self, now_s: float) -> None:
        """End all that is left: the person who started the run will not wait."""
        while self._waiting:
            self._finish(*self._waiting.popleft(), math.nan, now_s, NEVER_SENT)
        self._cut(list(self._busy), now_s, ABANDONED)

    def _cut(self, links: list[LinkT], now_s: float, code: int) -> None:
        for link in links:
            self._finish(*self._busy.pop(link), now_s, code)
            self.to_close.append(link)
        if links:
            self._ask_for_more()
