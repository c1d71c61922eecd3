"""Which compiler runs a function: XLA where JAX is installed, else the evaluator; or the one asked for.

JAX is looked for without importing it, and imported when something is first compiled. This is the one module
that imports it, as an untyped module: its stubs would otherwise flood the type checker in every file.
"""

__all__ = (
    "CONTEXT",
    "CompilerName",
    "Context",
    "Observer",
    "checked",
    "context",
    "current_compiler",
    "devices",
    "holding",
    "is_tracing",
    "is_xla_array",
    "load_jax",
    "require_jax",
    "strict",
    "strict_is_on",
    "using_compiler",
    "xla_is_installed",
)

import importlib
import importlib.util
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

from pulse_ai.numerics.errors import CompilerMissing

CompilerName = Literal["xla", "evaluator"]

Observer = Callable[[Any], None]
"""Told a hook's value, as a NumPy array or a tree of them, each time the hook is passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What holds for the code that runs now; ``None`` in ``CONTEXT`` means these defaults.

    Attributes:
        compiler: The compiler chosen by ``using_compiler``; None where none was.
        running: The compiler at work: ``xla`` while it traces a function, ``evaluator`` while it runs one.
        observers: Who is told of which hook.
        strict: Whether dtypes and ranks must agree.
    """

    compiler: CompilerName | None = None
    running: CompilerName | None = None
    observers: Mapping[str, Observer] = field(default_factory=dict[str, Observer])
    strict: bool = False


_DEFAULTS = Context()
CONTEXT: ContextVar[Context | None] = ContextVar("pulse_ai.numerics", default=None)
"""One variable for everything, so that the usual call pays for a single look."""


def context() -> Context:
    """Return what holds now."""
    return CONTEXT.get() or _DEFAULTS


@contextmanager
def holding(**changes: Any) -> Generator[None]:
    """Change what holds, for a block."""
    token = CONTEXT.set(replace(context(), **changes))
    try:
        yield
    finally:
        CONTEXT.reset(token)


@cache
def xla_is_installed() -> bool:
    """Return whether JAX can be imported, without importing it.

    Example:
        >>> xla_is_installed() in (True, False)
        True
    """
    return importlib.util.find_spec("jax") is not None and importlib.util.find_spec("jaxlib") is not None


@cache
def load_jax() -> Any:
    """Import JAX, the first time, and start counting what it compiles.

    Raises:
        CompilerMissing: JAX is not installed.
    """
    if not xla_is_installed():
        raise CompilerMissing("XLA is not installed: pip install 'pulse-ai[train]', or use the evaluator")
    jax = importlib.import_module("jax")
    importlib.import_module("jax.numpy")
    importlib.import_module("jax.export")
    importlib.import_module("pulse_ai.numerics.telemetry").listen_to(jax)
    return jax


def require_jax(what: str) -> Any:
    """Return JAX for work that the evaluator cannot do.

    Args:
        what: What is wanted, as the first word of the error.

    Raises:
        CompilerMissing: JAX is not installed, or the evaluator was chosen.
    """
    if not xla_is_installed():
        raise CompilerMissing(f"{what} needs XLA, which is not installed: pip install 'pulse-ai[train]'")
    if current_compiler() == "evaluator":
        raise CompilerMissing(f"{what} needs XLA, but the evaluator was chosen here; use compiler='xla'")
    return load_jax()


def current_compiler() -> CompilerName:
    """Return the compiler that a function without one of its own uses now.

    Example:
        >>> with using_compiler("evaluator"):
        ...     current_compiler()
        'evaluator'
    """
    now = context()
    return now.running or now.compiler or ("xla" if xla_is_installed() else "evaluator")


@contextmanager
def using_compiler(compiler: CompilerName) -> Generator[None]:
    """Choose the compiler for a block; a function with a compiler of its own keeps it.

    Args:
        compiler: ``"xla"``, or ``"evaluator"`` to run eagerly on NumPy.

    Raises:
        CompilerMissing: XLA was asked for and JAX is not installed.
        ValueError: There is no such compiler.

    Example:
        >>> import numpy as np
        >>> from pulse_ai.numerics import softmax
        >>> with using_compiler("evaluator"):
        ...     softmax(np.zeros(2))
        array([0.5, 0.5], dtype=float32)
    """
    checked(compiler)
    with holding(compiler=compiler):
        yield


def checked(compiler: str | None) -> None:
    """Refuse a compiler that does not exist or is not installed."""
    if compiler not in (None, "xla", "evaluator"):
        raise ValueError(f"compiler must be 'xla' or 'evaluator', got {compiler!r}")
    if compiler == "xla" and not xla_is_installed():
        raise CompilerMissing("XLA is not installed: pip install 'pulse-ai[train]', or use the evaluator")


def is_tracing() -> bool:
    """Return whether a function of ours is being traced by XLA at this moment."""
    now = CONTEXT.get()
    return now is not None and now.running == "xla"


def is_xla_array(value: Any) -> bool:
    """Return whether a value is an array or tracer of JAX's; False without importing JAX."""
    jax = sys.modules.get("jax")
    kind = getattr(jax, "Array", None)
    return kind is not None and isinstance(value, kind)


def strict_is_on() -> bool:
    """Return whether dtypes and ranks must agree."""
    now = CONTEXT.get()
    return now is not None and now.strict


@contextmanager
def strict() -> Generator[None]:
    """Refuse to promote dtypes or ranks silently, for a block, in both compilers. Meant for tests.

    Numbers written in the code (``x * 2.0``) still take the array's dtype, and 0-d arrays its rank.

    Example:
        >>> import numpy as np
        >>> from pulse_ai.numerics import defn
        >>> add = defn(lambda x, y: x + y)
        >>> with strict():
        ...     add(np.ones(2, np.float32), np.ones(2, np.int32))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        pulse_ai.numerics.errors.StrictPromotion: ... met: convert one with ...
    """
    with holding(strict=True):
        if not xla_is_installed():
            yield
            return
        jax = load_jax()
        with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
            yield


def devices() -> tuple[str, ...]:
    """Return the kinds of devices that XLA would use, best first; empty where it is not installed.

    XLA runs on a GPU where JAX has one; nothing needs to be said.

    Example:
        >>> all(isinstance(kind, str) for kind in devices())
        True
    """
    if not xla_is_installed():
        return ()
    return tuple(f"{device.platform}: {device.device_kind}" for device in load_jax().devices())
