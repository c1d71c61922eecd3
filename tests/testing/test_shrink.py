"""Days written down, played again, and cut small when a guarantee breaks."""

from collections.abc import Callable
from dataclasses import replace
from heapq import heappop
from typing import Any, NamedTuple

import msgspec
import pytest
from tests.testing.test_simulate import ROUGH

import pulse_ai.core
import pulse_ai.testing
from pulse_ai.core import RequestError, SchedulerSettings
from pulse_ai.port import OK, Result
from pulse_ai.serving import Scheduler, Ticket
from pulse_ai.serving.admission import Admission
from pulse_ai.serving.deadlines import Deadlines
from pulse_ai.serving.fleet import Fleet
from pulse_ai.testing import (
    Arrival,
    Fate,
    Faults,
    Scenario,
    Script,
    Step,
    Traffic,
    Violation,
    record,
    shrink,
    simulate,
)

DAY = replace(
    ROUGH,
    traffic=replace(ROUGH.traffic, requests=1200, callers=3, batch_share=0.2, poison_share=0.01),
    faults=replace(ROUGH.faults, pause_every_s=1.1, pause_s=0.9, jump_every_s=1.7),
    drain_after=1100,
    grace_s=0.02,
)


def replay(source: str) -> Script:
    names = {**vars(pulse_ai.core), **vars(pulse_ai.testing)}
    return eval(source, names)  # noqa: S307 - that is what it is for


def test_a_day_that_is_written_down_is_the_same_day() -> None:
    scenario = replace(DAY, drain_after=0)
    drawn, played = simulate(scenario), simulate(record(scenario))
    assert played.answers == drawn.answers
    assert played.ok_latencies_s == drawn.ok_latencies_s
    assert (played.deaths, played.batches) == (drawn.deaths, drawn.batches)


def test_the_source_of_a_script_makes_it_again() -> None:
    script = record(replace(DAY, traffic=replace(DAY.traffic, requests=60)))
    assert replay(script.source()) == script


def test_where_nothing_breaks_there_is_nothing_to_shrink() -> None:
    assert shrink(replace(DAY, traffic=replace(DAY.traffic, requests=50))) is None


def _forget(self: Scheduler, worker_id: int, *, now_s: float) -> None:
    del now_s
    self._fleet.remove(worker_id)


def _mix_up(self: Scheduler, worker_id: int, result: Result, *, now_s: float) -> None:
    ids = [answer.id for answer in result.answers]
    moved = zip(result.answers, ids[1:] + ids[:1], strict=True)
    result.answers = [msgspec.structs.replace(answer, id=number) for answer, number in moved]
    done(self, worker_id, result, now_s=now_s)


def _answer_late(self: Scheduler, ticket: Ticket, now_s: float, *, where: str = "") -> None:
    del now_s, where
    self._settle(ticket, msgspec.Raw(msgspec.msgpack.encode(str(ticket.id))))


def _fail_all(self: Scheduler, worker_id: int, result: Result, *, now_s: float) -> None:
    bad = next((answer for answer in result.answers if answer.code != OK), None)
    if bad is not None:
        result.answers = [msgspec.structs.replace(bad, id=answer.id) for answer in result.answers]
    done(self, worker_id, result, now_s=now_s)


def _admit_all(self: Admission, ticket: Ticket, *, now_s: float) -> RequestError | None:
    del self, ticket, now_s


def _drop_due(self: Deadlines, now_s: float) -> list[Ticket]:
    while self._heap and self._heap[0][0] <= now_s:
        heappop(self._heap)
    return []


def _do_nothing(self: Scheduler) -> None:
    del self


def _look_away(self: Fleet, now_s: float) -> list[Any]:
    for run in self._runs.values():
        if run is not None and run.overdue_at_s <= now_s:
            run.killed = True
    return []


done = Scheduler.batch_done
CALM = Scenario(
    settings=SchedulerSettings(overdue_s=0.5, queue_limit_items=50),
    traffic=Traffic(requests=400, rate=900.0, cancel_share=0.1, failing_share=0.05),
)
FLOOD = replace(CALM, traffic=Traffic(requests=1000, rate=50_000.0))
PAUSE = replace(CALM, workers=1, settings=SchedulerSettings(batch_size=1), faults=Faults(pause_every_s=0.03))
CRASHES = replace(CALM, faults=Faults(crash_share=0.05))
HANGS = replace(
    CALM, traffic=Traffic(requests=400, rate=300.0, timeout_s=(0.1, 0.3)), faults=Faults(hang_share=0.2)
)
DRAIN = replace(CALM, drain_after=300, grace_s=0.02)


class Break(NamedTuple):
    """A way to break a scheduler, and a day on which it shows."""

    owner: type
    name: str
    by: Callable[..., Any]
    day: Scenario
    most_arrivals: int = 3


BROKEN = {
    "G1": Break(Scheduler, "batch_done", _mix_up, CALM),
    "G2": Break(Scheduler, "batch_done", _fail_all, CALM),
    "G3": Break(Admission, "refusal", _admit_all, FLOOD, most_arrivals=100),
    "G4": Break(Deadlines, "take_due", _drop_due, PAUSE, most_arrivals=4),
    "G5": Break(Scheduler, "worker_lost", _forget, CRASHES),
    "G6": Break(Fleet, "take_overdue", _look_away, HANGS),
    "G7": Break(Scheduler, "answer_rest", _do_nothing, DRAIN),
    "G8": Break(Scheduler, "drain", _do_nothing, DRAIN),
    "G9": Break(Scheduler, "_expire", _answer_late, HANGS),
}


@pytest.mark.parametrize("guarantee", BROKEN)
def test_a_broken_scheduler_is_noticed_and_the_day_cut_to_a_few_lines(
    guarantee: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = BROKEN[guarantee]
    monkeypatch.setattr(broken.owner, broken.name, broken.by)
    script = shrink(broken.day)
    assert script is not None
    with pytest.raises(Violation, match=guarantee) as found:
        simulate(replay(script.source()))
    assert found.value.guarantee == guarantee
    assert len(script.arrivals) <= broken.most_arrivals
    assert len(script.steps) + len(script.fates) <= 2
    monkeypatch.undo()
    simulate(script)


def _never(self: Scheduler) -> None:
    del self


def test_a_scheduler_whose_timer_never_rings_is_noticed_by_a_request_that_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Scheduler, "wake_at_s", _never)
    with pytest.raises(Violation, match="after its deadline") as found:
        simulate(HANGS)
    assert found.value.guarantee == "G9"


def test_shrinking_ends_when_its_plays_are_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scheduler, "worker_lost", _forget)
    script = shrink(DAY, most_plays=3)
    assert script is not None
    assert len(script.arrivals) > 4


def test_a_pause_costs_no_worker_its_life() -> None:
    """Found by the shrinker: two requests and a pause, and a worker that had answered was killed as hung."""
    settings = SchedulerSettings(overdue_s=0.5)
    arrivals = (Arrival(at_s=1.3), Arrival(at_s=1.3))
    script = Script(
        scenario=Scenario(workers=1, settings=settings),
        arrivals=arrivals,
        steps=(Step(at_s=1.3, kind="pause", for_s=2.0),),
    )
    assert simulate(script).deaths == 0


def test_after_a_pause_a_worker_that_hangs_is_still_found() -> None:
    settings = SchedulerSettings(overdue_s=0.5)
    script = Script(
        scenario=Scenario(workers=1, settings=settings),
        arrivals=(Arrival(at_s=1.0, timeout_s=60.0),),
        fates=(Fate(hangs=True),),
        steps=(Step(at_s=1.2, kind="pause", for_s=2.0),),
    )
    report = simulate(script)
    assert (report.deaths, report.answers) == (1, {"ok": 1})
    assert report.ended_at_s <= 5.0


def test_a_pause_teaches_the_cost_model_nothing() -> None:
    """A batch that was out during a pause of a minute would else count as one that takes a minute."""
    settings = SchedulerSettings(overdue_s=2.0)
    arrivals = tuple(Arrival(at_s=0.1 * number, timeout_s=0.5) for number in range(200))
    steps = (Step(at_s=5.0, kind="pause", for_s=60.0), Step(at_s=80.0, kind="jump", for_s=3600.0))
    calm = simulate(Script(scenario=Scenario(workers=1, settings=settings), arrivals=arrivals))
    later = tuple(msgspec.structs.replace(arrival, at_s=arrival.at_s + 70.0) for arrival in arrivals)
    report = simulate(
        Script(scenario=Scenario(workers=1, settings=settings), arrivals=arrivals[:60] + later, steps=steps)
    )
    assert calm.answers == {"ok": 200}
    assert report.answers["ok"] >= 200 + 40
