"""Named places in a function whose values can be watched by those who call it.

A hook that nobody watches is not in the compiled function at all. One that is watched costs a copy of its
value to the host, and the function is compiled once for that set of observers; keep them and reuse them.
"""

__all__ = ("hook", "observing", "print_value")

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from pulse_ai.numerics.compilers import CONTEXT, Observer, context, holding, load_jax
from pulse_ai.numerics.trees import leaves_of, map_leaves

Value = TypeVar("Value")


def hook(name: str, value: Value) -> Value:
    """Show a value to whoever observes this name, and return it unchanged.

    Args:
        name: The name by which observers ask for it.
        value: Any tree of arrays.

    Example:
        >>> import numpy as np
        >>> from pulse_ai.numerics import defn
        >>> @defn
        ... def norm(x):
        ...     return hook("squares", x * x).sum()
        >>> with observing({"squares": print}):
        ...     _ = norm(np.array([1.0, 2.0], np.float32))
        [1. 4.]
    """
    now = CONTEXT.get()
    observer = None if now is None else now.observers.get(name)
    if observer is not None:
        _show(observer, value)
    return value


@contextmanager
def observing(observers: Mapping[str, Observer]) -> Generator[None]:
    """Give observers to the hooks of every function called in a block.

    An observer gets NumPy arrays, after the values are computed and before the call returns. It may be called
    from another thread than the one that made the call.

    Args:
        observers: Who is told of which hook, by the hook's name. The same observers give the same compiled
            function, so make them outside of a loop.
    """
    with holding(observers={**context().observers, **observers}):
        yield


def print_value(value: Value, *, label: str = "") -> Value:
    """Print a value each time this line is passed, compiled or not, and return it unchanged.

    Example:
        >>> import numpy as np
        >>> from pulse_ai.numerics import defn
        >>> @defn
        ... def double(x):
        ...     return print_value(x, label="x = ") * 2
        >>> double(np.float32(4)).block_until_ready()
        x = 4.0
        Array(8., dtype=float32)
    """
    _show(lambda now: _write(f"{label}{now}\n"), value)
    return value


def _write(text: str) -> None:
    sys.stdout.write(text)


def _show(observer: Callable[[Any], None], value: Any) -> None:
    if context().running == "xla":

        def told(now: Any) -> None:
            observer(map_leaves(np.asarray, now))

        load_jax().debug.callback(told, value)
    elif leaves_of(value):
        observer(map_leaves(np.array, value))
