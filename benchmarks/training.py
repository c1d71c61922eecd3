"""Epochs a second after compilation: Pulse, Keras 3 on JAX, PyTorch's plain loop and scikit-learn, in one run.

The same network (two hidden layers of 64), optimiser (Adam), table and batches for each, in float32; each in a
process of its own, in an environment that the benchmark makes. They take turns, round after round, and the
medians are reported. Then sixteen candidates are trained as one population and one after another. Run it with
nothing else on the machine::

    python -m benchmarks.training

Writes ``benchmarks/results/training.json`` and ``training.md``.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from benchmarks.peers.training_table import FEATURES, HIDDEN, RATE, table
from pulse_ai.bench.machine import this_machine

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
VENVS = HERE.parent / ".venvs"
CONTENDERS = {"pulse": None, "keras": "keras", "torch": "torch-training", "sklearn": None}
CANDIDATES = 16


class Size(NamedTuple):
    """One table: its rows, its batches, and how many epochs a turn has for each contender."""

    rows: int
    batch: int
    epochs: dict[str, int]


SIZES = {
    "large": Size(100_000, 256, dict.fromkeys(CONTENDERS, 5)),
    "small": Size(344, 32, {"pulse": 2000, "keras": 20, "torch": 100, "sklearn": 100}),
}


def python_of(venv: str | None) -> str:
    """Return the Python of a contender; its environment is made first where it is not there or out of date."""
    if venv is None:
        return sys.executable
    folder, wanted = VENVS / venv, HERE / "peers" / f"requirements-{venv}.txt"
    done = folder / ".done"
    if not done.exists() or done.read_text("utf-8") != wanted.read_text("utf-8"):
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "-r", str(wanted)]
        subprocess.run(pip, check=True)
        done.write_text(wanted.read_text("utf-8"), "utf-8")
    return str(folder / "bin" / "python")


class Contender:
    """A process that has compiled, and trains when it is asked to."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._in, self._out = cast("tuple[IO[str], IO[str]]", (process.stdin, process.stdout))
        self.versions = str(self._line()["versions"])

    def train(self, epochs: int) -> dict[str, float]:
        """Return the seconds of an epoch and the loss."""
        self._in.write(f"{epochs}\n")
        self._in.flush()
        return self._line()

    def _line(self) -> dict[str, Any]:
        line = self._out.readline()
        if not line:
            raise RuntimeError(f"a contender ended with status {self._process.wait()}; its error is above")
        return json.loads(line)


@contextmanager
def contending(name: str, size: Size) -> Generator[Contender]:
    """Start a contender, wait until it has compiled, and end it."""
    script = HERE / "peers" / f"training_{name}.py"
    command = [python_of(CONTENDERS[name]), str(script), str(size.rows), str(size.batch)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        try:
            yield Contender(process)
        finally:
            process.kill()


def measure(names: list[str], size: Size, rounds: int) -> dict[str, Any]:
    """Return what each contender needed for an epoch, in each round."""
    with ExitStack() as stack:
        running = {name: stack.enter_context(contending(name, size)) for name in names}
        turns: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for _ in range(rounds):
            for name, one in running.items():
                turns[name].append(one.train(size.epochs[name]))
        return {
            name: {
                "versions": one.versions,
                "epoch_s": [turn["epoch_s"] for turn in turns[name]],
                "median_s": statistics.median(turn["epoch_s"] for turn in turns[name]),
                "loss": turns[name][-1]["loss"],
            }
            for name, one in running.items()
        }


def measure_population(rows: int, batch: int, epochs: int, rounds: int) -> dict[str, Any]:
    """Return the seconds of sixteen candidates as one population, and one after another."""
    from pulse_ai.train import Candidate, Rows, Settings, fit, fit_population, mlp

    features, targets = table(rows)
    cut = rows // 5
    training, validation = Rows(features[cut:], targets[cut:]), Rows(features[:cut], targets[:cut])
    network = mlp(FEATURES, 2, hidden=(HIDDEN, HIDDEN))
    settings = Settings(epochs=epochs, batch_size=batch, learning_rate=RATE, patience=None)
    candidates = [Candidate(seed=seed) for seed in range(CANDIDATES)]

    def together() -> None:
        fit_population(network, training, validation, candidates=candidates, settings=settings)

    def alone() -> None:
        for one in candidates:
            fit(network, training, validation, settings=dataclasses.replace(settings, seed=one.seed))

    for call in (together, alone):
        call()  # compiles
    pairs = [(timed(together), timed(alone)) for _ in range(rounds)]
    return {
        "rows": rows,
        "batch": batch,
        "epochs": epochs,
        "together_s": statistics.median(pair[0] for pair in pairs),
        "one_after_another_s": statistics.median(pair[1] for pair in pairs),
        "ratio": statistics.median(pair[1] / pair[0] for pair in pairs),
    }


def timed(call: Callable[[], None]) -> float:
    """Return how many seconds a call takes."""
    began_s = time.perf_counter()
    call()
    return time.perf_counter() - began_s


def page(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    lines = ["# Training", "", "Milliseconds an epoch after compilation; medians of alternating rounds.", ""]
    for size, figures in report["sizes"].items():
        rows, batch = SIZES[size].rows, SIZES[size].batch
        ours = figures["pulse"]["median_s"]
        lines += [f"## {rows:,} rows of {FEATURES}, batches of {batch}", ""]
        lines += [
            "| contender | ms an epoch | epochs a second | Pulse is faster by | loss |",
            "|---|---:|---:|---:|---:|",
        ]
        for name, one in figures.items():
            median_s = one["median_s"]
            cells = f"{median_s * 1e3:,.2f} | {1 / median_s:,.1f} | {median_s / ours:.2f} | {one['loss']:.4f}"
            lines.append(f"| {name} ({one['versions']}) | {cells} |")
        lines.append("")
    lines += [f"## {CANDIDATES} candidates", ""]
    lines += [
        "| rows | batch | as one population, s | one after another, s | ratio |",
        "|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one['rows']:,} | {one['batch']} | {one['together_s']:.2f} | {one['one_after_another_s']:.2f} "
        f"| {one['ratio']:.2f} |"
        for one in report["population"]
    ]
    load = f" **The load average was {report['load']:.1f} before the run.**" if report["load"] > 0.5 else ""
    return "\n".join(
        [
            *lines,
            "",
            f"Measured on {report['machine']}, {report['at']}.{load}",
            "",
            f"`{report['command']}`",
            "",
        ]
    )


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--contenders", nargs="+", choices=[*CONTENDERS], default=[*CONTENDERS])
    parser.add_argument("--sizes", nargs="+", choices=[*SIZES], default=[*SIZES])
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    given = parser.parse_args()
    report: dict[str, Any] = {
        "machine": this_machine().line(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python -m benchmarks.training", *sys.argv[1:]]),
        "load": os.getloadavg()[0],
        "sizes": {size: measure(given.contenders, SIZES[size], given.rounds) for size in given.sizes},
        "population": [
            measure_population(344, 32, 100, given.rounds),
            measure_population(5_000, 64, 20, given.rounds),
        ],
    }
    print(page(report))
    if not given.dry:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "training.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
        (RESULTS / "training.md").write_text(page(report), "utf-8")


if __name__ == "__main__":
    main()
