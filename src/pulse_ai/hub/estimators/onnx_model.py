"""A classical model in an ONNX file behind the same narrow class as an estimator: features in, estimates out.

It reads what ``skl2onnx`` writes: one input of shape (rows, columns), or one of shape (rows, 1) for each
column; first the predictions, then the probabilities. What ONNX does not say (names, classes, whether a value
may be missing) ``sklearn_to_onnx`` puts beside the graph, under ``METADATA_KEY``.
"""

__all__ = ("METADATA_KEY", "ColumnFacts", "ModelFacts", "OnnxModel")

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from pulse_ai.core import Failure, InvalidInput, LoadFailed, TargetError
from pulse_ai.hub.engine import open_session
from pulse_ai.hub.estimators.answers import answers_of, best_first, refused
from pulse_ai.hub.estimators.columns import Cell, Column, Columns, Kind
from pulse_ai.hub.estimators.rows import Estimate
from pulse_ai.hub.halving import answer_by_halves

METADATA_KEY = "pulse_ai.estimator"

_DTYPES: dict[str, type] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(string)": object,
}


class ColumnFacts(msgspec.Struct, frozen=True):
    """One column, as it is kept beside the graph."""

    name: str | None = None
    used: bool = True
    nullable: bool = False


class ModelFacts(msgspec.Struct, frozen=True):
    """What is kept beside the graph, as JSON."""

    columns: list[ColumnFacts]
    classes: list[str | int | float | bool] | None = None
    estimator: str = ""
    scikit_learn: str = ""


class _Input(NamedTuple):
    """An input of the graph."""

    name: str
    dtype: type
    width: int


class _TurnedDownError(Exception):
    """The graph did not run on these rows."""


class OnnxModel:
    """Predicts with a graph.

    Args:
        path: The file.
        threads: Threads of one call; 1 is best for small models.
        top_k: Most classes in an answer; None means all.

    Raises:
        LoadFailed: The file is not an ONNX graph that runs here.
        TargetError: The graph does not take rows of columns.

    Attributes:
        columns: Its columns, named where the file says how.
        takes_text: False; a graph takes columns.
    """

    takes_text = False

    def __init__(self, path: Path, threads: int = 1, top_k: int | None = None) -> None:
        self._session = open_session(path, threads)
        self._top_k = top_k
        self._inputs = _inputs(self._session, path)
        self._facts = _kept_facts(self._session, path)
        self.columns = _columns(self._inputs, self._facts, path)
        self._dtypes = _dtypes(self._inputs, self.columns)

    def read(self, features: Any) -> list[Cell]:
        """Return one row's values.

        Raises:
            InvalidInput: They are not what the graph takes.
        """
        values = self.columns.read(features)
        for number, (dtype, value) in enumerate(zip(self._dtypes, values, strict=True)):
            if isinstance(value, float | int) and not _fits(dtype, value):
                called = self.columns.all[number].called(number)
                raise InvalidInput(f"{called} must fit into {dtype.__name__}, got {value:g}")
        return values

    def answer(self, rows: Sequence[list[Cell]]) -> list[Estimate | Failure]:
        """Predict rows together; where the graph turns them down, find the row that is at fault by halves.

        Raises:
            LoadFailed: The graph does not answer each row.
        """
        return answer_by_halves(rows, self._answer_together, turned_down=_TurnedDownError, refused=refused)

    def _answer_together(self, rows: Sequence[list[Cell]]) -> list[Estimate | Failure]:
        try:
            labels, *rest = self._session.run(None, self._feeds(rows))
        except Exception as error:  # its exceptions share no class but Exception
            raise _TurnedDownError(str(error)) from error
        if np.shape(labels)[:1] != (len(rows),):
            raise LoadFailed(
                f"the graph answers {len(rows)} rows with shape {np.shape(labels)}; its first output must have a "
                "row for each"
            )
        predictions = self._rank(rest[0], len(rows)) if rest else None
        return answers_of(np.asarray(labels), predictions=predictions)

    def facts(self) -> dict[str, Any]:
        """Return what a person would like to know of the model."""
        import onnxruntime

        meta = self._session.get_modelmeta()
        kept = self._facts
        return {
            "engine": f"onnxruntime {onnxruntime.__version__} (CPU)",
            "estimator": kept.estimator if kept else "unknown",
            "made_by": f"{meta.producer_name} {kept.scikit_learn and f'from scikit-learn {kept.scikit_learn}'}"
            if kept
            else meta.producer_name,
            "features": len(self.columns.all),
            "columns": list(self.columns.names),
            **({"classes": list(kept.classes)} if kept and kept.classes else {}),
        }

    def _feeds(self, rows: Sequence[list[Cell]]) -> dict[str, NDArray[Any]]:
        used = [number for number, column in enumerate(self.columns.all) if column.used]
        feeds: dict[str, NDArray[Any]] = {}
        begin = 0
        for slot in self._inputs:
            places = used[begin : begin + slot.width]
            begin += slot.width
            feeds[slot.name] = np.array([[row[place] for place in places] for row in rows], slot.dtype)
        return feeds

    def _rank(self, scores: Any, rows: int) -> Any:
        if isinstance(scores, list):  # a map for each row, as skl2onnx does it unless it is told not to
            maps = cast("list[dict[Any, float]]", scores)
            labels = list(maps[0])
            table = np.array([[row[label] for label in labels] for row in maps])
            return best_first(table, labels, self._top_k)
        classes = self._facts.classes if self._facts else None
        if classes is None or scores.shape != (rows, len(classes)):
            return None
        return best_first(scores, classes, self._top_k)


def _inputs(session: Any, path: Path) -> list[_Input]:
    found: list[_Input] = []
    slots = session.get_inputs()
    for slot in slots:
        shape = list(slot.shape)
        if slot.type not in _DTYPES or len(shape) != 2 or not isinstance(shape[1], int):
            raise TargetError(
                f"{path.name} takes {slot.name} as {slot.type} of shape {shape}; an ONNX model of rows takes "
                "numbers or text of shape (rows, columns). Serve another graph from a Task of your own"
            )
        found.append(_Input(str(slot.name), _DTYPES[slot.type], shape[1]))
    return found


def _kept_facts(session: Any, path: Path) -> ModelFacts | None:
    kept = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    try:
        return None if kept is None else msgspec.json.decode(kept, type=ModelFacts)
    except msgspec.MsgspecError as error:
        raise LoadFailed(
            f"{path.name} has facts under {METADATA_KEY} that cannot be read: {error}"
        ) from error


def _columns(inputs: list[_Input], facts: ModelFacts | None, path: Path) -> Columns:
    kinds: list[Kind] = [
        "text" if slot.dtype is object else "number" for slot in inputs for _ in range(slot.width)
    ]
    if facts is None:
        named = len(inputs) > 1
        names = [slot.name if named else None for slot in inputs for _ in range(slot.width)]
        return Columns([Column(name, kind, nullable=False) for name, kind in zip(names, kinds, strict=True)])
    used = sum(column.used for column in facts.columns)
    if used != len(kinds):
        raise LoadFailed(f"{path.name} names {used} columns that are used, but its graph takes {len(kinds)}")
    waiting = iter(kinds)
    return Columns(
        [
            Column(column.name, next(waiting) if column.used else None, column.used, column.nullable)
            for column in facts.columns
        ]
    )


def _dtypes(inputs: list[_Input], columns: Columns) -> list[type]:
    """Return the type of each column; ``object`` for one that the graph does not look at."""
    waiting = iter([slot.dtype for slot in inputs for _ in range(slot.width)])
    return [next(waiting) if column.used else object for column in columns.all]


def _fits(dtype: Any, value: float) -> bool:
    if dtype is object:
        return True
    if np.dtype(dtype).kind == "i":
        bounds = np.iinfo(dtype)
        return value == int(value) and int(bounds.min) <= value <= int(bounds.max)
    return abs(value) <= float(np.finfo(dtype).max)
