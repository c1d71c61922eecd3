"""What a suite found: frozen values that can be saved, read again and compared."""

__all__ = ("ScenarioResult", "SuiteReport", "compare_jobs", "read_report", "save_report", "thinned")

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from pulse_ai.bench.machine import Machine
from pulse_ai.bench.suite.compare import Comparison, compare
from pulse_ai.bench.suite.statistics import Statistics

FORMAT = 1
_KEPT_OF_A_ROUND = 100


class ScenarioResult(msgspec.Struct, frozen=True, kw_only=True):
    """One job with one input.

    Attributes:
        job: The job's name.
        input: The input's name; empty where the suite has none.
        time: Seconds of one call.
        memory: Bytes of one call at its peak, above what was there before; None where not traced.
        block: How many calls were timed together as one sample, because one alone is too short to time.
        rounds: Samples by round, thinned to what comparisons need.
    """

    job: str
    input: str
    time: Statistics
    memory: Statistics | None
    block: int
    rounds: tuple[tuple[float, ...], ...]


class SuiteReport(msgspec.Struct, frozen=True, kw_only=True, tag="suite", tag_field="kind"):
    """A run of a suite.

    Attributes:
        name: The suite's name.
        started: When, as an ISO 8601 instant in UTC.
        machine: Where.
        settings: How it was measured, by name.
        scenarios: By input in the order given, and within each the fastest first.
        comparisons: For each input, each other job with the fastest.
        format: Version of this form; a reader refuses a newer one.
    """

    name: str
    started: str
    machine: Machine
    settings: dict[str, str]
    scenarios: tuple[ScenarioResult, ...]
    comparisons: dict[str, tuple[Comparison, ...]]
    format: int = FORMAT

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(dict.fromkeys(scenario.input for scenario in self.scenarios))

    def of_input(self, name: str) -> tuple[ScenarioResult, ...]:
        """Return the scenarios of one input, the fastest first."""
        return tuple(scenario for scenario in self.scenarios if scenario.input == name)


def thinned(samples: Sequence[float], *, most: int = _KEPT_OF_A_ROUND) -> tuple[float, ...]:
    """Return at most so many samples with the same distribution: evenly spaced by size, to six figures.

    Example:
        >>> thinned([4.0, 1.0, 3.0, 2.0, 5.0], most=3)
        (1.0, 3.0, 5.0)
    """
    ordered = np.sort(np.asarray(samples, np.float64))
    if ordered.size > most:
        ordered = ordered[np.linspace(0, ordered.size - 1, most).round().astype(np.int64)]
    return tuple(float(f"{sample:.6g}") for sample in ordered.tolist())


def compare_jobs(scenarios: Sequence[ScenarioResult], *, seed: int) -> tuple[Comparison, ...]:
    """Return how each scenario of one input compares with the first; they were measured in turn."""
    return tuple(
        compare(
            other.rounds, scenarios[0].rounds, names=(other.job, scenarios[0].job), paired=True, seed=seed
        )
        for other in scenarios[1:]
    )


def save_report(report: SuiteReport, path: Path) -> None:
    """Write a report as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))


def read_report(path: Path) -> SuiteReport:
    """Read a report that was saved.

    Raises:
        ValueError: The file is no report of a suite, or was written by a later version.
    """
    try:
        report = msgspec.json.decode(path.read_bytes(), type=SuiteReport)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path} is not a saved suite: {error}") from error
    if report.format > FORMAT:
        raise ValueError(
            f"{path} has format {report.format}, and this version reads up to {FORMAT}; update Pulse"
        )
    return report
