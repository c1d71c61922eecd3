"""``pulse serve`` as a process of its own: started, watched through its JSON events, and always ended."""

__all__ = ("Answer", "Service", "ServiceFailed", "open_service", "read_gauges")

import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pulse_ai.bench.load import Target, parse_target
from pulse_ai.bench.proof.report import Gauges

_START_S = 300.0  # a checkpoint may be converted first
_STOP_S = 15.0
_ASK_S = 30.0
_LOOK_S = 0.05
_PULSE = (sys.executable, "-c", "from pulse_ai.cli import main; main()")
_GAUGE = re.compile(
    r"^pulse_(queue_items|running_items|workers_ready|lost_requests_total)\{[^}]*\} (\S+)$", re.MULTILINE
)


class ServiceFailed(RuntimeError):
    """The service did not start, or does not take what is sent."""


class Answer(NamedTuple):
    """One answer; the names of its headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


class Service:
    """A service that can serve.

    Attributes:
        url: Where it listens.
        arguments: What ``pulse serve`` was given.
        started_s: Seconds from its start until it could serve.
        exit_code: Once it has ended; None where it had to be killed.
    """

    def __init__(self, process: asyncio.subprocess.Process, log: Path, arguments: Sequence[str]) -> None:
        self.url = ""
        self.arguments = tuple(arguments)
        self.started_s = 0.0
        self.exit_code: int | None = None
        self._process = process
        self._log = log

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        import psutil

        return [child.pid for child in psutil.Process(self._process.pid).children()]

    async def wait_event(self, name: str) -> dict[str, Any]:
        """Read what it says until an event comes.

        Raises:
            ServiceFailed: It ended before.
        """
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        while line := await self._process.stdout.readline():
            event: dict[str, Any] = msgspec.json.decode(line)
            if event["event"] == name:
                return event
        code = await self._process.wait()
        said = self._log.read_text("utf-8", errors="replace").strip().splitlines()
        raise ServiceFailed(f"the service ended with {code} before it was {name}: {' '.join(said[-3:])}")

    async def ask(self, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Return the answer to one request, over a connection of its own.

        Args:
            path: What is asked for.
            body: JSON to be posted; None gets.
            **headers: More of them, with ``_`` for each ``-``.
        """
        target: Target = parse_target(self.url + path)
        verb = "GET" if body is None else "POST"
        length = len(body or b"")
        head = f"{verb} {path} HTTP/1.1\r\nHost: {target.authority}\r\nContent-Length: {length}\r\n"
        async with asyncio.timeout(_ASK_S):
            reader, writer = await asyncio.open_connection(target.host, target.port)
            try:
                fields = {"Content-Type": "application/json", "Connection": "close", **headers}
                lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
                writer.write((head + lines + "\r\n").encode() + (body or b""))
                return _read_answer(await reader.read())
            finally:
                writer.close()

    async def gauges(self, at_s: float) -> Gauges:
        """Return what ``/metrics`` says now; ``at_s`` is the instant that is written on it."""
        answer = await self.ask("/metrics")
        return read_gauges(answer.body.decode(), at_s=at_s)

    async def wait_workers(self, count: int) -> None:
        """Wait until so many workers are loaded: the service is ready with the first one.

        Raises:
            ServiceFailed: They were not, in time.
        """
        try:
            async with asyncio.timeout(_START_S):
                while (await self.gauges(0.0)).ready < count:  # noqa: ASYNC110 - another process's metrics
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError as error:
            raise ServiceFailed(f"{count} workers were not ready in {_START_S:g} s") from error

    async def stop(self) -> None:
        """Ask it to end, and wait; kill it where it takes too long."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                self.exit_code = await self._process.wait()


def _read_answer(said: bytes) -> Answer:
    head, _, body = said.partition(b"\r\n\r\n")
    if not head:
        raise ConnectionError("the service closed the connection without an answer")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines)
    return Answer(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in fields}, body)


def read_gauges(text: str, *, at_s: float) -> Gauges:
    """Read the gauges of the one model that is served out of ``/metrics``.

    Example:
        >>> read_gauges('pulse_queue_items{model="m"} 3.0', at_s=0.5).waiting
        3.0
    """
    found = {name: float(value) for name, value in _GAUGE.findall(text)}
    return Gauges(
        at_s=at_s,
        waiting=found.get("queue_items", 0.0),
        running=found.get("running_items", 0.0),
        ready=found.get("workers_ready", 0.0),
        lost=found.get("lost_requests_total", 0.0),
    )


@contextlib.asynccontextmanager
async def open_service(
    *arguments: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> AsyncGenerator[Service]:
    """Run ``pulse serve`` on a free port for as long as the block lasts; entered when it can serve.

    Args:
        arguments: Targets and options.
        cwd: Where it is started.
        environment: In place of this process's own.

    Raises:
        ServiceFailed: It ended, or was not ready in time.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        began_s = time.monotonic()
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *(*_PULSE, "serve", "--json", "--port", "0", *arguments),
                cwd=cwd,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        service = Service(process, log, arguments)
        try:
            await _wait_ready(service)
            service.started_s = time.monotonic() - began_s
            yield service
            await service.stop()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the workers, in sessions of their own, follow
            await process.communicate()


async def _wait_ready(service: Service) -> None:
    try:
        async with asyncio.timeout(_START_S):
            service.url = (await service.wait_event("listening"))["url"]
            await service.wait_event("ready")
    except TimeoutError as error:
        raise ServiceFailed(f"the service was not ready in {_START_S:g} s") from error
