"""What becomes of a batch whose worker dies: 2+3=>crash, and the item that kills is found."""

import math

import pytest
from tests.serving.desk import Desk

from pulse_ai.core import SchedulerSettings
from pulse_ai.serving import SendBatch


def run_with_poison(desk: Desk, poison: set[int], batches: list[SendBatch]) -> int:
    """Play workers that die of poisoned items until nothing is left; return how many died."""
    deaths, next_worker = 0, desk.workers
    todo = list(batches)
    while todo:
        batch = todo.pop(0)
        if poison & {ticket.id for ticket in batch.tickets}:
            deaths += 1
            next_worker += 1
            todo += desk.lose(batch.worker_id)
            todo += desk.replace(next_worker)
        else:
            todo += desk.answer(batch)
    return deaths


def test_2_plus_3_then_crash_is_retried_in_halves_and_answered() -> None:
    desk = Desk(SchedulerSettings(batch_size=5))
    requests = desk.offer_many(5)
    (batch,) = desk.poll()
    assert desk.lose(batch.worker_id) == []
    (half,) = desk.replace(2)
    assert len(half.tickets) == 3
    (rest,) = desk.answer(half)
    assert len(rest.tickets) == 2
    desk.answer(rest)
    assert [desk.code(request) for request in requests] == ["ok"] * 5
    assert desk.scheduler.counters.retried == 5


@pytest.mark.parametrize("size", [1, 2, 3, 8, 16])
@pytest.mark.parametrize("place", [0, -1])
def test_the_item_that_kills_is_found_in_few_deaths_and_the_others_are_answered(
    size: int, place: int
) -> None:
    desk = Desk(SchedulerSettings(batch_size=size))
    requests = desk.offer_many(size, timeout_s=100.0)
    poison = requests[place]
    assert isinstance(poison, int)
    deaths = run_with_poison(desk, {poison}, desk.poll())
    assert deaths <= max(2, math.ceil(math.log2(size)) + 1)
    codes = {request: desk.code(request) for request in requests}
    assert codes.pop(poison) == "poisoned_input"
    assert set(codes.values()) <= {"ok"}


def test_a_poisoned_input_is_refused_the_next_time_without_a_death() -> None:
    desk = Desk()
    poison = desk.offer("bad", timeout_s=100.0)
    assert isinstance(poison, int)
    run_with_poison(desk, {poison}, desk.poll())
    assert desk.code(poison) == "poisoned_input"
    assert desk.code(desk.offer("bad")) == "poisoned_input"
    assert desk.code(desk.offer("good")) == "waiting"
    desk.now_s += 601.0
    assert desk.code(desk.offer("bad")) == "waiting"


def test_one_death_of_one_item_proves_nothing() -> None:
    desk = Desk()
    request = desk.offer()
    (batch,) = desk.poll()
    desk.lose(batch.worker_id)
    (again,) = desk.replace(2)
    desk.answer(again)
    assert desk.code(request) == "ok"


def test_a_retry_does_not_mix_with_new_items() -> None:
    desk = Desk(SchedulerSettings(batch_size=4))
    old = desk.offer_many(2)
    (batch,) = desk.poll()
    new = desk.offer_many(2)
    desk.lose(batch.worker_id)
    (first,) = desk.replace(2)
    assert {ticket.id for ticket in first.tickets} < set(old)
    (second,) = desk.answer(first)
    (third,) = desk.answer(second)
    assert [ticket.id for ticket in third.tickets] == new


def test_what_has_run_out_of_time_is_not_retried() -> None:
    desk = Desk(SchedulerSettings(batch_size=2))
    short, long = desk.offer(timeout_s=0.1), desk.offer(timeout_s=9.0)
    (batch,) = desk.poll()
    desk.now_s += 0.2
    desk.lose(batch.worker_id)
    (again,) = desk.replace(2)
    assert [ticket.id for ticket in again.tickets] == [long]
    assert desk.code(short) == "deadline_exceeded"


def test_a_cancelled_item_is_not_retried() -> None:
    desk = Desk(SchedulerSettings(batch_size=2))
    gone, stays = desk.offer(), desk.offer()
    (batch,) = desk.poll()
    desk.lose(batch.worker_id)
    assert isinstance(gone, int)
    desk.scheduler.cancel(gone)
    (again,) = desk.replace(2)
    assert [ticket.id for ticket in again.tickets] == [stays]


def test_items_that_are_tried_again_do_not_count_twice_as_having_left_their_callers_share() -> None:
    desk = Desk(SchedulerSettings(batch_size=4, queue_limit_items=10))
    for caller in ("b", "a", "a", "a"):
        desk.offer(caller=caller, timeout_s=60.0)
    (batch,) = desk.poll()
    waiting = [desk.code(desk.offer(caller="a", timeout_s=60.0)) for _ in range(7)]
    assert waiting == ["waiting"] * 6 + ["overloaded"]
    desk.lose(batch.worker_id)
    (again,) = desk.replace(2)
    assert {ticket.deaths for ticket in again.tickets} == {1}
    assert desk.code(desk.offer(caller="a", timeout_s=60.0)) == "overloaded"
