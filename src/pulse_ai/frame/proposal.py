"""A recipe for a frame that nobody has looked at yet, with the reason for each choice."""

__all__ = ("Proposal", "propose_recipe")

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from pulse_ai.frame.columns import Kind, kind_of
from pulse_ai.frame.errors import RecipeError
from pulse_ai.frame.recipe import Recipe
from pulse_ai.frame.steps import DateParts, Drop, Impute, OneHot, Part, Standardise, Step

if TYPE_CHECKING:
    import polars as pl

_NAMELIKE_SHARE = 0.5  # a text with more different values than this share of its rows names things
_LEAST_NAMELIKE = 20
_MOST_CATEGORIES = 64
_RARE_SHARE = 0.0005
_MOST_GAPS = 4  # an id of a row is at most so many times the rows that a part of the table has
_CLOCK: tuple[Part, ...] = ("weekday", "hour", "minute")


class Proposal(NamedTuple):
    """A recipe, and a sentence for each column that says what becomes of it."""

    recipe: Recipe
    reasons: dict[str, str]


def propose_recipe(
    frame: "pl.DataFrame", *, without: Sequence[str] = (), nullable: Sequence[str] = ()
) -> Proposal:
    """Propose a recipe: drop what cannot help, impute where there are nulls, standardise, one-hot.

    Args:
        frame: The training frame.
        without: Columns to leave out, such as the target; ``Recipe.fit`` wants the same.
        nullable: Columns that are null in rows that are not here; ``Recipe.fit`` wants the same. They are
            imputed, but not flagged: a flag that is never raised in training would have untrained weights.

    Raises:
        RecipeError: No column is left that can help.

    Example:
        >>> import polars as pl
        >>> columns = {"area": [50.0, None, 70.0], "town": ["Bern", "Thun", "Bern"], "land": ["CH"] * 3}
        >>> frame = pl.DataFrame(columns)
        >>> recipe, reasons = propose_recipe(frame)
        >>> reasons["land"], recipe.fit(frame).names
        ('dropped: one value only', ('area', 'town=Bern', 'town=Thun', 'area is null'))
    """
    useless: list[str] = []
    reasons: dict[str, str] = {}
    by_role: dict[str, list[str]] = {"number": [], "boolean": [], "text": [], "time": []}
    for series in frame.drop(without):
        reason = _why_useless(series)
        if reason:
            useless.append(series.name)
            reasons[series.name] = f"dropped: {reason}"
        else:
            role, reasons[series.name] = _role(series, elsewhere=series.name in nullable)
            by_role[role].append(series.name)
    if not any(by_role.values()):
        raise RecipeError(
            f"no column can help: {'; '.join(f'{name} {why}' for name, why in reasons.items())}"
        )
    return Proposal(Recipe(tuple(_steps(frame, useless, by_role, set(nullable)))), reasons)


def _why_useless(series: "pl.Series") -> str:
    """Return why a column cannot help; empty where it may."""
    kind = kind_of(series.dtype)
    known = series.drop_nulls()
    if kind is None:
        return f"{series.dtype} is nothing that a step takes"
    if not len(known):
        return "nulls only"
    distinct = known.n_unique()
    if distinct == 1 and len(known) == len(series):
        return "one value only"
    return _why_namelike(known, kind, distinct) if len(known) >= _LEAST_NAMELIKE else ""


def _why_namelike(known: "pl.Series", kind: Kind, distinct: int) -> str:
    if kind == "text" and distinct > _NAMELIKE_SHARE * len(known):
        return f"{distinct} different texts in {len(known)} rows name things rather than describe them"
    if kind == "integer" and distinct == len(known) and _counts_rows(known):
        return "it counts the rows"
    return ""


def _counts_rows(known: "pl.Series") -> bool:
    """Say whether whole numbers go up with the rows; a part of a table has gaps where the rest was."""
    steps = known.diff().drop_nulls()
    return bool((steps > 0).all()) and int(steps.sum()) < _MOST_GAPS * len(known)


def _role(series: "pl.Series", *, elsewhere: bool) -> tuple[str, str]:
    kind = kind_of(series.dtype)
    nulls = series.null_count() + (int(series.is_nan().sum()) if series.dtype.is_float() else 0)
    missing = f", {nulls} nulls" if nulls else ", nulls of other rows" if elsewhere else ""
    flagged = " and flagged" if nulls else ""
    if kind in ("number", "integer"):
        return "number", f"{kind}: standardised{missing and missing + ' imputed by the median' + flagged}"
    if kind == "boolean":
        return "boolean", f"boolean: 0 or 1{missing and missing + ' imputed by the mode' + flagged}"
    if kind == "text":
        distinct = series.drop_nulls().n_unique()
        kept = f", the {_MOST_CATEGORIES} most frequent" if distinct > _MOST_CATEGORIES else ""
        treated = " as a category" if nulls else " as none of them"
        return "text", f"text: {distinct} categories, one-hot{kept}{missing and missing + treated}"
    return "time", f"{kind}: its parts, standardised{missing and missing + ' imputed by the median'}"


def _steps(
    frame: "pl.DataFrame", useless: list[str], by_role: dict[str, list[str]], elsewhere: set[str]
) -> list[Step]:
    steps: list[Step] = [Drop(tuple(useless))] if useless else []
    parts: list[str] = []
    for name in by_role["time"]:
        chosen = _varying_parts(frame[name])
        steps.append(DateParts((name,), chosen))
        if frame[name].null_count() or name in elsewhere:
            parts += [f"{name}.{part}" for part in chosen]
    steps += _imputes(frame, by_role, elsewhere)
    if parts:
        steps.append(Impute(tuple(parts)))
    if by_role["number"] or by_role["time"]:
        steps.append(Standardise("numbers"))
    if by_role["text"]:
        rare = max(1, round(frame.height * _RARE_SHARE)) if frame.height >= 2 / _RARE_SHARE else 1
        steps.append(OneHot("texts", most=_MOST_CATEGORIES, least_rows=rare))
    return steps


def _imputes(frame: "pl.DataFrame", by_role: dict[str, list[str]], elsewhere: set[str]) -> Iterator[Impute]:
    chosen: tuple[tuple[str, Literal["median", "mode"]], ...] = (("number", "median"), ("boolean", "mode"))
    for role, how in chosen:
        flagged = [name for name in by_role[role] if _has_nulls(frame[name])]
        filled = [name for name in by_role[role] if name in elsewhere and name not in flagged]
        if flagged:
            yield Impute(tuple(flagged), how=how, indicator=True)
        if filled:
            yield Impute(tuple(filled), how=how)


def _varying_parts(series: "pl.Series") -> tuple[Part, ...]:
    """Return the parts of a time that differ between rows; its seconds where none does."""
    clock: tuple[Part, ...] = _CLOCK if kind_of(series.dtype) == "datetime" else ("weekday",)
    parts: tuple[Part, ...] = ("year", "month", "day", *clock)
    chosen: tuple[Part, ...] = tuple(
        part for part in parts if getattr(series.dt, part)().drop_nulls().n_unique() > 1
    )
    return (*chosen, "seconds") if chosen else ("seconds",)


def _has_nulls(series: "pl.Series") -> bool:
    return series.null_count() > 0 or (series.dtype.is_float() and bool(series.is_nan().any()))
