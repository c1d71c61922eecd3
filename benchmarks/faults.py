"""What faults cost: an input that kills among many that do not, workers that hang, a rolling restart under load.

* One poison among a thousand that wait at once: how they are answered, how many workers the one ends, and how
  many when it is sent again.
* Hangs: seconds from a request whose batch hangs in C, holding the interpreter's lock, until the worker has been
  killed and until another can serve. The limit is what the scheduler has learned, at least 2 s.
* A rolling restart again and again under load: how many are refused or lost.

Run it with nothing else on the machine::

    python -m benchmarks.faults

Writes ``benchmarks/results/faults.json`` and ``faults.md``.
"""

import argparse
import asyncio
import ctypes
import math
import os
import re
import signal
import statistics
import time
from collections import Counter
from datetime import UTC, datetime

import msgspec

from benchmarks.noop import RESULTS, quietness
from benchmarks.peers.servers import ROOT
from pulse_ai import Task
from pulse_ai.bench.machine import Machine, this_machine
from pulse_ai.bench.proof import Answer, Service, open_service
from pulse_ai.core import SchedulerSettings
from pulse_ai.web.open_files import raise_file_limit

TARGET, PATH = "frail=benchmarks.faults:Frail", "/api/frail"
DEADLINE = {"X_Request_Timeout_Ms": "60000"}
LEARN = 60  # requests before a hang, from which the scheduler learns what a batch takes
RATE, BETWEEN_ROLLS_S = 100.0, 2.0


class Frail(Task):
    """Gives items back; one word kills it, another makes it hang in native code."""

    def predict(self, items: list[str]) -> list[str]:
        """Do as told."""
        if any("poison" in item for item in items):
            os.kill(os.getpid(), signal.SIGSEGV)
        if any("hang" in item for item in items):
            ctypes.PyDLL(None).sleep(1000)
        return items


class Poison(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one poison among ``items``: answers by status and code, right ones, deaths, seconds."""

    items: int
    answers: dict[str, int]
    right: int
    deaths: int
    most_deaths: float
    seconds: float
    again: dict[str, int]
    deaths_again: int


class Hang(msgspec.Struct, frozen=True, kw_only=True):
    """One worker that hung: seconds from the request until it was killed, and until another could serve."""

    killed_s: float
    replaced_s: float


class Rolls(msgspec.Struct, frozen=True, kw_only=True):
    """Rolling restarts under load: how many ended, answers by status and code, workers that served in all."""

    done: int
    answers: dict[str, int]
    workers: int


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was measured."""

    command: str
    finished: str
    load_before: float
    machine: Machine
    poison: Poison
    limit_s: float
    hangs: tuple[Hang, ...]
    rolls: Rolls


def outcome(answer: Answer) -> str:
    """Return the status, with the code of a problem."""
    code = re.search(rb'"code":"(\w+)"', answer.body)
    return f"{answer.status} {code[1].decode()}" if code else str(answer.status)


async def deaths(service: Service) -> int:
    """Return how many workers have ended."""
    text = (await service.ask("/metrics")).body.decode()
    return int(sum(map(float, re.findall(r"^pulse_worker_deaths_total\{.*\} (\S+)$", text, re.MULTILINE))))


async def until_ready(service: Service, *, ready: bool = True) -> None:
    """Ask until the service can serve, or cannot."""
    while ((await service.ask("/readyz")).status == 200) is not ready:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.005)


async def one_poison_among(items: int, *, workers: int = 2) -> Poison:
    """Send so many items at once, one of which kills; then send that one again."""
    raise_file_limit()  # a connection for each
    options = ("--workers", str(workers), "--queue-limit", str(items))
    async with open_service(TARGET, *options, cwd=ROOT) as service:

        async def ask(text: str) -> tuple[str, Answer]:
            return text, await service.ask(PATH, msgspec.json.encode(text), **DEADLINE)

        texts = [f"item {number}" for number in range(items)]
        texts[items // 2] = "poison"
        began_s = time.monotonic()
        answered = await asyncio.gather(*map(ask, texts))
        took_s = time.monotonic() - began_s
        await until_ready(service)
        died = await deaths(service)
        again = [answer for _, answer in await asyncio.gather(*(ask("poison") for _ in range(10)))]
        await until_ready(service)
        died_again = await deaths(service) - died
    return Poison(
        items=items,
        answers=dict(Counter(outcome(answer) for _, answer in answered)),
        right=sum(answer.body == msgspec.json.encode(text) for text, answer in answered),
        deaths=died,
        most_deaths=math.log2(items) + 1,
        seconds=took_s,
        again=dict(Counter(map(outcome, again))),
        deaths_again=died_again,
    )


async def hangs(count: int) -> tuple[Hang, ...]:
    """Let workers hang, one after the other; each input that does it is tried twice before it is known."""
    seen: list[Hang] = []
    async with open_service(TARGET, cwd=ROOT) as service:
        for number in range(count):
            for _ in range(LEARN):
                await service.ask(PATH, b'"learn"', **DEADLINE)
            began_s = time.monotonic()
            asked = asyncio.create_task(service.ask(PATH, b'"hang %d"' % number, **DEADLINE))
            await until_ready(service, ready=False)
            killed_s = time.monotonic() - began_s
            await until_ready(service)
            seen.append(Hang(killed_s=killed_s, replaced_s=time.monotonic() - began_s))
            print(seen[-1], outcome(await asked), flush=True)
            await until_ready(service)
    return tuple(seen)


async def rolls(count: int) -> Rolls:
    """Ask at a steady rate while every worker is replaced again and again."""
    import psutil

    answers: Counter[str] = Counter()
    pids: set[int] = set()

    async def ask(service: Service) -> None:
        answers[outcome(await service.ask(PATH, b'"x"', **DEADLINE))] += 1

    async with open_service(TARGET, "--workers", "2", cwd=ROOT) as service, asyncio.TaskGroup() as group:
        parent = psutil.Process(service.workers()[0]).ppid()
        began_s = time.monotonic()
        for number in range(int(count * BETWEEN_ROLLS_S * RATE) + 1):
            await asyncio.sleep(max(0.0, began_s + number / RATE - time.monotonic()))
            if number % int(BETWEEN_ROLLS_S * RATE) == 0:
                pids.update(service.workers())
                os.kill(parent, signal.SIGHUP)
            group.create_task(ask(service))
        pids.update(service.workers())
    return Rolls(done=count, answers=dict(answers), workers=len(pids))


async def measure(*, items: int, hang_count: int, roll_count: int, command: str) -> Results:
    """Measure everything."""
    load_before = os.getloadavg()[0]
    poison = await one_poison_among(items)
    print(poison, flush=True)
    hung = await hangs(hang_count)
    rolled = await rolls(roll_count)
    print(rolled, flush=True)
    return Results(
        command=command,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        load_before=load_before,
        machine=this_machine(),
        poison=poison,
        limit_s=SchedulerSettings().overdue_least_s,
        hangs=hung,
        rolls=rolled,
    )


def to_markdown(results: Results) -> str:
    """Return the figures as tables, with the machine and the command."""
    poison, rolled = results.poison, results.rolls
    killed = [hang.killed_s for hang in results.hangs]
    replaced = [hang.replaced_s for hang in results.hangs]
    rows = (
        (
            f"one poison among {poison.items:,} that wait at once, two workers, batches of up to 16",
            _counts(poison.answers),
        ),
        ("answers that are those to their own item", f"{poison.right:,}"),
        (f"workers that it ended (at most log2({poison.items}) + 1)", f"{poison.deaths}"),
        ("seconds until all were answered", f"{poison.seconds:.2f}"),
        ("the same poison ten times again", _counts(poison.again)),
        ("workers that it ended then", f"{poison.deaths_again}"),
        ("workers that hung in C with the interpreter's lock", f"{len(replaced)}"),
        ("when a batch is overdue, in seconds", f"{results.limit_s:g}"),
        ("killed after seconds, median and worst", f"{statistics.median(killed):.2f}, {max(killed):.2f}"),
        (
            "replaced after seconds, median and worst",
            f"{statistics.median(replaced):.2f}, {max(replaced):.2f}",
        ),
        (f"{rolled.done} rolling restarts at {RATE:g} requests a second", _counts(rolled.answers)),
        ("worker processes that served meanwhile", f"{rolled.workers}"),
    )
    table = "\n".join(
        ["| what | result |", "|---|---|", *(f"| {what} | {result} |" for what, result in rows)]
    )
    where = f"Measured on {results.machine.line()}. {quietness(results.load_before)}"
    return f"# Faults\n\n{table}\n\n{where}\n\n`{results.command}`\n"


def _counts(answers: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in sorted(answers.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1000, help="among which one kills")
    parser.add_argument("--hangs", type=int, default=10, help="workers that hang")
    parser.add_argument("--rolls", type=int, default=20, help="rolling restarts")
    given = parser.parse_args()
    command = f"python -m benchmarks.faults --items {given.items} --hangs {given.hangs} --rolls {given.rolls}"
    results = asyncio.run(
        measure(items=given.items, hang_count=given.hangs, roll_count=given.rolls, command=command)
    )
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / "faults.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    file.with_suffix(".md").write_text(to_markdown(results), "utf-8")
    print(to_markdown(results))


if __name__ == "__main__":
    main()
