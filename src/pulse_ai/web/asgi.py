"""The few things that Pulse needs of ASGI: types, a request's head and body, and how an answer is sent.

The hot path is one POST in, one JSON out. A framework's router, request and response objects would cost more
than the whole rest of the way through Pulse (docs/decisions/0002-plain-asgi.md has the figures).
"""

__all__ = (
    "ClientGone",
    "Head",
    "Message",
    "Receive",
    "Response",
    "Scope",
    "Send",
    "key_of",
    "problem_response",
    "read_head",
    "respond",
)

import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

import msgspec

from pulse_ai.core import InvalidInput, Priority, Refused, RequestError, TooLarge
from pulse_ai.web.problems import (
    PROBLEMS,
    EncodedBody,
    MethodNotAllowed,
    SlowBody,
    TooManyBodies,
    UnsupportedMediaType,
    problem_value,
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_TIMEOUT_MS = 3_600_000
"""Longest time limit that a client may ask for, in milliseconds."""

_JSON = b"application/json"
_KEY_BYTES = 128  # of an API key; more do not tell callers apart
_KEY = "key:"  # before a caller's API key; no address begins like this
_OUR_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})


class ClientGone(Exception):
    """The client closed its connection before its answer."""


class Head(NamedTuple):
    """What Pulse reads of a request's headers. Times in seconds, sizes in bytes; None where absent."""

    timeout_s: float | None
    length_bytes: int | None
    priority: Priority
    caller: str


class Response(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", _JSON),)


def read_head(scope: Scope) -> Head:
    """Read what matters of the headers.

    Raises:
        UnsupportedMediaType: The body is announced as something else than JSON in UTF-8, or as compressed.
        InvalidInput: ``X-Request-Timeout-Ms`` is not a number of milliseconds within its range, or
            ``X-Priority`` is not one of the classes.
    """
    timeout_s: float | None = None
    length_bytes: int | None = None
    priority: Priority = "interactive"
    client = scope["client"]
    caller: str = client[0] if client else ""
    for name, value in scope["headers"]:
        if name in _CHECKS:
            _CHECKS[name](value)
        elif name == b"content-length":
            length_bytes = int(value) if value.isdigit() and len(value) < 20 else None
        elif name == b"x-request-timeout-ms":
            timeout_s = _timeout_s(value)
        elif name == b"x-priority":
            priority = _priority(value)
        elif name == b"x-api-key":
            caller = _KEY + value[:_KEY_BYTES].decode("latin-1")
    return Head(timeout_s, length_bytes, priority, caller)


def key_of(head: Head) -> str:
    """Return the caller where it brought an API key; empty where it is known by its address only."""
    return head.caller if head.caller.startswith(_KEY) else ""


def _check_content_type(value: bytes) -> None:
    if value == _JSON:
        return
    text = value.decode("latin-1").lower()
    kind, *parameters = (part.strip() for part in text.split(";"))
    is_json = kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    charsets = [part[8:].strip('"') for part in parameters if part.startswith("charset=")]
    if not is_json or not _OUR_CHARSETS.issuperset(charsets):
        raise UnsupportedMediaType(given=text[:100])


def _check_content_encoding(value: bytes) -> None:
    if value.lower() != b"identity":
        raise EncodedBody(given=value[:40].decode("latin-1"))


_CHECKS: dict[bytes, Callable[[bytes], None]] = {
    b"content-type": _check_content_type,
    b"content-encoding": _check_content_encoding,
}


def _priority(value: bytes) -> Priority:
    if value == b"interactive":
        return "interactive"
    if value == b"batch":
        return "batch"
    raise InvalidInput(f"X-Priority must be interactive or batch, got {value[:40].decode('latin-1')!r}")


def _timeout_s(value: bytes) -> float:
    try:
        timeout_ms = math.nan if b"_" in value else float(value)
    except ValueError:
        timeout_ms = math.nan
    if not 0 < timeout_ms <= MAX_TIMEOUT_MS:
        given = value[:40].decode("latin-1")
        raise InvalidInput(
            f"X-Request-Timeout-Ms must be above 0 and at most {MAX_TIMEOUT_MS}, got {given!r}"
        )
    return timeout_ms / 1000.0


def problem_response(error: RequestError) -> Response:
    """Return the problem+json answer to an error, with Retry-After where waiting can help.

    Example:
        >>> from pulse_ai.core import NotReady
        >>> problem_response(NotReady("loading", retry_after_s=1.2)).headers[1:]
        ((b'retry-after', b'2'), (b'retry-after-ms', b'1200'))
    """
    headers: list[tuple[bytes, bytes]] = [(b"content-type", b"application/problem+json")]
    if isinstance(error, Refused):
        headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after_s))).encode()))
        headers.append((b"retry-after-ms", str(math.ceil(error.retry_after_s * 1000)).encode()))
    elif isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allowed.encode()))
    if isinstance(error, (TooLarge, TooManyBodies, SlowBody)):
        headers.append((b"connection", b"close"))  # the rest of the body is not waited for
    return Response(PROBLEMS[error.code].status, msgspec.json.encode(problem_value(error)), tuple(headers))


async def respond(send: Send, response: Response, *, head_only: bool = False) -> None:
    """Send a whole answer; only its head for a HEAD request."""
    status, body, headers = response
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": b"" if head_only else body})
