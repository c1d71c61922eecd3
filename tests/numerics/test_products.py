"""A large product on a CPU is cut into blocks of rows; neither its answer nor its derivatives show it."""

from typing import Any

import numpy as np
import pytest

from pulse_ai.numerics import defn, grad, ops, products, vmap

pytest.importorskip("jax")

X = np.random.default_rng(0).standard_normal((12, 5), np.float32)
Y = np.random.default_rng(1).standard_normal((5, 4), np.float32)


@pytest.fixture(autouse=True)
def cut_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have small products cut as large ones are, so that tests take no gigaflops."""
    for name, value in {
        "_BLOCK_ROWS": 4,
        "_LEAST_BLOCK_ROWS": 3,
        "_MOST_BLOCK_ROWS": 5,
        "_LEAST_ROWS": 8,
        "_LEAST_FLOP": 1,
    }.items():
        monkeypatch.setattr(products, name, value)


def product(x: Any, y: Any) -> Any:
    return ops.matmul(x, y)


def is_cut(x: Any, y: Any) -> bool:
    return "while" in defn(product).text_for(x, y)


def test_a_product_in_blocks_has_the_same_answer() -> None:
    assert is_cut(X, Y)
    assert np.allclose(defn(product)(X, Y), X @ Y, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X[:7], Y),
        (X[:11], Y),
        (X, np.ones((5, 13), np.float32)),
        (X, Y[:, 0]),
        (X[None], Y),
        (X.astype(np.int32), Y.astype(np.int32)),
        (X.astype(np.float16), Y.astype(np.float16)),
    ],
    ids=["few rows", "a prime number of rows", "wide", "a vector", "a batch", "integers", "halves"],
)
def test_others_are_left_whole(x: Any, y: Any) -> None:
    assert not is_cut(x, y)
    assert np.allclose(defn(product)(x, y), x @ y, rtol=1e-3, atol=1e-3)


def test_both_derivatives_are_those_of_the_product() -> None:
    def loss(x: Any, y: Any) -> Any:
        return ops.sum(ops.tanh(product(x, y)))

    slope = 1 - np.tanh(X @ Y) ** 2
    assert np.allclose(grad(loss)(X, Y), slope @ Y.T, atol=1e-5)

    def turned(y: Any, x: Any) -> Any:
        return loss(x, y)

    assert np.allclose(grad(turned)(Y, X), X.T @ slope, atol=1e-5)


def test_a_second_derivative_goes_through_it() -> None:
    def energy(times: Any) -> Any:
        return ops.sum(product(times * X, times * Y) ** 2)

    assert np.allclose(grad(grad(energy))(np.float32(1.0)), 12 * np.sum((X @ Y) ** 2), rtol=1e-4)


def test_it_can_be_vectorised_over_either_side() -> None:
    def of_left(x: Any) -> Any:
        return product(x, Y)

    def of_right(y: Any) -> Any:
        return product(X, y)

    lefts, rights = np.stack([X, 2 * X]), np.stack([Y, 3 * Y])
    assert np.allclose(vmap(of_left)(lefts), lefts @ Y, atol=1e-5)
    assert np.allclose(vmap(of_right)(rights), X @ rights, atol=1e-5)


def test_shapes_that_do_not_fit_are_told_as_ever() -> None:
    with pytest.raises(TypeError, match="contracting dimensions to have the same shape"):
        defn(product)(X, Y[:4])


def test_an_array_of_another_library_is_multiplied_by_its_own_function() -> None:
    class Numbers:
        def __array_namespace__(self) -> Any:
            return Numbers

        @staticmethod
        def matmul(x: Any, y: Any) -> str:
            return f"{type(x).__name__} by {y}"

    assert ops.matmul(Numbers(), 3) == "Numbers by 3"
