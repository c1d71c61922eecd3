"""uvicorn's HTTP protocol, with one system call for what is written in one turn, and with bounds.

uvicorn writes the head and the body of a response one after the other, and uvloop hands each to the kernel
at once. The second call costs about a fifth of the whole way of a small request, so the writes of one turn of
the event loop are joined here. Order, closing and flow control stay as they are: nothing outlasts the turn.

With httptools uvicorn has no bound on the head of a request, on trailers, on pipelined requests, or on the
time that a head takes; and it answers bytes that are not HTTP at once, which a client that has pipelined takes
for the answer to an earlier request. What is done about it stays off the way of an ordinary request, whose
head comes in one piece: two comparisons for each read, and a look at all connections every few seconds.
"""

__all__ = ("MAX_HEAD_BYTES", "MAX_PIPELINED", "OneWriteProtocol")

import asyncio
from collections import deque
from typing import Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from pulse_ai.core import RequestError
from pulse_ai.web.asgi import problem_response
from pulse_ai.web.problems import PROBLEMS, BadRequest, HeadTooLarge

MAX_HEAD_BYTES = 64 * 1024
"""Most bytes of a request line with its headers, where they come in more than one read of the socket."""

MAX_PIPELINED = 256
"""Most requests that wait on one connection for those before them."""

_FRAMING = 8  # a chunked body of one-byte chunks is so many times longer on the wire


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


class _PipelineFlow(FlowControl):
    """Reads on only when no request waits for those before it; uvicorn would read on after each answer."""

    def __init__(self, transport: asyncio.Transport, waiting: "deque[Any]") -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class OneWriteProtocol(HttpToolsProtocol):
    """The protocol that the server runs with.

    Args:
        max_body_bytes: Longest request body; far longer ones are cut off even where nobody reads them.
    """

    def __init__(self, *args: Any, max_body_bytes: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._max_body_bytes = max_body_bytes
        self._seen_cycle: object = None
        self._more_bytes = 0  # read since the last head was complete
        self._stuck: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(cast("asyncio.Transport", _TurnWriter(transport, self.loop)))
        self.flow = _PipelineFlow(self.transport, self.pipeline)

    def data_received(self, data: bytes) -> None:
        """Read on, and keep an eye on what comes without completing a head."""
        super().data_received(data)
        if self.cycle is not self._seen_cycle:
            self._seen_cycle = self.cycle
            self._more_bytes = 0
            if self.pipeline:
                self._bound_pipeline()
            return
        self._more_bytes += len(data)
        if self._more_bytes > MAX_HEAD_BYTES:
            self._bound_request()

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP."""
        del msg  # ours says the same
        self._turn_away(BadRequest())

    def close_if_stuck(self) -> None:
        """Close a connection on which nothing has moved since the last call.

        That is one whose head never ends, or whose client does not read its answer. To be called every so
        many seconds. A connection that idles after an answer has uvicorn's own timer.
        """
        unread_bytes: int = self.transport.get_write_buffer_size()
        idles = self.timeout_keep_alive_task is not None
        newest = self._newest()
        head_is_due = (newest is None or newest.response_complete) and not idles
        stuck = (newest, unread_bytes) if unread_bytes or head_is_due else None
        if stuck is not None and stuck == self._stuck:
            self.transport.abort()
        self._stuck = stuck

    def _bound_pipeline(self) -> None:
        if len(self.pipeline) > MAX_PIPELINED:
            while len(self.pipeline) > MAX_PIPELINED:
                self.pipeline.popleft()  # the newest
            self._end_after(self.pipeline[0][0])

    def _bound_request(self) -> None:
        """The head, or the body that nobody reads any more, or its trailers, have no end."""
        newest = self._newest()
        if newest is None or newest.scope is not self.scope:
            self._turn_away(HeadTooLarge(limit_bytes=MAX_HEAD_BYTES))
        elif self._more_bytes > MAX_HEAD_BYTES + _FRAMING * self._max_body_bytes:
            self.transport.close()

    def _turn_away(self, error: RequestError) -> None:
        """Answer what cannot be read, unless a request before it still waits: its client would mix them up."""
        newest = self._newest()
        if newest is None or newest.response_complete:
            self._close_with(error)
        elif not newest.more_body:
            self._end_after(newest)
        elif self.pipeline or newest.response_started:
            self.transport.close()
        else:
            self._close_with(error)

    def _newest(self) -> RequestResponseCycle | None:
        """Return the request whose head was read last; its body may not be complete."""
        return cast("RequestResponseCycle | None", self.cycle)

    def _end_after(self, cycle: RequestResponseCycle) -> None:
        """Answer the requests up to this one, then close."""
        cycle.keep_alive = False
        self.flow.pause_reading()

    def _close_with(self, error: RequestError) -> None:
        status, body, headers = problem_response(error)
        kind = PROBLEMS[error.code]
        head = [b"HTTP/1.1 %d %s" % (status, kind.title.encode())]
        head += [b"%s: %s" % header for header in headers]
        head += [b"content-length: %d" % len(body), b"connection: close", b"", body]
        self.transport.write(b"\r\n".join(head))
        self.transport.close()
