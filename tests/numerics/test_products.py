# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""Large products are compiled with Eigen's; what a call gives, and how often it is traced, does not show it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pulse_ai.numerics import (
    DiskCache,
    compile,  # noqa: A004 - the package's own
    defn,
    grad,
    jit,
    load,
    ops,
    products,
    scan,
    serialize,
    template,
    vmap,
)
from pulse_ai.numerics.disk_cache import content_key
from pulse_ai.numerics.staging import AsksForOptions, Staged

jax = pytest.importorskip("jax")

X = np.random.default_rng(0).standard_normal((12, 5), np.float32)
Y = np.random.default_rng(1).standard_normal((5, 8), np.float32)


def product(x: Any, y: Any) -> Any:
    return x @ y


def prefers(function: Callable[..., Any], *shapes: tuple[int, ...], dtype: str = "float32") -> bool:
    return products.prefers_eigen(jax.make_jaxpr(function)(*(jax.ShapeDtypeStruct(s, dtype) for s in shapes)))


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have small products count as large, so that tests take no gigaflops."""
    monkeypatch.setattr(products, "_LEAST_AXIS", 2)
    monkeypatch.setattr(products, "_LEAST_WORK", 12 * 5 * 8)


@pytest.mark.parametrize(
    ("shapes", "wanted"),
    [
        (((2048, 2048), (2048, 2048)), True),
        (((4096, 1024), (1024, 1024)), True),
        (((1024, 1024), (1024, 1024)), False),
        (((512, 4096), (4096, 4096)), False),
        (((4096, 4096), (4096, 512)), False),
        (((2, 2048, 2048), (2, 2048, 2048)), False),
        (((4096, 4096), (4096,)), False),
    ],
)
def test_large_products_prefer_eigen(shapes: Any, wanted: bool) -> None:
    assert prefers(product, *shapes) is wanted


def test_other_dtypes_do_not() -> None:
    assert not prefers(product, (2048, 2048), (2048, 2048), dtype="bfloat16")


def test_what_most_of_the_work_prefers_goes_for_the_whole_program() -> None:
    def two(x: Any, y: Any, narrow: Any) -> Any:
        return x @ y, (x @ narrow)

    def many(x: Any, y: Any, narrow: Any) -> Any:
        return x @ y, scan(lambda carry, _: (x @ carry, None), narrow, np.zeros(100, np.float32))[0]

    shapes = (2048, 2048), (2048, 2048), (2048, 64)
    assert prefers(two, *shapes)
    assert not prefers(many, *shapes)
    assert prefers(jax.jit(lambda x: jax.lax.cond(x[0, 0] > 0, lambda: x @ x, lambda: x)), (2048, 2048))


def test_only_such_a_program_is_told_options(all_are_large: None) -> None:
    staged = Staged(product, ())
    small = staged(X[:3], Y)
    assert not isinstance(staged.ready, Staged)
    with pytest.raises(AsksForOptions):
        staged.ready(X, Y)
    assert np.allclose(staged(X, Y), X @ Y, atol=1e-5)
    assert staged.ready is staged
    assert np.array_equal(small, staged(X[:3], Y))


def test_a_size_is_traced_once_and_the_second_call_is_the_first_again(all_are_large: None) -> None:
    multiply = jit(product)
    multiply(X[:3], Y)
    answers = [multiply(X, Y) for _ in range(3)]
    assert multiply.statistics().compilations == 2
    assert np.allclose(answers[0], X @ Y, atol=1e-5)
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


def test_options_and_trees_tell_signatures_apart(all_are_large: None) -> None:
    @defn
    def scaled(pair: dict[str, Any], by: Any = 1.0, *, times: float = 1.0) -> Any:
        return ops.matmul(pair["x"], pair["y"]) * (by * times)

    pair = {"x": X, "y": Y}
    for times in (2.0, 3.0, 2.0):
        assert np.allclose(scaled(pair, 0.5, times=times), X @ Y * times / 2, atol=1e-4)
        assert np.allclose(scaled(pair, by=np.float32(4), times=times), X @ Y * 4 * times, atol=1e-4)


def test_it_may_be_a_part_of_another_program(all_are_large: None) -> None:
    multiply = jit(product)
    for _ in range(2):  # the second time, its own calls have a way of their own
        assert np.allclose(jax.jit(lambda x: multiply(x, Y) + 1)(X), X @ Y + 1, atol=1e-5)
        assert np.allclose(jax.jit(lambda: multiply(X, Y))(), X @ Y, atol=1e-5)
        assert np.allclose(jax.grad(lambda x: multiply(x, Y).sum())(X), np.ones((12, 8)) @ Y.T, atol=1e-5)
        assert np.allclose(
            jax.vmap(lambda x: multiply(x, Y))(np.stack([X, X])), np.stack([X @ Y] * 2), atol=1e-5
        )
        assert np.allclose(multiply(X, Y), X @ Y, atol=1e-5)


def test_derivatives_and_batches_are_those_of_the_product(all_are_large: None) -> None:
    def loss(x: Any, y: Any) -> Any:
        return ops.sum(ops.tanh(product(x, y)))

    slope = 1 - np.tanh(X @ Y) ** 2
    assert np.allclose(grad(loss)(X, Y), slope @ Y.T, atol=1e-5)
    assert np.allclose(grad(loss, argument=1)(X, Y), X.T @ slope, atol=1e-5)
    assert np.allclose(
        vmap(product, in_axes=(0, None))(np.stack([X, 2 * X]), Y), np.stack([X @ Y, 2 * X @ Y]), atol=1e-5
    )


def test_ahead_of_time_from_disk_and_saved_it_gives_the_same_bits(
    all_are_large: None, tmp_path: Path
) -> None:
    wanted = jit(product)(X, Y)
    given = template(12, 5), template(5, 8)
    ahead = compile(jit(product), given)
    for executable in (ahead, load(serialize(ahead))):
        assert np.array_equal(executable(X, Y), wanted)
    cached = [compile(jit(product), given, cache=DiskCache(tmp_path)) for _ in range(2)]
    assert [getattr(executable, "from_cache", None) for executable in cached] == [False, True]
    assert np.array_equal(cached[1](X, Y), wanted)


def test_what_is_compiled_with_options_has_a_place_of_its_own_on_disk() -> None:
    lowered = jax.jit(product).lower(X, Y)
    assert content_key(lowered) != content_key(lowered, products.EIGEN)


def test_an_option_that_this_xla_does_not_know_is_not_given(
    all_are_large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    products.compiler_options(eigen=True)
    monkeypatch.setattr(products, "EIGEN", {"xla_cpu_no_such_option": ""})
    products._is_understood.cache_clear()  # pyright: ignore[reportPrivateUsage]
    try:
        assert products.compiler_options(eigen=True) == {}
        assert np.allclose(jit(product)(X, Y), X @ Y, atol=1e-5)
    finally:
        products._is_understood.cache_clear()  # pyright: ignore[reportPrivateUsage]


def test_shapes_that_do_not_fit_are_told_as_ever() -> None:
    with pytest.raises(TypeError, match="contracting dimensions to have the same shape"):
        jit(product)(X, Y[:4])


def test_an_array_of_another_library_is_multiplied_by_its_own_function() -> None:
    class Numbers:
        def __array_namespace__(self) -> Any:
            return Numbers

        @staticmethod
        def matmul(x: Any, y: Any) -> str:
            return f"{type(x).__name__} by {y}"

    assert ops.matmul(Numbers(), 3) == "Numbers by 3"
