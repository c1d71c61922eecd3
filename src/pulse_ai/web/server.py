"""Runs the service: binds first, answers at once, loads behind, and drains before it ends."""

__all__ = ("bind", "run_event_loop", "run_service")

import asyncio
import contextlib
import errno
import functools
import gc
import logging
import socket
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, cast

import uvicorn

from pulse_ai.core import TargetError, WebSettings
from pulse_ai.serving import OpenServing, Serving
from pulse_ai.web.app import App
from pulse_ai.web.heads import KnownHeads
from pulse_ai.web.open_files import raise_file_limit
from pulse_ai.web.protocol import IDLE_LOOKS, OneWriteProtocol
from pulse_ai.web.signals import heed_signals

_log = logging.getLogger("pulse_ai.web")

_BACKLOG = 2048
_GC_THRESHOLD = 20_000  # allocations between collections; requests leave no cycles behind, so few are needed
_LAST_WRITES_S = 2  # once all is answered, clients may take so long to read it

STUCK_S = 15.0
"""A connection on which nothing moves is closed when it has been seen so twice, this many seconds apart."""


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to us: a drain comes before its own shutdown."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def bind(settings: WebSettings) -> socket.socket:
    """Take the port, so that a taken one is known before anything is loaded.

    Raises:
        TargetError: The address cannot be bound; the text says why and what to do.
    """
    if not settings.host:  # to a socket it would mean every address there is
        raise TargetError("'' is not an address to listen on; write 0.0.0.0 for all of them")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((settings.host, settings.port))
        sock.listen(_BACKLOG)
    except (ValueError, TypeError) as error:  # a name that no resolver takes
        sock.close()
        raise TargetError(f"{settings.host!r} is not an address to listen on") from error
    except OSError as error:
        sock.close()
        where = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            raise TargetError(
                f"{where} is in use; stop what listens there, or choose another --port"
            ) from error
        raise TargetError(f"cannot listen on {where}: {error.strerror or error}") from error
    sock.setblocking(False)  # noqa: FBT003 - socket takes it by position
    return sock


def run_event_loop(service: Coroutine[None, None, None]) -> None:
    """Run a service to its end, on uvloop where there is one, with as many open files as are allowed.

    Raises:
        KeyboardInterrupt: The service was cancelled: a second Ctrl-C came while it drained.
    """
    raise_file_limit()
    gc.freeze()  # what is here by now stays; collections need not look at it
    gc.set_threshold(_GC_THRESHOLD)
    try:
        from uvloop import new_event_loop
    except ImportError:
        new_event_loop = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        try:
            runner.run(service)
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


async def run_service(
    servings: Sequence[Serving],
    settings: WebSettings,
    sock: socket.socket,
    *,
    on_open: Callable[[dict[str, OpenServing]], None],
    on_ready: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second Ctrl-C cuts the drain short. SIGHUP rolls the workers.

    Args:
        servings: The models; their names differ.
        settings: The outer bounds.
        sock: A bound, listening socket; closed when this returns.
        on_open: Told the open servings as soon as their workers have been started.
        on_ready: Told once every model has a worker.

    Raises:
        LoadFailed: A model cannot be loaded and never was.
        WorkerError: A pool gave up, and ``on_give_up`` is ``exit``.
        CancelledError: A second Ctrl-C came.
    """
    stop = asyncio.Event()
    opened: dict[str, OpenServing] = {}
    async with contextlib.AsyncExitStack() as stack:

        def roll() -> None:
            for each in opened.values():
                each.roll()

        stack.enter_context(heed_signals(stop, roll))  # first: whoever is told of the start may end it
        for serving in servings:
            opened[serving.name] = await stack.enter_async_context(serving.open(wait=False))
        on_open(opened)
        app = App(opened, settings)
        server = _make_server(app, settings)
        http = asyncio.create_task(server.serve(sockets=[sock]), name="http")
        closing_stuck = asyncio.create_task(_close_stuck_connections(server), name="close-stuck-connections")
        try:
            await _until_stopped(opened, stop, http, on_ready)
            await asyncio.gather(*(each.drain(grace_s=settings.grace_s) for each in opened.values()))
        finally:
            closing_stuck.cancel()
            for each in opened.values():
                each.engine.close()  # after a drain there is nothing left; when cut short, answer the rest
            app.close()
            server.should_exit = True
            await asyncio.wait({http})


async def _until_stopped(
    opened: dict[str, OpenServing],
    stop: asyncio.Event,
    http: asyncio.Task[None],
    on_ready: Callable[[], None],
) -> None:
    """Return when told to stop; raise what makes serving impossible."""
    stopping = asyncio.ensure_future(stop.wait())
    ready = asyncio.gather(*(serving.wait_ready() for serving in opened.values()))
    pools = [asyncio.ensure_future(serving.wait_given_up()) for serving in opened.values()]
    try:
        await asyncio.wait({stopping, http, ready, *pools}, return_when=asyncio.FIRST_COMPLETED)
        if ready.done() and not stopping.done():
            ready.result()
            on_ready()
            await asyncio.wait({stopping, http, *pools}, return_when=asyncio.FIRST_COMPLETED)
        for ended in (http, *pools):
            if ended.done():
                ended.result()
    finally:
        for waiting in (stopping, ready, *pools):
            waiting.cancel()
        await asyncio.gather(stopping, ready, *pools, return_exceptions=True)


async def _close_stuck_connections(server: _Server) -> None:
    while True:
        await asyncio.sleep(STUCK_S)
        for connection in list(server.server_state.connections):
            cast("OneWriteProtocol", connection).close_if_stuck()


def _make_server(app: App, settings: WebSettings) -> _Server:
    protocol: Any = functools.partial(
        OneWriteProtocol,
        max_body_bytes=settings.max_body_bytes,
        lanes=app.lanes,
        known_heads=KnownHeads(),
    )
    config = uvicorn.Config(
        app,
        http=protocol,
        interface="asgi3",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=int(STUCK_S * IDLE_LOOKS),
        log_level="error",  # a client that sends nonsense is no news
        timeout_graceful_shutdown=_LAST_WRITES_S,
    )
    return _Server(config)
