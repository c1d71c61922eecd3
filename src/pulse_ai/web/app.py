"""The ASGI application: which path is answered by what, and what becomes of an error."""

__all__ = ("App",)

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from pulse_ai.core import RequestError, UnknownModel, WebSettings
from pulse_ai.serving import OpenServing
from pulse_ai.web.asgi import (
    ClientGone,
    Head,
    Receive,
    Response,
    Scope,
    Send,
    problem_response,
    read_head,
    respond,
)
from pulse_ai.web.bodies import Bodies
from pulse_ai.web.endpoint import ModelEndpoint
from pulse_ai.web.pages import Pages
from pulse_ai.web.problems import MethodNotAllowed, UnknownPath
from pulse_ai.web.watch import ClientWatch, Watched

_Answer = Callable[[bytes, Head], Awaitable[bytes]]


class App:
    """``POST /api/{name}`` and ``POST /api/{name}/batch`` for each model, and the pages round them.

    Args:
        servings: The open servings by name.
        settings: The outer bounds.
        watch: Looks after the clients; a test may bring one that is less patient.

    Attributes:
        lanes: The models by the path of their single items, for ``FastLane``.
    """

    def __init__(
        self, servings: Mapping[str, OpenServing], settings: WebSettings, *, watch: ClientWatch | None = None
    ) -> None:
        self._bodies = Bodies(limit_bytes=settings.max_body_bytes)
        self._endpoints = {name: ModelEndpoint(serving) for name, serving in servings.items()}
        self._answers: dict[str, tuple[ModelEndpoint, _Answer]] = {}
        for name, endpoint in self._endpoints.items():
            self._answers[f"/api/{name}"] = (endpoint, endpoint.answer)
            self._answers[f"/api/{name}/batch"] = (endpoint, endpoint.answer_batch)
        self._pages = Pages(self._endpoints)
        self._watch = watch or ClientWatch()
        self.lanes = {f"/api/{name}".encode(): endpoint for name, endpoint in self._endpoints.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise NotImplementedError(f"Pulse speaks HTTP, not {scope['type']}")
        try:
            response = await self._respond(scope, receive)
        except RequestError as error:
            response = problem_response(error)
        except ClientGone:
            return
        await respond(send, response, head_only=scope["method"] == "HEAD")

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        path: str = scope["path"]
        found = self._answers.get(path)
        if found is None:
            return self._page(path, scope["method"])
        endpoint, answer = found
        watched = self._watch.begin(receive)
        try:
            body, head = await self._read(endpoint, watched, scope, receive)
            return Response(200, await answer(body, head))
        except asyncio.CancelledError:
            if watched.ended_with is None:
                raise
            raise self._count(endpoint, watched.ended_with) from None
        finally:
            self._watch.end(watched)

    async def _read(
        self, endpoint: ModelEndpoint, watched: Watched, scope: Scope, receive: Receive
    ) -> tuple[bytes, Head]:
        """Check and read what can be told without the model."""
        try:
            if scope["method"] != "POST":
                raise MethodNotAllowed(given=scope["method"], allowed="POST")
            endpoint.check_ready()
            head = read_head(scope)
            body = await self._bodies.read(receive, head)
        except RequestError as error:
            raise self._count(endpoint, error) from None
        watched.reading = False
        return body, head

    def _count(self, endpoint: ModelEndpoint, error: Exception) -> Exception:
        if isinstance(error, RequestError):
            endpoint.turned_down[error.code] += 1
        return error

    def close(self) -> None:
        """Wait for no more bodies: requests whose body is still arriving are told of the shutdown."""
        self._watch.end_reading()

    def _page(self, path: str, method: str) -> Response:
        page = self._pages.get(path)
        if page is None:
            raise self._unknown(path)
        if method not in {"GET", "HEAD"}:
            raise MethodNotAllowed(given=method, allowed="GET, HEAD")
        return page()

    def _unknown(self, path: str) -> RequestError:
        if path.startswith("/api/"):
            return UnknownModel(name=path[5:205], known=tuple(self._endpoints))
        return UnknownPath(path=path)
