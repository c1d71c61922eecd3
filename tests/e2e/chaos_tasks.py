"""Tasks that do what a task should not. Served by the chaos tests from this folder."""

import atexit
import ctypes
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from typing import ClassVar

from pulse_ai import Task


def _allocate_without_end() -> None:
    held: list[bytearray] = []
    while True:
        held.append(bytearray(2**20))


def _print_without_restraint() -> None:
    for _ in range(20):
        print("x" * 50_000)  # noqa: T201
    os.write(1, b"\x00\x00\x00\x05\xff no frame")


def _fork_a_child_that_holds_the_wire() -> None:
    if os.fork() == 0:
        signal.pause()


def _overflow_the_stack() -> None:
    """Overflow it in C, where no Python looks after it: glibc reads patterns by recursion."""
    compiled = ctypes.create_string_buffer(1024)
    ctypes.CDLL(None).regcomp(compiled, b"(" * 200_000, 1)


def _never() -> None:
    threading.Event().wait()


class Chaos(Task):
    """Gives each item back, and does what it says."""

    deeds: ClassVar[dict[str, Callable[[], object]]] = {
        "segfault": lambda: ctypes.string_at(0),
        "overflow the stack": _overflow_the_stack,
        "abort": os.abort,
        "os._exit": lambda: os._exit(0),
        "sys.exit": lambda: sys.exit(3),
        "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "SIGSTOP": lambda: os.kill(os.getpid(), signal.SIGSTOP),
        "allocate without end": _allocate_without_end,
        "hang in C with the GIL": lambda: ctypes.PyDLL(None).sleep(1000),
        "hang in C without the GIL": lambda: ctypes.CDLL(None).sleep(1000),
        "hang in a regex": lambda: re.match(r"(a+)+$", "a" * 64 + "b"),
        "hang in Python": _never,
        "print": _print_without_restraint,
        "fork": _fork_a_child_that_holds_the_wire,
        "fork and both go on": os.fork,
        "close every fd": lambda: os.closerange(0, 4096),
        "close stdout and stderr": lambda: os.closerange(0, 3),
        "raise": lambda: 1 // 0,
    }

    def predict(self, items: list[str]) -> list[str]:
        for item in items:
            self.deeds.get(item, int)()
        return items


class WontEnd(Task):
    """Leaves threads behind, and starts more of them when the process ends."""

    def load(self) -> None:
        for _ in range(4):
            threading.Thread(target=_never).start()
        atexit.register(_never)

    def predict(self, items: list[str]) -> list[str]:
        return items
