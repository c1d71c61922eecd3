"""A CSV to features, with pandas and scikit-learn in the same run: ``python -m benchmarks.read_csv``.

Reading, fitting and transforming a mixed CSV (numbers with holes, categories, a boolean, an instant): in memory,
streamed, and by ``pandas.read_csv`` with a ``ColumnTransformer`` of the same steps, by its default engine and by
PyArrow's. Each measurement is a process of its own, so that its peak memory is its own; imports are not counted.
The ways take turns in every round. The streamed way runs once on a file eight times as long, to see that memory
stays bounded: Polars reads up to some 250 MiB of a file ahead, and holds less of a shorter one. All ways must give
the same numbers.
"""

__all__ = ("main", "make_csv", "measure")

import argparse
import importlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import venv
from pathlib import Path
from typing import Any, Self

import numpy as np

_HERE = Path(__file__).parent
_RESULTS = _HERE / "results" / "read-csv.json"
_PEER_VENV = _HERE.parent / ".venvs" / "pandas"
_LONGER = 8
_COLORS = ("yellow", "green", "black")
_PAYMENTS = ("cash", "credit card", "app", "voucher")
_ZONES = tuple(f"Zone {number}" for number in range(60))


def make_csv(path: Path, rows: int, *, blocks: int) -> None:
    """Write the file: ``blocks`` times the same ``rows`` rows, but for their ids."""
    import polars as pl

    random = np.random.default_rng(0)

    def holes(values: Any) -> Any:
        return pl.select(pl.when(pl.Series(random.random(rows) > 0.05)).then(pl.Series(values))).to_series()

    def picks(values: tuple[str, ...]) -> Any:
        return np.array(values)[random.integers(0, len(values), rows)]

    seconds = random.integers(0, 30 * 86_400, rows).astype("timedelta64[s]")
    frame = pl.DataFrame(
        {
            "distance": holes(random.gamma(2, 2, rows).round(2)),
            "fare": random.gamma(3, 4, rows).round(2),
            "tip": holes(random.gamma(1, 2, rows).round(2)),
            "passengers": random.integers(0, 7, rows),
            "age": holes(random.integers(18, 90, rows)),
            "color": picks(_COLORS),
            "payment": holes(picks(_PAYMENTS)),
            "zone": picks(_ZONES),
            "night": random.random(rows) > 0.5,
            "pickup": (np.datetime64("2019-03-01") + seconds).astype("datetime64[us]"),
        }
    )
    with path.open("wb") as opened:
        for block in range(blocks):
            numbered = frame.with_row_index("id", offset=block * rows)
            numbered.write_csv(opened, include_header=block == 0, datetime_format="%Y-%m-%d %H:%M:%S")


class _AnonymousPeak:
    """Watches the greatest memory of this process's own, without that of programs and mapped files."""

    def __init__(self) -> None:
        self.bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            lines = Path("/proc/self/status").read_text().splitlines()
            kib = next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)
            self.bytes = max(self.bytes, kib * 1024)


def measure(path: Path, way: str) -> dict[str, Any]:
    """Read, fit and transform in this process; ``way`` is ``memory`` or ``streamed``."""
    from pulse_ai.frame import DateParts, Impute, OneHot, Recipe, Standardise

    parts = ("year", "month", "day", "weekday", "hour", "minute")
    recipe = Recipe(
        (DateParts(parts=parts), Impute("numbers"), Impute("texts", how="mode"), Standardise(), OneHot())
    )
    with _AnonymousPeak() as peak:
        found = _measure(path, way, recipe)
    return found | {"anonymous_bytes": peak.bytes}


def _measure(path: Path, way: str, recipe: Any) -> dict[str, Any]:
    from pulse_ai.frame import read_csv, scan_csv

    importlib.import_module("polars")  # before the clock starts, as pandas is for its ways

    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    rows = total = 0
    if way == "memory":
        frame, _ = read_csv(path)
        read_s = time.perf_counter() - began_s
        fitted = recipe.fit(frame, without=["id"])
        features = fitted.transform(frame)
        rows = len(features)
    else:
        lazy, _ = scan_csv(path)
        read_s = time.perf_counter() - began_s
        fitted = recipe.fit(lazy, without=["id"])
        features = np.empty(0)
        for batch in fitted.transform_batches(lazy):
            rows += len(batch)
            total += float(np.abs(batch).sum(dtype=np.float64))
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    return {
        "took_s": took_s,
        "read_s": read_s,
        "shape": [rows, fitted.width],
        "total": total or float(np.abs(features).sum(dtype=np.float64)),
        "cpu_s": cpu_s,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "versions": {},
    }


def _peer_python() -> str:
    """Return the Python of the peers' venv; make it where it is not there."""
    python = _PEER_VENV / "bin" / "python"
    if not (_PEER_VENV / ".done").exists():
        print("installing pandas, PyArrow and scikit-learn into", _PEER_VENV.relative_to(_HERE.parent))
        venv.create(_PEER_VENV, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
        subprocess.run([*pip, "-r", str(_HERE / "peers" / "requirements-pandas.txt")], check=True)
        (_PEER_VENV / ".done").touch()
    return str(python)


def _run(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "median_s": round(statistics.median(run["took_s"] for run in runs), 3),
        "read_s": round(statistics.median(run["read_s"] for run in runs), 3),
        "cpu_s": round(statistics.median(run["cpu_s"] for run in runs), 3),
        "all_s": [round(run["took_s"], 3) for run in runs],
        "peak_mib": round(max(run["peak_bytes"] for run in runs) / 2**20),
        "own_peak_mib": round(max(run.get("anonymous_bytes", 0) for run in runs) / 2**20) or None,
        "shape": runs[0]["shape"],
    }


def _compare(rows: int, rounds: int, folder: Path) -> dict[str, Any]:
    path, longer = folder / "mixed.csv", folder / "longer.csv"
    make_csv(path, rows, blocks=1)
    make_csv(longer, rows, blocks=_LONGER)
    ours = [sys.executable, "-m", "benchmarks.read_csv", "--measure"]
    theirs = [_peer_python(), str(_HERE / "peers" / "pandas_recipe.py"), str(path)]
    ways = {
        "pulse": [*ours, "memory", str(path)],
        "pulse streamed": [*ours, "streamed", str(path)],
        f"pulse streamed, {_LONGER} times the rows": [*ours, "streamed", str(longer)],
        "pandas + ColumnTransformer": [*theirs, "c"],
        "pandas (pyarrow) + ColumnTransformer": [*theirs, "pyarrow"],
    }
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, command in ways.items():
            if number and "times the rows" in name:
                continue
            runs[name].append(_run(command))
            print(f"{name}: {runs[name][-1]['took_s']:.2f} s")
    _check_same(runs)
    summary: dict[str, Any] = {name: _summary(found) for name, found in runs.items()}
    base = summary["pulse"]["median_s"]
    return {
        "ways": summary,
        "times_as_fast": {
            name: round(found["median_s"] / base, 2) for name, found in summary.items() if "pandas" in name
        },
        "times_as_fast_streamed": {
            name: round(found["median_s"] / summary["pulse streamed"]["median_s"], 2)
            for name, found in summary.items()
            if "pandas" in name
        },
        "versions": runs["pandas + ColumnTransformer"][0]["versions"],
    }


def _check_same(runs: dict[str, list[dict[str, Any]]]) -> None:
    """Make sure that all ways made the same features, by the sum of their sizes.

    Above a million rows medians are of a sample, so the longer file is compared less strictly.
    """
    one = runs["pulse"][0]
    for name, found in runs.items():
        other = found[0]
        times = other["shape"][0] / one["shape"][0]
        near = 1e-5 if times == 1 else 1e-3
        if other["shape"][1] != one["shape"][1] or abs(other["total"] / times / one["total"] - 1) > near:
            raise SystemExit(
                f"{name} gives {other['total']} in {other['shape']}, not {one['total']} in {one['shape']}"
            )


def _facts(rows: int, rounds: int) -> dict[str, Any]:
    import polars as pl

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "command": f"python -m benchmarks.read_csv --rows {rows} --rounds {rounds}",
        "commit": commit or "unknown",
        "date": time.strftime("%Y-%m-%d"),
        "machine": {"cpu": model, "cores": os.cpu_count(), "system": platform.system()},
        "python": platform.python_version(),
        "polars": pl.__version__,
    }


def main() -> None:
    """Compare, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=_RESULTS)
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(Path(given.measure[1]), given.measure[0])))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = _facts(given.rows, given.rounds) | _compare(given.rows, given.rounds, Path(folder))
    given.out.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
