"""Random numbers without hidden state: the same key gives the same numbers, compiled or not, on each machine.

A key is an array, uint32[2]. Split it for each use, and use none twice. The generator is Threefry, with the
bits that JAX gives; the evaluator computes the same ones on NumPy.
"""

__all__ = ("bernoulli", "fold_in", "key", "normal", "permutation", "randint", "split", "uniform")

from typing import Any

import numpy as np

from pulse_ai.numerics import ops, threefry
from pulse_ai.numerics.compilers import context, is_tracing, is_xla_array, load_jax
from pulse_ai.numerics.eager import eager
from pulse_ai.numerics.errors import BadArgument
from pulse_ai.numerics.numpy_forms import erfinv
from pulse_ai.numerics.promotion import NumpyArray, plain
from pulse_ai.numerics.shapes import Array, Bool, Float, Int, UInt32

Shape = tuple[int, ...]


def key(seed: int) -> UInt32[Array, "2"]:
    """Return the key of a seed.

    Args:
        seed: Any integer; its low 32 bits count, as they do in JAX.

    Example:
        >>> key(7)
        array([0, 7], dtype=uint32)
    """
    return _given(threefry.key_of(seed & 0xFFFFFFFF))


def split(key: UInt32[Array, "2"], count: int = 2) -> UInt32[Array, "count 2"]:
    """Return new keys from one, which must not be used again itself.

    Args:
        key: The key to split.
        count: How many keys, at least 1.

    Example:
        >>> one, other = split(key(0))
        >>> bool((one == other).all())
        False
    """
    if _is_xla(key):
        jax = load_jax()
        return jax.random.key_data(jax.random.split(_wrapped(key), count))
    return _given(threefry.split(plain(key), count))


def fold_in(key: UInt32[Array, "2"], number: Any) -> UInt32[Array, "2"]:
    """Return the key for a number (a step, a row) under a key.

    Args:
        key: The key to derive from.
        number: An integer, from 0 up to 2**32 - 1.

    Example:
        >>> fold_in(key(0), 3).shape
        (2,)
    """
    if _is_xla(key, number):
        jax = load_jax()
        return jax.random.key_data(jax.random.fold_in(_wrapped(key), number))
    return _given(threefry.fold_in(plain(key), int(plain(number))))


def uniform(
    key: UInt32[Array, "2"], shape: Shape = (), *, low: float = 0.0, high: float = 1.0
) -> Float[Array, "..."]:
    """Return float32 numbers spread evenly over ``[low, high)``.

    Args:
        key: Used up by this call.
        shape: The shape wanted.
        low: The least value.
        high: The bound above, itself left out.

    Example:
        >>> bool(0.0 <= uniform(key(0)) < 1.0)
        True
    """
    if _is_xla(key):
        return load_jax().random.uniform(_wrapped(key), shape, minval=low, maxval=high)
    return _given(_uniform(plain(key), shape, low, high))


def _uniform(key: NumpyArray, shape: Shape, low: float, high: float) -> NumpyArray:
    fraction = (threefry.bits(key, shape) >> np.uint32(9)) | np.uint32(0x3F800000)
    ones = np.asarray(fraction).view(np.float32) - np.float32(1)
    least, most = np.float32(low), np.float32(high)
    return np.asarray(np.maximum(least, ones * (most - least) + least))


def normal(key: UInt32[Array, "2"], shape: Shape = ()) -> Float[Array, "..."]:
    """Return float32 numbers with mean 0 and standard deviation 1.

    Args:
        key: Used up by this call.
        shape: The shape wanted.

    Example:
        >>> bool(abs(normal(key(0), (1000,)).mean()) < 0.1)
        True
    """
    if _is_xla(key):
        return load_jax().random.normal(_wrapped(key), shape)
    least = float(np.nextafter(np.float32(-1), np.float32(0)))
    return _given(np.float32(np.sqrt(2)) * erfinv(_uniform(plain(key), shape, least, 1.0)))


def bernoulli(key: UInt32[Array, "2"], probability: float = 0.5, shape: Shape = ()) -> Bool[Array, "..."]:
    """Return True with a given probability, for each element by itself.

    Args:
        key: Used up by this call.
        probability: In [0, 1].
        shape: The shape wanted.

    Example:
        >>> bool(bernoulli(key(0), 1.0))
        True
    """
    return ops.less(uniform(key, shape), probability)


def randint(key: UInt32[Array, "2"], shape: Shape, low: int, high: int) -> Int[Array, "..."]:
    """Return int32 numbers from ``[low, high)``, each as likely as another to within 2**-24.

    Args:
        key: Used up by this call.
        shape: The shape wanted.
        low: The least number.
        high: The bound above, itself left out; at most 2**24 above ``low``.

    Raises:
        BadArgument: There is no number in the range, or there are too many.

    Example:
        >>> int(randint(key(0), (100,), 1, 7).max())
        6
    """
    if not 0 < high - low <= 2**24:
        raise BadArgument(f"high must be 1 to 2**24 above low, got low {low} and high {high}")
    steps = ops.astype(ops.floor(uniform(key, shape) * float(high - low)), "int32")
    return ops.minimum(steps, high - low - 1) + low


def permutation(key: UInt32[Array, "2"], count: int) -> Int[Array, " count"]:
    """Return the numbers below ``count`` in random order, int32.

    Args:
        key: Used up by this call.
        count: How many numbers, at least 0.

    Example:
        >>> sorted(permutation(key(0), 4).tolist())
        [0, 1, 2, 3]
    """
    return ops.astype(ops.argsort(uniform(key, (count,))), "int32")


def _is_xla(*values: Any) -> bool:
    return is_tracing() or any(map(is_xla_array, values))


def _wrapped(key: Any) -> Any:
    return load_jax().random.wrap_key_data(key, impl="threefry2x32")


def _given(array: NumpyArray) -> Any:
    return eager(array) if context().running == "evaluator" else array
