"""The task: a row of features in, what a scikit-learn model predicts out."""

__all__ = ("FORMATS", "Estimator")

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from pulse_ai.core import Failure, InvalidInput, LoadFailed, TargetError, Task, available_cores
from pulse_ai.hub.cache import content_digest
from pulse_ai.hub.estimators.columns import Columns
from pulse_ai.hub.estimators.onnx_model import OnnxModel
from pulse_ai.hub.estimators.pickle_files import read_pickle
from pulse_ai.hub.estimators.rows import Estimate, Row
from pulse_ai.hub.estimators.sklearn_model import SklearnModel
from pulse_ai.hub.estimators.skops_files import read_skops

FORMATS = {".skops": "skops", ".onnx": "ONNX", ".joblib": "pickle", ".pkl": "pickle", ".pickle": "pickle"}
"""What a file is, by the end of its name."""

_MOST_FACTS = 200  # columns or classes that are listed for people

_log = logging.getLogger(__name__)


class Estimator(Task):
    """Serves a fitted scikit-learn model from a file.

    Building one only checks the arguments; ``load`` reads the file, in the worker.

    Args:
        source: A file: ``.skops`` (``skops.io.dump``), ``.onnx`` (``sklearn_to_onnx``, ``skl2onnx``), or
            ``.joblib``, ``.pkl``, ``.pickle`` with ``trust_pickle``.
        trust_types: Full names of types in a skops file that may be built beyond those that skops trusts.
        trust_pickle: Whether a pickle may be opened, which runs whatever code is in it.
        top_k: Most classes in an answer, at least 1; None means all.
        threads: Threads of one call; 0 means one for each core that the process may use, None means 1 for ONNX
            and what scikit-learn takes by itself else.

    Raises:
        ValueError: A number is out of its range.
        TargetError: The file's name says nothing of its format.

    Example:
        >>> import tempfile
        >>> import numpy as np, skops.io
        >>> from sklearn.linear_model import LinearRegression
        >>> path = Path(tempfile.mkdtemp()) / "line.skops"
        >>> skops.io.dump(LinearRegression().fit(np.array([[0.0], [1.0]]), [0.0, 2.0]), path)
        >>> task = Estimator(str(path))
        >>> task.load()
        >>> [round(answer.prediction, 6) for answer in task.predict([Row([2.5])])]
        [5.0]
    """

    def __init__(
        self,
        source: str,
        *,
        trust_types: Sequence[str] = (),
        trust_pickle: bool = False,
        top_k: int | None = None,
        threads: int | None = None,
    ) -> None:
        for name, number, least in (("top_k", top_k, 1), ("threads", threads, 0)):
            if number is not None and number < least:
                raise ValueError(f"{name} must be at least {least}, got {number}")
        self._path = Path(source).expanduser()
        if self._path.suffix.lower() not in FORMATS:
            raise TargetError(f"{source!r} must end with one of {', '.join(FORMATS)}")
        self._trust_types = tuple(trust_types)
        self._trust_pickle = trust_pickle
        self._top_k = top_k
        self._threads = available_cores() if threads == 0 else threads
        self._model: SklearnModel | OnnxModel | None = None
        self._facts: dict[str, Any] = {}

    def load(self) -> None:
        """Read the file and get the model ready to answer.

        Raises:
            TargetError: There is no such file, it holds what is not trusted, or no model that predicts.
            LoadFailed: The file is damaged, or a library that it needs is not installed.
        """
        if not self._path.is_file():
            raise TargetError(f"there is no file {str(self._path)!r}")
        self.report_progress(None, f"reading {self._path.name}")
        facts = {"source": self._path.name, "format": FORMATS[self._path.suffix.lower()]}
        model, more = self._open()
        self._facts = facts | {"digest": content_digest([self._path])} | _shortened(model.facts()) | more
        self._model = model

    def predict(self, items: list[Row]) -> list[Estimate | Failure]:
        """Predict from each row.

        Returns:
            An estimate with the row's own ``ref``, or a ``Failure`` for a row that the model does not take.
        """
        model = self._loaded()
        read: list[Any] = []
        answers: list[Estimate | Failure | None] = [None] * len(items)
        good: list[int] = []
        for number, item in enumerate(items):
            try:
                read.append(model.read(item.features))
                good.append(number)
            except InvalidInput as error:
                answers[number] = Failure(str(error), code="invalid_input")
        for number, answer in zip(good, model.answer(read) if read else [], strict=True):
            answers[number] = _with_ref(answer, items[number])
        return [answer for answer in answers if answer is not None]

    def input_schema(self) -> dict[str, Any]:
        """Return the schema of a row, with the columns that the file names."""
        model = self._loaded()
        schema = msgspec.json.schema(Row)["$defs"]["Row"]
        features = _features_schema(model.columns, text=model.takes_text)
        properties = schema["properties"] | {"features": features}
        return schema | {"description": "One row to predict from.", "properties": properties}

    def describe(self) -> dict[str, Any]:
        """Return the model's class, columns, classes, and the versions that it was made and is run with."""
        return self._facts

    def _loaded(self) -> SklearnModel | OnnxModel:
        if self._model is None:
            raise LoadFailed("the model is not loaded; call load() first")
        return self._model

    def _open(self) -> tuple[SklearnModel | OnnxModel, dict[str, Any]]:
        """Return the model, and facts about how it was read."""
        if FORMATS[self._path.suffix.lower()] == "ONNX":
            return OnnxModel(self._path, self._threads or 1, self._top_k), {}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if FORMATS[self._path.suffix.lower()] == "skops":
                estimator = read_skops(self._path, self._trust_types)
            else:
                estimator = read_pickle(self._path, trust_pickle=self._trust_pickle)
        facts = _version_facts([warning.message for warning in caught])
        if self._trust_types:
            facts["trusted_types"] = list(self._trust_types)
        if self._threads is not None:
            _limit_threads(self._threads)
        return SklearnModel(estimator, self._path.name, self._top_k), facts


def _with_ref(answer: Estimate | Failure, item: Row) -> Estimate | Failure:
    if item.ref is msgspec.UNSET or isinstance(answer, Failure):
        return answer
    return msgspec.structs.replace(answer, ref=item.ref)


def _features_schema(columns: Columns | None, *, text: bool) -> dict[str, Any]:
    if columns is not None:
        return columns.schema()
    return {"type": "string"} if text else {}


def _version_facts(said: Sequence[Warning | str]) -> dict[str, Any]:
    """Say in the log what was warned of while a file was read, each thing once; return the version it is from."""
    for text in dict.fromkeys(str(warning) for warning in said):
        _log.warning("%s", " ".join(text.split()))
    made_with = {getattr(warning, "original_sklearn_version", None) for warning in said} - {None}
    return {"fitted_with": f"scikit-learn {', '.join(sorted(map(str, made_with)))}"} if made_with else {}


def _limit_threads(threads: int) -> None:
    """Bound the threads of BLAS and OpenMP for as long as the process lasts."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=threads)


def _shortened(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts with long lists cut: they are for people."""
    return {name: value[:_MOST_FACTS] if isinstance(value, list) else value for name, value in facts.items()}
