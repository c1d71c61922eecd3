"""From errors to HTTP: one table of codes, and problem+json (RFC 9457)."""

__all__ = (
    "PROBLEMS",
    "BadJson",
    "BadRequest",
    "EncodedBody",
    "HeadTooLarge",
    "MethodNotAllowed",
    "ProblemKind",
    "SlowBody",
    "TooManyBodies",
    "UnknownPath",
    "UnsupportedMediaType",
    "problem_value",
)

from typing import Any, NamedTuple

from pulse_ai.core import Refused, RequestError


class BadJson(RequestError):
    """The body is not JSON; nothing was queued."""

    code = "bad_json"


class UnsupportedMediaType(RequestError):
    """The body is announced as something else than JSON; nothing was read."""

    code = "unsupported_media_type"

    def __init__(self, *, given: str) -> None:
        super().__init__(f"the body is announced as {given!r}; send Content-Type: application/json, in UTF-8")


class EncodedBody(UnsupportedMediaType):
    """The body is compressed; nothing was read."""

    def __init__(self, *, given: str) -> None:
        RequestError.__init__(
            self, f"the body is announced as {given!r} by Content-Encoding; send it as it is"
        )


class MethodNotAllowed(RequestError):
    """The path exists, but not with this method."""

    code = "method_not_allowed"

    def __init__(self, *, given: str, allowed: str) -> None:
        self.allowed = allowed
        super().__init__(f"{given} is not allowed here; use {allowed}")


class UnknownPath(RequestError):
    """There is nothing at this path."""

    code = "unknown_path"

    def __init__(self, *, path: str) -> None:
        super().__init__(f"there is nothing at {path[:200]!r}; see /openapi.json for what there is")


class SlowBody(RequestError):
    """The body did not arrive in time; nothing was queued, and the connection is closed."""

    code = "slow_body"

    def __init__(self, *, limit_s: float) -> None:
        super().__init__(f"the body did not arrive within {limit_s:g} s")


class TooManyBodies(Refused):
    """So many bodies are arriving that no more fit into memory; this one was dropped, nothing was queued."""

    code = "overloaded"

    def __init__(self, *, held_bytes: int, limit_bytes: int) -> None:
        text = f"too much is being sent at once ({held_bytes} of {limit_bytes} bytes)"
        super().__init__(text, retry_after_s=1.0)


class BadRequest(RequestError):
    """What came is not HTTP; the connection is closed."""

    code = "bad_request"

    def __init__(self) -> None:
        super().__init__("this is not a valid HTTP request")


class HeadTooLarge(RequestError):
    """The head of a request is over its bound; the connection is closed."""

    code = "head_too_large"

    def __init__(self, *, limit_bytes: int) -> None:
        super().__init__(f"the request line and headers are over {limit_bytes} bytes; send less")


class ProblemKind(NamedTuple):
    """What a code means over HTTP."""

    status: int
    title: str


PROBLEMS: dict[str, ProblemKind] = {
    "bad_json": ProblemKind(400, "The body is not JSON"),
    "bad_request": ProblemKind(400, "This is not HTTP"),
    "too_large": ProblemKind(413, "The request is too large"),
    "unsupported_media_type": ProblemKind(415, "The body is not announced as JSON"),
    "invalid_input": ProblemKind(422, "The input is not what the model takes"),
    "unknown_model": ProblemKind(404, "There is no such model"),
    "unknown_path": ProblemKind(404, "There is nothing here"),
    "method_not_allowed": ProblemKind(405, "Wrong method"),
    "slow_body": ProblemKind(408, "The body came too slowly"),
    "head_too_large": ProblemKind(431, "The head of the request is too large"),
    "overloaded": ProblemKind(429, "Too much is waiting"),
    "model_error": ProblemKind(500, "The model failed on this input"),
    "poisoned_input": ProblemKind(500, "This input ends the worker"),
    "not_ready": ProblemKind(503, "No worker is ready"),
    "draining": ProblemKind(503, "The service is shutting down"),
    "deadline_exceeded": ProblemKind(504, "Time ran out"),
}
"""Every code that a client can meet, with its status; docs/http.md shows the same table."""


def problem_value(error: RequestError) -> dict[str, Any]:
    """Return the problem+json of an error.

    Example:
        >>> problem_value(BadJson("the body ends early"))["code"]
        'bad_json'
    """
    kind = PROBLEMS[error.code]
    value: dict[str, Any] = {
        "type": f"urn:pulse:problem:{error.code}",
        "title": kind.title,
        "status": kind.status,
        "code": error.code,
        "detail": str(error),
    }
    if isinstance(error, Refused):
        value["retry_after_s"] = round(error.retry_after_s, 3)
    return value
