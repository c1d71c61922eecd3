"""Notices that a client has gone while its request is under way."""

__all__ = ("SWEEP_EVERY_S", "ClientWatch", "Watched")

import asyncio

from pulse_ai.web.asgi import Receive

SWEEP_EVERY_S = 0.05
"""How often requests are looked at, in seconds. One answered sooner is never watched: that costs a task."""


class Watched:
    """A request under way.

    Attributes:
        client_gone: True once the client has closed; the request's task has then been cancelled.
    """

    __slots__ = ("client_gone", "receive", "request", "watching")

    def __init__(self, receive: Receive, request: "asyncio.Task[object] | None") -> None:
        self.client_gone = False
        self.receive = receive
        self.request = request
        self.watching: asyncio.Task[None] | None = None

    async def watch(self) -> None:
        """Cancel the request's task when its client closes the connection."""
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.client_gone = True
        if self.request is not None:
            self.request.cancel()


class ClientWatch:
    """All requests under way in one event loop. It sets a timer only while there are any."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way: dict[Watched, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, receive: Receive) -> Watched:
        """Watch the request of the calling task, whose body has been read."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # kept: CPython 3.11 makes a system call of each asking
        watched = Watched(receive, asyncio.current_task(self._loop))
        self._under_way[watched] = None
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP_EVERY_S, self._sweep, self._loop)
        return watched

    def end(self, watched: Watched) -> None:
        """Stop watching: the request has its answer."""
        del self._under_way[watched]
        if watched.watching is not None:
            watched.watching.cancel()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if not self._under_way:
            return
        for watched in self._under_way:
            if watched.watching is None:
                watched.watching = loop.create_task(watched.watch())
        self._timer = loop.call_later(SWEEP_EVERY_S, self._sweep, loop)
