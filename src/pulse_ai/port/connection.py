"""The parent's side of one connection, without I/O: which message is legal when.

The whole protocol is the table ``_LEGAL``: state, message, next state. What is not in it is an error of the
side that sent it, and ends the connection. RESULT must bring exactly the ids of the batch that is out.
"""

__all__ = ("Outgoing", "State", "WorkerConnection")

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from pulse_ai.core import PROTOCOL_VERSION, BadFrame, FrameTooLarge, TaskSpec, VersionMismatch, WireError
from pulse_ai.port.frames import FrameReader
from pulse_ai.port.lending import check_shared, lend
from pulse_ai.port.messages import (
    Batch,
    ChildMessage,
    Fatal,
    Hello,
    Item,
    Ping,
    Pong,
    Progress,
    Ready,
    Result,
    Shutdown,
    decode_from_child,
    encode_message,
)
from pulse_ai.port.segments import Segment


class State(Enum):
    """Where a connection is."""

    NEW = "new"
    LOADING = "loading"
    IDLE = "idle"
    BUSY = "busy"
    ENDED = "ended"


_LEGAL: dict[tuple[State, type], State] = {
    (State.NEW, Hello): State.LOADING,
    (State.LOADING, Progress): State.LOADING,
    (State.LOADING, Ready): State.IDLE,
    (State.LOADING, Fatal): State.ENDED,
    (State.LOADING, Shutdown): State.ENDED,
    (State.IDLE, Batch): State.BUSY,
    (State.IDLE, Ping): State.IDLE,
    (State.IDLE, Pong): State.IDLE,
    (State.BUSY, Pong): State.BUSY,
    (State.BUSY, Result): State.IDLE,
    (State.IDLE, Shutdown): State.ENDED,
    (State.IDLE, Fatal): State.ENDED,
    (State.BUSY, Fatal): State.ENDED,
}


class Outgoing(NamedTuple):
    """A batch as it goes out: the segments are passed first, then the frame is written."""

    frame: bytearray
    segments: Sequence[Segment] = ()


class WorkerConnection:
    """Turns bytes from a worker into messages, and messages to it into bytes, in legal order only.

    Attributes:
        state: Where the connection is.
        shares: Whether values may go in segments: it was offered in HELLO and taken in READY.
        failed: How the worker broke the protocol, or None.

    Example:
        >>> connection = WorkerConnection(max_frame_bytes=1000)
        >>> connection.hello("echo", TaskSpec("shop:Echo"))[:5].hex()
        '0000002b95'
        >>> connection.state
        <State.LOADING: 'loading'>
    """

    def __init__(self, *, max_frame_bytes: int) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._reader = FrameReader(max_frame_bytes=max_frame_bytes)
        self._expected: Batch | None = None
        self._offered = False
        self.state = State.NEW
        self.shares = False
        self.failed: WireError | None = None

    def hello(self, name: str, task: TaskSpec | None, *, segments_fd: int = -1) -> bytearray:
        """Return the first frame. Legal once, before anything else.

        Args:
            name: The name of the model.
            task: What the worker should build.
            segments_fd: The descriptor over which the worker can pass and take segments; -1: there is none.
        """
        self._offered = segments_fd >= 0
        return self._send(Hello(PROTOCOL_VERSION, name, self._max_frame_bytes, task, segments_fd))

    def batch(self, batch_id: int, items: Sequence[Item]) -> Outgoing:
        """Return the frame of a batch, and its segments. Legal while the worker is idle; then it is busy.

        Raises:
            FrameTooLarge: It does not fit into a frame; nothing must be sent.
        """
        lent = lend(items, shares=self.shares)
        if lent.size_bytes > self._max_frame_bytes:
            raise FrameTooLarge(size_bytes=lent.size_bytes, limit_bytes=self._max_frame_bytes)
        message = Batch(batch_id, lent.values, lent.shared)
        frame = self._send(message)
        self._expected = message
        return Outgoing(frame, lent.segments)

    def ping(self, nonce: int) -> bytearray:
        """Return the frame of a question for life. Legal while the worker is idle."""
        return self._send(Ping(nonce))

    def shutdown(self) -> bytearray:
        """Return the last frame. Legal while the worker is loading or idle."""
        return self._send(Shutdown())

    def receive(self, chunk: bytes) -> list[ChildMessage]:
        """Take bytes from the worker and return the messages that they complete.

        Messages that came before a violation are returned, and ``failed`` is set.

        Raises:
            WireError: The worker broke the protocol and nothing came before that. ``failed`` is the same error,
                and every later call raises it again. The connection is ended and must be closed.
        """
        messages: list[ChildMessage] = []
        try:
            if self.failed is not None:
                raise self.failed
            self._reader.feed(chunk)
            while (frame := self._reader.next_frame()) is not None:
                message = decode_from_child(frame)
                self._check(message)
                messages.append(message)
        except WireError as error:
            self.failed = error
            self.state = State.ENDED
            if not messages:
                raise
        return messages

    def receive_eof(self) -> None:
        """Say that the worker closed its side.

        Raises:
            TruncatedStream: It did so in the middle of a frame.
        """
        self.state = State.ENDED
        if self.failed is None:
            self._reader.feed_eof()

    def _send(self, message: Hello | Batch | Ping | Shutdown) -> bytearray:
        after = _LEGAL.get((self.state, type(message)))
        if after is None:
            raise ValueError(
                f"{type(message).__name__} cannot be sent while the worker is {self.state.value}"
            )
        frame = encode_message(message, max_frame_bytes=self._max_frame_bytes)
        self.state = after
        return frame

    def _check(self, message: ChildMessage) -> None:
        after = _LEGAL.get((self.state, type(message)))
        if after is None:
            raise BadFrame(f"{type(message).__name__} is not legal while the worker is {self.state.value}")
        if isinstance(message, Result):
            self._check_result(message)
        elif isinstance(message, Ready):
            self._check_ready(message)
        self.state = after

    def _check_ready(self, ready: Ready) -> None:
        if ready.protocol != PROTOCOL_VERSION:
            raise VersionMismatch(ours=PROTOCOL_VERSION, theirs=ready.protocol)
        self.shares = self._offered and ready.segments

    def _check_result(self, result: Result) -> None:
        batch = self._expected
        self._expected = None
        if batch is None or result.id != batch.id:
            raise BadFrame(f"a result for batch {result.id} came, but another batch is out")
        if {answer.id for answer in result.answers} != {item.id for item in batch.items} or len(
            result.answers
        ) != len(batch.items):
            raise BadFrame(f"the result of batch {result.id} does not answer each of its items once")
        if result.shared and not self.shares:
            raise BadFrame(f"the result of batch {result.id} has segments, but that was not agreed on")
        check_shared(result.shared, count=len(result.answers), max_bytes=self._max_frame_bytes)
