"""The child side for a parent that is not Pulse: requests with a ref in, answers out, until the input closes.

There is no handshake: the parent may write at once, and what it writes while the model loads waits in the pipe.
One thread reads what is there, predicts it together and writes the answers, so a request costs no switch between
threads; while it predicts nothing is read, and the parent's writes wait. A second thread sleeps until the other
end of the input is closed, and then ends the process, whatever the first one is doing.
"""

__all__ = ("PACKET_BYTES", "ForeignConnection", "ForeignWire", "serve_foreign", "take_wire")

import contextlib
import io
import os
import select
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from pulse_ai.core import InvalidInput, ModelError, TaskSpec, WireError, WorkerSettings
from pulse_ai.port.answering import BatchAnswerer
from pulse_ai.port.envelopes import Envelope, ForeignRequest
from pulse_ai.port.frames import FrameReader, frame_header
from pulse_ai.port.hosting import load_task
from pulse_ai.port.intake import Intake, affordable_spin_s
from pulse_ai.port.messages import OK, Item
from pulse_ai.port.values import decode_value

PACKET_BYTES = (1, 2, 4)
"""How many bytes the length of a frame may have."""

_CLOSED = getattr(select, "POLLRDHUP", 0)  # pipes tell of their end unasked, sockets on Linux when asked
_MOST_REF_BYTES = 1024
_TEXT_HEADER_BYTES = 4  # of a text's length, at most, where the empty text had fewer


class ForeignConnection:
    r"""Bytes in, requests out; answers in, bytes out. No I/O here.

    Args:
        envelope: How requests and answers are written.
        packet_bytes: Bytes of a frame's length: 1, 2 or 4. With 1 and 2 a frame ends at 255 and 65,535 bytes, with
            4 at the bound of protocol 1.

    Attributes:
        max_frame_bytes: Longest frame in either direction.
        values: What payloads and results are encoded with.

    Example:
        >>> from pulse_ai.port.envelopes import ENVELOPES
        >>> connection = ForeignConnection(ENVELOPES["msgpack"], packet_bytes=1)
        >>> connection.feed(b"\x03\x92\x07\xc3")
        >>> request = connection.next_request()
        >>> connection.result(request.ref, request.payload)
        b'\x03\x92\x07\xc3'
    """

    def __init__(self, envelope: Envelope, *, packet_bytes: int) -> None:
        self.max_frame_bytes = min(256**packet_bytes - 1, WorkerSettings().max_frame_bytes)
        self.values = envelope.values
        self._envelope = envelope
        self._packet_bytes = packet_bytes
        self._max_ref_bytes = min(_MOST_REF_BYTES, self.max_frame_bytes // 2)
        self._reader = FrameReader(max_frame_bytes=self.max_frame_bytes, header_bytes=packet_bytes)
        self._failed: WireError | None = None

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes of the stream."""
        self._reader.feed(chunk)

    def next_request(self) -> ForeignRequest | None:
        """Return the next request, or None where more bytes are needed.

        Raises:
            WireError: What came is no frame of this codec; nothing after it has a meaning, and every later call
                raises the same error again.
        """
        if self._failed is not None:
            raise self._failed
        try:
            return self._read_request()
        except WireError as error:
            self._failed = error
            raise

    def _read_request(self) -> ForeignRequest | None:
        frame = self._reader.next_frame()
        if frame is None:
            return None
        try:
            request = self._envelope.open(frame)
        except InvalidInput as error:
            return self._refused(str(error))
        if len(request.ref) > self._max_ref_bytes:
            return self._refused(
                f"a ref of {len(request.ref)} bytes is over the limit of {self._max_ref_bytes}"
            )
        return request

    def _refused(self, why: str) -> ForeignRequest:
        return ForeignRequest(self._envelope.no_ref, b"", why_not=why)

    def result(self, ref: bytes, encoded: bytes) -> bytes:
        """Return the frame of a result; of an error where the result does not fit into one."""
        body = self._envelope.seal(ref, encoded)
        if len(body) > self.max_frame_bytes:
            why = f"the answer with its ref has {len(body)} bytes, over the limit of {self.max_frame_bytes}"
            return self.error(ref, ModelError.code, why)
        return self._framed(body)

    def error(self, ref: bytes, code: str, text: str) -> bytes:
        """Return the frame of an error; its text is cut where it does not fit."""
        seal = self._envelope.seal_error
        room_bytes = self.max_frame_bytes - len(seal(ref, code, "")) - _TEXT_HEADER_BYTES
        return self._framed(seal(ref, code, text.encode()[:room_bytes].decode(errors="ignore")))

    def _framed(self, body: bytes) -> bytes:
        header = frame_header(
            len(body), max_frame_bytes=self.max_frame_bytes, header_bytes=self._packet_bytes
        )
        return header + body


class ForeignWire(NamedTuple):
    """The descriptors on which frames come and go."""

    reading: int
    writing: int


def take_wire(reading: int, writing: int) -> ForeignWire:
    """Take over the descriptors, so that nothing else in this process, or started by it, can touch the wire.

    Where the wire is stdin and stdout, those are put aside: from here on whatever prints, native code included,
    prints to stderr, and whatever reads finds the end of a file.

    Raises:
        OSError: A descriptor is not open.
    """
    if (reading, writing) == (0, 1):
        wire = ForeignWire(os.dup(0), os.dup(1))  # not inherited by programs that the task starts
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a descriptor is what is wanted
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
    else:
        wire = ForeignWire(reading, writing)
        for fd in wire:
            os.set_inheritable(fd, False)  # noqa: FBT003 - os takes it by position
    for fd in wire:
        os.set_blocking(fd, True)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what the task prints is seen when it prints it
    return wire


def serve_foreign(
    spec: TaskSpec,
    connection: ForeignConnection,
    wire: ForeignWire,
    *,
    batch_size: int,
    spin_s: float = 0.0,
) -> None:
    """Load a task and answer a foreign parent until it closes its side.

    Args:
        spec: The task.
        connection: What is spoken.
        wire: From ``take_wire``.
        batch_size: Most requests that are predicted together.
        spin_s: How long, in seconds, to stay awake for the next request while they come close together.

    Raises:
        TargetError: The codec needs an extra that is not installed.
        LoadFailed: The task could not be found, built or loaded.
        WireError: The parent sent something that is no frame of this codec.
    """
    connection.values.decoder(Any)  # before anything slow
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with, args=(wire.reading,), daemon=True).start()
    answerer = BatchAnswerer(load_task(spec, _report_nowhere), connection.values)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the parent is gone
        intake = Intake(wire.reading, spin_s=affordable_spin_s(spin_s))
        while batch := _read_batch(connection, intake, batch_size):
            _write(wire.writing, _answer(connection, answerer, batch))


def _end_with(reading: int) -> None:
    """Wait until the other end of the input is closed, then end this process."""
    poll = select.poll()
    poll.register(reading, _CLOSED)
    poll.poll()
    os._exit(0)  # nobody waits for an answer any more


def _report_nowhere(fraction: float | None, text: str) -> None:
    del fraction, text


def _read_batch(connection: ForeignConnection, intake: Intake, batch_size: int) -> list[ForeignRequest]:
    """Wait for a request, and take what has come besides; nothing where the input has ended.

    Raises:
        WireError: What came is no frame; the requests before it have been returned.
    """
    batch: list[ForeignRequest] = []
    while len(batch) < batch_size:
        try:
            request = connection.next_request()
        except WireError:
            if batch:
                break
            raise
        if request is not None:
            batch.append(request)
            continue
        if batch and not intake.has_more():
            break
        chunk = intake.read()
        if not chunk:
            break
        connection.feed(chunk)
    return batch


def _answer(
    connection: ForeignConnection, answerer: BatchAnswerer, batch: Sequence[ForeignRequest]
) -> list[bytes]:
    """Return a frame for each request."""
    frames = [connection.error(one.ref, InvalidInput.code, one.why_not) for one in batch if one.why_not]
    items = [Item(n, msgspec.Raw(one.payload)) for n, one in enumerate(batch) if not one.why_not]
    if not items:
        return frames
    for answer in answerer.answer(items, max_answer_bytes=connection.max_frame_bytes):
        ref = batch[answer.id].ref
        if answer.code == OK:
            frames.append(connection.result(ref, bytes(answer.value)))
        else:
            frames.append(connection.error(ref, answer.code, decode_value(answer.value)))
    return frames


def _write(writing: int, frames: Sequence[bytes]) -> None:
    left = memoryview(b"".join(frames))
    while left:
        left = left[os.write(writing, left) :]
