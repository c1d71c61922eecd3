"""From what stands in a row to a value of its column's kind, or to an error that says what was wrong."""

__all__ = ("reader_of",)

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

from pulse_ai.core import InvalidInput
from pulse_ai.frame.columns import Column, Kind

_WANTED = {
    "number": "a number",
    "integer": "a number",
    "boolean": "true or false",
    "text": "text",
    "date": "a date such as 2026-01-31",
    "datetime": "a date and time such as 2026-01-31T12:30:00",
}
_MOST_SHOWN = 40


def reader_of(column: Column) -> Callable[[Any], Any]:
    """Return a function from a row's value to a float, bool, text, date or naive datetime; None is null.

    The function raises ``InvalidInput`` for a value of another type, and for null where that cannot be.

    Example:
        >>> reader_of(Column(name="day", kind="date"))("2026-01-31")
        datetime.date(2026, 1, 31)
        >>> reader_of(Column(name="age", kind="number"))("old")
        Traceback (most recent call last):
        pulse_ai.core.errors.InvalidInput: column 'age' must be a number, got the text 'old'
    """

    def value_of(value: Any) -> Any:
        try:
            if value is not None and value == value:  # noqa: PLR0124 - NaN is null, here as in a frame
                return read(value)
        except (TypeError, ValueError, ArithmeticError) as error:  # an array is not simply equal to itself
            raise InvalidInput(_complaint(column, value)) from error
        if column.nullable:
            return None
        raise InvalidInput(
            f"column {column.name!r} is missing or null; training had no row without it, so give a value"
        )

    read = _in_utc if column.has_zone else _READERS[column.kind]
    return _unzoned(value_of, column.name) if column.kind == "datetime" and not column.has_zone else value_of


def _in_utc(value: Any) -> dt.datetime:
    """Read an instant into UTC; one without a zone is taken to be in UTC."""
    instant = _datetime(value)
    return instant if instant.tzinfo is None else instant.astimezone(dt.UTC).replace(tzinfo=None)


def _unzoned(value_of: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    """Read wall-clock times; a zone is refused, because nobody can say which one the training data had."""

    def read(value: Any) -> Any:
        instant = value_of(value)
        if instant is not None and instant.tzinfo is not None:
            raise InvalidInput(
                f"column {name!r} has no time zone in training; leave the zone out of {_shown(value)}"
            )
        return instant

    return read


def _number(value: Any) -> float:
    if type(value) is float or type(value) is int:
        number = float(value)
    elif isinstance(value, (bool, str, bytes)):
        raise TypeError
    else:
        number = float(value)  # a NumPy scalar, a Decimal
    if math.isinf(number):
        raise ValueError
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    raise TypeError


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


def _date(value: Any) -> dt.date:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    return dt.date.fromisoformat(value) if len(value) <= 10 else dt.datetime.fromisoformat(value).date()


def _datetime(value: Any) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return value
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - wall-clock time, as in training
    return dt.datetime.fromisoformat(value)


_READERS: dict[Kind, Callable[[Any], Any]] = {
    "number": _number,
    "integer": _number,
    "boolean": _boolean,
    "text": _text,
    "date": _date,
    "datetime": _datetime,
}


def _complaint(column: Column, value: Any) -> str:
    return f"column {column.name!r} must be {_WANTED[column.kind]}, got {_shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {value[:_MOST_SHOWN]!r}" + ("..." if len(value) > _MOST_SHOWN else "")
    if isinstance(value, (bool, int, float)):
        return str(value)[:_MOST_SHOWN]
    return f"a {type(value).__name__}"
