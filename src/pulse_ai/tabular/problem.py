"""What is to be predicted: classes or a number, read off the target column."""

__all__ = ("Problem", "infer_problem", "rows_with_target", "targets_of")

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pulse_ai.frame import Kind, kind_of
from pulse_ai.tabular.errors import TableError

if TYPE_CHECKING:
    import polars as pl

TaskKind = Literal["binary", "multiclass", "regression"]

LEAST_ROWS = 8
"""Rows with a target that training needs at least."""

_MOST_CLASSES = 200
_FEW_NUMBERS = 20  # whole numbers with at most so many values, each about ten times, are classes
_ROWS_A_CLASS = 10
_LARGEST, _LEAST_RANGE = 1e100, 1e-100  # of a target: its squares are still numbers, and not zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What a model is to predict.

    Attributes:
        kind: ``binary``, ``multiclass`` or ``regression``.
        target: The column.
        labels: The classes, in the order of the network's outputs; the second of two is the positive one.
        why: Why it is taken to be of this kind, for a person.
        rows: Rows that have a target.
        left_out: Rows that have none, and are not used.
    """

    kind: TaskKind
    target: str
    labels: tuple[str, ...] = ()
    why: str
    rows: int
    left_out: int


def infer_problem(frame: "pl.DataFrame", target: str, *, kind: TaskKind | None = None) -> Problem:
    """Say what is to be predicted.

    Args:
        frame: The table.
        target: The name of the column.
        kind: What the person says it is; None: it is read off the column.

    Raises:
        TableError: The column is not there, has one value only, has too few rows, or cannot be predicted so.

    Example:
        >>> import polars as pl
        >>> infer_problem(pl.DataFrame({"paid": ["no", "yes"] * 4}), "paid").labels
        ('no', 'yes')
    """
    if target not in frame.columns:
        raise TableError(_no_such_column(frame, target))
    column = rows_with_target(frame, target)[target]
    if len(column) < LEAST_ROWS:
        raise TableError(
            f"{len(column)} rows have a {target!r}; training needs at least {LEAST_ROWS}, and many more to be good"
        )
    if column.dtype.is_float() and column.is_infinite().any():
        raise TableError(f"{target!r} has infinite values; leave those rows out")
    found, why = (kind, "you said so") if kind else _kind(column, target)
    if found == "regression":
        return _regression(frame, column, why)
    labels = _labels(column)
    if len(labels) < 2:
        raise TableError(f"every row has the same {target!r}, {column[0]!r}; there is nothing to learn")
    if len(labels) > _MOST_CLASSES:
        raise TableError(
            f"{target!r} has {len(labels)} classes, at most {_MOST_CLASSES} can be told apart; "
            "group them, or predict a number with --task regression"
        )
    if found == "binary" and len(labels) != 2:
        raise TableError(f"{target!r} has {len(labels)} classes, so the task is multiclass, not binary")
    left_out = len(frame) - len(column)
    kind = "binary" if len(labels) == 2 else "multiclass"
    return Problem(kind=kind, target=target, labels=labels, why=why, rows=len(column), left_out=left_out)


def _no_such_column(frame: "pl.DataFrame", target: str) -> str:
    near = difflib.get_close_matches(target, frame.columns, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(map(repr, frame.columns[:12]))}"
    return f"there is no column {target!r}; {hint}"


def rows_with_target(frame: "pl.DataFrame", target: str) -> "pl.DataFrame":
    """Return the rows whose target is known; NaN counts as unknown."""
    known = frame[target].is_not_null()
    if frame[target].dtype.is_float():
        known &= frame[target].is_not_nan().fill_null(value=False)
    return frame.filter(known)


def _kind(column: "pl.Series", target: str) -> tuple[TaskKind, str]:
    """Return what the values look like, and why."""
    kind: Kind | None = kind_of(column.dtype)
    values, rows = column.n_unique(), len(column)
    if kind in ("text", "boolean"):
        if values > _MOST_CLASSES or (values > rows / 2 and rows > 2 * LEAST_ROWS):
            raise TableError(
                f"{target!r} is text with {values} different values in {rows} rows: names or free text, "
                "which are not classes; choose another --target"
            )
        return "multiclass", f"{target} has {values} different {'texts' if kind == 'text' else 'values'}"
    if kind in ("integer", "number"):
        whole = kind == "integer" or bool((column == column.round(0)).all())
        if values == 2 and whole:
            return "binary", f"{target} has two values"
        if kind == "integer" and values <= min(_FEW_NUMBERS, rows / _ROWS_A_CLASS):
            return "multiclass", f"{target} has only {values} different whole numbers"
        return "regression", f"{target} is a number with {values} different values"
    raise TableError(f"{target!r} is a {kind or column.dtype}; a model predicts texts, booleans or numbers")


def _regression(frame: "pl.DataFrame", column: "pl.Series", why: str) -> Problem:
    if kind_of(column.dtype) not in ("integer", "number"):
        raise TableError(f"{column.name!r} is {kind_of(column.dtype)}, and regression predicts numbers")
    if column.n_unique() < 2:
        raise TableError(f"every row has the same {column.name!r}, {column[0]}; there is nothing to learn")
    values = column.to_numpy()
    low, high = float(values.min()), float(values.max())
    if max(-low, high) > _LARGEST or high - low < _LEAST_RANGE:
        raise TableError(
            f"{column.name!r} goes from {low:g} to {high:g}: too large, or too close to each other, to compute "
            "with; choose another unit"
        )
    return Problem(
        kind="regression", target=column.name, why=why, rows=len(column), left_out=len(frame) - len(column)
    )


def _labels(column: "pl.Series") -> tuple[str, ...]:
    """Return the classes as text: numbers by size, texts by the alphabet."""
    return tuple(_label(value) for value in column.unique().drop_nulls().sort().to_list())


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def targets_of(frame: "pl.DataFrame", problem: Problem) -> np.ndarray[Any, Any]:
    """Return the targets: class numbers as int32, or values as float64, one for each row.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"n": [True, False] * 4})
        >>> targets_of(frame, infer_problem(frame, "n"))[:2]
        array([1, 0], dtype=int32)
    """
    column = frame[problem.target]
    if problem.kind == "regression":
        return column.to_numpy().astype(np.float64)
    places = {label: place for place, label in enumerate(problem.labels)}
    return np.array([places[_label(value)] for value in column.to_list()], np.int32)
