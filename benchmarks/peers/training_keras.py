"""Keras 3 on JAX, for ``benchmarks.training``: ``fit``, as its guides have it, compiled by its default."""

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"  # noqa: TID251 - Keras is told so, and only so

import jax
import keras
from training_table import FEATURES, HIDDEN, RATE, answer, table

rows, batch = int(sys.argv[1]), int(sys.argv[2])
features, targets = table(rows)
keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((FEATURES,)),
        keras.layers.Dense(HIDDEN, activation="relu"),
        keras.layers.Dense(HIDDEN, activation="relu"),
        keras.layers.Dense(2),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(optimizer=keras.optimizers.Adam(RATE), loss=loss)


def train(epochs: int) -> float:
    """Train for some epochs more; return the last one's loss."""
    history = model.fit(features, targets, batch_size=batch, epochs=epochs, verbose=0)
    return float(history.history["loss"][-1])


answer(train, f"Keras {keras.__version__}, JAX {jax.__version__}")
