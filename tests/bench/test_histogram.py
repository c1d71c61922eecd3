"""The histogram against exact answers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_ai.bench.histogram import Histogram

DURATIONS = st.lists(st.floats(0.0, 5000.0), min_size=1, max_size=200)


def nearest_rank(values: list[float], share: float) -> float:
    return sorted(values)[max(1, math.ceil(share * len(values) - 1e-9)) - 1]


@settings(deadline=None)  # a busy machine is no failure
@given(values=DURATIONS, share=st.floats(0.0, 1.0), bits=st.integers(5, 12))
def test_a_quantile_is_the_exact_one_to_the_stated_precision(values: list[float], share: float, bits: int):
    histogram = Histogram(bits=bits)
    histogram.record(values)
    exact = nearest_rank(values, share)
    assert histogram.quantile(share) == pytest.approx(exact, rel=2.0 ** -(bits + 1) * 1.01, abs=0.6e-6)


@settings(deadline=None)  # a busy machine is no failure
@given(parts=st.lists(DURATIONS, min_size=1, max_size=5))
def test_merging_is_the_same_as_recording_together(parts: list[list[float]]):
    merged, together = Histogram(), Histogram()
    for part in parts:
        one = Histogram()
        one.record(part)
        merged.merge(one)
        together.record(part)
    assert merged.buckets() == together.buckets()
    assert (merged.count, merged.min_s, merged.max_s) == (together.count, together.min_s, together.max_s)
    assert merged.sum_s == pytest.approx(together.sum_s)


@settings(deadline=None)  # a busy machine is no failure
@given(values=DURATIONS)
def test_the_buckets_hold_every_duration_once_and_rise(values: list[float]):
    histogram = Histogram()
    histogram.record(values)
    middles = list(histogram.buckets())
    assert sum(histogram.buckets().values()) == len(values)
    assert middles == sorted(middles)


def test_the_ends_are_exact():
    histogram = Histogram(bits=3)
    histogram.record([0.123456789, 7.654321])
    assert (histogram.min_s, histogram.quantile(1.0), histogram.max_s) == (0.123456789, 7.654321, 7.654321)
    assert histogram.mean() == pytest.approx((0.123456789 + 7.654321) / 2)


def test_an_empty_histogram_has_no_quantiles():
    histogram = Histogram()
    histogram.record([])
    assert math.isnan(histogram.quantile(0.5))
    assert math.isnan(histogram.mean())


def test_clocks_read_out_of_order_count_as_no_time():
    histogram = Histogram()
    histogram.record([-1e-6])
    assert histogram.quantile(0.5) == 0.0


def test_a_week_and_more_is_counted_in_bounded_space():
    histogram = Histogram()
    histogram.record([1e12])
    assert histogram.quantile(1.0) == 1e12
    assert histogram._counts.size < 40_000


def test_the_share_within_a_limit():
    histogram = Histogram()
    histogram.record(np.linspace(0.001, 1.0, 1000))
    assert histogram.share_within(0.25) == pytest.approx(0.25, abs=0.001)
    assert histogram.share_within(2.0) == 1.0


@pytest.mark.parametrize("bits", [0, 17])
def test_a_precision_out_of_range_is_refused(bits: int):
    with pytest.raises(ValueError, match=f"got {bits}"):
        Histogram(bits=bits)


def test_different_precisions_do_not_merge():
    with pytest.raises(ValueError, match="7 bits into 10"):
        Histogram().merge(Histogram(bits=7))


def test_a_share_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"got 1\.5"):
        Histogram().quantile(1.5)
