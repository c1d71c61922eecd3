"""Makes the parts of a proof by hand, as though they had been measured."""

from collections.abc import Sequence

from pulse_ai.bench.load.ledger import Ledger
from pulse_ai.bench.load.plan import LoadPlan, Step
from pulse_ai.bench.load.report import Section, sections_of, windows_of
from pulse_ai.bench.machine import this_machine
from pulse_ai.bench.proof import ProofPlan, ProofReport
from pulse_ai.bench.proof.report import Gauges, Point, Side, Trace
from pulse_ai.bench.proof.verdicts import judge_proof

PLAN = ProofPlan(target="", name="m", bodies=(b"{}",), ladder=(0.5, 1.0, 10.0))
LOST = -1  # a request that timed out


def ledger(ends: Sequence[tuple[int, int, float]], *, duration_s: float = 1.0) -> Ledger:
    """Return what was counted of (status, how many, latency in seconds), spread over the time evenly."""
    counted = Ledger(LoadPlan(steps=(Step(1.0, duration_s),), within_s=PLAN.within_s))
    for code, count, latency_s in ends:
        for number in range(count):
            at_s = duration_s * number / count
            counted.finish(at_s, at_s, at_s, at_s + latency_s, code)
    counted.fold()
    return counted


def section(*ends: tuple[int, int, float]) -> Section:
    return sections_of(ledger(ends))[0]


def point(share: float, *ends: tuple[int, int, float], limited: str | None = None) -> Point:
    found = section(*ends)
    return Point(
        share=share, rate=found.offered_per_s, section=found, queue_mean=0.1, queue_max=0.4, limited=limited
    )


def side(batch_size: int, capacity: float, *points: Point, exit_code: int | None = 0) -> Side:
    return Side(
        batch_size=batch_size,
        command="pulse serve",
        started_s=1.0,
        capacity_per_s=capacity,
        points=points or good_points(),
        exit_code=exit_code,
    )


def good_points() -> tuple[Point, ...]:
    return (
        point(0.5, (200, 50, 0.02)),
        point(1.0, (200, 100, 0.05)),
        point(10.0, (200, 98, 0.2), (429, 902, 0.002)),
    )


def gauges(at_s: float, ready: float, lost: float = 0.0) -> Gauges:
    return Gauges(at_s=at_s, waiting=0.0, running=0.0, ready=ready, lost=lost)


def trace(
    *ends: tuple[int, int, float],
    kills_at_s: tuple[float, ...] = (3.0,),
    seen: tuple[Gauges, ...] | None = None,
) -> Trace:
    counted = ledger(ends or ((200, 1000, 0.05),), duration_s=6.0)
    return Trace(
        workers=2,
        rate=100.0,
        kills_at_s=kills_at_s,
        section=sections_of(counted)[0],
        windows=windows_of(counted),
        window_s=counted.window_s,
        gauges=seen or (gauges(2.9, 2), gauges(3.1, 1), gauges(3.5, 2)),
        limited=None,
        exit_code=0,
    )


def report(
    *, single: Side | None = None, batched: Side | None = None, died: Trace | None = None
) -> ProofReport:
    one, many, killed = single or side(1, 60.0), batched or side(16, 100.0), died or trace()
    verdicts = judge_proof(PLAN, one, many, killed)
    return ProofReport(
        title="A model <of nobody>",
        started="2026-01-02T03:04:05+00:00",
        command="pulse bench proof",
        plan={"model": "m", "highest rate": "8,000/s"},
        ladder=PLAN.ladder,
        machine=this_machine(),
        versions={"numpy": "2"},
        load_before=0.0,
        single=one,
        batched=many,
        trace=killed,
        verdicts=verdicts,
        passed=all(judged.holds for judged in verdicts),
    )
