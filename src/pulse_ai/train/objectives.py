"""What a network is trained for: its loss, and how its outputs become a prediction.

The losses are those of ``numerics``, taken row by row, so that each row can have a weight: a row that only
fills up the last batch has 0.
"""

__all__ = ("OBJECTIVES", "Objective", "ObjectiveName", "objective")

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pulse_ai import numerics
from pulse_ai.train.errors import BadNetwork, BadRows
from pulse_ai.train.xla import jax, jnp

ObjectiveName = Literal["binary", "multiclass", "regression"]
# From the outputs and the target of one row to a number.
RowFunction = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What is made small, and what is watched.

    Attributes:
        name: The word for it.
        loss: From the outputs and the target of one row to a number that is made small.
        figure: The name of what else is watched over the validation rows: ``"accuracy"``, or
            ``"absolute_error"``.
        measure: That figure for one row; its mean over all rows is shown.
        predict: From outputs ``(rows, …)`` to predictions: probabilities, or values.
        target_dtype: ``"int32"`` for class numbers, else ``"float32"``.
    """

    name: str
    loss: RowFunction
    figure: str
    measure: RowFunction
    predict: Callable[[Any], Any]
    target_dtype: Literal["int32", "float32"]

    def targets(self, values: Any) -> np.ndarray[Any, Any]:
        """Return targets in their dtype.

        Raises:
            BadRows: They are class numbers that are not whole.
        """
        given = np.asarray(values)
        cast = given.astype(self.target_dtype)
        if self.target_dtype == "int32" and not np.array_equal(cast, given):
            raise BadRows(
                "class numbers are whole; for a value that is measured, use the regression objective"
            )
        return cast


def objective(name: ObjectiveName | Objective) -> Objective:
    """Return the objective of a name.

    ==============  ==============================  ====================  =======================
    name            loss                            outputs of a row      prediction
    ==============  ==============================  ====================  =======================
    ``binary``      binary cross-entropy            one logit             probability of class 1
    ``multiclass``  softmax cross-entropy           a logit for a class   probability of each
    ``regression``  mean squared error              one value, or more    the values
    ==============  ==============================  ====================  =======================

    Raises:
        BadNetwork: There is none of that name.

    Example:
        >>> objective("binary").figure
        'accuracy'
    """
    if isinstance(name, Objective):
        return name
    if name not in OBJECTIVES:
        raise BadNetwork(f"the objective is one of {', '.join(OBJECTIVES)}; given {name!r}")
    return OBJECTIVES[name]


def _binary_loss(outputs: Any, target: Any) -> Any:
    return numerics.binary_cross_entropy(outputs.reshape(()), target)


def _multiclass_loss(outputs: Any, target: Any) -> Any:
    return numerics.softmax_cross_entropy(outputs[None], target[None])


def _regression_loss(outputs: Any, target: Any) -> Any:
    return numerics.mean_squared_error(outputs.reshape(target.shape), target)


def _binary_hit(outputs: Any, target: Any) -> Any:
    return ((outputs.reshape(()) > 0) == (target > 0.5)).astype(jnp.float32)


def _multiclass_hit(outputs: Any, target: Any) -> Any:
    return (jnp.argmax(outputs) == target).astype(jnp.float32)


def _distance(outputs: Any, target: Any) -> Any:
    return jnp.mean(jnp.abs(outputs.reshape(target.shape) - target))


def _probability(outputs: Any) -> Any:
    return jax.nn.sigmoid(outputs)[..., 0]


OBJECTIVES: dict[str, Objective] = {
    "binary": Objective(
        name="binary",
        loss=_binary_loss,
        figure="accuracy",
        measure=_binary_hit,
        predict=_probability,
        target_dtype="float32",
    ),
    "multiclass": Objective(
        name="multiclass",
        loss=_multiclass_loss,
        figure="accuracy",
        measure=_multiclass_hit,
        predict=jax.nn.softmax,
        target_dtype="int32",
    ),
    "regression": Objective(
        name="regression",
        loss=_regression_loss,
        figure="absolute_error",
        measure=_distance,
        predict=lambda outputs: outputs[..., 0] if outputs.shape[-1] == 1 else outputs,
        target_dtype="float32",
    ),
}
