"""What the service costs around the model: its share of the engine's rate, its start and its size.

* Rate: the embedded model over SST-2's dev sentences, saturated through the service, against the same engine in
  a bare loop with the same tokenizer and batch size, in alternating rounds.
* Start: seconds from the command to the first 200.
* Memory of the parent and of the worker after the rate was measured; size of a fresh base install.

Run it with nothing else on the machine::

    python -m benchmarks.spine --rounds 5

Writes ``benchmarks/results/spine.json`` and ``spine.md``. ``benchmarks.noop`` has the no-op against the peers.
"""

import argparse
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.noop import RESULTS, quietness
from pulse_ai.bench import load
from pulse_ai.bench.machine import this_machine
from pulse_ai.hub import Text, TextClassification

ROOT = Path(__file__).parents[1]
SENTENCES = ROOT.parent / "shared" / "data" / "sst2" / "dev.tsv"
BATCH = 16
CONNECTIONS = 64


class Footprint(msgspec.Struct, frozen=True):
    """What one start of the service took: seconds to the first 200, and resident memory in MiB."""

    first_200_s: float
    parent_mib: float
    worker_mib: float


def bare_rate(texts: list[str], seconds: float) -> float:
    """Return the sentences a second of the engine alone, in batches, in a process of its own."""
    code = (
        "import sys, json, time; from benchmarks.spine import loop_bare;"
        f"print(loop_bare(json.load(sys.stdin), {seconds}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(texts),
        text=True,
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    return float(done.stdout)


def loop_bare(texts: list[str], seconds: float) -> float:
    """Predict over and over for so many seconds, and return sentences a second."""
    task = TextClassification("embedded")
    task.load()
    items = [Text(text) for text in texts]
    batches = [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
    began_s, done = time.perf_counter(), 0
    while time.perf_counter() < began_s + seconds:
        for batch in batches:
            task.predict(batch)
            done += len(batch)
    return done / (time.perf_counter() - began_s)


@contextlib.contextmanager
def service() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run ``pulse serve`` on a free port; give its URL once it listens."""
    command = [sys.executable, "-m", "pulse_ai", "serve", "--port", "0", "--json", "--batch-size", str(BATCH)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        lines = iter(process.stdout or ())
        yield json.loads(next(lines))["url"], process
    finally:
        process.terminate()
        process.wait(timeout=30)


def served_rate(texts: list[str], seconds: float) -> tuple[float, Footprint]:
    """Return the sentences a second through the service, saturated, and what it takes."""
    began_s = time.perf_counter()
    with service() as (url, process):
        first_200_s = wait_first_200(url, began_s)
        target = load.parse_target(f"{url}/api/sentiment")
        bodies = tuple(json.dumps({"q": text}).encode() for text in texts)
        requests = load.encode_requests(target, method="POST", headers={}, bodies=bodies)
        plan = load.LoadPlan(
            steps=load.parse_rates("max", duration_s=seconds), warmup_s=1.0, connections=CONNECTIONS
        )
        report = load.run_load_sync(plan, target, requests)
        worker = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
        footprint = Footprint(first_200_s, resident_mib(process.pid), resident_mib(int(worker)))
    return report.total.good_per_s, footprint


def wait_first_200(url: str, began_s: float) -> float:
    """Ask until the answer is 200, and return the seconds since the command was given."""
    authority = url.removeprefix("http://")
    while True:
        connection = http.client.HTTPConnection(authority, timeout=5)
        connection.request("POST", "/api/sentiment", b'{"q": "fine"}', {"content-type": "application/json"})
        status = connection.getresponse().status
        connection.close()
        if status == 200:
            return time.perf_counter() - began_s


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def install_mib() -> float:
    """Return the size of a fresh environment with the base install, pip included."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [f"{folder}/bin/python", "-m", "pip", "install", "-q", "-c", "constraints.txt", str(ROOT)]
        subprocess.run(install, check=True, cwd=ROOT, stderr=subprocess.DEVNULL)
        files = (path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink())
        return sum(path.stat().st_blocks * 512 for path in files) / 2**20


def measure(rounds: int, seconds: float) -> dict[str, list[float]]:
    """Let the bare engine and the service take turns."""
    texts = [line.rpartition("\t")[0] for line in SENTENCES.read_text().splitlines()]
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        bare = bare_rate(texts, seconds)
        served, footprint = served_rate(texts, seconds)
        row = {
            "bare_per_s": bare,
            "served_per_s": served,
            "share": served / bare,
            **msgspec.to_builtins(footprint),
        }
        print(f"round {number + 1}: {row}", flush=True)
        for name, value in row.items():
            found.setdefault(name, []).append(value)
    return found


def to_markdown(found: dict[str, list[float]], command: str, load_before: float) -> str:
    """Return the medians as a table."""
    rows = {
        "bare engine, sentences/s": f"{statistics.median(found['bare_per_s']):,.0f}",
        "through the service, sentences/s": f"{statistics.median(found['served_per_s']):,.0f}",
        "share of the engine's rate": f"{statistics.median(found['share']):.1%}",
        "command to first 200, s": f"{statistics.median(found['first_200_s']):.2f}",
        "parent process, MiB": f"{statistics.median(found['parent_mib']):.0f}",
        "worker process, MiB": f"{statistics.median(found['worker_mib']):.0f}",
        "base install with pip, MiB": f"{found['install_mib'][0]:.0f}",
    }
    table = "\n".join(
        ["| what | median |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows.items())]
    )
    where = f"Measured on {this_machine().line()}. {quietness(load_before)}"
    about = f"The embedded model over SST-2's dev sentences, batches of {BATCH}, {CONNECTIONS} connections."
    return f"# The spine\n\n{about}\n\n{table}\n\n{where}\n\n`{command}`\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    if not SENTENCES.exists():
        sys.exit(f"the sentences are not at {SENTENCES.relative_to(ROOT.parent)} beside this checkout")
    load_before = os.getloadavg()[0]
    found = measure(given.rounds, given.seconds) | {"install_mib": [install_mib()]}
    command = f"python -m benchmarks.spine --rounds {given.rounds} --seconds {given.seconds:g}"
    written = {
        "command": command,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": this_machine().line(),
        "load_before": load_before,
        "figures": found,
    }
    (RESULTS / "spine.json").write_text(json.dumps(written, indent=1) + "\n")
    (RESULTS / "spine.md").write_text(to_markdown(found, command, load_before))
    print(to_markdown(found, command, load_before))


if __name__ == "__main__":
    main()
