"""From arrays of labels and probabilities to one answer a row."""

__all__ = ("Ranked", "answers_of", "best_first", "name_classes", "refused")

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pulse_ai.core import Failure
from pulse_ai.hub.estimators.rows import Estimate, OutputScores, ScoredLabel, Value

Ranked = list[ScoredLabel] | None
"""One row's classes, best first; None where a score of it is not finite."""

_MOST_ERROR = 300  # characters of what a model says of a row
_NOT_FINITE = Failure("the model has no finite answer for this row")


def name_classes(classes: Any) -> list[Any]:
    """Return an estimator's classes as plain values; a list of lists where it has several outputs.

    Example:
        >>> name_classes(np.array(["no", "yes"]))
        ['no', 'yes']
    """
    if isinstance(classes, list):
        parts = cast("list[Any]", classes)
        return [name_classes(part) if isinstance(part, np.ndarray) else part for part in parts]
    return np.asarray(classes).tolist()


def best_first(scores: NDArray[Any], labels: Sequence[Value], top_k: int | None = None) -> list[Ranked]:
    """Return each row's classes from the best score down; equal scores keep the classes' order.

    Args:
        scores: Of shape (rows, classes).
        labels: The classes.
        top_k: Most classes in a row; None means all.

    Example:
        >>> best_first(np.array([[0.25, 0.75]]), ["no", "yes"], 1)
        [[ScoredLabel(label='yes', score=0.75)]]
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
    places: list[list[int]] = order.tolist()
    best: list[list[float]] = np.take_along_axis(scores, order, axis=1).tolist()
    finite = np.asarray(np.isfinite(scores).all(axis=1)).tolist()
    return [
        [ScoredLabel(labels[number], score) for number, score in zip(numbers, row, strict=True)]
        if good
        else None
        for numbers, row, good in zip(places, best, finite, strict=True)
    ]


def refused(error: Exception) -> Failure:
    r"""Return the answer to a row that a model turned down, with the first line of what it said.

    Example:
        >>> refused(ValueError("no category 'x'\nmore")).why
        "no category 'x'"
    """
    lines = str(error).strip().splitlines() or ["the model refused this row"]
    return Failure(lines[0][:_MOST_ERROR], code="invalid_input")


def answers_of(
    labels: NDArray[Any],
    *,
    predictions: Sequence[Ranked] | None = None,
    outputs: Sequence[list[Ranked]] | None = None,
) -> list[Estimate | Failure]:
    """Return one answer for each row.

    Args:
        labels: What ``predict`` gave: of shape (rows,) or (rows, outputs).
        predictions: Each row's classes.
        outputs: Each row's classes, for each output.

    Returns:
        An estimate, or a ``Failure`` where a number in it is not finite.

    Example:
        >>> one, other = answers_of(np.array([1.5, np.nan]))
        >>> one.prediction, other
        (1.5, Failure(why='the model has no finite answer for this row'))
    """
    finite = _finite_rows(labels)
    answers: list[Estimate | Failure] = []
    for number, label in enumerate(labels.tolist()):
        ranked = [] if predictions is None else predictions[number]
        several = [] if outputs is None else outputs[number]
        if not finite[number] or ranked is None or None in several:
            answers.append(_NOT_FINITE)
        else:
            each = [OutputScores(part) for part in several if part is not None]
            answers.append(Estimate(prediction=_squeezed(label), predictions=ranked, outputs=each))
    return answers


def _squeezed(label: Any) -> Any:
    """Return the one output of a model that gives lists of one, as some regressors do."""
    return label[0] if isinstance(label, list) and len(label) == 1 else label  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]


def _finite_rows(labels: NDArray[Any]) -> Any:
    if labels.dtype.kind not in "fc":
        return np.ones(len(labels), bool)
    return np.isfinite(labels.reshape(len(labels), -1)).all(axis=1)
