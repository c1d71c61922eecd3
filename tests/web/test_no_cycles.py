"""Answering leaves no work for the garbage collector: a flood of refusals would stall the service with it.

Objects that hold each other in a circle wait for a collection. Each test counts those that many requests leave.
The way of ASGI has one such circle on each connection, from the request that was last.
"""

import gc
from collections.abc import Generator

import pytest
from tests.web.kit import Make, Service, until
from tests.web.test_lane import Line, post

REQUESTS = 60
ONE_CIRCLE = 40  # objects
GOOD = post(b'"x"')


@pytest.fixture(autouse=True)
def _collected_by_hand() -> Generator[None]:
    gc.disable()
    yield
    gc.enable()


async def exchange(line: Line, service: Service, request: bytes, codes: dict[int, str]) -> None:
    """Have one request answered, if need be by the gate."""
    line.transport.writes.clear()
    line.protocol.data_received(request)
    await until(lambda: line.transport.writes or service.gate.batches)
    if service.gate.batches:
        service.gate.answer(codes=codes)
    await until(lambda: line.transport.writes)


async def garbage_of(
    service: Service, request: bytes, *, in_lane: bool = True, codes: dict[int, str] | None = None
) -> int:
    """Return how many objects are left in circles by some requests on a connection that has had one before."""
    line = Line(service, lanes=service.app.lanes if in_lane else {})
    await exchange(line, service, request, codes or {})
    gc.collect()
    for _ in range(REQUESTS):
        await exchange(line, service, request, codes or {})
    found = gc.collect()
    line.protocol.connection_lost(None)
    await until(lambda: not line.protocol.tasks)
    return found


@pytest.mark.parametrize("in_lane", [True, False])
@pytest.mark.parametrize("request_bytes", [GOOD, post(b"{"), post(b"1"), post(b'"x"', b"x-priority: now")])
async def test_answers_and_bad_requests_leave_no_circles(
    make_service: Make, request_bytes: bytes, *, in_lane: bool
) -> None:
    service = make_service(schema={"type": "string"}, deadline_s=60.0)
    assert await garbage_of(service, request_bytes, in_lane=in_lane) < ONE_CIRCLE


@pytest.mark.parametrize("in_lane", [True, False])
async def test_what_the_model_fails_on_leaves_no_circles(make_service: Make, *, in_lane: bool) -> None:
    service = make_service(deadline_s=60.0)
    codes = dict.fromkeys(range(1, REQUESTS + 2), "model_error")
    assert await garbage_of(service, GOOD, in_lane=in_lane, codes=codes) < ONE_CIRCLE


@pytest.mark.parametrize("in_lane", [True, False])
async def test_a_refusal_for_want_of_a_place_leaves_no_circles(make_service: Make, *, in_lane: bool) -> None:
    service = make_service(deadline_s=60.0, queue_limit_items=1, batch_size=1)
    running = service.start(body=b'"x"')
    await until(lambda: service.gate.batches)
    waiting = service.start(body=b'"x"')
    await until(lambda: service.engine.statistics().waiting_items)
    held = service.gate.batches.copy()
    service.gate.batches.clear()
    assert await garbage_of(service, GOOD, in_lane=in_lane) < ONE_CIRCLE
    service.gate.batches.update(held)
    service.engine.close()
    await running.answer()
    await waiting.answer()


@pytest.mark.parametrize("in_lane", [True, False])
async def test_a_refusal_for_want_of_a_worker_leaves_no_circles(make_service: Make, *, in_lane: bool) -> None:
    service = make_service(ready=False)
    assert await garbage_of(service, GOOD, in_lane=in_lane) < ONE_CIRCLE
