"""The tree of errors. Each one says what happened, the numbers, and what to do.

::

    PulseError
    ├── RequestError             one request's answer is not a result; ``code`` says why
    │   ├── InvalidInput           invalid_input       the item is not what the task takes
    │   ├── TooLarge               too_large           the item or body is over a bound
    │   ├── UnknownModel           unknown_model       no model has that name
    │   ├── ModelError             model_error         the task failed on this item
    │   ├── PoisonedInput          poisoned_input      this item kills the worker
    │   ├── DeadlineExceeded       deadline_exceeded   admitted, but time ran out
    │   └── Refused              not now; ``retry_after_s`` says when
    │       ├── Overloaded         overloaded          the queue is full, or the deadline cannot be met
    │       ├── NotReady           not_ready           no worker can serve now
    │       └── Draining           draining            the service is shutting down
    ├── WorkerError              a worker process failed; its requests are answered or retried
    │   ├── WorkerLost             the process ended, or was killed; ``reason`` says by what
    │   ├── LoadFailed             the task could not be found, built or loaded
    │   └── StartTimeout           the process never said READY
    ├── WireError                the bytes between parent and worker broke the protocol
    │   ├── FrameTooLarge          a frame is longer than the bound
    │   ├── BadFrame               a frame does not hold a message that is legal here
    │   ├── TruncatedStream        the stream ended in the middle of a frame
    │   └── VersionMismatch        the two sides speak different protocol versions
    └── TargetError              what was named to be served does not exist or cannot be used

The errors know nothing of HTTP: ``web`` maps a ``code`` to a status. The same code is the word on the
wire, in the JSON of a problem and as the label of a metric.
"""

__all__ = (
    "BadFrame",
    "DeadlineExceeded",
    "Draining",
    "FrameTooLarge",
    "InvalidInput",
    "LoadFailed",
    "ModelError",
    "NotReady",
    "Overloaded",
    "PoisonedInput",
    "PulseError",
    "Refused",
    "RequestError",
    "StartTimeout",
    "TargetError",
    "TooLarge",
    "TruncatedStream",
    "UnknownModel",
    "VersionMismatch",
    "WireError",
    "WorkerError",
    "WorkerLost",
)

from typing import ClassVar

from pulse_ai.core.reasons import DeathReason


class PulseError(Exception):
    """The root: catches everything that Pulse itself raises."""


class RequestError(PulseError):
    """One request's answer is not a result. Its batch-mates are not touched."""

    code: ClassVar[str] = "model_error"


class InvalidInput(RequestError):
    """The item is not what the task takes; nothing was queued, or only this item was turned down."""

    code = "invalid_input"


class TooLarge(RequestError):
    """The item or the body is over a bound; nothing was queued."""

    code = "too_large"

    def __init__(self, *, what: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{what} is {size_bytes} bytes, over the limit of {limit_bytes}; send less")


class UnknownModel(RequestError):
    """No model is served under that name; nothing was queued."""

    code = "unknown_model"

    def __init__(self, *, name: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"no model is named {name!r}; this service has {', '.join(map(repr, known)) or 'none'}"
        )


class ModelError(RequestError):
    """The task answered this item with a failure, or raised; other items are not touched."""

    code = "model_error"


class PoisonedInput(RequestError):
    """This item was alone with a worker when the worker died; it is not tried again.

    Args:
        deaths: How many workers it ended; 0 where it was known from before and ended none this time.
    """

    code = "poisoned_input"

    def __init__(self, *, deaths: int) -> None:
        what = f"ended {deaths} worker(s)" if deaths else "is known to end workers"
        super().__init__(f"this input {what} and will not be tried again; change the input")


class DeadlineExceeded(RequestError):
    """The request was admitted but its time ran out; a late result is dropped."""

    code = "deadline_exceeded"

    def __init__(self, *, waited_s: float, where: str) -> None:
        super().__init__(f"time ran out after {waited_s:.3f} s {where}; allow more time or send less")


class Refused(RequestError):
    """Nothing was queued, and trying later can help.

    Attributes:
        retry_after_s: When a place is likely to be free, in seconds from now; above 0.
    """

    def __init__(self, text: str, *, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"{text}; try again in about {retry_after_s:.1f} s")


class Overloaded(Refused):
    """The queue was full, or the deadline could not be met; nothing was queued."""

    code = "overloaded"

    def __init__(self, *, waiting: int, limit: int, unit: str, retry_after_s: float) -> None:
        super().__init__(f"queue is full ({waiting} of {limit} {unit} waiting)", retry_after_s=retry_after_s)

    @classmethod
    def for_time(cls, *, needs_s: float, left_s: float, retry_after_s: float) -> "Overloaded":
        """Return the refusal of a request that would be answered too late."""
        error = cls(waiting=0, limit=0, unit="items", retry_after_s=retry_after_s)
        text = f"the answer would take about {needs_s:.3f} s, but the request has {left_s:.3f} s"
        error.args = (f"{text}; try again in about {retry_after_s:.1f} s, or allow more time",)
        return error


class NotReady(Refused):
    """No worker can serve now (loading, restarting or failed); nothing was queued."""

    code = "not_ready"

    def __init__(self, why: str, *, retry_after_s: float) -> None:
        super().__init__(f"no worker is ready: {why}", retry_after_s=retry_after_s)


class Draining(Refused):
    """The service is shutting down; nothing was queued."""

    code = "draining"

    def __init__(self, *, retry_after_s: float) -> None:
        super().__init__("the service is shutting down", retry_after_s=retry_after_s)


class WorkerError(PulseError):
    """A worker process failed. Its requests are retried or answered; the supervisor restarts it.

    Attributes:
        reason: The word for it among the deaths that are counted; one of ``DEATH_REASONS``.
    """

    reason: DeathReason = "exit"


class WorkerLost(WorkerError):
    """The worker process ended, or was killed."""

    def __init__(self, text: str, *, reason: DeathReason = "exit") -> None:
        self.reason = reason
        super().__init__(text)


class LoadFailed(WorkerError):
    """The task could not be found, built or loaded; the worker has ended."""

    reason = "load"


class StartTimeout(WorkerError):
    """The worker did not say READY in time, and was killed."""

    reason = "silent"

    def __init__(self, *, limit_s: float) -> None:
        super().__init__(f"the worker did not become ready within {limit_s:g} s; raise the start timeout")


class WireError(PulseError):
    """The bytes between parent and worker broke the protocol; the connection is closed."""


class FrameTooLarge(WireError):
    """A frame announces more bytes than the bound; none of them were read."""

    def __init__(self, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"a frame of {size_bytes} bytes is over the limit of {limit_bytes}")


class BadFrame(WireError):
    """A frame does not hold a message that is legal in this state."""


class TruncatedStream(WireError):
    """The stream ended in the middle of a frame."""

    def __init__(self, *, have_bytes: int) -> None:
        super().__init__(f"the stream ended in the middle of a frame, {have_bytes} bytes into it")


class VersionMismatch(WireError):
    """The two sides speak different protocol versions."""

    def __init__(self, *, ours: int, theirs: int) -> None:
        super().__init__(
            f"the other side speaks protocol {theirs}, this side speaks {ours}; update the older one"
        )


class TargetError(PulseError):
    """What was named to be served does not exist or cannot be used."""
