"""The generator tells the truth about a service with scripted delays, in virtual time.

A service takes a stated time for each request and stops altogether for a while. The same ``Flow`` and
``Ledger`` as in a real run are driven from a heap of events, so every latency is known exactly.
"""

import heapq
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_ai.bench.load.flow import NO_CONNECTION, TIMED_OUT, Flow
from pulse_ai.bench.load.ledger import Ledger
from pulse_ai.bench.load.plan import LoadPlan, Step
from pulse_ai.bench.load.report import Section, sections_of, windows_of
from pulse_ai.bench.load.schedule import Schedule
from pulse_ai.bench.load.verdicts import make_report


def simulate(plan: LoadPlan, answer_at: Callable[[float], float]) -> Section:
    """Carry out a plan against a service that answers a request sent at ``t`` at ``answer_at(t)``."""
    ledger = Ledger(plan)
    flow: Flow[int] = Flow(connections=plan.connections, timeout_s=plan.timeout_s, finish=ledger.finish)
    schedule = Schedule(plan)
    events: list[tuple[float, int, str]] = []
    links = 0
    while not (schedule.next_s == math.inf and flow.idle):
        if events and events[0][0] <= schedule.next_s:
            now_s, link, what = heapq.heappop(events)
            if what == "answer":
                flow.answered(link, 200, now_s, keep=True)
            else:
                flow.opened(link, now_s)
        else:
            now_s = schedule.take()
            flow.offer(now_s, now_s)
        for link in flow.to_send:
            heapq.heappush(events, (answer_at(now_s), link, "answer"))
        flow.to_send.clear()
        for _ in range(flow.to_open):
            links += 1
            heapq.heappush(events, (now_s, links, "open"))
        flow.to_open = 0
    ledger.fold()
    return sections_of(ledger)[0]


def stalling(*, start_s: float, length_s: float, service_s: float) -> Callable[[float], float]:
    """Return a service that answers in ``service_s``, but nothing from ``start_s`` on for ``length_s``."""

    def answer_at(sent_s: float) -> float:
        done_s = sent_s + service_s
        return done_s if done_s < start_s or sent_s >= start_s + length_s else start_s + length_s + service_s

    return answer_at


def test_a_stall_shows_in_full_in_the_high_percentiles():
    plan = LoadPlan(steps=(Step(100.0, 10.0),), connections=64)
    section = simulate(plan, stalling(start_s=5.0, length_s=0.5, service_s=0.001))
    assert section.latency is not None
    assert section.latency.max_s == pytest.approx(0.502, abs=0.002)
    assert section.latency.p999_s == pytest.approx(0.502, abs=0.012)  # the 1st or 2nd worst of 1,000
    assert section.latency.p99_s == pytest.approx(0.41, abs=0.012)  # the 10th worst, 10 ms apart
    assert section.latency.p50_s == pytest.approx(0.001, rel=0.01)


def test_with_too_few_connections_the_stall_still_shows_though_hardly_anything_was_sent_in_it():
    """This is coordinated omission: with two connections only two requests meet the stall."""
    plan = LoadPlan(steps=(Step(100.0, 10.0),), connections=2)
    section = simulate(plan, stalling(start_s=5.0, length_s=0.5, service_s=0.001))
    assert section.latency is not None
    assert section.service is not None
    assert section.latency.p99_s > 0.38
    assert section.service.p99_s < 0.002  # what a tool that counts from sending would have said
    assert section.wait is not None
    assert section.wait.max_s > 0.45


def test_a_closed_loop_does_not_hide_that_the_generator_was_late_in_another_step():
    plan = LoadPlan(steps=(Step(100.0, 1.0), Step(math.inf, 1.0)))
    ledger = Ledger(plan)
    for number in range(100):
        due_s = number / 100
        ledger.finish(due_s, due_s + 0.05, due_s + 0.05, due_s + 0.06, 200)
    for number in range(20_000):
        due_s = 1.0 + number / 20_000
        ledger.finish(due_s, due_s, due_s, due_s + 0.01, 200)
    ledger.fold()
    report = make_report(ledger, plan, url="http://x/", started="-", rules=())
    assert report.generator.limited
    assert "50 ms at p99" in report.generator.text


@pytest.mark.parametrize(("rate", "duration_s"), [(10.0, 30.0), (20.0, 30.0), (10.0, 60.0)])
def test_an_even_load_is_even_over_time(rate: float, duration_s: float):
    plan = LoadPlan(steps=(Step(rate, duration_s),))
    ledger, schedule = Ledger(plan), Schedule(plan)
    while schedule.next_s < math.inf:
        due_s = schedule.take()
        ledger.finish(due_s, due_s, due_s, due_s + 0.001, 200)
    ledger.fold()
    windows = windows_of(ledger)
    assert {window.offered for window in windows} == {round(rate * ledger.window_s)}
    assert {window.came for window in windows} == {round(rate * ledger.window_s)}


@pytest.mark.parametrize("unsent", [0, 49])
def test_what_was_given_up_counts_the_same_whether_it_was_sent_or_found_no_connection(unsent: int):
    """A bound on connections must not take the slowest requests out of the percentiles."""
    ledger = Ledger(LoadPlan(steps=(Step(10.0, 10.0),)))
    for number in range(100):
        at_s = number / 10
        if number < 50:
            ledger.finish(at_s, at_s, at_s, at_s + 0.001, 200)
        elif number < 100 - unsent:
            ledger.finish(at_s, at_s, at_s, at_s + 1.0, TIMED_OUT)
        else:
            ledger.finish(at_s, at_s, math.nan, at_s + 1.0, NO_CONNECTION)
    ledger.fold()
    section = sections_of(ledger)[0]
    assert (section.unanswered, section.offered - section.sent) == (50, unsent)
    assert section.latency is not None
    assert (section.latency.count, section.latency.p99_s) == (100, pytest.approx(1.0))
    assert max(window.max_s or 0.0 for window in windows_of(ledger)) == pytest.approx(1.0)


@settings(deadline=None)  # a busy machine is no failure
@given(start_s=st.floats(0.5, 3.0), length_s=st.floats(0.05, 1.0), connections=st.integers(1, 40))
def test_every_request_due_in_a_stall_waits_at_least_for_its_end(
    start_s: float, length_s: float, connections: int
):
    plan = LoadPlan(steps=(Step(50.0, 5.0),), connections=connections, timeout_s=60.0)
    section = simulate(plan, stalling(start_s=start_s, length_s=length_s, service_s=0.001))
    assert section.offered == section.good == 250
    assert section.latency is not None
    first_in_it_s = math.ceil(start_s * 50.0) / 50.0
    if first_in_it_s < start_s + length_s:
        assert section.latency.max_s >= start_s + length_s - first_in_it_s


def test_a_service_at_half_the_offered_rate_shows_a_growing_queue():
    busy_until_s = [0.0]

    def one_at_a_time(sent_s: float) -> float:
        busy_until_s[0] = max(busy_until_s[0], sent_s) + 0.02
        return busy_until_s[0]

    section = simulate(LoadPlan(steps=(Step(100.0, 4.0),), connections=1000, timeout_s=60.0), one_at_a_time)
    assert section.latency is not None
    assert section.latency.max_s == pytest.approx(4.0, abs=0.05)
    assert section.latency.p50_s == pytest.approx(2.0, abs=0.05)
