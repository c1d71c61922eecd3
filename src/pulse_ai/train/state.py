"""All that a run of training needs to go on: no hidden state is kept anywhere else."""

__all__ = ("State", "initial_state")

from typing import Any, NamedTuple

import numpy as np

from pulse_ai.numerics import keys
from pulse_ai.train.network import Network, flat
from pulse_ai.train.optimisers import Optimiser, build


class State(NamedTuple):
    """Where a run is. A tree of arrays; ``checkpoint.py`` writes it, and a run resumes from it bit for bit.

    Attributes:
        parameters: What is learnt: float32, all layers in one vector; ``network.unflat`` gives the tree.
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
    parameters = np.asarray(flat(weights["params"]))
    return State(
        parameters=parameters,
        statistics=weights["batch_stats"],
        optimiser=build(optimiser).init(parameters),
        gradient=np.zeros(len(parameters) if accumulate > 1 else 0, np.float32),
        gradient_weight=np.float32(0.0),
        key=keys.fold_in(keys.key(seed), 1),
        learning_rate=np.float32(learning_rate),
        epoch=np.int32(0),
        step=np.int32(0),
        loss_sum=np.float32(0.0),
        weight_sum=np.float32(0.0),
    )
