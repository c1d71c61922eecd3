"""What each step wants to know of the training frame, and what it is once it knows."""

__all__ = ("Learned", "Need", "finish", "needs", "touched")

import itertools
import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pulse_ai.frame.errors import RecipeError
from pulse_ai.frame.fitted import (
    Categories,
    Category,
    FittedBins,
    FittedDateParts,
    FittedDerive,
    FittedDrop,
    FittedHashBuckets,
    FittedImpute,
    FittedOneHot,
    FittedOrdinal,
    FittedScale,
    FittedStep,
    FittedTextLength,
)
from pulse_ai.frame.formula import parse_formula
from pulse_ai.frame.learned import Counts, Moments
from pulse_ai.frame.steps import (
    Bins,
    DateParts,
    Derive,
    Drop,
    HashBuckets,
    Impute,
    MinMax,
    OneHot,
    Ordinal,
    Part,
    Robust,
    Standardise,
    Step,
    TextLength,
)
from pulse_ai.frame.table import Role, Table

_NUMBERS: tuple[Role, ...] = ("number", "boolean")
_CATEGORIES: tuple[Role, ...] = ("number", "boolean", "text")
_TAKES: Mapping[type, tuple[Role, ...]] = {
    Impute: _CATEGORIES,
    OneHot: _CATEGORIES,
    Ordinal: _CATEGORIES,
    DateParts: ("time",),
    TextLength: ("text",),
    HashBuckets: ("text",),
    Drop: ("number", "boolean", "text", "time", "feature"),
    Standardise: _NUMBERS,
    MinMax: _NUMBERS,
    Robust: _NUMBERS,
    Bins: _NUMBERS,
}
_MEDIAN, _QUARTILES = (0.5,), (0.25, 0.5, 0.75)
_DATE_PARTS: tuple[Part, ...] = ("year", "month", "day", "weekday")
_DAYTIME_PARTS: tuple[Part, ...] = ("hour", "minute")


class Need(NamedTuple):
    """One thing to learn: of which column, and what.

    Attributes:
        name: The column.
        what: ``moments``, ``counts`` of each value, or ``quantiles``.
        shares: Which quantiles.
    """

    name: str
    what: Literal["moments", "counts", "quantiles"]
    shares: tuple[float, ...] = ()


class Learned:
    """What has been learned for a step, by column."""

    def __init__(self, found: Mapping[Need, Any]) -> None:
        self._found = found

    def moments(self, name: str) -> Moments:
        """Return a column's moments."""
        return self._found[Need(name, "moments")]

    def counts(self, name: str) -> Counts:
        """Return how often each value stands in a column."""
        return self._found[Need(name, "counts")]

    def quantiles(self, name: str, shares: tuple[float, ...]) -> list[float]:
        """Return quantiles of a column's numbers; none where it has no value."""
        return self._found[Need(name, "quantiles", shares)].quantiles()


def touched(step: Step, table: Table) -> tuple[str, ...]:
    """Return the columns that a step reads or changes.

    Raises:
        RecipeError: It names a column that is not there or is of the wrong kind.
    """
    if isinstance(step, Derive):
        return parse_formula(step.formula).columns
    by_order = isinstance(step, Impute) and step.how in ("median", "mean")
    roles = _NUMBERS if by_order else _TAKES[type(step)]
    return table.select(step.columns, roles=roles, step=type(step).__name__)


def needs(step: Step, names: tuple[str, ...]) -> list[Need]:
    """Return what a step must learn of its columns; nothing where it can be finished at once."""
    return [need._replace(name=name) for need in _wanted(step) for name in names]


def _wanted(step: Step) -> list[Need]:
    """Return what a step must learn, the column left open."""
    moments, counts = Need("", "moments"), Need("", "counts")
    match step:
        case Impute(how="median"):
            return [Need("", "quantiles", _MEDIAN)]
        case Impute(how="mean") | Standardise() | MinMax():
            return [moments]
        case Robust():
            return [moments, Need("", "quantiles", _QUARTILES)]
        case Impute(how="mode") | OneHot() | Ordinal(order=()):
            return [counts]
        case Bins(edges=()):
            return [Need("", "quantiles", _bin_shares(step)) if step.by == "quantile" else moments]
        case _:
            return []


def _bin_shares(step: Bins) -> tuple[float, ...]:
    return tuple(number / step.count for number in range(1, step.count))


def finish(step: Step, table: Table, names: tuple[str, ...], learned: Learned) -> FittedStep:
    """Return the fitted step.

    Raises:
        RecipeError: What was learned does not do, such as the median of a column of nulls.
    """
    finisher: Any = _FINISHERS[type(step)]
    return finisher(step, table, names, learned)


def _impute(step: Impute, table: Table, names: tuple[str, ...], learned: Learned) -> FittedImpute:
    return FittedImpute({name: _stand_in(step, table, name, learned) for name in names}, step.indicator)


def _stand_in(step: Impute, table: Table, name: str, learned: Learned) -> Category:
    is_text = table.entries[name].role == "text"
    if step.how == "constant":
        if isinstance(step.value, str) != is_text or step.value is None:
            kind = "text" if is_text else "a number"
            raise RecipeError(f"Impute: the constant for {name!r} must be {kind}, got {step.value!r}")
        return step.value
    if step.how == "mode":
        counted = learned.counts(name).most_frequent()
        found = [_category(table, name, counted[0][0])] if counted else []
    elif step.how == "mean":
        moments = learned.moments(name)
        found = [moments.mean] if moments.count else []
    else:
        found = learned.quantiles(name, _MEDIAN)
    if not found:
        raise RecipeError(f"Impute: column {name!r} has nulls only; use Drop, or a constant")
    return found[0]


def _scale(
    step: Standardise | MinMax | Robust, _table: Table, names: tuple[str, ...], learned: Learned
) -> FittedScale:
    columns: dict[str, tuple[float, float]] = {}
    for name in names:
        moments = learned.moments(name)
        if not moments.count:
            raise RecipeError(f"{type(step).__name__}: column {name!r} has nulls only; use Drop")
        centre, spread = moments.mean, moments.deviation
        if isinstance(step, MinMax):
            centre, spread = moments.low, moments.high - moments.low
        elif isinstance(step, Robust):
            first, centre, third = learned.quantiles(name, _QUARTILES)
            spread = third - first or moments.deviation
        if not math.isfinite(centre) or not math.isfinite(spread):
            raise RecipeError(
                f"{type(step).__name__}: column {name!r} has numbers too large to scale ({moments.low:g} to "
                f"{moments.high:g}); make them null, or Drop it"
            )
        columns[name] = (centre, spread or 1.0)
    how: Any = {Standardise: "standardise", MinMax: "min_max", Robust: "robust"}[type(step)]
    return FittedScale(how, columns)


def _one_hot(step: OneHot, table: Table, names: tuple[str, ...], learned: Learned) -> FittedOneHot:
    if step.most < 1 or step.least_rows < 1:
        raise RecipeError(
            f"OneHot: most and least_rows must be at least 1, got {step.most} and {step.least_rows}"
        )
    fitted: dict[str, Categories] = {}
    for name in names:
        counts = learned.counts(name)
        ordered = counts.most_frequent()
        kept = [value for value, rows in ordered[: step.most] if rows >= step.least_rows]
        values = tuple(_category(table, name, value) for value in kept)
        fitted[name] = Categories(values, null=counts.nulls > 0, other=len(kept) < len(ordered))
    return FittedOneHot(fitted)


def _ordinal(step: Ordinal, table: Table, names: tuple[str, ...], learned: Learned) -> FittedOrdinal:
    if step.order:
        ordered = {name: tuple(_said(table, name, word) for word in step.order) for name in names}
        if any(len(set(values)) < len(values) for values in ordered.values()):
            raise RecipeError("Ordinal: a category stands twice in order")
        return FittedOrdinal(ordered)
    return FittedOrdinal(
        {
            name: tuple(_category(table, name, value) for value in sorted(learned.counts(name).by_value))
            for name in names
        }
    )


def _category(table: Table, name: str, value: str | float) -> Category:
    """Return a counted value as it stands in the column: counts of numbers are by float."""
    role = table.entries[name].role
    if isinstance(value, str) or role == "boolean":
        return value if isinstance(value, str) else bool(value)
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else value


def _said(table: Table, name: str, word: str) -> Category:
    """Return a category that a person wrote as it stands in the column."""
    role = table.entries[name].role
    if role == "text":
        return word
    try:
        return (
            {"true": True, "false": False}[word] if role == "boolean" else _category(table, name, float(word))
        )
    except (KeyError, ValueError) as error:
        wanted = "true or false" if role == "boolean" else "a number"
        raise RecipeError(
            f"Ordinal: the categories of {name!r} are {role}s; {word!r} is not {wanted}"
        ) from error


def _bins(step: Bins, _table: Table, names: tuple[str, ...], learned: Learned) -> FittedBins:
    return FittedBins({name: _edges(step, name, learned) for name in names}, step.one_hot)


def _edges(step: Bins, name: str, learned: Learned) -> tuple[float, ...]:
    if step.edges:
        if any(low >= high for low, high in itertools.pairwise(step.edges)):
            raise RecipeError(f"Bins: edges must grow, got {step.edges}")
        return step.edges
    if step.count < 2:
        raise RecipeError(f"Bins: count must be at least 2, got {step.count}")
    shares = _bin_shares(step)
    if step.by == "quantile":
        return tuple(sorted(set(learned.quantiles(name, shares))))
    moments = learned.moments(name)
    if not moments.count:
        return ()
    return tuple(sorted({moments.low + share * (moments.high - moments.low) for share in shares}))


def _date_parts(step: DateParts, table: Table, names: tuple[str, ...], _learned: Learned) -> FittedDateParts:
    return FittedDateParts({name: _parts(step, table, name) for name in names})


def _parts(step: DateParts, table: Table, name: str) -> tuple[Part, ...]:
    is_date = table.columns[name].kind == "date"
    if is_date and set(step.parts) & {"hour", "minute", "second"}:
        raise RecipeError(
            f"DateParts: {name!r} has dates without a time of day, so no hour, minute or second"
        )
    return step.parts or (_DATE_PARTS if is_date else _DATE_PARTS + _DAYTIME_PARTS)


def _hash_buckets(
    step: HashBuckets, _table: Table, names: tuple[str, ...], _learned: Learned
) -> FittedHashBuckets:
    if not 2 <= step.buckets <= 4096:
        raise RecipeError(f"HashBuckets: buckets must be between 2 and 4096, got {step.buckets}")
    return FittedHashBuckets(names, step.buckets)


def _text_length(
    _step: TextLength, _table: Table, names: tuple[str, ...], _learned: Learned
) -> FittedTextLength:
    return FittedTextLength(names)


def _drop(_step: Drop, _table: Table, names: tuple[str, ...], _learned: Learned) -> FittedDrop:
    return FittedDrop(names)


def _derive(step: Derive, _table: Table, _names: tuple[str, ...], _learned: Learned) -> FittedDerive:
    return FittedDerive(step.name, step.formula)


_FINISHERS: Mapping[type, Any] = {
    Impute: _impute,
    Standardise: _scale,
    MinMax: _scale,
    Robust: _scale,
    OneHot: _one_hot,
    Ordinal: _ordinal,
    Bins: _bins,
    DateParts: _date_parts,
    TextLength: _text_length,
    HashBuckets: _hash_buckets,
    Drop: _drop,
    Derive: _derive,
}
