"""Each metric is scikit-learn's, on the whole set and with weights; the order of the rows does not matter."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import calibration as curves
from sklearn import metrics

from pulse_ai.train import BadRows, report
from pulse_ai.train import metrics as ours

Array = np.ndarray[Any, Any]
theirs: Any = metrics  # its annotations are partial
their_curves: Any = curves
seeds = st.integers(0, 2**32 - 1)


def _some(seed: int, classes: int, *, coarse: bool) -> tuple[Array, Array, Array]:
    """Return true classes, shares and weights of a few rows; coarse shares have many ties."""
    random = np.random.default_rng(seed)
    rows = int(random.integers(2 * classes, 60))
    true = np.concatenate([np.arange(classes), random.integers(0, classes, rows - classes)])
    logits = random.normal(size=(rows, classes)).round(0 if coarse else 6)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return true, shares, random.uniform(0.1, 3.0, rows)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, classes=st.integers(2, 5), coarse=st.booleans())
def test_multiclass_figures_are_those_of_scikit_learn(seed: int, classes: int, coarse: bool) -> None:
    true, shares, weights = _some(seed, classes, coarse=coarse)
    found, chosen = report("multiclass", shares, true, weights), shares.argmax(1)
    weighted: dict[str, Any] = {"sample_weight": weights}
    lenient: dict[str, Any] = {"zero_division": 0}
    assert found.accuracy == pytest.approx(theirs.accuracy_score(true, chosen, **weighted))
    assert found.balanced_accuracy == pytest.approx(theirs.balanced_accuracy_score(true, chosen, **weighted))
    assert found.log_loss == pytest.approx(theirs.log_loss(true, shares, **weighted), rel=1e-6)
    np.testing.assert_allclose(found.confusion or [], theirs.confusion_matrix(true, chosen, **weighted))
    wanted: Any = theirs.precision_recall_fscore_support(
        true, chosen, labels=range(classes), **lenient, **weighted
    )
    assert found.classes is not None
    for name, figures in zip(("precision", "recall", "f1", "support"), wanted, strict=True):
        np.testing.assert_allclose([getattr(one, name) for one in found.classes], figures)
    assert found.macro_f1 == pytest.approx(sum(wanted[2]) / classes)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, coarse=st.booleans())
def test_the_area_under_the_curve_is_that_of_scikit_learn_also_with_ties(seed: int, coarse: bool) -> None:
    true, shares, weights = _some(seed, 2, coarse=coarse)
    found = report("binary", shares[:, 1], true, weights)
    assert found.auc == pytest.approx(theirs.roc_auc_score(true, shares[:, 1], sample_weight=weights))
    three, several, _ = _some(seed, 3, coarse=coarse)
    wanted = theirs.roc_auc_score(three, several, multi_class="ovr", average="macro")
    assert report("multiclass", several, three).auc == pytest.approx(wanted)


@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_regression_figures_are_those_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    true, predicted = random.normal(size=(2, 20))
    weights = random.uniform(0.1, 3.0, 20)
    found = report("regression", predicted, true, weights)
    weighted: dict[str, Any] = {"sample_weight": weights}
    assert found.mae == pytest.approx(theirs.mean_absolute_error(true, predicted, **weighted))
    assert found.rmse == pytest.approx(theirs.root_mean_squared_error(true, predicted, **weighted))
    assert found.r2 == pytest.approx(theirs.r2_score(true, predicted, **weighted))


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_a_row_of_weight_two_counts_as_two_rows_and_the_order_of_rows_as_nothing(seed: int) -> None:
    true, shares, _ = _some(seed, 3, coarse=False)
    twice = np.random.default_rng(seed).integers(1, 3, len(true))
    places = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(true)), twice))
    weighted, repeated = (
        report("multiclass", shares, true, twice),
        report("multiclass", shares[places], true[places]),
    )
    assert weighted.accuracy == pytest.approx(repeated.accuracy)
    assert weighted.auc == pytest.approx(repeated.auc)
    assert weighted.macro_f1 == pytest.approx(repeated.macro_f1)
    assert weighted.calibration is not None
    assert repeated.calibration is not None
    assert weighted.calibration.expected_error == pytest.approx(repeated.calibration.expected_error)


def test_calibration_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(5)
    stated = random.uniform(size=500)
    happened = random.uniform(size=500) < stated**2
    found = ours.calibration(happened, stated, bins=10)
    share, mean = theirs_calibration(happened, stated)
    np.testing.assert_allclose(found.happened, share)
    np.testing.assert_allclose(found.stated, mean)
    counts = np.bincount(np.minimum((stated * 10).astype(int), 9), minlength=10)
    assert found.rows == counts.tolist()
    assert found.expected_error == pytest.approx(np.average(np.abs(share - mean), weights=counts))


def theirs_calibration(happened: Array, stated: Array) -> Any:
    return their_curves.calibration_curve(happened, stated, n_bins=10)


def test_what_cannot_be_said_is_nan_or_zero_and_never_an_error() -> None:
    assert np.isnan(ours.area_under_curve([True, True], [0.1, 0.2]))
    assert np.isnan(ours.r_squared([3.0, 3.0], [1.0, 2.0]))
    never = ours.class_figures(ours.confusion_matrix([0, 0], [0, 0], 2))[1]
    assert (never.precision, never.recall, never.f1, never.support) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("predictions", "targets", "weights"),
    [([], [], None), ([0.5], [1, 0], None), ([0.5, 0.5], [1, 0], [1.0])],
)
def test_no_rows_or_other_lengths_are_an_error(predictions: Any, targets: Any, weights: Any) -> None:
    with pytest.raises(BadRows):
        report("binary", np.array(predictions), np.array(targets), weights)


def test_a_class_out_of_range_is_an_error() -> None:
    with pytest.raises(BadRows, match=r"\[0, 2\)"):
        ours.confusion_matrix([0, 2], [0, 1], 2)


def test_a_class_without_rows_has_no_part_in_the_means() -> None:
    theirs = pytest.importorskip("sklearn.metrics")
    true = np.array([0, 1, 0, 1, 1])
    shares = np.array([[0.6, 0.2, 0.1, 0.1], [0.2, 0.5, 0.2, 0.1], [0.1, 0.2, 0.6, 0.1]])[[0, 1, 2, 1, 0]]
    found = report("multiclass", shares, true)
    assert found.macro_f1 == pytest.approx(theirs.f1_score(true, shares.argmax(1), average="macro"))
    areas = [theirs.roc_auc_score(true == one, shares[:, one]) for one in (0, 1)]
    assert found.auc == pytest.approx(np.mean(areas))
    assert np.isnan(report("multiclass", shares[:1], true[:1]).auc or 0.0)


@pytest.mark.parametrize("value", [0.1, 0.7, 3.3, 1e8 + 0.1])
def test_r2_of_one_value_is_nan_whatever_its_mean_is_rounded_to(value: float) -> None:
    assert np.isnan(ours.r_squared([value] * 3, [value + 0.1] * 3))
    assert np.isnan(ours.r_squared([value, 0.0, value, value], [0.0] * 4, [1.0, 0.0, 1.0, 1.0]))


def test_a_column_of_predictions_is_not_held_against_a_row_of_values() -> None:
    column = np.array([[1.0], [2.0], [3.0]])
    for metric in (ours.r_squared, ours.mean_absolute_error, ours.root_mean_squared_error):
        with pytest.raises(BadRows, match=r"predictions of shape \(3, 1\) for values of shape \(3,\)"):
            metric([1.0, 2.0, 3.0], column)
    with pytest.raises(BadRows, match="shape"):
        report("regression", column, [1.0, 2.0, 3.0])
