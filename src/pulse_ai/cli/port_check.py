"""``pulse port check``: whether a worker of another program speaks the protocol."""

__all__ = ("check",)

import asyncio
import logging
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pulse_ai.cli import port_check_options as option
from pulse_ai.cli.worker_command import parse_command
from pulse_ai.core import TargetError
from pulse_ai.testing import ConformanceReport, Outcome, Subject, report_of, run_checks

_STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}


def check(  # noqa: PLR0913 - an option is an argument
    command: option.Command,
    *,
    target: option.Target = "",
    item: option.Items = None,
    wrong_item: option.WrongItems = None,
    only: option.Only = None,
    limit_s: option.LimitS = 10.0,
    start_limit_s: option.StartLimitS = 60.0,
    json: option.Json = False,
    verbose: option.Verbose = False,
) -> None:
    """Try a worker in any language with the protocol, a row for each of its rules.

    Each check starts the worker anew, so it takes as long as the worker loads, two dozen times.

    Exit code: 0 when no check failed, 1 when one did, 2 when the command cannot be carried out.
    """
    subject = Subject(
        command=parse_command(command),
        target=target,
        items=_values(item),
        wrong_items=_values(wrong_item),
        limit_s=limit_s,
        start_limit_s=start_limit_s,
    )
    if verbose:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    try:
        report = asyncio.run(_check(subject, only or ()))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from error
    except OSError as error:
        raise TargetError(f"the worker cannot be started: {error}") from error
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _draw(Console(highlight=False), report)
    raise typer.Exit(0 if report.passed else 1)


def _values(texts: Sequence[str] | None) -> tuple[Any, ...]:
    try:
        return tuple(msgspec.json.decode(text) for text in texts or ())
    except msgspec.DecodeError as error:
        raise typer.BadParameter(f"an item must be JSON: {error}") from error


async def _check(subject: Subject, only: Sequence[str]) -> ConformanceReport:
    outcomes: list[Outcome] = []
    with Console(stderr=True, highlight=False).status("starting the worker") as status:
        async for outcome in run_checks(subject, only=only):
            outcomes.append(outcome)
            status.update(f"{len(outcomes)} done; {outcome.name}: {outcome.status}")
    return report_of(subject, outcomes)


def _draw(console: Console, report: ConformanceReport) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("check", "", "the protocol says", "what was seen"):
        table.add_column(title)
    table.add_column("s", justify="right")
    for row in report.outcomes:
        status = Text(row.status, style=_STYLES[row.status])
        table.add_row(Text(row.name), status, Text(row.rule), Text(row.text), f"{row.took_s:.2f}")
    console.print(table)
    counts = {status: sum(row.status == status for row in report.outcomes) for status in _STYLES}
    console.print(", ".join(f"{count} {status}" for status, count in counts.items() if count))
