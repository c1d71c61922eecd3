"""Tasks that the tests serve in worker processes."""

import atexit
import os
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from pulse_ai import Task

Json = dict[str, Any]


class Echo(Task):
    """Answers with the item itself."""

    def predict(self, items: list[Json]) -> list[Json]:
        return items


class Lingering(Echo):
    """Takes a moment to end."""

    def load(self) -> None:
        atexit.register(threading.Event().wait, 1.0)


class Shown(Echo):
    """Has examples."""

    def examples(self) -> list[Json]:
        return [{"n": 1}, {"n": 2, "text": "x" * 200}]


class Unshowable(Shown):
    """Cannot answer its own examples."""

    def predict(self, items: list[Json]) -> list[Json]:
        raise KeyError("q")


class Slow(Echo):
    """Takes a moment for each batch."""

    def predict(self, items: list[Json]) -> list[Json]:
        threading.Event().wait(0.02)
        return items


class Fragile(Task):
    """Dies of one word."""

    def predict(self, items: list[str]) -> list[str]:
        if "die" in items:
            os._exit(9)
        return items


class DiesInLoad(Echo):
    """Ends its process where it should load, as a crash in native code does."""

    def load(self) -> None:
        os._exit(7)


class NeverLoads(Echo):
    """Loads for ever."""

    def load(self) -> None:
        threading.Event().wait()


class Grumbles(Task):
    """Fails with a text that quotes its input."""

    def predict(self, items: list[str]) -> list[str]:
        raise ValueError(f"no {items[0]}, please")


class Doubler(Task):
    """Doubles arrays."""

    def predict(self, items: list[np.ndarray]) -> list[np.ndarray]:  # type: ignore[type-arg]
        return [2 * item for item in items]


class _Idle(Task):
    """What the tests look at comes before the first batch."""

    def predict(self, items: list[Any], /) -> list[Any]:
        return items


class Broken(_Idle):
    """Never loads."""

    def load(self) -> None:
        raise FileNotFoundError("no weights here")


@dataclass
class Greeting:
    """An answer of a class of its own."""

    text: str


class Greets(Task):
    """Made with arguments."""

    def __init__(self, word: str, *, punctuation: str) -> None:
        self.word = word
        self.punctuation = punctuation

    def predict(self, items: list[str]) -> list[Greeting]:
        return [Greeting(f"{self.word} {item}{self.punctuation}") for item in items]
