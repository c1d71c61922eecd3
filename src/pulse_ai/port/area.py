"""Memory that a worker and its parent share: large values are written and read there, and not sent.

The area is a memory file of Linux (memfd), made by the parent for one worker process and inherited by it. It has
no name, so nothing is left behind when both have ended, however they ended. Its size is sealed, so neither side
can take memory away from under the other. The first half is written by the parent, the second by the worker.

The parent copies what it reads, because its callers keep answers. The worker reads where it is: a batch is done
with its items before the next one is written. Where a task keeps an array of its items all the same, the worker
says how much of the area is in use, and the parent writes behind that.
"""

__all__ = ("AREA_BYTES", "SharedArea", "WorkersArea", "areas_work")

import fcntl
import mmap
import os
import sys
from collections.abc import Sequence
from typing import Any, Self

import msgspec

from pulse_ai.port import lending
from pulse_ai.port.lending import AreaOffer, Placed, Room, aligned
from pulse_ai.port.messages import Shared
from pulse_ai.port.values import encode_pieces

AREA_BYTES = 64 * 1024 * 1024
"""Size of the area of one worker, both halves. Memory is taken for the part that was ever used, and kept."""


def areas_work() -> bool:
    """Say whether this system has memory files whose size can be sealed: Linux has."""
    return sys.platform == "linux" and hasattr(os, "memfd_create")


class SharedArea:
    """One side's view of the area. The parent makes it with ``create``, the worker takes it with ``adopt``.

    Attributes:
        offer: Its descriptor, which the worker inherits, and which part each side may write.
    """

    def __init__(self, fd: int, size_bytes: int) -> None:
        middle = size_bytes // 2
        self.offer = AreaOffer(fd, Room(0, middle), Room(middle, size_bytes))
        self._mapped = mmap.mmap(fd, size_bytes)
        self._view = memoryview(self._mapped)
        self._taken: dict[Room, int] = {}

    @classmethod
    def create(cls, size_bytes: int = AREA_BYTES) -> Self:
        """Make an area.

        Raises:
            OSError: There is no descriptor or no address space for it.
        """
        fd = os.memfd_create("pulse", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(fd, size_bytes)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            return cls(fd, size_bytes)
        except BaseException:
            os.close(fd)
            raise

    @classmethod
    def adopt(cls, fd: int) -> Self:
        """Take over an area that was inherited; programs that this process starts do not get it.

        Raises:
            OSError: The descriptor is none of an area.
        """
        os.set_inheritable(fd, False)  # noqa: FBT003 - os takes it by position
        return cls(fd, os.fstat(fd).st_size)

    def close(self) -> None:
        """Give it back; its memory is free when the other side has done so too."""
        self._view.release()
        self._mapped.close()
        os.close(self.offer.fd)

    def write(self, room: Room, shared: Sequence[Shared], contents: Sequence[msgspec.Raw | None]) -> None:
        """Write values where a frame will say that they are; None: it is there already.

        Raises:
            OSError: There is no memory for them; nothing must be said of them.
        """
        self._take(room, max((each.start + each.size_bytes for each in shared), default=0))
        for each, content in zip(shared, contents, strict=True):
            if content is not None:
                self._view[each.start : each.start + each.size_bytes] = memoryview(content)

    def read(self, shared: Sequence[Shared]) -> list[bytes]:
        """Return the values that a frame speaks of, each a copy."""
        return [bytes(self._view[each.start : each.start + each.size_bytes]) for each in shared]

    def _take(self, room: Room, end: int) -> None:
        """Take memory up to there, once: the first write to a page without any would end this process."""
        taken = self._taken.get(room, room.start)
        if end > taken:
            os.posix_fallocate(self.offer.fd, taken, end - taken)
            self._taken[room] = end


class WorkersArea(SharedArea):
    """The area in the worker process: items are read where they are, answers encoded where they will be read."""

    def __init__(self, fd: int, size_bytes: int) -> None:
        super().__init__(fd, size_bytes)
        self._items = mmap.mmap(fd, size_bytes, prot=mmap.PROT_READ)
        self._read: list[tuple[int, memoryview]] = []
        self._next = self.offer.workers.start

    def close(self) -> None:
        """Give it back, where no array is left on it."""
        super().close()
        self._items.close()

    def views(self, shared: Sequence[Shared]) -> list[memoryview]:
        """Return the items that a batch speaks of, for reading, where they are."""
        views = [memoryview(self._items)[each.start : each.start + each.size_bytes] for each in shared]
        self._read += [(each.start + each.size_bytes, view) for each, view in zip(shared, views, strict=True)]
        return views

    def kept_bytes(self) -> int:
        """Return how much of the area, from its start, is in use by arrays that the task keeps."""
        if not self._read:
            return 0
        self._read = [(end, view) for end, view in self._read if not _release(view)]
        return max((end for end, _ in self._read), default=0)

    def begin(self) -> None:
        """Begin a batch: the answers to the one before it have been read."""
        self._next = self.offer.workers.start

    def room(self) -> Room:
        """Return where answers may be written that are not yet in the area."""
        return Room(self._next, self.offer.workers.end)

    def encode(self, value: Any) -> bytes | Placed:
        """Encode an answer; one with a large array into the area, while there is room and memory.

        Raises:
            TypeError: The value, or a part of it, cannot travel.
        """
        pieces = encode_pieces(value)
        size_bytes = sum(map(len, pieces))
        start = aligned(self._next)
        if (
            len(pieces) == 1
            or size_bytes < lending.SHARED_LEAST_BYTES
            or start + size_bytes > self.offer.workers.end
        ):
            return b"".join(pieces)
        try:
            self._take(self.offer.workers, start + size_bytes)
        except OSError:  # no memory: it goes in the frame
            return b"".join(pieces)
        at = start
        for piece in pieces:
            self._view[at : at + len(piece)] = piece
            at += len(piece)
        self._next = at
        return Placed(start, size_bytes)


def _release(view: memoryview) -> bool:
    """Let go of a view; False where an array still uses it."""
    try:
        view.release()
    except BufferError:
        return False
    return True
