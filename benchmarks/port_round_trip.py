"""A small item to a no-op worker and back, one in flight: ``python -m benchmarks.port_round_trip``.

Three ways take turns in every round. ``bare``: two processes with blocking sockets that do nothing but encode,
send, receive and decode the same two messages; nothing that carries such messages can take less. ``port``: the
same batch through ``port.Worker`` on uvloop to Pulse's own worker process. ``serving``: the whole way through
``Serving.open``, with admission, queue and settling.
"""

__all__ = ("Nothing", "main")

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from pathlib import Path
from typing import cast

import msgspec

from pulse_ai import Serving, Task
from pulse_ai.core import WorkerSettings, spec_of
from pulse_ai.port import FrameReader, Item, Result, Worker, encode_value
from pulse_ai.port.messages import Answer, Batch, decode_from_child, decode_from_parent, encode_message
from pulse_ai.port.worker import open_worker

_RESULTS = Path(__file__).parent / "results" / "port-round-trip.json"
_ROUNDS = 25
_MOST_BYTES = 2**20
_BUFFER = memoryview(bytearray(256 * 1024))  # permanent, as the worker's: what is compared is the rest
_LIMIT = 2.0  # the port may take so many times as long as the bare way
_ITEM = Item(1, msgspec.Raw(encode_value(1)))


class Nothing(Task):
    """Answers each item with itself."""

    def predict(self, items: list[int]) -> list[int]:
        """Answer."""
        return items


Trip = Callable[[int], Awaitable[None]]
"""Makes so many round trips, one after the other."""


def _read_frame(sock: socket.socket, reader: FrameReader) -> bytes:
    while (frame := reader.next_frame()) is None:
        if not (size_bytes := sock.recv_into(_BUFFER)):
            sys.exit(0)
        reader.feed(_BUFFER[:size_bytes])
    return frame


def echo(fd: int) -> None:
    """Answer batches with their own items, with nothing round the encoding."""
    sock = socket.socket(fileno=fd)
    reader = FrameReader(max_frame_bytes=_MOST_BYTES)
    while True:
        batch = cast("Batch", decode_from_parent(_read_frame(sock, reader)))
        result = Result(batch.id, [Answer(item.id, "ok", item.value) for item in batch.items])
        sock.sendall(encode_message(result, max_frame_bytes=_MOST_BYTES))


@contextlib.contextmanager
def open_bare() -> Generator[Trip]:
    """Run the bare way's other process."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "benchmarks.port_round_trip", "--echo", str(theirs.fileno())]
    with ours, subprocess.Popen(command, pass_fds=(theirs.fileno(),)) as process:
        theirs.close()
        reader = FrameReader(max_frame_bytes=_MOST_BYTES)

        async def trip(count: int) -> None:
            for number in range(count):
                ours.sendall(encode_message(Batch(number, [_ITEM]), max_frame_bytes=_MOST_BYTES))
                decode_from_child(_read_frame(ours, reader))

        yield trip
        process.kill()


class _Answers:
    """Hands a result to whoever waits for it."""

    def __init__(self) -> None:
        self.waiting: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def worker_result(self, worker: Worker, result: Result) -> None:
        """Take a result."""
        del worker
        self.waiting.set_result(result)

    def worker_progress(self, slot: int, fraction: float | None, text: str) -> None:
        """Nobody waits for it."""

    def worker_closed(self, worker: Worker) -> None:
        """It ends with the benchmark."""


@contextlib.asynccontextmanager
async def open_port() -> AsyncGenerator[Trip]:
    """Run one of Pulse's own workers."""
    loop = asyncio.get_running_loop()
    events = _Answers()
    settings = WorkerSettings()
    async with open_worker(0, name="x", task=spec_of(Nothing), settings=settings, events=events) as worker:
        await worker.wait_ready()

        async def trip(count: int) -> None:
            for number in range(count):
                events.waiting = loop.create_future()
                worker.send_batch(number, [_ITEM])
                await events.waiting

        yield trip


@contextlib.asynccontextmanager
async def open_serving() -> AsyncGenerator[Trip]:
    """Run the whole way."""
    async with Serving(Nothing, name="x").open() as serving:

        async def trip(count: int) -> None:
            for _ in range(count):
                await serving.infer(1, timeout_s=10.0)

        yield trip


async def measure(calls: int) -> dict[str, dict[str, float]]:
    """Return the microseconds of one round trip, for each way."""
    async with open_port() as port, open_serving() as serving:
        with open_bare() as bare:
            ways = {"bare": bare, "port": port, "serving": serving}
            rounds: dict[str, list[float]] = {name: [] for name in ways}
            for number in range(_ROUNDS + 1):
                for name, trip in ways.items():
                    began_s = time.perf_counter()
                    await trip(calls)
                    took_us = (time.perf_counter() - began_s) / calls * 1e6
                    if number:  # the first round warms up
                        rounds[name].append(took_us)
    return {name: _summary(values) for name, values in rounds.items()}


def _summary(values: list[float]) -> dict[str, float]:
    return {
        "median_us": round(statistics.median(values), 2),
        "least_us": round(min(values), 2),
        "most_us": round(max(values), 2),
    }


def main() -> None:
    """Measure, print a table and the ratio, and write the result."""
    parser = argparse.ArgumentParser(description="A small item to a no-op worker and back.")
    parser.add_argument("--calls", type=int, default=2000, help="round trips of each way in a round")
    parser.add_argument("--out", type=Path, default=_RESULTS, help="where the result is written")
    parser.add_argument("--echo", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.echo is not None:
        echo(options.echo)
    from uvloop import new_event_loop

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        measured = runner.run(measure(options.calls))
    for name, way in measured.items():
        print(name.ljust(10) + "".join(f"{kind} {value:>9.2f}   " for kind, value in way.items()))
    ratio = measured["port"]["median_us"] / measured["bare"]["median_us"]
    print(f"port / bare {ratio:.2f}, at most {_LIMIT:g}: {'met' if ratio <= _LIMIT else 'MISSED'}")
    report = {"cores": os.cpu_count(), "rounds": _ROUNDS, "calls": options.calls, "ratio": round(ratio, 3)}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(
        msgspec.json.format(msgspec.json.encode({**report, "measured": measured})) + b"\n"
    )


if __name__ == "__main__":
    main()
