"""One operation and how a call finds the form that fits: XLA's, NumPy's, or that of the array's own library."""

__all__ = ("Operation",)

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from pulse_ai.numerics.compilers import context, is_tracing, is_xla_array, load_jax
from pulse_ai.numerics.eager import EagerArray, eager
from pulse_ai.numerics.promotion import narrow
from pulse_ai.numerics.xla_forms import FORMS


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One function with two forms.

    Attributes:
        name: The name in the array API, or in ``jax.numpy``.
        group: What kind of operation it is, for the documents.
        numpy: The form that runs on NumPy.

    Example:
        >>> from pulse_ai.numerics import ops
        >>> ops.maximum([1, 5], [3, 2])
        array([3, 5], dtype=int32)
    """

    name: str
    group: str
    numpy: Callable[..., Any]

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run the form that fits where the call is made and what it is given."""
        if is_tracing() or _any_xla(arguments):
            return _xla_form(self.name)(*arguments, **options)
        if arguments and _is_foreign(arguments[0]):
            return getattr(arguments[0].__array_namespace__(), self.name)(*arguments, **options)
        with np.errstate(all="ignore"):  # XLA gives NaN and infinity without a word
            answer = narrow(self.numpy(*arguments, **options))
        return eager(answer) if _any_eager(arguments) or _evaluating() else answer

    def __repr__(self) -> str:
        return f"ops.{self.name}"


def _any_xla(arguments: Sequence[Any]) -> bool:
    return any(
        is_xla_array(value) or (isinstance(value, (list, tuple)) and any(map(is_xla_array, value)))  # pyright: ignore[reportUnknownArgumentType]
        for value in arguments
    )


def _is_foreign(value: Any) -> bool:
    """Return whether a value is an array of another library, whose own functions are for it (the array API)."""
    return hasattr(value, "__array_namespace__") and not isinstance(value, (np.ndarray, np.generic))


def _any_eager(arguments: Sequence[Any]) -> bool:
    return any(isinstance(value, EagerArray) for value in arguments)


def _evaluating() -> bool:
    return context().running == "evaluator"


@cache
def _xla_form(name: str) -> Callable[..., Any]:
    jax = load_jax()
    if name not in FORMS:
        return getattr(jax.numpy, name)
    form = FORMS[name]
    return lambda *arguments, **options: form(jax, *arguments, **options)
