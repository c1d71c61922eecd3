"""The order of the rows is a permutation, depends on nothing but the key, and looks random."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pulse_ai.numerics import keys
from pulse_ai.train.shuffle import shuffled


@pytest.mark.parametrize("rows", [1, 2, 3, 10, 37, 100, 101, 344, 10_007])
def test_each_row_comes_once(rows: int) -> None:
    order = np.asarray(shuffled(keys.key(rows), 0, jnp.arange(rows), rows))
    assert sorted(order.tolist()) == list(range(rows))


def test_the_same_key_gives_the_same_order_and_another_key_another() -> None:
    one, same, other = (shuffled(keys.key(seed), 0, jnp.arange(50), 50).tolist() for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_each_epoch_has_its_own_order() -> None:
    one, other = (shuffled(keys.key(1), epoch, jnp.arange(50), 50).tolist() for epoch in (0, 1))
    assert one != other


def test_a_part_of_the_order_is_that_part_of_the_whole() -> None:
    whole = shuffled(keys.key(3), 0, jnp.arange(1000), 1000)
    part = shuffled(keys.key(3), 0, jnp.arange(700, 710), 1000)
    assert part.tolist() == whole[700:710].tolist()


def test_over_many_keys_each_row_is_as_often_at_each_place() -> None:
    rows, tries = 7, 4000
    many = keys.split(keys.key(0), tries)

    def order(key: Any) -> Any:
        return shuffled(key, 0, jnp.arange(rows), rows)

    compiled: Any = jax.jit(jax.vmap(order))
    orders = np.asarray(compiled(many))
    counts = np.stack([np.bincount(orders[:, place], minlength=rows) for place in range(rows)])
    expected = tries / rows
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert statistic < 70  # 36 degrees of freedom: chance gives more than 70 once in two thousand times
    neighbours = float((np.diff(orders, axis=1) == 1).mean())
    assert neighbours == pytest.approx(1 / rows, abs=0.02)
