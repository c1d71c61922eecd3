"""What a network has to beat: always the same answer, and a linear model; and whether it truly does."""

__all__ = ("Baseline", "Comparison", "compare", "constant_baseline")

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pulse_ai.tabular.problem import Problem
from pulse_ai.train import Report, report

Array = np.ndarray[Any, Any]
_Z = 1.959963984540054  # a normal variable is within so many deviations in 95 of 100 cases


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A simple model's result on the validation rows.

    Attributes:
        name: Such as ``always Adelie`` or ``linear``.
        report: Its metrics.
        predictions: What it says: ``(rows,)`` or ``(rows, classes)``.
    """

    name: str
    report: Report
    predictions: Array


def constant_baseline(problem: Problem, training: Array, validation: Array) -> Baseline:
    """Return the model that knows only how often each answer comes, or the mean."""
    rows = len(validation)
    if problem.kind == "regression":
        mean = float(training.mean())
        said, name = np.full(rows, mean), f"always {mean:.4g}"
    else:
        shares = np.bincount(training, minlength=len(problem.labels)) / len(training)
        name = f"always {problem.labels[int(shares.argmax())]}"
        said = np.full(rows, shares[1]) if problem.kind == "binary" else np.tile(shares, (rows, 1))
    return Baseline(name=name, report=report(problem.kind, said, validation), predictions=said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How much better the network is than a baseline, on the same rows.

    Attributes:
        name: The baseline.
        figure: ``accuracy``, or ``mae`` for regression.
        network: The network's figure.
        baseline: The baseline's.
        low: Lower end of the 95 % interval of how much better the network is; above 0 it truly is.
        high: Upper end.
    """

    name: str
    figure: Literal["accuracy", "mae"]
    network: float
    baseline: float
    low: float
    high: float

    @property
    def verdict(self) -> Literal["better", "worse", "no different"]:
        """What may be said: only what holds at both ends of the interval."""
        if self.low > 0.0:
            return "better"
        return "worse" if self.high < 0.0 else "no different"

    @property
    def sentence(self) -> str:
        """The verdict with its numbers.

        Example:
            >>> Comparison(
            ...     name="linear", figure="accuracy", network=0.98, baseline=0.97, low=-0.01, high=0.03
            ... ).sentence
            'no different from linear: accuracy 0.98 against 0.97 (95 % interval of the gain -0.01 to +0.03)'
        """
        word = "no different from" if self.verdict == "no different" else f"{self.verdict} than"
        return (
            f"{word} {self.name}: {self.figure} {self.network:.4g} against {self.baseline:.4g} "
            f"(95 % interval of the gain {self.low:+.2g} to {self.high:+.2g})"
        )


def compare(problem: Problem, predictions: Array, baseline: Baseline, validation: Array) -> Comparison:
    """Return whether the network is better than a baseline, row by row on the same rows.

    The interval is that of the mean of the paired differences; it says nothing about other rows than those
    like the ones that were held out.
    """
    ours, theirs = (_goodness(problem, said, validation) for said in (predictions, baseline.predictions))
    low, high = _interval(ours - theirs, is_share=problem.kind != "regression")
    sign = -1.0 if problem.kind == "regression" else 1.0
    return Comparison(
        name=baseline.name,
        figure="mae" if problem.kind == "regression" else "accuracy",
        network=sign * float(ours.mean()),
        baseline=sign * float(theirs.mean()),
        low=low,
        high=high,
    )


def _interval(gain: Array, *, is_share: bool) -> tuple[float, float]:
    """Return the 95 % interval of a mean difference; where few rows differ, or none, it is still not a point.

    Source:
        For shares half a row is added to each of the four ways in which two answers can be right or wrong:
        A. Agresti and Y. Min, "Simple improved confidence intervals for comparing matched proportions" (2005).
        Student's t by M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions" (1964), 26.7.5.
    """
    if is_share:
        gain = np.append(
            gain, [math.sqrt(0.5), -math.sqrt(0.5)]
        )  # as much to the sum and the squares as those
    free = len(gain) - 1
    if free < 2:
        return -math.inf, math.inf
    wider = (_Z**3 + _Z) / (4 * free) + (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / (96 * free**2)
    half = (_Z + wider) * float(gain.std(ddof=1)) / math.sqrt(len(gain))
    mean = float(gain.mean())
    return mean - half, mean + half


def _goodness(problem: Problem, said: Array, true: Array) -> Array:
    """Return a number for each row that is greater where the answer is better."""
    if problem.kind == "regression":
        return -np.abs(np.asarray(said, np.float64) - true)
    chosen = (said > 0.5) if problem.kind == "binary" else said.argmax(1)
    return (chosen == true).astype(np.float64)
