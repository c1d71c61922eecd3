"""From the features of one row to its values in the order of the columns, or to what is wrong with them."""

__all__ = ("Cell", "Column", "Columns", "Kind")

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

from pulse_ai.core import InvalidInput

Kind = Literal["number", "text"]
Cell = float | str | None
"""A value of one column; None is a missing one."""

_MOST_NAMES = 8  # in the text of an error
_SHOWN = {"dict": "an object", "list": "a list", "NoneType": "null"}
_NUMBERS = frozenset((float, int))
_KIND_SCHEMAS: dict[Kind | None, list[dict[str, str]]] = {
    "number": [{"type": "number"}, {"type": "boolean"}],
    "text": [{"type": "string"}],
    None: [{"type": "number"}, {"type": "boolean"}, {"type": "string"}],
}


class Column(NamedTuple):
    """One column that a model was fitted on.

    Attributes:
        name: Its name, or None where the model was fitted without names.
        kind: What its values are; None where the model does not say.
        used: Whether the model looks at it. One that it does not look at may be left out.
        nullable: Whether a missing value may be sent. True also where only the model can tell.
        missing: What stands for a missing text in what the model is given.
    """

    name: str | None = None
    kind: Kind | None = "number"
    used: bool = True
    nullable: bool = True
    missing: float | None = math.nan

    def called(self, number: int) -> str:
        """Return what an error calls the column, which stands at a place counted from 0.

        Example:
            >>> Column("age").called(0), Column().called(0)
            ("column 'age'", 'value 0')
        """
        return f"value {number}" if self.name is None else f"column {self.name!r}"


class Columns:
    """The columns of a model, in order.

    Example:
        >>> columns = Columns([Column("age"), Column("city", "text")])
        >>> columns.read({"city": "Graz", "age": 41})
        [41.0, 'Graz']
        >>> columns.read([41])
        Traceback (most recent call last):
        pulse_ai.core.errors.InvalidInput: expected 2 values (age, city), got 1
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.all = tuple(columns)
        self.names = tuple(column.name for column in columns if column.name is not None)
        self._places = {name: number for number, name in enumerate(self.names)}
        self._required = frozenset(column.name for column in columns if column.used)
        self._all_numbers = all(column.kind == "number" for column in columns)

    def read(self, features: object) -> list[Cell]:
        """Return the row's values in the order of the columns.

        Raises:
            InvalidInput: The features are of the wrong type, length or names, or a value is; the text says
                which, and what was expected.
        """
        values = self._ordered(features)
        if self._all_numbers and _NUMBERS.issuperset(map(type, values)) and _are_finite(values):
            return values
        return [
            _cell(column, number, value)
            for number, (column, value) in enumerate(zip(self.all, values, strict=True))
        ]

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the features."""
        first = self.all[0].kind if self.all else None
        only = first if all(column.kind == first for column in self.all) else None
        nullable = any(column.nullable or not column.used for column in self.all)
        listed = {
            "type": "array",
            "items": _any_of(only, nullable=nullable),
            "minItems": len(self.all),
            "maxItems": len(self.all),
        }
        if not self.names:
            return listed
        named = {
            "type": "object",
            "properties": {
                column.name: _any_of(column.kind, nullable=column.nullable or not column.used)
                for column in self.all
            },
            "required": [column.name for column in self.all if column.used],
            "additionalProperties": False,
        }
        return {"anyOf": [named, listed]}

    def _ordered(self, features: object) -> list[Any]:
        if isinstance(features, Mapping):
            return self._by_name(cast("Mapping[str, Any]", features))
        if hasattr(features, "ndim"):  # a NumPy array, which may have come through Python or a port
            array: Any = features
            if array.ndim != 1:
                raise InvalidInput(
                    f"expected one row, an array of shape ({len(self.all)},), got {array.shape}"
                )
            features = array.tolist()
        if not isinstance(features, list):
            by_name = "an object by column name or " if self.names else ""
            raise InvalidInput(
                f"features must be {by_name}a list of {len(self.all)} values, got {_said(features)}"
            )
        values = cast("list[Any]", features)
        if len(values) != len(self.all):
            raise InvalidInput(f"expected {len(self.all)} values{self._listed()}, got {len(values)}")
        return values

    def _by_name(self, given: Mapping[str, Any]) -> list[Any]:
        if not self.names:
            raise InvalidInput(f"the model has no column names; send a list of {len(self.all)} values")
        lacking = [name for name in self.names if name in self._required and name not in given]
        unknown = [name for name in given if name not in self._places]
        if lacking or unknown:
            wrong = f"columns missing: {_joined(lacking)}" if lacking else ""
            wrong += "; " if lacking and unknown else ""
            wrong += f"columns unknown: {_joined(unknown)}" if unknown else ""
            raise InvalidInput(f"{wrong}; the model takes {_joined(self.names)}")
        return [given.get(name) for name in self.names]

    def _listed(self) -> str:
        return f" ({_joined(self.names)})" if self.names else ""


def _cell(column: Column, number: int, value: object) -> Cell:
    """Return one value, checked against its column."""
    if not column.used:
        return None
    if value is None or value != value:  # noqa: PLR0124 - NaN, the other way to say that a value is missing
        if not column.nullable:
            raise InvalidInput(f"{column.called(number)} must not be missing")
        return None
    if isinstance(value, str) and column.kind != "number":
        return value
    if not isinstance(value, int | float) or column.kind == "text":
        wanted = {"number": "a number", "text": "text", None: "a number or text"}[column.kind]
        raise InvalidInput(f"{column.called(number)} takes {wanted}, got {_said(value)}")
    if not _are_finite([value]):
        raise InvalidInput(f"{column.called(number)} is not a finite float64: {_said(value)}")
    return float(value)


def _are_finite(values: list[Any]) -> bool:
    try:
        return all(map(math.isfinite, values))
    except OverflowError:  # an integer beyond what a float holds
        return False


def _said(value: object) -> str:
    """Return a value as far as an error may show it."""
    shown = _SHOWN.get(type(value).__name__)
    if shown is None and isinstance(value, str | int | float):
        text = repr(value) if isinstance(value, str | float) or abs(value) < 10**12 else "a huge integer"
        shown = text if len(text) <= 40 else f"{text[:37]}..."
    return shown or f"a {type(value).__name__}"


def _joined(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _any_of(kind: Kind | None, *, nullable: bool) -> dict[str, Any]:
    parts = [*_KIND_SCHEMAS[kind], *([{"type": "null"}] if nullable else [])]
    return {"anyOf": parts} if len(parts) > 1 else dict(parts[0])
