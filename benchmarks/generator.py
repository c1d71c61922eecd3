"""Is the load generator fast enough, and does it agree with ``wrk``?

Starts a bare echo (an asyncio protocol that answers every read) and a service with a known capacity (each of
its two workers takes 2 ms for a request), and drives both with ``pulse bench load`` and ``wrk`` in turn::

    python -m benchmarks.generator --rounds 5 --seconds 4

Writes ``benchmarks/results/generator.json`` and ``generator.md``.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import statistics
from collections.abc import Generator
from typing import Any

import msgspec

from benchmarks.noop import RESULTS, drive, quietness
from pulse_ai.bench import load
from pulse_ai.bench.machine import this_machine

BODY = b'{"q": "hello"}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
SERVICE_S = 0.002
WORKERS = 2
CONNECTIONS = 32
RATES = "1000,10000,20000"


class Echo(asyncio.Protocol):
    """Answers every read at once: requests of one packet are taken for granted."""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer."""
        self.transport.write(OK)


class Slow(Echo):
    """Answers after one of the workers has been busy for ``SERVICE_S``."""

    places = asyncio.Semaphore(WORKERS)

    def data_received(self, data: bytes) -> None:
        """Answer later."""
        self.task = asyncio.ensure_future(self._later())

    async def _later(self) -> None:
        async with self.places:
            await asyncio.sleep(SERVICE_S)
        self.transport.write(OK)


def _serve(kind: type[Echo], port: Any) -> None:
    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(kind, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    import uvloop

    uvloop.run(forever())


@contextlib.contextmanager
def serving(kind: type[Echo]) -> Generator[str]:
    """Serve in a process of its own; yield the URL."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(kind, there))
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/x"
    finally:
        process.terminate()
        process.join()


def generate(url: str, rates: str, seconds: float) -> load.LoadReport:
    """Drive a service with our generator."""
    target = load.parse_target(url)
    plan = load.LoadPlan(
        steps=load.parse_rates(rates, duration_s=seconds), connections=CONNECTIONS, warmup_s=0.5
    )
    requests = load.encode_requests(target, method="POST", headers={}, bodies=[BODY])
    return load.run_load_sync(plan, target, requests)


def measure(*, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Let the two take turns, and return every figure by name, one for each round."""
    found: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    for _ in range(rounds):
        with serving(Echo) as url:
            for step in generate(url, RATES, seconds).steps:
                note(f"echo, offered {step.label}: answered a second", step.answered_per_s)
                if step.lag and step.latency:
                    note(f"echo, offered {step.label}: p50 ms", step.latency.p50_s * 1e3)
                    note(f"echo, offered {step.label}: send lag p50 ms", step.lag.p50_s * 1e3)
                    note(f"echo, offered {step.label}: send lag p99 ms", step.lag.p99_s * 1e3)
            (step,) = generate(url, "max", seconds).steps
            note("echo, closed loop: answered a second", step.answered_per_s)
            note(
                "echo, wrk: answered a second",
                drive(url, connections=CONNECTIONS, seconds=seconds, body=BODY).rate,
            )
        with serving(Slow) as url:
            (step,) = generate(url, "max", seconds).steps
            note("two workers of 2 ms, closed loop: answered a second", step.answered_per_s)
            if step.latency:
                note("two workers of 2 ms, closed loop: p50 ms", step.latency.p50_s * 1e3)
                note("two workers of 2 ms, closed loop: p99 ms", step.latency.p99_s * 1e3)
            got = drive(url, connections=CONNECTIONS, seconds=seconds, body=BODY)
            note("two workers of 2 ms, wrk: answered a second", got.rate)
            note("two workers of 2 ms, wrk: p50 ms", got.p50_ms)
            note("two workers of 2 ms, wrk: p99 ms", got.p99_ms)
    return found


def to_markdown(found: dict[str, list[float]], command: str, load_before: float) -> str:
    """Return the medians, and the range, as a table."""
    rows = "\n".join(
        f"| {name} | {statistics.median(values):,.5g} | {min(values):,.5g} to {max(values):,.5g} |"
        for name, values in found.items()
    )
    where = f"Measured on {this_machine().line()}. {quietness(load_before)}"
    about = f"`pulse bench load` and `wrk -t1`, {CONNECTIONS} connections, taking turns."
    table = f"| figure | median | range |\n|---|---:|---:|\n{rows}"
    return f"# The load generator\n\n{about}\n\n{table}\n\n{where}\n\n`{command}`\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    load_before = os.getloadavg()[0]
    found = measure(rounds=given.rounds, seconds=given.seconds)
    command = f"python -m benchmarks.generator --rounds {given.rounds} --seconds {given.seconds:g}"
    result = {
        "command": command,
        "load_before": load_before,
        "machine": msgspec.to_builtins(this_machine()),
        "figures": found,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "generator.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    (RESULTS / "generator.md").write_text(to_markdown(found, command, load_before), "utf-8")
    print(to_markdown(found, command, load_before))


if __name__ == "__main__":
    main()
