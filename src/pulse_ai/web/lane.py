"""The fast lane: an ordinary ``POST /api/{name}`` is answered without a task, a scope or an ASGI message.

Of the time that a small request takes in the parent, most is the machinery of ASGI: a task, two events, four
dictionaries. None of it is needed where the body has come with the head and the answer is one short write. So a
``LaneCycle`` takes the place of uvicorn's ``RequestResponseCycle`` for such a request: it has the attributes that
uvicorn's protocol looks at, hands the item to the engine itself, and writes the answer when it is called back.
Everything else (other paths, bodies in pieces, pipelined requests, slow readers) goes the way of ASGI, and both
ways share the code that reads heads, checks items and writes answers, so they cannot differ in what they say.
"""

__all__ = ("LaneCycle", "http_bytes")

from collections.abc import Callable
from http import HTTPStatus
from typing import Self

import msgspec

from pulse_ai.core import Priority, RequestError, TooLarge
from pulse_ai.web.asgi import Head, Response, Scope, problem_response, read_head
from pulse_ai.web.endpoint import ModelEndpoint
from pulse_ai.web.heads import KnownHead
from pulse_ai.web.problems import PROBLEMS

_PHRASES = {kind.status: HTTPStatus(kind.status).phrase.encode() for kind in PROBLEMS.values()}
_OK_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"


def http_bytes(response: Response, *, close: bool) -> bytes:
    """Return a whole response as it travels.

    Example:
        >>> http_bytes(Response(200, b"{}"), close=False)[:15]
        b'HTTP/1.1 200 OK'
    """
    status, body, headers = response
    lines = [b"HTTP/1.1 %d %b" % (status, _PHRASES.get(status, b"OK"))]
    lines += [b"%b: %b" % header for header in headers if header[0] != b"connection"]
    lines += [b"content-length: %d" % len(body)] + [b"connection: close"] * close + [b"", body]
    return b"\r\n".join(lines)


class LaneCycle:
    """One request in the fast lane; or one after the other, where their heads are known.

    Its attributes up to ``message_event`` are those that uvicorn's protocol reads and writes. As its own
    ``message_event`` it hears of each thing that uvicorn notes: a piece of the body, its end, a lost connection.

    Args:
        scope: With the client and, where the head is not known, the headers.
        write: Writes to the connection.
        on_complete: Told of this request when its answer has been written; others may wait behind it.
        max_body_bytes: Longest body.

    Attributes:
        endpoint: The model.
        head: What was read of the headers; None before that, or where they are wrong.
    """

    __slots__ = (
        "_client",
        "_max_body_bytes",
        "_on_complete",
        "_ticket_id",
        "_write",
        "body",
        "disconnected",
        "endpoint",
        "head",
        "keep_alive",
        "more_body",
        "response_complete",
        "response_started",
        "scope",
    )

    endpoint: ModelEndpoint

    def __init__(
        self,
        scope: Scope,
        *,
        write: Callable[[bytes], None],
        on_complete: "Callable[[LaneCycle], None]",
        max_body_bytes: int,
    ) -> None:
        self.scope = scope
        self.keep_alive = True
        self.body = b""
        self.more_body = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.head: Head | None = None
        self._client: str = scope["client"][0] if scope["client"] else ""
        self._write = write
        self._on_complete = on_complete
        self._max_body_bytes = max_body_bytes
        self._ticket_id = 0

    @property
    def message_event(self) -> Self:
        """What uvicorn tells of each thing that comes: this itself, and not kept, for that would be a circle."""
        return self

    def set(self) -> None:
        """Hear from uvicorn that something has come."""
        if self.disconnected:
            if self._ticket_id:
                self.endpoint.engine.cancel(self._ticket_id)
        elif not self.more_body and not self._ticket_id and not self.response_complete:
            self._begin()

    def begin_known(self, known: KnownHead, body: bytes) -> None:
        """Begin the next request on this connection: one whose head is known and whose body is here."""
        self.endpoint = known.endpoint
        self.more_body = self.response_started = self.response_complete = False
        self._ticket_id = 0
        shut = None if known.endpoint.engine.can_serve else known.endpoint.engine.shut()
        if shut is None:
            self._hand_in(body, known.timeout_s, known.priority, known.key or self._client)
        else:
            self._turn_away(known.endpoint.turn_down(shut))

    def _begin(self) -> None:
        """Read the head, and hand the item in."""
        try:
            self.head = head = self._read_head()
        except RequestError as error:
            self._turn_away(error)
        else:
            self._hand_in(self.body, head.timeout_s, head.priority, head.caller)

    def _read_head(self) -> Head:
        endpoint, size_bytes = self.endpoint, len(self.body)
        try:
            endpoint.check_ready()
            head = read_head(self.scope)
            if size_bytes > self._max_body_bytes:
                raise TooLarge(what="the body", size_bytes=size_bytes, limit_bytes=self._max_body_bytes)
        except RequestError as error:
            raise endpoint.turn_down(error) from None
        return head

    def _hand_in(self, body: bytes, timeout_s: float | None, priority: Priority, caller: str) -> None:
        try:
            item = self.endpoint.read(body)
        except RequestError as error:
            self._turn_away(error)
            return
        self._ticket_id = self.endpoint.engine.submit(
            item, self._settled, timeout_s=timeout_s, priority=priority, caller=caller
        )

    def _settled(self, outcome: msgspec.Raw | RequestError) -> None:
        """Write the answer. Called by the engine."""
        if self.disconnected:
            return
        if isinstance(outcome, RequestError):
            self._turn_away(outcome)
            return
        try:
            body = self.endpoint.write(outcome)
        except RequestError as error:
            self._turn_away(error)
            return
        if self.keep_alive:
            self._finish(_OK_HEAD % (len(body), body))
        else:
            self._finish(http_bytes(Response(200, body), close=True))

    def _turn_away(self, error: RequestError) -> None:
        response = problem_response(error)
        if (b"connection", b"close") in response.headers:
            self.keep_alive = False
        self._finish(http_bytes(response, close=not self.keep_alive))

    def _finish(self, answer: bytes) -> None:
        self._write(answer)
        self.response_started = self.response_complete = True
        self._on_complete(self)
