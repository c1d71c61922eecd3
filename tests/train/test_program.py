"""The compiled epoch does what a plain loop in NumPy and Optax does, row by row, whatever the batches."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.train.small import LINEAR, kernel, loop, plan, table

from pulse_ai import numerics
from pulse_ai.train import BatchNorm, Dense, Dropout, EarlyStopping, Network, Optimiser, Rows, Schedule
from pulse_ai.train.program import ordered, weighted_gradient
from pulse_ai.train.rows import on_device


def _plain(rows: Rows, step: Any, *, accumulate: int = 1) -> Any:
    """Train the linear network for two epochs in a plain loop of NumPy over the same batches.

    ``step`` takes the gradient and the number of the update, from 1, and gives what is added.
    """
    wanted, state = plan(), loop().beginning().state
    kernel, bias = (LINEAR.init(0)["params"]["dense_0"][name] for name in ("kernel", "bias"))
    vector, updates = np.concatenate([np.asarray(bias), np.asarray(kernel).ravel()]).astype(np.float64), 0
    loaded = on_device(rows, wanted.network, wanted.objective)
    for epoch in range(2):
        batches = ordered(wanted, state._replace(epoch=np.int32(epoch)), loaded)
        waiting, weight = np.zeros(6), 0.0
        for number in range(3):
            x, y, w = (np.asarray(one[number]) for one in batches)
            x, y, w = x[w > 0], y[w > 0], w[w > 0]  # no row is filled in
            powers = np.exp(x @ vector[2:].reshape(2, 2) + vector[:2])
            error = w[:, None] * (powers / powers.sum(1, keepdims=True) - np.eye(2)[y])
            waiting += np.concatenate([error.sum(0), (x.T @ error).ravel()])
            weight += w.sum()
            if (number + 1) % accumulate == 0 or number == 2:
                updates += 1
                vector += step(waiting / weight, updates)
                waiting, weight = np.zeros(6), 0.0
    return vector[2:].reshape(2, 2)


class _Adam:
    """Adam as in D. P. Kingma and J. Ba, "Adam" (2014), with a rate of 0.05."""

    def __init__(self) -> None:
        self.mean, self.square = np.zeros(6), np.zeros(6)

    def __call__(self, gradient: Any, update: int) -> Any:
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient**2
        mean, square = self.mean / (1 - 0.9**update), self.square / (1 - 0.999**update)
        return -0.05 * mean / (np.sqrt(square) + 1e-8)


def test_an_epoch_gives_what_a_plain_loop_gives_with_a_ragged_last_batch_and_weights() -> None:
    rows = table()
    weighted = Rows(rows.features, rows.targets, np.linspace(0.5, 2.0, 10))
    outcome = loop().run(weighted, epochs=2)
    np.testing.assert_allclose(kernel(outcome), _plain(weighted, _Adam()), rtol=1e-4, atol=1e-5)


def test_accumulated_batches_are_one_batch_and_what_is_left_at_the_end_counts_by_its_rows() -> None:
    outcome = loop(accumulate=2, optimiser=Optimiser("sgd")).run(table(), epochs=2)

    def step(gradient: Any, update: int) -> Any:
        del update
        return -0.05 * gradient

    wanted = _plain(table(), step, accumulate=2)
    np.testing.assert_allclose(kernel(outcome), wanted, rtol=1e-4, atol=1e-5)


def test_gradients_are_clipped_and_the_rate_follows_its_schedule() -> None:
    schedule = Schedule("cosine", updates=6, warmup=2, end=0.1)
    outcome = loop(optimiser=Optimiser("sgd", schedule=schedule, clip_norm=0.05), learning_rate=0.5).run(
        table(), epochs=2
    )
    shares = [0.5, 1.0, *(0.1 + 0.9 * (1 + np.cos(np.pi * number / 4)) / 2 for number in range(4))]

    def step(gradient: Any, update: int) -> Any:
        return -0.5 * shares[update - 1] * gradient * min(1.0, 0.05 / np.linalg.norm(gradient))

    np.testing.assert_allclose(kernel(outcome), _plain(table(), step), rtol=1e-4, atol=1e-5)


def test_the_losses_of_the_batches_add_up_to_that_of_all_rows() -> None:
    rows, still = table(), loop(learning_rate=1e-12)
    outcome = still.run(rows, rows, epochs=1)
    logits = LINEAR.apply(outcome.variables, jnp.asarray(rows.features))
    whole = float(numerics.softmax_cross_entropy(logits, rows.targets))
    assert outcome.history["loss"] == pytest.approx([whole], rel=1e-6)
    assert outcome.history["validation_loss"] == pytest.approx([whole], rel=1e-6)


def test_the_gradients_of_the_batches_add_up_to_that_of_all_rows() -> None:
    rows, small, whole = table(), plan(), plan(batch_size=10)
    state = loop().beginning().state
    loaded = on_device(rows, small.network, small.objective)
    batches = ordered(small, state, loaded)
    parts = [
        weighted_gradient(small, state, type(batches)(*(one[number] for one in batches)))[1]
        for number in range(3)
    ]
    everything = weighted_gradient(whole, state, loaded)[1]
    np.testing.assert_allclose(sum(parts), everything, rtol=1e-5, atol=1e-6)


def test_rows_that_fill_up_a_batch_are_not_seen_by_batch_norm() -> None:
    network = Network((BatchNorm(momentum=0.0), Dense(2)), input_shape=(2,))
    rows = table(5)
    outcome = loop(network, batch_size=8).run(rows, epochs=1)
    statistics = outcome.variables["batch_stats"]["batch_norm_0"]
    np.testing.assert_allclose(statistics["mean"], rows.features.mean(0), atol=1e-6)
    np.testing.assert_allclose(statistics["var"], rows.features.var(0), rtol=1e-5)


def test_a_seeded_run_repeats_bit_for_bit_with_dropout_and_another_seed_is_another_run() -> None:
    network = Network((Dense(3, "relu"), Dropout(0.5), Dense(2)), input_shape=(2,))
    one, same, other = (
        loop(network, seed=seed, rules=(EarlyStopping(patience=None),)).run(table(), table(6, 1), epochs=4)
        for seed in (1, 1, 2)
    )
    assert kernel(one).tobytes() == kernel(same).tobytes()
    assert one.history.rows == same.history.rows
    assert kernel(one).tobytes() != kernel(other).tobytes()


def test_mixed_precision_computes_in_bfloat16_and_learns_in_float32() -> None:
    network = Network((Dense(2),), input_shape=(2,), compute="bfloat16")
    outcome = loop(network).run(table(40), epochs=20)
    assert kernel(outcome).dtype == np.float32
    assert outcome.history["loss"][-1] < 0.75 * outcome.history["loss"][0]
    assert "bf16[1,2]" in str(jax.make_jaxpr(network.apply)(outcome.variables, np.zeros((1, 2), np.float32)))
