"""The parent's side of one connection, without I/O: which message is legal when.

The whole protocol is the table ``_LEGAL``: state, message, next state. What is not in it is an error of the
side that sent it, and ends the connection. RESULT must bring exactly the ids of the batch that is out.
"""

__all__ = ("State", "WorkerConnection")

from collections.abc import Sequence
from enum import Enum

from pulse_ai.core import PROTOCOL_VERSION, BadFrame, TaskSpec, VersionMismatch, WireError
from pulse_ai.port.frames import FrameReader
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


class WorkerConnection:
    """Turns bytes from a worker into messages, and messages to it into bytes, in legal order only.

    Attributes:
        state: Where the connection is.
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
        self.state = State.NEW
        self.failed: WireError | None = None

    def hello(self, name: str, task: TaskSpec | None) -> bytearray:
        """Return the first frame. Legal once, before anything else."""
        return self._send(Hello(PROTOCOL_VERSION, name, self._max_frame_bytes, task))

    def batch(self, batch_id: int, items: Sequence[Item]) -> bytearray:
        """Return the frame of a batch. Legal while the worker is idle; it is busy until its RESULT."""
        message = Batch(batch_id, list(items))
        frame = self._send(message)
        self._expected = message
        return frame

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
        elif isinstance(message, Ready) and message.protocol != PROTOCOL_VERSION:
            raise VersionMismatch(ours=PROTOCOL_VERSION, theirs=message.protocol)
        self.state = after

    def _check_result(self, result: Result) -> None:
        batch = self._expected
        self._expected = None
        if batch is None or result.id != batch.id:
            raise BadFrame(f"a result for batch {result.id} came, but another batch is out")
        if {answer.id for answer in result.answers} != {item.id for item in batch.items} or len(
            result.answers
        ) != len(batch.items):
            raise BadFrame(f"the result of batch {result.id} does not answer each of its items once")
