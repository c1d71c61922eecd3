"""Tasks for ``pulse port``. With ``--fds 3,4`` stdin is free: a byte on it opens the gate of those with one."""

import os
import signal
import subprocess
import sys
from typing import Any

from pulse_ai import Task


class Echo(Task):
    """Answers with the item itself, and prints wherever it can."""

    def predict(self, items: list[Any]) -> list[Any]:
        print("printed")  # noqa: T201
        os.write(1, b"written\n")
        return items


class Together(Task):
    """Loads when the gate opens, and says how many items came together."""

    def load(self) -> None:
        os.read(0, 1)

    def predict(self, items: list[int]) -> list[int]:
        return [len(items)] * len(items)


class Gate(Task):
    """Says so, and answers each batch when the gate opens."""

    def predict(self, items: list[bytes]) -> list[int]:
        print("waiting", flush=True)  # noqa: T201
        os.read(0, 1)
        return [len(item) for item in items]


class Never(Task):
    """Never answers."""

    def predict(self, items: list[Any]) -> list[Any]:
        print("here", flush=True)  # noqa: T201
        signal.pause()
        return items


class _Idle(Task):
    """What the tests look at comes before the first batch."""

    def predict(self, items: list[Any], /) -> list[Any]:
        return items


class NeverLoads(_Idle):
    """Is still loading."""

    def load(self) -> None:
        print("here", flush=True)  # noqa: T201
        signal.pause()


class Fails(_Idle):
    """Cannot be loaded."""

    def load(self) -> None:
        raise OSError("the weights\nare not there")


class Square(Task):
    """Takes numbers, and fails on 13."""

    def predict(self, items: list[int]) -> list[int]:
        if 13 in items:
            raise ValueError("unlucky")
        return [item * item for item in items]


class Descriptors(Task):
    """Answers with what a program that it starts has as descriptors 3 and 4."""

    def predict(self, items: list[Any]) -> list[list[str]]:
        look = "import os; print(*[os.fstat(fd) for fd in (3, 4) if os.path.exists(f'/dev/fd/{fd}')])"
        command = [sys.executable, "-c", look]
        done = subprocess.run(command, close_fds=False, check=True, capture_output=True, text=True)
        return [done.stdout.split()] * len(items)


class Exits(Task):
    """Ends its process."""

    def predict(self, items: list[int]) -> list[int]:
        sys.exit(items[0])
