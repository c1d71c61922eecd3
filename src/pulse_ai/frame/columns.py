"""What a recipe knows of each column that comes in: kind, nulls, and what was seen in training."""

__all__ = ("KINDS", "Column", "Kind", "item_schema", "kind_of")

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

Kind = Literal["number", "integer", "boolean", "text", "date", "datetime"]
"""What the values of a column are."""

KINDS: tuple[Kind, ...] = ("number", "integer", "boolean", "text", "date", "datetime")

_JSON_TYPES = {"number": "number", "integer": "number", "boolean": "boolean"}
_FORMATS = {"date": "date", "datetime": "date-time"}


class Column(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One column of the frame that a recipe was fitted on.

    Attributes:
        name: Its name in the frame, and its key in a row.
        kind: What its values are.
        nullable: Whether a row may have null here, or leave it out.
        low: Least value seen in training, for numbers; for dates and times as ISO text. None without values.
        high: Greatest value seen in training, likewise.
        examples: Some values seen in training, the most frequent first where they were counted.
        has_zone: Whether instants carry a time zone; they are kept in UTC then.
    """

    name: str
    kind: Kind
    nullable: bool = False
    low: float | str | None = None
    high: float | str | None = None
    examples: tuple[Any, ...] = ()
    has_zone: bool = False


def kind_of(dtype: Any) -> Kind | None:
    """Return the kind of a Polars dtype; None for what has no kind here (lists, structs, durations, bytes).

    Example:
        >>> import polars as pl
        >>> kind_of(pl.Int16), kind_of(pl.Categorical()), kind_of(pl.List(pl.Int8))
        ('integer', 'text', None)
    """
    import polars as pl

    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        return "number"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    names: dict[Any, Kind] = {pl.Boolean: "boolean", pl.Date: "date", pl.Datetime: "datetime"}
    return next((kind for known, kind in names.items() if dtype == known), None)


def item_schema(columns: Sequence[Column]) -> dict[str, Any]:
    """Return the JSON Schema of a row: types and nullability are binding, ranges and examples only inform.

    Example:
        >>> item_schema([Column(name="age", kind="number", low=1.0, high=90.0)])["required"]
        ['age']
    """
    return {
        "type": "object",
        "title": "Row",
        "properties": {column.name: _column_schema(column) for column in columns},
        "required": [column.name for column in columns if not column.nullable],
    }


def _column_schema(column: Column) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _JSON_TYPES.get(column.kind, "string")}
    if column.kind in _FORMATS:
        schema["format"] = _FORMATS[column.kind]
    if column.nullable:
        schema = {"anyOf": [schema, {"type": "null"}]}
    if column.low is not None:
        whole = "whole numbers " if column.kind == "integer" else ""
        schema["description"] = f"seen in training: {whole}{_shown(column.low)} to {_shown(column.high)}"
        schema["x-seen"] = {"minimum": column.low, "maximum": column.high}
    elif column.kind == "text" and column.examples:
        schema["description"] = f"seen in training: {', '.join(map(str, column.examples[:8]))}"
    if column.examples:
        schema["examples"] = list(column.examples)
    return schema


def _shown(value: float | str | None) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
