"""What is in a frame: a row for each column, how often values stand, what goes together."""

__all__ = ("correlations", "describe", "frequencies", "null_counts")

from typing import TYPE_CHECKING, Any

from pulse_ai.frame.columns import kind_of
from pulse_ai.frame.errors import FrameError

if TYPE_CHECKING:
    import polars as pl

_MOST_CORRELATED = 200


def describe(frame: "pl.DataFrame") -> "pl.DataFrame":
    """Return a row for each column: kind, nulls, distinct values, moments and quartiles, the most frequent value.

    NaN counts as null. What a kind does not have (the mean of a text) is null.

    Example:
        >>> import polars as pl
        >>> found = describe(pl.DataFrame({"a": [1.0, 2.0, None], "b": ["x", "x", "y"]}))
        >>> found.select("column", "kind", "nulls", "distinct", "mean", "most_frequent").rows()
        [('a', 'number', 1, 2, 1.5, None), ('b', 'text', 0, 2, None, 'x')]
    """
    import polars as pl

    rows = [_described(series) for series in _without_nan(frame)]
    number, text, count = pl.Float64, pl.String, pl.Int64
    schema = {
        "column": text, "kind": text, "nulls": count, "distinct": count, "mean": number, "deviation": number,
        "least": number, "quartile_1": number, "median": number, "quartile_3": number, "greatest": number,
        "first": text, "last": text, "most_frequent": text, "most_frequent_rows": count,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def _described(series: "pl.Series") -> dict[str, Any]:
    kind = kind_of(series.dtype)
    row: dict[str, Any] = {
        "column": series.name,
        "kind": kind or str(series.dtype),
        "nulls": series.null_count(),
    }
    if kind is None:
        return row
    row["distinct"] = series.drop_nulls().n_unique()
    if kind in ("number", "integer"):
        return row | {
            "mean": series.mean(), "deviation": series.std(ddof=0), "least": series.min(),
            "quartile_1": series.quantile(0.25, "linear"), "median": series.median(),
            "quartile_3": series.quantile(0.75, "linear"), "greatest": series.max(),
        }  # fmt: skip
    if kind in ("date", "datetime"):
        known = series.drop_nulls()
        return row | ({"first": str(known.min()), "last": str(known.max())} if len(known) else {})
    counts = _counted(series.drop_nulls())
    if counts.height:
        row |= {"most_frequent": str(counts["value"][0]), "most_frequent_rows": counts["rows"][0]}
    return row


def null_counts(frame: "pl.DataFrame") -> "pl.DataFrame":
    """Return the nulls of each column and their share, most first. NaN counts as null.

    Example:
        >>> import polars as pl
        >>> null_counts(pl.DataFrame({"a": [1, 2], "b": [None, 2.0]})).rows()
        [('b', 1, 0.5), ('a', 0, 0.0)]
    """
    import polars as pl

    counts = [series.null_count() for series in _without_nan(frame)]
    rows = max(frame.height, 1)
    found = {"column": frame.columns, "nulls": counts, "share": [count / rows for count in counts]}
    schema = {"column": pl.String, "nulls": pl.Int64, "share": pl.Float64}
    return pl.DataFrame(found, schema=schema).sort("nulls", descending=True, maintain_order=True)


def frequencies(frame: "pl.DataFrame", column: str, *, most: int = 20) -> "pl.DataFrame":
    """Return how often each value of a column stands, the most frequent first, null as a value.

    Args:
        frame: The rows.
        column: Which column.
        most: How many values at most; the share is of all rows.

    Raises:
        FrameError: There is no such column.

    Example:
        >>> import polars as pl
        >>> frequencies(pl.DataFrame({"town": ["Bern", "Thun", "Bern", None]}), "town").rows()
        [('Bern', 2, 0.5), (None, 1, 0.25), ('Thun', 1, 0.25)]
    """
    import polars as pl

    if column not in frame.columns:
        raise FrameError(
            f"there is no column {column!r}; there are {', '.join(map(repr, frame.columns[:20]))}"
        )
    counts = _counted(frame[column]).head(most)
    return counts.with_columns((pl.col("rows") / max(frame.height, 1)).alias("share"))


def _counted(series: "pl.Series") -> "pl.DataFrame":
    import polars as pl

    counts = series.alias("value").value_counts(name="rows").with_columns(pl.col("rows").cast(pl.Int64))
    return counts.sort("rows", "value", descending=[True, False])


def correlations(frame: "pl.DataFrame") -> "pl.DataFrame":
    """Return Pearson's correlation of each pair of number columns, the strongest first, NaN where one is constant.

    Each pair is over the rows where both have a value.

    Raises:
        FrameError: There are over 200 number columns; select some.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"a": [1.0, 2.0, 3.0, None], "b": [2.0, 4.0, 6.0, 0.0], "t": ["x"] * 4})
        >>> correlations(frame).rows()
        [('a', 'b', 3, 1.0)]
    """
    import numpy as np
    import polars as pl

    names = [name for name, dtype in frame.schema.items() if kind_of(dtype) in ("number", "integer")]
    if len(names) > _MOST_CORRELATED:
        raise FrameError(
            f"{len(names)} number columns make too many pairs; select at most {_MOST_CORRELATED}"
        )
    columns = {name: frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in names}
    rows: list[tuple[str, str, int, float]] = []
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            both = ~(np.isnan(columns[one]) | np.isnan(columns[other]))
            rows.append((one, other, int(both.sum()), _pearson(columns[one][both], columns[other][both])))
    schema = {"column": pl.String, "other": pl.String, "rows": pl.Int64, "correlation": pl.Float64}
    strength = pl.col("correlation").fill_nan(0.0).abs()
    return pl.DataFrame(rows, schema=schema, orient="row").sort(
        strength, descending=True, maintain_order=True
    )


def _pearson(one: Any, other: Any) -> float:
    import numpy as np

    if len(one) < 2:
        return float("nan")
    away, other_away = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((away @ away) * (other_away @ other_away)))
    return min(max(float(away @ other_away) / scale, -1.0), 1.0) if scale else float("nan")


def _without_nan(frame: "pl.DataFrame") -> "pl.DataFrame":
    import polars.selectors as cs

    return frame.with_columns(cs.float().fill_nan(None))
