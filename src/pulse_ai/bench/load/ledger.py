"""Where ended requests are counted: columns at first, folded into histograms a few times a second.

An end costs five appends. Folding takes whole columns with NumPy and forgets them, so a run of any length
holds a bounded amount: one histogram for each step and status, and one coarse histogram for each window of
time.
"""

__all__ = ("Ledger", "StepCounts", "WindowCounts")

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import cast

import numpy as np
import numpy.typing as npt

from pulse_ai.bench.histogram import Histogram
from pulse_ai.bench.load.flow import GIVEN_UP
from pulse_ai.bench.load.plan import LoadPlan, Step, stages

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_MOST_WINDOWS = 400
_ROUNDING = 1e-6  # of a window
REFUSALS = (429, 503)


@dataclass(slots=True)
class StepCounts:
    """What happened to the arrivals of one step.

    Attributes:
        step: The step.
        good: Successes within the plan's limit.
        by_code: Latency from the planned instant, for each status or negative code.
        latency: The same for successes, and for requests given up, sent or not (at the time they were: a
            lower bound).
        service: From sending to the answer, for successes: what a closed-loop tool would report.
        lag: From due to noticed: the generator's own delay.
        wait: From noticed to sent: waiting for a free connection.
    """

    step: Step
    good: int = 0
    by_code: dict[int, Histogram] = field(default_factory=dict[int, Histogram])
    latency: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    lag: Histogram = field(default_factory=Histogram)
    wait: Histogram = field(default_factory=Histogram)


@dataclass(slots=True)
class WindowCounts:
    """What happened to the arrivals planned within one short window of time.

    ``came`` alone goes by the instant of the answer: the successes that came within the window.
    """

    offered: int = 0
    came: int = 0
    succeeded: int = 0
    good: int = 0
    refused: int = 0
    latency: Histogram = field(default_factory=lambda: Histogram(bits=7))


class Ledger:
    """Counts the ends of requests, by step and by window.

    Args:
        plan: What was planned; instants are seconds from its beginning, warm-up included.

    Attributes:
        steps: One for each stage of the plan, warm-up included.
        ends_s: When each of them ends.
        windows: In order of time, from the beginning.
        window_s: How long a window is, in seconds.

    Example:
        >>> ledger = Ledger(LoadPlan(steps=(Step(10.0, 1.0),)))
        >>> ledger.finish(0.1, 0.1, 0.1, 0.3, 200)
        >>> ledger.fold()
        >>> ledger.steps[0].good, round(ledger.steps[0].latency.max_s, 3)
        (1, 0.2)
    """

    def __init__(self, plan: LoadPlan) -> None:
        self.steps = [StepCounts(step) for step in stages(plan)]
        self.ends_s = list(accumulate(step.duration_s for step in stages(plan)))
        self.window_s = _window_length(self.ends_s[-1])
        self.windows: list[WindowCounts] = []
        self._starts = np.array([0.0, *self.ends_s[:-1]])
        self._within_s = plan.within_s
        self._columns = tuple(array("d") for _ in range(4))
        self._codes = array("i")

    def finish(self, planned_s: float, noticed_s: float, sent_s: float, ended_s: float, code: int) -> None:
        """Take the end of one request; see ``flow.Finish``."""
        planned, noticed, sent, ended = self._columns
        planned.append(planned_s)
        noticed.append(noticed_s)
        sent.append(sent_s)
        ended.append(ended_s)
        self._codes.append(code)

    def lasted_s(self, index: int, *, until_s: float) -> float:
        """Return how long a step went on when nothing was due after an instant; 0.0 where it never began."""
        begin_s = 0.0 if index == 0 else self.ends_s[index - 1]
        return max(0.0, min(self.ends_s[index], until_s) - begin_s)

    def fold(self) -> None:
        """Count what has ended since the last fold."""
        if not self._codes:
            return
        planned, noticed, sent, ended = (np.array(column) for column in self._columns)
        ends = _Ends(planned, noticed, sent, ended, np.array(self._codes))
        for column in (*self._columns, self._codes):
            del column[:]
        which = np.searchsorted(self._starts, ends.planned_s, side="right") - 1
        for index in cast("list[int]", np.unique(which).tolist()):
            _count_step(self.steps[index], ends.only(which == index), self._within_s)
        self._count_windows(ends)

    def _count_windows(self, ends: "_Ends") -> None:
        which = self._windows_at(ends.planned_s)
        came = self._windows_at(ends.ended_s[ends.succeeded & (ends.ended_s < self.ends_s[-1])])
        while len(self.windows) <= int(max(which.max(), came.max(initial=0))):
            self.windows.append(WindowCounts())
        for index, count in enumerate(np.bincount(came).tolist()):
            self.windows[index].came += count
        for index in cast("list[int]", np.unique(which).tolist()):
            _count_window(self.windows[index], ends.only(which == index), self._within_s)

    def _windows_at(self, instants_s: Floats) -> npt.NDArray[np.int64]:
        """Return the window of each instant; one at a border is in the later, though 0.3 / 0.1 is below 3."""
        return np.floor(instants_s / self.window_s + _ROUNDING).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Ends:
    """Columns of ended requests."""

    planned_s: Floats
    noticed_s: Floats
    sent_s: Floats
    ended_s: Floats
    codes: npt.NDArray[np.int32]

    def only(self, mask: Bools) -> "_Ends":
        return _Ends(
            self.planned_s[mask],
            self.noticed_s[mask],
            self.sent_s[mask],
            self.ended_s[mask],
            self.codes[mask],
        )

    @property
    def latency_s(self) -> Floats:
        return self.ended_s - self.planned_s

    @property
    def succeeded(self) -> Bools:
        return (self.codes >= 200) & (self.codes < 300)

    @property
    def given_up(self) -> Bools:
        return np.isin(self.codes, GIVEN_UP)


def _count_step(counts: StepCounts, ends: _Ends, within_s: float) -> None:
    succeeded, latency_s = ends.succeeded, ends.latency_s
    counts.good += int((succeeded & (latency_s <= within_s)).sum())
    for code in np.unique(ends.codes).tolist():
        counts.by_code.setdefault(code, Histogram()).record(latency_s[ends.codes == code])
    counts.latency.record(latency_s[succeeded | ends.given_up])
    counts.service.record((ends.ended_s - ends.sent_s)[succeeded])
    counts.lag.record(ends.noticed_s - ends.planned_s)
    counts.wait.record((ends.sent_s - ends.noticed_s)[np.isfinite(ends.sent_s)])


def _count_window(counts: WindowCounts, ends: _Ends, within_s: float) -> None:
    succeeded, latency_s = ends.succeeded, ends.latency_s
    counts.offered += ends.codes.size
    counts.succeeded += int(succeeded.sum())
    counts.good += int((succeeded & (latency_s <= within_s)).sum())
    counts.refused += int(np.isin(ends.codes, REFUSALS).sum())
    counts.latency.record(latency_s[succeeded | ends.given_up])


def _window_length(total_s: float) -> float:
    """Return the shortest round length that keeps the number of windows in bounds.

    Example:
        >>> [_window_length(total_s) for total_s in (5.0, 60.0, 900.0)]
        [0.1, 0.2, 5.0]
    """
    lengths: Sequence[float] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
    return next((w for w in lengths if total_s <= w * _MOST_WINDOWS), math.ceil(total_s / _MOST_WINDOWS))
