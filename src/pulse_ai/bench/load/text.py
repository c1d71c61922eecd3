"""A load report as plain text, for files and logs; the cli draws the same tables in colour."""

__all__ = ("notes", "to_text")

from pulse_ai.bench.load.report import LoadReport, Section
from pulse_ai.bench.load.tables import (
    COUNT_HEAD,
    LATENCY_HEAD,
    STATUS_HEAD,
    count_rows,
    latency_rows,
    status_rows,
)
from pulse_ai.bench.text import columns, duration


def to_text(report: LoadReport) -> str:
    """Return the report in words and columns."""
    verdicts = [f"{'yes' if v.holds else 'NO '}  {v.text}" for v in report.verdicts]
    plan = "; ".join(f"{name} {value}" for name, value in report.plan.items())
    parts = [
        f"{report.url}\n{plan}",
        columns(COUNT_HEAD, count_rows(report)),
        columns(LATENCY_HEAD, latency_rows(report)),
        columns(STATUS_HEAD, status_rows(report)),
        "\n".join(notes(report)),
        "\n".join(verdicts),
    ]
    return "\n\n".join(parts) + "\n"


def notes(report: LoadReport) -> list[str]:
    """Return what must be said beside the figures, one sentence each."""
    said = ["latency counts from the planned instant; refusals are 429 and 503, and left out of it"]
    said.append(report.generator.text)
    if report.total is not None:
        said.extend(_about_waiting(report.total))
        said.extend(_about_omission(report.total))
    if report.stopped:
        said.append("the run was stopped before its plan was done")
    return said


def _about_waiting(total: Section) -> list[str]:
    """Say when requests waited: the wait is real, but a higher bound may be wanted."""
    if total.wait is None or total.wait.p99_s < 0.001:
        return []
    waited = f"requests waited {duration(total.wait.p99_s)} at p99 for a free connection"
    return [f"{waited}: the service was behind, or --connections is too low for this rate"]


def _about_omission(total: Section) -> list[str]:
    """Say what a tool that counts from sending would have shown, where that differs."""
    if total.service is None or total.latency is None or total.service.p99_s > 0.9 * total.latency.p99_s:
        return []
    hidden, true = duration(total.service.p99_s), duration(total.latency.p99_s)
    return [f"counted from sending, as a closed loop does, p99 would have been {hidden} and not {true}"]
