"""All that a run of training needs to go on: no hidden state is kept anywhere else."""

__all__ = ("State", "apart", "initial_state", "is_apart", "joined")

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from pulse_ai.numerics import keys
from pulse_ai.train.network import Network, flat, unflat
from pulse_ai.train.optimisers import Optimiser, build
from pulse_ai.train.xla import jax


class State(NamedTuple):
    """Where a run is. A tree of arrays; ``checkpoint.py`` writes it, and a run resumes from it bit for bit.

    Attributes:
        parameters: What is learnt: float32, all layers in one vector; ``network.unflat`` gives the tree. Inside of
            a population's steps a tree, see ``apart``.
        statistics: The running means of batch norm.
        optimiser: Optax's state.
        gradient: The sum of the rows' gradients since the last update; of size 0 where every step updates.
        gradient_weight: The weight of those rows.
        key: uint32[2]; the key of an epoch or a step is derived from it by number, so it never changes.
        learning_rate: The rate before the schedule's share.
        epoch: The number of epochs that are finished.
        step: The number of steps done in this epoch: the next batch is this one.
        loss_sum: The weighted sum of the rows' losses in this epoch.
        weight_sum: The sum of their weights.
    """

    parameters: Any
    statistics: Any
    optimiser: Any
    gradient: Any
    gradient_weight: Any
    key: Any
    learning_rate: Any
    epoch: Any
    step: Any
    loss_sum: Any
    weight_sum: Any


def initial_state(
    network: Network, optimiser: Optimiser, *, seed: int, learning_rate: float, accumulate: int = 1
) -> State:
    """Return the state before the first step.

    Args:
        network: What is trained.
        optimiser: How.
        seed: Decides the first weights, the order of the rows and what dropout drops.
        learning_rate: The step's size, above 0.
        accumulate: How many batches make one update.
    """
    weights = network.init(seed)
    parameters, optimiser_state = jax.device_get(_start_program(network, optimiser)(weights["params"]))
    return State(
        parameters=parameters,
        statistics=weights["batch_stats"],
        optimiser=optimiser_state,
        gradient=np.zeros(len(parameters) if accumulate > 1 else 0, np.float32),
        gradient_weight=np.float32(0.0),
        key=keys.fold_in(keys.key(seed), 1),
        learning_rate=np.float32(learning_rate),
        epoch=np.int32(0),
        step=np.int32(0),
        loss_sum=np.float32(0.0),
        weight_sum=np.float32(0.0),
    )


@cache
def _start_program(network: Network, optimiser: Optimiser) -> Any:
    """Return the compiled function from a tree of parameters to the vector, and to the optimiser's first state."""

    def started(parameters: Any) -> tuple[Any, Any]:
        vector = flat(parameters)
        return vector, jax.tree.map(_plain, build(optimiser).init(vector))

    return jax.jit(started)


def _plain(leaf: Any) -> Any:
    """Return a key's numbers in place of a key, which is no array that NumPy or a file knows."""
    return jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def apart(network: Network, optimiser: Optimiser, state: State) -> State:
    """Return the state with a tree in place of each vector of parameters; ``joined`` undoes it.

    The steps take both. To slice the vector for the products and to put the gradient together costs each step;
    one network gets that back from an optimiser that goes over one array, several side by side do not. Of an
    optimiser to which it matters what stands in one array, the state stays as it is.
    """
    if not optimiser.goes_by_numbers:
        return state
    shape = state.parameters.shape

    def part(leaf: Any) -> Any:
        return unflat(network, leaf) if leaf.shape == shape else leaf

    return state._replace(
        parameters=part(state.parameters),
        optimiser=jax.tree.map(part, state.optimiser),
        gradient=part(state.gradient),
    )


def is_apart(state: State) -> bool:
    """Return whether the parameters are a tree."""
    return _is_tree(state.parameters)


def joined(state: State) -> State:
    """Return the state with vectors again."""

    def join(node: Any) -> Any:
        return flat(node) if _is_tree(node) else node

    return state._replace(
        parameters=join(state.parameters),
        optimiser=jax.tree.map(join, state.optimiser, is_leaf=_is_tree),
        gradient=join(state.gradient),
    )


def _is_tree(node: Any) -> bool:
    return isinstance(node, dict)
