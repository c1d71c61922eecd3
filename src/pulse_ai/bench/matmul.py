"""The matrix product, written once, on every backend of this machine: ``pulse bench matmul``.

Each size is run on all backends in turn, and again, so that a noisy neighbour disturbs all of them alike; a
turn begins with a run that is not timed, and the figure is the median. Every figure is measured: a size that
pure Python would not finish in reasonable time has none, unless ``full`` asks for it. The peak is the fastest
matrix product seen in any single run, of any library and size; what is under test is one of those, so its
share of the peak cannot exceed 1.
"""

__all__ = ("Figure", "MatmulReport", "main", "run_matmul")

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pulse_ai.bench.machine import this_machine
from pulse_ai.bench.matmul_pages import matmul_html, matmul_json, matmul_text
from pulse_ai.bench.matmul_report import Figure, MatmulReport, Peak
from pulse_ai.bench.matmul_work import Backend, Matrix, backends, chain, chain_by_hand, has_gpu, product

SIZES = (256, 512, 1024, 2048)
_MOST_SIZE = 32_768  # 4 GiB a matrix
_PEAK_SIZES = (1024, 1536, 2048, 3072)
_SLOW_UP_TO = 512  # pure Python takes about half a second at 256, and eight times as long at each doubling
_ROUNDS = 15
_SLOW_ROUNDS = 3
_SHORTEST_S = 0.02  # shorter runs are repeated within one sample

Told = Callable[[str], None]


def run_matmul(
    sizes: tuple[int, ...] = SIZES,
    *,
    full: bool = False,
    rounds: int = _ROUNDS,
    only: str | None = None,
    earlier: MatmulReport | None = None,
    tell: Told | None = None,
) -> MatmulReport:
    """Measure the matrix product and the fused chain on every backend of this machine.

    Args:
        sizes: Sizes of the square float32 matrices; each from 1 to 32,768.
        full: Whether pure Python is run at every size too, which takes minutes at 2048.
        rounds: How often each fast backend is timed.
        only: The one backend to run; None runs all.
        earlier: Its figures are taken where none was measured now.
        tell: Told what is being measured, in a few words.

    Raises:
        ValueError: A size is out of range, there is nothing to run, or the earlier report was taken under other
            conditions; then nothing was measured. Or a backend's answer differs from NumPy's: the figures would
            compare different work.

    Example:
        >>> report = run_matmul((16,), rounds=1)
        >>> report.figures[0].backend, report.figures[0].size
        ('pure Python', 16)
    """
    told = tell or _nobody
    machine, versions = this_machine(), _versions()
    if earlier is not None:
        earlier.require_taken_on(machine, versions)
    found = _chosen(sizes, only, full=full)
    fast = [backend for backend in found if not backend.is_slow]
    figures: list[Figure] = []
    for size in sizes:
        told(f"matmul {size}")
        slow = [backend for backend in found if backend.is_slow and (full or size <= _SLOW_UP_TO)]
        figures += _product_figures(slow, size, rounds=_SLOW_ROUNDS if size <= _SLOW_UP_TO else 1)
        figures += _product_figures(fast, size, rounds=rounds)
    told("chain")
    figures += _chain_figures(fast, max(sizes), rounds=rounds) if fast else []
    told("peak")
    searched = [s for s in _PEAK_SIZES if s <= max(sizes) * 1.5]
    extra = [
        figure for size in searched for figure in _product_figures(fast, size, rounds=max(1, rounds // 3))
    ]
    report = MatmulReport(
        machine=machine,
        versions=versions,
        gpu="measured as XLA GPU" if has_gpu() else "no GPU on this machine",
        peaks=_peaks([*figures, *extra]),
        figures=tuple(figures),
    )
    return report if earlier is None else report.with_figures_of(earlier)


def _chosen(sizes: Sequence[int], only: str | None, *, full: bool) -> list[Backend]:
    """Return the backends to run, or refuse what would measure nothing."""
    if not sizes or not all(1 <= size <= _MOST_SIZE for size in sizes):
        raise ValueError(f"sizes must be from 1 to {_MOST_SIZE}, got {', '.join(map(str, sizes)) or 'none'}")
    there = backends()
    found = [backend for backend in there if only in (None, backend.name)]
    if not found:
        raise ValueError(f"no backend is called {only!r}; here are {', '.join(b.name for b in there)}")
    if all(b.is_slow for b in found) and not full and min(sizes) > _SLOW_UP_TO:
        raise ValueError(
            f"{only} would take minutes above size {_SLOW_UP_TO}; give --full to run it all the same"
        )
    return found


def _product_figures(among: Sequence[Backend], size: int, *, rounds: int) -> list[Figure]:
    one, two = (_matrix(size, seed) for seed in (1, 2))
    ready = {backend.name: (backend.load(one), backend.load(two)) for backend in among}
    runs = {
        backend.name: (lambda backend=backend: backend.run(product, *ready[backend.name]))
        for backend in among
    }
    wanted = one @ two
    samples = _timed(runs, lambda name, answer: _check(name, answer, wanted, size), rounds)
    return [
        Figure(work="matmul", backend=name, size=size, flop=2 * size**3, samples_s=tuple(taken))
        for name, taken in samples.items()
    ]


def _chain_figures(among: Sequence[Backend], size: int, *, rounds: int) -> list[Figure]:
    matrix = _matrix(size, 3)
    ready = {backend.name: backend.load(matrix) for backend in among}
    runs: dict[str, Callable[[], Any]] = {
        backend.name: (lambda backend=backend: backend.run(chain, ready[backend.name])) for backend in among
    }
    runs["NumPy by hand, in place"] = lambda: chain_by_hand(matrix)
    wanted = chain_by_hand(matrix)
    samples = _timed(runs, lambda name, answer: _check(name, answer, wanted, 1), rounds)
    return [
        Figure(work="chain", backend=name, size=size, flop=0, samples_s=tuple(taken))
        for name, taken in samples.items()
    ]


def _timed(
    runs: dict[str, Callable[[], Any]], check: Callable[[str, Any], None], rounds: int
) -> dict[str, list[float]]:
    """Time all runs in turn, ``rounds`` times; the first, untimed run of each compiles and is checked."""
    repeats: dict[str, int] = {}
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for name, run in runs.items():
        began_s = time.perf_counter()
        check(name, run())
        took_s = time.perf_counter() - began_s
        if rounds == 1 and took_s > 1.0:  # a minute of pure Python need not be run twice to warm up
            samples[name].append(took_s)
            continue
        repeats[name] = max(1, int(_SHORTEST_S / max(1e-9, _once_s(run))))
    for _ in range(rounds):
        for name, times in repeats.items():
            if times > 1 or rounds > _SLOW_ROUNDS:
                runs[name]()  # untimed: the threads of the one before spin on for a while after their work
            samples[name].append(_once_s(partial(_repeat, runs[name], times)) / times)
    return samples


def _repeat(run: Callable[[], Any], times: int) -> None:
    for _ in range(times):
        run()


def _once_s(run: Callable[[], Any]) -> float:
    began_s = time.perf_counter()
    run()
    return time.perf_counter() - began_s


def _check(name: str, answer: Any, wanted: Matrix, scale: int) -> None:
    got = np.asarray(getattr(answer, "rows", answer), np.float32)
    if not np.allclose(got, wanted, rtol=1e-3, atol=1e-4 * max(1.0, scale**0.5)):
        raise ValueError(f"{name} gives another answer than NumPy, off by up to {np.abs(got - wanted).max()}")


def _matrix(size: int, seed: int) -> Matrix:
    return np.random.default_rng(seed).standard_normal((size, size), dtype=np.float32)


def _peaks(figures: Iterable[Figure]) -> dict[str, Peak]:
    """Return the fastest product on each kind of device."""
    found: dict[str, Peak] = {}
    for figure in figures:
        if figure.work == "matmul" and figure.backend != "pure Python":
            device = "gpu" if figure.backend.endswith("GPU") else "cpu"
            best = Peak(gflops=figure.best_gflops, backend=figure.backend, size=figure.size)
            found[device] = max(found.get(device, best), best, key=lambda peak: peak.gflops)
    return found


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("numpy", "jax", "jaxlib"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _nobody(_text: str) -> None:
    """Drop what is told: nobody is watching."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from a command line; ``--help`` says how. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="pulse bench matmul", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=list(SIZES), help="sizes of the square matrices"
    )
    parser.add_argument("--full", action="store_true", help="run pure Python at every size too (minutes)")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="how often each fast backend is timed")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--html", type=Path, help="write a page with a plot here")
    parser.add_argument("--only", help="run this backend alone, such as 'pure Python'")
    parser.add_argument(
        "--add", type=Path, help="take figures that were not measured now from this JSON file"
    )
    given = parser.parse_args(arguments)
    earlier = msgspec.json.decode(given.add.read_bytes(), type=MatmulReport) if given.add else None
    report = run_matmul(
        tuple(given.sizes),
        full=given.full,
        rounds=given.rounds,
        only=given.only,
        earlier=earlier,
        tell=lambda text: _say(sys.stderr, text),
    )
    if given.json:
        given.json.write_text(matmul_json(report), encoding="utf-8")
    if given.html:
        given.html.write_text(matmul_html(report), encoding="utf-8")
    _say(sys.stdout, matmul_text(report))
    return 0


def _say(where: Any, text: str) -> None:
    where.write(text + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
