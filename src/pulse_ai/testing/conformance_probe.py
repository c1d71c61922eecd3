"""A parent to try a worker with: it can say what the protocol lets a parent say, and what it does not."""

__all__ = ("CheckFailed", "CheckSkipped", "Probe", "Subject", "open_probe")

import asyncio
import contextlib
import fcntl
import itertools
import socket
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pulse_ai.core import Manifest, TaskSpec, WireError
from pulse_ai.port import (
    Answer,
    Item,
    Result,
    Shared,
    SharedArea,
    State,
    WorkerConnection,
    WorkerProcess,
    areas_work,
    describe_exit,
    encode_value,
    open_process,
    restore,
)
from pulse_ai.testing.conformance_items import example_of, fits

_READ_BYTES = 256 * 1024
_HIGH_FD = 40  # a worker must take the number that it is given, so give it one that nobody expects
_MAX_FRAME_BYTES = 64 * 1024 * 1024
_PAUSE_S = 0.02  # between the pieces of a frame, so that the worker reads them one by one


class CheckFailed(Exception):
    """The worker did what the protocol does not allow, or did not do what it asks for."""


class CheckSkipped(Exception):
    """This cannot be tried with this worker; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The worker that is tried, and how.

    Attributes:
        command: Its program and arguments; the descriptor and the parent's pid are added.
        target: What HELLO says that the worker should build; empty: HELLO brings no task.
        items: Items that it takes; none: they are made from its input schema.
        wrong_items: Items that it must refuse; none: one is made from its input schema.
        limit_s: The longest time from READY to the end of a worker's part in a check, in seconds.
        start_limit_s: The longest time to READY, in seconds.
    """

    command: tuple[str, ...]
    target: str = ""
    items: tuple[Any, ...] = ()
    wrong_items: tuple[Any, ...] = ()
    limit_s: float = 10.0
    start_limit_s: float = 60.0


class Probe:
    """A running worker and our end of its wire. Made by ``open_probe`` only.

    Every wait is bounded: until READY by ``start_limit_s``, from then on by ``limit_s`` for all of them together.

    Attributes:
        manifest: What READY brought.
        waits_for: What is being waited for, in words.
        progress: How many PROGRESS came.
        shares: Whether the worker takes the shared area that it was offered.
    """

    def __init__(
        self,
        subject: Subject,
        sock: socket.socket,
        process: WorkerProcess,
        *,
        bound_bytes: int,
        limit_s: float,
    ) -> None:
        self.manifest = Manifest("")
        self.waits_for = "READY"
        self.progress = 0
        self.shares = False
        self.area: SharedArea | None = None
        self._subject = subject
        self._sock = sock
        self._process = process
        self._connection = WorkerConnection(max_frame_bytes=bound_bytes)
        self._messages: list[Any] = []
        self._batch_ids = itertools.count(1)
        self._loop = asyncio.get_running_loop()
        self._ends_at_s = self._loop.time() + limit_s

    def hello(self) -> bytes:
        """Return the frame of HELLO."""
        task = TaskSpec(self._subject.target) if self._subject.target else None
        offer = None if self.area is None else self.area.offer
        return bytes(self._speaking().hello("check", task, area=offer))

    def ping(self, nonce: int) -> bytes:
        """Return the frame of PING."""
        return bytes(self._speaking().ping(nonce))

    def batch(self, items: Sequence[Item]) -> bytes:
        """Return the frame of a BATCH with the next id."""
        return bytes(self._speaking().batch(next(self._batch_ids), items))

    def shared_batch(self, items: Sequence[Item]) -> bytes:
        """Write the items to the shared area and return the frame of a BATCH that speaks of them."""
        assert self.area is not None  # noqa: S101 - the check asks for one
        shared: list[Shared] = []
        for place, item in enumerate(items):
            shared.append(Shared(place, sum(each.size_bytes for each in shared), len(item.value)))
        self.area.write(self.area.offer.parents, shared, [item.value for item in items])
        nil = [Item(item.id, msgspec.Raw(b"\xc0")) for item in items]
        return bytes(self._speaking().batch(next(self._batch_ids), nil, shared))

    def shutdown(self) -> bytes:
        """Return the frame of SHUTDOWN."""
        return bytes(self._speaking().shutdown())

    def items(self, count: int) -> list[Item]:
        """Return items that this worker takes, with ids from 1.

        Raises:
            CheckSkipped: None were given, and none could be made from its input schema.
        """
        given = self._subject.items
        schema = self.manifest.input_schema
        count = min(count, self.manifest.max_batch_items or count)
        values = [given[n % len(given)] if given else example_of(schema, n) for n in range(count)]
        if not all(fits(value, schema) for value in values):
            raise CheckSkipped("no item could be made from the input schema; give one")
        return [Item(n, msgspec.Raw(encode_value(value))) for n, value in enumerate(values, 1)]

    async def start(self) -> Manifest:
        """Send HELLO and wait for READY.

        Raises:
            CheckFailed: Something else came.
        """
        await self.send(self.hello())
        return await self.wait_ready()

    async def send(self, *pieces: bytes) -> None:
        """Send bytes; several pieces go one after the other, with time to read each.

        Raises:
            CheckFailed: The worker spoke while a frame was not yet whole.
        """
        for number, piece in enumerate(pieces):
            if number:
                await self._pause()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # what follows sees the end
                async with self._bounded():
                    await self._loop.sock_sendall(self._sock, piece)

    async def receive(self) -> Any:
        """Return the next message, or None at the end of the stream.

        Raises:
            CheckFailed: The worker sent what no parent takes.
        """
        try:
            while not self._messages:
                if self._connection.failed is not None:
                    raise self._connection.failed
                if not (chunk := await self._read()):
                    self._connection.receive_eof()
                    return None
                self._messages += self._connection.receive(chunk)
        except WireError as error:
            raise CheckFailed(f"a parent would kill this worker: {error}") from error
        return self._messages.pop(0)

    async def expect(self, name: str) -> Any:
        """Return the next message, which must be of this kind.

        Raises:
            CheckFailed: It is another one, or the worker ended.
        """
        self.waits_for = name.upper()
        message = await self.receive()
        if message is None:
            raise CheckFailed(f"the worker {describe_exit(await self.wait_exit())}; {name.upper()} was due")
        if type(message).__name__ != name:
            raise CheckFailed(f"{name.upper()} was due, {_shown(message)} came")
        return message

    async def wait_ready(self) -> Manifest:
        """Wait for READY, after any PROGRESS.

        Raises:
            CheckFailed: Something else came.
        """
        while type(message := await self.receive()).__name__ == "Progress":
            self.progress += 1
            if message.fraction is not None and not 0.0 <= message.fraction <= 1.0:
                raise CheckFailed(f"PROGRESS says {message.fraction:g}; it goes from 0 to 1")
        if message is None:
            raise CheckFailed(f"the worker {describe_exit(await self.wait_exit())}; READY was due")
        if type(message).__name__ != "Ready":
            raise CheckFailed(f"READY was due, {_shown(message)} came")
        self.manifest = message.manifest
        self.shares = message.area
        self._ends_at_s = self._loop.time() + self._subject.limit_s
        return self.manifest

    async def ask(self, items: Sequence[Item]) -> dict[int, Answer]:
        """Send a batch and return its answers by the ids of the items.

        Raises:
            CheckFailed: The RESULT is none of this batch, or an answer has a code that does not exist.
        """
        await self.send(self.batch(items))
        return await self.wait_answers()

    async def wait_answers(self) -> dict[int, Answer]:
        """Wait for RESULT and return its answers by the ids of the items.

        Raises:
            CheckFailed: Something else came, or an answer has a code that does not exist.
        """
        result = await self.expect("Result")
        if result.shared and self.area is not None:
            restore(result.answers, result.shared, self.area.read(result.shared))
        return read_answers(result)

    async def wait_exit(self) -> int:
        """Wait until the process has ended and return its exit code."""
        self.waits_for = "the process to end"
        async with self._bounded():
            return await self._process.wait()

    def hang_up(self) -> None:
        """Close our end of the wire, as a parent does that ends."""
        self._sock.shutdown(socket.SHUT_RDWR)

    def send_signal(self, number: int) -> None:
        """Send a signal to the worker's process."""
        self._process.send_signal(number)

    def _speaking(self) -> WorkerConnection:
        """Return the connection, where the worker has not spoilt it by what came with its last message."""
        if self._connection.failed is not None:
            raise CheckFailed(f"a parent would kill this worker: {self._connection.failed}")
        if self._connection.state is State.ENDED:
            raise CheckFailed("the worker sent FATAL")
        return self._connection

    @contextlib.asynccontextmanager
    async def _bounded(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout_at(self._ends_at_s):
                yield
        except TimeoutError as error:
            raise CheckFailed(f"time ran out while waiting for {self.waits_for}") from error

    async def _read(self) -> bytes:
        try:
            async with self._bounded():
                return await self._loop.sock_recv(self._sock, _READ_BYTES)
        except ConnectionResetError:
            return b""

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_PAUSE_S):
                chunk = await self._read()
        except TimeoutError:
            return
        if chunk:
            raise CheckFailed("the worker answered a frame before all of it was there")


def read_answers(result: Result) -> dict[int, Answer]:
    """Return the answers by the ids of the items.

    Raises:
        CheckFailed: One has a code that does not exist, or an error whose value is no text.
    """
    for answer in result.answers:
        if answer.code not in {"ok", "model_error", "invalid_input"}:
            raise CheckFailed(
                f"an answer has the code {answer.code!r}; there are ok, model_error, invalid_input"
            )
        if answer.code != "ok" and not isinstance(_decode(answer), str):
            raise CheckFailed(f"the value of {answer.code} must be a text, got {_decode(answer)!r:.80}")
    return {answer.id: answer for answer in result.answers}


def _decode(answer: Answer) -> Any:
    return msgspec.msgpack.decode(answer.value)


def _shown(message: Any) -> str:
    name = type(message).__name__.upper()
    return f"{name} ({message.code}: {message.text})" if name == "FATAL" else name


@contextlib.asynccontextmanager
async def open_probe(
    subject: Subject, *, command: Sequence[str] = (), bound_bytes: int = _MAX_FRAME_BYTES, loads: bool = True
) -> AsyncGenerator[Probe]:
    """Run the worker for as long as the block lasts. Nothing is said to it yet.

    Args:
        subject: The worker.
        command: Another command than the subject's.
        bound_bytes: What HELLO says of the longest frame.
        loads: Whether it will load; else it has ``limit_s`` from its start, not ``start_limit_s``.
    """
    async with contextlib.AsyncExitStack() as stack:
        ours, theirs = socket.socketpair()
        stack.enter_context(ours)
        ours.setblocking(False)  # noqa: FBT003 - socket takes it by position
        area = SharedArea.create() if areas_work() else None
        if area is not None:
            stack.callback(area.close)
        with theirs, socket.socket(fileno=fcntl.fcntl(theirs, fcntl.F_DUPFD_CLOEXEC, _HIGH_FD)) as high:
            process = await stack.enter_async_context(
                open_process(
                    command or subject.command,
                    wire_fd=high.fileno(),
                    more_fds=() if area is None else (area.offer.fd,),
                )
            )
        limit_s = subject.start_limit_s if loads else subject.limit_s
        probe = Probe(subject, ours, process, bound_bytes=bound_bytes, limit_s=limit_s)
        probe.area = area
        yield probe
