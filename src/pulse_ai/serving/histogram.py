"""Counts in fixed buckets: cheap enough for every request, and what Prometheus wants."""

__all__ = ("BATCH_ITEMS_BOUNDS", "SECONDS_BOUNDS", "Histogram")

from bisect import bisect_left

SECONDS_BOUNDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Upper bounds of latency buckets, in seconds."""

BATCH_ITEMS_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Upper bounds of batch size buckets, in items."""


class Histogram:
    """How many observations fell under each bound.

    Attributes:
        bounds: Upper bounds of the buckets, rising; above the last there is one more.
        counts: Observations in each bucket.
        total: The sum of all observations.

    Example:
        >>> histogram = Histogram((1, 10))
        >>> for value in (0.5, 1, 7, 99):
        ...     histogram.observe(value)
        >>> histogram.counts, histogram.total
        ([2, 1, 1], 107.5)
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
