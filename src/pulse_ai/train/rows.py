"""What a network learns from: features, targets and the weight of each row, checked once."""

__all__ = ("Rows", "balanced_weights", "on_device")

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pulse_ai.train.errors import BadRows
from pulse_ai.train.network import Network
from pulse_ai.train.objectives import Objective
from pulse_ai.train.xla import jnp

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows that fit in memory.

    Attributes:
        features: ``(rows, *input_shape)``, finite.
        targets: ``(rows,)``, or ``(rows, outputs)`` for several values: class numbers, 0 or 1, or values.
        weights: ``(rows,)``, at least 0: how much a row counts in the loss; None: 1 each.

    Raises:
        BadRows: The lengths differ, there are no rows, or a number is not finite.

    Example:
        >>> len(Rows(np.zeros((3, 2)), np.array([0, 1, 0])))
        3
    """

    features: Array
    targets: Array
    weights: Array | None = None

    def __post_init__(self) -> None:
        count = len(self.features)
        lengths = {len(one) for one in (self.targets, self.weights) if one is not None}
        if not count or lengths != {count}:
            raise BadRows(
                f"{count} rows of features, {sorted(lengths)} of targets and weights; at least 1, and equal"
            )
        for name, values in (
            ("features", self.features),
            ("targets", self.targets),
            ("weights", self.weights),
        ):
            _require_finite(name, values)
        if self.weights is not None and (self.weights.min() < 0 or not self.weights.sum() > 0):
            raise BadRows("weights are at least 0, and not all 0")

    def __len__(self) -> int:
        return len(self.features)


def _require_finite(name: str, values: Array | None) -> None:
    if values is None or values.dtype.kind in "biu":
        return
    if values.dtype.kind != "f":
        raise BadRows(f"{name} are numbers, given {values.dtype}; give labels their class numbers first")
    bad = ~np.isfinite(values)
    if bad.any():
        where = tuple(int(axis[0]) for axis in np.nonzero(bad))
        raise BadRows(
            f"{int(bad.sum())} of the {name} are not finite, the first at {where}; fill or drop them"
        )


class Loaded(NamedTuple):
    """Rows as compiled functions take them."""

    features: Any
    targets: Any
    weights: Any


def on_device(rows: Rows, network: Network, wanted: Objective) -> Loaded:
    """Return rows where the network computes, in its dtypes.

    Raises:
        BadRows: They do not have the network's shape, or a class number is out of range.
    """
    if tuple(rows.features.shape[1:]) != network.input_shape:
        raise BadRows(
            f"the network takes rows of {network.input_shape}, given {tuple(rows.features.shape[1:])}"
        )
    targets = wanted.targets(rows.targets)
    _require_fitting(targets, network, wanted)
    weights = np.ones(len(rows), np.float32) if rows.weights is None else rows.weights
    return Loaded(
        jnp.asarray(rows.features, network.input_dtype),
        jnp.asarray(targets),
        jnp.asarray(weights, jnp.float32),
    )


def _require_fitting(targets: Array, network: Network, wanted: Objective) -> None:
    outputs = network.output_shape
    if wanted.target_dtype == "int32" and (targets.min() < 0 or targets.max() >= outputs[-1]):
        raise BadRows(
            f"class numbers are in [0, {outputs[-1]}), as many as the network has outputs; "
            f"given {int(targets.min())} to {int(targets.max())}"
        )
    if wanted.name == "binary" and (outputs != (1,) or not np.isin(targets, (0.0, 1.0)).all()):
        raise BadRows(f"binary targets are 0 or 1, for a network with 1 output; it has {outputs}")
    if wanted.name == "regression" and outputs != (targets.shape[1:] or (1,)):
        raise BadRows(
            f"the network gives {outputs} for a row, and the targets have {targets.shape[1:] or (1,)}"
        )


def balanced_weights(classes: Array) -> Array:
    """Return a weight for each row with which every class counts the same.

    Args:
        classes: ``(rows,)``, whole numbers from 0.

    Returns:
        ``(rows,)`` float32 with mean 1: ``rows / (classes * rows of this class)``, as scikit-learn's
        ``"balanced"``.

    Example:
        >>> balanced_weights(np.array([0, 0, 0, 1])).round(2)
        array([0.67, 0.67, 0.67, 2.  ], dtype=float32)
    """
    _, places, counts = np.unique(classes, return_inverse=True, return_counts=True)
    return (len(classes) / (len(counts) * counts))[places].astype(np.float32)
