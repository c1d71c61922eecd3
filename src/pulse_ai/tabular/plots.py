"""Pictures of a training: the losses, what was taken for what, and how far stated numbers can be trusted."""

__all__ = ("calibration_plot", "confusion_plot", "history_plot", "plots_of", "values_plot")

from html import escape

import numpy as np
from numpy.typing import NDArray

from pulse_ai.bench import Axis, Mark, Series, line_chart
from pulse_ai.tabular.training import TrainedTable
from pulse_ai.train import Calibration, History

_CELL, _LEFT, _TOP = 44.0, 150.0, 70.0
_MOST_LABELS = 24  # more classes than this are no picture
_LABEL_CHARACTERS = 18
_TENTHS = 10


def plots_of(trained: TrainedTable) -> dict[str, str]:
    """Return SVG elements by file stem: ``training``, and ``confusion``, ``calibration`` or ``values``."""
    plots = {"training": history_plot(trained.trained.history, trained.trained.outcome.best_epoch)}
    found, problem = trained.report, trained.prepared.problem
    if problem.kind == "regression":
        plots["values"] = values_plot(
            problem.target, trained.predictions, trained.prepared.validation.targets
        )
        return plots
    if found.confusion is not None and len(problem.labels) <= _MOST_LABELS:
        plots["confusion"] = confusion_plot(problem.labels, found.confusion)
    if found.calibration is not None:
        plots["calibration"] = calibration_plot(found.calibration)
    return plots


def history_plot(history: History, best_epoch: int | None) -> str:
    """Return the losses over the epochs, with a mark at the epoch whose weights were kept."""
    names = [name for name in ("loss", "validation_loss") if history.rows and name in history.rows[0]]
    series = [
        Series(name.replace("_", " "), [(row["epoch"] + 1, row[name]) for row in history.rows])
        for name in names
    ]
    marks = [] if best_epoch is None else [Mark("x", best_epoch + 1, "kept")]
    return line_chart("Loss over the epochs", series, x=Axis("epoch"), y=Axis("loss"), marks=marks)


def calibration_plot(found: Calibration) -> str:
    """Return how often it was true what was said with so much certainty; the diagonal is perfect."""
    points = list(zip(found.stated, found.happened, strict=True))
    series = [Series("this model", points), Series("perfect", [(0.0, 0.0), (1.0, 1.0)], dashed=True)]
    return line_chart(
        "Is it as certain as it says?", series, x=Axis("stated probability"), y=Axis("share that was true")
    )


def values_plot(target: str, predicted: NDArray[np.float64], true: NDArray[np.float64]) -> str:
    """Return the mean true value for each tenth of the predictions; the diagonal is perfect."""
    order = np.argsort(predicted, kind="stable")
    tenths = [part for part in np.array_split(order, _TENTHS) if len(part)]
    points = [(float(predicted[part].mean()), float(true[part].mean())) for part in tenths]
    ends = (points[0][0], points[-1][0])
    series = [
        Series("this model, in tenths", points),
        Series("perfect", [(ends[0], ends[0]), (ends[1], ends[1])], dashed=True),
    ]
    return line_chart(f"Predicted and true {target}", series, x=Axis("predicted"), y=Axis("true, on average"))


def confusion_plot(labels: tuple[str, ...], counts: list[list[float]]) -> str:
    """Return a square for each true class (down) and predicted one (across), dark where many rows are.

    Example:
        >>> confusion_plot(("no", "yes"), [[9.0, 1.0], [0.0, 5.0]]).count("<rect")
        4
    """
    size = _CELL * len(labels)
    cells = [
        _cell(row, column, count, max(sum(line), 1.0), f"{labels[row]} taken for {labels[column]}")
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
    ]
    names = [
        part
        for place, label in enumerate(labels)
        for part in (
            _text(_LEFT - 8, _TOP + (place + 0.6) * _CELL, _short(label), anchor="end"),
            _text(_LEFT + (place + 0.5) * _CELL, _TOP - 8, _short(label), turn=-35, anchor="start"),
        )
    ]
    width, height = _LEFT + size + 130, _TOP + size + 30
    title = "What was taken for what"
    inner = "".join((*cells, *names, _text(_LEFT, height - 8, "down: what it is; across: what was said")))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'style="max-width:{width:g}px" font-family="system-ui, sans-serif" font-size="12">'
        f"<title>{title}</title>{inner}</svg>"
    )


def _cell(row: int, column: int, count: float, total: float, what: str) -> str:
    share = count / total
    colour = "var(--series-3, #12805c)" if row == column else "var(--series-2, #d1580b)"
    x, y = _LEFT + column * _CELL, _TOP + row * _CELL
    box = (
        f'<rect x="{x:g}" y="{y:g}" width="{_CELL - 2:g}" height="{_CELL - 2:g}" fill="{colour}" '
        f'fill-opacity="{0.06 + 0.8 * share:.2f}"><title>{escape(what)}: {count:g}</title></rect>'
    )
    return box + _text(x + _CELL / 2 - 1, y + _CELL / 2 + 4, f"{count:g}", anchor="middle")


def _text(x: float, y: float, text: str, *, anchor: str = "start", turn: int = 0) -> str:
    turned = f' transform="rotate({turn} {x:g} {y:g})"' if turn else ""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="var(--ink, #24292f)"{turned}>'
        f"{escape(text)}</text>"
    )


def _short(label: str) -> str:
    return label if len(label) <= _LABEL_CHARACTERS else label[: _LABEL_CHARACTERS - 1] + "…"
