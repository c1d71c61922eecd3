"""The parent's side of one connection, without I/O: which message is legal when.

The whole protocol is the table ``_LEGAL``: state, message, next state. What is not in it is an error of the
side that sent it, and ends the connection. RESULT must bring exactly the ids of the batch that is out.
"""

__all__ = ("State", "WorkerConnection")

from collections.abc import Sequence
from enum import Enum

from pulse_ai.core import PROTOCOL_VERSION, BadFrame, FrameTooLarge, TaskSpec, VersionMismatch, WireError
from pulse_ai.port.frames import FrameReader
from pulse_ai.port.lending import AreaOffer, Lent, Room, check_shared, lend
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
    Shared,
    Shutdown,
    decode_from_child,
    encode_message,
)


class State(Enum):
    """Where a connection is."""

    __hash__ = object.__hash__  # Enum's own is Python code, and each message is looked up by it

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
        '0000002d97'
        >>> connection.state
        <State.LOADING: 'loading'>
    """

    def __init__(self, *, max_frame_bytes: int) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._reader = FrameReader(max_frame_bytes=max_frame_bytes)
        self._expected: Batch | None = None
        self._area: AreaOffer | None = None
        self._kept_bytes = 0
        self.state = State.NEW
        self.failed: WireError | None = None

    def hello(
        self,
        name: str,
        task: TaskSpec | None,
        *,
        area: AreaOffer | None = None,
        warm_up_items: int = 0,
    ) -> bytearray:
        """Return the first frame. Legal once, before anything else.

        Args:
            name: The name of the model.
            task: What the worker should build.
            area: The memory for large values, where there is some; the worker says whether it uses it.
            warm_up_items: Up to how many items the batches may have that the worker times; 0: none.
        """
        self._area = area
        area_fd = -1 if area is None else area.fd
        bound = self._max_frame_bytes
        return self._send(Hello(PROTOCOL_VERSION, name, bound, task, area_fd, warm_up_items))

    def lend(self, items: Sequence[Item]) -> Lent[Item]:
        """Say which items should go through the shared area; none where that was not agreed on."""
        if self._area is None:
            return lend(list(items), None)
        start, end = self._area.parents
        return lend(list(items), Room(start + self._kept_bytes, end))

    def batch(self, batch_id: int, items: Sequence[Item], shared: Sequence[Shared] = ()) -> bytearray:
        """Return the frame of a batch. Legal while the worker is idle; it is busy until its RESULT.

        Args:
            batch_id: Its number.
            items: Its items.
            shared: Those that have been written to the shared area, as ``lend`` said.
        """
        message = Batch(batch_id, list(items), list(shared))
        size_bytes = sum(each.size_bytes for each in shared)
        if size_bytes > self._max_frame_bytes:
            raise FrameTooLarge(size_bytes=size_bytes, limit_bytes=self._max_frame_bytes)
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
        elif isinstance(message, Ready):
            self._check_ready(message)
        self.state = after

    def _check_ready(self, ready: Ready) -> None:
        if ready.protocol != PROTOCOL_VERSION:
            raise VersionMismatch(ours=PROTOCOL_VERSION, theirs=ready.protocol)
        if not ready.area:
            self._area = None

    def _check_result(self, result: Result) -> None:
        batch = self._expected
        self._expected = None
        if batch is None or result.id != batch.id:
            raise BadFrame(f"a result for batch {result.id} came, but another batch is out")
        if {answer.id for answer in result.answers} != {item.id for item in batch.items} or len(
            result.answers
        ) != len(batch.items):
            raise BadFrame(f"the result of batch {result.id} does not answer each of its items once")
        room = None if self._area is None else self._area.workers
        check_shared(result.shared, count=len(result.answers), room=room)
        if room is not None and result.kept_bytes > room.start:
            raise BadFrame(f"the worker keeps {result.kept_bytes} bytes of items, but they have {room.start}")
        self._kept_bytes = result.kept_bytes
