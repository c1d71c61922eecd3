"""The evaluator: the same function, run line by line on NumPy, to be printed and stepped through."""

__all__ = ("evaluate", "incoming")

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

from pulse_ai.numerics.compilers import holding, is_xla_array
from pulse_ai.numerics.eager import EagerArray, eager, released
from pulse_ai.numerics.errors import BadArgument
from pulse_ai.numerics.promotion import is_numpy
from pulse_ai.numerics.translation import translated
from pulse_ai.numerics.trees import map_leaves, paths_of


def evaluate(
    function: Callable[..., Any], arguments: tuple[Any, ...], options: Mapping[str, Any], name: str
) -> Any:
    """Run a function on NumPy and return NumPy arrays that the caller owns.

    Args:
        function: The user's function.
        arguments: Trees of arrays; the function sees read-only views of them.
        options: The static options.
        name: The function's name, for errors.

    Raises:
        PurityError: The function wrote to an argument; the argument is as it was.
        BadArgument: A leaf is not an array or number.
    """
    for number, argument in enumerate(arguments):
        check_leaves(argument, f"{name}, argument {number + 1}")
    try:
        with holding(running="evaluator"), np.errstate(all="ignore"):
            answer = function(*map_leaves(incoming, arguments), **options)
    except (ValueError, TypeError) as error:
        ours = translated(error, name, function)
        if ours is None:
            raise
        raise ours from error
    return map_leaves(_outgoing, answer)


def incoming(leaf: Any) -> EagerArray:
    """Return a leaf as the evaluator's array."""
    return leaf if isinstance(leaf, EagerArray) else eager(np.asarray(leaf))


def _outgoing(leaf: Any) -> Any:
    if isinstance(leaf, (bool, int, float, complex)):
        return released(np.asarray(leaf))
    return released(leaf)


def check_leaves(tree: Any, where: str) -> None:
    """Refuse a tree with a leaf that is not an array or a number.

    Raises:
        BadArgument: There is one; the text gives its path.
    """
    for path, leaf in paths_of(tree):
        numeric = isinstance(leaf, (bool, int, float, complex, np.generic)) or is_xla_array(leaf)
        if numeric or (is_numpy(leaf) and leaf.dtype.kind in "biufcV"):
            continue
        kind = cast("type[Any]", type(cast("Any", leaf))).__name__
        raise BadArgument(
            f"{where}{path} is a {kind}, not an array: arrays are positional, static options keyword-only"
        )
