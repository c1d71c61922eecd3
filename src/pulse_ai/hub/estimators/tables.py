"""From rows to what ``predict`` takes: a matrix, a matrix of objects, or a data frame.

What a row becomes must not depend on its batch-mates. Where the model says what a column holds, it is always made
into that. Where it does not, rows are put together with rows that have the same kinds of values there.
"""

__all__ = ("FrameLibrary", "find_frame_library", "frame_of", "group_rows", "matrix_of")

import importlib.util
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pulse_ai.hub.estimators.columns import Cell, Columns, Kind

FrameLibrary = Literal["pandas", "polars"]

_LIBRARIES: tuple[FrameLibrary, ...] = ("pandas", "polars")


def find_frame_library() -> FrameLibrary | None:
    """Return the data frame library of this machine: pandas if it is there, else Polars, else None."""
    return next((name for name in _LIBRARIES if importlib.util.find_spec(name)), None)


def group_rows(columns: Columns, rows: Sequence[list[Cell]]) -> list[list[int]]:
    """Return the numbers of the rows that can go into one table, for each table.

    Example:
        >>> from pulse_ai.hub.estimators.columns import Column
        >>> group_rows(Columns([Column(kind=None)]), [["a"], [1.0], ["b"]])
        [[0, 2], [1]]
    """
    unknown = [number for number, column in enumerate(columns.all) if column.kind is None and column.used]
    if not unknown:
        return [list(range(len(rows)))]
    groups: dict[tuple[type, ...], list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(tuple(type(row[place]) for place in unknown), []).append(number)
    return list(groups.values())


def matrix_of(columns: Columns, rows: Sequence[list[Cell]]) -> NDArray[Any]:
    """Return rows as float64 with NaN where a value is missing, or as objects where there is text.

    Example:
        >>> from pulse_ai.hub.estimators.columns import Column
        >>> matrix_of(Columns([Column(), Column()]), [[1.0, None]])
        array([[ 1., nan]])
    """
    if all(_kind_in(columns, rows, place) == "number" for place in range(len(columns.all))):
        return np.array(rows, np.float64)
    table = np.empty((len(rows), len(columns.all)), object)
    for place in range(len(columns.all)):
        table[:, place] = _texts_or_numbers(columns, rows, place)
    return table


def frame_of(columns: Columns, rows: Sequence[list[Cell]], library: FrameLibrary) -> Any:
    """Return rows as a data frame with the columns' names: float64, and text as the library has it."""
    import narwhals.stable.v2 as nw

    content: dict[str, Any] = {}
    texts: list[str] = []
    for place, name in enumerate(columns.names):
        if _kind_in(columns, rows, place) == "number":
            content[name] = np.array([row[place] for row in rows], np.float64)
        else:
            texts.append(name)
            missing = None if library == "polars" else columns.all[place].missing
            content[name] = [missing if row[place] is None else row[place] for row in rows]
    if library == "polars":
        types = {name: nw.String() if name in texts else nw.Float64() for name in columns.names}
        return nw.from_dict(content, types, backend=library).to_native()
    # told that it is text, pandas 2 makes the word "nan" of a missing one; not told, pandas 3 goes by the content
    return nw.from_dict(content, backend=library).to_native().astype(dict.fromkeys(texts, object))


def _kind_in(columns: Columns, rows: Sequence[list[Cell]], place: int) -> Kind:
    """Return what a column holds in these rows, which are alike where the model does not say."""
    kind = columns.all[place].kind
    if kind is None:
        kind = "text" if any(isinstance(row[place], str) for row in rows) else "number"
    return kind


def _texts_or_numbers(columns: Columns, rows: Sequence[list[Cell]], place: int) -> NDArray[Any]:
    is_text = _kind_in(columns, rows, place) == "text"
    missing = columns.all[place].missing if is_text else math.nan
    values = np.empty(len(rows), object)
    values[:] = [missing if row[place] is None else row[place] for row in rows]
    return values
