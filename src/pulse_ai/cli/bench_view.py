"""How measurements look in a terminal."""

__all__ = ("LoadView", "draw_changes", "draw_load", "draw_proof", "draw_runs", "draw_suite")

import math
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from pulse_ai.bench.changes import Changes
from pulse_ai.bench.load import LoadReport, Progress, tables
from pulse_ai.bench.load.ledger import StepCounts, WindowCounts
from pulse_ai.bench.load.text import notes
from pulse_ai.bench.proof import ProofReport
from pulse_ai.bench.proof import tables as proof_tables
from pulse_ai.bench.proof import text as proof_text
from pulse_ai.bench.suite import RunComparison, SuiteReport, formats
from pulse_ai.bench.text import duration, per_second

_UNBOUNDED = 10_000  # columns
_RECENT = 10  # windows that the live line sums up


class LoadView:
    """A live table while a load run goes on; no table where the output is not a terminal.

    Args:
        console: Where to draw; standard error, so that results can be redirected.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = False
        self._live = Live(console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, progress: Progress) -> None:
        """Draw how far the run is; say once that it is stopping."""
        if progress.stopping and not self._told:
            self._told = True
            due = progress.in_flight + progress.waiting
            self._console.print(f"stopping: waiting for {due} answers; Ctrl-C again to give them up")
        if self._live.is_started:
            self._live.update(_progress_table(progress))


def _progress_table(progress: Progress) -> Table:
    table = Table(
        title=f"{max(0.0, progress.elapsed_s):.0f} of {progress.total_s:.0f} s", title_justify="left"
    )
    for name in ("rate", "offered", "good", "refused", "errors", "p50", "p99", "max"):
        table.add_column(name, justify="left" if name == "rate" else "right")
    for counts in progress.ledger.steps:
        if counts.by_code:
            table.add_row(*_step_cells(counts))
    ledger = progress.ledger
    table.add_section()
    table.add_row(*_recent_cells(ledger.windows[-_RECENT:], ledger.window_s))
    table.caption = (
        f"{progress.in_flight} in flight, {progress.waiting} waiting for a connection; Ctrl-C stops"
    )
    return table


def _step_cells(counts: StepCounts) -> list[str]:
    ends = {code: histogram.count for code, histogram in counts.by_code.items()}
    refused = ends.get(429, 0) + ends.get(503, 0)
    succeeded = sum(n for code, n in ends.items() if 200 <= code < 300)
    name = f"{counts.step.label()}/s" if counts.step.counted else "warm-up"
    latency = [duration(counts.latency.quantile(share)) for share in (0.5, 0.99, 1.0)]
    total = sum(ends.values())
    return [
        name,
        f"{total:,}",
        f"{counts.good:,}",
        f"{refused:,}",
        f"{total - refused - succeeded:,}",
        *latency,
    ]


def _recent_cells(windows: Sequence[WindowCounts], window_s: float) -> list[str]:
    span_s = max(len(windows), 1) * window_s
    offered, good = sum(w.offered for w in windows), sum(w.good for w in windows)
    refused, succeeded = sum(w.refused for w in windows), sum(w.succeeded for w in windows)
    worst = max((w.latency.max_s for w in windows), default=0.0)
    rates = [per_second(n / span_s) for n in (offered, good, refused, offered - refused - succeeded)]
    return [f"last {span_s:.1f} s", *rates, "", "", duration(worst)]


def draw_load(console: Console, report: LoadReport) -> None:
    """Draw the report of a load run."""
    console.print(_heading(report.url, report.plan))
    _draw_table(console, tables.COUNT_HEAD, tables.count_rows(report))
    _draw_table(console, tables.LATENCY_HEAD, tables.latency_rows(report))
    _draw_table(console, tables.STATUS_HEAD, tables.status_rows(report))
    for note in notes(report):
        console.print(
            note, style="yellow" if note == report.generator.text and report.generator.limited else "dim"
        )
    for judged in report.verdicts:
        console.print("[green]yes[/]" if judged.holds else "[red]no[/] ", escape(judged.text))


def draw_proof(console: Console, report: ProofReport) -> None:
    """Draw the report of a proof."""
    console.print(_heading(report.title, report.plan))
    for side in (report.single, report.batched):
        capacity = per_second(side.capacity_per_s)
        console.print(f"\nbatch size [bold]{side.batch_size}[/] carries [bold]{capacity}[/]")
        rows = [row[:-1] for row in proof_tables.step_rows(side)]  # so that it fits 80 columns
        _draw_table(console, proof_tables.STEP_HEAD[:-1], rows)
    for note in proof_text.notes(report):
        console.print(note, style="dim")
    for warning in proof_text.warnings(report):
        console.print(warning, style="yellow")
    for judged in report.verdicts:
        console.print("[green]yes[/]" if judged.holds else "[red]no[/] ", escape(judged.text))


def draw_suite(console: Console, report: SuiteReport) -> None:
    """Draw the report of a suite."""
    console.print(_heading(report.name, report.settings))
    for name in report.inputs:
        if name:
            console.print(f"\ninput: [bold]{escape(name)}[/]")
        _draw_table(console, formats.scenario_head(report), formats.scenario_rows(report, name))
        for line, row in zip(formats.comparison_lines(report, name), report.comparisons[name], strict=True):
            console.print(escape(line), style="" if row.significant else "dim")


def draw_runs(console: Console, runs: RunComparison) -> None:
    """Draw two runs side by side."""
    _draw_table(console, formats.RUN_HEAD, formats.run_rows(runs))
    if not runs.same_machine:
        console.print("the two runs were not taken on the same kind of machine or Python", style="yellow")
    if runs.gate is not None:
        word = "[green]passed[/]" if runs.passed else "[red]failed[/]"
        console.print(f"gate of {runs.gate:.3g} of the earlier time: {word}")


def draw_changes(console: Console, changes: Changes) -> None:
    """Draw two loads or two proofs side by side."""
    _draw_table(console, ("figure", "earlier", "later", "times", "gate"), _change_rows(changes))
    if not changes.same_machine:
        console.print("the two were not taken on the same kind of machine or Python", style="yellow")
    console.print("one run of each: how much they differ by chance is not known", style="dim")
    if changes.gate is not None:
        word = "[green]passed[/]" if changes.passed else "[red]failed[/]"
        console.print(f"gate of {changes.gate:.3g} of the earlier figure: {word}")


def _change_rows(changes: Changes) -> list[list[str]]:
    write: dict[str, Callable[[float], str]] = {"s": duration, "/s": per_second, "share": "{:.2%}".format}
    gated = changes.gate is not None
    rows = [
        [
            row.name,
            write[row.unit](row.earlier),
            write[row.unit](row.later),
            "-" if math.isnan(row.ratio) else f"{row.ratio:.2f}",
            ("fails" if row.name in changes.regressions else "passes") if gated else "-",
        ]
        for row in changes.rows
    ]
    rows.extend([name, "yes", "not there", "-", "fails" if gated else "-"] for name in changes.missing)
    rows.extend([name, "not there", "yes", "-", "-"] for name in changes.added)
    return rows


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    for index, name in enumerate(head):
        table.add_column(name, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _draw_table(console: Console, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Draw a table; one that is wider than the terminal is drawn a row at a time, so that no figure is cut off."""
    table = _table(head, rows)
    unbounded = console.options.update(
        width=_UNBOUNDED
    )  # else the answer is never more than the terminal has
    if console.measure(table, options=unbounded).maximum <= console.width:
        console.print(table)
        return
    for name, *cells in rows:
        console.print(f"\n[bold]{escape(name)}[/]", soft_wrap=True)
        for title, cell in zip(head[1:], cells, strict=True):
            console.print(f"  {title:<{max(map(len, head))}} {escape(cell)}", soft_wrap=True)


def _heading(title: str, facts: Mapping[str, str]) -> str:
    """Return the first line of a report, with what its user named kept from being read as markup."""
    return f"[bold]{escape(title)}[/]  " + escape(
        "; ".join(f"{name} {value}" for name, value in facts.items())
    )
