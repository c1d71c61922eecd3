"""Every setting, in one place, frozen. Units are in the names; a bad value is refused when it is made."""

__all__ = (
    "LEAST_MEMORY_BYTES",
    "MOST_MEMORY_BYTES",
    "MOST_SPIN_S",
    "BatchMode",
    "GiveUp",
    "Priority",
    "SchedulerSettings",
    "WebSettings",
    "WorkerSettings",
    "cache_dir",
)

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BatchMode = Literal["eager", "timer"]
GiveUp = Literal["retry", "exit"]
Priority = Literal["interactive", "batch"]


_MOST_FRAME_BYTES = 2**32 - 1  # what the four bytes of a frame's length can say
_MOST_PORT = 65535
LEAST_MEMORY_BYTES = 16 * 1024 * 1024
"""Least limit of a worker's memory, in bytes; a Python that serves nothing needs a third of it."""
MOST_MEMORY_BYTES = 2**62
"""Largest limit of a worker's memory, in bytes; the kernel takes larger ones for no limit."""
MOST_SPIN_S = 0.010
"""Longest time that a worker may stay awake for its next batch, in seconds."""


def _plain(bound: float) -> str:
    """Write a bound in full: ``16777216``, not ``1.67772e+07``."""
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def _at_least(least: float, **values: float) -> None:
    for name, value in values.items():
        if not value >= least:  # also catches NaN
            raise ValueError(f"{name} must be at least {_plain(least)}, got {value}")


def _at_most(most: float, **values: float) -> None:
    for name, value in values.items():
        if not value <= most:
            raise ValueError(f"{name} must be at most {_plain(most)}, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSettings:
    """Limits of one model's queue and batches.

    Attributes:
        batch_size: Most items in one batch.
        batch_mode: ``eager``: a free worker takes what waits at once. ``timer``: a batch is closed at
            ``batch_size`` items, or ``batch_timeout_s`` after its first one.
        batch_timeout_s: Longest time a batch stays open in ``timer`` mode, in seconds.
        queue_limit_items: Most items waiting; one more is refused as overloaded.
        queue_limit_bytes: Most bytes of encoded items waiting.
        batch_limit_bytes: Most bytes of encoded items in one batch, and so of one item. ``Serving`` lowers it
            to what fits into a frame (``WorkerSettings.max_frame_bytes``).
        deadline_s: A request's time limit where it brings none of its own, in seconds.
        overdue_s: Longest time a batch may be with a worker, in seconds; past it the worker counts as hung
            and is killed. Once service times have been learned the limit is ``overdue_factor`` times the
            predicted time, if that is less, but never under ``overdue_least_s``.
        overdue_factor: See ``overdue_s``.
        overdue_least_s: See ``overdue_s``; in seconds.

    Example:
        >>> SchedulerSettings(batch_size=0)
        Traceback (most recent call last):
        ValueError: batch_size must be at least 1, got 0
    """

    batch_size: int = 16
    batch_mode: BatchMode = "eager"
    batch_timeout_s: float = 0.050
    queue_limit_items: int = 200
    queue_limit_bytes: int = 64 * 1024 * 1024
    batch_limit_bytes: int = 32 * 1024 * 1024
    deadline_s: float = 1.0
    overdue_s: float = 30.0
    overdue_factor: float = 20.0
    overdue_least_s: float = 2.0

    def __post_init__(self) -> None:
        _at_least(1, batch_size=self.batch_size, queue_limit_items=self.queue_limit_items)
        _at_least(1, queue_limit_bytes=self.queue_limit_bytes, batch_limit_bytes=self.batch_limit_bytes)
        _at_least(0, batch_timeout_s=self.batch_timeout_s)
        _at_least(0.001, deadline_s=self.deadline_s, overdue_s=self.overdue_s)
        _at_least(1, overdue_factor=self.overdue_factor)
        _at_least(0, overdue_least_s=self.overdue_least_s)
        if self.batch_mode not in ("eager", "timer"):
            raise ValueError(f"batch_mode must be 'eager' or 'timer', got {self.batch_mode!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How worker processes are started, watched and restarted.

    Attributes:
        workers: How many processes serve the model.
        start_timeout_s: Longest silence of a starting worker, in seconds: each PROGRESS begins it anew.
        stop_timeout_s: How long a worker may take to end after SHUTDOWN before it is killed, in seconds.
        ping_every_s: How often an idle worker is asked for a sign of life, in seconds; it has as long to give
            one.
        max_frame_bytes: Longest frame taken from or sent to a worker; between 1 KiB and 4 GiB.
        restart_intensity: Restarts allowed within ``restart_window_s`` before the pool counts as failed.
        restart_window_s: The window of ``restart_intensity``, in seconds. OTP's defaults are 3 in 5 s.
        backoff_first_s: Wait before the second restart in a row, in seconds; it doubles each time.
        backoff_longest_s: Longest wait between restarts, in seconds; also the pace once the pool has failed.
        on_give_up: ``retry`` goes on at the longest back-off, ``exit`` ends the service.
        worker_memory_bytes: Most private memory of each worker process, as Linux counts it for
            ``RLIMIT_DATA``; past it an allocation fails in the worker. 0: no limit.
        warm_up_items: A worker times batches of up to so many of its task's examples before it is ready; 0: none.
            ``Serving`` takes its batch size.
        spin_s: How long a worker stays awake for its next batch while batches come close together, in seconds;
            0.0: it always sleeps. At most 0.01.
        log_errors: Whether the log has the text of an item's error, as its caller does. It may quote the input.
        command: The program of a worker that speaks docs/port-protocol.md, and its arguments; the number of
            the wire's descriptor and the pid of this process are added. Empty: Pulse's own.
    """

    workers: int = 1
    start_timeout_s: float = 120.0
    stop_timeout_s: float = 5.0
    ping_every_s: float = 5.0
    max_frame_bytes: int = 64 * 1024 * 1024
    restart_intensity: int = 3
    restart_window_s: float = 5.0
    backoff_first_s: float = 0.1
    backoff_longest_s: float = 30.0
    on_give_up: GiveUp = "retry"
    worker_memory_bytes: int = 0
    warm_up_items: int = 0
    spin_s: float = 0.0002
    log_errors: bool = False
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _at_least(1, workers=self.workers)
        _at_least(1024, max_frame_bytes=self.max_frame_bytes)
        _at_most(_MOST_FRAME_BYTES, max_frame_bytes=self.max_frame_bytes)
        _at_least(0, warm_up_items=self.warm_up_items, spin_s=self.spin_s)
        _at_most(MOST_SPIN_S, spin_s=self.spin_s)
        _at_least(0, restart_intensity=self.restart_intensity, restart_window_s=self.restart_window_s)
        _at_least(0, backoff_first_s=self.backoff_first_s, backoff_longest_s=self.backoff_longest_s)
        _at_least(0.001, start_timeout_s=self.start_timeout_s, stop_timeout_s=self.stop_timeout_s)
        _at_least(0.001, ping_every_s=self.ping_every_s)
        if self.worker_memory_bytes:
            _at_least(LEAST_MEMORY_BYTES, worker_memory_bytes=self.worker_memory_bytes)
            _at_most(MOST_MEMORY_BYTES, worker_memory_bytes=self.worker_memory_bytes)
            if sys.platform != "linux":
                raise ValueError(f"worker_memory_bytes needs Linux, this is {sys.platform}")
        if self.on_give_up not in ("retry", "exit"):
            raise ValueError(f"on_give_up must be 'retry' or 'exit', got {self.on_give_up!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Where the service listens, and its outer bounds.

    Attributes:
        host: Address to bind; loopback unless said otherwise.
        port: Port to bind; 0 takes a free one.
        max_body_bytes: Longest request body.
        grace_s: How long accepted work may take to finish after SIGTERM, in seconds.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    max_body_bytes: int = 1024 * 1024
    grace_s: float = 10.0

    def __post_init__(self) -> None:
        _at_least(0, port=self.port, grace_s=self.grace_s)
        _at_most(_MOST_PORT, port=self.port)
        _at_least(1, max_body_bytes=self.max_body_bytes)


def cache_dir() -> Path:
    """Return the folder where converted models are kept: ``$PULSE_CACHE_DIR``, or the user's cache folder.

    Example:
        >>> cache_dir().is_absolute()
        True
    """
    own = os.environ.get("PULSE_CACHE_DIR")  # noqa: TID251 - the one place
    if own:
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME")  # noqa: TID251 - the one place
    return (Path(base) if base else Path.home() / ".cache") / "pulse_ai"
