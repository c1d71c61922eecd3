"""The arrays that the evaluator hands to a function: NumPy's, that behave as XLA's do.

They can be printed and stepped through, but not written to; operators give the dtypes that XLA gives; and
branching on one is warned about, because the same line would not compile.
"""

__all__ = ("EagerArray", "eager", "released")

import importlib
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import numpy as np

from pulse_ai.numerics.errors import PurityError, PurityWarning
from pulse_ai.numerics.promotion import narrow, plain
from pulse_ai.numerics.source import caller_place, user_place


class EagerArray(np.ndarray):
    """A read-only NumPy array whose operators follow XLA's rules.

    Example:
        >>> x = eager(np.arange(3))
        >>> x / 2
        EagerArray([0. , 0.5, 1. ], dtype=float32)
        >>> x[0] = 5  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        pulse_ai.numerics.errors.PurityError: ... an array is written to; use ops.set_at...
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __setitem__(self, key: Any, value: Any) -> None:
        raise PurityError(
            f"{user_place()}: an array is written to; use ops.set_at(x, index, value), which gives a new "
            "one, or ops.where(condition, x, y)"
        )

    def __getitem__(self, key: Any) -> Any:
        return eager(plain(self)[_as_index(key)])

    def __iter__(self) -> Iterator[Any]:
        return (self[number] for number in range(len(self)))

    def __bool__(self) -> bool:
        place = caller_place()
        if place.is_users:
            warnings.warn_explicit(
                "Python branches on an array's value here: this runs on the evaluator and does not compile; "
                "use ops.where or cond (while_loop for a loop)",
                PurityWarning,
                place.file,
                place.line,
            )
        return bool(plain(self))

    def __repr__(self) -> str:
        return repr(plain(self)).replace("array(", "EagerArray(", 1)

    def __str__(self) -> str:
        return str(plain(self))

    def __format__(self, spec: str) -> str:
        return format(plain(self)[()] if self.ndim == 0 else plain(self), spec)


def _as_index(key: Any) -> Any:
    if isinstance(key, tuple):
        parts = cast("tuple[Any, ...]", key)
        return tuple(map(_as_index, parts))
    return plain(key) if isinstance(key, EagerArray) else key


def eager(value: Any) -> EagerArray:
    """Return a read-only view of a value as an array of the evaluator."""
    array = narrow(value).view(EagerArray)
    array.flags.writeable = False
    return array


def released(value: Any) -> Any:
    """Return an evaluator's array as a NumPy array that the caller owns; other values as they are."""
    if isinstance(value, (np.ndarray, np.generic)):
        array = narrow(value)
        return array if array.flags.writeable and array.base is None else array.copy()
    return value


_BINARY = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
_OTHERS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "neg": "negative",
    "abs": "abs",
    "invert": "bitwise_invert",
    "pos": "positive",
}
_METHODS = (
    "all", "any", "argmax", "argmin", "astype", "clip", "cumprod", "cumsum", "max", "mean", "min", "prod",
    "repeat", "round", "std", "sum", "take", "var",
)  # fmt: skip


@cache
def _operation(name: str) -> Any:
    """Return an entry of the table, which stands on this module."""
    return getattr(importlib.import_module("pulse_ai.numerics.ops"), name)


def _forward(name: str) -> Any:
    def apply(self: Any, *others: Any, **options: Any) -> Any:
        return _operation(name)(self, *others, **options)

    return apply


def _reflected(name: str) -> Any:
    def apply(self: Any, other: Any) -> Any:
        return _operation(name)(other, self)

    return apply


for _name, _full in _BINARY.items():
    setattr(EagerArray, f"__{_name}__", _forward(_full))
    setattr(EagerArray, f"__i{_name}__", _forward(_full))  # x += y binds a new array, as it does in JAX
    setattr(EagerArray, f"__r{_name}__", _reflected(_full))
for _name, _full in _OTHERS.items():
    setattr(EagerArray, f"__{_name}__", _forward(_full))
for _name in _METHODS:
    setattr(EagerArray, _name, _forward(_name))
