"""The table that every contender of ``benchmarks.training`` learns from, and how they are asked to. NumPy only."""

__all__ = ("FEATURES", "HIDDEN", "RATE", "answer", "table")

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

FEATURES = 32
HIDDEN = 64
RATE = 1e-3


def table(rows: int) -> tuple[Any, Any]:
    """Return features ``(rows, 32)`` float32 and two classes that depend on a product."""
    random = np.random.default_rng(0)
    features = random.standard_normal((rows, FEATURES), dtype=np.float32)
    return features, (features[:, 0] * features[:, 1] + features[:, 2] > 0).astype(np.int32)


def answer(train: Callable[[int], float], versions: str) -> None:
    """Train when asked: a line in is a number of epochs, a line out the seconds and the loss.

    The first training, before anything is asked, compiles and is not counted.
    """
    train(2)
    print(json.dumps({"versions": versions}), flush=True)
    for line in sys.stdin:
        epochs = int(line)
        began_s = time.perf_counter()
        loss = train(epochs)
        took_s = time.perf_counter() - began_s
        print(json.dumps({"epoch_s": took_s / epochs, "loss": loss}), flush=True)
