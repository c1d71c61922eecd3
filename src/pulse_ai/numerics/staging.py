"""A function as JAX runs it: traced once for each signature, then compiled with the options that suit it.

JAX takes the compiler's options when a function is wrapped, before it knows any shape. So there are two wrapped
functions round a third that does the tracing. The first is called for everything; it looks at what was traced,
and where that asks for options it raises ``AsksForOptions`` instead of being compiled. Such a signature is noted,
and goes to the second from then on. A function without one pays nothing: its calls never leave JAX's own way.
"""

__all__ = ("AsksForOptions", "Staged")

import functools
from collections.abc import Callable, Hashable
from typing import Any, cast

from pulse_ai.numerics.compilers import load_jax
from pulse_ai.numerics.products import EIGEN, compiler_options, prefers_eigen


class AsksForOptions(Exception):
    """What was traced is compiled better with options; it was not compiled."""


class Staged:
    """A function that JAX compiles when it is called.

    Args:
        function: What is traced.
        static: The names of its static options.

    Attributes:
        traced: JAX's staged function, for ``trace`` and ``lower``, and to be a part of another program.
    """

    def __init__(self, function: Callable[..., Any], static: tuple[str, ...]) -> None:
        jit = functools.partial(load_jax().jit, static_argnames=static)
        self._static = static
        self._noted: set[Hashable] = set()
        self.traced: Any = jit(function, inline=True)
        self._usual: Any = jit(_named(function, self._unless_asking))
        self._optioned: Any = jit(_named(function, self.traced), compiler_options=dict(EIGEN))

    @property
    def ready(self) -> Callable[..., Any]:
        """The shortest way to call it. Where that raises ``AsksForOptions``, call this object instead."""
        return self if self._noted else self._usual

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run the function, compiling it first where the signature is new."""
        if not self._noted or self._signature(arguments, options) not in self._noted:
            try:
                return self._usual(*arguments, **options)
            except AsksForOptions:
                pass  # handled below, so that no later error seems to come of this one
        if _is_part_of_another(arguments, options):
            return self.traced(*arguments, **options)
        self._noted.add(self._signature(arguments, options))
        return self._optioned(*arguments, **options)

    def _unless_asking(self, *arguments: Any, **options: Any) -> Any:
        program = self.traced.trace(*arguments, **options).jaxpr
        if compiler_options(eigen=prefers_eigen(program)):
            raise AsksForOptions
        return self.traced(*arguments, **options)

    def _signature(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> Hashable:
        fixed = tuple((name, options[name]) for name in self._static if name in options)
        moving = {name: value for name, value in options.items() if name not in self._static}
        leaves, tree = load_jax().tree.flatten((arguments, moving))
        return tree, fixed, tuple(map(_kind, leaves))


def _kind(leaf: Any) -> tuple[Hashable, Hashable]:
    return getattr(leaf, "shape", ()), getattr(leaf, "dtype", None) or cast("Hashable", type(leaf))


def _named(original: Callable[..., Any], wrapped: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls another under the name of the one it is about: programs are named by it."""

    @functools.wraps(original)
    def call(*arguments: Any, **options: Any) -> Any:
        return wrapped(*arguments, **options)

    return call


def _is_part_of_another(arguments: tuple[Any, ...], options: dict[str, Any]) -> bool:
    """Return whether JAX traces the code around this call: then that is compiled, with options of its own."""
    jax = load_jax()
    made_here = jax.numpy.zeros(())  # a tracer inside of ``jax.jit``, even where no argument is one
    leaves = jax.tree.leaves((arguments, options, made_here))
    return any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
