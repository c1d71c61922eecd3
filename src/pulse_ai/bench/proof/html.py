"""A proof as one self-contained HTML page, to be shown around."""

__all__ = ("to_html",)

import math
from collections.abc import Callable

from pulse_ai.bench.charts import Axis, Bar, Mark, Series, bar_chart, line_chart
from pulse_ai.bench.page import facts, page, paragraph, section, table, verdict
from pulse_ai.bench.proof.report import Point, ProofReport, Side, Trace
from pulse_ai.bench.proof.tables import FACT_HEAD, STEP_HEAD, fact_rows, step_rows
from pulse_ai.bench.proof.text import notes
from pulse_ai.bench.text import per_second

_OFFERED = Axis("offered, requests a second", log=True)

Pick = Callable[[Point], float]


def to_html(report: ProofReport) -> str:
    """Return the page."""
    held = sum(judged.holds for judged in report.verdicts)
    parts = [
        paragraph(f"{report.title}. {held} of {len(report.verdicts)} claims hold on this machine."),
        *(verdict(judged.text, holds=judged.holds) for judged in report.verdicts),
        section("What batching is worth", _batching(report)),
        section("What overload does", _overload(report)),
        section("What a worker's death does", _death(report.trace)),
        section("Every step", _steps(report)),
        section("How it was measured", _how(report)),
    ]
    return page("Pulse: the overload proof", parts)


def _batching(report: ProofReport) -> list[str]:
    sides = (report.single, report.batched)
    bars = [Bar(_name(side), side.capacity_per_s) for side in sides]
    lines = [
        Series(f"{name}, {_name(side)}", _curve(side, pick))
        for side in sides
        for name, pick in (("p50", _p50), ("p99", _p99))
    ]
    return [
        bar_chart("Capacity: answers a second, closed loop", bars, unit="answers a second"),
        line_chart("Latency of answers against offered load", lines, x=_OFFERED, y=Axis("ms", log=True)),
    ]


def _overload(report: ProofReport) -> list[str]:
    sides = (report.single, report.batched)
    capacity = [Mark("x", report.batched.capacity_per_s, "capacity with batching")]
    good = [Series(_name(side), _curve(side, _good)) for side in sides]
    most = max(point.section.good_per_s for side in sides for point in side.points)
    ideal = [(p.rate, p.rate) for p in report.batched.points if p.rate <= 1.15 * most]
    refused = [Series(_name(side), _curve(side, _refused)) for side in sides]
    queue = [
        Series(f"{how}, batch {side.batch_size}", _curve(side, pick))
        for side in sides
        for how, pick in (("mean", _queue), ("most", _queue_most))
    ]
    return [
        line_chart(
            "Goodput: answers in time, against offered load",
            [*good, Series("all of them", ideal, dashed=True)],
            x=_OFFERED,
            y=Axis("a second"),
            marks=capacity,
        ),
        line_chart(
            "Refused with 429", refused, x=_OFFERED, y=Axis("% of requests", high=100.0), marks=capacity
        ),
        line_chart("How full the queue is", queue, x=_OFFERED, y=Axis("% of its places"), marks=capacity),
    ]


def _name(side: Side) -> str:
    return f"batch size {side.batch_size}"


def _curve(side: Side, pick: Pick) -> list[tuple[float, float]]:
    return [(point.rate, pick(point)) for point in side.points]


def _good(point: Point) -> float:
    return point.section.good_per_s


def _refused(point: Point) -> float:
    return point.refused_share * 100.0


def _queue(point: Point) -> float:
    return point.queue_mean * 100.0


def _queue_most(point: Point) -> float:
    return point.queue_max * 100.0


def _p50(point: Point) -> float:
    return point.section.latency.p50_s * 1e3 if point.section.latency else math.nan


def _p99(point: Point) -> float:
    return point.section.latency.p99_s * 1e3 if point.section.latency else math.nan


def _death(trace: Trace) -> list[str]:
    marks = [Mark("x", at_s, "SIGKILL") for at_s in trace.kills_at_s]
    seconds = Axis("seconds")
    came = [
        Series("answers 200", [(w.at_s, w.came) for w in trace.windows]),
        Series("not 200, by when due", [(w.at_s, w.refused + w.errors) for w in trace.windows]),
    ]
    slowest = [
        Series("slowest", [(w.at_s, math.nan if w.max_s is None else w.max_s * 1e3) for w in trace.windows]),
        Series("p50", [(w.at_s, math.nan if w.p50_s is None else w.p50_s * 1e3) for w in trace.windows]),
    ]
    workers = [Series("workers ready", [(g.at_s, g.ready) for g in trace.gauges])]
    width_ms = f"{trace.window_s * 1e3:g} ms"
    return [
        paragraph(
            f"{trace.workers} workers at {per_second(trace.rate)}; one of them is killed with SIGKILL, "
            f"{len(trace.kills_at_s)} times. {trace.section.good:,} of {trace.section.offered:,} requests were "
            f"answered in time, {trace.section.unanswered} went unanswered."
        ),
        line_chart(f"Answers in each {width_ms}", came, x=seconds, y=Axis(f"in {width_ms}"), marks=marks),
        line_chart(
            "Latency by the instant it was due", slowest, x=seconds, y=Axis("ms", log=True), marks=marks
        ),
        line_chart("Workers that can serve", workers, x=seconds, y=Axis("workers"), marks=marks),
    ]


def _steps(report: ProofReport) -> list[str]:
    return [
        table(FACT_HEAD, fact_rows(report)),
        *(
            part
            for side in (report.batched, report.single)
            for part in (paragraph(f"Batch size {side.batch_size}"), table(STEP_HEAD, step_rows(side)))
        ),
        *map(paragraph, notes(report)),
    ]


def _how(report: ProofReport) -> list[str]:
    return [
        facts(
            {
                "command": report.command,
                "started": report.started,
                **report.plan,
                "machine": report.machine.line(),
                "load average before": f"{report.load_before:.1f}",
                "versions": ", ".join(f"{name} {given}" for name, given in report.versions.items()),
            }
        ),
        paragraph(
            "Open loop: requests are due at planned instants whether or not earlier ones were answered, and "
            "latency counts from there. The generator runs on the service's machine and takes its share of it."
        ),
    ]
