# ruff: noqa: A001 - the names are those of the array API standard, some of which are built-ins too
"""The operations: one name for NumPy and for XLA, so that one function body runs on both.

Inside a function that is being compiled, an operation is ``jax.numpy``'s; inside the evaluator, and outside
of any function, it is NumPy's, held to the dtypes that XLA gives. Names and meanings are those of the Python
array API standard (2024.12), with a few from ``jax.numpy``. Anything else of JAX's may be used in a function
that is only ever compiled.

Where the standard leaves the answer open, both sides here agree: ``take`` holds an index outside to the
nearest end; running sums keep their dtype. Division of integers by zero and conversion of NaN to an integer
have no promised answer.
"""

__all__ = ("OPERATIONS", "Operation")

from collections.abc import Callable
from typing import Any

import numpy as np

from pulse_ai.numerics import numpy_forms as on_numpy
from pulse_ai.numerics.operation import Operation

OPERATIONS: dict[str, Operation] = {}
"""Every operation by its name: what the tests compare on both compilers, and what the documents list."""


def _define(name: str, group: str, form: Callable[..., Any]) -> Operation:
    OPERATIONS[name] = Operation(name, group, form)
    return OPERATIONS[name]


def _elementwise(name: str, function: Any = None, *, to_float: bool = False) -> Operation:
    return _define(name, "elementwise", on_numpy.unary(function or getattr(np, name), to_float=to_float))


def _pairwise(name: str, *, to_float: bool = False) -> Operation:
    return _define(name, "pairwise", on_numpy.binary(getattr(np, name), to_float=to_float))


def _reduction(name: str) -> Operation:
    return _define(name, "reductions", on_numpy.reduced(getattr(np, name)))


def _shape(name: str) -> Operation:
    return _define(name, "shapes", on_numpy.shaped(getattr(np, name)))


abs = _elementwise("abs")
negative = _elementwise("negative")
positive = _elementwise("positive")
sign = _elementwise("sign")
square = _elementwise("square")
floor = _elementwise("floor")
ceil = _elementwise("ceil")
trunc = _elementwise("trunc")
round = _elementwise("round")
isnan = _elementwise("isnan")
isinf = _elementwise("isinf")
isfinite = _elementwise("isfinite")
logical_not = _elementwise("logical_not")
bitwise_invert = _elementwise("bitwise_invert")
exp = _elementwise("exp", to_float=True)
expm1 = _elementwise("expm1", to_float=True)
log = _elementwise("log", to_float=True)
log1p = _elementwise("log1p", to_float=True)
log2 = _elementwise("log2", to_float=True)
log10 = _elementwise("log10", to_float=True)
sqrt = _elementwise("sqrt", to_float=True)
sin = _elementwise("sin", to_float=True)
cos = _elementwise("cos", to_float=True)
tan = _elementwise("tan", to_float=True)
asin = _elementwise("asin", to_float=True)
acos = _elementwise("acos", to_float=True)
atan = _elementwise("atan", to_float=True)
sinh = _elementwise("sinh", to_float=True)
cosh = _elementwise("cosh", to_float=True)
tanh = _elementwise("tanh", to_float=True)
asinh = _elementwise("asinh", to_float=True)
acosh = _elementwise("acosh", to_float=True)
atanh = _elementwise("atanh", to_float=True)
erf = _elementwise("erf", on_numpy.erf, to_float=True)

add = _pairwise("add")
subtract = _pairwise("subtract")
multiply = _pairwise("multiply")
divide = _pairwise("divide", to_float=True)
floor_divide = _pairwise("floor_divide")
remainder = _pairwise("remainder")
pow = _pairwise("pow")
maximum = _pairwise("maximum")
minimum = _pairwise("minimum")
atan2 = _pairwise("atan2", to_float=True)
hypot = _pairwise("hypot", to_float=True)
logaddexp = _pairwise("logaddexp", to_float=True)
equal = _pairwise("equal")
not_equal = _pairwise("not_equal")
less = _pairwise("less")
less_equal = _pairwise("less_equal")
greater = _pairwise("greater")
greater_equal = _pairwise("greater_equal")
logical_and = _pairwise("logical_and")
logical_or = _pairwise("logical_or")
logical_xor = _pairwise("logical_xor")
bitwise_and = _pairwise("bitwise_and")
bitwise_or = _pairwise("bitwise_or")
bitwise_xor = _pairwise("bitwise_xor")
bitwise_left_shift = _pairwise("bitwise_left_shift")
bitwise_right_shift = _pairwise("bitwise_right_shift")

where = _define("where", "choices", on_numpy.where)
clip = _define("clip", "choices", on_numpy.clip)

sum = _reduction("sum")
prod = _reduction("prod")
mean = _define("mean", "reductions", on_numpy.mean)
var = _define("var", "reductions", on_numpy.var)
std = _define("std", "reductions", on_numpy.std)
max = _reduction("max")
min = _reduction("min")
any = _reduction("any")
all = _reduction("all")
argmax = _reduction("argmax")
argmin = _reduction("argmin")
logsumexp = _define("logsumexp", "reductions", on_numpy.logsumexp)
cumsum = _define("cumsum", "reductions", on_numpy.accumulated(np.cumsum))
cumprod = _define("cumprod", "reductions", on_numpy.accumulated(np.cumprod))

matmul = _define("matmul", "products", on_numpy.binary(np.matmul))
vecdot = _define("vecdot", "products", on_numpy.binary(np.vecdot))
outer = _define("outer", "products", on_numpy.binary(np.outer))
einsum = _define("einsum", "products", on_numpy.einsum)

reshape = _shape("reshape")
permute_dims = _shape("permute_dims")
matrix_transpose = _shape("matrix_transpose")
expand_dims = _shape("expand_dims")
squeeze = _shape("squeeze")
broadcast_to = _shape("broadcast_to")
flip = _shape("flip")
roll = _shape("roll")
tile = _shape("tile")
repeat = _shape("repeat")
pad = _shape("pad")
tril = _shape("tril")
triu = _shape("triu")
sort = _define("sort", "shapes", on_numpy.sort)
argsort = _define("argsort", "shapes", on_numpy.argsort)
concat = _define("concat", "shapes", on_numpy.many(np.concat))
stack = _define("stack", "shapes", on_numpy.many(np.stack))

asarray = _define("asarray", "creation", on_numpy.created(np.asarray))
zeros = _define("zeros", "creation", on_numpy.created(np.zeros))
ones = _define("ones", "creation", on_numpy.created(np.ones))
full = _define("full", "creation", on_numpy.created(np.full))
eye = _define("eye", "creation", on_numpy.created(np.eye))
arange = _define("arange", "creation", on_numpy.created(np.arange))
linspace = _define("linspace", "creation", on_numpy.created(np.linspace))
zeros_like = _define("zeros_like", "creation", on_numpy.shaped(np.zeros_like))
ones_like = _define("ones_like", "creation", on_numpy.shaped(np.ones_like))
full_like = _define("full_like", "creation", on_numpy.shaped(np.full_like))

take = _define("take", "indexing", on_numpy.take)
take_along_axis = _define("take_along_axis", "indexing", on_numpy.take_along_axis)
set_at = _define("set_at", "indexing", on_numpy.set_at)
add_at = _define("add_at", "indexing", on_numpy.add_at)
one_hot = _define("one_hot", "indexing", on_numpy.one_hot)
astype = _define("astype", "indexing", on_numpy.astype)
