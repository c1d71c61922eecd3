"""A log-linear (HDR) histogram of durations: fixed relative error, bounded size, quantiles from counts.

Durations are counted in whole microseconds. Below ``2 ** (bits + 1)`` each has a bucket of its own; above,
each doubling is cut into ``2 ** bits`` equal buckets, so a bucket is never wider than ``2 ** -bits`` of its
value. Recording takes arrays: a load run folds thousands of answers at a time, which costs nanoseconds for
each.
"""

__all__ = ("Histogram",)

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_UNIT_S = 1e-6
_MOST_UNITS = float(1 << 42)  # 50 days: longer durations are counted as this long


class Histogram:
    """Counts of durations, with the exact smallest, largest and sum kept beside them.

    Args:
        bits: Precision: a quantile is off by at most ``2 ** -(bits + 1)`` of itself (10 bits: 0.05 %), or by
            half a microsecond where that is more.

    Example:
        >>> latency = Histogram()
        >>> latency.record([0.001] * 99 + [1.0])
        >>> round(latency.quantile(0.5), 4), latency.quantile(1.0), latency.count
        (0.001, 1.0, 100)
    """

    def __init__(self, *, bits: int = 10) -> None:
        if not 1 <= bits <= 16:
            raise ValueError(f"bits must be between 1 and 16, got {bits}")
        self.bits = bits
        self.count = 0
        self.sum_s = 0.0
        self.min_s = math.inf
        self.max_s = 0.0
        self._counts: npt.NDArray[np.int64] = np.zeros(0, np.int64)

    def record(self, durations_s: npt.ArrayLike) -> None:
        """Add durations in seconds; negative ones count as 0, because clocks may be read out of order."""
        durations = np.maximum(np.asarray(durations_s, np.float64), 0.0)
        if durations.size == 0:
            return
        self.count += durations.size
        self.sum_s += float(durations.sum())
        self.min_s = min(self.min_s, float(durations.min()))
        self.max_s = max(self.max_s, float(durations.max()))
        self._add(np.bincount(_buckets(durations, self.bits)))

    def merge(self, other: "Histogram") -> None:
        """Add what another histogram of the same precision has counted."""
        if other.bits != self.bits:
            raise ValueError(f"cannot merge {other.bits} bits into {self.bits} bits")
        self.count += other.count
        self.sum_s += other.sum_s
        self.min_s = min(self.min_s, other.min_s)
        self.max_s = max(self.max_s, other.max_s)
        self._add(other._counts)  # noqa: SLF001 - another of the same class

    def _add(self, counts: npt.NDArray[np.int64]) -> None:
        if counts.size > self._counts.size:
            self._counts = np.pad(self._counts, (0, counts.size - self._counts.size))
        self._counts[: counts.size] += counts

    def quantile(self, share: float) -> float:
        """Return the duration in seconds that ``share`` of all do not exceed; NaN where nothing was counted.

        Args:
            share: In ``[0, 1]``; 0.999 is p99.9. The ends are exact.
        """
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"share must be between 0 and 1, got {share:g}")
        if self.count == 0:
            return math.nan
        rank = max(1, math.ceil(share * self.count - 1e-9))
        bucket = int(np.searchsorted(np.cumsum(self._counts), rank))
        low, width = _bounds(bucket, self.bits)
        middle = (low + (width - 1) / 2) * _UNIT_S
        return min(max(middle, self.min_s), self.max_s) if rank < self.count else self.max_s

    def mean(self) -> float:
        """Return the exact mean in seconds; NaN where nothing was counted."""
        return self.sum_s / self.count if self.count else math.nan

    def share_within(self, limit_s: float) -> float:
        """Return the share of durations that do not exceed a limit, to the histogram's precision.

        Example:
            >>> some = Histogram()
            >>> some.record([0.1, 0.2, 0.3, 0.4])
            >>> some.share_within(0.25)
            0.5
        """
        if self.count == 0 or limit_s >= self.max_s:
            return 1.0
        last = int(_buckets(np.array([max(limit_s, 0.0)]), self.bits)[0])
        return float(self._counts[: last + 1].sum()) / self.count

    def buckets(self) -> Mapping[float, int]:
        """Return how many durations lie in each bucket that has any, by its middle in seconds, rising."""
        return {
            (low + (width - 1) / 2) * _UNIT_S: int(self._counts[i])
            for i in np.flatnonzero(self._counts).tolist()
            for low, width in [_bounds(i, self.bits)]
        }


def _buckets(durations_s: Floats, bits: int) -> npt.NDArray[np.int64]:
    """Return each duration's bucket: its top ``bits + 1`` bits, and how far they were shifted."""
    units = np.minimum(np.rint(durations_s / _UNIT_S), _MOST_UNITS)
    _, lengths = np.frexp(units)
    shifts = np.maximum(lengths.astype(np.int64) - (bits + 1), 0)
    return (shifts << bits) + (units.astype(np.int64) >> shifts)


def _bounds(bucket: int, bits: int) -> tuple[int, int]:
    """Return a bucket's first value and width, in microseconds."""
    shift = max(0, (bucket >> bits) - 1)
    return (bucket - (shift << bits)) << shift, 1 << shift
