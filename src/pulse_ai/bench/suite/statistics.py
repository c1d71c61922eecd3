"""What a list of samples says: average, spread, percentiles, modes, outliers. Pure functions of values."""

__all__ = ("Outliers", "Statistics", "summarize", "without_outliers")

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_FENCE = 1.5  # Tukey's: interquartile ranges beyond the quartiles


class Outliers(msgspec.Struct, frozen=True):
    """Samples far from the others.

    Attributes:
        count: How many lie outside the bounds.
        low: Samples below this are outliers.
        high: Samples above this are outliers.
    """

    count: int
    low: float
    high: float


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """A summary of samples, in the samples' own unit (seconds of one call, or bytes).

    Attributes:
        samples: How many samples; at least 1.
        average: Their mean.
        deviation: Standard deviation of the samples; 0.0 for a single one.
        deviation_ratio: The same as a share of the average; 0.0 where that is 0.
        median: The middle sample.
        modes: The values seen most often, to three figures; empty where no value was seen twice.
        minimum: The smallest sample.
        maximum: The largest sample.
        percentiles: Values by percentile, such as ``{"99": 0.004}``, interpolated between samples.
        outliers: What lies far out, by Tukey's fences.
    """

    samples: int
    average: float
    deviation: float
    deviation_ratio: float
    median: float
    modes: tuple[float, ...]
    minimum: float
    maximum: float
    percentiles: dict[str, float]
    outliers: Outliers

    @property
    def per_second(self) -> float:
        """Calls a second at the average; infinite where the average is 0."""
        return 1.0 / self.average if self.average else math.inf


def summarize(
    samples: Sequence[float] | Floats, *, percentiles: Sequence[float] = (50.0, 99.0)
) -> Statistics:
    """Return the statistics of samples.

    Args:
        samples: At least one finite value.
        percentiles: Each in (0, 100).

    Raises:
        ValueError: There are no samples.

    Example:
        >>> s = summarize([1.0, 2.0, 2.0, 3.0])
        >>> s.average, s.median, s.modes, s.percentiles["50"]
        (2.0, 2.0, (2.0,), 2.0)
    """
    values = np.asarray(samples, np.float64)
    if values.size == 0:
        raise ValueError("there are no samples to summarize")
    average = float(values.mean())
    deviation = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return Statistics(
        samples=values.size,
        average=average,
        deviation=deviation,
        deviation_ratio=deviation / average if average else 0.0,
        median=float(np.median(values)),
        modes=_modes(values),
        minimum=float(values.min()),
        maximum=float(values.max()),
        percentiles={f"{p:g}": float(np.percentile(values, p)) for p in percentiles},
        outliers=_outliers(values),
    )


def _modes(values: Floats) -> tuple[float, ...]:
    """Return the most frequent values; rounded, since times are hardly ever equal to the nanosecond."""
    if values.size < 2:
        return ()
    rounded = (
        np.array([float(f"{v:.3g}") for v in values.tolist()]) if values.size <= 10_000 else _coarse(values)
    )
    found, counts = np.unique(rounded, return_counts=True)
    most = int(counts.max())
    return tuple(found[counts == most].tolist()[:3]) if most > 1 else ()


def _coarse(values: Floats) -> Floats:
    """Round many values to three figures at once."""
    size = 10.0 ** (np.floor(np.log10(np.maximum(np.abs(values), 1e-300))) - 2)
    return np.round(values / size) * size


def _outliers(values: Floats) -> Outliers:
    low, high = _fences(values)
    return Outliers(int(((values < low) | (values > high)).sum()), low, high)


def _fences(values: Floats) -> tuple[float, float]:
    first, third = (float(q) for q in np.percentile(values, (25.0, 75.0)))
    reach = _FENCE * (third - first)
    return max(0.0, first - reach), third + reach


def without_outliers(samples: Sequence[float] | Floats) -> Floats:
    """Return the samples that are no outliers; at least half of them stay.

    Example:
        >>> without_outliers([1.0, 1.1, 0.9, 1.0, 50.0]).tolist()
        [1.0, 1.1, 0.9, 1.0]
    """
    values = np.asarray(samples, np.float64)
    low, high = _fences(values)
    return values[(values >= low) & (values <= high)]
