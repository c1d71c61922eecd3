"""Ahead of time: a function compiled for arrays that are known by shape and dtype before there are any."""

__all__ = ("compile",)

from collections.abc import Callable, Mapping
from typing import Any

from pulse_ai.numerics.buckets import Bucketed, Buckets
from pulse_ai.numerics.compilers import CompilerName, checked
from pulse_ai.numerics.disk_cache import DiskCache
from pulse_ai.numerics.executable import Executable, Job, as_defn
from pulse_ai.numerics.templates import template_of


def compile(  # noqa: A001 - the word for it; ``import pulse_ai.numerics as pn`` keeps it apart from the built-in
    function: Callable[..., Any],
    templates: tuple[Any, ...],
    *,
    options: Mapping[str, Any] | None = None,
    buckets: Buckets | None = None,
    compiler: CompilerName | None = None,
    cache: DiskCache | None = None,
) -> Executable | Bucketed:
    """Compile a function before its first call, for arrays of given shapes and dtypes only.

    Args:
        function: A ``defn``, or a plain function.
        templates: One tree of templates (or of example arrays) for each positional argument.
        options: The static options.
        buckets: Sizes for the axes that the templates name; the answer pads to them and slices back.
        compiler: The compiler to use; None follows the function, then the block.
        cache: Where compiled code is kept between processes; None keeps none. Used by XLA only.

    Returns:
        An ``Executable``; with buckets, a ``Bucketed`` that makes one for each bucket.

    Raises:
        CompilerMissing: XLA was asked for and JAX is not installed.
        PurityError: The function cannot be compiled.
        BadArgument: A template is not one, or names an axis that has no bucket.

    Example:
        >>> import numpy as np
        >>> from pulse_ai.numerics import softmax, template
        >>> run = compile(softmax, (template(2, 3),))
        >>> run(np.zeros((2, 4), np.float32))
        Traceback (most recent call last):
        pulse_ai.numerics.errors.TemplateMismatch: softmax was compiled for other arrays:
          x  compiled for float32[2,3]  given float32[2,4]  <- axis 1 is 4, not 3
    """
    checked(compiler)
    job = Job(as_defn(function), tuple(map(template_of, templates)), dict(options or {}), compiler, cache)
    if buckets is not None:
        return Bucketed(job, buckets)
    return job.build(job.templates)
