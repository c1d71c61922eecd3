"""Statistics against the standard library's, and intervals against what they promise."""

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_ai.bench.suite.compare import Comparison, compare
from pulse_ai.bench.suite.report import thinned
from pulse_ai.bench.suite.statistics import summarize, without_outliers

SAMPLES = st.lists(st.floats(1e-9, 1e3), min_size=2, max_size=100)


@settings(deadline=None)  # a busy machine is no failure
@given(samples=SAMPLES)
def test_a_summary_agrees_with_the_standard_library(samples: list[float]):
    found = summarize(samples, percentiles=(25.0, 50.0, 75.0))
    assert found.average == pytest.approx(statistics.fmean(samples))
    assert found.deviation == pytest.approx(statistics.stdev(samples), rel=1e-6, abs=1e-12)
    assert found.median == pytest.approx(statistics.median(samples))
    assert found.percentiles["50"] == pytest.approx(found.median)
    quartiles = statistics.quantiles(samples, n=4, method="inclusive")
    assert [found.percentiles["25"], found.percentiles["75"]] == pytest.approx([quartiles[0], quartiles[2]])
    assert (found.minimum, found.maximum, found.samples) == (min(samples), max(samples), len(samples))


def test_one_sample_has_no_spread_and_no_mode():
    found = summarize([2.0])
    assert (found.deviation, found.modes, found.per_second) == (0.0, (), 0.5)


def test_modes_none_one_and_several():
    assert summarize([1.0, 2.0, 3.0]).modes == ()
    assert summarize([1.0, 2.0, 2.0]).modes == (2.0,)
    assert summarize([1.0, 1.0, 2.0, 2.0]).modes == (1.0, 2.0)


def test_many_samples_have_the_mode_of_the_few():
    assert summarize([1.5] * 20_000 + [2.5] * 100).modes == pytest.approx((1.5,))


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="no samples"):
        summarize([])


@settings(deadline=None)  # a busy machine is no failure
@given(samples=SAMPLES)
def test_leaving_out_outliers_keeps_at_least_half(samples: list[float]):
    kept = without_outliers(samples)
    assert 2 * kept.size >= len(samples)
    assert summarize(samples).outliers.count == len(samples) - kept.size


@settings(deadline=None)  # a busy machine is no failure
@given(samples=SAMPLES, most=st.integers(2, 50))
def test_thinned_samples_keep_the_ends_and_the_order_of_size(samples: list[float], most: int):
    kept = thinned(samples, most=most)
    assert len(kept) == min(most, len(samples))
    assert [kept[0], kept[-1]] == pytest.approx([min(samples), max(samples)], rel=1e-5)


def noisy_rounds(rng: np.random.Generator, scale: float, drift: list[float]) -> list[list[float]]:
    return [(scale * d * rng.lognormal(0.0, 0.05, 60)).tolist() for d in drift]


def test_the_interval_holds_the_true_ratio_about_as_often_as_it_says():
    rng = np.random.default_rng(4)
    held = 0
    for trial in range(40):
        first, second = noisy_rounds(rng, 2.0, [1.0] * 10), noisy_rounds(rng, 1.0, [1.0] * 10)
        found = compare(first, second, names=("a", "b"), paired=True, seed=trial)
        held += found.low <= 2.0 <= found.high
    assert held >= 33  # 38 are expected of 40


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_two_jobs_that_are_alike_are_seldom_told_apart_however_few_the_rounds(count: int, paired: bool):
    rng = np.random.default_rng(7)
    told = 0
    for trial in range(100):
        states = rng.normal(1.0, 0.02, (2, count)).tolist()  # of the machine, in each round of each job
        first, second = ([[state * (1.0 + 0.001 * n) for n in range(20)] for state in one] for one in states)
        told += compare(first, second, names=("a", "b"), paired=paired, seed=trial).significant
    assert told <= 12  # 5 are expected of 100


def test_a_slow_spell_that_meets_both_does_not_widen_a_paired_interval():
    rng = np.random.default_rng(5)
    drift = [1.0, 1.5, 1.0, 2.0, 1.2, 1.0, 3.0, 1.0, 1.1, 1.0]
    first, second = noisy_rounds(rng, 1.1, drift), noisy_rounds(rng, 1.0, drift)
    paired = compare(first, second, names=("a", "b"), paired=True)
    apart = compare(first, second, names=("a", "b"), paired=False)
    assert paired.significant
    assert paired.high - paired.low < 0.5 * (apart.high - apart.low)


def test_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(6)
    first, second = noisy_rounds(rng, 1.0, [1.0] * 5), noisy_rounds(rng, 1.0, [1.0] * 5)
    a, b = (compare(first, second, names=("a", "b"), paired=True, seed=3) for _ in range(2))
    assert a == b


@pytest.mark.parametrize(
    ("ratio", "low", "high", "words"),
    [
        (2.15, 2.08, 2.22, "2.15x slower, 95 % interval 2.08 to 2.22"),
        (0.465, 0.45, 0.48, "2.15x faster"),
        (1.2, 0.9, 1.4, "no difference that can be told"),
        (1.004, 1.002, 1.006, "no difference that matters"),
    ],
)
def test_verdicts(ratio: float, low: float, high: float, words: str):
    assert words in Comparison("a", "b", ratio, low, high, 0.0).verdict()


@pytest.mark.parametrize(
    ("ratio", "low", "fails"), [(1.2, 1.1, True), (1.2, 0.9, False), (1.04, 1.03, False), (0.5, 0.4, False)]
)
def test_the_gate_fails_what_is_surely_slower_and_by_more_than_it_allows(
    ratio: float, low: float, fails: bool
):
    assert Comparison("a", "b", ratio, low, ratio + 0.1, 0.0).regressed(0.05) is fails


def test_too_few_rounds_are_refused():
    with pytest.raises(ValueError, match="at least two rounds"):
        compare([[1.0]], [[1.0], [1.0]], names=("a", "b"), paired=False)
    with pytest.raises(ValueError, match="equally many, got 2 and 3"):
        compare([[1.0]] * 2, [[1.0]] * 3, names=("a", "b"), paired=True)
