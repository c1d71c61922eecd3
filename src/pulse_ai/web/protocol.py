"""uvicorn's HTTP protocol, with all that is written to a connection in one turn sent in one system call.

uvicorn writes the head and the body of a response one after the other, and uvloop hands each to the kernel
at once. The second call costs about a fifth of the whole way of a small request, so the writes of one turn of
the event loop are joined here. Order, closing and flow control stay as they are: nothing outlasts the turn.
"""

__all__ = ("OneWriteProtocol",)

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class _TurnWriter:
    """Stands before a transport and joins the writes of one turn. Whatever else is asked goes through."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, piece: bytes) -> None:
        """Send a piece at the end of this turn."""
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(piece)

    def close(self) -> None:
        """Send what is pending, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        pieces = self._pending
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))
        pieces.clear()


class OneWriteProtocol(HttpToolsProtocol):
    """The protocol that the server runs with."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(cast("asyncio.Transport", _TurnWriter(transport, self.loop)))
