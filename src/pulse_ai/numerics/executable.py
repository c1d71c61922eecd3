"""One function compiled for one set of shapes, and what knows how to make more of them."""

__all__ = ("Executable", "Job", "Maker", "as_defn")

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np

from pulse_ai.numerics.compilers import CompilerName, current_compiler, load_jax
from pulse_ai.numerics.defn import Defn, jit
from pulse_ai.numerics.disk_cache import DiskCache
from pulse_ai.numerics.evaluator import evaluate
from pulse_ai.numerics.history import clock_s
from pulse_ai.numerics.products import compiler_options, prefers_eigen
from pulse_ai.numerics.templates import Template, check, leaves_by_path, struct_of
from pulse_ai.numerics.trees import map_leaves, register_all


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Executable:
    """A function compiled for one set of shapes and dtypes. Made by ``compile`` and ``load``.

    Attributes:
        name: The function's name.
        expected: The template of each leaf, by its path from the argument's name.
        names: The arguments' names.
        compiler: What compiled it.
        compile_s: What lowering and compiling took, in seconds; 0.0 on the evaluator.
        from_cache: Whether the compiled code came from the disk cache.
        run: The compiled function, without the check.
        maker: What made it.
        templates: The template of each argument.
    """

    name: str
    expected: tuple[tuple[str, Template], ...]
    names: tuple[str, ...]
    compiler: CompilerName
    compile_s: float
    from_cache: bool
    run: Callable[..., Any]
    maker: "Maker"
    templates: tuple[Any, ...]

    def __call__(self, *arguments: Any) -> Any:
        """Run the function.

        Raises:
            TemplateMismatch: The arrays differ from the template; the text shows where.
        """
        check(self.expected, self.names, arguments, what=self.name)
        return self.run(*arguments)

    def __repr__(self) -> str:
        shown = ", ".join(f"{path}: {kind}" for path, kind in self.expected)
        return f"<executable {self.name}({shown}) by {self.compiler}>"


@runtime_checkable
class Maker(Protocol):
    """What makes executables of one function for given sizes: by compiling it, or from a saved file."""

    @property
    def name(self) -> str:
        """The function's name."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Its positional arguments' names."""
        ...

    @property
    def templates(self) -> tuple[Any, ...]:
        """Their templates, which may name axes."""
        ...

    def build(self, templates: tuple[Any, ...]) -> Executable:
        """Return an executable for templates whose sizes are all known."""
        ...

    def answers(self, templates: tuple[Any, ...]) -> Any:
        """Return the answer's tree for them, with something that has a shape and dtype for each leaf."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What is to be compiled, for as many templates as are wanted.

    Attributes:
        function: The function.
        templates: Its templates, which may name axes.
        options: Its static options.
        compiler: The compiler asked for.
        cache: The disk cache, if any.
    """

    function: Defn[..., Any]
    templates: tuple[Any, ...]
    options: Mapping[str, Any]
    compiler: CompilerName | None
    cache: DiskCache | None

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.name

    @property
    def names(self) -> tuple[str, ...]:
        """Its arguments' names."""
        return self.function.names

    @property
    def chosen(self) -> CompilerName:
        """The compiler that is used."""
        return self.compiler or self.function.compiler or current_compiler()

    def build(self, templates: tuple[Any, ...]) -> Executable:
        """Compile for templates whose sizes are all known."""
        began_s, from_cache = clock_s(), False
        if self.chosen == "evaluator":
            run: Callable[..., Any] = self._evaluated
        else:
            register_all(templates)
            traced = self.function.staged().trace(*map_leaves(struct_of, templates), **self.options)
            lowered, told = traced.lower(), compiler_options(eigen=prefers_eigen(traced.jaxpr))
            run, from_cache = (
                (lowered.compile(told), False) if self.cache is None else self.cache.compile(lowered, told)
            )
        return Executable(
            name=self.function.name,
            expected=tuple(leaves_by_path(templates, self.function.names)),
            names=self.function.names,
            compiler=self.chosen,
            compile_s=clock_s() - began_s if self.chosen == "xla" else 0.0,
            from_cache=from_cache,
            run=run,
            maker=self,
            templates=templates,
        )

    def _evaluated(self, *arguments: Any) -> Any:
        return evaluate(self.function.function, arguments, self.options, self.name)

    def answers(self, templates: tuple[Any, ...]) -> Any:
        """Return the answer's tree with something that has a shape for each leaf, without compiling."""
        if self.chosen == "evaluator":
            return self._evaluated(*map_leaves(lambda leaf: np.zeros(leaf.shape, leaf.dtype), templates))
        register_all(templates)
        return load_jax().eval_shape(self._traced, *map_leaves(struct_of, templates))

    def _traced(self, *arguments: Any) -> Any:
        return self.function.staged()(*arguments, **self.options)


def as_defn(function: Callable[..., Any]) -> Defn[..., Any]:
    """Return a function as a ``defn`` that may be compiled for many shapes: each is asked for."""
    given = cast("Defn[..., Any]", function) if isinstance(function, Defn) else jit(function)
    return given.without_warning()
