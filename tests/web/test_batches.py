"""A list of items in one request: in order, a status each."""

import json

import msgspec
import pytest
from tests.web.kit import Make, Service, until

from pulse_ai.web import PROBLEMS

BATCH = "/api/echo/batch"


async def test_a_list_is_answered_in_order_though_batches_come_back_shuffled(make_service: Make) -> None:
    service = make_service(batch_size=3, deadline_s=60.0)
    answered = await service.echo(json.dumps(list(range(10))).encode(), BATCH)
    assert [result["value"] for result in answered.value["results"]] == list(range(10))
    assert {result["status"] for result in answered.value["results"]} == {200}


async def test_one_bad_item_touches_no_other(make_service: Make) -> None:
    service = make_service(schema={"type": "string"})
    answered = await service.echo(b'["a", 1, "b", "\xff", null, "c"]', BATCH)
    assert answered.status == 200
    results = answered.value["results"]
    assert [result["status"] for result in results] == [200, 422, 200, 400, 422, 200]
    assert [result.get("value") for result in results] == ["a", None, "b", None, None, "c"]
    assert results[1]["error"]["code"] == "invalid_input"
    assert results[3]["error"]["code"] == "bad_json"


async def test_what_finds_no_place_is_refused_item_by_item(make_service: Make) -> None:
    service = make_service(batch_size=1, queue_limit_items=3, deadline_s=60.0)
    first = service.start(body=b"0")
    await until(lambda: service.gate.batches)
    second = service.start(body=b"1")
    await until(lambda: service.engine.statistics().waiting_items == 1)
    many = service.start(BATCH, b"[2, 3, 4]")
    await until(lambda: service.engine.statistics().counters.answers["overloaded"])
    while not many.task.done():
        await until(lambda: service.gate.batches or many.task.done())
        if service.gate.batches:
            service.gate.answer()
    results = (await many.answer()).value["results"]
    assert [result["status"] for result in results] == [200, 200, 429]
    assert results[2]["error"]["retry_after_s"] > 0
    assert [(await exchange.answer()).value for exchange in (first, second)] == [0, 1]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[]", "invalid_input"),
        (b"{}", "invalid_input"),
        (b'"x"', "invalid_input"),
        (b"1", "invalid_input"),
        (b"null", "invalid_input"),
        (b"", "bad_json"),
        (b"[1, 2", "bad_json"),
        (b"[1, ]", "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (json.dumps([1] * 201).encode(), "invalid_input"),
    ],
    ids=lambda value: repr(value[:12]),
)
async def test_what_is_not_a_list_of_items_is_refused_as_a_whole(
    service: Service, body: bytes, code: str
) -> None:
    answered = await service.ask(BATCH, body)
    assert (answered.status, answered.code) == (PROBLEMS[code].status, code)
    assert service.engine.statistics().counters.admitted == 0


async def test_as_many_items_as_the_queue_holds_are_taken(make_service: Make) -> None:
    service = make_service(queue_limit_items=5, batch_size=2, deadline_s=60.0)
    answered = await service.echo(b"[1, 2, 3, 4, 5]", BATCH)
    assert [result["status"] for result in answered.value["results"]] == [200] * 5


async def test_items_that_fail_in_the_worker_have_their_own_status(service: Service) -> None:
    exchange = service.start(BATCH, b'["a", "b", "c"]')
    await until(lambda: service.gate.batches)
    codes = {
        item.id: "model_error"
        for item in service.gate.batches[1][1]
        if msgspec.msgpack.decode(item.value) == "b"
    }
    service.gate.answer(codes=codes)
    while not exchange.task.done():
        await until(lambda: service.gate.batches or exchange.task.done())
        if service.gate.batches:
            more = {
                item.id: "model_error"
                for item in service.gate.batches[1][1]
                if msgspec.msgpack.decode(item.value) == "b"
            }
            service.gate.answer(codes=more)
    results = (await exchange.answer()).value["results"]
    assert [result["status"] for result in results] == [200, 500, 200]


async def test_the_time_limit_is_each_item_s(service: Service) -> None:
    first = service.start(body=b"0")
    await until(lambda: service.gate.batches)
    answered = await service.ask(BATCH, b"[1, 2]", headers=((b"x-request-timeout-ms", b"1"),))
    assert [result["status"] for result in answered.value["results"]] == [504, 504]
    service.gate.answer()
    assert (await first.answer()).value == 0
