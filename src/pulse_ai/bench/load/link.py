"""One HTTP/1.1 connection of the generator: writes ready-made bytes, reports whole answers, keeps nothing."""

__all__ = ("Link", "LinkEvents")

import asyncio
from typing import Any, Protocol, cast

import httptools

_MOST_HEAD_BYTES = 64 * 1024  # of an answer are kept until it is whole


class LinkEvents(Protocol):
    """What a connection tells the run."""

    def link_opened(self, link: "Link") -> None:
        """Take a connection that is ready to be written to."""
        ...

    def link_answered(self, link: "Link", status: int, *, keep: bool) -> None:
        """Take a whole answer; ``keep`` says whether the connection can be used again."""
        ...

    def link_lost(self, link: "Link") -> None:
        """Take the news that the connection has ended, for whatever reason."""
        ...


class Link(asyncio.Protocol):
    """A connection with at most one request under way.

    Args:
        events: Told what happens.
    """

    __slots__ = ("_begun", "_events", "_parser", "_transport")

    def __init__(self, events: LinkEvents) -> None:
        self._events = events
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._begun = b""

    def send(self, request: bytes) -> None:
        """Write one request; nothing happens where the connection has already ended."""
        self._begun = b""
        if self._transport is not None:
            self._transport.write(request)

    def cut(self) -> None:
        """End the connection without waiting for the other side."""
        self._begun = b""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is not a subclass of it
        self._events.link_opened(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if len(self._begun) < _MOST_HEAD_BYTES:
            self._begun += data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # after 101 it is no HTTP
            self.cut()

    def on_message_complete(self) -> None:
        """Called by the parser at the end of each answer."""
        status: int = self._parser.get_status_code()
        if status < 200:  # 100 Continue and 103 Early Hints come before the answer
            self._begun = self._begun.partition(b"\r\n\r\n")[2]
        else:
            self._begun = b""
            self._events.link_answered(self, status, keep=self._parser.should_keep_alive())

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._transport = None
        if exc is None and _ends_with_the_connection(self._begun):
            self._events.link_answered(self, self._parser.get_status_code(), keep=False)
        self._events.link_lost(self)


def _ends_with_the_connection(begun: bytes) -> bool:
    r"""Tell whether an answer, by its first bytes, has no length and so ends where the stream ends.

    Example:
        >>> _ends_with_the_connection(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")
        True
        >>> _ends_with_the_connection(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
        False
    """
    head, end, _ = begun.lower().partition(b"\r\n\r\n")
    return bool(end) and b"\r\ncontent-length:" not in head and b"\r\ntransfer-encoding:" not in head
