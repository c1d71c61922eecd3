"""Notices what a request's own task cannot see while it waits: a client that has gone, or sends too slowly."""

__all__ = ("SWEEP_EVERY_S", "ClientWatch", "Watched")

import asyncio

from pulse_ai.core import Draining
from pulse_ai.web.asgi import ClientGone, Receive
from pulse_ai.web.problems import SlowBody

SWEEP_EVERY_S = 0.05
"""How often requests are looked at, in seconds. One answered sooner is never watched: that costs a task."""

_DRAIN_RETRY_S = 1.0


class Watched:
    """A request under way.

    Attributes:
        reading: Whether its body is still arriving.
        ended_with: Why the request's task has been cancelled; None where it was not, or by somebody else.
    """

    __slots__ = ("_receive", "_request", "_watching", "ended_with", "reading", "sweeps")

    def __init__(self, receive: Receive, request: "asyncio.Task[object] | None") -> None:
        self.reading = True
        self.ended_with: ClientGone | SlowBody | Draining | None = None
        self.sweeps = 0
        self._receive = receive
        self._request = request
        self._watching: asyncio.Task[None] | None = None

    def end(self, why: ClientGone | SlowBody | Draining) -> None:
        """Cancel the request's task."""
        self.ended_with = why
        if self._request is not None:
            self._request.cancel()

    def start_watching(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look out for the end of the connection; the body has been read."""
        if self._watching is None:
            self._watching = loop.create_task(self._watch())

    def stop_watching(self) -> None:
        """The request has its answer."""
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.end(ClientGone())


class ClientWatch:
    """All requests under way in one event loop. It sets a timer only while there are any.

    Args:
        sweep_every_s: How often they are looked at, in seconds.
        body_timeout_s: Longest time that a body may take to arrive after its head, in seconds.
    """

    def __init__(self, *, sweep_every_s: float = SWEEP_EVERY_S, body_timeout_s: float = 10.0) -> None:
        self._sweep_every_s = sweep_every_s
        self._body_timeout_s = body_timeout_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way: dict[Watched, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, receive: Receive) -> Watched:
        """Watch the request of the calling task."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # kept: CPython 3.11 makes a system call of each asking
        watched = Watched(receive, asyncio.current_task(self._loop))
        self._under_way[watched] = None
        if self._timer is None:
            self._timer = self._loop.call_later(self._sweep_every_s, self._sweep, self._loop)
        return watched

    def end(self, watched: Watched) -> None:
        """Stop watching: the request has its answer."""
        del self._under_way[watched]
        watched.stop_watching()

    def end_reading(self) -> None:
        """Wait for no more bodies: the service shuts down, and answers those requests with that."""
        for watched in self._under_way:
            if watched.reading:
                watched.end(Draining(retry_after_s=_DRAIN_RETRY_S))

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if not self._under_way:
            return
        for watched in self._under_way:
            if not watched.reading:
                watched.start_watching(loop)
                continue
            watched.sweeps += 1
            if watched.sweeps * self._sweep_every_s >= self._body_timeout_s and watched.ended_with is None:
                watched.end(SlowBody(limit_s=self._body_timeout_s))
        self._timer = loop.call_later(self._sweep_every_s, self._sweep, loop)
