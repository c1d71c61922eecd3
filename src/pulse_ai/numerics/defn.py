"""``defn``: a pure function of arrays, written once, compiled for each shape and dtype that it meets."""

__all__ = ("Defn", "defn", "jit")

import functools
import inspect
from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from pulse_ai.numerics.compilers import CONTEXT, CompilerName, Observer, checked, context, holding, load_jax
from pulse_ai.numerics.compilers import current_compiler as compiler_now
from pulse_ai.numerics.errors import BadArgument
from pulse_ai.numerics.evaluator import check_leaves, evaluate
from pulse_ai.numerics.history import DefnStatistics, History, clock_s
from pulse_ai.numerics.purity import Captured, captured_by, inspect_code, warn_of_constants
from pulse_ai.numerics.staging import AsksForOptions, Staged
from pulse_ai.numerics.templates import struct_of
from pulse_ai.numerics.translation import translated
from pulse_ai.numerics.trees import map_leaves, register_all

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

_MOST_OBSERVED = 16  # compiled variants kept for different observers


class Defn(Generic[Arguments, Answer]):
    """A function that is compiled when it is called. Made by ``defn`` and ``jit``.

    Calling it inside another one adds its operations to the other: there is one compiled function.

    Args:
        function: The function to run; positional arguments are trees of arrays, keyword-only ones static.
        compiler: The compiler to use whatever the block says; None follows the block.
        recompile_limit: Compilations after which it warns; 0 never warns.
        constant_limit_bytes: Size from which an array that the function reads from outside is warned about.
        written: The user's function where ``function`` wraps it.
    """

    def __init__(
        self,
        function: Callable[Arguments, Answer],
        *,
        compiler: CompilerName | None = None,
        recompile_limit: int = 10,
        constant_limit_bytes: int = 65_536,
        written: Callable[..., Any] | None = None,
    ) -> None:
        checked(compiler)
        functools.update_wrapper(cast("Any", self), written or function)
        self._function = function
        self._compiler: CompilerName | None = compiler
        self._constant_limit_bytes = constant_limit_bytes
        self._written = unwrapped(written or function)
        self._static, self._names = _names_of(self._written)
        self._name: str = getattr(self._written, "__name__", type(self._written).__name__)
        self._history = History(self._name, self._names, limit=recompile_limit)
        self._inspected: set[CompilerName] = set()
        self._captured: tuple[Captured, ...] = ()
        self._file: str = getattr(getattr(self._written, "__code__", None), "co_filename", "<unknown>")
        self._compiled: dict[tuple[tuple[str, Observer], ...], Staged] = {}
        self._ready: Callable[..., Any] | None = None

    def __call__(self, *arguments: Arguments.args, **options: Arguments.kwargs) -> Answer:
        """Run the function, compiling it first where these shapes, dtypes and options are new."""
        ready = self._ready
        if ready is None or CONTEXT.get() is not None:
            return self._call(arguments, options)
        for captured in self._captured:
            captured.check(self._name, self._file)
        try:
            return ready(*arguments, **options)
        except AsksForOptions:
            return self._call(arguments, options)
        except (TypeError, ValueError) as error:
            return self._again(error, arguments, options)

    @property
    def name(self) -> str:
        """The name of the function that was written."""
        return self._name

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its positional arguments, in order."""
        return self._names

    @property
    def function(self) -> Callable[Arguments, Answer]:
        """The function itself, as it runs uncompiled."""
        return self._function

    @property
    def compiler(self) -> CompilerName | None:
        """The compiler that it always uses; None where it follows the block."""
        return self._compiler

    def __get__(self, owner: Any, _kind: type | None = None) -> Any:
        return self if owner is None else MethodType(self, owner)

    def __repr__(self) -> str:
        return f"<defn {self._name}>"

    def observe(self, observers: Mapping[str, Observer]) -> Callable[Arguments, Answer]:
        """Return the function with observers given to its hooks; those hooks alone are compiled in.

        Args:
            observers: Who is told of which hook, by the hook's name.

        Example:
            >>> import numpy as np
            >>> from pulse_ai.numerics import hook
            >>> double = defn(lambda x: hook("input", x) * 2)
            >>> double.observe({"input": lambda value: print("saw", value)})(np.float32(3))
            saw 3.0
            Array(6., dtype=float32)
        """

        def observed(*arguments: Arguments.args, **options: Arguments.kwargs) -> Answer:
            with holding(observers={**context().observers, **observers}):
                return self(*arguments, **options)

        return observed

    def statistics(self) -> DefnStatistics:
        """Return how often the function was compiled, and what tracing it took."""
        return self._history.statistics()

    def without_warning(self) -> "Defn[Arguments, Answer]":
        """Return the same function, which does not warn however often it is compiled; it counts anew."""
        return Defn(self._function, compiler=self._compiler, recompile_limit=0, written=self._written)

    def text_for(self, *arguments: Any, **options: Any) -> str:
        """Return the StableHLO text that would be compiled for these arguments, or templates of them."""
        return str(self.staged().lower(*map_leaves(struct_of, arguments), **options).as_text())

    def staged(self) -> Any:
        """Return JAX's own staged function, for what this class does not offer.

        Raises:
            CompilerMissing: JAX is not installed.
        """
        return self._compiled_for(context().observers).traced

    def _call(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        now = context()
        if now.running == "xla" or (now.running == "evaluator" and self._compiler != "xla"):
            return self._function(*arguments, **options)  # a part of the function that is being run
        compiler = self._compiler or compiler_now()
        self._check_outside(compiler)
        if compiler == "evaluator":
            return evaluate(self._function, arguments, options, self._name)
        compiled = self._compiled_for(now.observers)
        try:
            answer = compiled(*arguments, **options)
        except (TypeError, ValueError) as error:
            answer = self._again(error, arguments, options, compiled)
        if now.observers:
            load_jax().effects_barrier()
        elif CONTEXT.get() is None:
            self._ready = compiled.ready
        return answer

    def _again(self, error: Exception, arguments: Any, options: Any, compiled: Any = None) -> Any:
        """Call once more where the trouble was a class that JAX did not know; else raise in our words."""
        if register_all((arguments, options)):
            return (compiled or self._compiled_for(context().observers))(*arguments, **options)
        self._blame(error, arguments, options)
        raise error

    def _blame(self, error: Exception, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        for number, argument in enumerate(arguments):
            check_leaves(argument, f"{self._name}, argument {number + 1}")
        for name, value in options.items():
            if name in self._static and not _is_hashable(value):
                raise BadArgument(
                    f"{self._name}: the option {name!r} is a {type(value).__name__}, which cannot be hashed; "
                    "static options are numbers, text and tuples, and arrays are positional"
                ) from error
        ours = translated(error, self._name, self._written)
        if ours is not None:
            raise ours from error

    def _check_outside(self, compiler: CompilerName) -> None:
        """Look at the code before its first run by each compiler; at what it captured, before each run."""
        if not self._inspected:
            self._captured = captured_by(self._written)
        if compiler not in self._inspected:
            self._inspected.add(compiler)
            inspect_code(self._written, compiled=compiler == "xla")
            if compiler == "xla":
                warn_of_constants(self._captured, self._name, self._file, self._constant_limit_bytes)
        for captured in self._captured:
            captured.check(self._name, self._file)

    def _compiled_for(self, observers: Mapping[str, Observer]) -> Staged:
        key = tuple(sorted(observers.items(), key=lambda item: item[0]))
        compiled = self._compiled.get(key)
        if compiled is None:
            if len(self._compiled) >= _MOST_OBSERVED:
                self._compiled.pop(next(found for found in self._compiled if found), None)
            compiled = self._compiled[key] = self._stage(dict(observers))
        return compiled

    def _stage(self, observers: Mapping[str, Observer]) -> Staged:
        function, written = self._function, self._written
        history, name = self._history, self._name

        def traced(*arguments: Any, **options: Any) -> Any:
            began_s = clock_s()
            with holding(running="xla", observers=observers):
                try:
                    answer = function(*arguments, **options)
                except (TypeError, ValueError, IndexError) as error:
                    ours = translated(error, name, written)
                    if ours is None:
                        raise
                    raise ours from error
            register_all(answer)
            history.record(arguments, options, trace_s=clock_s() - began_s)
            return answer

        traced.__name__ = traced.__qualname__ = name
        return Staged(traced, self._static)


def unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that a person wrote, under any number of wrappers."""
    return inspect.unwrap(function)


def _names_of(function: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the static options and of the positional arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # a built-in without a signature
        return (), ()
    static = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
    return static, tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def jit(
    function: Callable[Arguments, Answer],
    *,
    compiler: CompilerName | None = None,
    recompile_limit: int = 10,
    constant_limit_bytes: int = 65_536,
) -> Defn[Arguments, Answer]:
    """Return a function that is compiled when it is called.

    Args:
        function: A pure function. Positional arguments are trees of arrays; keyword-only ones are static
            options, which must be hashable, and for each value of which it is compiled anew.
        compiler: ``"xla"`` or ``"evaluator"``; None follows ``using_compiler``, else XLA where installed.
        recompile_limit: Compilations after which a ``RecompileWarning`` names the argument that keeps
            changing; 0 never warns.
        constant_limit_bytes: Size from which an array read from outside of the function is warned about.

    Raises:
        CompilerMissing: XLA was asked for and JAX is not installed.

    Example:
        >>> import numpy as np
        >>> add = jit(lambda x, y: x + y, compiler="evaluator")
        >>> add(np.arange(3), np.ones(3))
        array([1., 2., 3.], dtype=float32)
    """
    return Defn(
        function,
        compiler=compiler,
        recompile_limit=recompile_limit,
        constant_limit_bytes=constant_limit_bytes,
    )


@overload
def defn(function: Callable[Arguments, Answer], /) -> Defn[Arguments, Answer]: ...


@overload
def defn(
    *, compiler: CompilerName | None = None, recompile_limit: int = 10, constant_limit_bytes: int = 65_536
) -> Callable[[Callable[Arguments, Answer]], Defn[Arguments, Answer]]: ...


def defn(function: Any = None, /, **settings: Any) -> Any:
    """Make a pure function of arrays one that is compiled when it is called.

    A decorator, with or without settings. The settings are those of ``jit``.

    Example:
        >>> import numpy as np
        >>> from pulse_ai.numerics import ops
        >>> @defn
        ... def scaled(x, *, times=1):
        ...     return ops.tanh(x) * times
        >>> scaled(np.zeros(2, np.float32), times=3)
        Array([0., 0.], dtype=float32)
    """
    return jit(function, **settings) if function is not None else functools.partial(jit, **settings)
