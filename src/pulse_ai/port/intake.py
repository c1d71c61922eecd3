"""Reading a descriptor: into one buffer that is there for good, and awake where more will come in a moment.

A process that waits for bytes sleeps, and where its core sleeps as well, waking both takes longer than answering a
small request. So a reader may look again and again for a bounded time before it sleeps; but only while its waits
are short and looking pays. A reader to whom nothing comes pays for that once, and then sleeps.
"""

__all__ = ("Intake", "affordable_spin_s")

import os
import select
import time
from collections.abc import Callable

from pulse_ai.core import available_cores

_BUFFER_BYTES = 256 * 1024
_CLOSE = 2.0  # a wait of up to so many spins may have been short but for the waking that ends each sleep
_RESTS = 8  # waits without a spin after a spin that found nothing: steady waits just too long cost little


def affordable_spin_s(wanted_s: float, *, cores: int | None = None) -> float:
    """Return for how long to spin here: never where one core is all there is, since the sender needs it.

    Args:
        wanted_s: How long it should be, in seconds.
        cores: How many this process may use; counted where it is not given.

    Example:
        >>> affordable_spin_s(0.0001, cores=1), affordable_spin_s(0.0001, cores=2)
        (0.0, 0.0001)
    """
    return wanted_s if (cores or available_cores()) > 1 else 0.0


class Intake:
    """What comes on a blocking descriptor, piece by piece.

    Args:
        fd: The descriptor; it stays the caller's.
        spin_s: How long, in seconds, to look again and again before sleeping, where the last wait took less than
            twice that; 0.0 means never. When nothing came in that time, the next eight waits sleep at once.
        pause: Called between two looks; lets whoever waits for the core have it.
        clock: Says what time it is, in seconds.

    Example:
        >>> reading, writing = os.pipe()
        >>> os.write(writing, b"hi")
        2
        >>> bytes(Intake(reading).read())
        b'hi'
    """

    def __init__(
        self,
        fd: int,
        *,
        spin_s: float = 0.0,
        pause: Callable[[], None] = os.sched_yield,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._fd = fd
        self._spin_s = spin_s
        self._pause = pause
        self._clock = clock
        self._last_wait_s = float("inf")
        self._rests = 0
        # Memory for each read, as os.read and recv take it before they wait, can cost more than a small request.
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._buffers = (self._buffer,)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def has_more(self) -> bool:
        """Return whether a read would return at once."""
        return bool(self._poll.poll(0))

    def read(self) -> memoryview:
        """Wait for bytes and return what is there; nothing at the end of the stream.

        The bytes are overwritten by the next read.
        """
        began_s = self._clock()
        if self._rests:
            self._rests -= 1
        elif self._last_wait_s < _CLOSE * self._spin_s and not self._spin(began_s + self._spin_s):
            self._rests = _RESTS
        size_bytes = os.readv(self._fd, self._buffers)
        self._last_wait_s = self._clock() - began_s
        return self._buffer[:size_bytes]

    def _spin(self, end_s: float) -> bool:
        """Look until there is something, or until the time; return which."""
        while not (found := self.has_more()) and self._clock() < end_s:
            self._pause()
        return found
