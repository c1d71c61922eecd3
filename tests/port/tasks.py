"""Tasks that the tests run in worker processes. Each does one thing that a task should not do, or may."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

from pulse_ai import Task


class Echo(Task):
    """Answers with the item itself."""

    def predict(self, items: list[Any]) -> list[Any]:
        return items


class Talker(Task):
    """Prints wherever it can, past Python too."""

    def load(self) -> None:
        print("load on stdout")  # noqa: T201
        sys.stderr.write("load on stderr\n")

    def predict(self, items: list[str]) -> list[str]:
        print("predict on stdout", flush=True)  # noqa: T201
        os.write(1, b"from C on 1\n")
        os.write(2, b"from C on 2\n")
        os.write(1, b"\x00\xff no text \x00\x00\x00\x05\n")
        return items


class Flood(Task):
    """Writes as many megabytes as the item says to stdout, without a single line end."""

    def predict(self, items: list[int]) -> list[int]:
        for megabytes in items:
            for _ in range(megabytes):
                os.write(1, b"x" * 2**20)
        return items


def _exit_with_a_thread() -> None:
    threading.Thread(target=threading.Event().wait).start()
    sys.exit(7)


class Ends(Task):
    """Ends its process in the way that the item names."""

    ways: ClassVar[dict[str, Callable[[], object]]] = {
        "exit": lambda: sys.exit(7),
        "exit with a thread": _exit_with_a_thread,
        "os._exit": lambda: os._exit(9),
        "segfault": lambda: ctypes.string_at(0),
        "abort": os.abort,
        "close everything": lambda: os.closerange(0, 1000),
        "close stdout": lambda: os.closerange(0, 3),
        "hang": signal.pause,
    }

    def predict(self, items: list[str]) -> list[str]:
        for item in items:
            self.ways.get(item, int)()
        return items


class Native(Task):
    """Sits in C, holding the GIL, and never comes back by itself."""

    def predict(self, items: list[int]) -> list[int]:
        print("in C", os.getpid(), flush=True)  # noqa: T201
        ctypes.PyDLL(None).sleep(1000)
        return items


class Forks(Task):
    """Leaves a grandchild behind that holds every descriptor of the worker, and says its pid."""

    def predict(self, items: list[str]) -> list[int]:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        if items == ["and die"]:
            print("grandchild", pid, flush=True)  # noqa: T201
            os._exit(5)
        return [pid] * len(items)


class _Idle(Task):
    """What the tests look at comes before the first batch."""

    def predict(self, items: list[Any], /) -> list[Any]:
        return items


class ForksAndDiesInLoad(_Idle):
    """Dies while loading, with a grandchild that holds the wire."""

    def load(self) -> None:
        if os.fork() == 0:
            signal.pause()
        os._exit(5)


class Allocates(Task):
    """Takes as many megabytes for each item as it says, and gives them back."""

    def predict(self, items: list[int]) -> list[int]:
        return [len(bytearray(megabytes * 2**20)) // 2**20 for megabytes in items]


class Aborts(Task):
    """Ends as a library does that cannot allocate: with a few words and SIGABRT."""

    def predict(self, items: list[str]) -> list[str]:
        for words in items:
            os.write(2, words.encode() + b"\n")
        os.abort()


class TakesMemoryInLoad(_Idle):
    """Loads a gigabyte of weights."""

    def load(self) -> None:
        self.weights = bytearray(2**30)


class HangsInLoad(_Idle):
    def load(self) -> None:
        self.report_progress(0.5, "half way")
        signal.pause()


class ReportsForLong(_Idle):
    """Loads for longer than the start timeout, and says so all the time, from a thread of its own."""

    def load(self) -> None:
        thread = threading.Thread(target=self._report, daemon=True)
        thread.start()
        thread.join()

    def _report(self) -> None:
        for number in range(12):
            self.report_progress(number / 12, "\udce9 still there")
            time.sleep(0.1)  # noqa: TID251 - this is the slow work itself


class RaisesInLoad(_Idle):
    def load(self) -> None:
        raise OSError("no file \udce9 here")


class SaysMuchInLoad(_Idle):
    """Fails to load with the names of all weights that are missing."""

    def load(self) -> None:
        self.report_progress(0.5, "looks for " + "weights " * 100_000)
        raise KeyError("weights " * 100_000)


class StartsPrograms(Task):
    """Answers with the descriptors that a program gets which is started without closing any."""

    def predict(self, items: list[str]) -> list[list[str]]:
        told = subprocess.run(
            ["ls", "/proc/self/fd"], close_fds=False, capture_output=True, text=True, check=True
        )
        return [told.stdout.split() for _ in items]


class ExitsInLoad(_Idle):
    def load(self) -> None:
        sys.exit(0)


class DiesInLoad(_Idle):
    def load(self) -> None:
        ctypes.string_at(0)


class LateReporter(Task):
    """Reports progress when loading is over."""

    def predict(self, items: list[int]) -> list[int]:
        self.report_progress(1.0, "too late")
        return items


class Large(Task):
    """Answers with as many bytes as the item says."""

    def predict(self, items: list[int]) -> list[bytes]:
        return [bytes(item) for item in items]


class HangsAtExit(Task):
    """Does not end when it is told to."""

    def load(self) -> None:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        sys.stdout.flush = signal.pause  # type: ignore[method-assign]

    def predict(self, items: list[int]) -> list[int]:
        return items
