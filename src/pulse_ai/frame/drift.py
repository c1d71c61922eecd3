"""How far one frame's columns have moved from another's: training against what comes in now."""

__all__ = ("drift",)

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pulse_ai.frame.columns import kind_of

if TYPE_CHECKING:
    import polars as pl

_BINS = 10
_LEAST_SHARE = 1e-4
_SHIFTED, _DRIFTED = 0.1, 0.25
_MOST_CATEGORIES = 50


def drift(before: "pl.DataFrame", after: "pl.DataFrame") -> "pl.DataFrame":
    """Return a row for each column of ``before``, the most moved first.

    ``index`` is the population stability index: over ten bins with equal shares of ``before`` (or its 50 most
    frequent categories and one for the rest), and one for nulls, the sum of ``(q - p) * ln(q / p)`` for shares p
    before and q after, with no share counted below 0.0001. By the usual reading of credit scoring it is
    ``stable`` under 0.1, ``shifted`` under 0.25 and ``drifted`` from there. ``distance`` is the greatest distance
    between the two distribution functions of a number (Kolmogorov-Smirnov). A column that ``after`` lacks, or has
    in another kind, is ``missing`` or ``other kind``, without numbers.

    Example:
        >>> import polars as pl
        >>> before = pl.DataFrame({"a": range(100), "b": ["x", "y"] * 50})
        >>> after = pl.DataFrame({"a": range(50, 150), "b": ["x", "y"] * 50})
        >>> drift(before, after).select("column", "verdict", "distance").rows()
        [('a', 'drifted', 0.5), ('b', 'stable', None)]
    """
    import polars as pl

    rows = [_compared(series, after) for series in before]
    schema = {
        "column": pl.String, "verdict": pl.String, "index": pl.Float64, "distance": pl.Float64,
        "nulls_before": pl.Float64, "nulls_after": pl.Float64, "new_share": pl.Float64,
    }  # fmt: skip
    found = pl.DataFrame(rows, schema=schema)
    return found.sort("index", descending=True, nulls_last=False, maintain_order=True)


def _compared(series: "pl.Series", after: "pl.DataFrame") -> dict[str, Any]:
    kind = kind_of(series.dtype)
    row: dict[str, Any] = {"column": series.name}
    if series.name not in after.columns:
        return row | {"verdict": "missing"}
    other = after[series.name]
    other_kind = kind_of(other.dtype)
    numbers = ("number", "integer")
    if kind is None or (kind != other_kind and not (kind in numbers and other_kind in numbers)):
        return row | {"verdict": "other kind"}
    if kind in ("text", "boolean"):
        counts, other_counts, row["new_share"] = _category_counts(series, other)
    else:
        values, other_values = _numbers(series), _numbers(other)
        counts, other_counts = _bin_counts(values, other_values)
        row["distance"] = _distance(values, other_values)
    p, q = _shares(counts, series), _shares(other_counts, other)
    index = float(((q - p) * np.log(q / p)).sum())
    verdict = "stable" if index < _SHIFTED else "shifted" if index < _DRIFTED else "drifted"
    nulls = {"nulls_before": _null_share(series), "nulls_after": _null_share(other)}
    return row | nulls | {"verdict": verdict, "index": index}


def _shares(counts: NDArray[np.float64], series: "pl.Series") -> NDArray[np.float64]:
    missing = len(series) - counts.sum()
    return np.maximum(np.append(counts, missing) / max(len(series), 1), _LEAST_SHARE)


def _null_share(series: "pl.Series") -> float:
    nulls = series.null_count() + (int(series.is_nan().sum()) if series.dtype.is_float() else 0)
    return nulls / max(len(series), 1)


def _numbers(series: "pl.Series") -> NDArray[np.float64]:
    """Return the values as sorted numbers, nulls left out; dates count as their days, instants as microseconds."""
    import polars as pl

    physical = series.to_physical() if series.dtype.is_temporal() else series
    if series.dtype.is_temporal() and series.dtype != pl.Date:
        physical = series.dt.timestamp("us")
    values = physical.cast(pl.Float64).drop_nulls().drop_nans().to_numpy()
    return np.sort(values)


def _bin_counts(
    values: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    inner = np.linspace(0, 1, _BINS + 1)[1:-1]
    edges = np.unique(np.quantile(values, inner)) if len(values) else np.empty(0)

    def counts(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        places = np.searchsorted(edges, numbers, side="right")
        return np.bincount(places, minlength=len(edges) + 1).astype(np.float64)

    return counts(values), counts(other)


def _category_counts(
    series: "pl.Series", other: "pl.Series"
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return counts of the most frequent categories and of the rest, and the share of new ones in ``other``."""
    import polars as pl

    def table(values: "pl.Series") -> dict[str, int]:
        counted = values.cast(pl.String).alias("value").drop_nulls().value_counts(name="rows")
        return dict(counted.sort("rows", "value", descending=[True, False]).iter_rows())

    known, found = table(series), table(other)
    kept = list(known)[:_MOST_CATEGORIES]

    def counts(rows: dict[str, int]) -> NDArray[np.float64]:
        own = [rows.get(value, 0) for value in kept]
        return np.array([*own, sum(rows.values()) - sum(own)], np.float64)

    new = sum(count for value, count in found.items() if value not in known)
    return counts(known), counts(found), new / max(len(other), 1)


def _distance(values: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    if not len(values) or not len(other):
        return None
    both = np.concatenate([values, other])
    share = np.searchsorted(values, both, side="right") / len(values)
    other_share = np.searchsorted(other, both, side="right") / len(other)
    return float(np.abs(share - other_share).max())
