"""What a crash, a hang, a leak and a kept lock do in the process, in a thread and behind the port.

Each fault happens in a program of its own, ``python -m benchmarks.native_faults WAY FAULT``, which plays the
server: it runs an event loop that ticks, calls the faulty function one way, then calls it again with an item that
is fine, and prints what it saw. What it cannot print, because it is dead or stands still, its parent sees.
"""

__all__ = ("FAULTS", "WAYS", "Faulty", "Seen", "measure_faults", "observe")

import asyncio
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from pulse_ai import Serving, Task
from pulse_ai.core import NotReady

FAULTS = ("crash", "hang", "leak", "keeps the lock", "gives up the lock")
WAYS = ("direct", "thread", "port")

_BUSY_US = 300_000
_LEAK_BYTES = 64 << 20
_TICK_S = 0.002
_PATIENCE_S = 1.0
_AGAIN_S = 20.0  # a worker starts in that time
_THREADS = 2  # and as many calls that hang
_STANDS_STILL_S = 4.0
_kept: list[bytes] = []


class Faulty(Task):
    """Does what its item says, in native code."""

    def predict(self, items: list[str]) -> list[str]:
        """Answer each item with itself, if it comes to that."""
        for item in items:
            _cause(item)
        return items


def _cause(fault: str) -> None:
    if fault == "crash":
        ctypes.string_at(0)
    elif fault == "hang":
        ctypes.CDLL(None).pause()
    elif fault == "leak":
        _kept.append(b"x" * _LEAK_BYTES)
    elif fault == "keeps the lock":
        ctypes.PyDLL(None).usleep(_BUSY_US)
    elif fault == "gives up the lock":
        ctypes.CDLL(None).usleep(_BUSY_US)


class Seen(msgspec.Struct):
    """What one fault did to the server.

    Attributes:
        ended_by: The signal that ended the server; empty where it lived.
        stood_still: Whether it had to be killed from outside, because it did nothing any more.
        pause_ms: The longest time in which its event loop did not turn.
        grew_mib: By how much its memory grew.
        answered_after: Whether a call after the fault was answered.
    """

    ended_by: str = ""
    stood_still: bool = False
    pause_ms: float = 0.0
    grew_mib: float = 0.0
    answered_after: bool = False

    def text(self) -> str:
        """Return it in a few words."""
        if self.ended_by:
            return f"the server ended: {self.ended_by}"
        if self.stood_still:
            return "the server stood still"
        after = "" if self.answered_after else "; no call was answered any more"
        return f"paused {self.pause_ms:.0f} ms, grew {self.grew_mib:.0f} MiB{after}"


def measure_faults() -> dict[str, dict[str, Seen]]:
    """Return what each fault did, for each way."""
    return {fault: {way: observe(way, fault) for way in WAYS} for fault in FAULTS}


def observe(way: str, fault: str) -> Seen:
    """Play one server with one fault, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.native_faults", way, fault]
    limit_s = _STANDS_STILL_S if way == "direct" else 60.0
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        return Seen(stood_still=True)
    if done.returncode < 0:
        return Seen(ended_by=signal.Signals(-done.returncode).name)
    if done.returncode:
        raise RuntimeError(f"{way}, {fault}: exit code {done.returncode}: {done.stderr.decode()[-500:]}")
    return msgspec.json.decode(done.stdout, type=Seen)


Call = Callable[[str], Awaitable[object]]


async def _play(way: str, fault: str) -> Seen:
    if way == "port":
        async with Serving(Faulty, name="faulty", batch_size=1, overdue_s=0.5).open() as serving:

            async def infer(item: str) -> object:
                limit_s = _AGAIN_S if item == "fine" else _PATIENCE_S
                while True:
                    try:
                        return await serving.infer(item, timeout_s=limit_s)
                    except NotReady as error:  # the worker that died is being replaced
                        await asyncio.sleep(min(error.retry_after_s, 0.1))

            return await _suffer(infer, way, fault)
    task, threads = Faulty(), ThreadPoolExecutor(_THREADS)

    async def direct(item: str) -> object:
        return task.predict([item])

    async def thread(item: str) -> object:
        return await asyncio.get_running_loop().run_in_executor(threads, task.predict, [item])

    return await _suffer(direct if way == "direct" else thread, way, fault)


async def _suffer(call: Call, way: str, fault: str) -> Seen:
    """Call with the fault, for a hang as often as there are threads, and then with an item that is fine."""
    await call("fine")  # so that what is slow once is not in the pauses
    pauses = _Pauses()
    ticking = asyncio.create_task(pauses.watch())
    before_mib = _memory_mib()
    await asyncio.sleep(_TICK_S * 5)
    for _ in range(_THREADS if fault == "hang" else 1):
        await _patiently(call(fault), _PATIENCE_S)
    pause_ms = pauses.longest_s * 1000
    grew_mib = _memory_mib() - before_mib
    answered = await _patiently(call("fine"), _AGAIN_S if way == "port" else 2 * _PATIENCE_S)
    ticking.cancel()
    return Seen(pause_ms=round(pause_ms, 1), grew_mib=round(grew_mib, 1), answered_after=answered)


class _Pauses:
    """Ticks, and notes the longest time between two ticks beyond the time that lies between them anyway."""

    longest_s = 0.0

    async def watch(self) -> None:
        last_s = time.perf_counter()
        while True:
            await asyncio.sleep(_TICK_S)
            now_s = time.perf_counter()
            self.longest_s = max(self.longest_s, now_s - last_s - _TICK_S)
            last_s = now_s


async def _patiently(answer: Awaitable[object], limit_s: float) -> bool:
    """Say whether a call was answered in time, and not with an error."""
    try:
        await asyncio.wait_for(answer, limit_s)
    except Exception as error:  # noqa: BLE001 - any error is no answer; which, is printed
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return False
    await asyncio.sleep(_TICK_S * 2)  # for the tick that was kept waiting
    return True


def _memory_mib() -> float:
    """Return the resident memory of this process now; its peak would count what its parent had."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    seen = asyncio.run(_play(*sys.argv[1:]))
    sys.stdout.write(msgspec.json.encode(seen).decode())
    sys.stdout.flush()
    os._exit(0)  # a thread that hangs would keep the process for ever
