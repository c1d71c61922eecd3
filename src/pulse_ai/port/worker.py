"""One worker process as the parent sees it: spawned, spoken to over a socket pair, drained, ended.

The child inherits one end of a socket pair, and nothing else that we have opened. A worker has ended when its
process has exited or its side of the wire has closed, whichever is seen first; the other then follows, or is
made to.
"""

__all__ = ("Worker", "WorkerEvents", "open_worker")

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import AsyncGenerator, Sequence
from typing import Protocol, cast

from pulse_ai.core import (
    LoadFailed,
    Manifest,
    PulseError,
    StartTimeout,
    TaskSpec,
    TruncatedStream,
    WireError,
    WorkerError,
    WorkerLost,
    WorkerSettings,
)
from pulse_ai.port.answering import LOG_ERRORS
from pulse_ai.port.area import SharedArea, areas_work
from pulse_ai.port.connection import State, WorkerConnection
from pulse_ai.port.deaths import death_reason, describe_exit
from pulse_ai.port.lending import SHARED_LEAST_BYTES, Lent, restore
from pulse_ai.port.messages import (
    OUT_OF_MEMORY,
    ChildMessage,
    Fatal,
    Item,
    Pong,
    Progress,
    Ready,
    Result,
    Timing,
)
from pulse_ai.port.process import WorkerProcess, open_process

_log = logging.getLogger("pulse_ai.worker")

_LAST_WORDS_S = 0.5  # after the process has exited, wait this long for the rest of the wire, and the reverse
_MOST_TEXT = 2000  # characters of what a worker says of itself: each refusal while none is ready repeats it
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
        timings: What it said that batches take, when it was ready.
    """

    def __init__(self, slot: int, settings: WorkerSettings, events: WorkerEvents) -> None:
        loop = asyncio.get_running_loop()
        self.slot = slot
        self.pid = 0
        self.batches = 0
        self.timings: list[Timing] = []
        self._settings = settings
        self._events = events
        self._connection = WorkerConnection(max_frame_bytes=settings.max_frame_bytes)
        self._ready: asyncio.Future[Manifest] = loop.create_future()
        self._closed: asyncio.Future[None] = loop.create_future()
        self._sign_of_life = asyncio.Event()
        self._error: PulseError | None = None
        self._told_closed = False
        self._transport: asyncio.WriteTransport | None = None
        self._area: SharedArea | None = None
        self._process: WorkerProcess | None = None

    def send_batch(self, batch_id: int, items: Sequence[Item]) -> None:
        """Send a batch. The worker must be idle; it answers through ``WorkerEvents.worker_result``.

        A worker that has ended in this very turn of the loop gets nothing; ``worker_closed`` says so.
        """
        if self._connection.state is State.ENDED:
            return
        lent = self._connection.lend(items)
        shared = lent.shared if self._write_shared(lent) else []
        self._write(self._connection.batch(batch_id, lent.values if shared else items, shared))

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
        if self._process is not None:
            self._process.kill()

    def give_up(self, error: PulseError) -> None:
        """Kill the worker for this reason; ``wait_ended`` returns it."""
        self._fail(error)
        self.kill()

    async def wait_ready(self) -> Manifest:
        """Wait until the worker has loaded.

        Raises:
            StartTimeout: It was silent for longer than the start timeout, and is killed.
            PulseError: It ended before it was ready; the error says why.
        """
        while not self._ready.done():
            self._sign_of_life.clear()
            try:
                async with asyncio.timeout(self._settings.start_timeout_s):
                    await self._sign_of_life.wait()
            except TimeoutError:
                self.give_up(StartTimeout(limit_s=self._settings.start_timeout_s))
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
        exited = asyncio.ensure_future(self._started_process().wait())
        try:
            await asyncio.wait({exited, self._closed}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({exited, self._closed}, timeout=_LAST_WORDS_S)
            stays = not exited.done()
            self.kill()
            lost = self._describe_end(await exited, stays=stays)
        finally:
            exited.cancel()
        if isinstance(self._error, TruncatedStream):
            self._error = WorkerLost(f"{lost}; {self._error}", reason=lost.reason)
        self._fail(lost)  # the wire may be open: in a program that it started
        assert self._error is not None  # noqa: S101 - _fail has just seen to it
        return self._error

    def _describe_end(self, code: int, *, stays: bool) -> WorkerLost:
        """Say how it ended, where nothing that it did before says more."""
        if stays and self._error is None:
            return WorkerLost(f"worker {self.pid} closed the wire but did not end, and was killed")
        limit_bytes = self._settings.worker_memory_bytes
        last_words = self._started_process().last_words() if limit_bytes else b""
        reason = death_reason(code, last_words=last_words)
        why = f" at its memory limit of {limit_bytes} bytes" if reason == "memory" else ""
        return WorkerLost(f"worker {self.pid} {describe_exit(code)}{why}", reason=reason)

    async def close(self) -> None:
        """End the worker: SHUTDOWN and time to end by itself where it is idle, else SIGKILL at once."""
        process = self._started_process()
        try:
            if process.running and self.idle:
                self._write(self._connection.shutdown())
                async with asyncio.timeout(self._settings.stop_timeout_s):
                    await process.wait()
        except TimeoutError:
            _log.warning("worker %d did not end in %g s; killing it", self.pid, self._settings.stop_timeout_s)
        finally:
            process.kill()

    async def connect(
        self, ours: socket.socket, name: str, task: TaskSpec | None, area: SharedArea | None
    ) -> None:
        """Take our end of the wire and the area for large values, and write HELLO."""
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self, sock=ours)
        self._area = area
        offer = None if area is None else area.offer
        warm_up_items = self._settings.warm_up_items
        self._write(self._connection.hello(name, task, area=offer, warm_up_items=warm_up_items))

    def attach(self, process: WorkerProcess) -> None:
        """Take the process at the other end of the wire."""
        self._process = process
        self.pid = process.pid

    async def hang_up(self) -> None:
        """Close our end of the wire."""
        self._told_closed = self._told_closed or self._process is None  # nobody has seen this worker yet
        if self._transport is not None:
            self._transport.abort()
            await asyncio.wait({self._closed}, timeout=_LAST_WORDS_S)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the open wire."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the wire; a broken protocol ends the worker."""
        try:
            for message in self._connection.receive(data):
                self._handle(message)
        except WireError as error:
            self.give_up(error)
            return
        if self._connection.failed is not None:
            self.give_up(self._connection.failed)

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
            self._take_shared(message)
            self.batches += 1
            self._events.worker_result(self, message)
        elif isinstance(message, Ready):
            self.timings = message.timings
            self._ready.set_result(message.manifest)
        elif isinstance(message, Progress):
            self._events.worker_progress(self.slot, message.fraction, _shortened(message.text))
        elif isinstance(message, Fatal):
            self._fail(_error_of(message))
        else:
            assert isinstance(message, Pong)  # noqa: S101 - the union is spent

    def _take_shared(self, result: Result) -> None:
        """Put the answers that came through the shared area into their places."""
        if result.shared:
            restore(result.answers, result.shared, self._shared_area().read(result.shared))

    def _write_shared(self, lent: Lent[Item]) -> bool:
        """Write what is lent to the shared area; False where that is nothing, or there is no memory for it."""
        if not lent.shared:
            return False
        area = self._shared_area()
        try:
            area.write(area.offer.parents, lent.shared, lent.contents)
        except OSError as error:
            _log.warning("worker %d: %s; a batch goes through the wire", self.pid, error)
            return False
        return True

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

    def _shared_area(self) -> SharedArea:
        assert self._area is not None  # noqa: S101 - the connection speaks of it only where there is one
        return self._area

    def _started_process(self) -> WorkerProcess:
        assert self._process is not None  # noqa: S101 - open_worker starts before it hands the worker out
        return self._process


def _error_of(fatal: Fatal) -> WorkerError:
    text = _shortened(fatal.text)
    if fatal.code in _LOAD_ERRORS:
        return LoadFailed(text)
    return WorkerLost(text, reason="memory" if fatal.code == OUT_OF_MEMORY else "exit")


def _shortened(text: str) -> str:
    """Return a text without its middle where it is too long: what failed comes first, and where comes last."""
    half = _MOST_TEXT // 2
    return text if len(text) <= _MOST_TEXT else f"{text[:half]} ... {text[-half:]}"


def worker_command(settings: WorkerSettings) -> tuple[str, ...]:
    """Return the command of our own worker; the wire's fd and the parent's pid are added to it."""
    logs = (LOG_ERRORS,) if settings.log_errors else ()
    return (sys.executable, "-u", "-m", "pulse_ai.port.child", str(settings.spin_s), *logs)


def _open_area(stack: contextlib.AsyncExitStack, *, max_frame_bytes: int) -> SharedArea | None:
    """Make the area for a worker's large values; None where this system has none."""
    if not areas_work() or max_frame_bytes < SHARED_LEAST_BYTES:
        return None
    try:
        area = SharedArea.create()
    except OSError as error:
        _log.warning("no shared memory for a worker: %s; large values go through the wire", error)
        return None
    stack.callback(area.close)
    return area


@contextlib.asynccontextmanager
async def open_worker(
    slot: int, *, name: str, task: TaskSpec | None, settings: WorkerSettings, events: WorkerEvents
) -> AsyncGenerator[Worker]:
    """Run one worker process for as long as the block lasts; afterwards it has ended.

    Raises:
        OSError: The process could not be started at all.
        FrameTooLarge: The task's spec does not fit into a frame.
    """
    worker = Worker(slot, settings, events)
    ours, theirs = socket.socketpair()
    async with contextlib.AsyncExitStack() as stack:
        with theirs:
            stack.callback(ours.close)
            area = _open_area(stack, max_frame_bytes=settings.max_frame_bytes)
            stack.push_async_callback(worker.hang_up)
            await worker.connect(ours, name, task, area)
            process = await stack.enter_async_context(
                open_process(
                    settings.command or worker_command(settings),
                    wire_fd=theirs.fileno(),
                    more_fds=() if area is None else (area.offer.fd,),
                    memory_bytes=settings.worker_memory_bytes,
                )
            )
        worker.attach(process)
        stack.push_async_callback(worker.close)
        yield worker
