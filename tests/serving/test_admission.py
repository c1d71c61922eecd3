"""Admission by prediction: who gets a place when time is short."""

import random

import pytest
from tests.serving.desk import Desk

from pulse_ai.core import Overloaded, SchedulerSettings
from pulse_ai.port import Timing
from pulse_ai.serving import Ticket
from pulse_ai.serving.admission import Admission
from pulse_ai.serving.cost_model import CostModel
from pulse_ai.serving.fleet import Fleet
from pulse_ai.serving.quarantine import Quarantine
from pulse_ai.serving.queue import WaitingQueue
from pulse_ai.serving.safety_net import SafetyNet
from pulse_ai.serving.shares import Shares


def test_a_request_that_cannot_be_answered_in_time_is_refused_now() -> None:
    desk = Desk(SchedulerSettings(batch_size=4))
    desk.teach(batch_s=0.1, item_s=0.01)
    desk.offer_many(12, timeout_s=10.0)
    desk.poll()
    refusal = desk.offer(timeout_s=0.2)
    assert isinstance(refusal, Overloaded)
    assert 0.05 <= refusal.retry_after_s <= 2.0
    assert "the request has 0.200 s" in str(refusal)
    assert desk.code(desk.offer(timeout_s=2.0)) == "waiting"


def test_retry_after_is_spread_so_that_all_do_not_return_at_once() -> None:
    desk = Desk(SchedulerSettings(batch_size=4))
    desk.teach(batch_s=0.5)
    desk.offer_many(12, timeout_s=10.0)
    desk.poll()
    refusals = [desk.offer(timeout_s=0.2) for _ in range(20)]
    times = {round(refusal.retry_after_s, 3) for refusal in refusals if isinstance(refusal, Overloaded)}
    assert len(times) > 15
    assert max(times) <= 1.6 * min(times)


@pytest.mark.parametrize(("batch_s", "retry_after_s"), [(100.0, 60.0), (0.0001, 0.05)])
def test_retry_after_is_never_over_a_minute_and_never_at_once(batch_s: float, retry_after_s: float) -> None:
    desk = Desk(SchedulerSettings(batch_size=4, overdue_s=1000.0))
    desk.teach(batch_s=batch_s, item_s=0.0)
    desk.offer_many(12, timeout_s=10_000.0)
    desk.poll()
    refusal = desk.offer(timeout_s=0.5 * batch_s)
    assert isinstance(refusal, Overloaded)
    assert refusal.retry_after_s == retry_after_s


def test_who_is_admitted_is_decided_by_predictions_times_the_factor_of_the_safety_net() -> None:
    queue, fleet = WaitingQueue(), Fleet()
    admission = Admission(SchedulerSettings(batch_size=4), queue, fleet)
    for _ in range(40):
        admission.batch_done(items=4, cost_bytes=40, took_s=0.1)
    *running, offered = [
        Ticket(number, b"ten bytes.", offered_at_s=0.0, deadline_at_s=0.3) for number in range(5)
    ]
    fleet.add(1)
    fleet.assign(admission.new_run(running, now_s=0.0))
    assert admission.refusal(offered, now_s=0.0) is None
    admission.net.factor = 4.0
    assert isinstance(admission.refusal(offered, now_s=0.0), Overloaded)


def test_once_a_batch_was_answered_no_warm_up_is_learned_from() -> None:
    desk = Desk()
    desk.teach()
    learned_s = desk.scheduler.statistics().cost_s
    desk.scheduler.worker_ready(2, [Timing(1, 10, 5.0)] * 8)
    assert desk.scheduler.statistics().cost_s == learned_s
    assert desk.scheduler.statistics().cost_warm_up_batches == 0


def test_an_idle_worker_always_gets_an_item_whatever_the_model_fears() -> None:
    desk = Desk()
    desk.teach(batch_s=5.0)
    assert desk.code(desk.offer(timeout_s=0.5)) == "waiting"


def test_a_gloomy_model_learns_that_it_is_wrong() -> None:
    desk = Desk(SchedulerSettings(batch_size=4))
    desk.teach(batch_s=5.0, batches=20)
    for _ in range(300):
        desk.offer_many(4, timeout_s=1.0)
        for batch in desk.poll():
            desk.answer(batch, after_s=0.01)
    desk.offer()
    desk.poll()
    assert desk.code(desk.offer(timeout_s=0.5)) == "waiting"


def test_the_capacity_of_a_lost_worker_is_gone_at_once() -> None:
    desk = Desk(SchedulerSettings(batch_size=4), workers=2)
    desk.teach(batch_s=0.1, item_s=0.0)
    desk.offer_many(16, timeout_s=10.0)
    desk.poll()
    assert desk.code(desk.offer(timeout_s=0.35)) == "waiting"
    desk.scheduler.worker_lost(2, now_s=desk.now_s)
    assert desk.code(desk.offer(timeout_s=0.35)) == "overloaded"


def test_the_earliest_deadline_goes_first() -> None:
    desk = Desk(SchedulerSettings(batch_size=1))
    desk.offer()
    (running,) = desk.poll()
    late, soon = desk.offer(timeout_s=0.9), desk.offer(timeout_s=0.5)
    (first,) = desk.answer(running)
    (second,) = desk.answer(first)
    assert [first.tickets[0].id, second.tickets[0].id] == [soon, late]


def test_interactive_goes_before_batch_but_not_for_ever() -> None:
    desk = Desk(SchedulerSettings(batch_size=1))
    desk.offer(timeout_s=60.0)
    (running,) = desk.poll()
    slow = desk.offer(timeout_s=1.0, priority="batch")
    quick = desk.offer(timeout_s=1.0)
    desk.poll(after_s=0.6)
    later = desk.offer(timeout_s=1.0)
    order = []
    for _ in range(3):
        (running,) = desk.answer(running, after_s=0.001)
        order.append(running.tickets[0].id)
    assert order == [quick, slow, later]


def test_what_can_no_longer_finish_gives_way_to_what_can() -> None:
    desk = Desk(SchedulerSettings(batch_size=1))
    desk.teach(batch_s=0.2, item_s=0.0)
    desk.offer(timeout_s=60.0)
    (running,) = desk.poll()
    doomed, fine = desk.offer(timeout_s=0.45), desk.offer(timeout_s=2.0)
    (sent,) = desk.answer(running, after_s=0.35)
    assert sent.tickets[0].id == fine
    assert desk.code(doomed) == "deadline_exceeded"


def test_a_batch_does_not_grow_past_its_tightest_deadline() -> None:
    desk = Desk(SchedulerSettings(batch_size=16))
    desk.teach(batch_s=0.02, item_s=0.01)
    desk.offer(timeout_s=60.0)
    (running,) = desk.poll()
    tight = desk.offer(timeout_s=0.3)
    desk.offer_many(15, timeout_s=5.0)
    (sent,) = desk.answer(running, after_s=0.21)
    assert sent.tickets[0].id == tight
    assert 4 <= len(sent.tickets) <= 8


def test_a_flood_does_not_starve_another_caller() -> None:
    desk = Desk(SchedulerSettings(batch_size=4, queue_limit_items=100))
    desk.teach()
    desk.offer(caller="quiet", timeout_s=9.0)
    (running,) = desk.poll()
    for _ in range(300):
        desk.offer(caller="flood", timeout_s=9.0)
    quiet = desk.offer(caller="quiet", timeout_s=9.0)
    assert isinstance(quiet, int)
    (sent,) = desk.answer(running)
    assert quiet in {ticket.id for ticket in sent.tickets}
    assert desk.scheduler.statistics().waiting_items <= 67


def test_one_caller_alone_has_the_whole_queue() -> None:
    desk = Desk(SchedulerSettings(batch_size=1, queue_limit_items=10))
    asked = [desk.offer(caller="only") for _ in range(11)]
    assert [desk.code(request) for request in asked].count("waiting") == 10


def test_callers_are_forgotten() -> None:
    shares = Shares()
    for number in range(10_000):
        shares.asked(str(number), now_s=0.0)
    assert shares.callers == 4096
    shares.asked("last", now_s=20.0)
    assert shares.callers == 1
    shares.joined("last")
    shares.left("last")
    assert shares._waiting == {}


def test_a_quarantine_is_bounded_and_ends() -> None:
    quarantine = Quarantine()
    for number in range(2000):
        quarantine.add(number.to_bytes(4, "big"), now_s=0.0)
    assert len(quarantine) == 1024
    assert not quarantine.holds((0).to_bytes(4, "big"), now_s=1.0)
    assert quarantine.holds((1999).to_bytes(4, "big"), now_s=1.0)
    assert not quarantine.holds((1999).to_bytes(4, "big"), now_s=600.0)
    assert len(quarantine) == 1023


def test_the_cost_model_follows_a_model_that_slows_down() -> None:
    model = CostModel()
    for factor in (1.0, 3.0):
        for number in range(200):
            items = 1 + number % 16
            model.batch_done(items=items, cost_bytes=50 * items, took_s=factor * (0.02 + 0.002 * items))
    assert model.predict_s(items=16, cost_bytes=800) == pytest.approx(3 * 0.052, rel=0.15)


def test_the_cost_model_stays_sane_when_every_batch_is_the_same() -> None:
    model = CostModel()
    for number in range(100_000):
        model.batch_done(items=16, cost_bytes=1600, took_s=0.05 + 0.001 * (number % 7))
    assert model.predict_s(items=16, cost_bytes=1600) == pytest.approx(0.053, abs=0.002)
    assert 0.0 <= model.predict_s(items=1, cost_bytes=100) < 0.2


def test_the_cost_model_is_not_thrown_by_outliers() -> None:
    chance = random.Random(1)
    for _ in range(100):
        model = CostModel()
        most, size = chance.choice([1, 5, 16, 64]), chance.choice([10, 3000, 100_000])
        for number in range(300):
            items = chance.randint(1, most)
            if number > 30:
                assert model.predict_s(items=most, cost_bytes=most * size) < 0.5
            took_s = chance.uniform(0.0003, 0.002) + 0.05 * (chance.random() < 0.1)
            cost_bytes = sum(chance.randint(1, size) for _ in range(items))
            model.batch_done(items=items, cost_bytes=cost_bytes, took_s=took_s)


def test_the_margin_covers_99_of_100_batches() -> None:
    model, above = CostModel(), 0
    state = 1
    for number in range(4000):
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        took_s = 0.05 * (1 + state / 0x7FFFFFFF)
        if number >= 2000:
            above += took_s > model.predict_high_s(items=4, cost_bytes=400)
        model.batch_done(items=4, cost_bytes=400, took_s=took_s)
    assert 0.002 <= above / 2000 <= 0.03


@pytest.mark.parametrize("before", [0, 1, 3, 8])
@pytest.mark.parametrize("kind", ["uniform", "exponential"])
def test_the_margin_of_batches_in_a_row_grows_with_the_root_of_their_number(before: int, kind: str) -> None:
    chance, model = random.Random(before), CostModel()

    def took_s() -> float:
        return chance.uniform(0.02, 0.10) if kind == "uniform" else 0.02 + chance.expovariate(1 / 0.04)

    for _ in range(3000):
        model.batch_done(items=4, cost_bytes=400, took_s=took_s())
    above, tries, mean_s = 0, 3000, 0.0
    for _ in range(tries):
        mean_s = model.predict_s(items=4, cost_bytes=400)
        limit_s = (before + 1) * mean_s + model.margin_for_s(mean_s, after_s=before * mean_s)
        spent = [took_s() for _ in range(before + 1)]
        above += sum(spent) > limit_s
        model.batch_done(items=4, cost_bytes=400, took_s=spent[0])
    assert above / tries <= 0.04
    margin_s = model.margin_for_s(mean_s, after_s=before * mean_s)
    assert margin_s <= 1.6 * model.margin_for_s(mean_s) * (before + 1) ** 0.5


def test_the_cost_model_learns_bytes_too() -> None:
    model = CostModel()
    for number in range(300):
        items, each = 1 + number % 8, 100 * (1 + number % 13)
        model.batch_done(items=items, cost_bytes=items * each, took_s=0.01 + 1e-5 * items * each)
    assert model.predict_s(items=4, cost_bytes=4000) == pytest.approx(0.05, rel=0.03)


def test_the_safety_net_tightens_when_admitted_requests_run_late_and_relaxes_again() -> None:
    net = SafetyNet()
    for number in range(10):
        for _ in range(10):
            net.expired()
        net.look(now_s=number * 0.2)
    assert net.factor == 4.0
    assert net.newest_first
    for number in range(10, 60):
        net.answered(1)
        net.sent(0.1)
        net.look(now_s=number * 0.2)
    assert net.factor == 1.0
    assert not net.newest_first


def test_one_batch_far_from_all_others_does_not_spread_the_predictions_of_those() -> None:
    """A text of a megabyte, cut to its first page, once had lists of short ones refused for dozens of batches."""
    chance, model = random.Random(0), CostModel()
    for _ in range(20):
        items = chance.choice([1, 4, 16])
        took_s = (0.002 + 16e-6 * 40 * items) * (1.0 + 0.1 * chance.random())
        model.batch_done(items=items, cost_bytes=40 * items, took_s=took_s)
    before_s = model.margin_for_s(0.013, after_s=0.1)
    model.batch_done(items=1, cost_bytes=1_000_000, took_s=0.06)
    assert model.margin_for_s(0.013, after_s=0.1) < 1.5 * before_s
