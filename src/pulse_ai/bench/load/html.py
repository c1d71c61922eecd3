"""A load report as one self-contained HTML page."""

__all__ = ("to_html",)

import math
from collections.abc import Callable

from pulse_ai.bench.charts import Axis, Mark, Series, line_chart
from pulse_ai.bench.load.report import LoadReport, Quantiles, Section
from pulse_ai.bench.load.tables import (
    COUNT_HEAD,
    LATENCY_HEAD,
    STATUS_HEAD,
    count_rows,
    latency_rows,
    status_rows,
)
from pulse_ai.bench.load.text import notes
from pulse_ai.bench.page import facts, page, paragraph, section, table, verdict

_SHARES = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999)


def to_html(report: LoadReport) -> str:
    """Return the page."""
    parts = [
        *(verdict(judged.text, holds=judged.holds) for judged in report.verdicts),
        section("What was sent", [facts({"url": report.url, "started": report.started, **report.plan})]),
        section("Steps", [table(COUNT_HEAD, count_rows(report)), *_step_charts(report)]),
        section("Over time", [_traffic(report), _latency_over_time(report)]),
        section(
            "Latency",
            [table(LATENCY_HEAD, latency_rows(report)), _percentiles(report), *map(paragraph, notes(report))],
        ),
        section("By status", [table(STATUS_HEAD, status_rows(report))]),
        section("Measured on", [paragraph(report.machine.line())]),
    ]
    return page(f"Load on {report.url}", parts)


def _step_charts(report: LoadReport) -> list[str]:
    """Return goodput and latency against the offered rate; a curve needs at least two steps."""
    steps = [step for step in report.steps if step.offered and step.label != "max"]
    if len(steps) < 2:
        return []
    offered = Axis("offered, requests a second")
    goodput = [
        Series("good", [(s.offered_per_s, s.good_per_s) for s in steps]),
        Series("refused", [(s.offered_per_s, s.refused / s.duration_s) for s in steps]),
        Series("errors", [(s.offered_per_s, s.errors / s.duration_s) for s in steps]),
    ]
    latency = [
        Series(name, [(s.offered_per_s, _ms(s, pick)) for s in steps])
        for name, pick in (("p50", _p50), ("p95", _p95), ("p99", _p99))
    ]
    return [
        line_chart("Goodput against offered load", goodput, x=offered, y=Axis("a second")),
        line_chart(
            "Latency against offered load", latency, x=offered, y=Axis("ms", log=True), marks=_limit(report)
        ),
    ]


def _p50(q: Quantiles) -> float:
    return q.p50_s


def _p95(q: Quantiles) -> float:
    return q.p95_s


def _p99(q: Quantiles) -> float:
    return q.p99_s


def _ms(step: Section, pick: Callable[[Quantiles], float]) -> float:
    return pick(step.latency) * 1e3 if step.latency else math.nan


def _limit(report: LoadReport) -> list[Mark]:
    return [] if report.within_s is None else [Mark("y", report.within_s * 1e3, "limit of a good answer")]


def _traffic(report: LoadReport) -> str:
    width_s = report.window_s
    lines = [
        Series(name, [(w.at_s, getattr(w, name) / width_s) for w in report.windows], dashed=name == "offered")
        for name in ("good", "refused", "errors", "offered")
    ]
    return line_chart("Requests by the instant they were due", lines, x=Axis("s"), y=Axis("a second"))


def _latency_over_time(report: LoadReport) -> str:
    lines = [
        Series(name, [(w.at_s, _or_gap(getattr(w, field))) for w in report.windows])
        for name, field in (("p50", "p50_s"), ("p99", "p99_s"), ("max", "max_s"))
    ]
    return line_chart(
        "Latency by the instant it was due", lines, x=Axis("s"), y=Axis("ms", log=True), marks=_limit(report)
    )


def _or_gap(seconds: float | None) -> float:
    return math.nan if seconds is None else seconds * 1e3


def _percentiles(report: LoadReport) -> str:
    """Return latency against the share that it is worse than, as HDR histograms are shown."""
    lines = [
        Series(f"{step.label} {what}", [(1.0 / (1.0 - share), ms) for share, ms in _points(quantiles)])
        for step in report.steps
        for what, quantiles in (("from planned", step.latency), ("from sent", step.service))
        if quantiles is not None and (what == "from planned" or len(report.steps) == 1)
    ]
    x = Axis("one request in so many is slower", log=True)
    return line_chart("Latency by percentile", lines, x=x, y=Axis("ms", log=True), marks=_limit(report))


def _points(q: Quantiles) -> list[tuple[float, float]]:
    values = (q.min_s, q.p50_s, q.p90_s, q.p95_s, q.p99_s, q.p999_s)
    return [(share, value * 1e3) for share, value in zip(_SHARES, values, strict=True)]
