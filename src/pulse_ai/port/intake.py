"""Reading a descriptor: into one buffer that is there for good, and awake where more will come in a moment.

A process that waits for bytes sleeps, and where its core sleeps as well, waking both takes longer than answering a
small request. So a reader may look again and again for a bounded time before it sleeps; but only when its last
wait was that short. A reader to whom nothing comes pays for that once, and then sleeps.
"""

__all__ = ("Intake",)

import os
import select
import time
from collections.abc import Callable

_BUFFER_BYTES = 256 * 1024


class Intake:
    """What comes on a blocking descriptor, piece by piece.

    Args:
        fd: The descriptor; it stays the caller's.
        spin_s: How long, in seconds, to look again and again before sleeping, where the last wait was shorter than
            this; 0.0 means never.
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
        if self._last_wait_s < self._spin_s:
            self._spin(began_s + self._spin_s)
        size_bytes = os.readv(self._fd, self._buffers)
        self._last_wait_s = self._clock() - began_s
        return self._buffer[:size_bytes]

    def _spin(self, end_s: float) -> None:
        while not self.has_more() and self._clock() < end_s:
            self._pause()
