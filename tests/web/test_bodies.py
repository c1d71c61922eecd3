"""What a body may be, and what becomes of one that is not that."""

import asyncio

import pytest
from tests.web.kit import JSON, Make, Service, until

from pulse_ai.core import WebSettings
from pulse_ai.web import App
from pulse_ai.web.asgi import ClientGone, read_head
from pulse_ai.web.bodies import Bodies
from pulse_ai.web.problems import TooManyBodies
from pulse_ai.web.watch import ClientWatch

STRING = {"type": "string"}
NO_HEADERS = read_head({"headers": [], "client": None})
IMPATIENT = {"sweep_every_s": 0.001, "body_timeout_s": 0.003}


@pytest.mark.parametrize(
    "body",
    [
        b'"x"',
        b"1",
        b"-0",
        b"null",
        b"true",
        b"[1, 2]",
        b'{"q": "x"}',
        b' \r\n"x"\t',
        b'"\\ud83d\\ude00"',
        b"1e308",
    ],
)
async def test_any_json_is_an_item_where_the_task_takes_anything(service: Service, body: bytes) -> None:
    answered = await service.echo(body)
    assert answered.status == 200
    assert answered.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"[1,",
        b"NaN",
        b"Infinity",
        b"'x'",
        b'{"q": "x"} trailing',
        b"\xef\xbb\xbf" + b'"a byte order mark"',
        '"x"'.encode("utf-16"),
        b'"\xff not UTF-8"',
        b'{"\xff": 1}',
        b'"\\ud800 is half a character"',
        b'"\x01"',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_what_is_not_json_is_bad_json(service: Service, body: bytes) -> None:
    answered = await service.ask(body=body)
    assert (answered.status, answered.code) == (400, "bad_json")
    assert answered.value["detail"].startswith("the body is not JSON")
    assert not service.gate.batches


@pytest.mark.parametrize(
    "body",
    [b"1e999", b"1" * 30, b"-" + b"9" * 30, b"1" * 5000, b"1" * 1_000_000],
    ids=lambda body: f"{len(body)} bytes",
)
async def test_a_number_that_no_wire_holds_is_invalid_input(service: Service, body: bytes) -> None:
    answered = await service.ask(body=body)
    assert (answered.status, answered.code) == (422, "invalid_input")


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        (STRING, b"1"),
        (STRING, b"null"),
        (STRING, b'{"q": "x"}'),
        ({"type": "integer"}, b"1.5"),
        ({"type": "number"}, b'"1"'),
        ({"type": "object"}, b"[]"),
        ({"type": "object", "properties": {"q": STRING}, "required": ["q"]}, b"{}"),
        ({"type": "object", "properties": {"q": STRING}, "required": ["q"]}, b'{"q": 1}'),
        (
            {"type": "object", "properties": {"q": STRING}, "required": ["q"], "additionalProperties": False},
            b'{"q": "x", "more": 1}',
        ),
    ],
)
async def test_an_item_of_another_type_is_invalid_input(
    make_service: Make, schema: object, body: bytes
) -> None:
    service = make_service(schema=schema)
    answered = await service.ask(body=body)
    assert (answered.status, answered.code) == (422, "invalid_input")
    assert service.engine.statistics().counters.admitted == 0


@pytest.mark.parametrize("body", [b"}", b"1 trailing", b"[1", b'{"q": x}', b"[" * 100_000])
async def test_what_is_neither_json_nor_of_the_type_is_bad_json(make_service: Make, body: bytes) -> None:
    service = make_service(schema=STRING)
    assert (await service.ask(body=body)).code == "bad_json"


async def test_the_last_of_doubled_keys_counts(service: Service) -> None:
    assert (await service.echo(b'{"a": 1, "a": 2}')).value == {"a": 2}


async def test_a_body_in_pieces_is_put_together(service: Service) -> None:
    exchange = service.start()
    for piece in (b'{"q"', b"", b': "a', b'b"}'):
        exchange.push(piece, more=True)
    exchange.push(b"")
    await until(lambda: service.gate.batches)
    service.gate.answer()
    assert (await exchange.answer()).value == {"q": "ab"}


async def test_a_body_announced_too_large_is_refused_unread(make_service: Make) -> None:
    service = make_service(max_body_bytes=10)
    exchange = service.start(headers=(JSON, (b"content-length", b"1000000000")))
    answered = await exchange.answer()
    assert (answered.status, answered.code) == (413, "too_large")
    assert answered.headers["connection"] == "close"
    assert exchange.reads == 0


@pytest.mark.parametrize("length", [b"", b"9" * 30, b"-1", b"1.5", b"x"])
async def test_a_length_that_says_nothing_is_not_believed(make_service: Make, length: bytes) -> None:
    service = make_service(max_body_bytes=10)
    answered = await service.ask(body=b'"' + b"x" * 20 + b'"', headers=(JSON, (b"content-length", length)))
    assert (answered.status, answered.code) == (413, "too_large")


async def test_a_body_that_grows_too_large_is_cut_off_there(make_service: Make) -> None:
    service = make_service(max_body_bytes=10)
    exchange = service.start()
    for _ in range(5):
        exchange.push(b"x" * 6, more=True)
    answered = await exchange.answer()
    assert (answered.status, answered.code) == (413, "too_large")
    assert exchange.reads == 2


async def test_a_body_of_just_the_limit_is_taken(make_service: Make) -> None:
    service = make_service(max_body_bytes=10)
    assert (await service.echo(b'"12345678"')).value == "12345678"


@pytest.mark.parametrize("pieces", [[], [b'"x']])
async def test_a_body_that_does_not_come_is_slow(make_service: Make, pieces: list[bytes]) -> None:
    service = make_service(watch=ClientWatch(**IMPATIENT))
    exchange = service.start()
    for piece in pieces:
        exchange.push(piece, more=True)
    answered = await exchange.answer()
    assert (answered.status, answered.code) == (408, "slow_body")
    assert answered.headers["connection"] == "close"
    assert "pulse_requests_total" in (await service.get("/metrics")).body.decode()


async def test_a_request_whose_body_is_there_is_never_slow(make_service: Make) -> None:
    service = make_service(watch=ClientWatch(**IMPATIENT))
    exchange = service.start(body=b"1")
    await until(lambda: exchange.reads == 2)  # a sweep has begun to watch the connection
    service.gate.answer()
    assert (await exchange.answer()).status == 200


@pytest.mark.parametrize("pieces", [[], [b'"x']])
async def test_a_client_that_goes_in_the_middle_of_its_body_is_forgotten(
    service: Service, pieces: list[bytes]
) -> None:
    exchange = service.start()
    for piece in pieces:
        exchange.push(piece, more=True)
    exchange.disconnect()
    await exchange.task
    assert exchange.sent == []
    assert service.engine.statistics().counters.admitted == 0


async def test_a_body_still_arriving_at_the_end_is_told_of_it(service: Service) -> None:
    exchange = service.start()
    exchange.push(b'"x', more=True)
    await until(lambda: exchange.reads == 2)
    service.app.close()
    answered = await exchange.answer()
    assert (answered.status, answered.code) == (503, "draining")
    assert answered.headers["retry-after"] == "1"


async def test_bodies_that_arrive_together_share_one_bound() -> None:
    bodies = Bodies(limit_bytes=10, room_bytes=15)
    queues = [asyncio.Queue[dict[str, object]]() for _ in range(2)]
    reads = [asyncio.create_task(bodies.read(queue.get, NO_HEADERS)) for queue in queues]
    queues[0].put_nowait({"type": "http.request", "body": b"x" * 9, "more_body": True})
    await until(queues[0].empty)
    queues[1].put_nowait({"type": "http.request", "body": b"y" * 9, "more_body": True})
    with pytest.raises(TooManyBodies, match="18 of 15 bytes") as caught:
        await reads[1]
    assert caught.value.code == "overloaded"
    queues[0].put_nowait({"type": "http.request", "body": b"x", "more_body": False})
    assert await reads[0] == b"x" * 10


async def test_the_room_of_a_body_is_given_back_however_it_ends() -> None:
    bodies = Bodies(limit_bytes=10, room_bytes=15)
    for _ in range(3):
        queue = asyncio.Queue[dict[str, object]]()
        queue.put_nowait({"type": "http.request", "body": b"x" * 9, "more_body": True})
        queue.put_nowait({"type": "http.disconnect"})
        with pytest.raises(ClientGone):
            await bodies.read(queue.get, NO_HEADERS)


async def test_an_application_without_models_still_answers() -> None:
    app = App({}, WebSettings())
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    await app({"type": "http", "method": "GET", "path": "/readyz", "headers": []}, receive, send)
    assert len(sent) == 2


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b'"\\ud800"', "half of a surrogate pair"),
        (b'{"q": "\\uD83D!"}', "half of a surrogate pair"),
        (b'"abc', "truncated"),
        (b'"\\ud83d\\ude00', "truncated"),
    ],
)
async def test_why_a_body_is_not_json_is_said(service: Service, body: bytes, why: str) -> None:
    answered = await service.ask(body=body)
    assert (answered.status, answered.code) == (400, "bad_json")
    assert why in answered.value["detail"]
