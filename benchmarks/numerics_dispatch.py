"""What a call of a compiled ``defn`` costs over plain ``jax.jit``, on arrays so small that the work is nothing.

Run: ``python -m benchmarks.numerics_dispatch [--json FILE]``. The two are timed in turn, in many short samples;
the figures are medians, so that a noisy neighbour disturbs both alike. The promise is a ratio of at most 1.3.
"""

import argparse
import json
import statistics
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pulse_ai.bench.machine import this_machine
from pulse_ai.numerics import defn, on_device

CALLS = 2_000
SAMPLES = 101


def scaled(x: Any, y: Any, *, times: float = 2.0) -> Any:
    return x * times + y


def sample_us(call: Callable[[], Any]) -> float:
    return timeit.timeit(call, number=CALLS) / CALLS * 1e6


def measure(arguments: tuple[Any, ...], options: dict[str, Any]) -> dict[str, float]:
    """Return the median microseconds of a call of each, and their ratio."""
    plain, ours = jax.jit(scaled, static_argnames=("times",)), defn(scaled)
    for call in (plain, ours, ours):  # compile; the second call of ours takes the short way
        call(*arguments, **options)
    pairs = [
        (sample_us(lambda: plain(*arguments, **options)), sample_us(lambda: ours(*arguments, **options)))
        for _ in range(SAMPLES)
    ]
    return {
        "jax_jit_us": statistics.median(one for one, _ in pairs),
        "defn_us": statistics.median(two for _, two in pairs),
        "ratio": statistics.median(two / one for one, two in pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    small = tuple(np.full(4, number, np.float32) for number in range(2))
    found = {
        "two arrays of 4 floats on the device": measure(on_device(small), {}),
        "the same from NumPy": measure(small, {}),
        "with a static option": measure(on_device(small), {"times": 3.0}),
    }
    report = {"machine": this_machine().line(), "jax": jax.__version__, "samples": SAMPLES, "figures": found}
    if given.json:
        given.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for name, figures in found.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
