"""One worker process as the parent sees it: spawned, spoken to over a socket pair, drained, ended.

The child inherits one end of a socket pair and nothing else of ours. Its stdout and stderr are pipes that are
read into the log, so a library that prints can neither break the wire nor block. A worker has ended when
its process has exited or its side of the wire has closed, whichever is seen first; the other then follows.
"""

__all__ = ("Worker", "WorkerEvents", "open_worker")

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from pulse_ai.core import (
    LoadFailed,
    Manifest,
    PulseError,
    StartTimeout,
    TaskSpec,
    WireError,
    WorkerLost,
    WorkerSettings,
)
from pulse_ai.port.connection import State, WorkerConnection
from pulse_ai.port.messages import ChildMessage, Fatal, Item, Pong, Progress, Ready, Result

_log = logging.getLogger("pulse_ai.worker")

_LINE_BYTES = 16 * 1024  # a longer line of output is logged in pieces
_LAST_WORDS_S = 0.5  # after the process has exited, wait this long for the rest of the wire
_LOAD_ERRORS = frozenset({"LoadFailed", "TargetError", "VersionMismatch"})  # starting again would not help


class WorkerEvents(Protocol):
    """What a worker tells whoever watches it. Called from the event loop; must not block."""

    def worker_progress(self, slot: int, fraction: float | None, text: str) -> None:
        """Loading has come this far."""

    def worker_result(self, worker: "Worker", result: Result) -> None:
        """The batch that was out is answered; the worker is free."""

    def worker_closed(self, worker: "Worker") -> None:
        """The worker takes no more batches, and what it has will not be answered. Comes once."""


class Worker(asyncio.Protocol):
    """A running worker process. Made by ``open_worker`` only.

    Attributes:
        slot: Which of the pool's places it holds, from 0.
        pid: Its process id.
        batches: How many batches it has answered.
    """

    def __init__(self, slot: int, settings: WorkerSettings, events: WorkerEvents) -> None:
        loop = asyncio.get_running_loop()
        self.slot = slot
        self.pid = 0
        self.batches = 0
        self._settings = settings
        self._events = events
        self._connection = WorkerConnection(max_frame_bytes=settings.max_frame_bytes)
        self._ready: asyncio.Future[Manifest] = loop.create_future()
        self._closed: asyncio.Future[None] = loop.create_future()
        self._sign_of_life = asyncio.Event()
        self._error: PulseError | None = None
        self._told_closed = False
        self._transport: asyncio.WriteTransport | None = None
        self._process: asyncio.subprocess.Process | None = None

    def send_batch(self, batch_id: int, items: Sequence[Item]) -> None:
        """Send a batch. The worker must be idle; it answers through ``WorkerEvents.worker_result``."""
        self._write(self._connection.batch(batch_id, items))

    def ping(self, nonce: int) -> None:
        """Ask an idle worker for a sign of life; a busy one is left alone."""
        if self._connection.state is State.IDLE:
            self._write(self._connection.ping(nonce))

    @property
    def idle(self) -> bool:
        """Whether it is loaded and has no batch."""
        return self._connection.state is State.IDLE

    def kill(self) -> None:
        """Send SIGKILL to the worker and to whatever it started. Harmless once it has ended."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def wait_ready(self) -> Manifest:
        """Wait until the worker has loaded.

        Raises:
            StartTimeout: It was silent for longer than the start timeout; it is being killed.
            PulseError: It ended before it was ready; the error says why.
        """
        while not self._ready.done():
            self._sign_of_life.clear()
            try:
                async with asyncio.timeout(self._settings.start_timeout_s):
                    await self._sign_of_life.wait()
            except TimeoutError:
                raise StartTimeout(limit_s=self._settings.start_timeout_s) from None
        return self._ready.result()

    async def wait_life(self, *, nonce: int, limit_s: float) -> bool:
        """Ping an idle worker and wait for any word from it; False where none came in time."""
        self._sign_of_life.clear()
        self.ping(nonce)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._sign_of_life.wait()
        return self._sign_of_life.is_set() or not self.idle

    async def wait_ended(self) -> PulseError:
        """Wait until the worker has ended and return why. Kills what is left of it."""
        process = self._started_process()
        exited = asyncio.ensure_future(process.wait())
        try:
            await asyncio.wait({exited, self._closed}, return_when=asyncio.FIRST_COMPLETED)
            if exited.done():
                await asyncio.wait({self._closed}, timeout=_LAST_WORDS_S)
            self.kill()
            code = await exited
        finally:
            exited.cancel()
        return self._error or WorkerLost(f"worker {self.pid} {describe_exit(code)}")

    async def close(self) -> None:
        """End the worker: SHUTDOWN and time to end by itself where it is idle, else SIGKILL at once."""
        process = self._started_process()
        try:
            if process.returncode is None and self._connection.state in {State.IDLE, State.LOADING}:
                self._write(self._connection.shutdown())
                async with asyncio.timeout(self._settings.stop_timeout_s):
                    await process.wait()
        except TimeoutError:
            _log.warning("worker %d did not end in %g s; killing it", self.pid, self._settings.stop_timeout_s)
        finally:
            self.kill()
            if self._transport is not None:
                self._transport.abort()

    async def start(self, command: Sequence[str], name: str, task: TaskSpec | None) -> None:
        """Spawn the process, connect to it and send HELLO."""
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)  # noqa: FBT003 - socket takes it by position
            self._process = await asyncio.create_subprocess_exec(
                *command,
                str(theirs.fileno()),
                str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self.pid = self._process.pid
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_unix_connection(lambda: self, sock=ours)  # type: ignore[assignment]
        self._write(self._connection.hello(name, task))

    async def drain_output(self) -> None:
        """Log what the process prints, line by line, until it closes its output."""
        output = self._started_process().stdout
        assert output is not None  # noqa: S101 - it was opened as a pipe
        rest = b""
        while chunk := await output.read(_LINE_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in [*lines, rest] if len(rest) >= _LINE_BYTES else lines:
                self._log_line(line)
            rest = b"" if len(rest) >= _LINE_BYTES else rest
        self._log_line(rest)

    # What asyncio calls.

    def data_received(self, data: bytes) -> None:
        """Take bytes of the wire; a broken protocol ends the worker."""
        try:
            messages = self._connection.receive(data)
        except WireError as error:
            self._fail(error)
            return
        for message in messages:
            self._handle(message)

    def eof_received(self) -> None:
        """Take the end of the wire."""
        try:
            self._connection.receive_eof()
        except WireError as error:
            self._fail(error)
        else:
            self._end(WorkerLost(f"worker {self.pid} closed the wire"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the wire is closed, so that ``wait_ended`` goes on."""
        if not self._closed.done():
            self._closed.set_result(None)
        self._end(self._error or WorkerLost(f"worker {self.pid} closed the wire"))

    def _handle(self, message: ChildMessage) -> None:
        self._sign_of_life.set()
        if isinstance(message, Result):
            self.batches += 1
            self._events.worker_result(self, message)
        elif isinstance(message, Ready):
            self._ready.set_result(message.manifest)
        elif isinstance(message, Progress):
            self._events.worker_progress(self.slot, message.fraction, message.text)
        elif isinstance(message, Fatal):
            self._fail((LoadFailed if message.code in _LOAD_ERRORS else WorkerLost)(message.text))
        else:
            assert isinstance(message, Pong)  # noqa: S101 - the union is spent

    def _fail(self, error: PulseError) -> None:
        """Remember why, and close the wire; the rest follows from its end."""
        self._error = self._error or error
        self._end(error)
        if self._transport is not None:
            self._transport.abort()

    def _end(self, error: PulseError) -> None:
        """Tell whoever waits that nothing more will come."""
        self._connection.state = State.ENDED
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # whoever waits sees it; nobody has to
        self._sign_of_life.set()
        if not self._told_closed:
            self._told_closed = True
            self._events.worker_closed(self)

    def _write(self, frame: bytearray) -> None:
        assert self._transport is not None  # noqa: S101 - open_worker connects before it hands the worker out
        self._transport.write(frame)

    def _started_process(self) -> asyncio.subprocess.Process:
        assert self._process is not None  # noqa: S101 - open_worker starts before it hands the worker out
        return self._process

    def _log_line(self, line: bytes) -> None:
        if line:
            _log.info("[%d] %s", self.pid, line.decode(errors="replace"))


def describe_exit(code: int) -> str:
    """Say in words how a process ended.

    Example:
        >>> describe_exit(-11)
        'was killed by SIGSEGV'
    """
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def worker_command() -> tuple[str, ...]:
    """Return the command of our own worker; the wire's fd and the parent's pid are added to it."""
    return (sys.executable, "-u", "-m", "pulse_ai.port.child")


@contextlib.asynccontextmanager
async def open_worker(
    slot: int, *, name: str, task: TaskSpec | None, settings: WorkerSettings, events: WorkerEvents
) -> AsyncIterator[Worker]:
    """Run one worker process for as long as the block lasts; afterwards it has ended.

    Raises:
        OSError: The process could not be started at all.
    """
    worker = Worker(slot, settings, events)
    await worker.start(worker_command(), name, task)
    async with asyncio.TaskGroup() as group:
        draining = group.create_task(worker.drain_output())
        try:
            yield worker
        finally:
            await worker.close()
            await asyncio.wait({draining}, timeout=_LAST_WORDS_S)
            draining.cancel()
