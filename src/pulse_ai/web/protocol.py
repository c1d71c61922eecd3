"""uvicorn's HTTP protocol, with one system call for what is written in one turn, and with bounds.

uvicorn writes the head and the body of a response one after the other, and uvloop hands each to the kernel
at once. The second call costs about a fifth of the whole way of a small request, so the writes of one turn of
the event loop are joined here. Order, closing and flow control stay as they are: nothing outlasts the turn.

With httptools uvicorn has no bound on the head of a request, on trailers, on pipelined requests, or on the
time that a head takes; and it answers bytes that are not HTTP at once, which a client that has pipelined takes
for the answer to an earlier request. What is done about it stays off the way of an ordinary request, whose
head comes in one piece: two comparisons for each read, and a look at all connections every few seconds.
"""

__all__ = ("IDLE_LOOKS", "MAX_HEAD_BYTES", "MAX_PIPELINED", "OneWriteProtocol")

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from pulse_ai.core import RequestError
from pulse_ai.web.asgi import Scope, problem_response
from pulse_ai.web.endpoint import ModelEndpoint
from pulse_ai.web.heads import KnownHeads
from pulse_ai.web.lane import LaneCycle, http_bytes
from pulse_ai.web.problems import BadRequest, HeadTooLarge

MAX_HEAD_BYTES = 64 * 1024
"""Most bytes of a request line with its headers, where they come in more than one read of the socket."""

MAX_PIPELINED = 256
"""Most requests that wait on one connection for those before them."""

IDLE_LOOKS = 5
"""A connection that idles is closed at this look of ``close_if_stuck`` after the one that first saw it idle."""

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
        known_heads: What all connections of the server have learned of heads; bodies were at most as long.
    """

    def __init__(
        self,
        *args: Any,
        max_body_bytes: int,
        lanes: Mapping[bytes, ModelEndpoint],
        known_heads: KnownHeads,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._lanes = lanes
        self._known_heads = known_heads
        self._known_cycle: LaneCycle | None = None
        self._plain_head = b""  # of a request that offers to upgrade: the same without the offer
        self._between = True  # what has been read ends with a whole request, or is nothing
        self._answered = 0  # in the lane
        self._idle = (0, 0)  # that number at the last look, and at how many looks before it
        self._write_now: Callable[[bytes], None] = self._not_connected
        self._max_body_bytes = max_body_bytes
        self._first: Any = None  # the request under way, where others wait behind it
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

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection. uvicorn tells the newest request only; the one under way may be before that."""
        first = self._first
        if first is not None and first is not self.cycle and not first.response_complete:
            first.disconnected = True
            first.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, and keep an eye on what comes without completing a head."""
        cycle: Any = self.cycle
        begins = self._between and (cycle is None or cycle.response_complete)
        if begins and self._begin_known(data):
            return
        self._feed(data)
        if isinstance(self.cycle, LaneCycle):
            whole = begins and self.cycle is not cycle  # else these bytes are not the cycle's
            self._look_after_lane(self.cycle, data if whole else b"")
        if self.cycle is not self._seen_cycle:
            self._seen_cycle = self.cycle
            self._more_bytes = 0
            if self.pipeline:
                self._bound_pipeline()
            return
        self._more_bytes += len(data)
        if self._more_bytes > MAX_HEAD_BYTES:
            self._bound_request()

    def _feed(self, data: bytes | memoryview) -> None:
        """Have the parser read."""
        self._unset_keepalive_if_required()
        try:
            while data:
                data = self._feed_to_offer(data)
        except httptools.HttpParserError:
            self._turn_away(BadRequest())

    def _feed_to_offer(self, data: bytes | memoryview) -> bytes | memoryview:
        """Have the parser read up to the first offer to upgrade, and return what follows its head.

        It takes such a head for a request without a body, and what follows for another protocol. We speak none,
        so the head is read again without the offer, and what follows is its body and the next requests.
        """
        try:
            cast("Any", self.parser).feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            head, self._plain_head = self._plain_head, b""
            self.parser = httptools.HttpRequestParser(self)  # the other one is done where the head says close
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            self.parser.feed_data(head)
            return memoryview(data)[offer.args[0] :]
        return b""

    def _begin_known(self, data: bytes) -> bool:
        """Begin the request where its head is known, and say whether it was; the parser sees nothing of it."""
        found = self._known_heads.find(data)
        if found is None or self.flow.write_paused:
            return False
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        cycle = self._known_cycle
        if cycle is None:
            cycle = self._known_cycle = self._make_cycle(cast("Scope", {"client": self.client}))
        self.cycle = cast("Any", cycle)
        cycle.begin_known(*found)
        return True

    def _look_after_lane(self, cycle: LaneCycle, request: bytes) -> None:
        if cycle.more_body:
            self._leave_lane(cycle)
        elif self.flow.read_paused:
            self.flow.resume_reading()  # a body over uvicorn's high water that came at once
        elif cycle.head is not None and cycle.keep_alive:
            self._known_heads.learn(request, cycle.endpoint, cycle.head)

    def on_message_complete(self) -> None:
        """End a request."""
        if not self._plain_head:
            self._between = True
            super().on_message_complete()

    def on_message_begin(self) -> None:
        """Begin a head. What only ASGI needs of a scope is made once it is known that ASGI gets it."""
        self._between = False
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.scope = cast("Any", {"headers": self.headers, "client": self.client})

    def on_headers_complete(self) -> None:
        """Begin a request: in the fast lane where it is an ordinary one, else as uvicorn does."""
        endpoint = self._lanes.get(self.url)
        newest = self._newest()
        parser = cast("Any", self.parser)
        if parser.should_upgrade():
            self._plain_head = self._without_offer(parser)
            return
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
        cycle = self._make_cycle(cast("Scope", self.scope))
        cycle.endpoint = endpoint
        cycle.keep_alive = parser.should_keep_alive()
        self.cycle = cast("Any", cycle)

    def _without_offer(self, parser: Any) -> bytes:
        """Return the head that has just been read, without its offer to upgrade."""
        method = parser.get_method()
        if method == b"CONNECT":
            raise ValueError("it asks for a tunnel")  # so the parser stops
        lines = [b"%b %b HTTP/%b" % (method, self.url, parser.get_http_version().encode())]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _make_cycle(self, scope: Scope) -> LaneCycle:
        return LaneCycle(
            scope,
            write=self._write_now,
            on_complete=self._lane_complete,
            max_body_bytes=self._max_body_bytes,
        )

    def _begin_asgi(self) -> None:
        """Begin a request as uvicorn does, with the whole of a scope."""
        if isinstance(self.cycle, LaneCycle):
            self._first = self.cycle
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Have the application answer a request: all before it are answered."""
        self._first = cycle
        super()._start_asgi_task(cycle, app)

    def _lane_complete(self, cycle: LaneCycle) -> None:
        """Go on after an answer, without a timer for what comes next: ``close_if_stuck`` sees to it."""
        self._answered += 1
        if not cycle.keep_alive:
            self.server_state.total_requests += 1
            self.transport.close()
        elif self.pipeline or self.flow.read_paused:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1

    def _leave_lane(self, cycle: LaneCycle) -> None:
        """Let a request whose body comes in pieces go on as uvicorn does it."""
        self.cycle = None  # type: ignore[assignment]
        self._begin_asgi()
        self.cycle.body = bytearray(cycle.body)
        self.cycle.message_event.set()

    def close_if_stuck(self) -> None:
        """Close a connection on which nothing has moved since the last call, or since the last few.

        The first is one whose head never ends, or whose client does not read its answer. The second is one
        that idles after an answer. To be called every so many seconds.
        """
        unread_bytes: int = self.transport.get_write_buffer_size()
        newest = self._newest()
        rests = newest is None or newest.response_complete
        if rests and self._between and not unread_bytes and isinstance(newest, LaneCycle):
            self._close_if_idle()
            return
        idles = self.timeout_keep_alive_task is not None  # after an answer by way of ASGI uvicorn has a timer
        stuck = (newest, self._answered, unread_bytes) if unread_bytes or (rests and not idles) else None
        if stuck is not None and stuck == self._stuck:
            self.transport.abort()
        self._stuck = stuck

    def _close_if_idle(self) -> None:
        answered, looks = self._idle
        self._idle = (self._answered, looks + 1 if answered == self._answered else 0)
        self._stuck = None
        if self._idle[1] >= IDLE_LOOKS:
            self.transport.close()

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
