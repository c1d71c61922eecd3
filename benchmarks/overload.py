"""What a service does at one to ten times what it can carry, and while its workers are killed.

The task takes 20 ms and 2 ms for each item, in batches of up to 16: one worker carries 307 a second. Requests
come at planned instants (Poisson), each with 250 ms to live, and count as answered in time within 260 ms at the
generator. Then two workers serve 100 a second while one of them is killed every second. Run it with nothing else
on the machine::

    python -m benchmarks.overload          (or --long: a minute of kills instead of ten seconds)

Writes ``benchmarks/results/overload.json`` and ``overload.md``.
"""

import argparse
import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec

from benchmarks.noop import RESULTS, quietness
from benchmarks.peers.servers import ROOT
from pulse_ai import Task
from pulse_ai.bench import load
from pulse_ai.bench.machine import Machine, this_machine
from pulse_ai.bench.proof import Service, Watch, open_service, watching

BATCH_S, ITEM_S, BATCH_SIZE = 0.020, 0.002, 16
CAPACITY = BATCH_SIZE / (BATCH_S + ITEM_S * BATCH_SIZE)
DEADLINE_MS, WITHIN_S = 250, 0.260
RATES = (280.0, 600.0, 1500.0, 3000.0)
KILL_RATE = 100.0
TARGET, PATH, BODY = "slow=benchmarks.overload:Slow", "/api/slow", b'{"q": "hello"}'
PROBE_S = 0.05
_ABOUT = (
    f"One worker, batches of up to {BATCH_SIZE} that take {BATCH_S * 1e3:g} ms and {ITEM_S * 1e3:g} ms an item: "
    f"it carries {int(CAPACITY)} a second. Poisson arrivals, latency from the planned instant. Every request "
    f"brings a deadline of {DEADLINE_MS} ms; in time means within {WITHIN_S * 1e3:g} ms at the generator, late is "
    "a 200 after that."
)


class Slow(Task):
    """Takes as long as a model of this cost would, without the processor: what is measured is the service."""

    def predict(self, items: list[dict[str, str]]) -> list[dict[str, str]]:
        """Wait."""
        threading.Event().wait(BATCH_S + ITEM_S * len(items))
        return items


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One rate. ``refusals_seen`` were probed one by one, of which ``with_retry_after`` say when to come back."""

    rate: float
    section: load.Section
    refusals_seen: int
    with_retry_after: int
    generator: str


class Kills(msgspec.Struct, frozen=True, kw_only=True):
    """What came of killing a worker every second."""

    killed: int
    section: load.Section
    lost: int
    generator: str


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was measured."""

    command: str
    finished: str
    load_before: float
    machine: Machine
    seconds: float
    steps: tuple[Step, ...]
    kills: Kills


async def measure(*, seconds: float, kills: int, command: str) -> Results:
    """Measure every rate, and then the kills."""
    load_before = os.getloadavg()[0]
    async with open_service(TARGET, "--batch-size", str(BATCH_SIZE), cwd=ROOT) as service:
        steps = [await offer(service, rate, seconds) for rate in RATES]
    arguments = (TARGET, "--batch-size", str(BATCH_SIZE), "--workers", "2")
    async with open_service(*arguments, cwd=ROOT) as service:
        killed = await kill(service, kills)
    return Results(
        command=command,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        load_before=load_before,
        machine=this_machine(),
        seconds=seconds,
        steps=tuple(steps),
        kills=killed,
    )


async def offer(service: Service, rate: float, seconds: float) -> Step:
    """Offer one rate, and look at single refusals meanwhile."""
    seen: list[bool] = []
    async with probing(service, seen):
        report = await drive(service, load.Step(rate, seconds), warmup_s=1.0)
    step = Step(
        rate=rate,
        section=report.steps[0],
        refusals_seen=len(seen),
        with_retry_after=sum(seen),
        generator=report.generator.text,
    )
    print(_row(step), flush=True)
    return step


async def drive(service: Service, step: load.Step, *, warmup_s: float) -> load.LoadReport:
    """Carry out one step."""
    plan = load.LoadPlan(
        steps=(step,), shape="poisson", warmup_s=warmup_s, connections=512, within_s=WITHIN_S
    )
    target = load.parse_target(service.url + PATH)
    headers = {"X-Request-Timeout-Ms": str(DEADLINE_MS)}
    return await load.run_load(
        plan, target, load.encode_requests(target, method="POST", headers=headers, bodies=[BODY])
    )


@asynccontextmanager
async def probing(service: Service, seen: list[bool]) -> AsyncGenerator[None]:
    """Send single requests beside the load, and write down whether each refusal has a Retry-After."""

    async def probe() -> None:
        while True:
            await asyncio.sleep(PROBE_S)
            answer = await service.ask(PATH, BODY, X_Request_Timeout_Ms=str(DEADLINE_MS))
            if answer.status == 429:
                seen.append(int(answer.headers.get("retry-after", "-1")) >= 0)

    task = asyncio.create_task(probe())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def kill(service: Service, kills: int) -> Kills:
    """Kill a worker every second under load."""
    watch = Watch(kills_at_s=tuple(float(second + 1) for second in range(kills)))
    async with watching(service, watch):
        report = await drive(service, load.Step(KILL_RATE, kills + 2.0), warmup_s=0.0)
    lost = max((int(gauges.lost) for gauges in watch.gauges), default=0)
    return Kills(
        killed=len(watch.killed_at_s), section=report.steps[0], lost=lost, generator=report.generator.text
    )


def to_markdown(results: Results) -> str:
    """Return the figures as tables, with the machine and the command."""
    head = (
        "| offered a second | times capacity | in time a second | p50, ms | p99, ms | late | refused | "
        "refusal p99, ms | with Retry-After | unanswered |"
    )
    lines = [head, "|" + "---:|" * 10, *(_row(step) for step in results.steps)]
    died = results.kills
    ok = died.section.good / died.section.offered
    worst = f"{died.section.latency.max_s * 1e3:.0f} ms" if died.section.latency else "-"
    codes = ", ".join(f"{row.outcome}: {row.count:,}" for row in died.section.by_status)
    kept = all("kept up" in each.generator for each in (*results.steps, results.kills))
    note = "kept up throughout" if kept else "was the bottleneck in some steps; see the JSON"
    fate = (
        f"{died.section.unanswered} of {died.section.offered:,} requests unanswered",
        f"{died.lost} lost by the service's own count",
        f"{ok:.2%} answered 200 in time, the slowest after {worst}",
        f"by outcome: {codes}",
    )
    parts = [
        "# Overload, and workers that are killed",
        f"{_ABOUT} {results.seconds:g} s at each rate.",
        "\n".join(lines),
        f"Two workers, {KILL_RATE:g} a second, one of them killed with SIGKILL every second, {died.killed} times:",
        "\n".join(f"- {line}" for line in fate),
        f"Measured on {results.machine.line()}. {quietness(results.load_before)} The generator {note}.",
        f"`{results.command}`",
    ]
    return "\n\n".join(parts) + "\n"


def _row(step: Step) -> str:
    section, latency = step.section, step.section.latency
    refusals = [row for row in section.by_status if row.outcome == "429"]
    cells = [
        f"{step.rate:,.0f}",
        f"{step.rate / CAPACITY:.2g}",
        f"{section.good_per_s:.0f}",
        f"{latency.p50_s * 1e3:.0f}" if latency else "-",
        f"{latency.p99_s * 1e3:.0f}" if latency else "-",
        str(section.late),
        f"{section.refused / section.offered:.1%}",
        f"{refusals[0].latency.p99_s * 1e3:.2f}" if refusals else "-",
        f"{step.with_retry_after} of {step.refusals_seen}",
        str(section.unanswered),
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each rate")
    parser.add_argument("--long", action="store_true", help="kill for a minute, not for ten seconds")
    given = parser.parse_args()
    command = f"python -m benchmarks.overload --seconds {given.seconds:g}" + (" --long" if given.long else "")
    with asyncio.Runner(loop_factory=load.loop_factory()) as runner:
        results = runner.run(measure(seconds=given.seconds, kills=60 if given.long else 10, command=command))
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / "overload.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    file.with_suffix(".md").write_text(to_markdown(results), "utf-8")
    print(to_markdown(results))


if __name__ == "__main__":
    main()
