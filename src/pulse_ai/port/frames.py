"""Bytes in, frames out: a big-endian length, then that many bytes. No I/O here.

The length has 4 bytes; towards a foreign parent it may have 1 or 2. A reader has three outcomes: a frame, None
for "need more bytes", or an error. After an error the stream has no meaning any more, and every later call
raises the same error again.
"""

__all__ = ("HEADER_BYTES", "FrameReader", "frame_header")

from pulse_ai.core import FrameTooLarge, TruncatedStream

HEADER_BYTES = 4
"""Bytes of length in front of each frame of protocol 1; they do not count themselves."""

_COMPACT_BYTES = 64 * 1024  # spent bytes kept at the front of the buffer before they are cut off


def frame_header(size_bytes: int, *, max_frame_bytes: int, header_bytes: int = HEADER_BYTES) -> bytes:
    """Return the length, in ``header_bytes`` bytes, for a frame of ``size_bytes``.

    Raises:
        FrameTooLarge: The frame is over the bound; nothing must be sent.

    Example:
        >>> frame_header(258, max_frame_bytes=1000).hex()
        '00000102'
    """
    if size_bytes > max_frame_bytes:
        raise FrameTooLarge(size_bytes=size_bytes, limit_bytes=max_frame_bytes)
    return size_bytes.to_bytes(header_bytes, "big")


class FrameReader:
    """Cuts a stream of bytes into frames, however the stream was cut before.

    Example:
        >>> reader = FrameReader(max_frame_bytes=1000)
        >>> reader.feed(bytes.fromhex("00000002 6869 0000"))
        >>> reader.next_frame(), reader.next_frame()
        (b'hi', None)
    """

    def __init__(self, *, max_frame_bytes: int, header_bytes: int = HEADER_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._header_bytes = header_bytes
        self._buffer: bytearray = bytearray()
        self._start = 0

    def raise_bound(self, max_frame_bytes: int) -> None:
        """Set the bound that holds from the next frame on: HELLO brings the one for all that follow it."""
        self._max_frame_bytes = max_frame_bytes

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the stream. At most one frame over the bound of a frame is ever held."""
        if self._start == len(self._buffer) or self._start > _COMPACT_BYTES:
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += chunk

    def next_frame(self) -> bytes | None:
        """Return the next whole frame without its length, or None where more bytes are needed.

        Raises:
            FrameTooLarge: The announced length is over the bound; known as soon as the length is there.
        """
        body = self._start + self._header_bytes
        if len(self._buffer) < body:
            return None
        size_bytes = int.from_bytes(self._buffer[self._start : body], "big")
        if size_bytes > self._max_frame_bytes:
            raise FrameTooLarge(size_bytes=size_bytes, limit_bytes=self._max_frame_bytes)
        end = body + size_bytes
        if len(self._buffer) < end:
            return None
        self._start = end
        with memoryview(self._buffer) as view:
            return bytes(view[body:end])

    def feed_eof(self) -> None:
        """Say that no more bytes will come.

        Raises:
            TruncatedStream: Bytes of an unfinished frame are left.
        """
        left_bytes = len(self._buffer) - self._start
        if left_bytes:
            raise TruncatedStream(have_bytes=left_bytes)
