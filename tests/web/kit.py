"""An application on a runner that waits to be told, and a client without sockets."""

__all__ = ("JSON", "Answered", "Exchange", "Make", "Service", "until")

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from pulse_ai.core import Manifest, SchedulerSettings, WebSettings
from pulse_ai.serving import Engine, OpenServing, Scheduler, SlotStatus, Statistics
from pulse_ai.testing import GateRunner
from pulse_ai.web import App
from pulse_ai.web.watch import ClientWatch

JSON = (b"content-type", b"application/json")
_TURNS = 2000


async def until(is_so: Callable[[], object]) -> None:
    """Let the event loop turn until something is so."""
    for _ in range(_TURNS):
        if is_so():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came true")


class FakeServing:
    """What ``App`` uses of an open serving, on a gate."""

    def __init__(self, settings: SchedulerSettings, *, ready: bool, schema: dict[str, Any]) -> None:
        self.settings = settings
        self.gate = GateRunner()
        self.engine = Engine(Scheduler(settings), self.gate, deadline_s=settings.deadline_s)
        self.manifest: Manifest | None = None
        self.slots = [SlotStatus()]
        self.restarts = 0
        self.deaths: dict[str, int] = {}
        self._schema = schema
        if ready:
            self.become_ready()

    def become_ready(self) -> None:
        self.manifest = Manifest("echo", input_schema=self._schema)
        self.slots = [SlotStatus(state="ready", text="ready", fraction=1.0)]
        self.gate.attach(self.engine)

    def statistics(self) -> Statistics:
        return self.engine.statistics()


class Answered(NamedTuple):
    """What the client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        return self.value["code"]


class Exchange:
    """One request under way."""

    def __init__(self, app: App, scope: dict[str, Any]) -> None:
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[Any] = []
        self.reads = 0
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    def push(self, piece: bytes, *, more: bool = False) -> None:
        """Let a piece of the body arrive."""
        self._messages.put_nowait({"type": "http.request", "body": piece, "more_body": more})

    def disconnect(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})

    async def answer(self) -> Answered:
        await self.task
        start, body = self.sent
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answered(start["status"], headers, body["body"])

    async def _receive(self) -> Any:
        self.reads += 1
        return await self._messages.get()

    async def _send(self, message: Any) -> None:
        self.sent.append(message)


class Service:
    """An application with one model called ``echo``."""

    def __init__(
        self,
        *,
        ready: bool = True,
        schema: dict[str, Any] | None = None,
        max_body_bytes: int = 1024 * 1024,
        watch: ClientWatch | None = None,
        **settings: Any,
    ) -> None:
        self.serving = FakeServing(SchedulerSettings(**settings), ready=ready, schema=schema or {})
        self.gate = self.serving.gate
        self.engine = self.serving.engine
        servings = {"echo": cast("OpenServing", self.serving)}
        self.app = App(servings, WebSettings(max_body_bytes=max_body_bytes), watch=watch)

    def start(
        self,
        path: str = "/api/echo",
        body: bytes | None = None,
        *,
        method: str = "POST",
        headers: tuple[tuple[bytes, bytes], ...] = (JSON,),
    ) -> Exchange:
        """Begin a request; without a body the test pushes it piece by piece."""
        scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
        exchange = Exchange(self.app, scope | {"client": ("127.0.0.1", 1)})
        if body is not None:
            exchange.push(body)
        return exchange

    async def ask(self, path: str = "/api/echo", body: bytes = b"", **more: Any) -> Answered:
        """Have a request answered for which no worker is needed."""
        return await self.start(path, body, **more).answer()

    async def get(self, path: str) -> Answered:
        return await self.ask(path, method="GET", headers=())

    async def echo(self, body: bytes, path: str = "/api/echo", **more: Any) -> Answered:
        """Have a request answered by the gate, which gives the item back."""
        exchange = self.start(path, body, **more)
        await until(lambda: self.gate.batches or exchange.task.done())
        while self.gate.batches:
            self.gate.answer()
            await until(lambda: self.gate.batches or exchange.task.done())
        return await exchange.answer()


Make = Callable[..., Service]
"""Makes a service with options; the fixture ``make_service`` closes it."""
