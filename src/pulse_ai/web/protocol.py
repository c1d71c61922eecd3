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
from collections.abc import Callable, Mapping
from typing import Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from pulse_ai.core import RequestError
from pulse_ai.web.asgi import Scope, problem_response
from pulse_ai.web.endpoint import ModelEndpoint
from pulse_ai.web.lane import LaneCycle, http_bytes
from pulse_ai.web.problems import BadRequest, HeadTooLarge

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

    def write_now(self, piece: bytes) -> None:
        """Send a piece at once, after what is pending."""
        if self._pending:
            self._pending.append(piece)
            self._flush()
        else:
            self._transport.write(piece)

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
        lanes: The models that are answered in the fast lane, by path.
    """

    def __init__(
        self, *args: Any, max_body_bytes: int, lanes: Mapping[bytes, ModelEndpoint], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._lanes = lanes
        self._write_now: Callable[[bytes], None] = self._not_connected
        self._max_body_bytes = max_body_bytes
        self._seen_cycle: object = None
        self._more_bytes = 0  # read since the last head was complete
        self._stuck: object = None

    def _not_connected(self, piece: bytes) -> None:
        raise RuntimeError(f"{len(piece)} bytes are to be written before there is a connection")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        writer = _TurnWriter(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", writer))
        self._write_now = writer.write_now
        self.flow = _PipelineFlow(self.transport, self.pipeline)

    def data_received(self, data: bytes) -> None:
        """Read on, and keep an eye on what comes without completing a head."""
        super().data_received(data)
        if isinstance(self.cycle, LaneCycle):
            if self.cycle.more_body:
                self._leave_lane(self.cycle)
            elif self.flow.read_paused:
                self.flow.resume_reading()  # a body over uvicorn's high water that came at once
        if self.cycle is not self._seen_cycle:
            self._seen_cycle = self.cycle
            self._more_bytes = 0
            if self.pipeline:
                self._bound_pipeline()
            return
        self._more_bytes += len(data)
        if self._more_bytes > MAX_HEAD_BYTES:
            self._bound_request()

    def on_message_begin(self) -> None:
        """Begin a head. What only ASGI needs of a scope is made once it is known that ASGI gets it."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.scope = cast("Any", {"headers": self.headers, "client": self.client})

    def on_headers_complete(self) -> None:
        """Begin a request: in the fast lane where it is an ordinary one, else as uvicorn does."""
        endpoint = self._lanes.get(self.url)
        newest = self._newest()
        parser = cast("Any", self.parser)
        if (
            endpoint is None
            or self.expect_100_continue
            or (newest is not None and not newest.response_complete)
            or parser.get_method() != b"POST"
            or parser.get_http_version() != "1.1"
            or self.flow.write_paused
        ):
            self._begin_asgi()
            return
        self.cycle = LaneCycle(  # type: ignore[assignment]
            endpoint,
            cast("Scope", self.scope),
            keep_alive=parser.should_keep_alive(),
            write=self._write_now,
            on_complete=self._lane_complete,
            max_body_bytes=self._max_body_bytes,
        )

    def _begin_asgi(self) -> None:
        """Begin a request as uvicorn does, with the whole of a scope."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()

    def _lane_complete(self) -> None:
        if self.cycle.keep_alive:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.transport.close()

    def _leave_lane(self, cycle: LaneCycle) -> None:
        """Let a request whose body comes in pieces go on as uvicorn does it."""
        self.cycle = None  # type: ignore[assignment]
        self._begin_asgi()
        self.cycle.body = bytearray(cycle.body)
        self.cycle.message_event.set()

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
        self.transport.write(http_bytes(problem_response(error), close=True))
        self.transport.close()
