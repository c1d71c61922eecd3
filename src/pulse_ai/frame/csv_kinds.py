"""What the values of a CSV column are: a plan for each, checked against all values and widened until it fits.

Everything is read as text first. A plan turns the text into values; text that does not fit becomes null, so
comparing null counts says at once whether all of a column fits.
"""

__all__ = ("Plan", "declared_plan", "guess_plan")

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pulse_ai.frame.columns import KINDS, Kind
from pulse_ai.frame.errors import RecipeError

if TYPE_CHECKING:
    import polars as pl

_DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y")
_DATETIME_FORMATS = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z",
)  # fmt: skip
_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,3}(\.\d{3})*,\d+|[+-]?\d+(,\d+)?")
_SHORT_YEAR = re.compile(r"\d{1,2}([./-])\d{1,2}\1\d{2}( .*)?")
_MARKED_NUMBER = re.compile(
    r"[+-]?[$\u20ac\u00a3\u00a5]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)? ?[%$\u20ac\u00a3\u00a5]?"
)
_LEAST_YEAR = 1000  # %Y takes 26 for a year of the first century; years here have four digits
_NEARLY = 0.5
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")


@dataclass(frozen=True, slots=True)
class Plan:
    """How the text of a column becomes values.

    Attributes:
        kind: What it becomes.
        format: Of dates and datetimes.
        padded: Whether spaces stand round the values.
        decimal_comma: Whether numbers are written 1.234,5.
        spelt_nulls: Whether words that mean null stand among the first values.
        declared: Whether a person said so; then it is never widened, and 007 is a number.
        why: Why it is text, where a person might wonder.
    """

    kind: Kind
    format: str = ""
    padded: bool = False
    decimal_comma: bool = False
    spelt_nulls: bool = False
    declared: bool = False
    why: str = ""

    @property
    def wider(self) -> "Plan":
        """What to try where not all values fit: numbers for integers, and text for everything else."""
        return replace(self, kind="number" if self.kind == "integer" else "text")

    @property
    def has_zone(self) -> bool:
        """Whether instants carry a zone."""
        return self.format.endswith("z")

    @property
    def _is_slow(self) -> bool:
        """Whether Polars reads a value of this format more slowly than it looks one up that it has read."""
        return "%.f" in self.format

    def expression(self, text: "pl.Expr", nulls: Sequence[str]) -> "pl.Expr":
        """Return the values; null where the text is null or does not fit."""
        import polars as pl

        text = self._present(text, nulls)
        match self.kind:
            case "text":
                return text
            case "boolean":
                is_true = text.is_in(_TRUE)
                return pl.when(is_true | text.is_in(_FALSE)).then(is_true)
            case "date":
                return self._whole_years(text.str.to_date(self.format, strict=False, cache=self._is_slow))
            case "datetime":
                zone = "UTC" if self.has_zone else None
                return self._whole_years(
                    text.str.to_datetime(
                        self.format, strict=False, time_zone=zone, time_unit="us", cache=self._is_slow
                    )
                )
            case "integer" | "number":
                return self._number(text)

    def absent(self, text: "pl.Expr", nulls: Sequence[str]) -> "pl.Expr":
        """Return where there is no value; words for that are looked up only where some have been seen."""
        if not self.spelt_nulls:
            return text.is_null()
        return Plan("text", padded=self.padded).expression(text, nulls).is_null()

    def misses(self, text: "pl.Expr", nulls: Sequence[str]) -> "pl.Expr":
        """Return which values are there but do not fit."""
        present = Plan("text", padded=self.padded).expression(text, nulls)
        return self.expression(text, nulls).is_null() & present.is_not_null()

    def _present(self, text: "pl.Expr", nulls: Sequence[str]) -> "pl.Expr":
        """Return the text with null for what means null, unless that would become null by itself.

        Spaces round a text go wherever they stand; of other kinds, a value that does not fit shows them.
        Looking each value up is dear: a column that is no text is spared it where no word for null could be one of
        its values.
        """
        import polars as pl

        text = text.str.strip_chars() if self.padded or self.kind == "text" else text
        if self.kind != "text" and not any(map(_could_be_a_value, nulls)):
            return text
        return pl.when(~text.is_in(list(nulls))).then(text)

    def _whole_years(self, times: "pl.Expr") -> "pl.Expr":
        """Return times with null for those whose year was written with two digits but read as a whole one."""
        import polars as pl

        if "%Y" not in self.format:
            return times
        if self.kind == "date":
            return pl.when(times >= dt.date(_LEAST_YEAR, 1, 1)).then(times)
        return pl.when(
            times >= dt.datetime(_LEAST_YEAR, 1, 1, tzinfo=dt.UTC if self.has_zone else None)
        ).then(times)

    def _number(self, text: "pl.Expr") -> "pl.Expr":
        import polars as pl

        plain = text
        if self.decimal_comma:  # 1.5 beside 1,5 is no 15
            text = pl.when(text.str.contains(f"^(?:{_DECIMAL_COMMA.pattern})$")).then(text)
            plain = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
        if self.kind == "integer":
            values = plain.cast(pl.Int64, strict=False)
        else:
            values = plain.cast(pl.Float64, strict=False).fill_nan(None)
        if self.declared:
            return values
        point = "0," if self.decimal_comma else "0."
        coded = text.str.starts_with("0") & (text != "0") & ~text.str.starts_with(point)
        return pl.when(~coded).then(values)  # 007 is a name, not a number


def _could_be_a_value(word: str) -> bool:
    """Say whether a number, a date or a truth value may be written so; NaN is null anyway."""
    has_digits = any(character.isdigit() for character in word)
    return has_digits or word.strip("+-").lower() in ("inf", "infinity", "true", "false")


def guess_plan(sample: Sequence[str], *, nulls: Sequence[str], comma: bool) -> Plan | None:
    """Return the narrowest plan that fits a sample of values; None for an empty one.

    Args:
        sample: Values that are not null.
        nulls: What counts as null.
        comma: Whether a decimal comma is looked for (where the separator is another character).

    Example:
        >>> guess_plan(["1", "2"], nulls=(), comma=False).kind, guess_plan(["1,5"], nulls=(), comma=True).kind
        ('integer', 'number')
    """
    import polars as pl

    padded = any(value != value.strip() for value in sample)
    values = [value.strip() for value in sample if value.strip() not in nulls]
    if not values:
        return None
    spelt_nulls = len(values) < len(sample)
    text = pl.DataFrame({"": values})
    has_comma = comma and any("," in value for value in values)
    has_comma = has_comma and all(_DECIMAL_COMMA.fullmatch(value) for value in values)
    shares: dict[Plan, float] = {}
    for plans in (_numbers(decimal_comma=has_comma), _times()):
        if 1.0 not in shares.values():  # what is a number is no time
            missed = [plan.expression(pl.col(""), ()).null_count() for plan in plans]
            misfits = text.select(one.alias(str(place)) for place, one in enumerate(missed)).row(0)
            shares |= {plan: 1 - count / len(values) for plan, count in zip(plans, misfits, strict=True)}
    fitting = [plan for plan, share in shares.items() if share == 1.0]
    nearly = [plan for plan, share in shares.items() if share >= _NEARLY]
    if len([plan for plan in fitting if plan.kind == "date"]) > 1:
        why = "its dates can be read as day/month and as month/day; declare one, such as '%d/%m/%Y'"
        return Plan("text", padded=padded, why=why)
    if not nearly and (why := _why_text(values)):
        return Plan("text", padded=padded, why=why)
    # What nearly fits is tried, so that a person hears which values did not.
    return replace((fitting or nearly or [Plan("text")])[0], padded=padded, spelt_nulls=spelt_nulls)


def _why_text(values: Sequence[str]) -> str:
    """Say what a person would take such values for, and how they can be that; empty where that is not known."""
    if all(_SHORT_YEAR.fullmatch(value) for value in values):
        return "its years have two digits; declare a format, such as '%d.%m.%y'"
    if all(_MARKED_NUMBER.fullmatch(value) for value in values):
        return "its numbers have signs or commas for thousands; write them plain to have numbers"
    return ""


def _numbers(*, decimal_comma: bool) -> list[Plan]:
    whole = [] if decimal_comma else [Plan("integer")]
    return [*whole, Plan("number", decimal_comma=decimal_comma), Plan("boolean")]


def _times() -> list[Plan]:
    return [
        *(Plan("date", format=one) for one in _DATE_FORMATS),
        *(Plan("datetime", format=one) for one in _DATETIME_FORMATS),
    ]


def declared_plan(said: str, guess: Plan | None) -> Plan:
    """Return the plan for what a person declared: a kind, or the format of a date such as ``%d/%m/%Y``.

    Raises:
        RecipeError: It is neither.
    """
    seen = guess or Plan("text")
    plan = Plan("text", padded=seen.padded, spelt_nulls=seen.spelt_nulls, declared=True)
    if "%" in said:
        has_time = any(part in said for part in ("%H", "%I", "%T", "%R"))
        return replace(plan, kind="datetime" if has_time else "date", format=said)
    if said not in KINDS:
        raise RecipeError(f"a declared type is one of {', '.join(KINDS)} or a format with %, got {said!r}")
    format_of = {"date": _DATE_FORMATS[0], "datetime": _DATETIME_FORMATS[2]}
    known = seen.format if seen.kind == said else format_of.get(said, "")
    return replace(plan, kind=said, format=known, decimal_comma=seen.decimal_comma)
