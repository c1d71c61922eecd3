"""Choices and loops over values not known while compiling; on the evaluator they are plain Python."""

__all__ = ("cond", "scan", "while_loop")

from collections.abc import Callable
from typing import Any, TypeVar

from pulse_ai.numerics import ops
from pulse_ai.numerics.compilers import holding, is_tracing, is_xla_array, load_jax
from pulse_ai.numerics.eager import EagerArray
from pulse_ai.numerics.errors import BadArgument
from pulse_ai.numerics.promotion import plain
from pulse_ai.numerics.trees import leaves_of, map_leaves

State = TypeVar("State")


def cond(
    predicate: Any, if_true: Callable[..., State], if_false: Callable[..., State], *operands: Any
) -> State:
    """Run one of two functions, by a value.

    Args:
        predicate: A 0-d boolean array.
        if_true: Called with the operands where the predicate holds.
        if_false: Called where it does not; its answer must have the same tree, shapes and dtypes.
        operands: What both are given.

    Example:
        >>> import numpy as np
        >>> from pulse_ai.numerics import defn
        >>> @defn
        ... def root_or_zero(x):
        ...     return cond(x > 0, lambda v: v**0.5, lambda v: v * 0, x)
        >>> float(root_or_zero(np.float32(9))), float(root_or_zero(np.float32(-9)))
        (3.0, -0.0)
    """
    if _is_xla(predicate, operands):
        return load_jax().lax.cond(predicate, _fresh(if_true), _fresh(if_false), *operands)
    return if_true(*operands) if bool(plain(predicate)) else if_false(*operands)


def while_loop(goes_on: Callable[[State], Any], step: Callable[[State], State], state: State) -> State:
    """Repeat a step for as long as a condition of the state holds.

    Args:
        goes_on: Gives a 0-d boolean of the state.
        step: Gives the next state, with the same tree, shapes and dtypes.
        state: Where to begin.

    Example:
        >>> import numpy as np
        >>> from pulse_ai.numerics import defn
        >>> @defn
        ... def first_power_above(limit):
        ...     return while_loop(lambda x: x <= limit, lambda x: x * 2, ops.asarray(1))
        >>> int(first_power_above(np.int32(100)))
        128
    """
    if _is_xla(state):
        return load_jax().lax.while_loop(_fresh(goes_on), _fresh(step), state)
    while bool(plain(goes_on(state))):
        state = step(state)
    return state


def scan(
    step: Callable[[State, Any], tuple[State, Any]], state: State, rows: Any, *, length: int | None = None
) -> tuple[State, Any]:
    """Go through the first axis of arrays, carrying a state, and stack what each step gives.

    Args:
        step: Takes the state and one row; gives the next state and what to keep (or None).
        state: Where to begin.
        rows: A tree of arrays with the same first axis; or None, with ``length``.
        length: The number of steps, where ``rows`` is None.

    Returns:
        The last state, and the kept values stacked along a new first axis.

    Raises:
        BadArgument: On the evaluator: there are neither rows nor a length, or they differ in length.

    Example:
        >>> import numpy as np
        >>> from pulse_ai.numerics import defn
        >>> @defn
        ... def running_sum(x):
        ...     return scan(lambda total, value: (total + value, total + value), ops.zeros_like(x[0]), x)[1]
        >>> running_sum(np.array([1, 2, 3], np.int32))
        Array([1, 3, 6], dtype=int32)
    """
    if _is_xla(state, rows):
        return load_jax().lax.scan(_fresh(step), state, rows, length=length)
    kept: list[Any] = []
    for number in range(_steps_of(rows, length)):
        state, value = step(state, map_leaves(lambda leaf, n=number: leaf[n], rows))
        kept.append(value)
    return state, stacked(kept) if kept else _stack_of_none(step, state, rows)


def _steps_of(rows: Any, length: int | None) -> int:
    sizes: set[int] = {len(leaf) for leaf in leaves_of(rows)}
    if length is not None:
        sizes.add(length)
    if not sizes:
        raise BadArgument("scan needs rows to go through, or a length")
    if len(sizes) > 1:
        raise BadArgument(f"scan needs rows of one length, got {sorted(sizes)}")
    return sizes.pop()


def _stack_of_none(step: Callable[..., Any], state: Any, rows: Any) -> Any:
    """Return what no steps kept: arrays without rows, of the shapes that a step of zeros keeps."""
    with holding(observers={}):
        _, value = step(state, map_leaves(lambda leaf: ops.zeros(leaf.shape[1:], dtype=leaf.dtype), rows))
    return map_leaves(lambda leaf: leaf[:0], stacked([value]))


def stacked(trees: list[Any]) -> Any:
    """Return trees of the same kind as one, with a new first axis; None for no trees."""
    if not trees:
        return None
    columns = iter(zip(*(leaves_of(tree) for tree in trees), strict=True))
    return map_leaves(lambda _: ops.stack(list(next(columns))), trees[0])


def _is_xla(*values: Any) -> bool:
    if is_tracing():
        return True
    leaves = leaves_of(values)
    return any(map(is_xla_array, leaves)) and not any(isinstance(leaf, EagerArray) for leaf in leaves)


def _fresh(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function anew, so that JAX does not reuse what it traced for other observers of its hooks."""
    return lambda *arguments: function(*arguments)  # noqa: PLW0108 - a new object is the point
