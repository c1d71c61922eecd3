"""A state's vectors become trees and come back as they were, and a program's loops stay on one thread."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pulse_ai.train import OPTIMISERS, Optimiser, mlp
from pulse_ai.train.network import unflat
from pulse_ai.train.optimisers import build
from pulse_ai.train.state import State, apart, initial_state, is_apart, joined
from pulse_ai.train.xla import compiled

NETWORK = mlp(3, 2, hidden=(4,))
BY_NUMBERS = sorted(set(OPTIMISERS) - {"noisy_sgd"})


def _counted(optimiser: Optimiser) -> State:
    """Return a state in which no two numbers of a vector are alike."""
    state = initial_state(NETWORK, optimiser, seed=0, learning_rate=0.1, accumulate=2)
    size = len(state.parameters)

    def counted(leaf: Any) -> Any:
        return np.arange(size, dtype=np.float32) if leaf.shape == (size,) else leaf

    return jax.tree.map(counted, state)


@pytest.mark.parametrize("name", BY_NUMBERS)
def test_a_state_that_is_taken_apart_is_one_of_a_tree_and_joins_to_what_it_was(name: str) -> None:
    optimiser = Optimiser(name, clip_norm=1.0)
    state = _counted(optimiser)
    tree = apart(NETWORK, optimiser, state)
    assert is_apart(tree)
    wanted = build(optimiser).init(unflat(NETWORK, state.parameters))
    assert jax.tree.structure(tree.optimiser) == jax.tree.structure(wanted)
    assert jax.tree.map(jnp.shape, tree.optimiser) == jax.tree.map(jnp.shape, wanted)
    assert tree.gradient["dense_1"]["kernel"].shape == (4, 2)
    jax.tree.map(np.testing.assert_array_equal, joined(tree), state)


def test_a_state_whose_optimiser_draws_for_each_array_stays_whole() -> None:
    optimiser = Optimiser("noisy_sgd", options=(("key", 0),))
    state = _counted(optimiser)
    assert apart(NETWORK, optimiser, state) is state
    assert not is_apart(state)
    jax.tree.map(np.testing.assert_array_equal, joined(state), state)


def test_no_loop_of_a_training_program_is_split_between_threads() -> None:
    large = np.ones(1 << 22, np.float32)
    program = compiled(jnp.sin).lower(large).compile().as_text()
    assert "fusion" in program
    assert 'outer_dimension_partitions":["' not in program
