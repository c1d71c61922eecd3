"""What is to be timed, and how: jobs, hooks and settings."""

__all__ = ("Hooks", "Job", "SuiteSettings")

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What is done round the timed calls; its time is not counted.

    Attributes:
        before_scenario: Given the input, returns what is passed on as input.
        after_scenario: Given that input, when all is measured.
        before_each: Given the input of the scenario, returns the argument of one call.
        after_each: Given the call's result.

    Example:
        >>> Hooks(before_each=list).before_each((2, 1))
        [2, 1]
    """

    before_scenario: Callable[[Any], Any] | None = None
    after_scenario: Callable[[Any], object] | None = None
    before_each: Callable[[Any], Any] | None = None
    after_each: Callable[[Any], object] | None = None

    @property
    def per_call(self) -> bool:
        """Whether something is done round each call, so that calls cannot be timed in blocks."""
        return self.before_each is not None or self.after_each is not None


@dataclass(frozen=True, slots=True)
class Job:
    """A named function, called with one input.

    Attributes:
        name: Unique in its suite.
        call: What is timed.
        hooks: Its own hooks; before ones run after the suite's, after ones before the suite's.
    """

    name: str
    call: Callable[[Any], Any]
    hooks: Hooks = field(default_factory=Hooks)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSettings:
    """How long and how carefully a suite measures.

    Attributes:
        warmup_s: Seconds that each scenario runs before it is timed; 0 or more.
        time_s: Seconds that each scenario is timed for, over all rounds; above 0.
        memory_runs: Calls of each scenario whose memory is traced, apart from timing; 0 for none.
        parallel: Threads that run the same scenario at once; above 1 shows what contention costs.
        rounds: The scenarios take turns this many times, so that a slow spell of the machine meets all of
            them; the rounds are also what the intervals are drawn from. At least 2.
        percentiles: Shown in reports; each in (0, 100).
        all_same: Check first that all jobs return the same for each input.
        same: How results are compared for ``all_same``; NumPy arrays need one of their own.
        exclude_outliers: Leave out samples beyond 1.5 interquartile ranges.
        max_samples: Most samples kept of a scenario; at least 100.
        seed: Seed of the bootstrap.
    """

    warmup_s: float = 0.5
    time_s: float = 2.0
    memory_runs: int = 0
    parallel: int = 1
    rounds: int = 10
    percentiles: tuple[float, ...] = (50.0, 99.0)
    all_same: bool = False
    same: Callable[[Any, Any], bool] = operator.eq
    exclude_outliers: bool = False
    max_samples: int = 1_000_000
    seed: int = 0

    def __post_init__(self) -> None:
        limits = (
            ("warmup_s", self.warmup_s, 0.0),
            ("memory_runs", self.memory_runs, 0),
            ("parallel", self.parallel, 1),
            ("rounds", self.rounds, 2),
            ("max_samples", self.max_samples, 100),
        )
        for name, value, least in limits:
            if value < least:
                raise ValueError(f"{name} must be at least {least:g}, got {value:g}")
        if not self.time_s > 0.0:
            raise ValueError(f"time_s must be above 0, got {self.time_s:g}")
        if any(not 0.0 < p < 100.0 for p in self.percentiles):
            raise ValueError(f"percentiles must lie between 0 and 100, got {self.percentiles}")
