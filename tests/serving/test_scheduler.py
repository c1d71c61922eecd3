"""The scheduler's promises, one at a time; the simulator checks them all at once."""

import msgspec
import pytest
from tests.serving.desk import Desk

from pulse_ai.core import Overloaded, RequestError, SchedulerSettings
from pulse_ai.port import OK, Answer, Result
from pulse_ai.serving import Counters


def sizes(desk: Desk) -> list[int]:
    return [len(batch.tickets) for batch in desk.batches]


def test_a_free_worker_takes_what_waits_at_once() -> None:
    desk = Desk()
    desk.offer_many(3)
    assert [len(batch.tickets) for batch in desk.poll()] == [3]


def test_a_batch_grows_while_the_worker_is_busy() -> None:
    desk = Desk(SchedulerSettings(batch_size=8))
    desk.offer()
    (first,) = desk.poll()
    for _ in range(5):
        desk.offer()
        assert desk.poll(after_s=0.001) == []
    (second,) = desk.answer(first)
    assert len(second.tickets) == 5


def test_20_items_are_8_plus_8_plus_4() -> None:
    desk = Desk(SchedulerSettings(batch_size=8), workers=3)
    desk.offer_many(20)
    desk.poll()
    assert sizes(desk) == [8, 8, 4]


def test_timer_mode_waits_for_a_full_batch_or_the_timeout() -> None:
    desk = Desk(SchedulerSettings(batch_mode="timer", batch_timeout_s=0.05, batch_size=4), workers=2)
    desk.offer_many(3)
    assert desk.poll(after_s=0.049) == []
    assert desk.scheduler.wake_at_s() == pytest.approx(0.05)
    assert [len(batch.tickets) for batch in desk.poll(after_s=0.0011)] == [3]
    desk.offer_many(4)
    assert [len(batch.tickets) for batch in desk.poll()] == [4]


def test_the_queue_is_bounded_in_items_and_a_refusal_says_when_to_come_back() -> None:
    desk = Desk(SchedulerSettings(queue_limit_items=5, batch_size=1))
    desk.offer()
    desk.poll()
    asked = desk.offer_many(7)
    refused = [answer for answer in asked if isinstance(answer, RequestError)]
    assert len(refused) == 2
    assert all(isinstance(refusal, Overloaded) and refusal.retry_after_s > 0 for refusal in refused)
    assert desk.scheduler.statistics().waiting_items == 5


def test_the_queue_is_bounded_in_bytes() -> None:
    desk = Desk(SchedulerSettings(queue_limit_bytes=250, batch_size=1))
    desk.offer()
    desk.poll()
    asked = [desk.offer("y" * 98) for _ in range(4)]
    assert [desk.code(request) for request in asked] == ["waiting", "waiting", "overloaded", "overloaded"]
    assert desk.scheduler.statistics().waiting_bytes == 200


def test_an_item_over_the_limit_of_a_batch_is_too_large() -> None:
    desk = Desk(SchedulerSettings(batch_limit_bytes=100))
    assert desk.code(desk.offer("y" * 200)) == "too_large"


def test_a_batch_stays_within_its_bytes() -> None:
    desk = Desk(SchedulerSettings(batch_limit_bytes=250), workers=2)
    for _ in range(4):
        desk.offer("y" * 98)
    desk.poll()
    assert sizes(desk) == [2, 2]


def test_without_a_worker_a_request_is_refused_as_not_ready() -> None:
    desk = Desk(workers=0)
    desk.scheduler.worker_expected("loading", at_s=3.0)
    refusal = desk.offer()
    assert desk.code(refusal) == "not_ready"
    assert "loading" in str(refusal)
    assert getattr(refusal, "retry_after_s", 0) == pytest.approx(3.0)
    assert not desk.scheduler.can_serve


def test_a_request_expires_in_the_queue_and_never_reaches_a_worker() -> None:
    desk = Desk(SchedulerSettings(batch_size=1))
    running = desk.offer()
    (batch,) = desk.poll()
    waiting = desk.offer(timeout_s=0.1)
    desk.poll(after_s=0.1)
    assert desk.code(waiting) == "deadline_exceeded"
    assert desk.answer(batch) == []
    assert desk.code(running) == "ok"


def test_a_request_expires_with_a_worker_and_its_late_result_is_dropped() -> None:
    desk = Desk()
    request, mate = desk.offer(timeout_s=0.1), desk.offer()
    (batch,) = desk.poll()
    desk.poll(after_s=0.1)
    assert desk.code(request) == "deadline_exceeded"
    desk.answer(batch)
    assert desk.code(mate) == "ok"
    assert desk.scheduler.counters.late == 1


def test_a_result_that_comes_with_the_deadline_is_late() -> None:
    desk = Desk()
    request = desk.offer(timeout_s=0.5)
    (batch,) = desk.poll()
    desk.answer(batch, after_s=0.5)
    assert desk.code(request) == "deadline_exceeded"


def test_a_request_without_time_is_not_admitted() -> None:
    assert Desk().offer(timeout_s=0.0) != 1


def test_a_cancelled_request_leaves_the_queue_and_its_mates_are_answered() -> None:
    desk = Desk(SchedulerSettings(batch_size=4))
    first = desk.offer_many(1)
    (running,) = desk.poll()
    gone, stays = desk.offer(), desk.offer()
    assert isinstance(gone, int)
    desk.scheduler.cancel(gone)
    (batch,) = desk.answer(running)
    assert [ticket.id for ticket in batch.tickets] == [stays]
    desk.answer(batch)
    assert [desk.code(request) for request in (*first, gone, stays)] == ["ok", "waiting", "ok"]


def test_cancelling_with_a_worker_touches_no_mate() -> None:
    desk = Desk()
    gone, stays = desk.offer(), desk.offer()
    (batch,) = desk.poll()
    assert isinstance(gone, int)
    desk.scheduler.cancel(gone)
    desk.scheduler.cancel(gone)
    desk.answer(batch)
    assert gone not in desk.outcomes
    assert desk.code(stays) == "ok"
    assert desk.scheduler.statistics().lost == 0


def test_one_failing_item_fails_alone() -> None:
    desk = Desk()
    requests = desk.offer_many(3)
    (batch,) = desk.poll()
    desk.answer(batch, codes={2: "model_error"})
    assert [desk.code(request) for request in requests] == ["ok", "model_error", "ok"]


def test_each_caller_gets_the_answer_to_its_own_item() -> None:
    desk = Desk(workers=2)
    requests = desk.offer_many(20)
    for batch in desk.poll():
        desk.answer(batch)
    given = {i: msgspec.msgpack.decode(outcome) for i, outcome in desk.outcomes.items()}  # type: ignore[arg-type]
    assert given == {request: str(request) for request in requests}


def test_a_drain_refuses_the_new_and_finishes_the_old() -> None:
    desk = Desk(SchedulerSettings(batch_size=1))
    accepted = desk.offer_many(2)
    (first,) = desk.poll()
    desk.scheduler.drain()
    assert desk.code(desk.offer()) == "draining"
    assert not desk.scheduler.can_serve
    (second,) = desk.answer(first)
    desk.answer(second)
    assert [desk.code(request) for request in accepted] == ["ok", "ok"]
    assert desk.scheduler.is_empty


def test_after_the_grace_time_the_rest_is_answered() -> None:
    desk = Desk(SchedulerSettings(batch_size=1))
    accepted = desk.offer_many(2)
    desk.poll()
    desk.scheduler.drain()
    desk.scheduler.answer_rest()
    desk.poll()
    assert [desk.code(request) for request in accepted] == ["draining", "draining"]


def test_a_hung_worker_is_killed_once_when_its_batch_is_overdue() -> None:
    desk = Desk(SchedulerSettings(overdue_s=2.0))
    desk.offer(timeout_s=60.0)
    desk.poll()
    assert desk.poll(after_s=1.999) == []
    assert desk.killed == []
    desk.poll(after_s=0.0011)
    desk.poll(after_s=1.0)
    assert desk.killed == [1]


def test_overdue_is_a_multiple_of_what_batches_take_once_that_is_known() -> None:
    settings = SchedulerSettings(overdue_s=30.0, overdue_factor=10.0, overdue_least_s=0.1)
    desk = Desk(settings)
    desk.teach()
    desk.offer(timeout_s=60.0)
    desk.poll()
    desk.poll(after_s=0.15)
    assert desk.killed == []
    overdue_at_s = desk.scheduler.wake_at_s()
    assert overdue_at_s is not None
    assert overdue_at_s <= desk.now_s + 0.35
    desk.poll(after_s=overdue_at_s - desk.now_s)
    assert desk.killed == [1]


@pytest.mark.parametrize(("batch_s", "overdue_s"), [(0.001, 2.0), (1.0, 3.0)])
def test_overdue_is_never_under_the_least_and_never_over_the_most(batch_s: float, overdue_s: float) -> None:
    desk = Desk(SchedulerSettings(overdue_s=3.0, overdue_factor=10.0, overdue_least_s=2.0))
    desk.teach(batch_s=batch_s, item_s=0.0)
    desk.offer(timeout_s=60.0)
    desk.poll()
    assert desk.scheduler.wake_at_s() == pytest.approx(desk.now_s + overdue_s)


def test_a_batch_that_is_answered_after_it_was_overdue_teaches_nothing() -> None:
    desk = Desk(SchedulerSettings(overdue_s=3.0))
    desk.teach()
    learned_s = desk.scheduler.statistics().cost_s
    desk.offer(timeout_s=60.0)
    (batch,) = desk.poll()
    desk.poll(after_s=2.05)
    assert desk.killed == [batch.worker_id]
    desk.answer(batch)
    assert desk.scheduler.statistics().cost_s == learned_s


def test_what_waits_to_be_tried_again_is_counted_in_items_and_in_bytes() -> None:
    desk = Desk()
    desk.offer_many(3, timeout_s=60.0)
    (batch,) = desk.poll()
    desk.lose(batch.worker_id)
    waits = desk.scheduler.statistics()
    assert (waits.waiting_items, waits.running_items) == (3, 0)
    assert waits.waiting_bytes == sum(ticket.cost_bytes for ticket in batch.tickets)


def test_who_looks_long_after_a_batch_was_overdue_lets_its_answer_be_read_first() -> None:
    desk = Desk(SchedulerSettings(overdue_s=2.0))
    request = desk.offer(timeout_s=60.0)
    (batch,) = desk.poll()
    desk.poll(after_s=30.0)
    assert desk.killed == []
    desk.answer(batch, after_s=0.001)
    assert desk.code(request) == "ok"
    assert desk.scheduler.statistics().cost_s == (0.0, 0.0, 0.0)


def test_a_worker_that_hung_while_nobody_looked_is_killed_soon_after() -> None:
    desk = Desk(SchedulerSettings(overdue_s=2.0))
    desk.offer(timeout_s=60.0)
    desk.poll()
    desk.poll(after_s=30.0)
    desk.poll(after_s=0.26)
    assert desk.killed == [1]


def test_dead_entries_do_not_pile_up() -> None:
    desk = Desk(SchedulerSettings(batch_size=1, queue_limit_items=50))
    desk.offer(timeout_s=1e6)
    desk.poll()
    for _ in range(10_000):
        request = desk.offer(timeout_s=1e5)
        assert isinstance(request, int)
        desk.scheduler.cancel(request)
    scheduler = desk.scheduler
    assert len(scheduler._deadlines) < 200
    assert len(scheduler._queue._heap) < 200
    assert scheduler.statistics().waiting_bytes == 0


def test_a_batch_of_a_worker_that_is_gone_is_ignored() -> None:
    desk = Desk()
    desk.offer()
    (batch,) = desk.poll()
    desk.lose(1)
    desk.answer(batch)
    assert desk.code(1) == "waiting"
    desk.lose(1)
    assert desk.scheduler.counters.workers_lost == 1


@pytest.mark.parametrize("text", [b"\xa1\xff", b"\xa2\xc3\x28", b"\x07", b"\xc0", b"\x91\xa1\xff"])
def test_a_failure_whose_text_is_none_touches_no_mate(text: bytes) -> None:
    desk = Desk()
    ids = desk.offer_many(3)
    (batch,) = desk.poll()
    answers = [Answer(ticket.id, OK, msgspec.Raw(b"\x01")) for ticket in batch.tickets]
    answers[0] = Answer(answers[0].id, "model_error", msgspec.Raw(text))
    desk.scheduler.batch_done(batch.worker_id, Result(batch.batch_id, answers), now_s=desk.now_s)
    desk.poll()
    assert [desk.code(request) for request in ids] == ["model_error", "ok", "ok"]


def test_a_task_that_counts_under_ever_new_names_fills_no_memory() -> None:
    counters = Counters()
    for number in range(1000):
        counters.add_task_counts({"tokens": 2, f"name {number}": 1})
    assert counters.task_counts["tokens"] == 2000
    assert len(counters.task_counts) <= 100
