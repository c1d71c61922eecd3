"""The model card: what the model is, what it was made of, how good it is, and how to ask it."""

__all__ = ("figures_of", "model_card")

import json
import math
from collections.abc import Mapping
from typing import Any

from pulse_ai.frame import Column
from pulse_ai.tabular.training import TrainedTable
from pulse_ai.train import Report

_FIGURES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "auc": "area under the ROC curve",
    "macro_f1": "F1, mean of the classes",
    "log_loss": "log loss, nats",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
}


def model_card(
    trained: TrainedTable,
    *,
    name: str,
    data: Mapping[str, str],
    versions: Mapping[str, str],
    plots: list[str],
) -> str:
    """Return the card as Markdown.

    Args:
        trained: The model.
        name: Its name, as in its URL.
        data: What is known of the file: its name, and its SHA-256.
        versions: Of the libraries that made it.
        plots: File names of the pictures.
    """
    parts = (
        f"# {name}",
        _summary(trained),
        f"```\npulse serve {name}=path/to/this/folder\n{_curl(trained, name)}\n```",
        "## How good it is",
        _table(("on the held-out rows", "value"), figures_of(trained.report).items()),
        *([_classes(trained)] if trained.report.classes else ()),
        "\n".join(f"- The network is {one.sentence}." for one in trained.comparisons),
        *(f"![{plot.removesuffix('.svg')}]({plot})" for plot in plots),
        "## What it looks at",
        _table(
            ("column", "kind", "missing", "used as"),
            [(note.name, note.kind, str(note.nulls), note.reason) for note in trained.prepared.plan.columns],
        ),
        "## How it was made",
        _table(("", ""), _making(trained, data, versions).items()),
        "## Limits",
        _limits(trained),
    )
    return "\n\n".join(parts) + "\n"


def figures_of(report: Report) -> dict[str, str]:
    """Return the figures of a report by their names for a person; those that cannot be said are left out.

    Example:
        >>> figures_of(Report(objective="regression", rows=3, mae=0.5))
        {'rows': '3', 'mean absolute error': '0.5'}
    """
    found = {text: getattr(report, figure) for figure, text in _FIGURES.items()}
    return {"rows": str(report.rows)} | {
        text: f"{value:.4g}" for text, value in found.items() if value is not None and math.isfinite(value)
    }


def _summary(trained: TrainedTable) -> str:
    prepared, problem = trained.prepared, trained.prepared.problem
    what = f"one of {len(problem.labels)} classes" if problem.labels else "a number"
    left_out = f" {problem.left_out} rows without a target were left out." if problem.left_out else ""
    return (
        f"Predicts `{problem.target}` ({what}: {problem.why}) from {len(prepared.plan.used)} columns, "
        f"learned from {len(prepared.training)} rows and measured on {len(prepared.validation)} others.{left_out}"
    )


def _curl(trained: TrainedTable, name: str) -> str:
    row = {column.name: _example(column) for column in trained.prepared.recipe.columns}
    body = json.dumps(row, ensure_ascii=False).replace("'", "'\\''")
    return f"curl -H 'content-type: application/json' -d '{body}' 127.0.0.1:8000/api/{name}"


def _example(column: Column) -> Any:
    value = column.examples[0] if column.examples else column.low
    return round(value) if column.kind == "integer" and isinstance(value, float) else value


def _classes(trained: TrainedTable) -> str:
    rows = [
        (label, f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.3f}", f"{one.support:g}")
        for label, one in zip(trained.prepared.problem.labels, trained.report.classes or (), strict=True)
    ]
    return _table(("class", "precision", "recall", "F1", "rows"), rows)


def _making(trained: TrainedTable, data: Mapping[str, str], versions: Mapping[str, str]) -> dict[str, str]:
    settings, outcome = trained.settings, trained.trained.outcome
    rows = len(trained.prepared.training)
    best = "" if outcome.best_epoch is None else f", the weights of epoch {outcome.best_epoch + 1} were kept"
    return {
        **data,
        "network": " → ".join(map(str, (trained.prepared.recipe.width, *settings.hidden, _outputs(trained)))),
        "epochs": f"{len(outcome.history)} of at most {settings.most_epochs(rows)}{best}",
        "batch, learning rate": f"{settings.batch_rows(rows)}, {settings.first_rate(rows):g}",
        "held out": f"{settings.validation:.0%}, seed {settings.seed}",
        **versions,
    }


def _outputs(trained: TrainedTable) -> int:
    return len(trained.prepared.problem.labels) or 1


def _limits(trained: TrainedTable) -> str:
    rare = [
        label
        for label, one in zip(trained.prepared.problem.labels, trained.report.classes or (), strict=False)
        if one.support < 10
    ]
    lines = [
        "The figures hold for rows like those of the file; nobody has tried others.",
        "The epoch to keep was chosen on the held-out rows, so the figures are a little too good.",
        *([f"Too few rows to say how good it is for: {', '.join(rare)}."] if rare else ()),
    ]
    return "\n".join(f"- {line}" for line in lines)


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(_escaped(cell) for cell in line) + " |" for line in lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
