"""A head that was seen before is not read again, and that changes no answer."""

import itertools
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.kit import Make, Service, until
from tests.web.test_lane import Line, parts, post

from pulse_ai.web.asgi import Head
from pulse_ai.web.endpoint import ModelEndpoint
from pulse_ai.web.heads import KnownHeads
from pulse_ai.web.protocol import IDLE_LOOKS

ENDPOINT = cast("ModelEndpoint", object())


def head(length_bytes: int | None, *, key: str = "") -> Head:
    return Head(0.5, length_bytes, "batch", f"key:{key}" if key else "10.0.0.1")


def test_what_was_learned_is_found_with_another_body_of_that_length() -> None:
    known = KnownHeads()
    known.learn(post(b"[1]"), ENDPOINT, head(3, key="k"))
    found = known.find(post(b"[2]"))
    assert found is not None
    assert found[1] == b"[2]"
    assert found[0] == (ENDPOINT, 3, 0.5, "batch", "key:k")


def test_an_address_is_not_learned_for_other_clients_bring_the_same_bytes() -> None:
    known = KnownHeads()
    known.learn(post(b"[1]"), ENDPOINT, head(3))
    found = known.find(post(b"[1]"))
    assert found is not None
    assert found[0].key == ""


@pytest.mark.parametrize(
    "request_bytes", [post(b"[1]")[:-1], post(b"[1]") + b"x", post(b"[12]"), b"", b"\r\n"]
)
def test_only_one_whole_request_is_found(request_bytes: bytes) -> None:
    known = KnownHeads()
    known.learn(post(b"[1]"), ENDPOINT, head(3))
    assert known.find(request_bytes) is None


@pytest.mark.parametrize(
    ("request_bytes", "length_bytes"),
    [
        (post(b"[1]"), None),
        (post(b"[1]") + post(b"[1]"), 3),
        (post(b"[1]"), 2),
        (post(b"[1]", b"x-long: " + b"x" * 3000), 3),
        (b"", 0),
    ],
    ids=["no length", "two requests", "another length", "long", "none"],
)
def test_what_is_not_one_head_with_its_body_is_not_learned(
    request_bytes: bytes, length_bytes: int | None
) -> None:
    known = KnownHeads()
    known.learn(request_bytes, ENDPOINT, head(length_bytes))
    assert len(known) == 0


def test_heads_that_are_never_alike_take_bounded_memory() -> None:
    known = KnownHeads()
    for number in range(3000):
        known.learn(post(b"[1]", b"x-trace: %d" % number), ENDPOINT, head(3))
    assert len(known) == 1024
    assert known.find(post(b"[1]", b"x-trace: 0")) is None
    assert known.find(post(b"[1]", b"x-trace: 2999")) is not None


TRACE = b"traceparent: 00-%d-01"


@pytest.mark.parametrize("lines", [(TRACE % 2,), (), (TRACE % 3, b"X-Request-Id: b")])
def test_lines_that_nobody_reads_may_differ_or_be_missing(lines: tuple[bytes, ...]) -> None:
    known = KnownHeads()
    known.learn(post(b"[1]", TRACE % 1, b"X-Request-Id: a"), ENDPOINT, head(3, key="k"))
    found = known.find(post(b"[2]", *lines))
    assert found is not None
    assert found[0] == (ENDPOINT, 3, 0.5, "batch", "key:k")
    assert found[1] == b"[2]"


def test_heads_that_differ_in_such_lines_only_are_remembered_once() -> None:
    known = KnownHeads()
    for number in range(3):
        known.learn(post(b"[1]", TRACE % number), ENDPOINT, head(3))
    assert len(known) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"traceparent: a\nContent-Length: 9",
        b"traceparent: a\rContent-Length: 9",
        b"traceparent: \x00",
        b"traceparent: \xe9",
        b"traceparent: a\tb",
        b"traceparent: a\r\n folded",
        b"traceparent: a\r\ntraceparent: b",
        b"traceparent : a",
        b"Traceparent: a",
        b" traceparent: a",
        b"x-traceparent: a",
        b"traceparents: a",
    ],
)
def test_a_line_that_only_looks_like_one_of_those_is_left_to_the_parser(line: bytes) -> None:
    known = KnownHeads()
    known.learn(post(b"[1]", TRACE % 1), ENDPOINT, head(3))
    assert known.find(post(b"[1]", line)) is None


def test_a_head_with_a_strange_line_is_not_learned() -> None:
    known = KnownHeads()
    known.learn(post(b"[1]", b"traceparent: \xe9"), ENDPOINT, head(3))
    assert len(known) == 0


def test_spellings_without_end_take_bounded_memory() -> None:
    known = KnownHeads()
    names = [bytes(name) for name in itertools.product(*zip(b"traceparent", b"TRACEPARENT", strict=True))]
    for name in names[:100]:
        known.learn(post(b"[1]", name + b": 1"), ENDPOINT, head(3))
    assert len(known._marks) == 16


@given(noise=st.binary(max_size=200))
def test_bytes_that_were_not_learned_are_not_found(noise: bytes) -> None:
    known = KnownHeads()
    known.learn(post(b"[1]"), ENDPOINT, head(3))
    assert known.find(noise) is None


def learned(line: Line) -> int:
    return len(cast("Any", line.protocol)._known_heads)


async def ask(service: Service, line: Line, request: bytes) -> bytes:
    """Send a request on an open connection and return its answer."""
    line.transport.writes.clear()
    line.protocol.data_received(request)
    await until(lambda: line.transport.writes or service.gate.batches)
    if service.gate.batches:
        service.gate.answer()
    await until(lambda: line.transport.writes)
    return line.sent


@pytest.mark.parametrize(
    "again",
    [
        post(b'"w"'),
        post(b"{"),
        post(b"123"),
        post(b'"longer"'),
        post(b'"w"', b"x-request-timeout-ms: 1e9"),
        post(b'"w"', b"connection: close"),
        post(b'"w"').replace(b"/api/echo", b"/api/nobody"),
        post(b'"w"', b"traceparent: 00-2-01"),
        post(b'"w"', b"traceparent: a\nconnection: close"),
        post(b'"w"', b"traceparent: a\r\n b"),
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=lambda request: repr(request[-40:]),
)
async def test_after_a_known_head_everything_is_answered_as_on_a_new_connection(
    make_service: Make, again: bytes
) -> None:
    service = make_service(schema={"type": "string"}, deadline_s=60.0)
    line, fresh = (Line(service, lanes=service.app.lanes) for _ in range(2))
    for _ in range(3):
        assert (await ask(service, line, post(b'"v"', b"traceparent: 00-1-01"))).endswith(b'"v"')
    assert learned(line) == 1
    assert parts(await ask(service, line, again)) == parts(await ask(service, fresh, again))
    for one in (line, fresh):
        one.protocol.connection_lost(None)
        await until(lambda one=one: not one.protocol.tasks)


async def test_a_known_head_is_refused_where_no_worker_is(make_service: Make) -> None:
    service = make_service(deadline_s=60.0)
    line = Line(service, lanes=service.app.lanes)
    await ask(service, line, post(b'"x"'))
    service.engine.close()
    assert b'"code":"draining"' in await ask(service, line, post(b"{}}"))
    line.protocol.connection_lost(None)


async def test_keys_in_known_heads_stay_apart(make_service: Make) -> None:
    service = make_service(deadline_s=60.0)
    line = Line(service, lanes=service.app.lanes)
    for _ in range(2):
        for key in (b"a", b"b"):
            await ask(service, line, post(b'"x"', b"x-api-key: " + key))
    assert learned(line) == 2
    line.protocol.connection_lost(None)


async def test_pieces_and_pipelined_requests_after_a_known_head_are_answered_in_order(
    make_service: Make,
) -> None:
    service = make_service(deadline_s=60.0)
    line = Line(service, lanes=service.app.lanes)
    for _ in range(2):
        await ask(service, line, post(b'"1"'))
    line.transport.writes.clear()
    line.protocol.data_received(post(b'"2"'))  # its head is known
    line.protocol.data_received(post(b'"3"') + post(b'"4"')[:-2])
    line.protocol.data_received(post(b'"4"')[-2:])
    for _ in range(3):
        await until(lambda: service.gate.batches)
        service.gate.answer()
    await until(lambda: line.sent.endswith(b'"4"'))
    assert line.sent.index(b'"2"') < line.sent.index(b'"3"') < line.sent.index(b'"4"')
    assert (await ask(service, line, post(b'"5"'))).endswith(b'"5"')
    line.protocol.connection_lost(None)
    await until(lambda: not line.protocol.tasks)


async def test_a_client_that_goes_while_its_known_head_waits_takes_its_item_along(make_service: Make) -> None:
    service = make_service(deadline_s=60.0)
    line = Line(service, lanes=service.app.lanes)
    await ask(service, line, post(b'"1"'))
    line.protocol.data_received(post(b'"2"'))
    await until(lambda: service.gate.batches)
    line.transport.closing = True
    line.protocol.connection_lost(ConnectionResetError())
    service.gate.answer()
    assert service.engine.statistics().counters.answers["cancelled"] == 1


async def test_a_connection_that_idles_in_the_lane_is_closed_at_its_look(make_service: Make) -> None:
    service = make_service(deadline_s=60.0)
    line = Line(service, lanes=service.app.lanes)
    await ask(service, line, post(b'"1"'))
    for _ in range(IDLE_LOOKS):
        line.protocol.close_if_stuck()
    assert not line.transport.closing
    await ask(service, line, post(b'"2"'))
    for _ in range(IDLE_LOOKS):
        line.protocol.close_if_stuck()
    assert not line.transport.closing
    line.protocol.close_if_stuck()
    assert line.transport.closing
    line.protocol.connection_lost(None)


@pytest.mark.parametrize(
    "not_http",
    [
        post(b'"w"', b"transfer-encoding: chunked"),
        post(b'"w"', b"content-length: 3"),
        post(b'"w"', b"bad header"),
        post(b'"w"').replace(b"HTTP/1.1", b"HTTP/9.9"),
        b'POST"w"',
        b"POST /a",
    ],
)
async def test_what_the_parser_does_not_take_for_a_request_is_never_learned(
    make_service: Make, not_http: bytes
) -> None:
    service = make_service(deadline_s=60.0)
    line = Line(service, lanes=service.app.lanes)
    length_bytes = 3 if b"\r\n\r\n" in not_http else len(not_http) - 3
    await ask(service, line, post(b"1" * length_bytes))  # so its length would fit
    line.protocol.data_received(not_http)
    assert learned(line) == 1
    line.protocol.connection_lost(None)
