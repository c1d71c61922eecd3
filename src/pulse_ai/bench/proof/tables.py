"""The tables of a proof as cells, for text and HTML alike."""

__all__ = ("FACT_HEAD", "STEP_HEAD", "fact_rows", "step_rows")

from pulse_ai.bench.proof.report import Point, ProofReport, Side
from pulse_ai.bench.text import duration, figures, per_second

STEP_HEAD = ("load", "offered", "goodput", "429", "late", "p50", "p95", "p99", "429 p99", "queue", "full")
FACT_HEAD = ("service", "capacity", "ready after", "started with")


def step_rows(side: Side) -> list[list[str]]:
    """Return a row for each step of a service."""
    return [_row(point) for point in side.points]


def _row(point: Point) -> list[str]:
    section, latency = point.section, point.section.latency
    times = [_ms(x) for x in (latency.p50_s, latency.p95_s, latency.p99_s)] if latency else ["-"] * 3
    return [
        f"{point.share:.0%}" + (" *" if point.limited else ""),
        per_second(section.offered_per_s),
        per_second(section.good_per_s),
        f"{point.refused_share:.1%}",
        f"{section.late:,}",
        *times,
        _ms(point.refusal_p99_s),
        f"{point.queue_mean:.0%}",
        f"{point.queue_max:.0%}",
    ]


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else figures(seconds * 1e3, 3)


def fact_rows(report: ProofReport) -> list[list[str]]:
    """Return a row for each of the two services."""
    return [
        [
            f"batch size {side.batch_size}",
            per_second(side.capacity_per_s),
            duration(side.started_s),
            side.command,
        ]
        for side in (report.single, report.batched)
    ]
