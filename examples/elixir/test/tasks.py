"""Tasks for the ExUnit suite; each does one thing that a model may do, or should not."""

import ctypes
import os
import sys
import time
from typing import Any

from pulse_ai import Task


class Echo(Task):
    """Answers with the item itself."""

    def predict(self, items: list[Any]) -> list[Any]:
        return items


class Shout(Task):
    """Takes text only."""

    def predict(self, items: list[str]) -> list[str]:
        return [item.upper() for item in items]


class Reverse(Task):
    """Takes bytes, whether they are text or not."""

    def predict(self, items: list[bytes]) -> list[bytes]:
        return [item[::-1] for item in items]


class Sleeps(Task):
    """Takes as many milliseconds as the item says, and says how many items came together."""

    def predict(self, items: list[int]) -> list[int]:
        time.sleep(max(items) / 1000)  # noqa: TID251 - this is the slow work itself
        return [len(items)] * len(items)


class Talks(Task):
    """Prints wherever it can, past Python too."""

    def load(self) -> None:
        print("load on stdout")

    def predict(self, items: list[str]) -> list[str]:
        print("predict on stdout")
        os.write(1, b"\x00\x00\x00\x02 from C on 1\n")
        sys.stderr.write("predict on stderr\n")
        return items


class Hangs(Task):
    """Sits in native code with the interpreter's lock, and never comes back."""

    def predict(self, items: list[str]) -> list[str]:
        ctypes.PyDLL(None).sleep(1000)
        return items


class Large(Task):
    """Answers with as many bytes as the item says."""

    def predict(self, items: list[int]) -> list[bytes]:
        return [bytes(item) for item in items]


class Numbers(Task):
    """Answers with a float that the item names."""

    def predict(self, items: list[str]) -> list[float]:
        return [float(item) for item in items]


class NeverLoads(Task):
    """Cannot be loaded."""

    def load(self) -> None:
        raise OSError("the weights are not there")

    def predict(self, items: list[str]) -> list[str]:
        return items


class LoadsForLong(Task):
    """Is still loading."""

    def load(self) -> None:
        time.sleep(600)  # noqa: TID251 - this is the slow work itself

    def predict(self, items: list[str]) -> list[str]:
        return items
