"""``pulse serve`` as a process of its own, on a free port, always killed at the end."""

__all__ = ("Running", "open_service", "pulse", "read_answer", "until_metric")

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

COMMAND = str(Path(sys.executable).with_name("pulse"))
JSON = {"content-type": "application/json"}
_START_S = 30.0
_END_S = 25.0


class Running:
    """A service that listens.

    Attributes:
        url: Where.
        client: Speaks HTTP with it; keeps many connections.
    """

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.url = ""
        self.events: list[dict[str, Any]] = []
        self._log = log
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self.client = httpx.AsyncClient(timeout=25.0, limits=limits, trust_env=False)

    @property
    def log(self) -> str:
        """What it wrote to stderr so far."""
        return self._log.read_text()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def rss_mib(self) -> float:
        """Resident memory of the parent process."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers."""
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    async def wait_event(self, name: str) -> dict[str, Any]:
        """Read what it says until an event comes."""
        assert self.process.stdout is not None
        async with asyncio.timeout(_START_S):
            while not any(event["event"] == name for event in self.events):
                line = await self.process.stdout.readline()
                assert line, f"it ended with {await self.process.wait()} before {name}:\n{self.log}"
                self.events.append(json.loads(line))
        return next(event for event in self.events if event["event"] == name)

    async def post(self, path: str, item: Any, **headers: str) -> httpx.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(self.url + path, content=json.dumps(item), headers=JSON | names)

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(self.url + path)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection of one's own."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def post_alone(self, path: str, item: Any) -> tuple[int, dict[str, str], Any]:
        """Post over a connection of its own; far cheaper than ``client`` for a thousand at once."""
        body = json.dumps(item).encode()
        reader, writer = await self.connect()
        head = f"POST {path} HTTP/1.1\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        answer = await reader.read()
        writer.close()
        return read_answer(answer)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def wait_exit(self) -> int:
        async with asyncio.timeout(_END_S):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def open_service(
    *arguments: str, cwd: Path | None = None, ready: bool = True, limit: Callable[[], None] | None = None
) -> AsyncGenerator[Running]:
    """Run ``pulse serve`` for as long as the block lasts.

    Args:
        arguments: Targets and options.
        cwd: Where it is started.
        ready: Enter the block only when every model can serve; otherwise as soon as it listens.
        limit: Called in the new process before it begins.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "stderr"
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                COMMAND,
                *("serve", "--json", "--port", "0", *arguments),
                cwd=cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=limit,
            )
        running = Running(process, log)
        try:
            running.url = (await running.wait_event("listening"))["url"]
            if ready:
                await running.wait_event("ready")
            async with running.client:
                yield running
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the workers, in sessions of their own, follow
            await process.wait()
            process._transport.close()  # type: ignore[attr-defined]  # asyncio keeps its pipe open else


def read_answer(answer: bytes) -> tuple[int, dict[str, str], Any]:
    """Return the status, the headers and the JSON of one answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert len(body) == int(headers["content-length"])
    return int(first.split()[1]), headers, json.loads(body)


async def pulse(*arguments: str, cwd: Path | None = None) -> tuple[int, str, str]:
    """Run a ``pulse`` command to its end and return its exit code, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *arguments,
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_END_S):
            out, err = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def until_metric(service: Running, name: str, value: float) -> None:
    """Ask for the metrics until one has a value."""
    async with asyncio.timeout(_START_S):
        while True:
            text = (await service.get("/metrics")).text
            families = text_string_to_metric_families(text)
            samples = (sample for family in families for sample in family.samples)
            if any(sample.name == name and sample.value == value for sample in samples):
                return


@contextlib.asynccontextmanager
async def kept_open(gate: Path) -> AsyncGenerator[None]:
    """Open a named pipe whenever a worker waits at it, for as long as the block lasts."""
    opening = asyncio.create_task(_keep_open(gate))
    try:
        yield
    finally:
        opening.cancel()


async def _keep_open(gate: Path) -> None:
    while True:
        try:
            os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # nobody waits
            await asyncio.sleep(0.002)  # a named pipe tells nobody that its reader has come
        await asyncio.sleep(0)
