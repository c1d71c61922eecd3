"""Which of XLA's two libraries shall compute the matrix products of a program on a CPU.

XLA gives products to YNNPACK, or to Eigen where an option says so. YNNPACK reads the left matrix where it lies
and has fixed blocks, which is the faster way while the matrices stay in the caches and where one axis is short.
Eigen packs blocks of both matrices, of a size that suits the caches, which pays for large products. The option
holds for a whole program, so the choice goes by where most of its multiplications are.

Eigen's time over YNNPACK's, float32, on two Zen 4 cores with jaxlib 0.10.2: 1.04 for 1024 x 1024 matrices, 0.98
for 1536, 0.85 to 0.92 for 2048, 0.80 to 0.86 for 3072; 1.3 where the right one has 64 columns.
"""

__all__ = ("EIGEN", "compiler_options", "prefers_eigen")

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

from pulse_ai.numerics.compilers import load_jax

EIGEN: Mapping[str, str] = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""The option under which no product goes to YNNPACK. It says nothing of a GPU."""

_LEAST_AXIS = 1024
_LEAST_WORK = 2**32  # multiplications: matrices of 1626 x 1626


def compiler_options(*, eigen: bool) -> dict[str, str]:
    """Return what XLA's compiler shall be told so that Eigen is used, where it can be told."""
    return dict(EIGEN) if eigen and _is_understood() else {}


def prefers_eigen(program: Any) -> bool:
    """Return whether most of the work of a program's products is in large ones of float32.

    Args:
        program: What was traced, as ``jax.jit(f).trace(...).jaxpr`` gives it.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> def product_of(size):
        ...     return jax.make_jaxpr(jnp.matmul)(*[jax.ShapeDtypeStruct((size, size), jnp.float32)] * 2)
        >>> prefers_eigen(product_of(1024)), prefers_eigen(product_of(2048))
        (False, True)
    """
    work = {True: 0, False: 0}
    for multiplications, is_large in _products(program):
        work[is_large] += multiplications
    return work[True] > work[False]


def _products(program: Any) -> Iterator[tuple[int, bool]]:
    """Give the multiplications of each product, and whether it is large; of the parts within too."""
    for equation in getattr(program, "jaxpr", program).eqns:
        if equation.primitive.name == "dot_general":
            yield _product(equation)
            continue
        times = equation.params["length"] if equation.primitive.name == "scan" else 1
        for part in _parts(equation.params):
            yield from ((times * multiplications, is_large) for multiplications, is_large in _products(part))


def _parts(params: Mapping[str, Any]) -> Iterator[Any]:
    for value in params.values():
        several = cast("tuple[Any, ...]", value if isinstance(value, (list, tuple)) else (value,))
        yield from (part for part in several if hasattr(getattr(part, "jaxpr", part), "eqns"))


def _product(equation: Any) -> tuple[int, bool]:
    one, two = (variable.aval for variable in equation.invars)
    answer = equation.outvars[0].aval
    (inner, _), (batch, _) = equation.params["dimension_numbers"]
    depth = math.prod(one.shape[axis] for axis in inner)
    multiplications = math.prod(answer.shape) * depth
    is_large = (
        not batch
        and multiplications >= _LEAST_WORK
        and min(depth, *answer.shape) >= _LEAST_AXIS
        and one.dtype == two.dtype == answer.dtype == "float32"
    )
    return multiplications, is_large


@cache
def _is_understood() -> bool:
    """Return whether this XLA knows the option, which is an experimental one and may go."""
    jax = load_jax()
    try:
        jax.jit(lambda: 0, compiler_options=dict(EIGEN)).lower().compile()
    except (ValueError, RuntimeError):
        return False
    return True
