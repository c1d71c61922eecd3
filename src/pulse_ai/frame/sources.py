"""Where a recipe's numbers and codes come from: each source reads one column, of a frame or of a row.

This is the half of a recipe that ONNX has no business with: texts become codes, dates become parts. Each
source is written twice side by side, as a Polars expression and as a Python function.
"""

__all__ = ("BucketSource", "CodeSource", "NumberSource", "Source")

import datetime as dt
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pulse_ai.frame.columns import Column
from pulse_ai.frame.steps import Part

if TYPE_CHECKING:
    import polars as pl

NAN = float("nan")
_DAY = dt.date(1970, 1, 1)
_INSTANT = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - instants are naive here, in UTC or as on the wall
_DAY_S = 86_400.0

# Weekdays count from 1 on Monday, here and in Polars.
_PARTS: dict[str, Callable[[Any], float]] = {
    "year": lambda day: day.year,
    "month": lambda day: day.month,
    "day": lambda day: day.day,
    "weekday": lambda day: day.isoweekday(),
    "day_of_year": lambda day: day.timetuple().tm_yday,
    "hour": lambda instant: instant.hour,
    "minute": lambda instant: instant.minute,
    "second": lambda instant: instant.second,
}

# In microseconds, and how many of them there are: whole numbers are divided faster than a calendar is asked.
_TIMES_OF_DAY = {"hour": (3_600_000_000, 24), "minute": (60_000_000, 60), "second": (1_000_000, 60)}


@dataclass(frozen=True, slots=True)
class NumberSource:
    """A number from a column.

    Attributes:
        column: The column's name.
        part: ``value`` (true is 1), a text's ``length``, or a part of a date.
    """

    column: str
    part: Literal["value", "length"] | Part = "value"

    def expression(self, column: Column) -> "pl.Expr":
        """Return float64, with NaN where the column is null."""
        import polars as pl

        values = pl.col(self.column)
        if self.part == "length":
            values = values.cast(pl.String).str.len_chars()
        elif self.part != "value":
            values = _part_expression(values, self.part, column)
        return values.cast(pl.Float64).fill_null(NAN)

    def reader(self, column: Column) -> Callable[[Any], float]:
        """Return a function from the value of a row, which is not null."""
        if self.part == "value":
            return float
        if self.part == "length":
            return len
        if self.part == "seconds":
            return _seconds_of_date if column.kind == "date" else _seconds
        return _PARTS[self.part]


def _part_expression(values: "pl.Expr", part: str, column: Column) -> "pl.Expr":
    import polars as pl

    if column.kind == "date":
        days = values.cast(pl.Date)
        return days.cast(pl.Int64) * _DAY_S if part == "seconds" else _dt_part(days, part)
    if column.has_zone:
        values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    instants = values.cast(pl.Datetime("us"))
    if part == "seconds":
        return instants.cast(pl.Int64) / 1e6
    if part not in _TIMES_OF_DAY:
        return _dt_part(instants.dt.date(), part)
    unit, count = _TIMES_OF_DAY[part]
    return instants.cast(pl.Int64) // unit % count  # both round down, before 1970 too


def _dt_part(values: "pl.Expr", part: str) -> "pl.Expr":
    return getattr(values.dt, "ordinal_day" if part == "day_of_year" else part)()


def _seconds(instant: dt.datetime) -> float:
    return (instant - _INSTANT).total_seconds()


def _seconds_of_date(day: dt.date) -> float:
    return (day - _DAY).days * _DAY_S


@dataclass(frozen=True, slots=True)
class CodeSource:
    """The number of a category in a list.

    Attributes:
        column: The column's name.
        part: ``text``, or what ``NumberSource`` takes, for categories that are numbers.
        values: The categories; the first one's code is 0.
        fill: The category that stands for null; None where nulls stay.
        null_code: Code of a null; -1 for none.
        other_code: Code of a category that is not in the list; -1 for none.
    """

    column: str
    part: Literal["text", "value", "length"] | Part
    values: tuple[Any, ...]
    fill: Any = None
    null_code: int = -1
    other_code: int = -1

    def expression(self, column: Column) -> "pl.Expr":
        """Return int64 codes."""
        import polars as pl

        if self.part == "text":
            found = pl.col(self.column).cast(pl.String)
            known = found if self.fill is None else found.fill_null(self.fill)
            codes = known.cast(pl.Enum(self.values), strict=False).to_physical().cast(pl.Int64)
        else:
            found = NumberSource(self.column, self.part).expression(column).fill_nan(None)
            known = found if self.fill is None else found.fill_null(float(self.fill))
            keys = [float(value) for value in self.values]
            codes = known.replace_strict(keys, range(len(keys)), default=None, return_dtype=pl.Int64)
        return pl.when(known.is_null()).then(self.null_code).otherwise(codes.fill_null(self.other_code))

    def reader(self, column: Column) -> Callable[[Any], int]:
        """Return a function from the value of a row, which may be None."""
        codes = {value: code for code, value in enumerate(self.values)}
        null = self.null_code if self.fill is None else codes.get(self.fill, self.other_code)
        other, find = self.other_code, codes.get
        if self.part in ("text", "value"):
            return lambda value: null if value is None else find(value, other)
        part = NumberSource(self.column, self.part).reader(column)
        return lambda value: null if value is None else find(part(value), other)


@dataclass(frozen=True, slots=True)
class BucketSource:
    """The bucket of a text: its CRC-32 modulo their count.

    Attributes:
        column: The column's name.
        buckets: How many.
        fill: The text that stands for null; None where a null has no bucket.
    """

    column: str
    buckets: int
    fill: str | None = None

    def expression(self, column: Column) -> "pl.Expr":
        """Return int64 codes; each text is hashed once a batch."""
        import polars as pl

        def hashed(series: "pl.Series") -> "pl.Series":
            texts = series.unique().drop_nulls()
            codes = [self.bucket_of(text) for text in texts]
            return series.replace_strict(texts, codes, default=-1, return_dtype=pl.Int64)

        found = pl.col(self.column).cast(pl.String)
        known = found if self.fill is None else found.fill_null(self.fill)
        return known.map_batches(hashed, return_dtype=pl.Int64)

    def reader(self, column: Column) -> Callable[[Any], int]:
        """Return a function from the value of a row, which may be None."""
        null = -1 if self.fill is None else self.bucket_of(self.fill)
        return lambda value: null if value is None else self.bucket_of(value)

    def bucket_of(self, text: str) -> int:
        """Return a text's bucket.

        Example:
            >>> BucketSource("town", 8).bucket_of("Bern")
            2
        """
        return zlib.crc32(text.encode(errors="surrogatepass")) % self.buckets


Source = NumberSource | CodeSource | BucketSource
