"""The functions that most models begin with. Each is a ``defn``: call it, or use it inside of another."""

__all__ = ("gelu", "matmul", "normalize", "softmax", "standard_deviation")

from pulse_ai.numerics import ops
from pulse_ai.numerics.defn import defn
from pulse_ai.numerics.shapes import Array, Float, Num

Axis = int | tuple[int, ...] | None

_SQRT_2_OVER_PI = 0.7978845608028654


@defn
def matmul(a: Num[Array, "*any k"], b: Num[Array, "..."]) -> Num[Array, "..."]:
    """Return the matrix product of two arrays.

    Args:
        a: Shape ``(..., n, k)``, or ``(k,)``.
        b: Shape ``(..., k, m)``, or ``(k,)``; leading axes broadcast with those of ``a``.

    Returns:
        Shape ``(..., n, m)``, in the wider dtype of the two. On a GPU, XLA may round float32 products to
        TF32; see JAX's ``default_matmul_precision``.

    Source:
        The array API standard's ``matmul``.

    Example:
        >>> import numpy as np
        >>> matmul(np.array([[1, 2]], np.int32), np.array([[3], [4]], np.int32))
        Array([[11]], dtype=int32)
    """
    return ops.matmul(a, b)


@defn
def standard_deviation(
    x: Num[Array, "..."], *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
) -> Float[Array, "..."]:
    """Return the square root of the mean squared distance from the mean.

    Args:
        x: Any shape; integers are taken as float32.
        axis: The axis, or axes, to go over; None for all.
        correction: Subtracted from the number of values before dividing: 0 for a whole population, 1 for a
            sample (Bessel's correction).
        keepdims: Whether the axes stay, with size 1.

    Returns:
        At least 0; NaN where no values are left, or one of them is not finite.

    Source:
        Computed in two passes (the mean first), which loses no digits where the mean is large.

    Example:
        >>> import numpy as np
        >>> float(standard_deviation(np.array([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])))
        2.0
    """
    return ops.sqrt(ops.var(x, axis=axis, correction=correction, keepdims=keepdims))


@defn
def normalize(x: Num[Array, "..."], *, axis: Axis = None, epsilon: float = 0.0) -> Float[Array, "..."]:
    """Return the values moved and scaled to mean 0 and standard deviation 1.

    Args:
        x: Any shape; integers are taken as float32.
        axis: The axis, or axes, over which the mean and deviation are taken; None for all.
        epsilon: Added to the variance, at least 0. With 0, values that are all equal give NaN.

    Returns:
        The shape of ``x``.

    Source:
        ``(x - mean(x)) / sqrt(var(x) + epsilon)``, the standard score.

    Example:
        >>> import numpy as np
        >>> normalize(np.array([1.0, 2.0, 3.0], np.float32)).round(4)
        Array([-1.2247,  0.    ,  1.2247], dtype=float32)
    """
    centred = x - ops.mean(x, axis=axis, keepdims=True)
    return centred / ops.sqrt(ops.mean(ops.square(centred), axis=axis, keepdims=True) + epsilon)


@defn
def softmax(x: Num[Array, "..."], *, axis: int = -1) -> Float[Array, "..."]:
    """Return shares that are proportional to the exponentials of the values.

    Args:
        x: At least one axis; any values. ``-inf`` gets 0, as masks want it; a row of only ``-inf``, or with a
            NaN or ``+inf``, gives NaN.
        axis: The axis along which the shares add up to 1; not of size 0.

    Returns:
        The shape of ``x``, in [0, 1].

    Source:
        The largest value is subtracted first, so that no exponential overflows.

    Example:
        >>> import numpy as np
        >>> softmax(np.array([0.0, 0.0, 1000.0], np.float32))
        Array([0., 0., 1.], dtype=float32)
    """
    powers = ops.exp(x - ops.max(x, axis=axis, keepdims=True))
    return powers / ops.sum(powers, axis=axis, keepdims=True)


@defn
def gelu(x: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """Return the Gaussian error linear unit, in its tanh form.

    Args:
        x: Floats of any shape.

    Returns:
        About 0 for very negative values and ``x`` for very positive ones; within 0.0005 of the exact form.

    Source:
        D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units" (2016), equation with tanh.

    Example:
        >>> import numpy as np
        >>> [round(float(value), 4) for value in gelu(np.array([-1.0, 0.0, 1.0], np.float32))]
        [-0.1588, 0.0, 0.8412]
    """
    return 0.5 * x * (1.0 + ops.tanh(_SQRT_2_OVER_PI * (x + 0.044715 * x * x * x)))
