"""The description of the API, made from what the workers say of their models."""

__all__ = ("openapi_document",)

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from pulse_ai.core import Manifest
from pulse_ai.web.asgi import MAX_TIMEOUT_MS
from pulse_ai.web.descriptions import describe_fields
from pulse_ai.web.problems import PROBLEMS

_PREDICT_CODES = (
    "bad_json", "slow_body", "too_large", "unsupported_media_type", "invalid_input", "overloaded",
    "model_error", "poisoned_input", "not_ready", "draining", "deadline_exceeded",
)  # fmt: skip

_TIMEOUT = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "description": "This request's own time limit, in milliseconds.",
    "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_TIMEOUT_MS},
}

_PRIORITY = {
    "name": "X-Priority",
    "in": "header",
    "description": "Batch items wait for interactive ones, until half of their own time is over.",
    "schema": {"type": "string", "enum": ["interactive", "batch"], "default": "interactive"},
}
_KEY = {
    "name": "X-API-Key",
    "in": "header",
    "description": "Tells callers apart for fair shares of the queue; it is no authentication.",
    "schema": {"type": "string"},
}

_INTEGER_BOUNDS = {"minimum": -(2**63), "maximum": 2**64 - 1}
_VALUES = frozenset({"const", "default", "enum", "examples"})  # what stands there is no schema

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(PROBLEMS)},
        "detail": {"type": "string"},
        "retry_after_s": {"type": "number"},
    },
}


def openapi_document(manifests: Mapping[str, Manifest | None]) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document of the models; one that has not loaded yet takes and answers anything.

    Example:
        >>> [path for path in openapi_document({"sentiment": None})["paths"] if "api" in path][:2]
        ['/api/sentiment', '/api/sentiment/batch']
    """
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    for name, manifest in manifests.items():
        known = manifest or Manifest(name)
        item = _lift(known.input_schema, name, "input", schemas)
        answer = _lift(known.output_schema, name, "output", schemas)
        paths[f"/api/{name}"] = {"post": _operation(name, known, item, answer)}
        paths[f"/api/{name}/batch"] = {"post": _batch_operation(name, known, item, answer)}
    paths |= {path: {"get": operation} for path, operation in _GETS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pulse", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _lift(schema: Mapping[str, Any], name: str, side: str, schemas: dict[str, Any]) -> Any:
    """Move a schema's own definitions into the document's, under names that cannot meet another model's.

    What a worker in another language calls a schema may be none; then anything is said to be taken.
    """
    prefix = f"{name}.{side}."
    try:
        text = msgspec.json.encode(schema).decode().replace('"#/$defs/', f'"#/components/schemas/{prefix}')
        lifted: dict[str, Any] = msgspec.json.decode(text)
        _bound_integers(lifted)
    except (TypeError, ValueError, RecursionError):  # it has no JSON form, or no end
        return {}
    describe_fields(lifted)
    definitions = lifted.pop("$defs", None)
    if isinstance(definitions, dict):
        for definition, body in cast("dict[str, Any]", definitions).items():
            describe_fields(body)
            schemas[prefix + definition] = body
    return lifted


def _bound_integers(schema: Any) -> None:
    """Say of each integer in a schema that it has 64 bits at most, for no more travel; its own bounds stay."""
    if isinstance(schema, list):
        for part in cast("list[Any]", schema):
            _bound_integers(part)
    elif isinstance(schema, dict):
        parts = cast("dict[str, Any]", schema)
        for name in parts.keys() - _VALUES:
            _bound_integers(parts[name])
        if parts.get("type") == "integer":
            said = {name.removeprefix("exclusive").lower() for name in parts}
            parts.update({name: bound for name, bound in _INTEGER_BOUNDS.items() if name not in said})


def _operation(name: str, manifest: Manifest, item: Any, answer: Any) -> dict[str, Any]:
    version = "" if manifest.version == Manifest(name).version else f" (version {manifest.version})"
    return {
        "operationId": name,
        "summary": f"Have {name}{version} answer one item",
        "parameters": [_TIMEOUT, _PRIORITY, _KEY],
        "requestBody": {"required": True, "content": {"application/json": {"schema": item}}},
        "responses": {"200": _json("The answer", answer), **_problems()},
    }


def _batch_operation(name: str, manifest: Manifest, item: Any, answer: Any) -> dict[str, Any]:
    one = {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"type": "integer"},
            "value": answer,
            "error": {"$ref": "#/components/schemas/Problem"},
        },
    }
    results = {
        "type": "object",
        "required": ["results"],
        "properties": {"results": {"type": "array", "items": one}},
    }
    operation = _operation(name, manifest, {"type": "array", "items": item, "minItems": 1}, results)
    operation["operationId"] = f"{name}/batch"
    operation["summary"] = f"Have {name} answer a list of items, each with a status of its own"
    return operation


def _problems() -> dict[str, Any]:
    by_status: dict[str, list[str]] = {}
    for code in _PREDICT_CODES:
        by_status.setdefault(str(PROBLEMS[code].status), []).append(code)
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": ", ".join(codes), "content": problem} for status, codes in by_status.items()
    }


def _json(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _text(description: str, media_type: str) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}


_GETS: dict[str, Any] = {
    "/healthz": {"summary": "Is the process alive?", "responses": {"200": _json("Yes", {"type": "object"})}},
    "/readyz": {
        "summary": "Can every model serve now?",
        "responses": {
            "200": _json("Yes", {"type": "object"}),
            "503": _json("No; Retry-After says when to ask again", {"type": "object"}),
        },
    },
    "/metrics": {
        "summary": "Numbers for Prometheus",
        "responses": {"200": _text("Text format", "text/plain")},
    },
    "/openapi.json": {"summary": "This document", "responses": {"200": _json("OpenAPI", {"type": "object"})}},
    "/": {"summary": "A page to try it on", "responses": {"200": _text("HTML", "text/html")}},
}
