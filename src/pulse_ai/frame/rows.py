"""Rows to arrays in pure Python, for the process that serves: no Polars there."""

__all__ = ("RowEncoder",)

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from pulse_ai.core import InvalidInput
from pulse_ai.frame.batches import Encoded
from pulse_ai.frame.columns import Column
from pulse_ai.frame.row_values import reader_of
from pulse_ai.frame.table import Program

_NAN = float("nan")
_ALIKE = 0.8  # of two names, by difflib's measure: "bill_length" is to "bill_length_mm"
_MOST_UNKNOWN = 16  # a row with more columns than these besides its own is no slip of the pen
_LONGEST_NAME = 100


class _Plan(NamedTuple):
    """What to do with one column of a row."""

    name: str
    read: Callable[[Any], Any]
    numbers: tuple[tuple[int, Callable[[Any], float]], ...]
    codes: tuple[tuple[int, Callable[[Any], int]], ...]


class RowEncoder:
    """Encodes rows, one at a time, so that one bad row is told apart from its neighbours.

    Args:
        columns: The columns that a row needs.
        program: Where its numbers and codes come from.
    """

    def __init__(self, columns: Sequence[Column], program: Program) -> None:
        self._numbers = len(program.numbers)
        self._codes = len(program.codes)
        self._plans = tuple(_plan(column, program) for column in columns)
        self._names = frozenset(plan.name for plan in self._plans)

    def encode_row(self, row: Mapping[str, Any]) -> tuple[list[float], list[int]]:
        """Return a row's numbers and codes.

        Raises:
            InvalidInput: It is not what the recipe takes.
        """
        if not row.keys() <= self._names:
            self._refuse_misspelt(row)
        numbers, codes = [_NAN] * self._numbers, [-1] * self._codes
        for name, read, of_numbers, of_codes in self._plans:
            value = read(row.get(name))
            if value is not None:
                for place, of in of_numbers:
                    numbers[place] = of(value)
            for place, of in of_codes:
                codes[place] = of(value)
        return numbers, codes

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> Encoded:
        """Return rows as arrays.

        Raises:
            InvalidInput: A row is not what the recipe takes; the text says which.
        """
        encoded: list[tuple[list[float], list[int]]] = []
        for number, row in enumerate(rows):
            try:
                encoded.append(self.encode_row(row))
            except InvalidInput as error:
                raise InvalidInput(f"row {number}: {error}") from error
        return self.join(encoded)

    def join(self, encoded: Sequence[tuple[list[float], list[int]]]) -> Encoded:
        """Return what ``encode_row`` gave, as arrays."""
        count = len(encoded)
        numbers = np.array([row[0] for row in encoded], np.float64).reshape(count, self._numbers)
        codes = np.array([row[1] for row in encoded], np.int64).reshape(count, self._codes)
        return Encoded(numbers, codes)

    def _refuse_misspelt(self, row: Mapping[str, Any]) -> None:
        """Refuse a row with a column that looks like one that it lacks; of others no notice is taken.

        Raises:
            InvalidInput: It has one.
        """
        lacking = tuple(plan.name for plan in self._plans if plan.name not in row)
        unknown = [name for name in row if name not in self._names]
        if not lacking or len(unknown) > _MOST_UNKNOWN:
            return
        for name in unknown:
            meant = _meant(name, lacking) if len(name) <= _LONGEST_NAME else None
            if meant is not None:
                why = f"there is no column {name!r}; did you mean {meant!r}?"
                raise InvalidInput(f"{why} Where that has no value, send it as null")


@lru_cache(maxsize=256)
def _meant(name: str, lacking: tuple[str, ...]) -> str | None:
    """Return the column that a name is a misspelling of."""
    from difflib import get_close_matches  # only for rows with other columns

    folded = {column.casefold(): column for column in lacking}
    nearest = get_close_matches(name.casefold(), folded, n=1, cutoff=_ALIKE)
    return folded[nearest[0]] if nearest else None


def _plan(column: Column, program: Program) -> _Plan:
    numbers = tuple(
        (place, source.reader(column))
        for place, source in enumerate(program.numbers)
        if source.column == column.name
    )
    codes = tuple(
        (place, source.reader(column))
        for place, source in enumerate(program.codes)
        if source.column == column.name
    )
    return _Plan(column.name, reader_of(column), numbers, codes)
