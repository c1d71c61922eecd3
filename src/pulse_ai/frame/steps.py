"""The steps of a recipe, as a person writes them: what to do, to which columns.

``columns`` is a tuple of names, or one word for all columns of a kind as they are when the step's turn comes:
``"numbers"`` (and integers), ``"booleans"``, ``"texts"``, ``"times"`` (dates and datetimes). Such a word never
means what an earlier step has already made into features (one-hot, ordinal, bins, hash buckets, indicators).
"""

__all__ = (
    "Bins", "Columns", "DateParts", "Derive", "Drop", "HashBuckets", "Impute", "MinMax", "OneHot", "Ordinal",
    "Part", "Robust", "Standardise", "Step", "TextLength",
)  # fmt: skip

from typing import Literal

import msgspec

Columns = tuple[str, ...] | Literal["numbers", "booleans", "texts", "times"]
Part = Literal["year", "month", "day", "weekday", "day_of_year", "hour", "minute", "second", "seconds"]


class Impute(msgspec.Struct, frozen=True, tag="impute"):
    """Puts a value where there is none. NaN in a frame counts as null.

    Attributes:
        columns: Numbers or booleans; for texts ``how`` is ``mode`` or ``constant``.
        how: ``median``, ``mean``, ``mode`` (the most frequent value) or ``constant``.
        value: The constant.
        indicator: Whether to add a feature ``NAME is null``, 1 where the value was missing. It is made for
            every column of the step, so that a null at serving time means the same as in training.

    Example:
        >>> Impute("numbers").how
        'median'
    """

    columns: Columns
    how: Literal["median", "mean", "mode", "constant"] = "median"
    value: float | str | None = None
    indicator: bool = False


class Standardise(msgspec.Struct, frozen=True, tag="standardise"):
    """Takes off the mean and divides by the standard deviation (of the population, as scikit-learn does).

    A column with one value becomes zeros.
    """

    columns: Columns = "numbers"


class MinMax(msgspec.Struct, frozen=True, tag="min_max"):
    """Maps the range seen in training to 0 to 1; values outside it land outside. One value becomes zeros."""

    columns: Columns = "numbers"


class Robust(msgspec.Struct, frozen=True, tag="robust"):
    """Takes off the median and divides by the distance between the quartiles, so outliers pull less.

    Where the quartiles are equal the standard deviation is taken instead.
    """

    columns: Columns = "numbers"


class OneHot(msgspec.Struct, frozen=True, tag="one_hot"):
    """Makes a feature ``NAME=category`` of each category: 1 where the row has it, 0 elsewhere.

    Attributes:
        columns: Texts, integers or booleans, not scaled before.
        most: Most categories of a column, at least 1; the rarer ones share ``NAME=(other)``.
        least_rows: Rows that a category needs for a feature of its own; the rarer ones are ``(other)``.

    A category that was never seen is ``(other)`` where training had one, and otherwise all zeros: a feature
    that was constant in training would have weights that nothing ever trained. Nulls are ``NAME=(null)``
    where training had some.
    """

    columns: Columns = "texts"
    most: int = 64
    least_rows: int = 1


class Ordinal(msgspec.Struct, frozen=True, tag="ordinal"):
    """Numbers the categories from 0, in the order given or sorted; unknown ones get the next number.

    Attributes:
        columns: Texts, integers or booleans, not scaled before.
        order: The categories in order, for every column of the step; empty sorts those seen in training.

    Nulls get the number after unknown.
    """

    columns: Columns = "texts"
    order: tuple[str, ...] = ()


class Bins(msgspec.Struct, frozen=True, tag="bins"):
    """Cuts numbers into bins.

    Attributes:
        columns: Numbers without nulls (impute before).
        count: How many bins, at least 2; equal edges are merged.
        by: ``quantile`` (about as many training rows in each) or ``width``.
        edges: Edges of your own, in order; a value on an edge belongs to the bin above.
        one_hot: Whether to make a feature of each bin, instead of one that is the bin's number.
    """

    columns: Columns
    count: int = 8
    by: Literal["quantile", "width"] = "quantile"
    edges: tuple[float, ...] = ()
    one_hot: bool = True


class DateParts(msgspec.Struct, frozen=True, tag="date_parts"):
    """Makes numbers ``NAME.part`` of dates and datetimes; the column itself goes.

    Attributes:
        columns: Dates and datetimes.
        parts: Empty takes year, month, day and weekday, and hour and minute for datetimes. ``weekday`` is 1
            on Mondays; ``seconds`` is the time since 1970 began. A null gives nulls.
    """

    columns: Columns = "times"
    parts: tuple[Part, ...] = ()


class TextLength(msgspec.Struct, frozen=True, tag="text_length"):
    """Makes a number ``NAME.length`` of a text: its code points. The column stays for later steps."""

    columns: Columns = "texts"


class HashBuckets(msgspec.Struct, frozen=True, tag="hash_buckets"):
    """Spreads the categories over a fixed count of features ``NAME#0``, by their CRC-32; nothing is learned.

    For columns with very many categories, and new ones every day. A null is all zeros.

    Attributes:
        columns: Texts.
        buckets: How many, between 2 and 4096.
    """

    columns: Columns
    buckets: int = 32


class Drop(msgspec.Struct, frozen=True, tag="drop"):
    """Leaves columns out; a name that is not there is an error."""

    columns: Columns


class Derive(msgspec.Struct, frozen=True, tag="derive"):
    """Adds a number computed by a formula from other columns.

    Attributes:
        name: Its name.
        formula: What ``Formula`` takes, such as ``"(dropoff - pickup) / 60"``; a date or datetime counts as
            its seconds since 1970 began.
    """

    name: str
    formula: str


Step = (
    Impute | Standardise | MinMax | Robust | OneHot | Ordinal | Bins | DateParts | TextLength | HashBuckets
    | Drop | Derive
)  # fmt: skip
