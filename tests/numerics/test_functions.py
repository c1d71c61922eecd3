"""The named functions and losses, against plain NumPy in double precision."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pulse_ai import numerics
from pulse_ai.numerics import using_compiler

X = np.array([[1.0, 2.0, 4.0], [-3.0, 0.0, 3.0]], np.float32)


def test_normalize_gives_mean_0_and_deviation_1(compiler: Any) -> None:
    with using_compiler(compiler):
        answer = np.asarray(numerics.normalize(X, axis=-1))
        np.testing.assert_allclose(answer.mean(axis=-1), 0, atol=1e-6)
        np.testing.assert_allclose(answer.std(axis=-1), 1, rtol=1e-6)
        assert np.isnan(numerics.normalize(np.ones(3, np.float32))).all()
        np.testing.assert_array_equal(numerics.normalize(np.ones(3, np.float32), epsilon=1e-6), np.zeros(3))


@pytest.mark.parametrize("correction", [0.0, 1.0])
def test_standard_deviation_is_numpys(compiler: Any, correction: float) -> None:
    with using_compiler(compiler):
        answer = numerics.standard_deviation(X, axis=1, correction=correction, keepdims=True)
        np.testing.assert_allclose(answer, X.std(axis=1, ddof=correction, keepdims=True), rtol=1e-6)
        far = np.array([1e6, 1e6 + 1, 1e6 + 2], np.float32)
        assert float(numerics.standard_deviation(far)) == pytest.approx((2 / 3) ** 0.5, rel=1e-4)


@settings(deadline=None, max_examples=20)
@given(x=hnp.arrays(np.float32, (2, 4), elements=st.floats(-1000, 1000, width=32)))
def test_softmax_adds_up_to_1(x: Any) -> None:
    with using_compiler("evaluator"):
        answer = numerics.softmax(x)
    np.testing.assert_allclose(answer.sum(axis=-1), 1, rtol=1e-5)
    assert ((answer >= 0) & (answer <= 1)).all()


def test_softmax_masks_with_minus_infinity(compiler: Any) -> None:
    with using_compiler(compiler):
        answer = numerics.softmax(np.array([[0, -np.inf, 0], [-np.inf] * 3], np.float32))
    np.testing.assert_array_equal(answer[0], [0.5, 0, 0.5])
    assert np.isnan(answer[1]).all()


def test_gelu_is_close_to_the_exact_form(compiler: Any) -> None:
    x = np.linspace(-6, 6, 200, dtype=np.float32)
    with using_compiler(compiler):
        exact = 0.5 * x * (1 + np.asarray(numerics.ops.erf(x / np.float32(2**0.5))))
        np.testing.assert_allclose(numerics.gelu(x), exact, atol=5e-4)


def test_losses_are_their_formulas(compiler: Any) -> None:
    p, w = X.ravel(), np.array([1, 0, 1, 0, 1, 0.5], np.float32)
    d = np.abs(p.astype(np.float64) - w)
    log_s = -np.logaddexp(0, -p.astype(np.float64))
    with using_compiler(compiler):
        assert float(numerics.mean_squared_error(p, w)) == pytest.approx((d**2).mean(), rel=1e-6)
        assert float(numerics.mean_absolute_error(p, w)) == pytest.approx(d.mean(), rel=1e-6)
        wanted = np.where(d <= 2, d**2 / 2, 2 * (d - 1)).mean()
        assert float(numerics.huber(p, w, delta=2.0)) == pytest.approx(wanted, rel=1e-6)
        wanted = -(w * log_s + (1 - w) * (log_s - p)).mean()
        assert float(numerics.binary_cross_entropy(p, w)) == pytest.approx(wanted, rel=1e-6)
        shares = X - np.log(np.exp(X).sum(axis=1, keepdims=True))
        labels = np.array([2, 0], np.int32)
        wanted = -shares[[0, 1], labels].mean()
        assert float(numerics.softmax_cross_entropy(X, labels)) == pytest.approx(wanted, rel=1e-5)


def test_a_label_outside_gives_nan_and_no_overflow_gives_a_number(compiler: Any) -> None:
    with using_compiler(compiler):
        assert np.isnan(numerics.softmax_cross_entropy(X, np.array([3, 0], np.int32)))
        assert np.isnan(numerics.softmax_cross_entropy(X, np.array([-1, 0], np.int32)))
        assert np.isfinite(numerics.binary_cross_entropy(X * 1e30, X * 0))
