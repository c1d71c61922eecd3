"""Losses: how far answers are from what is wanted, as one number to make small.

Each is the mean over all items, a 0-d float32 (float16 for float16), of the form that does not overflow. A
loss is here because a task of ``train`` needs it; it comes with a formula, its range, and a source.
"""

__all__ = (
    "binary_cross_entropy",
    "huber",
    "mean_absolute_error",
    "mean_squared_error",
    "softmax_cross_entropy",
)

from pulse_ai.numerics import ops
from pulse_ai.numerics.defn import defn
from pulse_ai.numerics.shapes import Array, Float, Int


@defn
def mean_squared_error(predicted: Float[Array, "*any"], wanted: Float[Array, "*any"]) -> Float[Array, ""]:
    """Return the mean of the squared differences.

    Args:
        predicted: Any shape.
        wanted: The same shape.

    Returns:
        At least 0, in the square of the values' unit. NaN for no values.

    Source:
        ``mean((predicted - wanted) ** 2)``; the likelihood of Gaussian noise, but for constants.

    Example:
        >>> import numpy as np
        >>> float(mean_squared_error(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
        2.0
    """
    return ops.mean(ops.square(predicted - wanted))


@defn
def mean_absolute_error(predicted: Float[Array, "*any"], wanted: Float[Array, "*any"]) -> Float[Array, ""]:
    """Return the mean of the differences' sizes.

    Args:
        predicted: Any shape.
        wanted: The same shape.

    Returns:
        At least 0, in the values' unit. NaN for no values.

    Source:
        ``mean(abs(predicted - wanted))``; smallest where the median is predicted.

    Example:
        >>> import numpy as np
        >>> float(mean_absolute_error(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
        1.0
    """
    return ops.mean(ops.abs(predicted - wanted))


@defn
def huber(
    predicted: Float[Array, "*any"], wanted: Float[Array, "*any"], *, delta: float = 1.0
) -> Float[Array, ""]:
    """Return the mean of a loss that is a square near 0 and a straight line further out.

    Args:
        predicted: Any shape.
        wanted: The same shape.
        delta: Where the square ends, above 0, in the values' unit.

    Returns:
        At least 0. NaN for no values.

    Source:
        P. J. Huber, "Robust Estimation of a Location Parameter" (1964): ``d**2 / 2`` for ``d = |p - w|`` up
        to ``delta``, then ``delta * (d - delta / 2)``.

    Example:
        >>> import numpy as np
        >>> float(huber(np.array([0.0, 0.0]), np.array([1.0, 3.0])))
        1.5
    """
    distance = ops.abs(predicted - wanted)
    inside = ops.clip(distance, 0.0, delta)
    return ops.mean(0.5 * inside * inside + delta * (distance - inside))


@defn
def binary_cross_entropy(logits: Float[Array, "*any"], labels: Float[Array, "*any"]) -> Float[Array, ""]:
    """Return the mean negative log-likelihood of yes-or-no labels, in nats.

    Args:
        logits: Log-odds of yes; any finite value.
        labels: In [0, 1]: 1 for yes, 0 for no, or a probability. Outside, the loss may be below 0.

    Returns:
        At least 0 for labels in range. NaN for no values.

    Source:
        ``-(y log s(z) + (1 - y) log(1 - s(z)))`` with the logistic ``s``, written as
        ``max(z, 0) - z y + log(1 + exp(-|z|))``, which does not overflow.

    Example:
        >>> import numpy as np
        >>> round(float(binary_cross_entropy(np.array([0.0, 100.0]), np.array([1.0, 1.0]))), 4)
        0.3466
    """
    return ops.mean(ops.maximum(logits, 0.0) - logits * labels + ops.log1p(ops.exp(-ops.abs(logits))))


@defn
def softmax_cross_entropy(
    logits: Float[Array, "batch classes"], labels: Int[Array, " batch"]
) -> Float[Array, ""]:
    """Return the mean negative log-likelihood of the labels, in nats.

    Args:
        logits: Unnormalised log-probabilities; any finite value.
        labels: Class numbers in ``[0, classes)``. A number outside that range gives NaN, because compiled
            code cannot raise.

    Returns:
        At least 0. NaN for no items.

    Source:
        ``mean(logsumexp(z) - z[label])``, which does not overflow.

    Example:
        >>> import numpy as np
        >>> logits = np.array([[0.0, 0.0], [0.0, 50.0]], np.float32)
        >>> round(float(softmax_cross_entropy(logits, np.array([0, 1], np.int32))), 4)
        0.3466
    """
    classes = logits.shape[-1]
    # Not a gather: its gradient scatters, which took a fifth of an epoch of a small network.
    hit = labels[:, None] == ops.arange(classes, dtype=labels.dtype)[None, :]
    chosen = ops.sum(ops.where(hit, logits, 0.0), axis=-1)
    likelihood = chosen - ops.logsumexp(logits, axis=-1)
    in_range = (labels >= 0) & (labels < classes)
    return -ops.mean(ops.where(in_range, likelihood, float("nan")))
