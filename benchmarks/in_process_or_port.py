"""What a call costs in the process, in a thread and behind the port: ``python -m benchmarks.in_process_or_port``.

Ways to the same function: called directly, through ``asyncio.to_thread``, and through ``Serving.open`` (a worker
process), with one call in flight at a time; and the worker process with 16 in flight, which share batches. The
functions: one that does nothing, a matrix product in native code, and a small classifier, by scikit-learn and by
ONNX Runtime. The ways take turns in every round, so a slow minute of the machine is shared by all of them.

Then what each way makes of a crash, a hang, a leak and a call that keeps the interpreter's lock; that is in
``native_faults.py``.
"""

__all__ = ("Multiply", "Nothing", "main")

import argparse
import asyncio
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.native_faults import Seen, measure_faults
from pulse_ai import Serving, Task
from pulse_ai.hub import Estimator, Row, sklearn_to_onnx

_RESULTS = Path(__file__).parent / "results" / "in-process-or-port.json"
_ROUNDS = 25
_SIDE = 64
_TOGETHER = 16
_FEATURES = 20


class Nothing(Task):
    """Answers each item with itself."""

    def predict(self, items: list[int]) -> list[int]:
        """Answer."""
        return items


class Multiply(Task):
    """Multiplies a matrix by a fixed one."""

    def load(self) -> None:
        """Make the fixed matrix."""
        self._fixed = np.random.default_rng(0).standard_normal((_SIDE, _SIDE), dtype=np.float32)

    def predict(self, items: list[np.ndarray]) -> list[np.ndarray]:
        """Answer."""
        return [item @ self._fixed for item in items]


Call = Callable[[], Awaitable[object]]


async def measure(task: Task, item: object, *, calls: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return the microseconds of one call, for each way."""
    task.load()

    async def direct() -> object:
        return task.predict([item])[0]

    async def thread() -> object:
        return (await asyncio.to_thread(task.predict, [item]))[0]

    async with Serving(task, name="bench").open() as serving:

        async def port() -> object:
            return await serving.infer(item, timeout_s=10.0)

        async def ports() -> object:
            return await asyncio.gather(*(port() for _ in range(_TOGETHER)))

        ways: dict[str, Call] = {"direct": direct, "thread": thread, "port": port, "port of 16": ports}
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name, call in ways.items():
                at_once = _TOGETHER if call is ports else 1
                took_us = await _mean_us(call, calls=calls // at_once) / at_once
                if number:  # the first round warms up
                    taken[name].append(took_us)
    return {name: _summary(values) for name, values in taken.items()}


async def _mean_us(call: Call, *, calls: int) -> float:
    began_s = time.perf_counter()
    for _ in range(calls):
        await call()
    return (time.perf_counter() - began_s) / calls * 1e6


def _summary(values: list[float]) -> dict[str, float]:
    return {
        "median_us": round(statistics.median(values), 2),
        "least_us": round(min(values), 2),
        "most_us": round(max(values), 2),
    }


def _facts() -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "command": "python -m benchmarks.in_process_or_port",
        "commit": commit or "unknown",
        "date": time.strftime("%Y-%m-%d"),
        "machine": {"cpu": model, "cores": os.cpu_count(), "system": platform.system()},
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


async def _measure_all(calls: int, rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    matrix = np.ones((_SIDE, _SIDE), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        row = Row([0.5] * _FEATURES)
        skops_file, onnx_file = _classifiers(Path(folder))
        return {
            "no-op": await measure(Nothing(), 1, calls=calls, rounds=rounds),
            f"{_SIDE}x{_SIDE} matmul": await measure(Multiply(), matrix, calls=calls, rounds=rounds),
            "scikit-learn, a row": await measure(
                Estimator(skops_file), row, calls=max(calls // 10, _TOGETHER), rounds=rounds
            ),
            "ONNX Runtime, a row": await measure(
                Estimator(onnx_file), row, calls=max(calls // 2, _TOGETHER), rounds=rounds
            ),
        }


def _classifiers(folder: Path) -> tuple[str, str]:
    """Write the same fitted pipeline as skops and as ONNX."""
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = np.random.default_rng(0).standard_normal((200, _FEATURES))
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, rows.sum(axis=1) > 0)
    skops.io.dump(fitted, folder / "model.skops")
    sklearn_to_onnx(fitted, rows, folder / "model.onnx")
    return str(folder / "model.skops"), str(folder / "model.onnx")


def main() -> None:
    """Measure, print a table, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=2000, help="calls in a row, for each way and round")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="rounds that the ways take turns in")
    parser.add_argument("--out", type=Path, default=_RESULTS, help="where the result is written")
    options = parser.parse_args()
    from uvloop import new_event_loop

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        measured = runner.run(_measure_all(options.calls, options.rounds))
    faults = measure_faults()
    _show(measured, faults)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report = _facts() | {
        "calls": options.calls,
        "rounds": options.rounds,
        "measured": measured,
        "faults": faults,
    }
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def _show(measured: dict[str, dict[str, dict[str, float]]], faults: dict[str, dict[str, Seen]]) -> None:
    """Print the rows of the two tables in docs/in-process-or-port.md."""
    for name, ways in measured.items():
        print("| " + " | ".join([name, *(f"{way['median_us']:.2f}" for way in ways.values())]) + " |")
    for fault, found in faults.items():
        print("| " + " | ".join([fault, *(seen.text() for seen in found.values())]) + " |")


if __name__ == "__main__":
    main()
