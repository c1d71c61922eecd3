"""Which dtype comes out: JAX's rules, kept on NumPy, so that both compilers answer alike.

NumPy widens (float32 with int32 gives float64, a sum of int8 gives int64); XLA does not. Here 64-bit results
become 32-bit, unless JAX was told to keep them (``jax_enable_x64``), and an integer that meets a float takes
the float's dtype.
"""

__all__ = ("NumpyArray", "common", "is_numpy", "narrow", "narrow_dtype", "plain")

import sys
from typing import Any, TypeAlias, TypeGuard

import numpy as np

from pulse_ai.numerics.compilers import strict_is_on
from pulse_ai.numerics.errors import StrictPromotion

NumpyArray: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_NARROW = {
    np.dtype(np.float64): np.dtype(np.float32),
    np.dtype(np.int64): np.dtype(np.int32),
    np.dtype(np.uint64): np.dtype(np.uint32),
    np.dtype(np.complex128): np.dtype(np.complex64),
}
_FLOAT32 = np.dtype(np.float32)


def narrow_dtype(dtype: Any) -> np.dtype[Any]:
    """Return the dtype that arrays of this one have in numerics: 64 bits become 32.

    Example:
        >>> narrow_dtype("float64"), narrow_dtype(np.int8)
        (dtype('float32'), dtype('int8'))
    """
    given = np.dtype(dtype)
    return given if _keeps_64_bits() else _NARROW.get(given, given)


def _keeps_64_bits() -> bool:
    jax = sys.modules.get("jax")
    return bool(jax is not None and hasattr(jax, "config") and jax.config.jax_enable_x64)


def is_numpy(value: Any) -> TypeGuard[NumpyArray]:
    """Return whether a value is a NumPy array."""
    return isinstance(value, np.ndarray)


def plain(value: Any) -> NumpyArray:
    """Return a value as a plain NumPy array, without copying where it is one."""
    return np.asarray(value).view(np.ndarray)


def narrow(value: Any) -> NumpyArray:
    """Return a value as a NumPy array of a dtype that numerics has."""
    array = plain(value)
    dtype = narrow_dtype(array.dtype)
    return array if dtype == array.dtype else array.astype(dtype)


def common(*values: Any, to_float: bool = False) -> list[Any]:
    """Return operands ready for a NumPy function: arrays of agreeing kinds; Python numbers stay as they are.

    Args:
        values: Arrays, and numbers written in the code, which take the arrays' dtype.
        to_float: Whether integers become float32, for functions whose answer is a float.

    Raises:
        StrictPromotion: Dtypes or ranks differ, and ``strict()`` is on.

    Example:
        >>> [array.dtype.name for array in common(np.ones(2, np.int32), np.ones(2, np.float16))]
        ['float16', 'float16']
    """
    operands = [value if _is_number(value) else narrow(value) for value in values]
    arrays: list[NumpyArray] = [operand for operand in operands if is_numpy(operand)]
    if strict_is_on():
        _refuse_mixture(arrays)
        _refuse_fractions(arrays, values)
    floats = [array.dtype for array in arrays if array.dtype.kind in "fcV"]
    if floats:
        target = np.result_type(*floats)
    elif to_float:
        target = _FLOAT32
    else:
        return _as_one_kind(operands, arrays)
    return [_as_float(operand, target, to_float=to_float) for operand in operands]


def _as_one_kind(operands: list[Any], arrays: list[NumpyArray]) -> list[Any]:
    """Return whole numbers in the dtype that they have together, where they have several.

    NumPy would compute int32 with uint32 in 64 bits; in 32 the answer of a comparison is another.
    """
    if len({array.dtype for array in arrays}) < 2:
        return operands
    target = narrow_dtype(np.result_type(*arrays))
    return [operand.astype(target) if is_numpy(operand) else operand for operand in operands]


def _as_float(operand: Any, target: np.dtype[Any], *, to_float: bool) -> Any:
    if is_numpy(operand):
        return operand.astype(target) if operand.dtype.kind in "biu" else operand
    return np.asarray(operand, target) if to_float else operand


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex)) and not isinstance(value, np.generic)


def _refuse_fractions(arrays: list[NumpyArray], values: tuple[Any, ...]) -> None:
    whole = [array.dtype.name for array in arrays if array.dtype.kind in "biu"]
    if whole and any(_is_number(value) and isinstance(value, (float, complex)) for value in values):
        raise StrictPromotion(f"{whole[0]} and a Python float met: convert the array with astype")


def _refuse_mixture(arrays: list[NumpyArray]) -> None:
    dtypes = list(dict.fromkeys(array.dtype.name for array in arrays))
    if len(dtypes) > 1:
        raise StrictPromotion(f"{' and '.join(dtypes)} met: convert one with astype, or leave strict()")
    ranks = sorted({array.ndim for array in arrays if array.ndim})
    if len(ranks) > 1:
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise StrictPromotion(
            f"arrays of ranks {ranks} met (shapes {shapes}): add axes with reshape or expand_dims"
        )
