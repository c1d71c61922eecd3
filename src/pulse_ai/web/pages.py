"""What a person, a probe or a scraper reads: the page, health, readiness, metrics, the API's description."""

__all__ = ("Pages",)

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

import msgspec

from pulse_ai.core import Refused
from pulse_ai.web.asgi import Response, problem_response
from pulse_ai.web.endpoint import ModelEndpoint
from pulse_ai.web.metrics import METRICS_TYPE, render_metrics
from pulse_ai.web.openapi import openapi_document

_ONLY_OURSELVES = (
    b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    b"base-uri 'none'; frame-ancestors 'none'"
)

Page = Callable[[], Response]


class Pages:
    """The GET routes.

    Args:
        endpoints: The models by name.
    """

    def __init__(self, endpoints: Mapping[str, ModelEndpoint]) -> None:
        self._endpoints = endpoints
        self._home = files("pulse_ai.web").joinpath("page.html").read_bytes()
        self._pages: dict[str, Page] = {
            "/": self.home,
            "/healthz": self.healthz,
            "/readyz": self.readyz,
            "/metrics": self.metrics,
            "/openapi.json": self.openapi,
        }

    def get(self, path: str) -> Page | None:
        """Return what answers a path."""
        return self._pages.get(path)

    def home(self) -> Response:
        """A page to try the models on, with the queue and the latencies."""
        headers = (
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", _ONLY_OURSELVES),
            (b"x-content-type-options", b"nosniff"),
        )
        return Response(200, self._home, headers)

    def healthz(self) -> Response:
        """The process lives and its event loop turns. Says nothing of the workers."""
        return _json(200, {"status": "alive"})

    def readyz(self) -> Response:
        """200 exactly when every model has a worker that can serve now (G8); else 503 with Retry-After."""
        models = {name: _readiness(endpoint) for name, endpoint in self._endpoints.items()}
        refusals = [refusal for endpoint in self._endpoints.values() if (refusal := _refusal(endpoint))]
        if not refusals:
            return _json(200, {"ready": True, "models": models})
        longest = max(refusals, key=lambda refusal: refusal.retry_after_s)
        headers = problem_response(longest).headers[1:]
        return _json(503, {"ready": False, "code": longest.code, "models": models}, headers)

    def metrics(self) -> Response:
        """The numbers, for Prometheus."""
        body = render_metrics(self._endpoints)
        return Response(200, body, ((b"content-type", METRICS_TYPE.encode()),))

    def openapi(self) -> Response:
        """What the API takes and answers, model by model (OpenAPI 3.1)."""
        manifests = {name: endpoint.serving.manifest for name, endpoint in self._endpoints.items()}
        return _json(200, openapi_document(manifests))


def _refusal(endpoint: ModelEndpoint) -> Refused | None:
    try:
        endpoint.check_ready()
    except Refused as refusal:
        return refusal
    return None


def _readiness(endpoint: ModelEndpoint) -> dict[str, Any]:
    slots = endpoint.serving.slots
    workers = [{"state": slot.state, "doing": slot.text, "fraction": slot.fraction} for slot in slots]
    return {"ready": _refusal(endpoint) is None, "workers": workers}


def _json(status: int, value: Any, more: tuple[tuple[bytes, bytes], ...] = ()) -> Response:
    return Response(status, msgspec.json.encode(value), ((b"content-type", b"application/json"), *more))
