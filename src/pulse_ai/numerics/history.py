"""What a function was compiled for, and a warning when it is compiled again and again.

Recording happens inside the function while it is traced, so a call that needs no compilation pays nothing.
"""

__all__ = ("DefnStatistics", "History")

import math
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulse_ai.numerics.errors import RecompileWarning
from pulse_ai.numerics.source import user_place
from pulse_ai.numerics.trees import paths_of

_MOST_SHOWN = 4
_MOST_KEPT = 256
_AT_ONCE_S = (
    1.0  # between one thread's look into JAX's cache and its trace, another's trace may begin and end
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefnStatistics:
    """What one function cost so far.

    Attributes:
        compilations: How often it was traced and compiled; 0 on the evaluator.
        trace_s: Time spent in tracing its Python, in seconds.
    """

    compilations: int
    trace_s: float


class History:
    """The shapes, dtypes and options that one function was compiled for.

    Args:
        function: The function's name, for the warning.
        names: Its positional arguments' names.
        limit: Compilations after which it warns, and again at each doubling.

    Example:
        >>> import numpy as np
        >>> history = History("mean", ("x",), limit=2)
        >>> for size in (3, 4):
        ...     history.record((np.ones(size),), {}, trace_s=0.0)
        Traceback (most recent call last):
        pulse_ai.numerics.errors.RecompileWarning: mean was compiled 2 times because `x` had ...
    """

    def __init__(self, function: str, names: tuple[str, ...], *, limit: int) -> None:
        self._function = function
        self._names = names
        self._limit = limit
        self._seen: dict[str, dict[str, None]] = {}
        self._last: dict[tuple[tuple[str, str], ...], tuple[int, float]] = {}  # its thread, and when it ended
        self._compilations = 0
        self._alongside = 0
        self._trace_s = 0.0
        self._lock = threading.Lock()

    def statistics(self) -> DefnStatistics:
        """Return what the function cost so far."""
        return DefnStatistics(compilations=self._compilations, trace_s=self._trace_s)

    def record(self, arguments: tuple[Any, ...], options: Mapping[str, Any], *, trace_s: float) -> None:
        """Note one compilation, at its end; warn where there were too many.

        Threads that call a new function at once trace it side by side: that counts once for the warning.
        """
        signature = signature_of(self._names, arguments) | {
            f"option {name}": repr(value) for name, value in options.items()
        }
        key, thread, ended_s = tuple(signature.items()), threading.get_ident(), clock_s()
        with self._lock:
            other, before_s = self._last.get(key, (thread, -math.inf))
            alongside = other != thread and ended_s - trace_s < before_s + _AT_ONCE_S
            if key in self._last or len(self._last) < _MOST_KEPT:
                self._last[key] = thread, ended_s
            self._alongside += alongside
            self._compilations += 1
            self._trace_s += trace_s
            for name, kind in signature.items():
                kinds = self._seen.setdefault(name, {})
                if len(kinds) < _MOST_KEPT:
                    kinds[kind] = None
            count = self._compilations - self._alongside
        if not alongside and self._is_time_to_warn(count):
            place = user_place()
            warnings.warn_explicit(self._advice(count), RecompileWarning, place.file, place.line)

    def _is_time_to_warn(self, count: int) -> bool:
        times, rest = divmod(count, self._limit) if self._limit else (0, 1)
        return not rest and times.bit_count() == 1

    def _advice(self, count: int) -> str:
        name, kinds = max(self._seen.items(), key=lambda item: len(item[1]))
        shown = ", ".join(list(kinds)[:_MOST_SHOWN]) + (", ..." if len(kinds) > _MOST_SHOWN else "")
        if len(kinds) == 1:
            return (
                f"{self._function} was compiled {count} times for the same shapes, under other settings or "
                "observers; keep those the same"
            )
        cure = (
            "pass it as an array (positional)"
            if name.startswith("option ")
            else "pad it to a few sizes (Buckets), or mark what never changes a static option (keyword-only)"
        )
        return f"{self._function} was compiled {count} times because `{name}` had {shown}; {cure}"


def signature_of(names: tuple[str, ...], arguments: tuple[Any, ...]) -> dict[str, str]:
    """Return each leaf's dtype and shape by its path: ``{"x": "float32[3,4]"}``."""
    found: dict[str, str] = {}
    for number, argument in enumerate(arguments):
        root = names[number] if number < len(names) else f"argument {number + 1}"
        found |= {path: kind_of(leaf) for path, leaf in paths_of(argument, root)}
    return found


def kind_of(leaf: Any) -> str:
    """Return a leaf's dtype and shape as text.

    Example:
        >>> import numpy as np
        >>> kind_of(np.zeros((2, 3), np.int32)), kind_of(1.5)
        ('int32[2,3]', 'a Python float')
    """
    shape = getattr(leaf, "shape", None)
    if shape is None:
        return f"a Python {type(leaf).__name__}"
    return f"{leaf.dtype}[{','.join(map(str, shape))}]"


def clock_s() -> float:
    """Return a monotonic instant in seconds; tracing and compiling are measured by it."""
    return time.perf_counter()
