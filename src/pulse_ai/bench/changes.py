"""Two saved reports of a load or of a proof side by side, and the gate that a worse one does not pass.

A suite of microbenchmarks has rounds, and so an interval for each ratio (``suite/history.py``). A load was run
once: nothing in it tells how much the next run would differ by chance. So what stands here are plain ratios,
and the gate must be wider than what two runs of the same service differ by on that machine.
"""

__all__ = ("Change", "Changes", "Saved", "compare_reports", "read_saved")

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from pulse_ai.bench.load.report import LoadReport, Section
from pulse_ai.bench.machine import Machine
from pulse_ai.bench.proof.report import Point, ProofReport
from pulse_ai.bench.suite.report import SuiteReport

Saved = SuiteReport | LoadReport | ProofReport
"""A report that ``pulse bench`` writes with ``--json``."""

Unit = Literal["s", "/s", "share"]

_FORMAT = 1
_SHARE = 0.001  # how much larger a share of requests must be to count as larger


class _Figure(msgspec.Struct, frozen=True):
    """One figure of a report; a rate is the better the higher, a time or a share of failures the lower."""

    value: float
    unit: Unit


class Change(msgspec.Struct, frozen=True):
    """One figure in both reports.

    Attributes:
        name: The step, and what was measured of it.
        unit: ``s``, ``/s`` or ``share``.
        earlier: Its value before.
        later: Its value after.
    """

    name: str
    unit: Unit
    earlier: float
    later: float

    @property
    def ratio(self) -> float:
        """The later over the earlier; NaN where the earlier is 0."""
        return self.later / self.earlier if self.earlier else math.nan

    def regressed(self, gate: float) -> bool:
        """Tell whether it is worse by more than a share (0.05 is 5 %).

        A share of requests is worse when it grew by more than a thousandth of all requests.

        Example:
            >>> Change("p99", "s", 0.10, 0.12).regressed(0.1), Change("goodput", "/s", 100.0, 95.0).regressed(0.1)
            (True, False)
            >>> Change("errors", "share", 0.0, 0.01).regressed(0.1)
            True
        """
        if self.unit == "share":
            return self.later > self.earlier + _SHARE
        if self.unit == "/s":
            return self.later < self.earlier * (1.0 - gate)
        return self.later > self.earlier * (1.0 + gate)


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """How a later report compares with an earlier one.

    Attributes:
        rows: For each figure that both have.
        missing: Figures that only the earlier one has, or that the generator spoilt in the later one.
        added: Figures that only the later one has.
        same_machine: Whether both were taken on the same processor, cores and Python.
        gate: The share by which a figure may be worse; None where there is no gate.
        regressions: Names of the figures that do not pass the gate.
    """

    rows: tuple[Change, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    same_machine: bool
    gate: float | None
    regressions: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing is worse than the gate allows, nothing that was measured is gone, and something was."""
        return self.gate is None or (bool(self.rows) and not self.regressions and not self.missing)


def read_saved(path: Path) -> Saved:
    """Read a report that ``pulse bench`` wrote with ``--json``, of whichever kind it is.

    Raises:
        ValueError: The file is no such report, or was written by a later version.
    """
    try:
        report = msgspec.json.decode(path.read_bytes(), type=Saved)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path} is not a report that pulse bench wrote with --json: {error}") from error
    if report.format > _FORMAT:
        raise ValueError(
            f"{path} has format {report.format}, and this version reads up to {_FORMAT}; update Pulse"
        )
    return report


def compare_reports(
    earlier: LoadReport | ProofReport, later: LoadReport | ProofReport, *, gate: float | None = None
) -> Changes:
    """Compare two reports of the same kind, figure by figure.

    Steps are told apart by their rates in a load, and by their shares of capacity in a proof; the one that ends
    at the highest rate that is offered is whatever share that is.

    Args:
        earlier: What is compared with.
        later: What is judged.
        gate: A figure fails when it is worse by more than this share (0.05 is 5 %). Not negative.

    Raises:
        ValueError: They are of two kinds, or the gate is negative.
    """
    if type(earlier) is not type(later):
        raise ValueError("a load compares with a load, and a proof with a proof")
    if gate is not None and not gate >= 0.0:
        raise ValueError(f"a gate must not be negative, got {gate:g}")
    before, after = _figures(earlier), _figures(later)
    rows = tuple(
        Change(name, figure.unit, figure.value, after[name].value)
        for name, figure in before.items()
        if name in after
    )
    return Changes(
        rows=rows,
        missing=tuple(name for name in before if name not in after),
        added=tuple(name for name in after if name not in before),
        same_machine=_place(earlier.machine) == _place(later.machine),
        gate=gate,
        regressions=tuple(row.name for row in rows if gate is not None and row.regressed(gate)),
    )


def _figures(report: LoadReport | ProofReport) -> dict[str, _Figure]:
    if isinstance(report, ProofReport):
        return dict(_of_proof(report))
    steps = () if report.generator.limited else report.steps
    return {
        f"{step}: {name}": figure
        for step, section in zip(_step_names(steps), steps, strict=True)
        for name, figure in _of_section(section)
    }


def _step_names(steps: Sequence[Section]) -> list[str]:
    """Name steps by their rates; one whose rate came before is told apart by which time it is."""
    labels = [section.label for section in steps]
    times = [labels[: place + 1].count(label) for place, label in enumerate(labels)]
    return [
        f"{label}/s" + (f" ({time})" if time > 1 else "") for label, time in zip(labels, times, strict=True)
    ]


def _of_proof(report: ProofReport) -> Iterator[tuple[str, _Figure]]:
    for side in (report.single, report.batched):
        name = f"batch size {side.batch_size}"
        yield f"{name}: capacity", _Figure(side.capacity_per_s, "/s")
        for point in side.points:
            if point.limited is None:
                for what, figure in _of_section(point.section):
                    yield f"{name}, {_load(point, report.ladder)}: {what}", figure
    for what, figure in _of_section(report.trace.section):
        yield f"workers killed: {what}", figure


def _load(point: Point, ladder: Sequence[float]) -> str:
    """Name the load of a step: its share of capacity, or that the generator could offer no more."""
    asked = any(math.isclose(point.share, share) for share in ladder)
    return f"{point.share:.0%}" if asked else "the highest rate"


def _of_section(section: Section) -> Iterator[tuple[str, _Figure]]:
    yield "goodput", _Figure(section.good_per_s, "/s")
    if section.latency is not None:
        yield "p50", _Figure(section.latency.p50_s, "s")
        yield "p99", _Figure(section.latency.p99_s, "s")
    yield "errors", _Figure(section.errors / max(section.offered, 1), "share")


def _place(machine: Machine) -> tuple[str, int, str]:
    return machine.processor, machine.cores, machine.python
