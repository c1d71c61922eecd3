"""What the proof claims, and whether it holds: pure functions of what was measured."""

__all__ = ("judge_proof",)

from collections.abc import Iterator, Sequence
from itertools import pairwise

from pulse_ai.bench.load.report import Judged, Section
from pulse_ai.bench.proof.plan import ProofPlan
from pulse_ai.bench.proof.report import Point, Side, Trace
from pulse_ai.bench.text import duration, per_second

_GOODPUT = 0.95  # of the best goodput at any load, which overload must leave
_OVERLOAD = 1.5  # times capacity, from where a step counts as overload
_CALM = 0.8  # share of capacity up to which nothing may be refused
_REFUSAL_S = 0.010
_KILLED = 0.999  # share of 200 while workers are killed
_CARRIED = 0.97  # share of answers in time from which a step counts as carried
_SAME = 1.1  # how much larger a p99 may be and still count as no worse
_PAYS = 1.05  # from what ratio of capacities batching pays


def judge_proof(plan: ProofPlan, single: Side, batched: Side, trace: Trace) -> tuple[Judged, ...]:
    """Return a line for each claim, with the figures that decided it.

    Args:
        plan: What was measured.
        single: The service with batch size 1.
        batched: The service with batching.
        trace: The kills.
    """
    return tuple(
        line
        for lines in (
            _batching(single, batched),
            _overload(plan, batched),
            _death(trace),
            _nothing_lost(single, batched, trace),
        )
        for line in lines
    )


def _batching(single: Side, batched: Side) -> Iterator[Judged]:
    ratio = batched.capacity_per_s / single.capacity_per_s
    yield Judged(
        f"batching pays: {per_second(batched.capacity_per_s)} with batch size {batched.batch_size} against "
        f"{per_second(single.capacity_per_s)} with 1, {ratio:.2f} times as much",
        ratio >= _PAYS,
    )
    pairs = [
        (before, after)
        for before, after in zip(single.points, batched.points, strict=True)
        if not (before.limited or after.limited)
        and min(before.section.good, after.section.good) >= _CARRIED * max(before.section.offered, 1)
    ]
    doubt = _doubt([*single.points, *batched.points])
    if not pairs:
        yield Judged(f"batching does not cost latency: no step was carried by both{doubt}", holds=False)
        return
    before, after = pairs[-1]
    old_s, new_s = _p99(before.section), _p99(after.section)
    yield Judged(
        f"batching does not cost latency: at {per_second(after.rate)}, the most that both carry, p99 is "
        f"{duration(new_s)} with it and {duration(old_s)} without{doubt}",
        new_s <= _SAME * old_s,
    )


def _overload(plan: ProofPlan, side: Side) -> Iterator[Judged]:
    calm = [point for point in side.points if point.share <= _CALM]
    if calm:
        sections = [point.section for point in calm if not point.limited]
        bad, offered = sum(s.offered - s.good for s in sections), sum(s.offered for s in sections)
        text = (
            f"up to {_CALM:.0%} of capacity every request is answered in time: {bad} of {offered:,} were not"
            + _doubt(calm)
        )
        yield Judged(text, bad == 0 and bool(sections))
    fair = [point for point in side.points if not point.limited]
    told = [point for point in fair if point.share >= _OVERLOAD]
    doubt = _doubt(side.points)
    if not told:
        text = f"overload was not reached: no step was measured above {_OVERLOAD:.0%} of capacity{doubt}"
        yield Judged(text, holds=False)
        return
    yield _goodput(fair, told, doubt)
    late = sum(point.section.late for point in fair)
    answered = sum(point.section.good for point in fair) + late
    yield Judged(
        f"every 200 is within its deadline: {late} of {answered:,} reached the generator after "
        f"{plan.within_s * 1e3:g} ms{doubt}",
        late == 0,
    )
    yield _refusals(told, doubt)


def _goodput(fair: Sequence[Point], told: Sequence[Point], doubt: str) -> Judged:
    best = max(point.section.good_per_s for point in fair)
    worst = min(told, key=lambda point: point.section.good_per_s)
    kept = worst.section.good_per_s / max(best, 1e-9)
    return Judged(
        f"overload does not lower goodput: up to {told[-1].share:.3g} times capacity it stays at {kept:.0%} of "
        f"its best ({per_second(worst.section.good_per_s)} at {worst.share:.3g} times, best {per_second(best)})"
        + doubt,
        kept >= _GOODPUT,
    )


def _refusals(told: Sequence[Point], doubt: str) -> Judged:
    times = [(point.refusal_p99_s, point) for point in told if point.refusal_p99_s is not None]
    if not times:
        return Judged("refusals are quick: nothing was refused", holds=False)
    slowest_s, point = max(times, key=lambda pair: pair[0] or 0.0)
    return Judged(
        f"refusals are quick: p99 of a 429 is {duration(slowest_s)} at {point.share:.3g} times capacity, the "
        f"worst of the steps up to {told[-1].share:.3g} times (the limit is {duration(_REFUSAL_S)}){doubt}",
        (slowest_s or 0.0) <= _REFUSAL_S,
    )


def _doubt(points: Sequence[Point]) -> str:
    """Return which steps are not judged, because the generator's own delay decided their figures."""
    limited = list(dict.fromkeys(f"{point.share:.3g}" for point in points if point.limited))
    return f"; not judged at {', '.join(limited)} times: the generator was the bottleneck" if limited else ""


def _death(trace: Trace) -> Iterator[Judged]:
    killed, offered = len(trace.kills_at_s), trace.section.offered
    share = trace.section.good / max(offered, 1)
    yield Judged(
        f"a worker's death costs nothing: {killed} SIGKILL under {per_second(trace.rate)}, {share:.2%} of "
        f"{offered:,} requests answered 200 in time",
        killed > 0 and share >= _KILLED,
    )
    back_s = _back_s(trace)
    after = "not each time" if back_s is None else f"after at most {duration(back_s)}"
    yield Judged(
        f"the killed worker comes back: all {trace.workers} were ready again {after}", back_s is not None
    )


def _back_s(trace: Trace) -> float | None:
    """Return the longest time from a kill until all workers were ready again; None where they never were.

    What ``/metrics`` says just after a kill may still be from before the death was noticed, so it counts from
    the first look that saw a worker less; where none did, it was back before the next look.
    """
    times: list[float] = []
    for at_s, until_s in pairwise([*trace.kills_at_s, float("inf")]):
        later = [gauges for gauges in trace.gauges if at_s < gauges.at_s <= until_s]
        missing = [gauges.at_s for gauges in later if gauges.ready < trace.workers]
        again = [g.at_s for g in later if g.ready >= trace.workers and g.at_s > (missing or [at_s])[-1]]
        if not again:
            return None
        times.append(again[0] - at_s)
    return max(times, default=None)


def _nothing_lost(single: Side, batched: Side, trace: Trace) -> Iterator[Judged]:
    sections = [*(point.section for side in (single, batched) for point in side.points), trace.section]
    offered, unanswered = sum(s.offered for s in sections), sum(s.unanswered for s in sections)
    yield Judged(
        f"nothing is lost: {unanswered} of {offered:,} requests went unanswered over all steps and kills, and the "
        f"service counts {trace.lost} lost",
        unanswered == 0 and trace.lost == 0,
    )
    codes = (single.exit_code, batched.exit_code, trace.exit_code)
    ended = ", ".join("killed" if code is None else str(code) for code in codes)
    yield Judged(f"SIGTERM ends it cleanly: exit codes {ended}", set(codes) == {0})


def _p99(section: Section) -> float:
    return section.latency.p99_s if section.latency else float("inf")
