"""How many requests a second go through a server when the model does nothing.

HTTP JSON in, to a worker process and back, JSON out. ``wrk`` drives each server with 32 and with 256
connections; the servers take turns, round after round, and the medians are reported. Run it with nothing else
on the machine::

    python -m benchmarks.noop --rounds 5 --seconds 5 pulse mosec "mosec batched" litserve

Writes ``benchmarks/results/noop.json`` and ``noop.md``.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.peers.noops import NOOP
from benchmarks.peers.servers import PEERS, ROOT, running, version_of
from pulse_ai.bench.machine import this_machine

RESULTS = ROOT / "benchmarks" / "results"
CONNECTIONS = (32, 256)
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


class Drive(msgspec.Struct, frozen=True):
    """One run of ``wrk``: requests a second, milliseconds at p50 and p99, and answers other than 2xx."""

    rate: float
    p50_ms: float
    p99_ms: float
    failed: int


class Figures(msgspec.Struct, frozen=True):
    """What one server did, by number of connections, in each round."""

    version: str
    settings: str
    start_s: list[float]
    memory_mib: list[float]
    drives: dict[int, list[Drive]]


def drive(url: str, *, connections: int, seconds: float, body: bytes) -> Drive:
    """Run ``wrk`` once."""
    script = ROOT / ".venvs" / "post.lua"
    script.write_text(
        (PEERS / "post.lua").read_text("utf-8").replace('{"q": "hello"}', body.decode()), "utf-8"
    )
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds:g}s",
        "--latency",
        "--timeout",
        "10s",
        "-s",
        str(script),
    ]
    said = subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout
    return read_wrk(said)


def read_wrk(said: str) -> Drive:
    """Read the figures out of what ``wrk --latency`` prints."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if rate is None:
        raise ValueError(f"wrk said no rate:\n{said}")
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    lost = sum(map(int, errors.groups())) if errors else 0
    return Drive(
        float(rate[1]), _share(said, "50"), _share(said, "99"), lost + (int(failed[1]) if failed else 0)
    )


def _share(said: str, percent: str) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s|m)\b", said)
    return float(found[1]) * _UNITS[found[2]] if found else float("nan")


def measure(names: Sequence[str], *, rounds: int, seconds: float) -> dict[str, Figures]:
    """Let the servers take turns."""
    figures = {
        name: Figures(version_of(NOOP[name]), NOOP[name].settings, [], [], {c: [] for c in CONNECTIONS})
        for name in names
    }
    for number in range(rounds):
        for name in names:
            with running(NOOP[name]) as server:
                drive(server.url, connections=CONNECTIONS[0], seconds=1.0, body=server.peer.body())
                for connections in CONNECTIONS:
                    got = drive(server.url, connections=connections, seconds=seconds, body=server.peer.body())
                    figures[name].drives[connections].append(got)
                    print(f"round {number + 1}, {name}, c={connections}: {got}", flush=True)
                figures[name].start_s.append(server.started_s)
                figures[name].memory_mib.append(server.memory_bytes() / 2**20)
    return figures


def quietness(load_before: float) -> str:
    """Return a sentence on how busy the machine was before a measurement began."""
    cores = this_machine().cores
    if load_before < 0.25 * cores:
        return f"The machine was quiet before (load average {load_before:.1f})."
    return (
        f"**The machine was not quiet: its load average was {load_before:.1f} on {cores} cores before the run. "
        "Compare the servers with each other, and measure again for figures.**"
    )


def to_markdown(figures: dict[str, Figures], command: str, load_before: float) -> str:
    """Return the medians as a table."""
    head = "| server | settings |" + "".join(
        f" c={c}, req/s | p50, ms | p99, ms | not 2xx |" for c in CONNECTIONS
    )
    lines = [head + " start, s | memory, MiB |", "|---|---|" + "---:|" * (4 * len(CONNECTIONS) + 2)]
    for name, found in figures.items():
        cells = [f"{name} {found.version}", found.settings]
        for runs in found.drives.values():
            cells.append(f"{statistics.median(r.rate for r in runs):,.0f}")
            cells.append(f"{statistics.median(r.p50_ms for r in runs):.2f}")
            cells.append(f"{statistics.median(r.p99_ms for r in runs):.2f}")
            cells.append(str(sum(r.failed for r in runs)))
        cells.append(f"{statistics.median(found.start_s):.2f}")
        cells.append(f"{statistics.median(found.memory_mib):.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    table = "\n".join(lines)
    where = f"Measured on {this_machine().line()}. {quietness(load_before)}"
    about = "HTTP JSON in, worker process, JSON out; `wrk -t1`, medians of alternating rounds."
    return f"# A no-op through the whole path\n\n{about}\n\n{table}\n\n{where}\n\n`{command}`\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers", nargs="*", default=["pulse", "mosec", "mosec batched", "litserve"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--out", type=Path, default=RESULTS / "noop.json")
    given = parser.parse_args()
    load_before = os.getloadavg()[0]
    figures = measure(given.peers, rounds=given.rounds, seconds=given.seconds)
    names = " ".join(f'"{name}"' if " " in name else name for name in given.peers)
    command = f"python -m benchmarks.noop --rounds {given.rounds} --seconds {given.seconds:g} {names}"
    given.out.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "command": command,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_before": load_before,
        "machine": msgspec.to_builtins(this_machine()),
        "servers": msgspec.to_builtins(figures, str_keys=True),
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    given.out.with_suffix(".md").write_text(to_markdown(figures, command, load_before), "utf-8")
    print(to_markdown(figures, command, load_before))


if __name__ == "__main__":
    main()
