"""Loopback servers that do what a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio

Answer = Callable[[int], Awaitable[bytes | None]]
"""Given the number of a request, from 0, returns the bytes to answer it with; None closes the connection."""


class ScriptedServer:
    """A server on a free port of 127.0.0.1.

    Attributes:
        port: Where it listens, once started.
        requests: Every request so far, head and body.
        connections: How many connections were made so far.
    """

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[bytes] = []
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, answer: Answer) -> None:
        self._answer = answer
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = [line.partition(b":") for line in head.lower().split(b"\r\n")]
        length = next((int(value) for name, _, value in fields if name == b"content-length"), 0)
        self.requests.append(head + await reader.readexactly(length))
        answer = await self._answer(len(self.requests) - 1)
        if answer is not None:
            writer.write(answer)
        return answer is not None and b"connection: close" not in answer.lower()

    def close(self) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.close()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """Yield a server that a test starts with its answers."""
    scripted = ScriptedServer()
    yield scripted
    scripted.close()
