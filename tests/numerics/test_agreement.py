# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""The evaluator and XLA give the same values and dtypes, for each operation in the table.

Tolerances, stated here and in docs/numerics.md: exact for integers, booleans, and what only moves or compares;
relative 2e-5 (absolute 2e-6 of the largest value) for float32, 1e-2 for float16, and up to 4 times that for
transcendental functions. Subnormal numbers are left out (XLA flushes them to 0), and so are arguments of sin
and cos beyond 1000.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pulse_ai.numerics import jit, keys, ops, xla_is_installed

pytestmark = pytest.mark.skipif(not xla_is_installed(), reason="JAX is not installed")

FLOATS = ("float32", "float16")
INTEGERS = ("int8", "int16", "int32", "uint8", "uint16", "uint32")
NUMBERS = FLOATS + INTEGERS
ALL = (*NUMBERS, "bool")
SHAPES = st.sampled_from(((), (0,), (5,), (2, 0, 3), (1, 3, 2)))  # few, because XLA compiles for each
SOME = st.sampled_from(((5,), (1, 3, 2)))
TOLERANCES = {"float32": (2e-5, 2e-6), "float16": (1e-2, 1e-2)}


def elements(dtype: str, low: float | None = None, high: float | None = None) -> st.SearchStrategy[Any]:
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return st.booleans()
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        least = limits.min if low is None else max(limits.min, int(low))
        return st.integers(least, limits.max if high is None else min(limits.max, int(high)))
    width: Any = kind.itemsize * 8
    if low is not None or high is not None:
        bounds = {"min_value": low, "max_value": high}
        bounds = {name: None if value is None else float(kind.type(value)) for name, value in bounds.items()}
        return st.floats(width=width, allow_subnormal=False, allow_nan=low is None, **bounds)  # type: ignore[arg-type]
    return st.floats(width=width, allow_subnormal=False)


@st.composite
def arrays(
    draw: st.DrawFn,
    dtypes: tuple[str, ...],
    shapes: Any = SHAPES,
    *,
    low: float | None = None,
    high: float | None = None,
) -> Any:
    dtype = draw(st.sampled_from(dtypes))
    shape = draw(shapes) if isinstance(shapes, st.SearchStrategy) else shapes
    return draw(hnp.arrays(np.dtype(dtype), shape, elements=elements(dtype, low, high)))


@st.composite
def pairs(draw: st.DrawFn, dtypes: tuple[str, ...], **bounds: Any) -> Any:
    one = draw(arrays(dtypes, **bounds))
    return one, draw(arrays((one.dtype.name,), one.shape, **bounds))


class Group:
    """Functions that are compiled together, because compiling is what takes the time here."""

    def __init__(self, **functions: Callable[..., Any]) -> None:
        def together(*arguments: Any) -> Any:
            return {name: function(*arguments) for name, function in functions.items()}

        self._evaluator = jit(together, compiler="evaluator")
        self._xla = jit(together, recompile_limit=0)  # XLA, or all tests here are left out

    def agree(self, *arguments: Any, rough: float = 1.0) -> None:
        """Run all on both compilers, and compare values, shapes and dtypes."""
        ours, theirs = self._evaluator(*arguments), self._xla(*arguments)
        for name, answer in ours.items():
            same(name, answer, np.asarray(theirs[name]), rough)


def same(name: str, ours: Any, theirs: Any, rough: float) -> None:
    assert (name, ours.dtype, ours.shape) == (name, theirs.dtype, theirs.shape)
    if ours.dtype.kind in "biu":
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
        return
    relative, absolute = TOLERANCES[ours.dtype.name]
    finite = np.abs(ours[np.isfinite(ours)].astype(np.float64))
    largest = max(1.0, float(finite.max(initial=0.0)))
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(
            ours, theirs, rtol=relative * rough, atol=absolute * largest * rough, err_msg=name
        )


def called(*names: str) -> dict[str, Callable[..., Any]]:
    return {name: getattr(ops, name) for name in names}


def along(axis: int | None, *names: str, **options: Any) -> dict[str, Callable[..., Any]]:
    def bound(name: str) -> Callable[..., Any]:
        return lambda x: getattr(ops, name)(x, axis=axis, **options)

    return {f"{name} along {axis}": bound(name) for name in names}


quick = settings(max_examples=max(5, settings().max_examples // 20), deadline=None)  # more by profile

KEEP_DTYPE = ("abs", "negative", "positive", "sign", "square", "floor", "ceil", "trunc", "round")
TESTS = ("isnan", "isinf", "isfinite")
WIDE = (
    "exp",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "sqrt",
    "atan",
    "tanh",
    "erf",
    "asinh",
    "sinh",
    "cosh",
)
ELEMENTWISE = Group(**called(*KEEP_DTYPE, *TESTS, *WIDE))


@quick
@given(x=arrays(NUMBERS))
def test_elementwise(x: Any) -> None:
    ELEMENTWISE.agree(x, rough=4)


IN_A_RANGE = Group(
    sin=lambda x: ops.sin(x * 1000),
    cos=lambda x: ops.cos(x * 1000),
    tan=ops.tan,
    asin=lambda x: ops.asin(x * 2),
    acos=lambda x: ops.acos(x * 2),
    acosh=lambda x: ops.acosh(x * 1000),
    atanh=lambda x: ops.atanh(x * 0.9),
)


@quick
@given(x=arrays(FLOATS, low=-1, high=1))
def test_elementwise_in_a_range(x: Any) -> None:
    IN_A_RANGE.agree(x, rough=4)


BITS = Group(
    **called("bitwise_and", "bitwise_or", "bitwise_xor"), bitwise_invert=lambda x, _: ops.bitwise_invert(x)
)


@quick
@given(xy=pairs((*INTEGERS, "bool")))
def test_bits(xy: Any) -> None:
    BITS.agree(*xy)


COMPARISONS = Group(
    **called("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
    **called("logical_and", "logical_or", "logical_xor"),
    logical_not=lambda x, _: ops.logical_not(x),
)


@quick
@given(xy=pairs(ALL))
def test_comparisons_and_logic(xy: Any) -> None:
    COMPARISONS.agree(*xy)


ARITHMETIC = Group(
    **called("add", "subtract", "multiply", "maximum", "minimum"),
    where=lambda x, y: ops.where(x < y, x, y),
    clip=lambda x, y: ops.clip(x, ops.minimum(x, y), y),
    clip_by_numbers=lambda x, _: ops.clip(x, 3, 50),
)


@quick
@given(xy=pairs(NUMBERS))
def test_arithmetic_and_choices(xy: Any) -> None:
    ARITHMETIC.agree(*xy)


FLOAT_PAIRS = Group(**called("divide", "atan2", "hypot", "logaddexp"))


@quick
@given(xy=pairs(FLOATS, low=-1e4, high=1e4))
def test_float_pairs(xy: Any) -> None:
    FLOAT_PAIRS.agree(*xy, rough=4)


WHOLE = Group(
    divide=lambda x: ops.divide(x, x),
    floor_divide=lambda x: ops.floor_divide(x, 7),
    remainder=lambda x: ops.remainder(x, 7),
    bitwise_left_shift=lambda x: ops.bitwise_left_shift(x, 3),
    bitwise_right_shift=lambda x: ops.bitwise_right_shift(x, 3),
    pow=lambda x: ops.pow(x, 3),
)


@quick
@given(x=arrays(INTEGERS).map(lambda x: np.where(x == 0, 1, x).astype(x.dtype)))
def test_whole_numbers(x: Any) -> None:
    WHOLE.agree(x)


FRACTIONS = Group(
    floor_divide=lambda x: ops.floor_divide(x, 0.5),
    remainder=lambda x: ops.remainder(x, -3.0),
    pow=lambda x: ops.pow(ops.abs(x) / 1000 + 0.125, 1.5),
)


@quick
@given(x=arrays(("float32",), low=-1e4, high=1e4))
def test_division_and_powers_of_fractions(x: Any) -> None:
    FRACTIONS.agree(x, rough=4)


OVER_ALL = Group(**along(None, "sum", "mean", "std", "any", "all"), **along(None, "var", keepdims=True))
OVER_ONE = Group(**along(-1, "sum", "mean", "var", "std", "any", "all"), **along(0, "std", correction=1))


@quick
@given(x=arrays(("float32", "int8", "int32", "uint8", "bool"), low=-100, high=100))
def test_reductions(x: Any) -> None:
    OVER_ALL.agree(x, rough=4)
    if x.ndim:
        OVER_ONE.agree(x, rough=4)


UNBOUNDED = Group(
    **along(0, "sum", "mean", "max", "min", "logsumexp"), **along(None, "sum", "mean", "logsumexp")
)


@quick
@given(x=arrays(FLOATS, SOME).map(lambda x: (x / 16).astype(x.dtype)))
def test_reductions_with_nan_and_infinity(x: Any) -> None:
    UNBOUNDED.agree(x)


RUNNING = Group(**along(0, "prod", "cumsum", "cumprod"))


@quick
@given(x=arrays(("float32", "int8", "int32", "uint8"), SOME, low=-4, high=4))
def test_products_and_running_sums(x: Any) -> None:
    RUNNING.agree(x, rough=4)


EXTREMES = Group(**called("max", "min", "argmax", "argmin"), **along(-1, "max", "min", "argmax", "argmin"))


@quick
@given(x=arrays(NUMBERS, SOME))
def test_extremes(x: Any) -> None:
    EXTREMES.agree(x)


PRODUCTS = Group(
    matmul=lambda x, y: ops.matmul(x, ops.matrix_transpose(y)),
    vecdot=ops.vecdot,
    outer=lambda x, y: ops.outer(x[0], y[0]),
    einsum=lambda x, y: ops.einsum("nk,mk->nm", x, y),
)


@quick
@given(data=st.data(), dtype=st.sampled_from(("float32", "int32", "int8")), k=st.sampled_from((0, 1, 4)))
def test_products(data: st.DataObject, dtype: str, k: int) -> None:
    one, two = (data.draw(arrays((dtype,), st.just((3, k)), low=-100, high=100)) for _ in range(2))
    PRODUCTS.agree(one, two)


MOVES = Group(
    reshape=lambda x: ops.reshape(x, (-1,)),
    permute_dims=lambda x: ops.permute_dims(x, (2, 0, 1)),
    matrix_transpose=ops.matrix_transpose,
    expand_dims=lambda x: ops.expand_dims(x, axis=1),
    squeeze=lambda x: ops.squeeze(x[:1], axis=0),
    broadcast_to=lambda x: ops.broadcast_to(x, (2, *x.shape)),
    flip=lambda x: ops.flip(x, axis=0),
    roll=lambda x: ops.roll(x, 1, axis=-1),
    tile=lambda x: ops.tile(x, (2, 1, 1)),
    repeat=lambda x: ops.repeat(x, 2, axis=0),
    pad=lambda x: ops.pad(x, ((1, 0), (0, 0), (0, 2))),
    tril=ops.tril,
    triu=ops.triu,
    sort=lambda x: ops.sort(x, axis=-1),
    argsort=lambda x: ops.argsort(x, axis=0),
    sort_down=lambda x: ops.sort(x, axis=-1, descending=True),
    argsort_down=lambda x: ops.argsort(x, axis=0, descending=True, stable=True),
    concat=lambda x: ops.concat([x, x], axis=1),
    stack=lambda x: ops.stack([x, x], axis=0),
    zeros_like=ops.zeros_like,
    ones_like=ops.ones_like,
    full_like=lambda x: ops.full_like(x, 1),
    asarray=ops.asarray,
    set_at=lambda x: ops.set_at(x, (0, slice(None)), 1),
    add_at=lambda x: ops.add_at(x, 0, 1),
)


@quick
@given(x=arrays(NUMBERS, st.sampled_from(((1, 3, 2), (2, 2, 2)))))
def test_moves(x: Any) -> None:
    MOVES.agree(x)


def test_creation() -> None:
    Group(
        zeros=lambda: ops.zeros((2, 3)),
        ones=lambda: ops.ones((2, 0), dtype="int8"),
        full=lambda: ops.full((2,), 1.5),
        eye=lambda: ops.eye(3),
        arange=lambda: ops.arange(5),
        linspace=lambda: ops.linspace(0.0, 1.0, 7),
    ).agree()


INDEXING = Group(
    take=lambda x, index: ops.take(x, index[0], axis=0),
    take_along_axis=lambda x, index: ops.take_along_axis(x, index, axis=-1),
    one_hot=lambda _, index: ops.one_hot(index, 4),
)


@quick
@given(x=arrays(NUMBERS, st.just((3, 4))), data=st.data())
def test_an_index_outside_is_held_to_the_nearest_end(x: Any, data: st.DataObject) -> None:
    INDEXING.agree(x, data.draw(hnp.arrays(np.int32, (3, 2), elements=st.integers(-2, 6))))


CONVERTED = Group(
    **{
        f"astype to {dtype}": lambda x, dtype=dtype: ops.astype(x, dtype)
        for dtype in ("float32", "float16", "int8", "int32", "uint8", "bool")
    }
)


@quick
@given(x=arrays(ALL, low=0, high=100))
def test_astype(x: Any) -> None:
    CONVERTED.agree(x)


NUMBERS_IN_THE_CODE = Group(whole=lambda x: x * 3 + 1, other_way=lambda x: 1 - x)
FRACTIONS_IN_THE_CODE = Group(fraction=lambda x: 0.5 * x - 1.25, integer=lambda x: x * 3)


@quick
@given(x=arrays(NUMBERS, low=-10, high=10))
def test_a_number_in_the_code_takes_the_arrays_dtype(x: Any) -> None:
    NUMBERS_IN_THE_CODE.agree(x)
    if x.dtype.kind == "f":
        FRACTIONS_IN_THE_CODE.agree(x)


def test_every_operation_in_the_table_is_compared() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert {
        name for name in ops.OPERATIONS if f'"{name}"' not in source and f"ops.{name}" not in source
    } == set()


RANDOM = Group(
    split=lambda key: keys.split(key, 5),
    fold_in=lambda key: keys.fold_in(key, 17),
    uniform=lambda key: keys.uniform(key, (3, 5), low=-1.0, high=2.0),
    normal=lambda key: keys.normal(key, (1000,)),
    bernoulli=lambda key: keys.bernoulli(key, 0.3, (50,)),
    randint=lambda key: keys.randint(key, (100,), -3, 9),
    permutation=lambda key: keys.permutation(key, 20),
)


@pytest.mark.parametrize("seed", [7, 2**32 - 1])
def test_random_numbers_are_the_same_on_both(seed: int) -> None:
    RANDOM.agree(keys.key(seed), rough=4)
