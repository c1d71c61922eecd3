"""A folder with tasks of a user's own."""

import os
from pathlib import Path

import pytest

_TASKS = '''
import os, signal
from dataclasses import dataclass
from pathlib import Path
from pulse_ai import Failure, Task

GATE = Path(__file__).with_name("gate")


class Shout(Task):
    def predict(self, items: list[str]) -> list[str]:
        print("a library that prints")
        return [item.upper() for item in items]


class Anything(Task):
    def predict(self, items: list[dict]) -> list[dict]:
        return [{"keys": sorted(item)} for item in items]


@dataclass
class Order:
    product: str
    count: int = 1


class Price(Task):
    def __init__(self, each: float = 2.5) -> None:
        self.each = each

    def predict(self, items: list[Order]) -> list[float | Failure]:
        return [self.each * item.count if item.count > 0 else Failure("nothing was ordered") for item in items]


class Gated(Task):
    """Waits in the worker until the test opens the gate."""

    def predict(self, items: list[str]) -> list[str]:
        with GATE.open() as gate:
            gate.read()
        return items


class Killer(Task):
    def predict(self, items: list[str]) -> list[str]:
        if "die" in items:
            os.kill(os.getpid(), signal.SIGKILL)
        return items


class Large(Task):
    def predict(self, items: list[int]) -> list[str]:
        return ["x" * item for item in items]


class Broken(Task):
    def load(self) -> None:
        raise ValueError("the weights\\nare gone")

    def predict(self, items: list[str]) -> list[str]:
        return items


class Dying(Task):
    def load(self) -> None:
        os._exit(7)

    def predict(self, items: list[str]) -> list[str]:
        return items


class LoadsForEver(Task):
    def load(self) -> None:
        with GATE.open() as gate:
            gate.read()

    def predict(self, items: list[str]) -> list[str]:
        return items


shout = Shout()
not_a_task = 3
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with ``tasks.py``, and ``gate``: a pipe on which ``Gated`` waits."""
    (tmp_path / "tasks.py").write_text(_TASKS)
    (tmp_path / "syntax.py").write_text("def broken(:\n")
    os.mkfifo(tmp_path / "gate")
    return tmp_path
