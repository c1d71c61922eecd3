"""Frames a batch of rows at a time, as arrays: what fitting and transforming have in common."""

__all__ = (
    "Encoded",
    "batch_rows",
    "batches_of",
    "describe_columns",
    "encode_frame",
    "run_operations",
)

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pulse_ai.frame.columns import Column, kind_of
from pulse_ai.frame.errors import RecipeError
from pulse_ai.frame.operations import Bank, Operation
from pulse_ai.frame.sources import BucketSource, CodeSource, NumberSource

if TYPE_CHECKING:
    import polars as pl

_BATCH_CELLS = 2**21
_MOST_ROWS = 131_072
_LEAST_ROWS = 4_096

_NUMBER_KINDS = ("number", "integer")
_EXAMPLES = 3


class Encoded(NamedTuple):
    """Rows as arrays, before the numeric part: texts are codes, dates are parts, nulls are NaN.

    Attributes:
        numbers: float64 of shape (rows, N); NaN where there is no value.
        codes: int64 of shape (rows, M); -1 where no category fits.
    """

    numbers: NDArray[np.float64]
    codes: NDArray[np.int64]


def batch_rows(width: int) -> int:
    """Return how many rows a batch takes that is ``width`` numbers wide.

    Calls cost nothing beside the rows then, and a batch takes some 16 MiB.

    Example:
        >>> batch_rows(12), batch_rows(100), batch_rows(5_000)
        (131072, 20971, 4096)
    """
    return max(_LEAST_ROWS, min(_MOST_ROWS, _BATCH_CELLS // max(width, 1)))


def batches_of(
    frame: "pl.DataFrame | pl.LazyFrame", columns: Sequence[str], rows: int
) -> Iterator["pl.DataFrame"]:
    """Give a frame a batch at a time, in order; a lazy one is streamed and never held as a whole.

    Args:
        frame: The frame.
        columns: Columns to give.
        rows: Most rows of a batch.

    Raises:
        RecipeError: A column is not there.
    """
    import polars as pl

    there = frame.collect_schema().names()
    missing = [name for name in columns if name not in there]
    if missing:
        raise RecipeError(f"the frame lacks {_listed(missing)}; it has {_listed(there[:20])}")
    narrow = frame.select(columns)
    if isinstance(narrow, pl.DataFrame):
        yield from narrow.iter_slices(rows)
    else:
        for batch in narrow.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming"):
            yield from batch.iter_slices(rows)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def encode_frame(
    frame: "pl.DataFrame",
    columns: Mapping[str, Column],
    numbers: Sequence[NumberSource],
    codes: Sequence[CodeSource | BucketSource],
) -> Encoded:
    """Read the sources' numbers and codes from a batch, in parallel."""
    expressions = [
        source.expression(columns[source.column]).alias(str(number))
        for number, source in enumerate((*numbers, *codes))
    ]
    found = frame.select(expressions)
    count = len(numbers)
    rows = frame.height
    if not rows:
        return Encoded(np.empty((0, count)), np.empty((0, len(codes)), np.int64))
    return Encoded(
        found[:, :count].to_numpy() if count else np.empty((rows, 0)),
        found[:, count:].to_numpy() if codes else np.empty((rows, 0), np.int64),
    )


def run_operations(encoded: Encoded, operations: Sequence[Operation]) -> Bank:
    """Return all numbers by id, after the operations."""
    bank: Bank = {number: encoded.numbers[:, number] for number in range(encoded.numbers.shape[1])}
    for operation in operations:
        operation.run(bank, encoded.codes)
    return bank


def describe_columns(frame: "pl.DataFrame | pl.LazyFrame", *, without: Sequence[str] = ()) -> list[Column]:
    """Return what a recipe knows of each column before its first step. Reads the frame once.

    Raises:
        RecipeError: There are no rows or no columns, or a number is infinite.
    """
    import polars as pl

    schema = frame.collect_schema()
    kinds = {name: kind_of(dtype) for name, dtype in schema.items() if name not in without}
    unknown = [name for name in without if name not in schema]
    if unknown:
        raise RecipeError(f"there is no column {unknown[0]!r} to leave out; there are {', '.join(schema)}")
    lazy = frame.lazy().select(
        pl.col(name).fill_nan(None) if dtype.is_float() else pl.col(name) for name, dtype in schema.items()
    )
    wanted: list[pl.Expr] = [pl.len().alias("rows")]
    for number, (name, kind) in enumerate(kinds.items()):
        wanted.append(pl.col(name).null_count().alias(f"nulls {number}"))
        if kind in (*_NUMBER_KINDS, "date", "datetime"):
            wanted += [pl.col(name).min().alias(f"low {number}"), pl.col(name).max().alias(f"high {number}")]
    found: dict[str, Any] = lazy.select(wanted).collect(engine="streaming").row(0, named=True)
    if not found["rows"] or not kinds:
        raise RecipeError(
            f"the frame has {found['rows']} rows and {len(kinds)} columns to learn from; at least 1 is needed"
        )
    return [
        _column(number, name, kind, schema[name], found) for number, (name, kind) in enumerate(kinds.items())
    ]


def _column(number: int, name: str, kind: Any, dtype: Any, found: Mapping[str, Any]) -> Column:
    low, high = (_plain(found.get(f"{end} {number}"), name) for end in ("low", "high"))
    if kind is None:
        kind = "text"  # of a kind that no step takes; Drop is what is left, and encode says so otherwise
    middle = _middle(low, high, kind)
    return Column(
        name=name,
        kind=kind,
        nullable=found[f"nulls {number}"] > 0,
        low=low,
        high=high,
        examples=() if middle is None else (middle,),
        has_zone=getattr(dtype, "time_zone", None) is not None,
    )


def _plain(value: Any, name: str) -> float | str | None:
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if value is None:
        return None
    if math.isinf(value):
        raise RecipeError(f"column {name!r} has infinite values; make them null or leave their rows out")
    return float(value)


def _middle(low: float | str | None, high: float | str | None, kind: str) -> float | str | None:
    """Return an example that is nobody's own value: the middle of the range; for times its beginning."""
    if isinstance(low, float) and isinstance(high, float):
        middle = low / 2 + high / 2
        return float(round(middle)) if kind == "integer" else float(f"{middle:.4g}")
    return low
