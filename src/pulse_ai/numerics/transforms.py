"""Functions of functions, thin over JAX: gradients and vectorisation."""

__all__ = ("custom_grad", "grad", "stop_grad", "value_and_grad", "vmap")

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from pulse_ai.numerics.compilers import context, is_tracing, is_xla_array, load_jax, require_jax
from pulse_ai.numerics.control import stacked
from pulse_ai.numerics.defn import Defn, unwrapped
from pulse_ai.numerics.errors import BadArgument
from pulse_ai.numerics.trees import leaves_of, map_leaves

Tree = TypeVar("Tree")
Axes = int | None | tuple[int | None, ...]


def grad(
    function: Callable[..., Any], *, argument: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Defn[..., Any]:
    """Return the gradient of a function that gives one number.

    Args:
        function: Gives a 0-d float; with ``has_aux``, that and anything else.
        argument: Which positional argument, or which ones, to differentiate by; a tree of floats.
        has_aux: Whether the function gives a pair, of which the second part is handed through.

    Returns:
        A function of the same arguments that gives the gradient, of the argument's own tree and shapes; with
        ``has_aux``, that and the second part.

    Raises:
        CompilerMissing: When called: the evaluator cannot differentiate.

    Example:
        >>> import numpy as np
        >>> grad(lambda x: (x**2).sum())(np.array([1.0, 2.0], np.float32))
        Array([2., 4.], dtype=float32)
    """
    return _differentiated(function, "grad", argument=argument, has_aux=has_aux)


def value_and_grad(
    function: Callable[..., Any], *, argument: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Defn[..., Any]:
    """Return a function's value together with its gradient; the arguments are those of ``grad``.

    Example:
        >>> import numpy as np
        >>> value, slope = value_and_grad(lambda x: x**3)(np.float32(2))
        >>> float(value), float(slope)
        (8.0, 12.0)
    """
    return _differentiated(function, "value_and_grad", argument=argument, has_aux=has_aux)


@functools.lru_cache(maxsize=64)  # so that ``grad(f)(x)`` in a loop compiles once
def _differentiated(
    function: Callable[..., Any], name: str, *, argument: int | tuple[int, ...], has_aux: bool
) -> Defn[..., Any]:
    def differentiate(*arguments: Any, **options: Any) -> Any:
        jax = require_jax(name)
        bound = functools.partial(_inline(function), **options)
        return getattr(jax, name)(bound, argnums=argument, has_aux=has_aux)(*arguments)

    return Defn(differentiate, written=_written(function))


def vmap(function: Callable[..., Any], *, in_axes: Axes = 0, out_axes: int = 0) -> Defn[..., Any]:
    """Return a function of batches, from one of single items.

    Args:
        function: Works on one item.
        in_axes: The axis of each argument along which items lie; None for one that all items share.
        out_axes: Where that axis is put in the answers.

    Raises:
        BadArgument: On the evaluator, which goes through the items one by one: there are none.

    Example:
        >>> import numpy as np
        >>> norms = vmap(lambda row: (row * row).sum())
        >>> norms(np.array([[1.0, 2.0], [3.0, 4.0]], np.float32))
        Array([ 5., 25.], dtype=float32)
    """
    return _vectorised(function, in_axes, out_axes)


@functools.lru_cache(maxsize=64)
def _vectorised(function: Callable[..., Any], in_axes: Axes, out_axes: int) -> Defn[..., Any]:
    def vectorised(*arguments: Any, **options: Any) -> Any:
        bound = functools.partial(_inline(function), **options)
        if is_tracing() or any(map(is_xla_array, leaves_of(arguments))):
            return load_jax().vmap(bound, in_axes=in_axes, out_axes=out_axes)(*arguments)
        return _one_by_one(bound, arguments, in_axes, out_axes)

    return Defn(vectorised, written=_written(function))


def _one_by_one(
    function: Callable[..., Any], arguments: tuple[Any, ...], in_axes: Axes, out_axes: int
) -> Any:
    axes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(arguments)
    sizes = {
        leaf.shape[axis]
        for argument, axis in zip(arguments, axes, strict=True)
        if axis is not None
        for leaf in leaves_of(argument)
    }
    if len(sizes) != 1 or sizes == {0}:
        raise BadArgument(f"vmap needs arguments of one batch size above 0, got sizes {sorted(sizes)}")
    answers = [
        function(*(_item(argument, axis, number) for argument, axis in zip(arguments, axes, strict=True)))
        for number in range(sizes.pop())
    ]
    return map_leaves(lambda leaf: _moved(leaf, out_axes), stacked(answers))


def _item(argument: Any, axis: int | None, number: int) -> Any:
    if axis is None:
        return argument
    return map_leaves(lambda leaf: leaf[(slice(None),) * (axis % leaf.ndim) + (number,)], argument)


def _moved(leaf: Any, axis: int) -> Any:
    return leaf if axis == 0 else np.moveaxis(leaf, 0, axis)


def stop_grad(value: Tree) -> Tree:
    """Return a value through which no gradient flows.

    Example:
        >>> import numpy as np
        >>> float(grad(lambda x: x * stop_grad(x))(np.float32(3)))
        3.0
    """
    if is_tracing() or any(map(is_xla_array, leaves_of(value))):
        return load_jax().lax.stop_gradient(value)
    return value


def custom_grad(function: Callable[..., Any], backward: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    """Return a function with a gradient of your own.

    Args:
        function: Computes the answer from positional arguments.
        backward: Called with the tuple of arguments, the answer, and the gradient by it; gives a tuple
            with the gradient by each argument, of that argument's shape.

    Example:
        >>> import numpy as np
        >>> clipped = custom_grad(lambda x: x**3, lambda given, answer, slope: (slope.clip(-1, 1),))
        >>> float(clipped(np.float32(2))), float(grad(clipped)(np.float32(2)))
        (8.0, 1.0)
    """

    @functools.wraps(function)
    def with_own_gradient(*arguments: Any) -> Any:
        if context().running != "xla":
            return function(*arguments)
        wrapped = load_jax().custom_vjp(_inline(function))
        wrapped.defvjp(_forward(function), _backward(backward))
        return wrapped(*arguments)

    return with_own_gradient


def _forward(function: Callable[..., Any]) -> Callable[..., Any]:
    def forward(*arguments: Any) -> Any:
        answer = function(*arguments)
        return answer, (arguments, answer)

    return forward


def _backward(function: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    def run(kept: tuple[Any, Any], slope: Any) -> tuple[Any, ...]:
        return function(*kept, slope)

    return run


def _inline(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function anew, so that JAX does not reuse what it traced for other observers of its hooks."""
    return lambda *arguments, **options: function(*arguments, **options)  # noqa: PLW0108 - a new object


def _written(function: Callable[..., Any]) -> Callable[..., Any]:
    return unwrapped(function)
