"""Whether the parent's memory stays flat at overload: samples of its resident size, and their slope.

One worker that carries 307 a second is offered three times as much, from connections that are kept and from ones
that are opened for each request, with clients that leave in the middle, for as many minutes as asked. The first
fifth is left out: tables and pools fill up to their bounds in it. What steps are left come from bursts: the size
is the highest that was ever needed, since the interpreter seldom gives memory back. Run it with nothing else on
the machine::

    python -m benchmarks.memory --minutes 10

Writes ``benchmarks/results/memory.json`` and ``memory.md``.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import msgspec

from benchmarks.noop import RESULTS, quietness
from benchmarks.overload import BATCH_SIZE, BODY, CAPACITY, PATH, TARGET, drive
from benchmarks.peers.servers import ROOT
from pulse_ai.bench import load
from pulse_ai.bench.machine import Machine, this_machine
from pulse_ai.bench.proof import Service, open_service

TIMES_CAPACITY = 3.0
SAMPLE_S = 1.0
LEAVE_OUT = 0.2  # of the samples, at the beginning
FLAT = 0.05  # of the size; over ten minutes at this rate that is under 5 bytes a request


class Sample(msgspec.Struct, frozen=True):
    """The parent's resident memory in MiB, so many seconds after the beginning."""

    at_s: float
    rss_mib: float


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was measured."""

    command: str
    finished: str
    load_before: float
    machine: Machine
    minutes: float
    section: load.Section
    samples: tuple[Sample, ...]
    slope_mib_per_hour: float
    grown_mib: float


def slope_mib_per_hour(samples: tuple[Sample, ...]) -> float:
    """Return the slope of the line through the samples, without their first fifth."""
    settled = samples[int(len(samples) * LEAVE_OUT) :]
    line = statistics.linear_regression([s.at_s for s in settled], [s.rss_mib for s in settled])
    return line.slope * 3600.0


@asynccontextmanager
async def sampling(service: Service, samples: list[Sample]) -> AsyncGenerator[None]:
    """Write down the parent's memory every second for as long as the block lasts."""
    import psutil

    parent = psutil.Process(psutil.Process(service.workers()[0]).ppid())
    began_s = time.monotonic()

    async def sample() -> None:
        while True:
            await asyncio.sleep(SAMPLE_S)
            samples.append(Sample(time.monotonic() - began_s, parent.memory_info().rss / 2**20))

    async def leave() -> None:
        while True:
            await asyncio.sleep(0.05)
            with suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(0.02):  # before most answers come
                    await service.ask(PATH, BODY)

    tasks = [asyncio.create_task(sample()), asyncio.create_task(leave())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def measure(*, minutes: float, command: str) -> Results:
    """Offer the load, and sample meanwhile."""
    load_before = os.getloadavg()[0]
    samples: list[Sample] = []
    async with open_service(TARGET, "--batch-size", str(BATCH_SIZE), cwd=ROOT) as service:
        async with sampling(service, samples):
            step = load.Step(CAPACITY * TIMES_CAPACITY, minutes * 60.0)
            report = await drive(service, step, warmup_s=1.0)
    settled = samples[int(len(samples) * LEAVE_OUT) :]
    return Results(
        command=command,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        load_before=load_before,
        machine=this_machine(),
        minutes=minutes,
        section=report.steps[0],
        samples=tuple(samples),
        slope_mib_per_hour=slope_mib_per_hour(tuple(samples)),
        grown_mib=settled[-1].rss_mib - settled[0].rss_mib,
    )


def to_markdown(results: Results) -> str:
    """Return the figures as a table, with the machine and the command."""
    sizes = [sample.rss_mib for sample in results.samples]
    flat = results.grown_mib <= FLAT * min(sizes)
    section = results.section
    rows = (
        ("offered, answered in time, refused", f"{section.offered:,}, {section.good:,}, {section.refused:,}"),
        ("unanswered", f"{section.unanswered}"),
        ("resident memory of the parent, least and most, MiB", f"{min(sizes):.1f}, {max(sizes):.1f}"),
        ("grown after the first fifth, MiB", f"{results.grown_mib:+.2f}"),
        ("slope after the first fifth, MiB an hour", f"{results.slope_mib_per_hour:+.2f}"),
        (f"flat: grown by at most {FLAT:.0%}", "yes" if flat else "**no**"),
    )
    table = "\n".join(
        ["| what | result |", "|---|---|", *(f"| {what} | {result} |" for what, result in rows)]
    )
    about = f"{results.minutes:g} minutes at {TIMES_CAPACITY:g} times capacity; some clients leave early."
    where = f"Measured on {results.machine.line()}. {quietness(results.load_before)}"
    return f"# The parent's memory at overload\n\n{about}\n\n{table}\n\n{where}\n\n`{results.command}`\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    given = parser.parse_args()
    command = f"python -m benchmarks.memory --minutes {given.minutes:g}"
    with asyncio.Runner(loop_factory=load.loop_factory()) as runner:
        results = runner.run(measure(minutes=given.minutes, command=command))
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / "memory.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    file.with_suffix(".md").write_text(to_markdown(results), "utf-8")
    print(to_markdown(results))


if __name__ == "__main__":
    main()
