"""Why a worker ended: the words for the log, the metric's word, and the memory limit that it may have met.

The limit is Linux's ``RLIMIT_DATA``, set from outside, so it holds for a worker in any language. An allocation
past it fails inside the worker: Python raises ``MemoryError`` there, most libraries raise something of their own,
and the item is answered without a death. Only a program that takes such a failure for the end of the world dies,
and what it says then is how the death is told (docs/decisions/0010-memory-limit.md).
"""

__all__ = ("death_reason", "describe_exit", "limit_memory", "reason_of")

import contextlib
import re
import signal
import sys

from pulse_ai.core import DeathReason, PulseError, WireError, WorkerError

# libstdc++ and libc++, Rust, glibc and the libraries on it, in the words that they end with
_NO_MEMORY = re.compile(
    rb"bad_alloc|memory allocation of \d+ bytes failed|out of memory|cannot allocate memory|failed to allocate",
    re.IGNORECASE,
)
_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


def limit_memory(pid: int, limit_bytes: int) -> None:
    """Bound the private memory of a process, and of each process that it will start.

    Raises:
        OSError: The kernel refuses.
    """
    if sys.platform == "linux":  # WorkerSettings refuses the setting elsewhere
        import resource

        with contextlib.suppress(ProcessLookupError):  # it has ended already
            resource.prlimit(pid, resource.RLIMIT_DATA, (limit_bytes, limit_bytes))


def describe_exit(code: int) -> str:
    """Say in words how a process ended.

    Example:
        >>> describe_exit(-11)
        'was killed by SIGSEGV'
    """
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def death_reason(code: int, *, last_words: bytes = b"") -> DeathReason:
    """Return why a process ended that nobody of us has ended.

    Args:
        code: Its exit code; minus the signal's number where one ended it.
        last_words: The end of its output, where it had a memory limit.

    Example:
        >>> death_reason(-6, last_words=b"terminate called after throwing an instance of 'std::bad_alloc'")
        'memory'
        >>> death_reason(-11), death_reason(-9), death_reason(7)
        ('crash', 'killed', 'exit')
    """
    if -code in _FROM_OUTSIDE:
        return "killed"
    if code != 0 and _NO_MEMORY.search(last_words):
        return "memory"
    return "crash" if code < 0 else "exit"


def reason_of(error: PulseError) -> DeathReason:
    """Return the metric's word for what a worker ended with.

    Example:
        >>> from pulse_ai.core import BadFrame
        >>> reason_of(BadFrame("what is this"))
        'protocol'
    """
    if isinstance(error, WireError):
        return "protocol"
    return error.reason if isinstance(error, WorkerError) else "exit"
