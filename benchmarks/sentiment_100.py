"""The sentiment API under 100 requests a second: a model of DistilBERT's size, two cores, the generator included.

The service is ``pulse serve`` with batches of up to 16, a batch timeout of 50 ms and a queue of 200. Sentences are
as long as SST-2's dev sentences (21.6 word pieces on average, 51 at most); arrivals are Poisson, because users are
independent of each other. Latency counts from the planned instant. Asked: p99 under 250 ms and no errors; the
goal is p99 under 25 ms. Run it with nothing else on the machine::

    python -m benchmarks.sentiment_100                       eager, as the service does by default
    python -m benchmarks.sentiment_100 --compare             also with the timer, one thread, and batch size 1

Writes ``benchmarks/results/sentiment-100.json`` and ``sentiment-100.md``.
"""

import argparse
import asyncio
import os
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.noop import RESULTS, quietness
from benchmarks.sentences import make_sentences, random_words
from pulse_ai.bench import load
from pulse_ai.bench.machine import Machine, this_machine
from pulse_ai.bench.proof import Service, open_service
from pulse_ai.cli.bench_proof import choose_model

SERVED = ("--batch-size", "16", "--batch-timeout-ms", "50", "--queue-limit", "200")
WAYS = {
    "eager": (),
    "timer": ("--batch-mode", "timer"),
    "eager, one thread": ("--threads", "1"),
    "eager, batch size 1": ("--batch-size", "1"),
}
RULES = "p99<25ms,p99<250ms,errors<=0%"
NAME, SENTENCES, SEED = "distilbert", 500, 0


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to serve: its options, and what was found.

    Attributes:
        name: In words.
        options: Of ``pulse serve``.
        section: Counts and latencies.
        verdicts: Of the objectives.
        batch: Mean items in a batch.
        busy: Share of the time in which the worker had a batch.
        generator: Whether the generator kept up, in words.
    """

    name: str
    options: str
    section: load.Section
    verdicts: tuple[tuple[str, bool], ...]
    batch: float
    busy: float
    generator: str


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was measured."""

    command: str
    finished: str
    load_before: float
    machine: Machine
    rate: float
    seconds: float
    ways: tuple[Way, ...]


async def measure(names: list[str], *, rate: float, seconds: float, command: str) -> Results:
    """Measure each way in turn."""
    load_before = os.getloadavg()[0]
    target = choose_model("", "distilbert-size").target
    ways: list[Way] = []
    for name in names:
        options = [*SERVED, *WAYS[name]]
        async with open_service(target, *options) as service:
            ways.append(await offer(service, name, rate=rate, seconds=seconds))
        print(row(ways[-1]), flush=True)
    return Results(
        command=command,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        load_before=load_before,
        machine=this_machine(),
        rate=rate,
        seconds=seconds,
        ways=tuple(ways),
    )


async def offer(service: Service, name: str, *, rate: float, seconds: float) -> Way:
    """Offer the rate to a service."""
    target = load.parse_target(f"{service.url}/api/{NAME}")
    bodies = [
        msgspec.json.encode({"q": text}) for text in make_sentences(SENTENCES, random_words(), seed=SEED)
    ]
    plan = load.LoadPlan(
        steps=(load.Step(rate, seconds),), shape="poisson", seed=SEED, warmup_s=2.0, within_s=0.25
    )
    rules = load.parse_slo(RULES)
    report = await load.run_load(
        plan, target, load.encode_requests(target, method="POST", headers={}, bodies=bodies), rules=rules
    )
    batches, items, busy_s = await batches_of(service)
    return Way(
        name=name,
        options=" ".join((*SERVED, *WAYS[name])),
        section=report.steps[0],
        verdicts=tuple((judged.text, judged.holds) for judged in report.verdicts),
        batch=items / max(batches, 1.0),
        busy=busy_s / (seconds + plan.warmup_s),
        generator=report.generator.text,
    )


async def batches_of(service: Service) -> tuple[float, float, float]:
    """Return how many batches there were, how many items in all of them, and the seconds that they took."""
    said = (await service.ask("/metrics")).body.decode()
    found = {
        line.partition("{")[0]: float(line.rpartition(" ")[2])
        for line in said.splitlines()
        if not line.startswith("#")
    }
    names = ("pulse_batch_items_count", "pulse_batch_items_sum", "pulse_worker_seconds_sum")
    batches, items, busy_s = (found[name] for name in names)
    return batches, items, busy_s


_ABOUT = (
    "Random weights, int8 on ONNX Runtime; sentences as long as SST-2's; Poisson arrivals for {seconds:g} s; "
    "milliseconds from the planned instant; the generator on the same cores."
)
HEAD = ("way", "good", "errors", "refused", "p50", "p90", "p99", "p99.9", "max", "items a batch", "busy")


def row(way: Way) -> str:
    """Return a line of the table; times in milliseconds."""
    section, latency = way.section, way.section.latency
    quantiles = ("p50_s", "p90_s", "p99_s", "p999_s", "max_s")
    times = (
        [f"{getattr(latency, name) * 1e3:.1f}" for name in quantiles] if latency else ["-"] * len(quantiles)
    )
    counts = [f"{section.good:,} of {section.offered:,}", str(section.errors), str(section.refused)]
    return "| " + " | ".join([way.name, *counts, *times, f"{way.batch:.2f}", f"{way.busy:.0%}"]) + " |"


def to_markdown(results: Results) -> str:
    """Return the table, the verdicts, the machine and the command."""
    first = results.ways[0]
    parts = [
        f"# {results.rate:g} requests a second on a model of DistilBERT's size",
        _ABOUT.format(seconds=results.seconds),
        "\n".join(
            ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD), *(row(way) for way in results.ways)]
        ),
        "\n".join(
            f"- {'yes' if holds else '**no**'}: {text} ({first.name})" for text, holds in first.verdicts
        ),
        "\n".join(f"- {way.name}: `pulse serve {way.options}`; {way.generator}" for way in results.ways),
        f"Measured on {results.machine.line()}. {quietness(results.load_before)}",
        f"`{results.command}`",
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--compare", action="store_true", help="serve in other ways too, one after the other")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder that results go to")
    given = parser.parse_args()
    command = shlex.join(["python", "-m", "benchmarks.sentiment_100", *sys.argv[1:]])
    names = list(WAYS) if given.compare else list(WAYS)[:1]
    with asyncio.Runner(loop_factory=load.loop_factory()) as runner:
        results = runner.run(measure(names, rate=given.rate, seconds=given.seconds, command=command))
    file = given.out / "sentiment-100.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    file.with_suffix(".md").write_text(to_markdown(results), "utf-8")
    print(to_markdown(results))
    sys.exit(0 if all(holds for _, holds in results.ways[0].verdicts) else 1)


if __name__ == "__main__":
    main()
