"""The NumPy side of the operations: functions that answer as XLA's do, in values and in dtypes.

Each takes and gives plain NumPy arrays; ``ops.py`` narrows what comes out to 32 bits.
"""

__all__ = (
    "accumulated",
    "add_at",
    "argsort",
    "astype",
    "binary",
    "clip",
    "created",
    "einsum",
    "erf",
    "erfinv",
    "logsumexp",
    "many",
    "mean",
    "one_hot",
    "reduced",
    "set_at",
    "shaped",
    "sort",
    "std",
    "take",
    "take_along_axis",
    "unary",
    "var",
    "where",
)

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pulse_ai.numerics.promotion import NumpyArray, common, narrow, narrow_dtype, plain

Form = Callable[..., Any]


def unary(function: Any, *, to_float: bool = False) -> Form:
    """Return a form for a function of one array; ``to_float``: integers become float32 first."""

    def apply(x: Any) -> Any:
        return function(*common(x, to_float=to_float))

    return apply


def binary(function: Any, *, to_float: bool = False) -> Form:
    """Return a form for a function of two arrays or numbers."""

    def apply(x: Any, y: Any) -> Any:
        return function(*common(x, y, to_float=to_float))

    return apply


def where(condition: Any, x: Any, y: Any) -> Any:
    """Return ``x`` where the condition holds, else ``y``."""
    choose: Any = np.where  # its overloads do not know arrays of any dtype
    return choose(plain(condition), *common(x, y))


def clip(x: Any, min: Any = None, max: Any = None) -> Any:  # noqa: A002 - the array API's names
    """Return ``x`` held between two bounds; None is no bound."""
    low = x if min is None else np.maximum(*common(x, min))
    return low if max is None else np.minimum(*common(low, max))


def reduced(function: Form) -> Form:
    """Return a form for a reduction over ``axis``."""

    def apply(x: Any, *positional: Any, **options: Any) -> Any:
        return function(narrow(x), *positional, **options)

    return apply


def mean(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return the sum over the count; NaN of nothing, without NumPy's warning."""
    (array,) = common(x, to_float=True)
    total = np.sum(array, axis=axis, keepdims=keepdims, dtype=_accumulator(array))
    return (total / _count(array, axis)).astype(array.dtype)


def var(x: Any, axis: Any = None, *, correction: float = 0, keepdims: bool = False) -> Any:
    """Return the mean squared distance from the mean; NaN where nothing is left to divide by."""
    (array,) = common(x, to_float=True)
    wide = array.astype(_accumulator(array))
    centre = np.sum(wide, axis=axis, keepdims=True) / _count(array, axis)
    left = _count(array, axis) - np.float32(correction)
    total = np.sum(np.square(wide - centre), axis=axis, keepdims=keepdims)
    return (total / (left if left > 0 else np.float32(np.nan))).astype(array.dtype)


def std(x: Any, axis: Any = None, *, correction: float = 0, keepdims: bool = False) -> Any:
    """Return the square root of ``var``."""
    return np.sqrt(var(x, axis, correction=correction, keepdims=keepdims))


def _accumulator(array: NumpyArray) -> np.dtype[Any]:
    return np.dtype(np.float32) if array.dtype == np.float16 else array.dtype


def _count(array: NumpyArray, axis: Any) -> np.float32:
    axes = range(array.ndim) if axis is None else np.atleast_1d(axis)
    return np.float32(math.prod(array.shape[int(number)] for number in axes))


def accumulated(function: Form) -> Form:
    """Return a form for a running sum or product, which keeps the array's dtype."""

    def apply(x: Any, axis: int | None = None) -> Any:
        array = narrow(x)
        dtype = np.dtype(np.int32) if array.dtype.kind == "b" else array.dtype
        return function(array, axis=axis, dtype=dtype)

    return apply


def shaped(function: Form) -> Form:
    """Return a form for a function that moves values of its first argument and computes none."""

    def apply(x: Any, *positional: Any, **options: Any) -> Any:
        return function(narrow(x), *positional, **options)

    return apply


def sort(x: Any, axis: int = -1, *, descending: bool = False, stable: bool = True) -> Any:
    """Return the values in rising or falling order; NaN counts as the largest."""
    del stable  # equal values cannot be told apart
    rising = np.sort(narrow(x), axis=axis)
    return np.flip(rising, axis) if descending else rising


def argsort(x: Any, axis: int = -1, *, descending: bool = False, stable: bool = True) -> Any:
    """Return the order that sorts the array; equal values keep theirs, whether asked to or not."""
    del stable
    array = narrow(x)
    if not descending:
        return np.argsort(array, axis=axis, stable=True)
    from_the_end = np.argsort(np.flip(array, axis), axis=axis, stable=True)
    return array.shape[axis] - 1 - np.flip(from_the_end, axis)


def many(function: Form) -> Form:
    """Return a form for a function of a sequence of arrays."""

    def apply(arrays: Sequence[Any], *positional: Any, **options: Any) -> Any:
        return function(common(*arrays), *positional, **options)

    return apply


def created(function: Form, *, dtype: Any = None) -> Form:
    """Return a form for a function that makes an array; ``dtype`` is the one where none is asked for."""

    def apply(*positional: Any, **options: Any) -> Any:
        given = options.pop("dtype", None) or dtype
        array = function(*positional, **options)
        return array if given is None else array.astype(narrow_dtype(given))

    return apply


def astype(x: Any, dtype: Any) -> Any:
    """Return the values as another dtype."""
    return plain(x).astype(narrow_dtype(dtype))


def einsum(subscripts: str, *operands: Any) -> Any:
    """Return the sum of products that Einstein's notation names."""
    return np.einsum(subscripts, *common(*operands))


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Return elements by index; an index outside is held to the nearest end."""
    return np.take(narrow(x), plain(indices), axis=axis, mode="clip")


def take_along_axis(x: Any, indices: Any, axis: int = -1) -> Any:
    """Return elements by index along one axis; an index outside is held to the nearest end."""
    array = narrow(x)
    return np.take_along_axis(array, np.clip(plain(indices), 0, array.shape[axis] - 1), axis=axis)


def set_at(x: Any, index: Any, value: Any) -> Any:
    """Return a copy with other values at an index."""
    array = narrow(x).copy()
    array[_index(index)] = plain(value)
    return array


def add_at(x: Any, index: Any, value: Any) -> Any:
    """Return a copy with values added at an index; an index named twice is added to twice."""
    array = narrow(x).copy()
    np.add.at(array, _index(index), plain(value).astype(array.dtype))
    return array


def _index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_index(part) for part in index)  # pyright: ignore[reportUnknownVariableType]
    return plain(index) if isinstance(index, (np.ndarray, list)) else index


def one_hot(x: Any, num_classes: int) -> Any:
    """Return float32 rows with 1 at each class number; a number outside gives a row of zeros."""
    return (plain(x)[..., None] == np.arange(num_classes)).astype(np.float32)


def logsumexp(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return log(sum(exp(x))) without overflow."""
    (array,) = common(x, to_float=True)
    largest = np.max(array, axis=axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(largest), largest, 0).astype(array.dtype)
    total = np.log(np.sum(np.exp(array - shift), axis=axis, keepdims=True)) + shift
    return total if keepdims else np.squeeze(total, axis=axis)


_erf: Any = np.frompyfunc(math.erf, 1, 1)


def erf(x: Any) -> Any:
    """Return the error function, element by element in double precision."""
    (array,) = common(x, to_float=True)
    return np.asarray(_erf(array.astype(np.float64))).astype(array.dtype)


_NEAR = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
         -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
_FAR = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
        0.00943887047, 1.00167406, 2.83297682)  # fmt: skip


def erfinv(x: NumpyArray) -> NumpyArray:
    """Return the inverse error function of float32 values in [-1, 1].

    The two polynomials are those of M. Giles, "Approximating the erfinv function" (GPU Computing Gems, 2012).
    """
    w = -np.log1p(-x * x)
    near, far = w - np.float32(2.5), np.sqrt(np.maximum(w, np.float32(5))) - np.float32(3)
    p_near, p_far = np.full_like(x, _NEAR[0]), np.full_like(x, _FAR[0])
    for in_near, in_far in zip(_NEAR[1:], _FAR[1:], strict=True):
        p_near = p_near * near + np.float32(in_near)
        p_far = p_far * far + np.float32(in_far)
    inner = np.where(w < 5, p_near, p_far) * x
    return np.where(np.abs(x) == 1, x * np.float32(np.inf), inner)
