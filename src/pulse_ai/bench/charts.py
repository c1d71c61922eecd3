"""Charts as inline SVG: lines and bars, from plain values, with no script and no library.

Colours are CSS variables with a fallback (``--series-1`` and so on), so that a chart follows the light or
dark scheme of the page round it (``page.py`` defines both) and is still readable alone. Each point has a
``<title>``, which browsers show when the pointer rests on it.
"""

__all__ = ("Axis", "Bar", "Mark", "Series", "bar_chart", "line_chart", "standalone")

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from pulse_ai.bench.scales import Scale, short_number

_WIDTH, _HEIGHT = 720.0, 340.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 16.0, 58.0, 48.0
_LEGEND_ROW = 20.0
_COLOURS = ("#0b69c7", "#d1580b", "#12805c", "#a8329e", "#8a6d00", "#5b5bd6", "#c42b4e", "#5f6b7a")
_DASHES = ("", "7 3", "2 3", "9 3 2 3")
_INK, _GRID = "var(--ink, #24292f)", "var(--grid, #d0d7de)"
_MOST_DOTS = 60  # more points than this are drawn as a line alone


@dataclass(frozen=True, slots=True)
class Series:
    """A named line.

    Attributes:
        name: Shown in the legend.
        points: ``(x, y)`` in drawing order; a point that is not finite breaks the line.
        dashed: Draw it dashed and without dots: a reference that other lines may cover.
    """

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """How one axis is named and scaled.

    Attributes:
        label: What is measured, with its unit: ``"p99 latency, ms"``.
        log: Whether to draw it on a log scale; points at or below 0 are then left out.
        high: The largest value to show; None means as far as the values go.
    """

    label: str
    log: bool = False
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A reference line across the chart: a limit, or an instant at which something happened.

    Attributes:
        axis: The axis on which ``at`` lies: a mark on ``"y"`` is drawn level.
        at: Where, in that axis' unit.
        text: What it is, in a few words.
    """

    axis: Literal["x", "y"]
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, with the interval in which its value may truly lie.

    Attributes:
        name: Shown at its left.
        value: Its length, in the chart's unit; 0 or more.
        low: Where the interval begins; None draws no interval.
        high: Where it ends.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def line_chart(title: str, series: Sequence[Series], *, x: Axis, y: Axis, marks: Sequence[Mark] = ()) -> str:
    """Return an SVG element with one line per series.

    Args:
        title: What the chart shows; also its accessible name.
        series: The lines; the first is drawn last, over the others. With none, or no finite point, an empty
            frame is drawn.
        x: The horizontal axis.
        y: The vertical axis.
        marks: Reference lines.

    Example:
        >>> svg = line_chart("p99", [Series("Pulse", [(1, 2), (2, 3)])], x=Axis("offered"), y=Axis("ms"))
        >>> svg.startswith("<svg") and "Pulse" in svg
        True
    """
    points = [p for one in series for p in one.points if all(map(math.isfinite, p))]
    across = _scale(x, [p[0] for p in points] + _marked(marks, "x"), _LEFT, _WIDTH - _RIGHT)
    up = _scale(y, [p[1] for p in points] + _marked(marks, "y"), _HEIGHT - _BOTTOM, _TOP)
    names = [one.name for one in series]
    rows = _legend_rows(names)
    more = _LEGEND_ROW * (len(rows) - 1)
    inner = [
        *_legend(names, rows),
        f'<g transform="translate(0 {more:g})">',
        *_frame(across, up, x, y),
        *(part for mark in marks for part in _mark(mark, across, up)),
        *(part for i in reversed(range(len(series))) for part in _line(i, series[i], across, up)),
        "</g>",
    ]
    return _svg(title, inner, height=_HEIGHT + more)


def _scale(axis: Axis, values: list[float], first_px: float, last_px: float) -> Scale:
    if axis.high is not None:
        values = [v for v in values if v <= axis.high] + [axis.high]
    return Scale.over(values, first_px, last_px, log=axis.log)


def _marked(marks: Iterable[Mark], axis: str) -> list[float]:
    return [mark.at for mark in marks if mark.axis == axis]


def _frame(across: Scale, up: Scale, x: Axis, y: Axis) -> list[str]:
    """Return the grid, its numbers and the axis labels."""
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts: list[str] = []
    for tick in up.ticks():
        at = up.at(tick)
        parts.append(_rule(_LEFT, at, right, at))
        parts.append(_text(_LEFT - 8, at + 4, short_number(tick), anchor="end"))
    for tick in across.ticks():
        at = across.at(tick)
        parts.append(_rule(at, _TOP, at, bottom))
        parts.append(_text(at, bottom + 18, short_number(tick), anchor="middle"))
    parts.append(_text((_LEFT + right) / 2, _HEIGHT - 8, x.label, anchor="middle"))
    parts.append(_text(_LEFT, _TOP - 10, y.label))
    return parts


def _line(index: int, series: Series, across: Scale, up: Scale) -> list[str]:
    colour = _colour(index)
    pattern = _DASHES[1] if series.dashed else _DASHES[index // len(_COLOURS) % len(_DASHES)]
    dash = f' stroke-dasharray="{pattern}"' if pattern else ""
    runs = _unbroken(series.points, log_x=across.log, log_y=up.log)
    parts: list[str] = []
    for run in runs:
        path = " ".join(f"{across.at(px):.1f},{up.at(py):.1f}" for px, py in run)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-linejoin="round"{dash}/>'
        )
    if not series.dashed and sum(map(len, runs)) <= _MOST_DOTS:
        parts.extend(
            f'<circle cx="{across.at(px):.1f}" cy="{up.at(py):.1f}" r="3.2" fill="{colour}">'
            f"<title>{escape(series.name)}: {px:g}, {py:.4g}</title></circle>"
            for run in runs
            for px, py in run
        )
    return parts


def _unbroken(
    points: Sequence[tuple[float, float]], *, log_x: bool, log_y: bool
) -> list[list[tuple[float, float]]]:
    """Split a line where a point cannot be drawn."""
    runs: list[list[tuple[float, float]]] = [[]]
    for px, py in points:
        if math.isfinite(px) and math.isfinite(py) and (px > 0 or not log_x) and (py > 0 or not log_y):
            runs[-1].append((px, py))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _mark(mark: Mark, across: Scale, up: Scale) -> list[str]:
    alarm = "var(--alarm, #b42318)"
    if mark.axis == "y":
        at = up.at(mark.at)
        ends, where = (
            (_LEFT, at, _WIDTH - _RIGHT, at),
            _text(_WIDTH - _RIGHT - 4, at - 5, mark.text, anchor="end", fill=alarm),
        )
    else:
        at = across.at(mark.at)
        ends, where = (at, _TOP, at, _HEIGHT - _BOTTOM), _text(at + 4, _TOP + 12, mark.text, fill=alarm)
    return [_rule(*ends, colour=alarm, dash="5 4"), where]


def _legend_rows(names: Sequence[str]) -> list[list[int]]:
    """Return which names stand in each row: as many as fit, beside the label of the upright axis."""
    rows: list[list[int]] = [[]]
    left = space = _WIDTH - _RIGHT - 2 * _LEFT
    for index, name in enumerate(names):
        if rows[-1] and left < _legend_px(name):
            rows.append([])
            left = space
        rows[-1].append(index)
        left -= _legend_px(name)
    return rows


def _legend_px(name: str) -> float:
    return 7.0 * len(name) + 24.0


def _legend(names: Sequence[str], rows: Sequence[Sequence[int]]) -> list[str]:
    """Return swatches with names, each row from right to left."""
    parts: list[str] = []
    for number, row in enumerate(rows):
        right, top = _WIDTH - _RIGHT, _TOP - 20 + _LEGEND_ROW * number
        for index in reversed(row):
            right -= _legend_px(names[index])
            parts.append(_swatch(right, top, 12.0, 12.0, _colour(index)))
            parts.append(_text(right + 17, top + 10, names[index]))
    return parts


def bar_chart(title: str, bars: Sequence[Bar], *, unit: str, log: bool = False) -> str:
    """Return an SVG element with one level bar per value, longest scale at the bottom.

    Args:
        title: What the chart shows.
        bars: From top to bottom.
        unit: What the values count, written on the axis.
        log: Whether lengths are on a log scale; bars at or below 0 are then drawn empty.

    Example:
        >>> "Mosec" in bar_chart("no-op rate", [Bar("Pulse", 41e3), Bar("Mosec", 26e3)], unit="req/s")
        True
    """
    left = 24.0 + 7.2 * max((len(bar.name) for bar in bars), default=0)
    height = 44.0 + 30.0 * len(bars) + _BOTTOM
    values = [v for bar in bars for v in (bar.value, bar.low, bar.high) if v is not None]
    scale = Scale.over(values, left, _WIDTH - 80.0, log=log)
    inner: list[str] = []
    for tick in scale.ticks():
        at = scale.at(tick)
        inner.append(_rule(at, 40.0, at, height - _BOTTOM))
        inner.append(_text(at, height - _BOTTOM + 18, short_number(tick), anchor="middle"))
    inner.append(_text((left + _WIDTH - 80.0) / 2, height - 8, unit, anchor="middle"))
    for index, bar in enumerate(bars):
        inner.extend(_bar(bar, 44.0 + 30.0 * index, scale, _colour(index)))
    return _svg(title, inner, height=height)


def _bar(bar: Bar, top: float, scale: Scale, colour: str) -> list[str]:
    end = scale.at(bar.value)
    parts = [
        _text(scale.first_px - 8, top + 15, bar.name, anchor="end"),
        _swatch(scale.first_px, top, end - scale.first_px, 20.0, colour),
    ]
    if bar.low is not None and bar.high is not None:
        parts.append(_rule(scale.at(bar.low), top + 10, scale.at(bar.high), top + 10, colour=_INK, width=2.0))
        end = max(end, scale.at(bar.high))
    parts.append(_text(end + 7, top + 15, short_number(bar.value)))
    return parts


def _colour(index: int) -> str:
    which = index % len(_COLOURS)
    return f"var(--series-{which + 1}, {_COLOURS[which]})"


def _rule(*ends: float, colour: str = _GRID, dash: str = "", width: float = 1.0) -> str:
    x1, y1, x2, y2 = ends
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width:g}"{dashes}/>'
    )


def _swatch(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" fill="{colour}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", fill: str = _INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{escape(text)}</text>'


def _svg(title: str, inner: Sequence[str], *, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="12">'
        f'<text x="8" y="20" font-size="15" font-weight="600" fill="{_INK}">{escape(title)}</text>'
        + "".join(inner)
        + "</svg>"
    )


def standalone(svg: str) -> str:
    """Return a chart as a file of its own: on white, because nothing round it says what its ink lies on.

    Example:
        >>> standalone(bar_chart("rate", [Bar("a", 1.0)], unit="req/s")).count("<rect")
        2
    """
    ground = '<rect width="100%" height="100%" fill="#ffffff"/>'
    head, end, rest = svg.partition(">")
    return f"{head}{end}{ground}{rest}\n"
