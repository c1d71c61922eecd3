"""The tables of a load report, as head and rows, for whoever draws them."""

__all__ = ("COUNT_HEAD", "LATENCY_HEAD", "STATUS_HEAD", "count_rows", "latency_rows", "status_rows")

from pulse_ai.bench.load.report import LoadReport, Quantiles, Section
from pulse_ai.bench.text import duration, per_second

_SHARES = ("p50", "p90", "p95", "p99", "p99.9", "max")
COUNT_HEAD = (
    "rate", "offered", "sent", "answered", "good", "goodput", "late", "refused", "errors", "unanswered",
)  # fmt: skip
LATENCY_HEAD = ("rate", *_SHARES)
STATUS_HEAD = ("outcome", "requests", *_SHARES)


def count_rows(report: LoadReport) -> list[tuple[str, ...]]:
    """Return what became of the requests of each step, and of all where there are several."""
    return [_count_row(section) for section in _sections(report)]


def latency_rows(report: LoadReport) -> list[tuple[str, ...]]:
    """Return the latency of each step, and of all where there are several."""
    return [(_name(section), *_quantile_cells(section.latency)) for section in _sections(report)]


def status_rows(report: LoadReport) -> list[tuple[str, ...]]:
    """Return a row for each outcome."""
    rows = report.total.by_status if report.total else ()
    return [(row.outcome, f"{row.count:,}", *_quantile_cells(row.latency)) for row in rows]


def _sections(report: LoadReport) -> tuple[Section, ...]:
    return report.steps if report.total is None or len(report.steps) == 1 else (*report.steps, report.total)


def _name(section: Section) -> str:
    return section.label if section.label in ("all", "max") else f"{section.label}/s"


def _count_row(section: Section) -> tuple[str, ...]:
    return (
        _name(section),
        *(f"{n:,}" for n in (section.offered, section.sent, section.answered, section.good)),
        per_second(section.good_per_s),
        *(f"{n:,}" for n in (section.late, section.refused, section.errors, section.unanswered)),
    )


def _quantile_cells(q: Quantiles | None) -> tuple[str, ...]:
    values = (q.p50_s, q.p90_s, q.p95_s, q.p99_s, q.p999_s, q.max_s) if q else (None,) * 6
    return tuple(duration(value) for value in values)
