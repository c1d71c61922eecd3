"""Two saved runs of a suite side by side, and the gate that a slower one does not pass."""

__all__ = ("RunComparison", "compare_runs")

import msgspec

from pulse_ai.bench.suite.compare import Comparison, compare
from pulse_ai.bench.suite.report import ScenarioResult, SuiteReport


class RunComparison(msgspec.Struct, frozen=True, kw_only=True):
    """How a later run compares with an earlier one.

    Attributes:
        rows: For each scenario that both have, the later with the earlier, by its name.
        missing: Scenarios that only the earlier run has.
        added: Scenarios that only the later run has.
        same_machine: Whether both were taken on the same processor, cores and Python.
        gate: The share by which a scenario may be slower; None where there is no gate.
        regressions: Names of the scenarios that do not pass the gate.
    """

    rows: dict[str, Comparison]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    same_machine: bool
    gate: float | None
    regressions: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing is slower than the gate allows, and nothing that was measured is gone."""
        return not self.regressions and (self.gate is None or not self.missing)


def compare_runs(earlier: SuiteReport, later: SuiteReport, *, gate: float | None = None) -> RunComparison:
    """Compare two runs, scenario by scenario.

    Args:
        earlier: What is compared with.
        later: What is judged.
        gate: A scenario fails when it is slower by more than this share (0.05 is 5 %) and the interval of its
            ratio leaves out 1. Not negative.

    Raises:
        ValueError: The gate is negative.
    """
    if gate is not None and not gate >= 0.0:
        raise ValueError(f"a gate must not be negative, got {gate:g}")
    before, after = _by_name(earlier), _by_name(later)
    rows = {
        name: compare(after[name].rounds, before[name].rounds, names=("later", "earlier"), paired=False)
        for name in before
        if name in after
    }
    return RunComparison(
        rows=rows,
        missing=tuple(name for name in before if name not in after),
        added=tuple(name for name in after if name not in before),
        same_machine=_place(earlier) == _place(later),
        gate=gate,
        regressions=tuple(name for name, row in rows.items() if gate is not None and row.regressed(gate)),
    )


def _by_name(report: SuiteReport) -> dict[str, ScenarioResult]:
    return {f"{s.job}, {s.input}" if s.input else s.job: s for s in report.scenarios}


def _place(report: SuiteReport) -> tuple[str, int, str]:
    return report.machine.processor, report.machine.cores, report.machine.python
