"""A proof as plain text."""

__all__ = ("notes", "to_text", "warnings")

from pulse_ai.bench.proof.report import ProofReport
from pulse_ai.bench.proof.tables import FACT_HEAD, STEP_HEAD, fact_rows, step_rows
from pulse_ai.bench.text import columns


def to_text(report: ProofReport) -> str:
    """Return the whole report."""
    parts = [
        report.title,
        columns(FACT_HEAD, fact_rows(report)),
        *(
            f"batch size {side.batch_size}\n" + columns(STEP_HEAD, step_rows(side))
            for side in (report.single, report.batched)
        ),
        "\n".join([*notes(report), *warnings(report)]),
        "\n".join(("yes " if judged.holds else "no  ") + judged.text for judged in report.verdicts),
    ]
    return "\n\n".join(parts)


def notes(report: ProofReport) -> list[str]:
    """Return what a reader must know to read the figures rightly."""
    lines = [
        "load is a share of the batching service's capacity; times are milliseconds from the planned instant",
        "queue is how full it was on average, full how full at most",
    ]
    if any(point.limited for side in (report.single, report.batched) for point in side.points):
        lines.append(
            "* not judged: the generator was the bottleneck, and latencies are too high by its delay"
        )
    reached = max(point.share for point in report.batched.points)
    if reached < 0.999 * report.ladder[-1]:
        lines.append(f"the generator offers at most {report.plan['highest rate']}: {reached:.0%} was reached")
    return lines


def warnings(report: ProofReport) -> list[str]:
    """Return why the figures may not be those of the service."""
    cores = report.machine.cores
    if report.load_before < 0.25 * cores:
        return []
    return [
        f"the machine was not quiet: load average {report.load_before:.1f} on {cores} core(s) before it began"
    ]
