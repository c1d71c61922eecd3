"""How good predictions are, over a whole set of rows; never a mean of batches.

NumPy only. The conventions are scikit-learn's: a ratio with nothing in it is 0 (precision with nothing
predicted, for example), and an area or a share that cannot be said at all is NaN.
"""

__all__ = (
    "Calibration",
    "ClassFigures",
    "Report",
    "accuracy",
    "area_under_curve",
    "calibration",
    "class_figures",
    "confusion_matrix",
    "log_loss",
    "mean_absolute_error",
    "r_squared",
    "report",
    "root_mean_squared_error",
)

from typing import Any

import msgspec
import numpy as np

from pulse_ai.train.errors import BadRows

Array = np.ndarray[Any, Any]


class ClassFigures(msgspec.Struct, frozen=True):
    """One class against the others.

    Attributes:
        precision: Of what was predicted as this class, the share that is.
        recall: Of what is this class, the share that was predicted so.
        f1: Their harmonic mean.
        support: How many rows are of this class, by weight.
    """

    precision: float
    recall: float
    f1: float
    support: float


class Calibration(msgspec.Struct, frozen=True):
    """How far stated probabilities are from what happened.

    Attributes:
        stated: The mean probability in each bin that has rows.
        happened: The share of rows in it that were as predicted.
        rows: How many there are in it, by weight.
        expected_error: The mean distance of the two, by rows; 0 is perfect.
    """

    stated: list[float]
    happened: list[float]
    rows: list[float]
    expected_error: float


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """All metrics over all rows; those of other objectives are None.

    Attributes:
        objective: ``"binary"``, ``"multiclass"`` or ``"regression"``.
        rows: How many rows were measured.
        accuracy: The share of rows whose class was predicted.
        balanced_accuracy: The mean recall of the classes that there are.
        log_loss: The mean negative log-likelihood, in nats.
        auc: The area under the ROC curve; for more classes the mean of each that there is against the rest.
        macro_f1: The mean F1 of the classes that there are or that were predicted.
        classes: The figures of each class.
        confusion: ``confusion[true][predicted]``, by weight.
        calibration: Of the class that is predicted; for binary, of class 1.
        mae: Mean absolute error.
        rmse: Root of the mean squared error.
        r2: The share of the variance that is explained; below 0 where the mean would be better.
    """

    objective: str
    rows: int
    accuracy: float | None = None
    balanced_accuracy: float | None = None
    log_loss: float | None = None
    auc: float | None = None
    macro_f1: float | None = None
    classes: list[ClassFigures] | None = None
    confusion: list[list[float]] | None = None
    calibration: Calibration | None = None
    mae: float | None = None
    rmse: float | None = None
    r2: float | None = None


def report(objective: str, predictions: Any, targets: Any, weights: Any = None) -> Report:
    """Return all metrics of an objective.

    Args:
        objective: ``"binary"``, ``"multiclass"`` or ``"regression"``.
        predictions: Probabilities ``(rows,)`` or ``(rows, classes)``, or values.
        targets: Class numbers ``(rows,)``, or values of the predictions' shape.
        weights: ``(rows,)``, how much a row counts; None: 1 each.

    Raises:
        BadRows: The lengths (of values, the shapes) differ, or there are no rows.
    """
    predicted, true = np.asarray(predictions, np.float64), np.asarray(targets)
    weight = _weights(weights, predicted, true)
    if objective == "regression":
        return Report(
            objective=objective,
            rows=len(true),
            mae=mean_absolute_error(true, predicted, weight),
            rmse=root_mean_squared_error(true, predicted, weight),
            r2=r_squared(true, predicted, weight),
        )
    shares = np.stack([1.0 - predicted, predicted], 1) if objective == "binary" else predicted
    return _classification(objective, shares, true.astype(np.int64), weight)


def _classification(objective: str, shares: Array, true: Array, weight: Array) -> Report:
    classes = shares.shape[1]
    chosen = shares.argmax(1)
    confusion = confusion_matrix(true, chosen, classes, weight)
    figures = class_figures(confusion)
    hits, stated = (true == chosen), shares.max(1)
    if objective == "binary":
        chosen = (shares[:, 1] > 0.5).astype(np.int64)
        confusion = confusion_matrix(true, chosen, classes, weight)
        figures, hits, stated = class_figures(confusion), true == 1, shares[:, 1]
    seen = confusion.sum(0) + confusion.sum(1)
    return Report(
        objective=objective,
        rows=len(true),
        accuracy=accuracy(true, chosen, weight),
        balanced_accuracy=float(np.mean([one.recall for one in figures if one.support])),
        log_loss=log_loss(true, shares, weight),
        auc=_auc(objective, true, shares, weight),
        macro_f1=float(np.mean([one.f1 for one, rows in zip(figures, seen, strict=True) if rows])),
        classes=figures,
        confusion=confusion.tolist(),
        calibration=calibration(hits, stated, weights=weight),
    )


def _auc(objective: str, true: Array, shares: Array, weight: Array) -> float:
    if objective == "binary":
        return area_under_curve(true == 1, shares[:, 1], weight)
    areas = [area_under_curve(true == one, shares[:, one], weight) for one in range(shares.shape[1])]
    return float(np.mean([area for area in areas if not np.isnan(area)] or [np.nan]))


def accuracy(true: Any, predicted: Any, weights: Any = None) -> float:
    """Return the share of rows whose class was predicted.

    Example:
        >>> accuracy([0, 1, 1], [0, 1, 0])
        0.6666666666666666
    """
    true, predicted = np.asarray(true), np.asarray(predicted)
    weight = _weights(weights, predicted, true)
    return float(np.average(true == predicted, weights=weight))


def confusion_matrix(true: Any, predicted: Any, classes: int, weights: Any = None) -> Array:
    """Return ``(classes, classes)``: the weight of the rows for each true class (down) and predicted one (across).

    Raises:
        BadRows: A class is not in ``[0, classes)``.

    Example:
        >>> confusion_matrix([0, 1, 1], [0, 1, 0], 2).tolist()
        [[1.0, 0.0], [1.0, 1.0]]
    """
    true, predicted = np.asarray(true, np.int64), np.asarray(predicted, np.int64)
    weight = _weights(weights, predicted, true)
    if min(true.min(), predicted.min()) < 0 or max(true.max(), predicted.max()) >= classes:
        raise BadRows(f"class numbers are in [0, {classes})")
    found = np.bincount(true * classes + predicted, weight, classes * classes)
    return found.reshape(classes, classes)


def class_figures(confusion: Array) -> list[ClassFigures]:
    """Return precision, recall and F1 of each class.

    Example:
        >>> class_figures(np.array([[1.0, 0.0], [1.0, 1.0]]))[1]
        ClassFigures(precision=1.0, recall=0.5, f1=0.6666666666666666, support=2.0)
    """
    hits, predicted, true = np.diag(confusion), confusion.sum(0), confusion.sum(1)
    precision, recall = _ratio(hits, predicted), _ratio(hits, true)
    f1 = _ratio(2 * hits, predicted + true)
    rows = zip(precision, recall, f1, true, strict=True)
    return [ClassFigures(*(float(number) for number in row)) for row in rows]


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros_like(part, np.float64), where=whole > 0)


def area_under_curve(true: Any, scores: Any, weights: Any = None) -> float:
    """Return the chance that a random row that is has a higher score than one that is not; equal counts half.

    Args:
        true: ``(rows,)``, whether the row is.
        scores: ``(rows,)``.
        weights: How much each row counts; None: 1 each.

    Returns:
        In [0, 1]; NaN where all rows are, or none.

    Source:
        J. A. Hanley and B. J. McNeil, "The Meaning and Use of the Area under a ROC Curve" (1982).

    Example:
        >>> area_under_curve([False, False, True], [0.1, 0.4, 0.3])
        0.5
    """
    true, scores = np.asarray(true, bool), np.asarray(scores)
    weight = _weights(weights, scores, true)
    _, places = np.unique(scores, return_inverse=True)
    yes = np.bincount(places, weight * true)
    no = np.bincount(places, weight * ~true)
    if not yes.sum() or not no.sum():
        return float("nan")
    below = np.cumsum(no) - no
    return float((yes * (below + no / 2)).sum() / (yes.sum() * no.sum()))


def log_loss(true: Any, shares: Any, weights: Any = None) -> float:
    """Return the mean negative log-likelihood of the true classes, in nats; 0 counts as the least float32."""
    true, shares = np.asarray(true, np.int64), np.asarray(shares, np.float64)
    weight = _weights(weights, shares, true)
    chosen = shares[np.arange(len(true)), true]
    return float(np.average(-np.log(np.maximum(chosen, np.finfo(np.float32).tiny)), weights=weight))


def calibration(happened: Any, stated: Any, *, bins: int = 10, weights: Any = None) -> Calibration:
    """Return how far stated probabilities are from what happened, in bins of equal width.

    Args:
        happened: ``(rows,)``, whether it did.
        stated: ``(rows,)``, the probability that was stated, in [0, 1].
        bins: How many, at least 1.
        weights: How much each row counts; None: 1 each.

    Source:
        C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks" (2017).

    Example:
        >>> calibration([True, False, True, True], [0.75, 0.75, 0.75, 0.75]).expected_error
        0.0
    """
    happened, stated = np.asarray(happened, np.float64), np.asarray(stated, np.float64)
    weight = _weights(weights, stated, happened)
    places = np.clip(np.ceil(stated * bins).astype(np.int64) - 1, 0, bins - 1)
    rows = np.bincount(places, weight, bins)
    there = rows > 0
    means = [_ratio(np.bincount(places, weight * one, bins), rows)[there] for one in (stated, happened)]
    error = np.average(np.abs(means[0] - means[1]), weights=rows[there])
    return Calibration(means[0].tolist(), means[1].tolist(), rows[there].tolist(), float(error))


def mean_absolute_error(true: Any, predicted: Any, weights: Any = None) -> float:
    """Return the mean size of the differences.

    Raises:
        BadRows: The shapes differ, or there are no rows.
    """
    true, predicted = _values(true, predicted)
    return float(_mean(np.abs(true - predicted), _weights(weights, predicted, true)))


def root_mean_squared_error(true: Any, predicted: Any, weights: Any = None) -> float:
    """Return the root of the mean squared difference.

    Raises:
        BadRows: The shapes differ, or there are no rows.
    """
    true, predicted = _values(true, predicted)
    return float(np.sqrt(_mean((true - predicted) ** 2, _weights(weights, predicted, true))))


def r_squared(true: Any, predicted: Any, weights: Any = None) -> float:
    """Return the share of the variance that is explained: 1 is perfect, 0 as good as the mean, NaN for one value.

    Raises:
        BadRows: The shapes differ, or there are no rows.

    Example:
        >>> r_squared([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
        1.0
    """
    true, predicted = _values(true, predicted)
    weight = _weights(weights, predicted, true)
    counted = true[weight > 0]
    varies = (counted != counted[:1]).any(0)  # the spread of equal values is rounding, not always 0
    means = np.average(true, axis=0, weights=weight)
    spread = np.average((true - means) ** 2, axis=0, weights=weight)
    error = np.average((true - predicted) ** 2, axis=0, weights=weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(varies & (spread > 0), 1.0 - error / spread, np.nan)
    return float(np.mean(shares))


def _values(true: Any, predicted: Any) -> tuple[Array, Array]:
    """Return values of one shape: rows against a column would give a table of all differences."""
    true, predicted = np.asarray(true, np.float64), np.asarray(predicted, np.float64)
    if true.shape[1:] != predicted.shape[1:]:
        raise BadRows(f"predictions of shape {predicted.shape} for values of shape {true.shape}")
    return true, predicted


def _mean(values: Array, weight: Array) -> float:
    return float(np.mean(np.average(values, axis=0, weights=weight)))


def _weights(weights: Any, predicted: Array, true: Array) -> Array:
    if not len(true) or len(true) != len(predicted):
        raise BadRows(
            f"{len(predicted)} predictions for {len(true)} rows; there is at least one, and as many"
        )
    found = np.ones(len(true)) if weights is None else np.asarray(weights, np.float64)
    if len(found) != len(true):
        raise BadRows(f"{len(found)} weights for {len(true)} rows")
    return found
