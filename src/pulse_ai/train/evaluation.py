"""What a network gives for any number of rows, compiled once for each size of block."""

__all__ = ("outputs_of",)

from functools import cache
from typing import Any

import numpy as np

from pulse_ai.train.errors import BadRows
from pulse_ai.train.network import Network, Variables
from pulse_ai.train.xla import jax, jnp

_LARGEST_BLOCK = 4096


@cache
def _apply(network: Network) -> Any:
    return jax.jit(network.apply)


def outputs_of(network: Network, variables: Variables, features: Any) -> np.ndarray[Any, Any]:
    """Return what comes out for each row, float32 ``(rows, *output_shape)``.

    Rows go in in blocks of a power of two, at most 4096, so that tables of all lengths share few compilations.

    Args:
        network: What computes.
        variables: Its weights.
        features: ``(rows, *input_shape)``; no rows give no outputs.

    Raises:
        BadRows: The features do not have the network's shape.
    """
    features = np.asarray(features)
    if tuple(features.shape[1:]) != network.input_shape:
        raise BadRows(f"the network takes rows of {network.input_shape}, given {tuple(features.shape[1:])}")
    count = len(features)
    size = min(1 << max(count - 1, 0).bit_length(), _LARGEST_BLOCK)
    blocks = [
        _block(network, variables, features[start : start + size], size) for start in range(0, count, size)
    ]
    empty = np.zeros((0, *network.output_shape), np.float32)
    return np.concatenate([empty, *blocks])


def _block(network: Network, variables: Variables, rows: Any, size: int) -> np.ndarray[Any, Any]:
    filled = np.zeros((size, *network.input_shape), network.input_dtype)
    filled[: len(rows)] = rows
    return np.asarray(_apply(network)(variables, jnp.asarray(filled)))[: len(rows)]
