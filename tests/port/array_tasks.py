"""Tasks on arrays, apart from the others: NumPy takes longer to import than all of those."""

import signal
from typing import Any

import numpy as np

from pulse_ai import Task

Array = np.ndarray[Any, Any]


class Arrays(Task):
    """Takes and answers arrays."""

    def predict(self, items: list[Array]) -> list[Array]:
        return [item[::-1] for item in items]


class Zeros(Task):
    """Answers with as many zeros as the item says."""

    def predict(self, items: list[int]) -> list[Array]:
        return [np.zeros(item, "u1") for item in items]


class Keeps(Task):
    """Holds on to what it was sent, and never answers."""

    def predict(self, items: list[Array]) -> list[int]:
        self.kept = items
        signal.pause()
        return [0] * len(items)


class Remembers(Task):
    """Keeps the first array and answers with its sum, until it is told to forget it."""

    first: Any = None

    def predict(self, items: list[Any]) -> list[float]:
        return [self._sum(item) for item in items]

    def _sum(self, item: Any) -> float:
        if isinstance(item, str):
            self.first = None
            return 0.0
        if self.first is None:
            self.first = item
        return float(np.sum(self.first))
