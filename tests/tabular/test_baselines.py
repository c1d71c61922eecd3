"""The network is compared row by row, and only what holds is said."""

import numpy as np
import pytest

from pulse_ai.tabular import Baseline, Problem
from pulse_ai.tabular.baselines import compare, constant_baseline
from pulse_ai.train import report

CLASSES = Problem(kind="binary", target="y", labels=("no", "yes"), why="", rows=0, left_out=0)
VALUES = Problem(kind="regression", target="y", why="", rows=0, left_out=0)


def test_always_the_same_answer_is_the_most_frequent_one_or_the_mean() -> None:
    held_out = np.array([0, 1, 1, 1])
    found = constant_baseline(CLASSES, np.array([0, 1, 1, 1]), held_out)
    assert (found.name, found.report.accuracy, found.predictions.tolist()) == ("always yes", 0.75, [0.75] * 4)
    assert constant_baseline(VALUES, np.array([1.0, 3.0]), np.array([2.0])).report.mae == 0.0


@pytest.mark.parametrize(
    ("right", "verdict"), [(100, "better"), (52, "no different"), (50, "no different"), (0, "worse")]
)
def test_a_verdict_needs_more_than_luck(right: int, verdict: str) -> None:
    true = np.arange(100) % 2
    said = np.where(np.arange(100) < right, true, 1 - true).astype(float)
    half = constant_baseline(CLASSES, true, true)
    found = compare(CLASSES, said, half, true)
    assert found.verdict == verdict
    assert found.network == pytest.approx(right / 100)


def test_a_smaller_error_is_better_for_values() -> None:
    true = np.linspace(0.0, 10.0, 50)
    found = compare(VALUES, true + 0.1, constant_baseline(VALUES, true, true), true)
    assert found.verdict == "better"
    assert found.figure == "mae"
    assert found.network == pytest.approx(0.1)


@pytest.mark.parametrize("rows", [1, 2])
def test_one_row_or_two_prove_nothing(rows: int) -> None:
    true, wrong = np.zeros(rows, int), np.ones(3, int)
    classes = compare(CLASSES, true.astype(float), constant_baseline(CLASSES, wrong, true), true)
    values = compare(VALUES, true + 0.5, constant_baseline(VALUES, wrong * 9.0, true), true)
    assert (classes.network, classes.baseline, classes.verdict) == (1.0, 0.0, "no different")
    assert (values.network, values.baseline, values.verdict) == (0.5, 9.0, "no different")


def test_answers_that_are_all_alike_are_no_proof_that_others_would_be() -> None:
    true = np.arange(100) % 2
    found = compare(CLASSES, true * 0.0, constant_baseline(CLASSES, true, true), true)
    assert found.network == found.baseline
    assert found.low < -0.01 < 0.01 < found.high


def test_the_interval_of_few_values_is_that_of_student() -> None:
    errors = np.array([1.0, 2.0, 4.0, 5.0])
    always = Baseline(name="always 0", report=report("regression", errors, errors), predictions=errors * 0.0)
    found = compare(VALUES, errors, always, errors)
    assert found.high - found.low == pytest.approx(2 * 3.182 * errors.std(ddof=1) / 2.0, rel=0.04)
