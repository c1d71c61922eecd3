"""What JAX and NumPy raise while a function runs, in our words, with the line and what to write instead."""

__all__ = ("translated",)

import re
from typing import Any

from pulse_ai.numerics.errors import BadArgument, NumericsError, PurityError, StrictPromotion
from pulse_ai.numerics.source import place_of_error

_ADVICE = {
    "TracerBoolConversionError": "Python branches on an array's value, which is not known while compiling; "
    "use ops.where(condition, x, y), or cond and while_loop",
    "TracerIntegerConversionError": "an array is used as a Python integer; make it a static option "
    "(keyword-only), or use ops.take, scan or while_loop",
    "TracerArrayConversionError": "a NumPy function is called on an array that is being compiled; use "
    "the function of that name in pulse_ai.numerics.ops",
    "NonConcreteBooleanIndexError": "a mask selects a number of elements that is not known while compiling; "
    "use ops.where(mask, x, 0)",
    "ConcretizationTypeError": "a Python number is made of an array's value, not known while compiling; "
    "keep it an array, or make it a static option (keyword-only)",
    "UnexpectedTracerError": "an array from an earlier compilation was kept outside of its function; return "
    "it instead of storing it",
}
_BY_TEXT: tuple[tuple[str, type[NumericsError], str], ...] = (
    (
        r"item assignment|are immutable|read-only",
        PurityError,
        "an array is written to; use ops.set_at(x, index, value), which gives a new one",
    ),
    (
        r"Input dtypes \((.*)\) have no available implicit",
        StrictPromotion,
        r"\1 met: convert one with astype, or leave strict()",
    ),
    (
        r"could not be broadcast together for \w+ on shapes (.*) and with the config option jax_numpy_rank",
        StrictPromotion,
        r"arrays of different ranks met (shapes \1): add axes with reshape or expand_dims",
    ),
    (r"not a valid JAX type", BadArgument, "what it gives back is not an array or a tree of arrays"),
)


def translated(error: Exception, name: str, function: Any) -> Exception | None:
    """Return our error for one raised while tracing; None where its own words are best.

    Args:
        error: What was raised.
        name: The name of the function that was run.
        function: The function, named by its first line where the error comes from none of its lines.
    """
    if isinstance(error, NumericsError):
        return None
    where = f"{place_of_error(error, function)}: in {name}: "
    for kind in type(error).__mro__:
        if kind.__name__ in _ADVICE:
            return PurityError(where + _ADVICE[kind.__name__])
    for pattern, ours, advice in _BY_TEXT:
        found = re.search(pattern, str(error))
        if found is not None:
            return ours(where + found.expand(advice))
    return None
