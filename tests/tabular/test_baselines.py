"""The network is compared row by row, and only what holds is said."""

import numpy as np
import pytest

from pulse_ai.tabular import Comparison, Problem
from pulse_ai.tabular.baselines import compare, constant_baseline

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


def test_one_row_proves_nothing() -> None:
    found = compare(
        CLASSES, np.array([0.0]), constant_baseline(CLASSES, np.array([1]), np.array([0])), np.array([0])
    )
    assert found.verdict == "no different"
    assert isinstance(found, Comparison)
