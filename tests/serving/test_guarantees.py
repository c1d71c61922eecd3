"""G1 to G9, one test of each name: the shortest story in which it could break. Others go into each further."""

import msgspec
from tests.serving.desk import Desk

from pulse_ai.core import DeadlineExceeded, Overloaded, RequestError, SchedulerSettings


def test_g1_every_admitted_request_gets_one_answer_and_it_is_its_own() -> None:
    desk = Desk(SchedulerSettings(batch_size=2), workers=2)
    requests = desk.offer_many(3)
    first, second = desk.poll()
    desk.answer(second)
    desk.answer(first)
    given = {number: msgspec.msgpack.decode(answer) for number, answer in desk.outcomes.items()}  # type: ignore[arg-type]
    assert given == {request: str(request) for request in requests}
    desk.answer(first)
    assert desk.scheduler.statistics().lost == 0


def test_g2_an_item_that_fails_or_is_cancelled_touches_no_mate() -> None:
    desk = Desk()
    fails, goes, stays = desk.offer_many(3)
    (batch,) = desk.poll()
    assert isinstance(fails, int)
    assert isinstance(goes, int)
    desk.scheduler.cancel(goes)
    desk.answer(batch, codes={fails: "model_error"})
    assert [desk.code(request) for request in (fails, goes, stays)] == ["model_error", "waiting", "ok"]


def test_g3_what_waits_is_bounded_in_items_and_in_bytes() -> None:
    desk = Desk(SchedulerSettings(batch_size=1, queue_limit_items=3, queue_limit_bytes=250))
    desk.offer()
    desk.poll()
    assert [desk.code(desk.offer("y" * 98)) for _ in range(3)] == ["waiting", "waiting", "overloaded"]
    assert [desk.code(desk.offer("y")) for _ in range(2)] == ["waiting", "overloaded"]


def test_g4_what_has_expired_or_was_cancelled_reaches_no_worker() -> None:
    desk = Desk(SchedulerSettings(batch_size=4))
    desk.offer(timeout_s=60.0)
    (running,) = desk.poll()
    expires, goes, stays = desk.offer(timeout_s=0.1), desk.offer(), desk.offer()
    assert isinstance(goes, int)
    desk.scheduler.cancel(goes)
    (batch,) = desk.answer(running, after_s=0.1)
    assert [ticket.id for ticket in batch.tickets] == [stays]
    assert desk.code(expires) == "deadline_exceeded"


def test_g5_a_death_loses_nothing_and_the_item_that_kills_is_found_and_remembered() -> None:
    desk = Desk(SchedulerSettings(batch_size=4))
    requests = [desk.offer(name, timeout_s=60.0) for name in ("a", "poison", "b", "c")]
    deaths, (batch,) = 0, desk.poll()
    while True:
        if requests[1] in {ticket.id for ticket in batch.tickets}:
            deaths += 1
            desk.lose(batch.worker_id)
            sent = desk.replace(deaths + 1)
        else:
            sent = desk.answer(batch)
        if not sent:
            break
        (batch,) = sent
    assert [desk.code(request) for request in requests] == ["ok", "poisoned_input", "ok", "ok"]
    assert deaths <= 3
    assert desk.code(desk.offer("poison")) == "poisoned_input"


def test_g6_a_worker_whose_batch_is_overdue_is_killed_and_its_items_go_again() -> None:
    desk = Desk(SchedulerSettings(overdue_s=2.0))
    request = desk.offer(timeout_s=60.0)
    (hung,) = desk.poll()
    desk.poll(after_s=2.0)
    assert desk.killed == [hung.worker_id]
    desk.lose(hung.worker_id)
    (again,) = desk.replace(2)
    desk.answer(again)
    assert desk.code(request) == "ok"


def test_g7_a_drain_refuses_what_is_new_finishes_what_was_accepted_and_answers_the_rest() -> None:
    desk = Desk(SchedulerSettings(batch_size=1))
    first, second = desk.offer_many(2)
    (batch,) = desk.poll()
    desk.scheduler.drain()
    assert not desk.scheduler.can_serve
    assert desk.code(desk.offer()) == "draining"
    desk.answer(batch)
    desk.scheduler.answer_rest()
    desk.poll()
    assert [desk.code(first), desk.code(second)] == ["ok", "draining"]
    assert desk.scheduler.is_empty


def test_g8_ready_is_exactly_while_a_worker_can_serve() -> None:
    desk = Desk(workers=0)
    told = [desk.scheduler.can_serve]
    for change in (
        lambda: desk.replace(1),
        lambda: desk.replace(2),
        lambda: desk.lose(1),
        lambda: desk.lose(2),
        lambda: desk.replace(3),
        desk.scheduler.drain,
    ):
        change()
        told.append(desk.scheduler.can_serve)
        assert told[-1] == (desk.scheduler.shut(now_s=desk.now_s) is None)
    assert told == [False, True, True, True, False, True, False]


def test_g9_an_ok_is_in_time_and_a_refusal_comes_at_once_and_says_when_to_return() -> None:
    desk = Desk(SchedulerSettings(batch_size=4))
    desk.teach(batch_s=0.1, item_s=0.01)
    late = desk.offer(timeout_s=0.2)
    (batch,) = desk.poll()
    refusal = desk.offer(timeout_s=0.05)
    assert isinstance(refusal, Overloaded)
    assert refusal.retry_after_s > 0.0
    desk.answer(batch, after_s=0.2)
    assert isinstance(late, int)
    outcome = desk.outcomes[late]
    assert isinstance(outcome, DeadlineExceeded)
    assert isinstance(outcome, RequestError)
