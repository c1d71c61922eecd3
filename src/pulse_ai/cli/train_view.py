"""What a person sees of a training: the plan, a bar with the losses, and how good the model is; or JSON."""

__all__ = ("TrainView",)

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from types import TracebackType
from typing import Any, Self

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from pulse_ai.cli.last_words import EXIT_INTERRUPTED, fail
from pulse_ai.frame import ReadReport
from pulse_ai.tabular import Evaluated, Prepared, TrainedTable, Tuning, figures_of
from pulse_ai.train import Moment

_MOST_CLASSES = 12  # a confusion matrix with more is left to the pictures
_VERDICTS = {"better": "green", "worse": "red", "no different": "yellow"}


class TrainView:
    """Draws a training on the terminal, or says the result as JSON on stdout.

    Args:
        machine_readable: One JSON object at the end, and nothing else on stdout.
    """

    def __init__(self, *, machine_readable: bool) -> None:
        self._machine_readable = machine_readable
        self._console = Console(stderr=machine_readable, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=machine_readable or not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._tuning: Tuning | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def read(self, found: ReadReport) -> None:
        """Show what was read, and what is odd about it."""
        if self._machine_readable:
            return
        self._console.print(f"[bold]{escape(found.file)}[/]: {found.rows} rows, {len(found.columns)} columns")
        for oddity in found.oddities:
            self._console.print(f"  [yellow]note[/] {escape(oddity)}")
        if found.oddities and found.separator:
            self._console.print(
                "  [dim]--type, --null, --separator and --encoding say how to read it else[/]"
            )

    @contextmanager
    def searching(self, log: Path) -> Generator[None]:
        """Say where a search that a person stops can be taken up."""
        try:
            yield
        except KeyboardInterrupt:
            self._bars.stop()
            if log.exists():
                said = f"stopped; the same command goes on from {log}"
                raise typer.Exit(fail(said, EXIT_INTERRUPTED)) from None
            raise

    def candidates(self, done: int, total: int, best: Evaluated) -> None:
        """Move the bar of the search."""
        if "search" not in self._tasks:
            self._bars.start()
            self._tasks["search"] = self._bars.add_task("search", total=total, figures="")
        genes = best.genes
        text = f"best {best.figure:.4f}: {genes.shape}, dropout {genes.dropout:g}, lr {genes.learning_rate:g}"
        self._bars.update(self._tasks["search"], completed=done, figures=text if best.work else "")

    def tuned(self, tuning: Tuning) -> None:
        """Show the candidates that no other beats."""
        self._tuning = tuning
        if self._machine_readable:
            return
        names = ("hidden", "dropout", "lr", f"{tuning.figure}, in the search", "multiplications", "ms a row")
        table = Table(*names, box=None, header_style="dim", padding=(0, 2, 0, 0))
        for one, latency_s in zip(tuning.front, tuning.latencies_s, strict=True):
            genes = one.genes
            table.add_row(
                genes.shape,
                f"{genes.dropout:g}",
                f"{genes.learning_rate:.2g}",
                f"{one.figure:.4f}",
                str(one.work),
                f"{latency_s * 1e3:.2f}",
                style="bold" if one == tuning.best else "",
            )
        self._console.print(
            f"[bold]{len(tuning.evaluated)} candidates[/]; none is better than these in both:"
        )
        self._console.print(table)

    def prepared(self, prepared: Prepared) -> None:
        """Show the plan: what is predicted, from what, and with which network."""
        if self._machine_readable:
            return
        problem = prepared.problem
        left_out = f"; {problem.left_out} rows have none and are left out" if problem.left_out else ""
        self._console.print(f"[bold]{problem.kind}[/]: {escape(problem.why)}{left_out}")
        table = Table(
            "column", "kind", "missing", "used as", box=None, header_style="dim", padding=(0, 2, 0, 0)
        )
        for note in prepared.plan.columns:
            style = "" if note.is_used else "dim"
            table.add_row(escape(note.name), note.kind, str(note.nulls), escape(note.reason), style=style)
        self._console.print(table)
        self._console.print(
            f"{len(prepared.training)} rows to learn from, {len(prepared.validation)} held out, "
            f"{prepared.recipe.width} features"
        )
        if prepared.unchecked:
            classes = ", ".join(prepared.unchecked)
            why = "no row of it is held out, so nothing is known of how well it is told"
            self._console.print(f"  [yellow]note[/] {escape(classes)}: {why}", soft_wrap=True)
        self._bars.start()

    def epochs(self, name: str, moment: Moment) -> None:
        """Move the bar of one model."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=moment.epochs, figures="")
        shown = {key: moment.figures[key] for key in ("loss", "validation_loss") if key in moment.figures}
        text = "  ".join(f"{key.replace('_', ' ')} {value:.4f}" for key, value in shown.items())
        self._bars.update(self._tasks[name], completed=moment.epoch, figures=text)

    def done(self, trained: TrainedTable, out: Path, *, took_s: float) -> None:
        """Show how good the model is, and how to serve it."""
        if self._machine_readable:
            sys.stdout.write(json.dumps(_plain(trained, self._tuning, out, took_s)) + "\n")
            return
        outcome = trained.trained.outcome
        kept = "" if outcome.best_epoch is None else f", kept epoch {outcome.best_epoch + 1}"
        self._console.print(f"\n[bold]{len(outcome.history)} epochs{kept}[/]")
        self._figures(trained)
        if trained.report.confusion is not None and len(trained.report.confusion) <= _MOST_CLASSES:
            self._confusion(trained.prepared.problem.labels, trained.report.confusion)
        for one in trained.comparisons:
            colour = _VERDICTS[one.verdict]
            self._console.print(f"[{colour}]The network is {escape(one.sentence)}.[/]", soft_wrap=True)
        if any(one.name == "linear" and one.verdict != "better" for one in trained.comparisons):
            self._console.print("  [dim]--hidden 0 trains the linear model, which is smaller[/]")
        self._console.print(
            f"\nwrote [bold]{escape(str(out))}[/] in {took_s:.1f} s · pulse serve {escape(quote(str(out)))}",
            soft_wrap=True,
        )

    def _figures(self, trained: TrainedTable) -> None:
        columns = {"network": trained.report} | {one.name: one.report for one in trained.baselines}
        table = Table(
            "held-out rows", *map(escape, columns), box=None, header_style="dim", padding=(0, 2, 0, 0)
        )
        said = [figures_of(report) for report in columns.values()]
        for figure in said[0]:
            table.add_row(figure, *(one.get(figure, "") for one in said))
        self._console.print(table)

    def _confusion(self, labels: tuple[str, ...], counts: list[list[float]]) -> None:
        table = Table(
            "is ↓  said →", *map(escape, labels), box=None, header_style="dim", padding=(0, 2, 0, 0)
        )
        for row, (label, line) in enumerate(zip(labels, counts, strict=True)):
            cells = [
                f"[green]{count:g}[/]" if row == column else f"[red]{count:g}[/]" if count else "[dim]0[/]"
                for column, count in enumerate(line)
            ]
            table.add_row(escape(label), *cells)
        self._console.print(table)


def _plain(trained: TrainedTable, tuning: Tuning | None, out: Path, took_s: float) -> dict[str, Any]:
    """Return the result as plain values; NaN has no JSON form and becomes null."""
    result = {
        "out": str(out),
        "task": trained.prepared.problem.kind,
        "target": trained.prepared.problem.target,
        "labels": trained.prepared.problem.labels,
        "training_rows": len(trained.prepared.training),
        "validation_rows": len(trained.prepared.validation),
        "unchecked_labels": trained.prepared.unchecked,
        "epochs": len(trained.trained.outcome.history),
        "best_epoch": trained.trained.outcome.best_epoch,
        "validation": trained.report,
        "baselines": {one.name: one.report for one in trained.baselines},
        "comparisons": [
            {"baseline": one.name, "verdict": one.verdict, "sentence": one.sentence}
            for one in trained.comparisons
        ],
        "tuning": tuning
        and {
            "candidates": len(tuning.evaluated),
            "figure": tuning.figure,
            "front": [
                msgspec.to_builtins(one) | {"latency_s": latency_s}
                for one, latency_s in zip(tuning.front, tuning.latencies_s, strict=True)
            ],
        },
        "took_s": round(took_s, 3),
    }
    return msgspec.json.decode(msgspec.json.encode(result))
