"""The shell of the proof: starts services, loads them, and gathers what was found."""

__all__ = ("run_proof",)

import contextlib
import math
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pulse_ai.bench.load import LoadPlan, LoadReport, Step, encode_requests, parse_target, run_load
from pulse_ai.bench.machine import this_machine
from pulse_ai.bench.proof.plan import ProofPlan, rates_of
from pulse_ai.bench.proof.report import Point, ProofReport, Side, Trace
from pulse_ai.bench.proof.service import Service, ServiceFailed, open_service
from pulse_ai.bench.proof.verdicts import judge_proof
from pulse_ai.bench.proof.watch import Watch, watching

Tell = Callable[[str], None]

_CONNECTIONS = 512  # below the usual limit of 1,024 open files
_CAPACITY_LIMIT_MS = 60_000  # in the closed loop nothing is to be refused
_WORKERS = 2  # while workers are killed


async def run_proof(plan: ProofPlan, *, title: str, command: str, tell: Tell) -> ProofReport:
    """Measure everything in a plan, in about ``2 * len(ladder) * seconds_a_step`` and a little more.

    Args:
        plan: What is measured.
        title: What is served, in words.
        command: The command that repeats it, for the report.
        tell: Told what is being measured, in a few words.

    Raises:
        ServiceFailed: The service did not start, or does not take the bodies.
    """
    load_before = os.getloadavg()[0]
    started = datetime.now(UTC).isoformat(timespec="seconds")
    batched = await _measure(plan, plan.batch_size, None, tell)
    single = await _measure(plan, 1, batched.capacity_per_s, tell)
    trace = await _trace(plan, batched.capacity_per_s, tell)
    verdicts = judge_proof(plan, single, batched, trace)
    return ProofReport(
        title=title,
        started=started,
        command=command,
        plan=_in_words(plan),
        ladder=plan.ladder,
        machine=this_machine(),
        versions=_versions(),
        load_before=load_before,
        single=single,
        batched=batched,
        trace=trace,
        verdicts=verdicts,
        passed=all(judged.holds for judged in verdicts),
    )


async def _measure(plan: ProofPlan, batch_size: int, whole_per_s: float | None, tell: Tell) -> Side:
    """Find what a service carries, and offer it the whole ladder.

    Args:
        plan: The plan.
        batch_size: Of this service.
        whole_per_s: The capacity that the ladder is a share of; None means this service's own.
        tell: Told what is being measured.
    """
    name = f"batch size {batch_size}"
    tell(f"{name}: starting")
    async with open_service(*_arguments(plan, batch_size=batch_size)) as service:
        await _try_one(service, plan)
        tell(f"{name}: finding its capacity")
        capacity_per_s = await _capacity(service, plan, batch_size)
        points: list[Point] = []
        for share, rate in rates_of(plan, whole_per_s or capacity_per_s):
            tell(f"{name}: {rate:,.0f}/s, {share:.0%} of capacity")
            points.append(await _point(service, plan, share, rate))
    return Side(
        batch_size=batch_size,
        command=_shown(service),
        started_s=service.started_s,
        capacity_per_s=capacity_per_s,
        points=tuple(points),
        exit_code=service.exit_code,
    )


def _arguments(plan: ProofPlan, *, batch_size: int, workers: int = 1) -> list[str]:
    return [
        *([plan.target] if plan.target else []),
        *("--batch-size", str(batch_size), "--workers", str(workers)),
        *("--queue-limit", str(plan.queue_limit)),
    ]


def _shown(service: Service) -> str:
    """Return the command that started a service, with no folder of this machine in it."""
    return " ".join(("pulse serve", *map(_without_folder, service.arguments)))


def _without_folder(argument: str) -> str:
    """Shorten an absolute path to its last part.

    Example:
        >>> _without_folder("mood=/srv/models/mood"), _without_folder("--workers")
        ('mood=mood', '--workers')
    """
    name, equals, rest = argument.rpartition("=")
    path = Path(rest)
    return name + equals + (path.name if path.is_absolute() else rest)


async def _try_one(service: Service, plan: ProofPlan) -> None:
    """Send each body once, so that a wrong one is told before anything is measured.

    Raises:
        ServiceFailed: One is not answered with 200.
    """
    for body in dict.fromkeys(plan.bodies):
        answer = await service.ask(f"/api/{plan.name}", body)
        if answer.status != 200:
            said = answer.body[:200].decode(errors="replace")
            raise ServiceFailed(
                f"the service answers {body[:80]!r} with {answer.status}: {said}; "
                "give what it takes with --body or --bodies"
            )


async def _capacity(service: Service, plan: ProofPlan, batch_size: int) -> float:
    load = LoadPlan(
        steps=(Step(math.inf, plan.seconds_a_step),),
        warmup_s=min(1.0, plan.seconds_a_step),
        connections=max(8, 2 * batch_size),
        timeout_s=_CAPACITY_LIMIT_MS / 1e3,
    )
    report = await _load(service, plan, load, limit_ms=_CAPACITY_LIMIT_MS)
    if report.total is None or report.total.good == 0:
        raise ServiceFailed("the service gave no answer in a closed loop")
    return report.total.good_per_s


async def _load(
    service: Service, plan: ProofPlan, load: LoadPlan, *, limit_ms: float, watch: Watch | None = None
) -> LoadReport:
    target = parse_target(f"{service.url}/api/{plan.name}")
    headers = {"X-Request-Timeout-Ms": f"{limit_ms:g}"}
    requests = encode_requests(target, method="POST", headers=headers, bodies=plan.bodies)
    async with watching(service, watch or Watch()):
        return await run_load(load, target, requests)


async def _point(service: Service, plan: ProofPlan, share: float, rate: float) -> Point:
    load = LoadPlan(
        steps=(Step(rate, plan.seconds_a_step),),
        shape="poisson",
        warmup_s=min(0.5, plan.seconds_a_step / 2),
        connections=_CONNECTIONS,
        timeout_s=plan.timeout_s,
        within_s=plan.within_s,
    )
    watch = Watch()
    report = await _load(service, plan, load, limit_ms=plan.deadline_s * 1e3, watch=watch)
    if report.total is None:
        raise ServiceFailed("the step was stopped before it began")
    taken = [gauges.waiting / plan.queue_limit for gauges in watch.gauges] or [0.0]
    return Point(
        share=share,
        rate=rate,
        section=report.total,
        queue_mean=sum(taken) / len(taken),
        queue_max=max(taken),
        limited=report.generator.text if report.generator.limited else None,
    )


async def _trace(plan: ProofPlan, capacity_per_s: float, tell: Tell) -> Trace:
    """Kill workers under load, and see what becomes of the requests."""
    rate = min(plan.trace_load * capacity_per_s, plan.most_rate)
    tell(f"killing {plan.kills} of {_WORKERS} workers in turn at {rate:,.0f}/s")
    load = LoadPlan(
        steps=(Step(rate, plan.trace_s),),
        shape="poisson",
        connections=_CONNECTIONS,
        timeout_s=plan.timeout_s,
        within_s=plan.within_s,
    )
    watch = Watch(kills_at_s=plan.kills_at_s)
    arguments = _arguments(plan, batch_size=plan.batch_size, workers=_WORKERS)
    async with open_service(*arguments) as service:
        await _try_one(service, plan)
        await service.wait_workers(_WORKERS)
        report = await _load(service, plan, load, limit_ms=plan.deadline_s * 1e3, watch=watch)
    if report.total is None:
        raise ServiceFailed("the trace was stopped before it began")
    return Trace(
        workers=_WORKERS,
        rate=rate,
        kills_at_s=tuple(watch.killed_at_s),
        section=report.total,
        windows=report.windows,
        window_s=report.window_s,
        gauges=tuple(watch.gauges),
        limited=report.generator.text if report.generator.limited else None,
        exit_code=service.exit_code,
    )


def _in_words(plan: ProofPlan) -> dict[str, str]:
    return {
        "model": plan.name,
        "bodies": f"{len(set(plan.bodies))}, sent in turn",
        "steps": ", ".join(f"{share:.0%}" for share in plan.ladder) + " of the batching service's capacity",
        "each for": f"{plan.seconds_a_step:g} s, Poisson arrivals, latency from the planned instant",
        "deadline": f"{plan.deadline_s * 1e3:g} ms in each request; in time means within "
        f"{plan.within_s * 1e3:g} ms at the generator",
        "queue": f"{plan.queue_limit} items",
        "highest rate": f"{plan.most_rate:,.0f}/s",
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("pulse-ai", "onnxruntime", "uvloop", "msgspec", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
