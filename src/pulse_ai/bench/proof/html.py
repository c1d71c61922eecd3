"""A proof as one self-contained HTML page, to be shown around."""

__all__ = ("to_html",)

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from pulse_ai.bench.charts import Axis, Bar, Mark, Series, bar_chart, line_chart
from pulse_ai.bench.load.report import Window
from pulse_ai.bench.page import facts, page, paragraph, section, table, verdict
from pulse_ai.bench.proof.report import Point, ProofReport, Side, Trace
from pulse_ai.bench.proof.tables import FACT_HEAD, STEP_HEAD, fact_rows, step_rows
from pulse_ai.bench.proof.text import notes, warnings
from pulse_ai.bench.text import per_second

_OFFERED = Axis("offered, requests a second", log=True)
_LEAST_DRAWN = 20  # requests in a point of the trace: fewer are mostly chance

Pick = Callable[[Point], float]


def to_html(report: ProofReport) -> str:
    """Return the page."""
    held = sum(judged.holds for judged in report.verdicts)
    parts = [
        paragraph(f"{report.title}. {held} of {len(report.verdicts)} claims hold on this machine."),
        *map(paragraph, warnings(report)),
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
    spans, span_s = _spans(trace)
    came = [
        Series("answers 200", [(span[0].at_s, sum(w.came for w in span)) for span in spans]),
        Series(
            "not 200, by when due",
            [(span[0].at_s, sum(w.refused + w.errors for w in span)) for span in spans],
        ),
    ]
    times = [
        Series("slowest", [(span[0].at_s, _of(max, [w.max_s for w in span])) for span in spans]),
        Series("typical", [(span[0].at_s, _of(median, [w.p50_s for w in span])) for span in spans]),
    ]
    workers = [Series("workers ready", list(_stairs([(g.at_s, g.ready) for g in trace.gauges])))]
    width_ms = f"{span_s * 1e3:g} ms"
    return [
        paragraph(
            f"{trace.workers} workers at {per_second(trace.rate)}; one of them is killed with SIGKILL, "
            f"{len(trace.kills_at_s)} times. {trace.section.good:,} of {trace.section.offered:,} requests were "
            f"answered in time, {trace.section.unanswered} went unanswered."
        ),
        line_chart(f"Answers in each {width_ms}", came, x=seconds, y=Axis(f"in {width_ms}"), marks=marks),
        line_chart(
            "Latency by the instant it was due", times, x=seconds, y=Axis("ms", log=True), marks=marks
        ),
        line_chart("Workers that can serve", workers, x=seconds, y=Axis("workers"), marks=marks),
    ]


def _spans(trace: Trace) -> tuple[list[Sequence[Window]], float]:
    """Return the windows in groups that hold enough requests to draw, and how long each is, in seconds."""
    many = max(1, math.ceil(_LEAST_DRAWN / (trace.rate * trace.window_s)))
    starts = range(0, len(trace.windows), many)
    return [trace.windows[start : start + many] for start in starts], many * trace.window_s


def _of(pick: Callable[[Sequence[float]], float], seconds: Sequence[float | None]) -> float:
    """Return one of the times in milliseconds; NaN, which breaks the line, where there are none."""
    known = [one for one in seconds if one is not None]
    return pick(known) * 1e3 if known else math.nan


def _stairs(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield points between which the value stays what it was until the next one."""
    before = math.nan
    for at, value in points:
        if not math.isnan(before):
            yield at, before
        yield at, value
        before = value


def _steps(report: ProofReport) -> list[str]:
    return [
        table(FACT_HEAD[:-1], [row[:-1] for row in fact_rows(report)]),  # the commands are below
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
                **{f"batch size {side.batch_size}": side.command for side in (report.single, report.batched)},
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
