"""Heads, outcomes, deadlines and clients that go away, one request at a time."""

import msgspec
import pytest
from tests.web.kit import JSON, Answered, Make, Service, until

from pulse_ai.core import InvalidInput
from pulse_ai.port import Answer, Result
from pulse_ai.web import PROBLEMS
from pulse_ai.web.watch import ClientWatch

FIELDS = {"type", "title", "status", "code", "detail"}


def check_problem(answered: Answered, code: str) -> None:
    """Check all that a problem must say (RFC 9457), against the table."""
    kind = PROBLEMS[code]
    assert (answered.status, answered.code) == (kind.status, code)
    assert answered.value.keys() - {"retry_after_s"} == FIELDS
    assert answered.value["type"] == f"urn:pulse:problem:{code}"
    assert (answered.value["title"], answered.value["status"]) == (kind.title, kind.status)
    assert answered.value["detail"]
    refused = kind.status in {429, 503}
    assert ("retry_after_s" in answered.value) is refused
    assert ("retry-after" in answered.headers) is refused
    if refused:
        assert int(answered.headers["retry-after"]) >= 1
        ms = int(answered.headers["retry-after-ms"])
        assert answered.value["retry_after_s"] == pytest.approx(ms / 1000, abs=0.002)


@pytest.mark.parametrize(
    "kind",
    [
        b"application/json",
        b"application/json; charset=utf-8",
        b'Application/JSON;charset="UTF-8"',
        b'application/json; charset="utf-8"; profile=x',
        b"application/json;",
        b"application/vnd.acme.item+json",
    ],
)
async def test_json_by_any_of_its_names_is_taken(service: Service, kind: bytes) -> None:
    assert (await service.echo(b"1", headers=((b"content-type", kind),))).status == 200


async def test_a_body_without_a_content_type_is_taken_for_json(service: Service) -> None:
    assert (await service.echo(b"1", headers=())).status == 200


@pytest.mark.parametrize(
    "kind",
    [
        b"application/x-www-form-urlencoded",
        b"text/plain",
        b"text/json+json",
        b"application/jsonx",
        b"application/json; charset=latin-1",
        b"multipart/form-data; boundary=application/json",
        b"",
        b"\xff\xfe",
    ],
)
async def test_a_body_announced_as_something_else_is_turned_down(service: Service, kind: bytes) -> None:
    exchange = service.start(headers=((b"content-type", kind),))
    check_problem(await exchange.answer(), "unsupported_media_type")
    assert exchange.reads == 0


@pytest.mark.parametrize("value", [b"1", b"0.5", b"1e3", b" 250 ", b"3600000"])
async def test_a_time_limit_in_range_is_taken(service: Service, value: bytes) -> None:
    assert (await service.echo(b"1", headers=(JSON, (b"x-request-timeout-ms", value)))).status in {200, 504}


@pytest.mark.parametrize(
    "value",
    [b"0", b"-1", b"nan", b"inf", b"-inf", b"1e999", b"3600001", b"", b"soon", b"1_000", b"\xff", b"0x10"],
)
async def test_a_time_limit_out_of_range_is_invalid_input(service: Service, value: bytes) -> None:
    answered = await service.ask(body=b"1", headers=(JSON, (b"x-request-timeout-ms", value)))
    check_problem(answered, "invalid_input")
    assert "X-Request-Timeout-Ms" in answered.value["detail"]


async def test_a_client_s_own_time_limit_ends_its_request(service: Service) -> None:
    service.start(body=b"1")  # keeps the worker busy
    await until(lambda: service.gate.batches)
    answered = await service.ask(body=b"2", headers=(JSON, (b"x-request-timeout-ms", b"1")))
    check_problem(answered, "deadline_exceeded")
    service.gate.answer()


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(make_service: Make) -> None:
    service = make_service(batch_size=1, queue_limit_items=2, deadline_s=60.0)
    first = service.start(body=b"1")
    await until(lambda: service.gate.batches)
    waiting = [service.start(body=b"%d" % number) for number in (2, 3)]
    await until(lambda: service.engine.statistics().waiting_items == 2)
    check_problem(await service.ask(body=b"4"), "overloaded")
    for _ in range(3):
        await until(lambda: service.gate.batches)
        service.gate.answer()
    assert [(await exchange.answer()).value for exchange in (first, *waiting)] == [1, 2, 3]


async def test_a_failure_of_the_task_is_model_error(service: Service) -> None:
    exchange = service.start(body=b'"x"')
    await until(lambda: service.gate.batches)
    (item,) = service.gate.batches[1][1]
    service.gate.answer(codes={item.id: "model_error"})
    check_problem(await exchange.answer(), "model_error")


async def test_an_item_that_only_the_worker_can_judge_is_invalid_input(service: Service) -> None:
    exchange = service.start(body=b'"x"')
    await until(lambda: service.gate.batches)
    (item,) = service.gate.batches[1][1]
    service.gate.answer(codes={item.id: InvalidInput.code})
    check_problem(await exchange.answer(), "invalid_input")


async def test_an_item_that_kills_alone_twice_is_poisoned_input(make_service: Make) -> None:
    service = make_service(deadline_s=60.0)
    exchange = service.start(body=b'"x"')
    for worker_id in (1, 2):
        if worker_id > 1:
            service.engine.worker_ready(worker_id)
        await until(lambda: service.gate.batches)
        service.gate.lose(worker_id)
    check_problem(await exchange.answer(), "poisoned_input")


async def test_an_item_over_the_batch_s_bytes_is_too_large(make_service: Make) -> None:
    service = make_service(batch_limit_bytes=4)
    check_problem(await service.ask(body=b'"12345678"'), "too_large")


async def test_without_a_worker_a_request_is_not_ready_and_its_body_is_not_read(make_service: Make) -> None:
    service = make_service(ready=False)
    exchange = service.start()
    check_problem(await exchange.answer(), "not_ready")
    assert exchange.reads == 0


async def test_while_it_drains_it_takes_nothing_new_and_finishes_the_old(service: Service) -> None:
    exchange = service.start(body=b'"old"')
    await until(lambda: service.gate.batches)
    service.engine._scheduler.drain()
    check_problem(await service.ask(body=b'"new"'), "draining")
    service.gate.answer()
    assert (await exchange.answer()).value == "old"


_WITHOUT_JSON = {
    "millions of rows, each empty": msgspec.msgpack.encode(
        msgspec.msgpack.Ext(1, msgspec.msgpack.encode(("<f2", [2**24, 0], b"")))
    ),
    "an extension": msgspec.msgpack.encode(msgspec.msgpack.Ext(99, b"x")),
    "a list as a key": b"\x81\x91\x01\x01",
    "half a value": b"\x92\x01",
    "text that is not UTF-8": b"\xa1\xff",
    "a complex array": msgspec.msgpack.encode(
        msgspec.msgpack.Ext(1, msgspec.msgpack.encode(("<c8", [1], bytes(8))))
    ),
    "too deep a list": b"\x91" * 100_000 + b"\x01",
}


@pytest.mark.parametrize("encoded", _WITHOUT_JSON.values(), ids=_WITHOUT_JSON)
async def test_an_answer_without_a_json_form_is_model_error_for_its_item_alone(
    service: Service, encoded: bytes
) -> None:
    single, batch = service.start(body=b"0"), service.start("/api/echo/batch", b"[1, 2]")
    await until(lambda: service.gate.batches)
    await until(lambda: not service.engine._poll_is_due)
    while service.gate.batches:
        batch_id, items = service.gate.batches.pop(1)
        broken = {0, 1}
        answers = [
            Answer(item.id, "ok", msgspec.Raw(encoded))
            if msgspec.msgpack.decode(item.value) in broken
            else Answer(item.id, "ok", item.value)
            for item in items
        ]
        service.engine.batch_done(1, Result(batch_id, answers))
        await until(lambda: service.gate.batches or (single.task.done() and batch.task.done()))
    check_problem(await single.answer(), "model_error")
    results = (await batch.answer()).value["results"]
    assert [result["status"] for result in results] == [500, 200]
    assert results[0]["error"]["code"] == "model_error"
    assert results[1]["value"] == 2


async def test_a_client_that_goes_takes_its_item_out_of_the_queue_and_no_other(make_service: Make) -> None:
    service = make_service(deadline_s=60.0, watch=ClientWatch(sweep_every_s=0.001))
    first = service.start(body=b'"first"')
    await until(lambda: service.gate.batches)
    mates = [service.start(body=b'"%d"' % number) for number in range(3)]
    await until(lambda: service.engine.statistics().waiting_items == 3)
    mates[1].disconnect()
    await mates[1].task
    assert mates[1].sent == []
    assert service.engine.statistics().waiting_items == 2
    for _ in range(2):
        await until(lambda: service.gate.batches)
        service.gate.answer()
    assert [(await mate.answer()).value for mate in (first, mates[0], mates[2])] == ["first", "0", "2"]


async def test_a_client_that_goes_from_a_running_batch_leaves_its_mates_theirs(make_service: Make) -> None:
    service = make_service(deadline_s=60.0, watch=ClientWatch(sweep_every_s=0.001))
    mates = [service.start(body=b'"%d"' % number) for number in range(3)]
    await until(lambda: service.gate.batches)
    mates[0].disconnect()
    await mates[0].task
    while service.gate.batches:
        service.gate.answer()
        await until(lambda: service.gate.batches or all(mate.task.done() for mate in mates))
    assert [(await mate.answer()).value for mate in mates[1:]] == ["1", "2"]
    statistics = service.engine.statistics()
    assert (statistics.lost, statistics.running_items, statistics.waiting_items) == (0, 0, 0)


async def test_a_client_that_goes_takes_all_items_of_its_list(make_service: Make) -> None:
    service = make_service(deadline_s=60.0, watch=ClientWatch(sweep_every_s=0.001))
    first = service.start(body=b"0")
    await until(lambda: service.gate.batches)
    many = service.start("/api/echo/batch", b"[1, 2, 3]")
    await until(lambda: service.engine.statistics().waiting_items == 3)
    many.disconnect()
    await many.task
    await until(lambda: service.engine.statistics().waiting_items == 0)
    service.gate.answer()
    assert (await first.answer()).value == 0


async def test_a_cancellation_from_elsewhere_is_not_swallowed(service: Service) -> None:
    exchange = service.start(body=b"1")
    await until(lambda: service.gate.batches)
    exchange.task.cancel()
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - CancelledError has no text
        await exchange.task
    assert type(caught.value).__name__ == "CancelledError"
    service.gate.answer()


async def test_a_compressed_body_is_turned_down_with_what_to_do(service: Service) -> None:
    answered = await service.ask(body=b"\x1f\x8b", headers=(JSON, (b"content-encoding", b"gzip")))
    assert (answered.status, answered.code) == (415, "unsupported_media_type")
    assert answered.value["detail"].endswith("'gzip' by Content-Encoding; send it as it is")
    assert (await service.echo(b'"x"', headers=(JSON, (b"content-encoding", b"identity")))).status == 200


_COUNTED = {
    "type": "object",
    "properties": {"count": {"type": "integer"}, "share": {"type": "number"}},
    "required": ["count"],
}


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        (b'{"count": 3.0, "share": 2.0}', {"count": 3, "share": 2.0}),
        (b'{"count": 1e3}', {"count": 1000}),
        (b'{"count": 3, "share": 2.5}', {"count": 3, "share": 2.5}),
    ],
)
async def test_a_whole_number_may_be_written_with_a_point(
    make_service: Make, body: bytes, taken: dict[str, float]
) -> None:
    answered = await make_service(schema=_COUNTED).echo(body)
    assert (answered.status, answered.value) == (200, taken)


@pytest.mark.parametrize("number", [b"3.5", b"1e300", b'"3"', b"null"])
async def test_what_is_no_whole_number_is_invalid_input(make_service: Make, number: bytes) -> None:
    answered = await make_service(schema=_COUNTED).ask(body=b'{"count": %b}' % number)
    assert (answered.status, answered.code) == (422, "invalid_input")


async def test_a_large_body_is_not_looked_through_for_whole_numbers(make_service: Make) -> None:
    body = b'{"count": 3.0, "more": [%b1]}' % (b"1," * 40_000)
    answered = await make_service(schema=_COUNTED).ask(body=body)
    assert (answered.status, answered.code) == (422, "invalid_input")
