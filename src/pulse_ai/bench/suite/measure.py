"""The shell that times: it reads the clock and calls the jobs, and decides nothing about the figures."""

__all__ = ("Scenario", "failing_by_name", "measure", "trace_memory")

import gc
import math
import threading
import tracemalloc
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pulse_ai.bench.suite.jobs import Hooks, Job, SuiteSettings

Clock = Callable[[], float]

_SHORTEST_SAMPLE_S = 20e-6  # reading the clock costs about 0.05 us: 0.3 % of this
_MOST_CALLS = 1_000_000


@contextmanager
def failing_by_name(job: Job, input_name: str) -> Generator[None]:
    """Add a note to what a job or its hooks raise: which job it was, and with which input."""
    try:
        yield
    except Exception as error:
        where = f" with the input {input_name!r}" if input_name else ""
        error.add_note(f"raised by the job {job.name!r}{where}")
        raise


@dataclass(frozen=True, slots=True)
class Scenario:
    """A job with an input that is ready to be called.

    Attributes:
        job: The job.
        input_name: Name of its input.
        argument: The input, after the hooks before the scenario.
        hooks: The hooks of the suite and of the job, in the order in which they nest.
    """

    job: Job
    input_name: str
    argument: Any
    hooks: tuple[Hooks, ...]

    @property
    def per_call(self) -> bool:
        """Whether hooks run round each call."""
        return any(hooks.per_call for hooks in self.hooks)

    def prepared(self) -> Any:
        """Return the argument of one call."""
        argument = self.argument
        for hooks in self.hooks:
            if hooks.before_each is not None:
                argument = hooks.before_each(argument)
        return argument

    def finished(self, result: Any) -> None:
        """Run the hooks after one call, the job's first."""
        for hooks in reversed(self.hooks):
            if hooks.after_each is not None:
                hooks.after_each(result)


def measure(
    scenarios: list[Scenario], settings: SuiteSettings, clock: Clock
) -> list[tuple[int, list[list[float]]]]:
    """Time scenarios in turn, round by round.

    Args:
        scenarios: Ready to be called.
        settings: How long and how often.
        clock: Returns seconds; never goes back.

    Returns:
        For each scenario the calls in one sample, and by round the seconds of one call in each sample.
    """
    blocks: list[int] = []
    for scenario in scenarios:
        with failing_by_name(scenario.job, scenario.input_name):
            blocks.append(_warm_up(scenario, settings, clock))
    results: list[list[list[float]]] = [[] for _ in scenarios]
    for _ in range(settings.rounds):
        for scenario, block, rounds in zip(scenarios, blocks, results, strict=True):
            gc.collect()
            with failing_by_name(scenario.job, scenario.input_name):
                rounds.append(_in_parallel(scenario, block, settings, clock))
    return list(zip(blocks, results, strict=True))


def _warm_up(scenario: Scenario, settings: SuiteSettings, clock: Clock) -> int:
    """Run a scenario for its warm-up, and return how many calls make a sample that can be timed."""
    seconds = _sample(scenario, 1, clock)
    end_s = clock() + settings.warmup_s
    while clock() < end_s:
        seconds = min(seconds, _sample(scenario, 1, clock))
    if scenario.per_call or seconds >= _SHORTEST_SAMPLE_S:
        return 1
    return min(_MOST_CALLS, math.ceil(_SHORTEST_SAMPLE_S / max(seconds, 1e-9)))


def _in_parallel(scenario: Scenario, block: int, settings: SuiteSettings, clock: Clock) -> list[float]:
    """Take the samples of one round, on as many threads as asked for."""
    if settings.parallel == 1:
        return _round(scenario, block, settings, clock)
    together = threading.Barrier(settings.parallel)

    def one() -> list[float]:
        together.wait()
        return _round(scenario, block, settings, clock)

    with ThreadPoolExecutor(settings.parallel) as pool:
        futures = [pool.submit(one) for _ in range(settings.parallel)]
        return [sample for future in futures for sample in future.result()]


def _round(scenario: Scenario, block: int, settings: SuiteSettings, clock: Clock) -> list[float]:
    most = max(1, settings.max_samples // (settings.rounds * settings.parallel))
    end_s = clock() + settings.time_s / settings.rounds
    samples = [_sample(scenario, block, clock)]
    while clock() < end_s and len(samples) < most:
        samples.append(_sample(scenario, block, clock))
    return samples


def _sample(scenario: Scenario, block: int, clock: Clock) -> float:
    """Return the seconds of one call, as the mean of a block of calls."""
    call = scenario.job.call
    if block == 1:
        argument = scenario.prepared()
        start_s = clock()
        result = call(argument)
        end_s = clock()
        scenario.finished(result)
        return end_s - start_s
    argument = scenario.argument
    calls = range(block)
    start_s = clock()
    for _ in calls:
        call(argument)
    return (clock() - start_s) / block


def trace_memory(scenario: Scenario, runs: int) -> list[float]:
    """Return the peak of memory during each of some calls, in bytes above what was held before.

    What Python's allocators and NumPy hand out is seen; what native code takes by itself is not.
    """
    peaks: list[float] = []
    tracemalloc.start()
    try:
        with failing_by_name(scenario.job, scenario.input_name):
            for _ in range(runs):
                argument = scenario.prepared()
                gc.collect()
                tracemalloc.reset_peak()
                before, _ = tracemalloc.get_traced_memory()
                result = scenario.job.call(argument)
                peaks.append(float(max(0, tracemalloc.get_traced_memory()[1] - before)))
                scenario.finished(result)
    finally:
        tracemalloc.stop()
    return peaks
