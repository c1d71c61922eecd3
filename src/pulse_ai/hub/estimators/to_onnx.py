"""From a fitted estimator to an ONNX file that answers alike, or to an error: never to a file that does not."""

__all__ = ("Converted", "sklearn_to_onnx")

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from pulse_ai.core import Failure, TargetError
from pulse_ai.hub.estimators.columns import Cell, Columns
from pulse_ai.hub.estimators.fitted import needs_frame, structure_of
from pulse_ai.hub.estimators.onnx_model import METADATA_KEY, ColumnFacts, ModelFacts, OnnxModel
from pulse_ai.hub.estimators.rows import Estimate
from pulse_ai.hub.estimators.sklearn_model import SklearnModel


class Converted(NamedTuple):
    """What a conversion came to.

    Attributes:
        path: The file.
        rows: How many rows were compared.
        max_difference: The greatest difference of any probability or predicted number, relative to the
            number where that is above 1.
        nullable: Names (or numbers) of the columns in which a missing value is answered alike.
    """

    path: Path
    rows: int
    max_difference: float
    nullable: tuple[str | int, ...]


def sklearn_to_onnx(
    estimator: Any, example: Any, path: str | Path, *, max_difference: float = 1e-4
) -> Converted:
    """Write an estimator as ONNX, after comparing both on every example row.

    The graph computes in float32. Missing values are allowed in those columns in which both answer the first
    example row alike without a value.

    Args:
        estimator: Fitted on columns.
        example: Rows like those that will come: a matrix, a data frame, or a list of features.
        path: Where to write; an existing file is replaced only by one that agrees.
        max_difference: Most that a probability or number may differ, relative where it is above 1.

    Raises:
        TargetError: The estimator has a part that cannot be converted, or the two do not agree: another class,
            or a greater difference. Nothing is written.

    Example:
        >>> import tempfile
        >>> from sklearn.linear_model import LinearRegression
        >>> line = LinearRegression().fit(np.array([[0.0], [1.0]]), [0.0, 2.0])
        >>> converted = sklearn_to_onnx(line, [[0.5], [3.0]], Path(tempfile.mkdtemp()) / "line.onnx")
        >>> converted.rows, converted.max_difference < 1e-6
        (2, True)
    """
    path = Path(path)
    name = type(estimator).__name__
    ours = SklearnModel(estimator, name)
    if ours.columns is None:
        raise TargetError(f"a {name} that was not fitted on columns cannot be converted; serve it as skops")
    rows = [ours.columns.read(features) for features in _features(example)]
    if not rows:
        raise TargetError("the example has no rows; give some like those that will come")
    model = _convert(estimator, ours.columns)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        _save(model, unfinished, _facts(estimator, ours, nullable=True))
        theirs = OnnxModel(unfinished)
        difference = _compared(ours.answer(rows), theirs.answer(rows), name, max_difference)
        nullable = _nullable(ours, theirs, rows[0], max_difference)
        _save(model, unfinished, _facts(estimator, ours, nullable=nullable))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    named = ours.columns.names
    return Converted(
        path, len(rows), difference, tuple(named[number] if named else number for number in sorted(nullable))
    )


def _features(example: Any) -> Iterable[Any]:
    if hasattr(example, "columns"):
        import narwhals.stable.v2 as nw

        return nw.from_native(example, eager_only=True).rows(named=True)
    return example


def _convert(estimator: Any, columns: Columns) -> Any:
    try:
        import skl2onnx
    except ImportError as error:
        raise TargetError(
            f"conversion needs skl2onnx ({error}); install it with pip install 'pulse-ai[sklearn]'"
        ) from error
    from sklearn import base

    options = {id(estimator): {"zipmap": False}} if base.is_classifier(estimator) else None
    try:
        return skl2onnx.convert_sklearn(
            estimator, initial_types=_initial_types(columns, by_name=needs_frame(estimator)), options=options
        )
    except Exception as error:  # its errors share no class, and a part it does not know can raise anything
        first = (str(error).strip().splitlines() or [""])[0]
        raise TargetError(
            f"{structure_of(estimator)} cannot be converted to ONNX: {type(error).__name__}: {first}; "
            "serve it as skops"
        ) from error


def _initial_types(columns: Columns, *, by_name: bool) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    used = [column for column in columns.all if column.used]
    unknown = [column.name for column in used if column.kind is None]
    if unknown:
        raise ValueError(f"it does not say what the columns hold ({unknown[0]!r} and others)")
    types = {"number": FloatTensorType, "text": StringTensorType}
    if by_name:
        return [(str(column.name), types[column.kind or "number"]([None, 1])) for column in used]
    kinds = {column.kind or "number" for column in used}
    if len(kinds) != 1:
        raise ValueError("a matrix with numbers and text has no ONNX type; fit it on a data frame")
    return [("X", types[kinds.pop()]([None, len(columns.all)]))]


def _save(model: Any, path: Path, facts: ModelFacts) -> None:
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, msgspec.json.encode(facts).decode()
    path.write_bytes(model.SerializeToString())


def _facts(estimator: Any, ours: SklearnModel, *, nullable: set[int] | bool) -> ModelFacts:
    import sklearn

    assert ours.columns is not None  # noqa: S101 - the caller looked
    columns = [
        ColumnFacts(column.name, column.used, nullable if isinstance(nullable, bool) else number in nullable)
        for number, column in enumerate(ours.columns.all)
    ]
    return ModelFacts(columns, ours.facts().get("classes"), structure_of(estimator), sklearn.__version__)


def _nullable(ours: SklearnModel, theirs: OnnxModel, row: list[Cell], most: float) -> set[int]:
    """Return the columns in which a missing value is answered, and answered alike."""
    numbers = [
        place for place, column in enumerate(theirs.columns.all) if column.used and column.kind == "number"
    ]
    rows = [[None if place == number else value for place, value in enumerate(row)] for number in numbers]
    if not rows:
        return set()
    pairs = zip(numbers, ours.answer(rows), theirs.answer(rows), strict=True)
    return {
        number
        for number, one, other in pairs
        if isinstance(one, Estimate) and isinstance(other, Estimate) and _difference(one, other) <= most
    }


def _compared(
    ours: Sequence[Estimate | Failure], theirs: Sequence[Estimate | Failure], name: str, most: float
) -> float:
    """Return the greatest difference.

    Raises:
        TargetError: It is over the limit; the text has the numbers.
    """
    differences = [
        _difference(one, other)
        if isinstance(one, Estimate) and isinstance(other, Estimate)
        else _unless_both(one, other)
        for one, other in zip(ours, theirs, strict=True)
    ]
    unlike = sum(not difference <= most for difference in differences)
    if unlike:
        raise TargetError(
            f"the ONNX form of {name} answers {unlike} of {len(differences)} example rows otherwise "
            f"(greatest difference {max(differences):.3g}, limit {most:g}); serve it as skops"
        )
    return max(differences)


def _unless_both(one: Estimate | Failure, other: Estimate | Failure) -> float:
    """Return how far apart two answers are of which at least one is a failure."""
    return 0.0 if isinstance(one, Failure) and isinstance(other, Failure) else math.inf


def _difference(one: Estimate, other: Estimate) -> float:
    """Return how far apart two estimates are; infinite where the class is another."""
    ours, theirs = np.atleast_1d(np.asarray(one.prediction)), np.atleast_1d(np.asarray(other.prediction))
    if ours.shape != theirs.shape:
        return math.inf
    if ours.dtype.kind != "f":
        if ours.tolist() != theirs.tolist():
            return math.inf
        worst = 0.0
    else:
        worst = float(np.max(np.abs(ours - theirs) / np.maximum(1.0, np.abs(ours))))
    scores = {scored.label: scored.score for scored in other.predictions}
    if scores.keys() != {scored.label for scored in one.predictions}:
        return math.inf
    return max([worst, *(abs(scored.score - scores[scored.label]) for scored in one.predictions)])
