"""Scales for charts: where a value lies, which ticks to draw, and how a number is written."""

__all__ = ("Scale", "log_ticks", "round_ticks", "short_number")

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pulse_ai.bench.text import figures

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_SMALLEST = 1e-12  # stands in for values that a log scale cannot show


@dataclass(frozen=True, slots=True)
class Scale:
    """A map from values to pixels along one axis.

    Attributes:
        low: The value at the first pixel.
        high: The value at the last pixel; above ``low``.
        first_px: Where ``low`` lies.
        last_px: Where ``high`` lies; may be below ``first_px``, as on a y axis.
        log: Whether equal distances mean equal ratios; ``low`` must then be above 0.

    Example:
        >>> Scale(1.0, 100.0, 0.0, 200.0, log=True).at(10.0)
        100.0
    """

    low: float
    high: float
    first_px: float
    last_px: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0.0:
            raise ValueError(f"a log scale starts above 0, got {self.low:g}")

    def at(self, value: float) -> float:
        """Return the pixel of a value; values outside are drawn at the edge."""
        inside = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return self.first_px + share * (self.last_px - self.first_px)

    def ticks(self) -> tuple[float, ...]:
        """Return the values to label."""
        return log_ticks(self.low, self.high) if self.log else round_ticks(self.low, self.high)

    @classmethod
    def over(cls, values: Iterable[float], first_px: float, last_px: float, *, log: bool = False) -> "Scale":
        """Return a scale that holds every finite value, ending on round numbers.

        A linear scale begins at 0 unless a value is below it. A log scale leaves out values at or below 0.

        Example:
            >>> Scale.over([3.0, 87.0], 0.0, 100.0)
            Scale(low=0.0, high=100.0, first_px=0.0, last_px=100.0, log=False)
            >>> Scale.over([], 0.0, 100.0).high
            1.0
        """
        finite = [v for v in values if math.isfinite(v) and (v > _SMALLEST or not log)]
        if log:
            return cls(*_log_ends(finite), first_px, last_px, log=True)
        low, high = min([0.0, *finite]), max([0.0, *finite])
        if high - low < max(_SMALLEST, 1e-9 * abs(low)):
            high = low + max(1.0, 1e-6 * abs(low))
        step = _round_step(high - low, wanted=5)
        return cls(math.floor(low / step) * step, math.ceil(high / step) * step, first_px, last_px)


def _log_ends(values: list[float]) -> tuple[float, float]:
    """Return the nearest 1, 2 or 5 times a power of ten on either side."""
    if not values:
        return 1.0, 10.0
    low, high = min(values), max(values)
    steps = sorted({m * 10.0**e for e in _decades(low, high) for m in (1, 2, 5)})
    start = max(s for s in steps if s <= low * (1 + 1e-9))
    end = min(s for s in steps if s >= high * (1 - 1e-9))
    return (start, end) if start < end else (start, start * 10.0)


def _decades(low: float, high: float) -> range:
    return range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)


def _round_step(span: float, *, wanted: int) -> float:
    rough = span / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    return power * min(s for s in _STEPS if s >= rough / power - 1e-9)


def round_ticks(low: float, high: float, *, wanted: int = 5) -> tuple[float, ...]:
    """Return about ``wanted`` round values from ``low`` to ``high``.

    Example:
        >>> round_ticks(0.0, 100.0)
        (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)
    """
    step = _round_step(high - low, wanted=wanted)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(i * step, 12) for i in range(first, last + 1))


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return the powers of ten in a range, with their 2 and 5 where few powers fit.

    Example:
        >>> log_ticks(1.0, 1000.0)
        (1.0, 10.0, 100.0, 1000.0)
        >>> log_ticks(2.0, 20.0)
        (2.0, 5.0, 10.0, 20.0)
    """
    many = math.log10(high / low) >= 2.5
    found = [float(f"{m}e{e}") for e in _decades(low, high) for m in ((1,) if many else (1, 2, 5))]
    return tuple(t for t in found if low * (1 - 1e-9) <= t <= high * (1 + 1e-9))


def short_number(value: float) -> str:
    """Write a number in at most about five characters.

    Example:
        >>> [short_number(v) for v in (0.0, 0.004, 0.25, 12.0, 1500.0, 56_000.0, 2.5e6)]
        ['0', '0.004', '0.25', '12', '1.5k', '56k', '2.5M']
    """
    for size, letter in _PREFIXES:
        if abs(value) >= size:
            return f"{figures(value / size, 3)}{letter}"
    return figures(value, 3)
