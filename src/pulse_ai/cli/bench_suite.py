"""``pulse bench run``, and ``pulse bench compare`` for whatever was saved."""

__all__ = ("compare", "run")

import importlib
import importlib.util
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pulse_ai.bench import suite as suites
from pulse_ai.bench.changes import Changes, Saved, compare_reports, read_saved
from pulse_ai.cli.bench_errors import usage_errors
from pulse_ai.cli.bench_view import draw_changes, draw_runs, draw_suite
from pulse_ai.cli.report_options import HtmlFile, JsonFile, MarkdownFile
from pulse_ai.core import PulseError

Target = Annotated[str, typer.Argument(help="Where the Suite is: module:name or file.py:name.")]
Earlier = Annotated[Path, typer.Argument(help="The run to compare with, saved by --json.")]
Later = Annotated[Path, typer.Argument(help="The run that is judged.")]
Gate = Annotated[str | None, typer.Option(help="Fail where worse by more than this: 5%.")]


def run(
    target: Target,
    *,
    json_file: JsonFile = None,
    markdown_file: MarkdownFile = None,
    html_file: HtmlFile = None,
) -> None:
    """Run a suite of microbenchmarks and compare its jobs.

    Exit code: 0, or 2 when the command cannot be carried out or a job raises, 130 after Ctrl-C.
    """
    with usage_errors():
        report = _of_user(target, _find(target).run)
    with usage_errors():
        if json_file is not None:
            suites.save_report(report, json_file)
        if markdown_file is not None:
            markdown_file.write_text(suites.to_markdown(report), "utf-8")
        if html_file is not None:
            html_file.write_text(suites.to_html(report), "utf-8")
    draw_suite(Console(), report)


def compare(earlier: Earlier, later: Later, *, gate: Gate = None) -> None:
    """Compare two saved runs of a suite, two loads or two proofs.

    Exit code: 0, or 1 where a figure is missing or fails the gate, or 2 where a file cannot be read.
    """
    with usage_errors():
        before, after = read_saved(earlier), read_saved(later)
        share = None if gate is None else _share(gate)
        found = _compared(before, after, share)
    if isinstance(found, suites.RunComparison):
        draw_runs(Console(), found)
    else:
        draw_changes(Console(), found)
    raise typer.Exit(0 if found.passed else 1)


def _compared(before: Saved, after: Saved, gate: float | None) -> suites.RunComparison | Changes:
    """Compare two reports.

    Raises:
        ValueError: They are of two kinds.
    """
    if isinstance(before, suites.SuiteReport) and isinstance(after, suites.SuiteReport):
        return suites.compare_runs(before, after, gate=gate)
    if not isinstance(before, suites.SuiteReport) and not isinstance(after, suites.SuiteReport):
        return compare_reports(before, after, gate=gate)
    raise ValueError("a suite compares with a suite, a load with a load, and a proof with a proof")


def _share(text: str) -> float:
    """Return the share that a percentage names."""
    try:
        share = float(text.removesuffix("%")) / 100.0
    except ValueError:
        share = math.nan
    if math.isnan(share):
        raise ValueError(f"{text!r} is not a gate such as 5%")
    return share


def _find(target: str) -> suites.Suite:
    origin, _, name = target.rpartition(":")
    if not origin:
        raise ValueError(f"{target!r} names no suite; write module:name or file.py:name")
    found: Any = getattr(_import(origin), name, None)
    if isinstance(found, suites.Suite):
        return found
    raise ValueError(f"{name!r} in {origin!r} is not a Suite")


def _import(origin: str) -> Any:
    if not origin.endswith(".py"):
        sys.path.insert(0, "")
        return _of_user(origin, lambda: importlib.import_module(origin))
    spec = importlib.util.spec_from_file_location("pulse_bench_target", origin)
    if spec is None or spec.loader is None or not Path(origin).is_file():
        raise ValueError(f"there is no Python file at {origin!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    loader = spec.loader
    _of_user(origin, lambda: loader.exec_module(module))
    return module


def _of_user(origin: str, call: Callable[[], Any]) -> Any:
    """Run code of the person's; what it raises is told in one line, with the notes on it."""
    try:
        return call()
    except PulseError:
        raise
    except Exception as error:
        said = [f"{origin}: {type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
        raise ValueError("; ".join(said)) from error
