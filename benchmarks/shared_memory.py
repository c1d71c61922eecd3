"""An array to a worker and back, over the wire and by shared memory: ``python -m benchmarks.shared_memory``.

The same service both ways, through ``Serving.open``; the worker answers with the array that it got. The ways take
turns in every round. ``copy`` is one copy of the array into memory that is there already, for scale. The size from
which shared memory is faster is ``SHARED_LEAST_BYTES`` in ``port/lending.py``.
"""

__all__ = ("Mirror", "main")

import argparse
import asyncio
import contextlib
import os
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import numpy as np

from pulse_ai import Serving, Task
from pulse_ai.port import lending

_RESULTS = Path(__file__).parent / "results" / "shared-memory.json"
_SIZES = (16_384, 65_536, 131_072, 262_144, 524_288, 1_048_576, 2_097_152, 8_388_608, 16_777_216)
_AIM_BYTES = 8_388_608
_AIM = 3.0  # at this size shared memory is to be so many times faster

Array = np.ndarray[Any, Any]
Trip = Callable[[Array], Awaitable[Array]]


class Mirror(Task):
    """Answers each array with itself; shares those of ``large_bytes`` and more."""

    def __init__(self, large_bytes: int) -> None:
        self._large_bytes = large_bytes

    def load(self) -> None:
        """Set the size for this process."""
        lending.SHARED_LEAST_BYTES = self._large_bytes  # type: ignore[misc]

    def predict(self, items: list[Array]) -> list[Array]:
        """Answer."""
        return items


@contextlib.contextmanager
def _large(large_bytes: int) -> Generator[None]:
    """Have this process share arrays of that size and more."""
    with mock.patch.object(lending, "SHARED_LEAST_BYTES", large_bytes):
        yield


@contextlib.asynccontextmanager
async def open_way(large_bytes: int) -> AsyncGenerator[Trip]:
    """Run the service that shares from that size on."""
    async with Serving(Mirror(large_bytes), name="mirror", deadline_s=60.0).open() as serving:

        async def trip(array: Array) -> Array:
            with _large(large_bytes):
                return await serving.infer(array)

        yield trip


async def measure(rounds: int) -> dict[int, dict[str, float]]:
    """Return the median milliseconds of a round trip, for each size and way."""
    measured: dict[int, dict[str, float]] = {}
    async with open_way(2**62) as wire, open_way(0) as shared:
        ways = {"wire": wire, "shared": shared, "copy": _copy}
        for size_bytes in _SIZES:
            array = np.random.default_rng(0).random(size_bytes // 8)
            took_ms: dict[str, list[float]] = {name: [] for name in ways}
            for number in range(rounds + 2):
                for name, trip in ways.items():
                    began_s = time.perf_counter()
                    answer = await trip(array)
                    took_s = time.perf_counter() - began_s
                    assert answer[-1] == array[-1], f"{name} changed the array"  # noqa: S101 - a benchmark
                    if number > 1:  # the first ones warm up
                        took_ms[name].append(took_s * 1e3)
            measured[size_bytes] = {name: round(statistics.median(each), 4) for name, each in took_ms.items()}
    return measured


_scratch = np.zeros(_SIZES[-1] // 8)


async def _copy(array: Array) -> Array:
    np.copyto(_scratch[: len(array)], array)
    return _scratch[: len(array)]


def main() -> None:
    """Measure, print a table and the ratio at the size aimed at, and write the result."""
    parser = argparse.ArgumentParser(
        description="An array to a worker and back, over the wire and by shared memory."
    )
    parser.add_argument("--rounds", type=int, default=40, help="round trips of each way and size")
    parser.add_argument("--out", type=Path, default=_RESULTS, help="where the result is written")
    options = parser.parse_args()
    from uvloop import new_event_loop

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        measured = runner.run(measure(options.rounds))
    print(f"{'bytes':>10}{'wire ms':>12}{'shared ms':>12}{'copy ms':>12}{'faster':>10}")
    for size_bytes, way in measured.items():
        ratio = way["wire"] / way["shared"]
        print(f"{size_bytes:>10}{way['wire']:>12.3f}{way['shared']:>12.3f}{way['copy']:>12.3f}{ratio:>9.2f}x")
    aim = measured[_AIM_BYTES]
    ratio = aim["wire"] / aim["shared"]
    print(
        f"at {_AIM_BYTES} bytes {ratio:.1f} times, at least {_AIM:g}: {'met' if ratio >= _AIM else 'MISSED'}"
    )
    report = {
        "cores": os.cpu_count(),
        "rounds": options.rounds,
        "ratio": round(ratio, 2),
        "median_ms": measured,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")


if __name__ == "__main__":
    main()
