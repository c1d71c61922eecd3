"""Plain text for reports: columns that line up, and durations written as a person would."""

__all__ = ("columns", "duration", "figures", "per_second")

import math
from collections.abc import Sequence

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def figures(value: float, count: int) -> str:
    """Write a number with so many figures; one that is too long for them in full, and never with an exponent.

    Example:
        >>> [figures(value, 3) for value in (0.012345, 250.0, 999.7, 12345.6)]
        ['0.0123', '250', '1,000', '12,346']
    """
    text = f"{value:.{count}g}"
    return f"{value:,.0f}" if "e+" in text else text


def duration(seconds: float | None) -> str:
    """Write a duration with three figures and the unit that suits it; ``-`` where there is none.

    Example:
        >>> [duration(s) for s in (None, 0.0, 42e-9, 0.0071234, 1.5, 120.0, 4321.0)]
        ['-', '0 s', '42 ns', '7.12 ms', '1.5 s', '120 s', '4,321 s']
    """
    if seconds is None or math.isnan(seconds):
        return "-"
    size, unit = next(
        ((s, u) for s, u in _UNITS if abs(seconds) >= s), (1.0, "s") if seconds == 0.0 else _UNITS[-1]
    )
    return f"{figures(seconds / size, 3)} {unit}"


def per_second(rate: float) -> str:
    """Write a rate.

    Example:
        >>> [per_second(rate) for rate in (0.125, 99.96, 41234.5, 2.5e6)]
        ['0.125/s', '100/s', '41,234/s', '2,500,000/s']
    """
    return f"{rate:,.0f}/s" if rate >= 99.95 else f"{rate:.3g}/s"


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table: the first column aligned left, the others right.

    Example:
        >>> print(columns(["name", "p99"], [["a", "7 ms"], ["longer", "12 ms"]]))
        name      p99
        a        7 ms
        longer  12 ms
    """
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)
