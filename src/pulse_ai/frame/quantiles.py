"""Quantiles of a column that comes a batch at a time, in bounded memory.

Numbers that are whole steps apart in a narrow range (ages, months, counts) are tallied, which is exact for any
number of rows. Of any others a sample is kept.
"""

__all__ = ("Quantiles", "Sample", "Tally")

import numpy as np
from numpy.typing import NDArray

from pulse_ai.frame.learned import known_of

Numbers = NDArray[np.float64]

_SAMPLE_ROWS = 1_000_000
_WIDEST = 65_536
_SPILT_ROWS = 65_536
_SEED = 0


class Quantiles:
    """A column's numbers, as far as their quantiles need them.

    Args:
        shares: Which quantiles are wanted, each in [0, 1].
    """

    def __init__(self, shares: tuple[float, ...]) -> None:
        self._shares = shares
        self._kept: Tally | Sample = Tally()
        self._found: list[float] | None = None

    def add(self, values: Numbers) -> None:
        """Take in a batch; NaN is null."""
        known = known_of(values)
        if isinstance(self._kept, Tally) and not self._kept.fits(known):
            self._kept = self._kept.sample()
        self._kept.add(known)

    def quantiles(self) -> list[float]:
        """Return the quantiles, linear between neighbours; none where the column has no value.

        The numbers are let go of.
        """
        if self._found is None:
            self._found = _linear(self._shares, self._kept)
            self._kept = Tally()
        return self._found


class Tally:
    """How often each number stands in a column, by its steps of 1 from the least."""

    def __init__(self) -> None:
        self._low = 0.0
        self._rows: NDArray[np.int64] = np.empty(0, np.int64)

    def fits(self, known: Numbers) -> bool:
        """Say whether a batch without NaN can be tallied beside what has been: few whole steps apart."""
        if not len(known):
            return True
        low, high = self._range(known)
        if not (high - low < _WIDEST and (self._first(low) - low).is_integer()):
            return False
        steps = known - low
        return bool(np.array_equal(steps, np.rint(steps)))

    def add(self, known: Numbers) -> None:
        """Take in a batch that fits."""
        if not len(known):
            return
        low, high = self._range(known)
        rows = np.bincount((known - low).astype(np.int64), minlength=int(high - low) + 1)
        begin = int(self._first(low) - low)
        rows[begin : begin + len(self._rows)] += self._rows
        self._low, self._rows = low, rows

    def _range(self, known: Numbers) -> tuple[float, float]:
        """Return the least and the greatest number with a batch that is not empty."""
        low, high = float(known.min()), float(known.max())
        first = self._first(low)
        return min(low, first), max(high, first + len(self._rows) - 1)

    def _first(self, low: float) -> float:
        """Return the least number so far; ``low`` where there is none."""
        return self._low if len(self._rows) else low

    def sample(self) -> "Sample":
        """Return a sample of the numbers."""
        found = Sample()
        for first in range(0, self.count, _SPILT_ROWS):
            found.add(self.at(np.arange(first, min(first + _SPILT_ROWS, self.count))))
        return found

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return int(self._rows.sum())

    def at(self, places: NDArray[np.int64]) -> Numbers:
        """Return the numbers that stand at these places once all are sorted."""
        steps = np.searchsorted(np.cumsum(self._rows), places, side="right").astype(np.float64)
        return self._low + steps


class Sample:
    """All numbers of a column up to a million, beyond that a seeded uniform sample of them.

    It is Vitter's algorithm R, so the same rows in the same order give the same sample.

    Args:
        most: How many numbers are kept.
    """

    def __init__(self, most: int = _SAMPLE_ROWS) -> None:
        self._most = most
        self._kept: Numbers = np.empty(0)
        self._seen = 0
        self._random = np.random.default_rng(_SEED)

    def add(self, known: Numbers) -> None:
        """Take in a batch without NaN."""
        room = min(max(self._most - self._seen, 0), len(known))
        self._reserve(self._seen + room)
        self._kept[self._seen : self._seen + room] = known[:room]
        self._seen += room
        late = known[room:]
        if len(late):
            places = self._random.integers(0, np.arange(self._seen + 1, self._seen + len(late) + 1))
            hits = places < self._most
            self._kept[places[hits]] = late[hits]
            self._seen += len(late)

    def _reserve(self, count: int) -> None:
        """Make room for so many numbers; what is reserved but not written to takes no memory."""
        if count > len(self._kept):
            more = np.empty(min(max(count, 2 * len(self._kept)), self._most))
            more[: self._seen] = self._kept[: self._seen]
            self._kept = more

    @property
    def count(self) -> int:
        """How many numbers are kept."""
        return min(self._seen, self._most)

    def at(self, places: NDArray[np.int64]) -> Numbers:
        """Return the numbers that stand at these places once all are sorted; their own order is lost."""
        kept = self._kept[: self.count]
        kept.partition(places)
        return kept[places]


def _linear(shares: tuple[float, ...], kept: Tally | Sample) -> list[float]:
    """Return quantiles, linear between neighbours; none where there is no number."""
    if not kept.count:
        return []
    places = np.array(shares) * (kept.count - 1)
    below = np.floor(places)
    low, high = np.split(kept.at(np.append(below, np.ceil(places)).astype(np.int64)), 2)
    return (low + (high - low) * (places - below)).tolist()
