"""Planned arrivals: how many, when, and the same again."""

import math
from itertools import chain, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_ai.bench.load.plan import LoadPlan, Step, arrivals, parse_rates, stages
from pulse_ai.bench.load.schedule import Schedule

RATES = st.floats(0.5, 5000.0)


def all_arrivals(step: Step, shape: str = "constant", seed: int = 0, start_s: float = 0.0) -> list[float]:
    return list(chain.from_iterable(arrivals(step, shape=shape, seed=seed, start_s=start_s)))


@settings(deadline=None)  # a busy machine is no failure
@given(rate=RATES, end=RATES | st.none(), duration_s=st.floats(0.1, 5.0), start_s=st.floats(0.0, 100.0))
def test_constant_arrivals_are_as_many_as_the_area_under_the_rate(
    rate: float, end: float | None, duration_s: float, start_s: float
):
    step = Step(rate, duration_s, end_rate=end)
    instants = all_arrivals(step, start_s=start_s)
    assert abs(len(instants) - step.expected) <= 1.0
    assert all(start_s <= at <= start_s + duration_s for at in instants)
    assert all(a < b for a, b in pairwise(instants))


@settings(deadline=None)  # a busy machine is no failure
@given(rate=st.floats(10.0, 3000.0), seed=st.integers(0, 1000))
def test_poisson_arrivals_are_about_as_many_and_rise(rate: float, seed: int):
    step = Step(rate, 2.0)
    instants = all_arrivals(step, "poisson", seed)
    assert abs(len(instants) - step.expected) < 6 * math.sqrt(step.expected) + 1
    assert all(a <= b for a, b in pairwise(instants))
    assert all(0.0 <= at < 2.0 for at in instants)


def test_the_same_seed_plans_the_same_instants_and_another_does_not():
    step = Step(500.0, 10.0)
    assert all_arrivals(step, "poisson", 7) == all_arrivals(step, "poisson", 7)
    assert all_arrivals(step, "poisson", 7) != all_arrivals(step, "poisson", 8)


def test_poisson_gaps_vary_as_much_as_their_mean():
    instants = all_arrivals(Step(1000.0, 20.0), "poisson", 1)
    gaps = [b - a for a, b in pairwise(instants)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((g - mean) ** 2 for g in gaps) / len(gaps))
    assert mean == pytest.approx(0.001, rel=0.05)
    assert deviation == pytest.approx(mean, rel=0.05)


def test_a_ramp_is_slow_at_first_and_fast_at_last():
    instants = all_arrivals(Step(10.0, 10.0, end_rate=100.0))
    assert sum(at < 1.0 for at in instants) == pytest.approx(14.5, abs=1)
    assert sum(at >= 9.0 for at in instants) == pytest.approx(95.5, abs=1)


def test_a_falling_ramp_ends_where_it_should():
    instants = all_arrivals(Step(100.0, 1.0, end_rate=1e-6))
    assert len(instants) == pytest.approx(50, abs=1)
    assert instants[-1] < 1.0


def test_rates_as_text():
    assert parse_rates("50, 100..200,max", duration_s=2.0) == (
        Step(50.0, 2.0),
        Step(100.0, 2.0, end_rate=200.0),
        Step(math.inf, 2.0),
    )


@pytest.mark.parametrize(
    "text", ["", "abc", "0", "-5", "50..", "nan", "inf..5", "max..5", "inf", "1e400", "1e9", "5..1e9"]
)
def test_a_text_that_is_no_rate_is_refused(text: str):
    with pytest.raises(ValueError, match="is not a rate"):
        parse_rates(text, duration_s=1.0)


@pytest.mark.parametrize(
    ("field", "value"), [("steps", ()), ("connections", 0), ("warmup_s", -1.0), ("timeout_s", 0.0)]
)
def test_a_plan_that_cannot_be_carried_out_is_refused(field: str, value: object):
    with pytest.raises(ValueError, match=r"at least|or more|above 0"):
        LoadPlan(**{"steps": (Step(1.0, 1.0),), field: value})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("duration_s", [-1.0, 0.0, math.inf, math.nan, 1e9])
def test_a_wrong_duration_is_not_blamed_on_the_rate(duration_s: float):
    with pytest.raises(ValueError, match=r"^a step lasts above 0 and at most 2592000 s"):
        parse_rates("100", duration_s=duration_s)


def test_warm_up_comes_first_at_the_first_rate_and_does_not_count():
    plan = LoadPlan(steps=(Step(10.0, 1.0), Step(20.0, 1.0)), warmup_s=3.0)
    assert [(s.rate, s.duration_s, s.counted) for s in stages(plan)] == [
        (10.0, 3.0, False),
        (10.0, 1.0, True),
        (20.0, 1.0, True),
    ]


def test_a_closed_step_plans_its_first_request_and_is_on_until_it_ends():
    schedule = Schedule(LoadPlan(steps=(Step(2.0, 1.0), Step(math.inf, 1.0), Step(2.0, 1.0))))
    taken = [schedule.take() for _ in range(5)]
    assert taken == [0.0, 0.5, 1.0, 2.0, 2.5]
    assert [schedule.closed_at(at) for at in (0.9, 1.0, 1.9, 2.0)] == [False, True, True, False]


def test_a_schedule_that_ends_with_a_closed_step_is_over_when_that_is():
    schedule = Schedule(LoadPlan(steps=(Step(math.inf, 1.0),)))
    schedule.take()
    assert (schedule.over_at(0.5), schedule.over_at(1.0)) == (False, True)


def test_an_ended_schedule_plans_nothing_more():
    schedule = Schedule(LoadPlan(steps=(Step(1000.0, 100.0), Step(math.inf, 1.0))))
    schedule.end()
    assert schedule.next_s == math.inf
    assert schedule.over_at(0.0)
