"""A fitted scikit-learn estimator behind one narrow class: features in, estimates out."""

__all__ = ("SklearnModel",)

import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pulse_ai.core import Failure, InvalidInput, LoadFailed, TargetError
from pulse_ai.hub.estimators.answers import answers_of, best_first, name_classes, refused
from pulse_ai.hub.estimators.columns import Cell, Columns
from pulse_ai.hub.estimators.fitted import columns_of, needs_frame, structure_of, takes_text
from pulse_ai.hub.estimators.rows import Estimate
from pulse_ai.hub.estimators.tables import FrameLibrary, find_frame_library, frame_of, group_rows, matrix_of
from pulse_ai.hub.halving import answer_by_halves


class SklearnModel:
    """Predicts with an estimator.

    Args:
        estimator: Fitted, with a ``predict``.
        source: What the person calls it; for errors.
        top_k: Most classes in an answer; None means all.

    Raises:
        TargetError: It has no ``predict``, or is not fitted.
        LoadFailed: It needs a data frame, and there is no library for one.

    Attributes:
        columns: The columns that it was fitted on; None where it was not fitted on columns.
        takes_text: Whether, without columns, it takes texts.
    """

    def __init__(self, estimator: Any, source: str, top_k: int | None = None) -> None:
        _check(estimator, source)
        self._estimator = estimator
        self._top_k = top_k
        self.columns = columns_of(estimator)
        self.takes_text = self.columns is None and takes_text(estimator)
        self._frame: FrameLibrary | None = None
        if needs_frame(estimator):
            self._frame = _open_frame_library(self.columns, source)
        self._scores = getattr(estimator, "predict_proba", None)
        self._classes = None if self._scores is None else getattr(estimator, "classes_", None)

    def read(self, features: Any) -> Any:
        """Return one row's features as ``answer`` takes them.

        Raises:
            InvalidInput: They are not what the model takes.
        """
        if self.columns is not None:
            return self.columns.read(features)
        if self.takes_text and not isinstance(features, str):
            raise InvalidInput(f"features must be a text, got a {type(features).__name__}")
        return features

    def answer(self, rows: Sequence[Any]) -> list[Estimate | Failure]:
        """Predict rows together; where scikit-learn turns them down, find the row that is at fault by halves."""
        unusable = (ValueError, TypeError)  # scikit-learn says so of values
        return answer_by_halves(rows, self._answer_alike, turned_down=unusable, refused=refused)

    def facts(self) -> dict[str, Any]:
        """Return what a person would like to know of the model."""
        import sklearn

        found: dict[str, Any] = {
            "engine": f"scikit-learn {sklearn.__version__}",
            "estimator": structure_of(self._estimator),
        }
        if self.columns is not None:
            found["features"] = len(self.columns.all)
            found["columns"] = list(self.columns.names)
        if self._frame is not None:
            found["frame"] = self._frame
        if self._classes is not None:
            found["classes"] = name_classes(self._classes)
        return found

    def _answer_alike(self, rows: Sequence[Any]) -> list[Estimate | Failure]:
        """Answer in as few calls as there are kinds of rows; almost always that is one."""
        if self.columns is None:
            return self._predict(list(rows))
        answers: list[Estimate | Failure | None] = [None] * len(rows)
        for group in group_rows(self.columns, rows):
            table = self._table([rows[number] for number in group])
            for number, answer in zip(group, self._predict(table), strict=True):
                answers[number] = answer
        return [answer for answer in answers if answer is not None]

    def _table(self, rows: Sequence[list[Cell]]) -> Any:
        assert self.columns is not None  # noqa: S101 - the caller looked
        if self._frame is not None:
            return frame_of(self.columns, rows, self._frame)
        return matrix_of(self.columns, rows)

    def _predict(self, table: Any) -> list[Estimate | Failure]:
        with warnings.catch_warnings():
            # a model that was fitted on a frame gets a matrix where its names do not matter
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            labels = np.asarray(self._estimator.predict(table))
            scores = None if self._scores is None else self._scores(table)
        if isinstance(scores, list):
            return self._several(labels, cast("list[Any]", scores))
        ranked = None if scores is None else self._rank(np.asarray(scores), self._classes)
        return answers_of(labels, predictions=ranked)

    def _several(self, labels: NDArray[Any], scores: list[Any]) -> list[Estimate | Failure]:
        """Answer for a model that has several outputs, each with classes of its own."""
        classes = self._classes or [None] * len(scores)
        ranked = [self._rank(np.asarray(part), known) for part, known in zip(scores, classes, strict=True)]
        if any(part is None for part in ranked):
            return answers_of(labels)
        rows = [list(row) for row in zip(*(part for part in ranked if part is not None), strict=True)]
        return answers_of(labels, outputs=rows)

    def _rank(self, scores: NDArray[Any], classes: Any) -> Any:
        if classes is None or scores.ndim != 2 or scores.shape[1] != len(classes):
            return None
        return best_first(scores, name_classes(classes), self._top_k)


def _check(estimator: Any, source: str) -> None:
    """Refuse what cannot predict."""
    if not hasattr(estimator, "predict"):
        raise TargetError(
            f"{source} holds a {type(estimator).__name__}, which has no predict; serve an estimator that has"
        )
    from sklearn.exceptions import NotFittedError
    from sklearn.utils import validation

    if not type(estimator).__module__.startswith("sklearn."):
        return  # somebody else's may be fitted in a way that scikit-learn does not see
    try:
        validation.check_is_fitted(estimator)
    except NotFittedError as error:
        raise TargetError(f"{source} holds a {type(estimator).__name__} that is not fitted") from error


def _open_frame_library(columns: Columns | None, source: str) -> FrameLibrary:
    """Return the library, imported, so that the first request does not wait for that."""
    library = find_frame_library()
    if library is None:
        raise LoadFailed(
            f"{source} was fitted on a data frame and may look up columns by name, which takes a data frame; "
            "install pandas or polars"
        )
    if columns is not None:
        frame_of(columns, [[None] * len(columns.all)], library)
    return library
