"""Models trained on tables as tasks: a row in, labels with scores or a value out."""

__all__ = ("ClassScores", "TabularClassifier", "TabularRegressor", "Value")

import math
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from pulse_ai.core import Failure, InvalidInput, LoadFailed, TargetError, Task
from pulse_ai.frame import FittedRecipe, item_schema
from pulse_ai.hub.answers import Prediction
from pulse_ai.hub.engine import open_session
from pulse_ai.hub.tabular_folder import ModelFacts, TabularKind, read_model_folder

_TOO_LARGE = "a number of this row is too large for the model, or a derived column has no value"


class ClassScores(msgspec.Struct, frozen=True):
    """The answer to one row: labels with scores, best first; the scores of all labels sum to 1."""

    predictions: list[Prediction]


class Value(msgspec.Struct, frozen=True):
    """The answer to one row: the target's value, in the units of the training data."""

    value: float


class _Tabular(Task):
    """What the two tasks have in common: the folder, the engine, and telling bad rows from good ones.

    Args:
        folder: What ``pulse train`` wrote.
        threads: Threads of one call; 1 is best for graphs as small as these.

    Raises:
        ValueError: An argument is out of its range.
    """

    kinds: ClassVar[tuple[TabularKind, ...]]

    def __init__(self, folder: str, *, threads: int = 1) -> None:
        if threads < 0:
            raise ValueError(f"threads must be at least 0, got {threads}")
        self.folder = Path(folder)
        self.threads = threads
        self._facts: ModelFacts | None = None

    def load(self) -> None:
        """Read and check the folder, and start the engine.

        Raises:
            TargetError: It is no folder of a trained model, or of one that answers something else.
            LoadFailed: A file in it is missing, was changed, or cannot be run.
        """
        facts, recipe, graph = read_model_folder(self.folder)
        if facts.task not in self.kinds:
            raise TargetError(
                f"{self.folder} holds a {facts.task} model, which {type(self).__name__} is not for"
            )
        self._session = open_session(graph, self.threads or 1)
        self._recipe = recipe
        self._facts = facts
        self._warm_up()

    def input_schema(self) -> dict[str, Any] | None:
        """Return the schema of a row, made from the columns of the training data."""
        return item_schema(self._loaded().columns)

    def describe(self) -> dict[str, Any]:
        """Return what the model is and was trained on."""
        import onnxruntime

        facts = self._facts
        if facts is None:
            return {}
        return {
            "engine": f"onnxruntime {onnxruntime.__version__} (CPU)",
            "threads": self.threads,
            "source": str(self.folder),
            "task": facts.task,
            "target": facts.target,
            "created": facts.created,
            "features": self._recipe.width,
            "columns": len(self._recipe.columns),
        } | ({"labels": list(facts.labels)} if facts.labels else {})

    def _loaded(self) -> FittedRecipe:
        if self._facts is None:
            raise LoadFailed("the model is not loaded; call load() first")
        return self._recipe

    def _run(self, items: list[dict[str, Any]]) -> tuple[list[Failure | None], NDArray[np.floating]]:
        """Return a failure or None for each row, and the graph's outputs for the good ones, in order."""
        recipe = self._loaded()
        failures: list[Failure | None] = []
        good: list[tuple[list[float], list[int]]] = []
        for item in items:
            try:
                good.append(recipe.encode_row(item))
                failures.append(None)
            except InvalidInput as error:
                failures.append(Failure(str(error), code="invalid_input"))
        encoded = recipe.join_rows(good)
        if not good:
            return failures, np.empty((0, 1), np.float32)
        feeds = {"numbers": encoded.numbers, "codes": encoded.codes}
        return failures, self._session.run(None, feeds)[0]

    def _warm_up(self) -> None:
        """Run the graph once, so that a graph which cannot run is known before the first request."""
        numbers, codes = self._recipe.join_rows([self._recipe.blank_row()])
        try:
            self._session.run(None, {"numbers": numbers, "codes": codes})
        except Exception as error:  # its exceptions share no class but Exception
            raise LoadFailed(f"{self.folder} cannot be run: {error}") from error


class TabularClassifier(_Tabular):
    """Classifies rows with a model that ``pulse train`` wrote, through ONNX Runtime.

    Args:
        folder: What ``pulse train`` wrote.
        threads: Threads of one call; 1 is best for graphs as small as these.
        top_k: How many labels an answer holds, at least 1; None means all of them.

    Raises:
        ValueError: An argument is out of its range.
    """

    kinds = ("binary", "multiclass")

    def __init__(self, folder: str, *, threads: int = 1, top_k: int | None = None) -> None:
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k must be at least 1, got {top_k}")
        super().__init__(folder, threads=threads)
        self.top_k = top_k

    def predict(self, items: list[dict[str, Any]]) -> list[ClassScores | Failure]:
        """Classify each row.

        Args:
            items: Values by column name. A column that may be null may be missing; other keys do not matter.

        Returns:
            Scores, best first, or a ``Failure`` that says what is wrong with a row.
        """
        failures, scores = self._run(items)
        labels = self._facts.labels if self._facts else ()
        order = np.argsort(-scores, axis=1, kind="stable")[:, : self.top_k]
        places: list[list[int]] = order.tolist()
        best: list[list[float]] = np.take_along_axis(scores, order, axis=1).tolist()
        answers = iter(zip(places, best, strict=True))
        return [failure or _scores(labels, *next(answers)) for failure in failures]


def _scores(labels: tuple[str, ...], places: list[int], scores: list[float]) -> ClassScores | Failure:
    if not math.isfinite(scores[0]):  # NaN sorts last, but softmax spreads one to its whole row
        return Failure(_TOO_LARGE, code="invalid_input")
    return ClassScores(
        [Prediction(labels[place], score) for place, score in zip(places, scores, strict=True)]
    )


class TabularRegressor(_Tabular):
    """Predicts a number for each row with a model that ``pulse train`` wrote, through ONNX Runtime.

    Args:
        folder: What ``pulse train`` wrote.
        threads: Threads of one call; 1 is best for graphs as small as these.

    Raises:
        ValueError: An argument is out of its range.
    """

    kinds = ("regression",)

    def predict(self, items: list[dict[str, Any]]) -> list[Value | Failure]:
        """Predict each row's value.

        Args:
            items: Values by column name. A column that may be null may be missing; other keys do not matter.

        Returns:
            The value, or a ``Failure`` that says what is wrong with a row.
        """
        failures, values = self._run(items)
        answers = iter(values[:, 0].tolist())
        return [failure or _value(next(answers)) for failure in failures]


def _value(value: float) -> Value | Failure:
    return Value(value) if math.isfinite(value) else Failure(_TOO_LARGE, code="invalid_input")
