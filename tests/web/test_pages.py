"""What is read with GET: health, readiness, metrics, the description, the page; and what is nowhere."""

import re
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.web.kit import Make, Service, until

from pulse_ai.core import Manifest
from pulse_ai.web import METRIC_NAMES, PROBLEMS
from pulse_ai.web.openapi import openapi_document

GETS = ("/", "/healthz", "/readyz", "/metrics", "/openapi.json")


@pytest.mark.parametrize("path", GETS)
async def test_head_says_what_get_says_without_the_body(service: Service, path: str) -> None:
    get = await service.get(path)
    head = await service.ask(path, method="HEAD")
    assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")
    assert int(get.headers["content-length"]) == len(get.body) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY"])
@pytest.mark.parametrize("path", GETS)
async def test_a_page_is_only_read(service: Service, path: str, method: str) -> None:
    answered = await service.ask(path, method=method)
    assert (answered.status, answered.code) == (405, "method_not_allowed")
    assert answered.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/api/echo", "/api/echo/batch"])
async def test_a_model_is_only_posted_to(service: Service, path: str, method: str) -> None:
    answered = await service.ask(path, method=method)
    assert (answered.status, answered.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path",
    [
        "/api/nobody",
        "/api/",
        "/api/echo/",
        "/api/Echo",
        "/api/echo/batch/",
        "/api//echo",
        "/api/\ufffd",
        "/api/" + "x" * 5000,
    ],
)
async def test_a_model_that_is_not_there_is_named_with_those_that_are(service: Service, path: str) -> None:
    answered = await service.ask(path)
    assert (answered.status, answered.code) == (404, "unknown_model")
    assert "'echo'" in answered.value["detail"]
    assert len(answered.body) < 1000


@pytest.mark.parametrize(
    "path", ["", "/nothing", "//", "/..", "/api", "/healthz/", "/\x00", "/\U0001f600", "*", "/" + "x" * 5000]
)
async def test_a_path_that_leads_nowhere_is_unknown(service: Service, path: str) -> None:
    answered = await service.get(path)
    assert (answered.status, answered.code) == (404, "unknown_path")
    assert len(answered.body) < 1500


async def test_other_protocols_are_not_spoken(service: Service) -> None:
    with pytest.raises(NotImplementedError, match="websocket"):
        await service.app({"type": "websocket"}, None, None)  # type: ignore[arg-type]


async def test_readyz_is_true_exactly_while_a_worker_can_serve(make_service: Make) -> None:
    service = make_service(ready=False)
    before = await service.get("/readyz")
    assert (before.status, before.value["ready"], before.value["code"]) == (503, False, "not_ready")
    assert int(before.headers["retry-after"]) >= 1
    service.serving.become_ready()
    ready = await service.get("/readyz")
    assert (ready.status, ready.value["models"]["echo"]["ready"]) == (200, True)
    assert "retry-after" not in ready.headers
    service.gate.lose()
    assert (await service.get("/readyz")).status == 503
    service.engine.worker_ready(2)
    assert (await service.get("/readyz")).status == 200
    service.engine._scheduler.drain()
    draining = await service.get("/readyz")
    assert (draining.status, draining.value["code"]) == (503, "draining")
    assert (await service.get("/healthz")).status == 200


async def test_metrics_agree_with_what_happened(make_service: Make) -> None:
    service = make_service(schema={"type": "string"}, deadline_s=60.0)
    for _ in range(3):
        assert (await service.echo(b'"x"')).status == 200
    await service.echo(b'["a", 1]', "/api/echo/batch")
    for body in (b"{", b"}", b"1"):
        await service.ask(body=body)
    await service.ask(body=b'"x"', headers=((b"content-type", b"text/plain"),))
    await service.ask(method="GET")
    answered = await service.get("/metrics")
    assert answered.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answered.body.decode())}
    requests = {sample.labels["code"]: sample.value for sample in families["pulse_requests"].samples}
    assert requests == {
        "ok": 4,
        "bad_json": 2,
        "invalid_input": 2,
        "unsupported_media_type": 1,
        "method_not_allowed": 1,
    }
    lost = [sample.value for sample in families["pulse_lost_requests"].samples]
    assert lost == [0]


async def test_every_metric_is_there_from_the_start_and_parses(service: Service) -> None:
    text = (await service.get("/metrics")).body.decode()
    list(text_string_to_metric_families(text))
    for name in METRIC_NAMES:
        assert f"# TYPE {name} " in text
        assert re.fullmatch(r"pulse_[a-z_]+", name)


async def test_gauges_show_what_waits_and_runs(make_service: Make) -> None:
    service = make_service(batch_size=1, deadline_s=60.0)
    exchanges = [service.start(body=b'"%d"' % number) for number in range(3)]
    await until(lambda: service.engine.statistics().waiting_items == 2)
    families = {
        f.name: f for f in text_string_to_metric_families((await service.get("/metrics")).body.decode())
    }
    assert families["pulse_queue_items"].samples[0].value == 2
    assert families["pulse_running_items"].samples[0].value == 1
    assert families["pulse_workers_ready"].samples[0].value == 1
    for exchange in exchanges:
        await until(lambda: service.gate.batches)
        service.gate.answer()
        await exchange.task


async def test_the_page_loads_nothing_from_elsewhere(service: Service) -> None:
    page = await service.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(rb"""(src|href)=["']?(https?:)?//""", page.body)


def test_models_whose_names_meet_have_operations_of_their_own() -> None:
    document = openapi_document({"a": None, "a-batch": None, "a.batch": None})
    ids = [path["post"]["operationId"] for path in document["paths"].values() if "post" in path]
    assert len(set(ids)) == len(ids) == 6


def test_definitions_of_two_models_do_not_meet() -> None:
    def manifest(kind: str) -> Manifest:
        return Manifest("m", input_schema={"$ref": "#/$defs/Item", "$defs": {"Item": {"type": kind}}})

    schemas = openapi_document({"a": manifest("string"), "b": manifest("number")})["components"]["schemas"]
    assert schemas["a.input.Item"] == {"type": "string"}
    assert schemas["b.input.Item"] == {"type": "number"}


def test_every_problem_has_a_status_of_its_kind() -> None:
    assert all(400 <= kind.status < 600 and kind.title for kind in PROBLEMS.values())


def test_an_integer_is_said_to_have_64_bits_unless_it_says_less() -> None:
    item: dict[str, Any] = {
        "type": "object",
        "properties": {
            "count": {"type": "integer"},
            "age": {"anyOf": [{"type": "integer", "exclusiveMinimum": 0, "maximum": 150}, {"type": "null"}]},
            "type": {"type": "string", "examples": [{"type": "integer"}]},
        },
    }
    document = openapi_document({"a": Manifest("a", input_schema=item)})
    body = document["paths"]["/api/a"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["count"] == {"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1}
    assert body["properties"]["age"]["anyOf"][0] == item["properties"]["age"]["anyOf"][0]
    assert body["properties"]["type"] == item["properties"]["type"]


def _nested(depth: int) -> dict[str, Any]:
    return {"items": _nested(depth - 1)} if depth else {}


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": []},
        {"$defs": None},
        {"default": msgspec.msgpack.Ext(5, b"x")},
        {"properties": {(1, 2): {}}},
        _nested(700),
    ],
    ids=["list", "nothing", "extension", "key", "deep"],
)
def test_what_is_no_schema_is_described_as_anything(schema: dict[str, Any]) -> None:
    document = openapi_document({"odd": Manifest("odd", input_schema=schema, output_schema=schema)})
    assert msgspec.json.decode(msgspec.json.encode(document))["paths"]["/api/odd"]
