"""The worker process: ``python -m pulse_ai.port.child [SPIN_S] FD PARENT_PID``.

One thread reads a frame, answers it, and reads the next; the socket is the only way in and out, so whatever
the task prints goes to the parent's log. The process ends when the parent's side closes: an idle worker sees
the end of the stream, and for a worker that is deep in native code Linux sends SIGKILL itself.
"""

__all__ = ("WorkerLoop", "main")

import contextlib
import ctypes
import faulthandler
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import msgspec

from pulse_ai.core import (
    PROTOCOL_VERSION,
    FrameTooLarge,
    LoadFailed,
    PulseError,
    VersionMismatch,
    WorkerSettings,
    manifest_of,
)
from pulse_ai.port.answering import LOG_ERRORS, BatchAnswerer, log_traceback, shorten_answers
from pulse_ai.port.area import WorkersArea, areas_work
from pulse_ai.port.frames import FrameReader
from pulse_ai.port.hosting import end_process, load_task
from pulse_ai.port.intake import Intake, affordable_spin_s
from pulse_ai.port.lending import Room, check_shared, lend, restore
from pulse_ai.port.messages import (
    OUT_OF_MEMORY,
    Batch,
    ChildMessage,
    Fatal,
    Hello,
    ParentMessage,
    Ping,
    Pong,
    Progress,
    Ready,
    Result,
    Shutdown,
    decode_from_parent,
    encode_message,
)
from pulse_ai.port.values import MSGPACK, ValueCodec, value_decoder
from pulse_ai.port.warming import warm_up

_FIRST_FRAME_BYTES = 1024 * 1024  # HELLO says the bound for everything after it
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_STDERR = 2


class WorkerLoop:
    """The child's side of protocol 1 over a blocking socket.

    Args:
        sock: The inherited end of the socket pair.
        spin_s: How long, in seconds, to stay awake for the next batch while they come close together.
        log_errors: Whether the log has the text of an item's error.
    """

    def __init__(self, sock: socket.socket, *, spin_s: float, log_errors: bool) -> None:
        self._sock = sock
        self._log_errors = log_errors
        self._intake = Intake(sock.fileno(), spin_s=spin_s)
        self._sending = threading.Lock()  # a download thread of the task may report progress
        self._loading = True
        self._max_frame_bytes = _FIRST_FRAME_BYTES
        self._reader = FrameReader(max_frame_bytes=_FIRST_FRAME_BYTES)
        self._area: WorkersArea | None = None

    def run(self) -> int:
        """Serve until SHUTDOWN or the end of the stream; return the exit code."""
        try:
            return self._serve()
        except (BrokenPipeError, ConnectionResetError):
            return 0  # the parent is gone
        except MemoryError:
            return self._fail(OUT_OF_MEMORY, "the worker had no memory left, outside of predict")
        except PulseError as error:
            return self._fail(type(error).__name__, str(error))

    def _fail(self, code: str, text: str) -> int:
        """Say why this process ends, and return its exit code."""
        log_traceback()  # before FATAL: the parent may end this process as soon as it has read that
        with contextlib.suppress(OSError, PulseError):
            self._send(Fatal(code, _sendable(text)))
        return 1

    def _serve(self) -> int:
        hello = self._receive()
        if hello is None:
            return 0
        answerer = self._load(self._greeted(hello))
        while (message := self._receive()) is not None:
            if isinstance(message, Batch):
                self._answer(answerer, message)
            elif isinstance(message, Ping):
                self._send(Pong(message.nonce))
            elif isinstance(message, Shutdown):
                return 0
        return 0

    def _greeted(self, hello: ParentMessage) -> Hello:
        """Take from HELLO what holds for all that follows."""
        if not isinstance(hello, Hello):
            raise LoadFailed(f"expected HELLO first, got {type(hello).__name__}")
        if hello.protocol != PROTOCOL_VERSION:
            raise VersionMismatch(ours=PROTOCOL_VERSION, theirs=hello.protocol)
        self._max_frame_bytes = hello.max_frame_bytes
        self._reader.raise_bound(hello.max_frame_bytes)
        if hello.area_fd >= 0 and areas_work():
            self._area = WorkersArea.adopt(hello.area_fd)
        return hello

    def _load(self, hello: Hello) -> BatchAnswerer:
        if hello.task is None:
            raise LoadFailed("HELLO names no task")
        self._send(Progress(None, "importing"))
        task = load_task(hello.task, self._report)
        codec = MSGPACK if self._area is None else ValueCodec(value_decoder, self._area.encode)
        answerer = BatchAnswerer(task, codec, log_errors=self._log_errors)
        manifest = manifest_of(task, hello.name)
        limit_bytes = self._max_frame_bytes
        timings = warm_up(task, most_items=hello.warm_up_items, max_answer_bytes=limit_bytes)
        self._send(Ready(PROTOCOL_VERSION, manifest, self._area is not None, timings))
        return answerer

    def _report(self, fraction: float | None, text: str) -> None:
        progress = Progress(None if fraction is None else float(fraction), _sendable(str(text)))
        with self._sending:
            if self._loading:  # PROGRESS after READY would break the protocol
                self._sock.sendall(encode_message(progress, max_frame_bytes=self._max_frame_bytes))

    def _answer(self, answerer: BatchAnswerer, batch: Batch) -> None:
        self._take_shared(batch)
        started_s = time.perf_counter()
        answers = answerer.answer(batch.items, max_answer_bytes=self._max_frame_bytes)
        result = Result(batch.id, answers, time.perf_counter() - started_s, answerer.take_counts())
        batch.items.clear()  # the memory of large ones goes now, and not with the next batch
        try:
            self._send_result(result)
        except FrameTooLarge:  # each of them may go, but not all together; nothing was sent yet
            result.answers = shorten_answers(answers, frame_bytes=self._max_frame_bytes)
            result.counts = {}
            self._send_result(result)

    def _take_shared(self, batch: Batch) -> None:
        """Put the items that came through the shared area into their places."""
        if self._area is not None:
            self._area.begin()
        if batch.shared:
            room = None if self._area is None else self._area.offer.parents
            check_shared(batch.shared, count=len(batch.items), room=room)
            assert self._area is not None  # noqa: S101 - so there is a room
            restore(batch.items, batch.shared, self._area.views(batch.shared))

    def _send_result(self, result: Result) -> None:
        if self._area is not None:
            result = self._share(result, self._area)
        self._sock.sendall(encode_message(result, max_frame_bytes=self._max_frame_bytes))

    def _share(self, result: Result, area: WorkersArea) -> Result:
        """Write large answers to the shared area; those that are there already, and more while there is memory."""
        lent = lend(result.answers, area.room())
        if not lent.shared:
            result.kept_bytes = area.kept_bytes()
            return result
        size_bytes = sum(each.size_bytes for each in lent.shared)
        if size_bytes > self._max_frame_bytes:
            raise FrameTooLarge(size_bytes=size_bytes, limit_bytes=self._max_frame_bytes)
        try:
            area.write(area.offer.workers, lent.shared, lent.contents)
        except OSError:
            lent = lend(result.answers, Room(0, 0))  # only what is there already
        return msgspec.structs.replace(
            result, answers=lent.values, shared=lent.shared, kept_bytes=area.kept_bytes()
        )

    def _receive(self) -> ParentMessage | None:
        """Wait for the next message; None means that the parent closed its side."""
        while (frame := self._reader.next_frame()) is None:
            chunk = self._intake.read()
            if not chunk:
                self._reader.feed_eof()
                return None
            self._reader.feed(chunk)
        return decode_from_parent(frame)

    def _send(self, message: ChildMessage) -> None:
        frame = encode_message(message, max_frame_bytes=self._max_frame_bytes)
        with self._sending:
            if isinstance(message, (Ready, Fatal)):
                self._loading = False
            self._sock.sendall(frame)


def _take_over(fd: int) -> socket.socket:
    """Return the socket of an inherited descriptor; programs that the task starts must not hold it."""
    os.set_inheritable(fd, False)  # noqa: FBT003 - os takes it by position
    return socket.socket(fileno=fd)


def _pass_nothing_on() -> None:
    """See to it that programs that the task starts get no more of us than stdin, stdout and stderr.

    Where the parent's loop is uvloop, what the parent itself had inherited comes along, and second descriptors
    of our own output.
    """
    folder = Path("/dev/fd")
    for path in folder.iterdir() if folder.is_dir() else ():
        if int(path.name) > _STDERR:
            with contextlib.suppress(OSError):  # it was the listing's own
                os.set_inheritable(int(path.name), False)  # noqa: FBT003 - os takes it by position


def _sendable(text: str) -> str:
    """Return text without the lone surrogates that UTF-8 has no form for (file names can bring them)."""
    return text.encode(errors="backslashreplace").decode()


def _end_with_parent(parent_pid: int) -> None:
    """Ask Linux to kill this process when its parent ends, even while it is inside native code."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it ended before we asked
        os._exit(0)


def main() -> None:
    """Take over the inherited socket and serve. Called by the supervisor only."""
    *options, fd, parent_pid = sys.argv[1:]
    _end_with_parent(int(parent_pid))
    _pass_nothing_on()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    faulthandler.enable()  # a crash in native code says where it was, in the log
    try:
        spin_s = affordable_spin_s(float(options[0]) if options else WorkerSettings().spin_s)
        sock = _take_over(int(fd))
        code = WorkerLoop(sock, spin_s=spin_s, log_errors=LOG_ERRORS in options).run()
    except SystemExit as error:  # the task's own
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - the outermost loop: it says why and ends
        log_traceback()
        code = 1
    end_process(code)


if __name__ == "__main__":
    main()
