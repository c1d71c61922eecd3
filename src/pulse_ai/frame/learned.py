"""What a step learns from a column, a batch of rows at a time and in bounded memory."""

__all__ = ("MOST_CATEGORIES", "Counts", "Moments", "known_of")

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pulse_ai.frame.errors import RecipeError

MOST_CATEGORIES = 1_000_000
"""Most different values of a column that are counted."""


def known_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values that are not null; the array itself where none is.

    Example:
        >>> known_of(np.array([1.0, np.nan, 2.0]))
        array([1., 2.])
    """
    nulls = np.isnan(values)
    return values[~nulls] if nulls.any() else values


@dataclass(slots=True)
class Moments:
    """Count, mean, spread and range of a column's numbers, nulls left out.

    Batches are joined by the formulas of Chan, Golub and LeVeque (1983), which lose no digits where the mean
    is far from zero.

    Attributes:
        count: Values that are not null.
        mean: Their mean.
        squares: The sum of the squares of their distances from the mean.
        low: The least.
        high: The greatest.
        nulls: How many nulls were left out.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    nulls: int = 0

    def add(self, values: NDArray[np.float64]) -> None:
        """Take in a batch; NaN is null."""
        known = known_of(values)
        self.nulls += len(values) - len(known)
        if not len(known):
            return
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # whoever asks for the deviation looks whether it is finite
            mean = float(known.mean())
            squares = float(np.square(known - mean).sum())
            self.join(len(known), mean, squares)
        self.low = min(self.low, float(known.min()))
        self.high = max(self.high, float(known.max()))

    def filled(self, value: float) -> "Moments":
        """Return the moments of the same column with ``value`` for its nulls."""
        found = replace(self, nulls=0)
        if self.nulls:
            found.join(self.nulls, value, 0.0)
            found.low, found.high = min(self.low, value), max(self.high, value)
        return found

    def join(self, count: int, mean: float, squares: float) -> None:
        """Take in values of which count, mean and sum of squares are known, but for their range."""
        whole = self.count + count
        away = mean - self.mean
        self.squares += squares + away * away * self.count * count / whole
        self.mean += away * count / whole
        self.count = whole

    @property
    def deviation(self) -> float:
        """The standard deviation of the population; 0 for a column of one value, whatever was rounded."""
        return math.sqrt(self.squares / self.count) if self.count and self.low < self.high else 0.0


@dataclass(slots=True)
class Counts:
    """How often each value stands in a column.

    Attributes:
        by_value: Rows by value.
        nulls: Rows without a value.
    """

    by_value: dict[str | float, int] = field(default_factory=dict[str | float, int])
    nulls: int = 0

    def add(self, counts: Mapping[str | float, int], nulls: int) -> None:
        """Take in a batch.

        Raises:
            RecipeError: There are too many different values.
        """
        known = self.by_value
        for value, count in counts.items():
            known[value] = known.get(value, 0) + count
        if len(known) > MOST_CATEGORIES:
            raise RecipeError(f"more than {MOST_CATEGORIES} different values; use HashBuckets, or Drop")
        self.nulls += nulls

    def filled(self, value: str | float) -> "Counts":
        """Return the counts of the same column with ``value`` for its nulls."""
        found = Counts(dict(self.by_value))
        if self.nulls:
            found.add({value: self.nulls}, nulls=0)
        return found

    def most_frequent(self) -> list[tuple[str | float, int]]:
        """Return values and rows, the most frequent first; equal ones in order of the value."""
        return sorted(self.by_value.items(), key=lambda pair: (-pair[1], pair[0]))
