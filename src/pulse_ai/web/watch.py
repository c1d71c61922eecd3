"""Notices that a client has gone while its request is under way."""

__all__ = ("WATCH_AFTER_S", "DisconnectWatch")

import asyncio

from pulse_ai.web.asgi import Receive

WATCH_AFTER_S = 0.05
"""A request that is answered sooner is not watched at all, in seconds: watching costs a task."""


class DisconnectWatch:
    """Cancels the task that made it when the client closes its connection.

    Args:
        receive: The request's ASGI ``receive``; its body has been read.

    Attributes:
        client_gone: True once the client has closed; the task that made this has then been cancelled.
    """

    __slots__ = ("_loop", "_receive", "_request", "_timer", "_watching", "client_gone")

    def __init__(self, receive: Receive) -> None:
        self.client_gone = False
        self._receive = receive
        self._request = asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(WATCH_AFTER_S, self._begin)

    def stop(self) -> None:
        """End the watch: the request has its answer."""
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _begin(self) -> None:
        self._watching = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_gone = True
        if self._request is not None:
            self._request.cancel()
