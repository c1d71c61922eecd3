"""Pulse, for ``benchmarks.training``: ``fit`` as a user calls it, told to go on where it was."""

import sys

import jax
from training_table import FEATURES, HIDDEN, RATE, answer, table

from pulse_ai.train import Loop, Plan, Resume, Rows, mlp, objective

rows, batch = int(sys.argv[1]), int(sys.argv[2])
given = Rows(*table(rows))
network = mlp(FEATURES, 2, hidden=(HIDDEN, HIDDEN))
loop = Loop(
    plan=Plan(network=network, objective=objective("multiclass"), batch_size=batch), learning_rate=RATE
)
place: list[Resume | None] = [None]


def train(epochs: int) -> float:
    """Train for some epochs more; return the last one's loss."""
    before = place[0]
    done = 0 if before is None else int(before.state.epoch)
    outcome = loop.run(given, epochs=done + epochs, resume=before)
    place[0] = outcome.end
    return outcome.history["loss"][-1]


answer(train, f"JAX {jax.__version__}")
