"""Values in shared memory: written once by their sender, mapped by their receiver, never copied by it.

A segment is a memory file of Linux (memfd). It has no name, so nothing is left behind when the processes that hold
it end, however they end. It is sealed before it is passed: whoever maps it can rely on its size and its bytes,
whatever the other side does. It lives as long as something refers to it: a view, or an array on a view.

What may be lent, and what the messages say of it, is in ``lending.py``.
"""

__all__ = (
    "LENDING",
    "Segment",
    "SegmentChannel",
    "encode_for_lending",
    "make_segment",
    "raw_of",
    "segments_work",
)

import contextlib
import errno
import fcntl
import mmap
import os
import resource
import socket
import sys
import weakref
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from pulse_ai.core import BadFrame
from pulse_ai.port.messages import MOST_SEGMENTS, Shared
from pulse_ai.port.values import ValueCodec, encode_pieces, value_decoder

_ALIGN_BYTES = (
    64  # where the first array of a segment begins: a cache line, and what vector instructions like
)
_ID_BYTES = 8
_SEALS = ("F_SEAL_SHRINK", "F_SEAL_GROW", "F_SEAL_WRITE", "F_SEAL_SEAL")


def segments_work() -> bool:
    """Say whether this system has memory files that can be sealed and passed on: Linux has."""
    return sys.platform == "linux" and hasattr(os, "memfd_create")


class Segment(mmap.mmap):
    """A sealed memory file, mapped for reading, with the descriptor that can be passed on.

    Attributes:
        fd: The descriptor; closed with the last reference to the segment or to a view of it.
    """

    fd: int


def make_segment(pieces: Sequence[bytes | memoryview]) -> Segment:
    """Write these bytes into a new segment.

    Raises:
        OSError: There is no memory or no descriptor for it.
    """
    fd = _open_memory()
    try:
        size_bytes = sum(_write(fd, piece) for piece in pieces)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _all_seals())
        segment = Segment(fd, size_bytes, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    except BaseException:
        os.close(fd)
        raise
    segment.fd = fd
    weakref.finalize(segment, os.close, fd)
    return segment


def _open_memory() -> int:
    """Open a memory file; segments take half of the descriptors at most, the rest is for connections."""
    fd = os.memfd_create("pulse", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
    if fd >= most:
        os.close(fd)
        raise OSError(errno.EMFILE, f"{most} descriptors are in use")
    return fd


def _write(fd: int, piece: bytes | memoryview) -> int:
    """Write all of it; one call writes 2 GiB at most."""
    view = memoryview(piece)
    done_bytes = 0
    while done_bytes < len(view):
        done_bytes += os.write(fd, view[done_bytes:])
    return done_bytes


def _all_seals() -> int:
    return sum(getattr(fcntl, name) for name in _SEALS)


def encode_for_lending(value: Any) -> bytes | memoryview:
    """Encode an item or an answer; one with a large array as a view of a segment, where that is possible.

    The array is copied once, into the segment.

    Raises:
        TypeError: The value, or a part of it, cannot travel; the text names the type.

    Example:
        >>> import numpy as np
        >>> view = encode_for_lending({"image": np.zeros((1024, 1024), "u1")})
        >>> type(view.obj).__name__, len(view)
        ('Segment', 1048608)
        >>> encode_for_lending("hi").hex()
        'a26869'
    """
    first, *rest = encode_pieces(value)
    if not rest:
        return first
    pad = bytes(-len(first) % _ALIGN_BYTES)
    if segments_work():
        with contextlib.suppress(OSError):  # no memory or descriptors for it: it goes in the frame
            return memoryview(make_segment([pad, first, *rest]))[len(pad) :]
    return b"".join([first, *rest])


def raw_of(encoded: bytes | memoryview) -> msgspec.Raw:
    """Return an encoded value as a message holds it. One in a segment stays a view, for ``lend`` to find it."""
    return cast("msgspec.Raw", encoded) if type(encoded) is memoryview else msgspec.Raw(encoded)


LENDING = ValueCodec(value_decoder, encode_for_lending)
"""The values of protocol 1, large arrays in segments."""


class SegmentChannel:
    """The socket beside the wire, over which descriptors go: those of a frame just before it. Never waits.

    Args:
        sock: One end of a pair of ``SOCK_SEQPACKET``; closed with the channel.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)  # noqa: FBT003 - socket takes it by position
        self._sock = sock

    def close(self) -> None:
        """Close the socket; segments on their way are given back to the system."""
        self._sock.close()

    def send(self, batch_id: int, segments: Sequence[Segment]) -> None:
        """Pass the segments of a batch.

        Raises:
            OSError: The other side is gone, or takes nothing.
        """
        fds = [segment.fd for segment in segments]
        socket.send_fds(self._sock, [batch_id.to_bytes(_ID_BYTES, "big")], fds)

    def receive(self, batch_id: int, shared: Sequence[Shared]) -> list[memoryview]:
        """Take the segments of a batch, whose frame has come, and map the values in them for reading.

        Args:
            batch_id: The batch.
            shared: What the frame says of each segment, in order.

        Raises:
            BadFrame: There are none or too few, they are of another batch, or one is not sealed or too short.
        """
        try:
            said, fds, _, _ = socket.recv_fds(self._sock, _ID_BYTES, MOST_SEGMENTS, socket.MSG_CMSG_CLOEXEC)
        except OSError as error:
            raise BadFrame(f"batch {batch_id} speaks of segments that did not come: {error}") from error
        try:
            if said != batch_id.to_bytes(_ID_BYTES, "big") or len(fds) != len(shared):
                raise BadFrame(f"batch {batch_id} speaks of {len(shared)} segments, but others came")
            return [_map(fd, place) for fd, place in zip(fds, shared, strict=True)]
        finally:
            for fd in fds:
                os.close(fd)


def _map(fd: int, place: Shared) -> memoryview:
    """Map a segment that came; nothing that its sender does can change or shorten it any more."""
    try:
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
        size_bytes = os.fstat(fd).st_size
        if seals & _all_seals() != _all_seals():
            raise BadFrame("a segment is not sealed")
        if place.start + place.size_bytes > size_bytes:
            raise BadFrame(f"a segment has {size_bytes} bytes, not {place.start} and {place.size_bytes}")
        mapped = mmap.mmap(fd, size_bytes, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    except OSError as error:
        raise BadFrame(f"a segment cannot be used: {error}") from error
    return memoryview(mapped)[place.start : place.start + place.size_bytes]
