"""The XLA side of those operations that JAX has under another name or with another meaning.

Each takes JAX first, so that nothing is imported before something is compiled.
"""

__all__ = ("FORMS",)

from collections.abc import Callable
from typing import Any


def _take(jax: Any, x: Any, indices: Any, axis: int | None = None) -> Any:
    return jax.numpy.take(x, indices, axis=axis, mode="clip")


def _take_along_axis(jax: Any, x: Any, indices: Any, axis: int = -1) -> Any:
    inside = jax.numpy.clip(indices, 0, x.shape[axis] - 1)
    return jax.numpy.take_along_axis(x, inside, axis=axis)


def _set_at(jax: Any, x: Any, index: Any, value: Any) -> Any:
    return jax.numpy.asarray(x).at[index].set(value)


def _add_at(jax: Any, x: Any, index: Any, value: Any) -> Any:
    return jax.numpy.asarray(x).at[index].add(value)


def _one_hot(jax: Any, x: Any, num_classes: int) -> Any:
    return jax.nn.one_hot(x, num_classes, dtype="float32")


def _logsumexp(jax: Any, x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return jax.nn.logsumexp(x, axis=axis, keepdims=keepdims)


def _erf(jax: Any, x: Any) -> Any:
    return jax.scipy.special.erf(x)


def _arange(jax: Any, *bounds: Any, dtype: Any = None) -> Any:
    return jax.numpy.arange(*bounds, dtype=dtype)


FORMS: dict[str, Callable[..., Any]] = {
    "add_at": _add_at,
    "arange": _arange,
    "erf": _erf,
    "logsumexp": _logsumexp,
    "one_hot": _one_hot,
    "set_at": _set_at,
    "take": _take,
    "take_along_axis": _take_along_axis,
}
"""By the operation's name; an operation that is not here is the function of that name in ``jax.numpy``."""
