"""Reads request bodies within two bounds: the bytes of one, and the bytes of all that arrive at once."""

__all__ = ("Bodies",)

from pulse_ai.core import TooLarge
from pulse_ai.web.asgi import ClientGone, Head, Message, Receive
from pulse_ai.web.problems import TooManyBodies

_ROOM_BODIES = 32  # whole bodies that may be half there at a time
_LEAST_ROOM_BYTES = 32 * 1024 * 1024


class Bodies:
    """All bodies that arrive at one service. The time that each may take is kept by ``ClientWatch``.

    A body that comes in one piece takes the short way. One that comes in pieces is counted with all others
    like it, because a thousand clients that each hold a body half sent would fill the memory (G3).

    Args:
        limit_bytes: Longest body.
        room_bytes: Most bytes of bodies that arrive in pieces; where not given, room for 32 of the longest.
    """

    def __init__(self, *, limit_bytes: int, room_bytes: int | None = None) -> None:
        self._limit_bytes = limit_bytes
        self._room_bytes = (
            max(_ROOM_BODIES * limit_bytes, _LEAST_ROOM_BYTES) if room_bytes is None else room_bytes
        )
        self._held_bytes = 0

    async def read(self, receive: Receive, head: Head) -> bytes:
        """Read a body.

        Raises:
            TooLarge: It is, or is announced as, longer than the limit.
            TooManyBodies: Too much else is arriving.
            ClientGone: The connection closed in the middle of it.
        """
        if head.length_bytes is not None and head.length_bytes > self._limit_bytes:
            raise TooLarge(what="the body", size_bytes=head.length_bytes, limit_bytes=self._limit_bytes)
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message.get("body", b"")
            if len(body) > self._limit_bytes:
                raise TooLarge(what="the body", size_bytes=len(body), limit_bytes=self._limit_bytes)
            return body
        return await self._read_pieces(message, receive)

    async def _read_pieces(self, message: Message, receive: Receive) -> bytes:
        body = bytearray()
        try:
            while message["type"] != "http.disconnect":
                piece: bytes = message.get("body", b"")
                self._held_bytes += len(piece)
                body += piece
                self._check(len(body))
                if not message.get("more_body"):
                    return bytes(body)
                message = await receive()
        finally:
            self._held_bytes -= len(body)
        raise ClientGone

    def _check(self, size_bytes: int) -> None:
        if size_bytes > self._limit_bytes:
            raise TooLarge(what="the body", size_bytes=size_bytes, limit_bytes=self._limit_bytes)
        if self._held_bytes > self._room_bytes:
            raise TooManyBodies(held_bytes=self._held_bytes, limit_bytes=self._room_bytes)
