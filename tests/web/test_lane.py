"""The fast lane says what the way of ASGI says, and hears of clients that go."""

import asyncio
from typing import Any

import pytest
import uvicorn
from tests.web.kit import Make, Service, until
from tests.web.test_protocol import CHUNKED, FakeTransport
from uvicorn.server import ServerState

from pulse_ai.web.heads import KnownHeads
from pulse_ai.web.protocol import OneWriteProtocol

pytest.importorskip("pulse_ai.web.lane")

HEAD = b"POST /api/echo HTTP/1.1\r\ncontent-type: application/json\r\n"


class Line:
    """One connection to a service whose worker waits to be told."""

    def __init__(self, service: Service, *, lanes: dict[bytes, Any]) -> None:
        app: Any = service.app
        config = uvicorn.Config(
            app,
            interface="asgi3",
            log_config=None,
            log_level="error",
            lifespan="off",
            ws="none",
            proxy_headers=False,
        )
        config.load()
        options: dict[str, Any] = {"lanes": lanes}
        self.transport = FakeTransport()
        self.protocol = OneWriteProtocol(
            config=config,
            server_state=ServerState(),
            app_state={},
            max_body_bytes=1024 * 1024,
            known_heads=KnownHeads(),
            **options,
        )
        self.protocol.connection_made(self.transport)

    @property
    def sent(self) -> bytes:
        return b"".join(self.transport.writes)


def post(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return HEAD + lines + b"content-length: %d\r\n\r\n" % len(body) + body


def parts(answer: bytes) -> tuple[int, list[bytes], bytes]:
    """Return what two answers are compared by: the words of the status line may differ."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    return int(first.split()[1]), sorted(headers), body


async def answer_by(service: Service, request: bytes, lanes: dict[bytes, Any]) -> bytes:
    line = Line(service, lanes=lanes)
    line.protocol.data_received(request)
    await until(lambda: line.transport.writes or service.gate.batches)
    if service.gate.batches:
        service.gate.answer()
    await until(lambda: line.transport.writes)
    line.protocol.connection_lost(None)
    await until(lambda: not line.protocol.tasks)
    return line.sent


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(b'"hello"'),
        post(b'"hello"', b"connection: close"),
        post(b'"hello"', b"x-request-timeout-ms: 5000", b"x-priority: batch"),
        post(b"1"),
        post(b"{"),
        post(b""),
        post(b"\xff"),
        post(b"[" * 1000),
        post(b'"' + b"x" * 2_000_000 + b'"'),
        post(b'"x"', b"x-request-timeout-ms: nan"),
        post(b'"x"', b"x-priority: now"),
        post(b'"x"').replace(b"application/json", b"text/plain"),
        post(b'"x"').replace(b"/api/echo", b"/api/nobody"),
        post(b'["x", 1]').replace(b"/api/echo", b"/api/echo/batch"),
        post(b'"x"').replace(b"POST", b"PUT"),
        HEAD + b'transfer-encoding: chunked\r\n\r\n4\r\n"hi"\r\n0\r\n\r\n',
        post(b'"x"').replace(b"HTTP/1.1", b"HTTP/1.0"),
        post(b'"x"', b"connection: Upgrade, HTTP2-Settings", b"upgrade: h2c", b"http2-settings: AAEAAEAA"),
        post(b'"x"', b"connection: upgrade, close", b"upgrade: h2c"),
    ],
    ids=lambda request: repr(request[-40:]),
)
async def test_both_ways_say_the_same(make_service: Make, request_bytes: bytes) -> None:
    service = make_service(schema={"type": "string"}, deadline_s=60.0)
    in_lane = await answer_by(service, request_bytes, service.app.lanes)
    by_asgi = await answer_by(service, request_bytes, {})
    assert parts(in_lane) == parts(by_asgi)


async def test_both_ways_refuse_the_same_without_a_worker(make_service: Make) -> None:
    service = make_service(ready=False)
    ways = [await answer_by(service, post(b'"x"'), lanes) for lanes in (service.app.lanes, {})]
    for status, headers, body in map(parts, ways):
        assert status == 503
        assert b'"code":"not_ready"' in body
        assert any(header.startswith(b"retry-after: ") for header in headers)


async def test_a_client_that_goes_takes_its_item_out_of_the_queue(make_service: Make) -> None:
    service = make_service(deadline_s=60.0)
    first, second = (Line(service, lanes=service.app.lanes) for _ in range(2))
    first.protocol.data_received(post(b'"first"'))
    await until(lambda: service.gate.batches)
    second.protocol.data_received(post(b'"second"'))
    await until(lambda: service.engine.statistics().waiting_items == 1)
    second.transport.closing = True
    second.protocol.connection_lost(ConnectionResetError())
    await until(lambda: service.engine.statistics().waiting_items == 0)
    service.gate.answer()
    await until(lambda: first.transport.writes)
    assert first.sent.endswith(b'"first"')
    assert second.sent == b""
    first.protocol.connection_lost(None)


async def test_a_client_that_goes_from_a_running_batch_leaves_its_mates_theirs(make_service: Make) -> None:
    service = make_service(deadline_s=60.0)
    lines = [Line(service, lanes=service.app.lanes) for _ in range(3)]
    for number, line in enumerate(lines):
        line.protocol.data_received(post(b'"%d"' % number))
    await until(lambda: service.gate.batches)
    lines[0].transport.closing = True
    lines[0].protocol.connection_lost(ConnectionResetError())
    while service.gate.batches:
        service.gate.answer()
        await until(lambda: service.gate.batches or all(line.transport.writes for line in lines[1:]))
    assert [line.sent[-3:] for line in lines] == [b"", b'"1"', b'"2"']
    statistics = service.engine.statistics()
    assert (statistics.lost, statistics.waiting_items, statistics.running_items) == (0, 0, 0)
    for line in lines[1:]:
        line.protocol.connection_lost(None)


async def test_a_body_in_pieces_leaves_the_lane_and_is_answered(make_service: Make) -> None:
    service = make_service(deadline_s=60.0)
    line = Line(service, lanes=service.app.lanes)
    whole = post(b'"in pieces"')
    for start in range(0, len(whole), 20):
        line.protocol.data_received(whole[start : start + 20])
    await until(lambda: service.gate.batches)
    service.gate.answer()
    await until(lambda: line.transport.writes)
    assert line.sent.endswith(b'"in pieces"')
    line.protocol.connection_lost(None)
    await until(lambda: not line.protocol.tasks)


async def test_pipelined_requests_in_the_lane_are_answered_in_order(make_service: Make) -> None:
    service = make_service(deadline_s=60.0)
    line = Line(service, lanes=service.app.lanes)
    line.protocol.data_received(
        post(b'"a"') + post(b"{") + post(b'"b"') + b"GET /healthz HTTP/1.1\r\n\r\n" + post(b'"c"')
    )
    for _ in range(3):
        await until(lambda: service.gate.batches)
        service.gate.answer()
    await until(lambda: line.sent.endswith(b'"c"'))
    statuses = [part[:3] for part in line.sent.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"400", b"200", b"200", b"200"]
    assert line.sent.index(b'"a"') < line.sent.index(b"bad_json") < line.sent.index(b'"b"')
    line.protocol.connection_lost(None)
    await until(lambda: not line.protocol.tasks)


@pytest.mark.parametrize(
    ("body", "first_line"),
    [(b"{", b"HTTP/1.1 400 Bad Request"), (b'"x"', b"HTTP/1.1 500 Internal Server Error")],
)
async def test_the_first_line_says_what_http_calls_the_status(
    make_service: Make, body: bytes, first_line: bytes
) -> None:
    service = make_service(deadline_s=60.0)
    line = Line(service, lanes=service.app.lanes)
    line.protocol.data_received(post(body))
    await until(lambda: line.transport.writes or service.gate.batches)
    if service.gate.batches:
        service.gate.answer(codes={1: "model_error"})
    await until(lambda: line.transport.writes)
    assert line.sent.split(b"\r\n")[0] == first_line
    line.protocol.connection_lost(None)


async def test_at_the_end_the_lane_is_answered_too(make_service: Make) -> None:
    service = make_service(deadline_s=60.0)
    line = Line(service, lanes=service.app.lanes)
    line.protocol.data_received(post(b'"x"'))
    await until(lambda: service.gate.batches)
    service.engine.close()
    await until(lambda: line.transport.writes)
    assert line.sent.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"draining"' in line.sent
    line.protocol.connection_lost(None)


async def test_a_connection_that_ends_while_others_wait_on_it_takes_back_the_one_under_way(
    make_service: Make,
) -> None:
    service = make_service(deadline_s=60.0)
    line, mate = (Line(service, lanes=service.app.lanes) for _ in range(2))
    line.protocol.data_received(post(b'"a"') + CHUNKED + b"zz\r\n")  # what is no chunk ends the connection
    assert line.transport.closing
    await until(lambda: service.gate.batches)
    mate.protocol.data_received(post(b'"mate"'))
    line.protocol.connection_lost(None)
    assert service.engine.statistics().counters.answers["cancelled"] == 1
    service.gate.answer()
    await until(lambda: service.gate.batches)
    service.gate.answer()
    await until(lambda: mate.sent.endswith(b'"mate"'))
    assert line.sent == b""
    mate.protocol.connection_lost(None)


async def test_by_asgi_too_the_one_under_way_is_taken_back(make_service: Make) -> None:
    service = make_service(deadline_s=60.0)
    line = Line(service, lanes={})
    line.protocol.data_received(post(b'"a"') + post(b'"b"'))
    await until(lambda: service.gate.batches)
    line.transport.closing = True
    line.protocol.connection_lost(ConnectionResetError())
    await asyncio.wait(line.protocol.tasks, timeout=10.0)  # clients are looked at every 50 ms
    assert service.engine.statistics().counters.answers["cancelled"] == 1


@pytest.mark.parametrize("last", [b"connection: close", b"connection: keep-alive, close"])
async def test_the_last_of_pipelined_requests_is_answered_before_the_end(
    make_service: Make, last: bytes
) -> None:
    service = make_service(deadline_s=60.0)
    line = Line(service, lanes=service.app.lanes)
    line.protocol.data_received(post(b'"a"') + post(b'"b"', last))
    for _ in range(2):
        await until(lambda: service.gate.batches)
        service.gate.answer()
    await until(lambda: line.transport.closing)
    assert line.sent.index(b'"a"') < line.sent.index(b'"b"')
    line.protocol.connection_lost(None)
    await until(lambda: not line.protocol.tasks)


async def test_nothing_is_answered_after_the_request_that_ends_the_connection(make_service: Make) -> None:
    service = make_service(deadline_s=60.0)
    line = Line(service, lanes=service.app.lanes)
    line.protocol.data_received(post(b'"a"', b"connection: close") + post(b'"b"'))
    await until(lambda: service.gate.batches)
    service.gate.answer()
    await until(lambda: line.transport.closing)
    assert line.sent.endswith(b'"a"')
    assert not service.gate.batches
    line.protocol.connection_lost(None)


@pytest.mark.parametrize("in_lane", [True, False])
async def test_a_request_that_offers_to_upgrade_keeps_its_body_and_what_comes_after_it(
    make_service: Make, *, in_lane: bool
) -> None:
    service = make_service(deadline_s=60.0)
    line = Line(service, lanes=service.app.lanes if in_lane else {})
    offer = post(b'"a GET /healthz HTTP/1.1"', b"connection: upgrade", b"upgrade: h2c")
    stream = (
        offer + b"GET /healthz HTTP/1.1\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n" + post(b'"b"') + offer
    )
    for start in range(0, len(stream), 90):
        line.protocol.data_received(stream[start : start + 90])
    for _ in range(3):
        await until(lambda: service.gate.batches)
        service.gate.answer()
    await until(lambda: line.sent.count(b'HTTP/1.1"') == 2)
    bodies = [part.partition(b"\r\n\r\n")[2] for part in line.sent.split(b"HTTP/1.1 200")[1:]]
    assert bodies == [
        b'"a GET /healthz HTTP/1.1"',
        b'{"status":"alive"}',
        b'"b"',
        b'"a GET /healthz HTTP/1.1"',
    ]
    line.protocol.connection_lost(None)
    await until(lambda: not line.protocol.tasks)
