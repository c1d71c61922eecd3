"""Microbenchmarks: named jobs with named inputs, timed in turn, compared with an interval and a verdict."""

__all__ = ("ResultsDiffer", "Suite")

import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, TypeVar

from pulse_ai.bench.machine import this_machine
from pulse_ai.bench.suite.jobs import Hooks, Job, SuiteSettings
from pulse_ai.bench.suite.measure import Scenario, failing_by_name, measure, trace_memory
from pulse_ai.bench.suite.report import ScenarioResult, SuiteReport, compare_jobs, thinned
from pulse_ai.bench.suite.statistics import summarize, without_outliers
from pulse_ai.core import PulseError

CallT = TypeVar("CallT", bound=Callable[[Any], Any])

_NO_INPUT = ""


class ResultsDiffer(PulseError):
    """Two jobs returned different results for the same input; nothing was timed."""

    def __init__(self, *, job: str, other: str, input_name: str) -> None:
        where = f" for the input {input_name!r}" if input_name else ""
        super().__init__(
            f"{job!r} and {other!r} return different results{where}; make them agree, or pass a looser 'same'"
        )


class Suite:
    """A set of jobs to be timed against each other.

    Args:
        name: What is compared, in a few words.
        settings: How to measure.
        inputs: Values by name; each job is called with each of them. Without any, jobs are called with None.
        hooks: Done round every job.

    Example:
        >>> suite = Suite(
        ...     "membership",
        ...     SuiteSettings(time_s=0.05, warmup_s=0.0, all_same=True),
        ...     inputs={"small": range(10), "large": range(10_000)},
        ... )
        >>> @suite.job("list", hooks=Hooks(before_scenario=list))
        ... def in_list(items):
        ...     return -1 in items
        >>> @suite.job("set", hooks=Hooks(before_scenario=set))
        ... def in_set(items):
        ...     return -1 in items
        >>> report = suite.run()
        >>> [scenario.job for scenario in report.of_input("large")]
        ['set', 'list']
        >>> report.comparisons["large"][0].significant
        True
    """

    def __init__(
        self,
        name: str,
        settings: SuiteSettings | None = None,
        *,
        inputs: Mapping[str, Any] | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        self.name = name
        self.settings = settings or SuiteSettings()
        self.inputs = dict(inputs) if inputs is not None else {_NO_INPUT: None}
        self.hooks = hooks or Hooks()
        self._jobs: dict[str, Job] = {}

    def add(self, name: str, call: Callable[[Any], Any], *, hooks: Hooks | None = None) -> None:
        """Add a job.

        Args:
            name: Unique in the suite.
            call: Called with the input, or with what its hooks make of it.
            hooks: Done round this job alone.

        Raises:
            ValueError: The name is taken, or it cannot be called with one argument.
        """
        if name in self._jobs:
            raise ValueError(f"there is already a job named {name!r}")
        if not _takes_one_argument(call):
            raise ValueError(
                f"the job {name!r} must take one argument: its input, which is None where the suite has none"
            )
        self._jobs[name] = Job(name, call, hooks or Hooks())

    def job(self, name: str, *, hooks: Hooks | None = None) -> Callable[[CallT], CallT]:
        """Return a decorator that adds a function as a job."""

        def added(call: CallT) -> CallT:
            self.add(name, call, hooks=hooks)
            return call

        return added

    def run(self, *, clock: Callable[[], float] = time.perf_counter) -> SuiteReport:
        """Measure every job with every input.

        Args:
            clock: Returns seconds; another than the system's own is of use in tests.

        Raises:
            ResultsDiffer: ``all_same`` was asked for and two jobs differ.
            ValueError: There are no jobs.
            Exception: What a job or one of its hooks raised, with a note of which job it was.
        """
        if not self._jobs:
            raise ValueError(f"the suite {self.name!r} has no jobs")
        started = datetime.now(UTC).isoformat(timespec="seconds")
        by_input = {name: self._measure_input(name, value, clock) for name, value in self.inputs.items()}
        return SuiteReport(
            name=self.name,
            started=started,
            machine=this_machine(),
            settings=_in_words(self.settings),
            scenarios=tuple(scenario for scenarios in by_input.values() for scenario in scenarios),
            comparisons={
                name: compare_jobs(scenarios, seed=self.settings.seed) for name, scenarios in by_input.items()
            },
        )

    def _measure_input(self, name: str, value: Any, clock: Callable[[], float]) -> list[ScenarioResult]:
        """Measure all jobs with one input, and return the fastest first."""
        with ExitStack() as stack:
            scenarios = [self._prepare(job, name, value, stack) for job in self._jobs.values()]
            if self.settings.all_same:
                _check_same(scenarios, self.settings.same)
            timings = measure(scenarios, self.settings, clock)
            memory = [trace_memory(scenario, self.settings.memory_runs) for scenario in scenarios]
        results = [
            _result(scenario, block, rounds, peaks, self.settings)
            for scenario, (block, rounds), peaks in zip(scenarios, timings, memory, strict=True)
        ]
        return sorted(results, key=lambda result: result.time.median)

    def _prepare(self, job: Job, name: str, value: Any, stack: ExitStack) -> Scenario:
        """Run the hooks before a scenario, and leave those after it on the stack."""
        argument = value
        with failing_by_name(job, name):
            for hooks in (self.hooks, job.hooks):
                if hooks.before_scenario is not None:
                    argument = hooks.before_scenario(argument)
        for hooks in (self.hooks, job.hooks):  # the stack runs the job's first
            if hooks.after_scenario is not None:
                stack.callback(hooks.after_scenario, argument)
        return Scenario(job, name, argument, (self.hooks, job.hooks))


def _check_same(scenarios: list[Scenario], same: Callable[[Any, Any], bool]) -> None:
    first, *others = scenarios
    expected = _call(first)
    for other in others:
        if not same(expected, _call(other)):
            raise ResultsDiffer(job=first.job.name, other=other.job.name, input_name=first.input_name)


def _takes_one_argument(call: Callable[..., Any]) -> bool:
    """Tell whether a callable can be called with one argument; what does not show its parameters is believed."""
    try:
        parameters = inspect.signature(call)
    except (ValueError, TypeError):
        return True
    try:
        parameters.bind(None)
    except TypeError:
        return False
    return True


def _call(scenario: Scenario) -> Any:
    with failing_by_name(scenario.job, scenario.input_name):
        result = scenario.job.call(scenario.prepared())
        scenario.finished(result)
    return result


def _result(
    scenario: Scenario, block: int, rounds: list[list[float]], peaks: Iterable[float], settings: SuiteSettings
) -> ScenarioResult:
    samples = [sample for one in rounds for sample in one]
    kept = without_outliers(samples) if settings.exclude_outliers else samples
    bytes_used = list(peaks)
    return ScenarioResult(
        job=scenario.job.name,
        input=scenario.input_name,
        time=summarize(kept, percentiles=settings.percentiles),
        memory=summarize(bytes_used, percentiles=settings.percentiles) if bytes_used else None,
        block=block,
        rounds=tuple(thinned(one) for one in rounds),
    )


def _in_words(settings: SuiteSettings) -> dict[str, str]:
    return {
        "warm-up": f"{settings.warmup_s:g} s",
        "time": f"{settings.time_s:g} s in {settings.rounds} rounds, jobs in turn",
        "parallel": f"{settings.parallel} thread(s)",
        "memory": f"{settings.memory_runs} traced call(s)",
        "outliers": "left out" if settings.exclude_outliers else "kept",
    }
