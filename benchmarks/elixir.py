"""What a model behind a port costs an Elixir caller, and what callers see when Python is killed each second.

Runs the scripts in ``examples/elixir/bench``, which need Elixir. Run it with nothing else on the machine::

    python -m benchmarks.elixir --rounds 5 --requests 20000 --killed 100000 --rate 4000

Writes ``benchmarks/results/elixir.json`` and ``elixir.md``.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.noop import quietness
from pulse_ai.bench.machine import this_machine

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "examples" / "elixir"
RESULTS = ROOT / "benchmarks" / "results"


class Way(msgspec.Struct, frozen=True):
    """One way to ask: microseconds at p50 and p99, in each round."""

    name: str
    p50_us: list[float]
    p99_us: list[float]


def run_script(script: str, arguments: Sequence[object], build: str) -> list[list[str]]:
    """Run a script of the mix project and return its lines, cut at the tabs."""
    environment = {
        **os.environ,  # noqa: TID251 - Elixir needs what it finds there
        "PULSE": str(Path(sys.executable).parent / "pulse"),
        "MIX_BUILD_PATH": build,
        "LC_ALL": "C.UTF-8",
    }
    command = ["mix", "run", f"bench/{script}", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]


def round_trips(rounds: int, requests: int, build: str) -> list[Way]:
    """Measure each way to ask, round after round."""
    found: dict[str, Way] = {}
    for number in range(rounds):
        for name, p50_us, p99_us, _count in run_script("round_trip.exs", [requests], build):
            way = found.setdefault(name, Way(name, [], []))
            way.p50_us.append(float(p50_us))
            way.p99_us.append(float(p99_us))
            print(f"round {number + 1}, {name}: p50 {p50_us} us, p99 {p99_us} us", flush=True)
    return list(found.values())


def kill_run(requests: int, rate: int, build: str) -> dict[str, float]:
    """Kill Python each second under load, and return what callers saw."""
    lines = run_script("kill_run.exs", [requests, rate], build)
    return {" ".join(names): float(value) for *names, value in lines}


def to_markdown(ways: Sequence[Way], killed: dict[str, float], command: str, load_before: float) -> str:
    """Return both as tables."""
    head = "| | p50, us | p99, us |\n|---|---:|---:|\n"
    rows = [
        f"| {way.name} | {statistics.median(way.p50_us):.0f} | {statistics.median(way.p99_us):.0f} |\n"
        for way in ways
    ]
    seen = [f"| {name} | {value:,.10g} |\n" for name, value in killed.items()]
    return (
        "# A Python model behind an Elixir port\n\n"
        "One request with a text of 27 bytes, one in flight where nothing else is said; medians of the rounds.\n"
        "`cat` gives the bytes back as they are: what is left without Python. The task answers with its item.\n\n"
        f"{head}{''.join(rows)}\n"
        "A pool of two, 50 callers, and SIGKILL to a loaded member each second:\n\n"
        f"| | |\n|---|---:|\n{''.join(seen)}\n"
        f"Measured on {this_machine().line()}. {quietness(load_before)}\n\n`{command}`\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--killed", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=4_000)
    parser.add_argument("--out", type=Path, default=RESULTS / "elixir.json")
    given = parser.parse_args()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as build:
        ways = round_trips(given.rounds, given.requests, build)
        killed = kill_run(given.killed, given.rate, build)
    command = (
        f"python -m benchmarks.elixir --rounds {given.rounds} --requests {given.requests} "
        f"--killed {given.killed} --rate {given.rate}"
    )
    result = {
        "command": command,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_before": load_before,
        "machine": msgspec.to_builtins(this_machine()),
        "round_trip": msgspec.to_builtins(ways),
        "killed": killed,
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    text = to_markdown(ways, killed, command, load_before)
    given.out.with_suffix(".md").write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
