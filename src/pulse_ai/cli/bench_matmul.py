"""``pulse bench matmul``: the matrix product on every backend of this machine."""

__all__ = ("matmul",)

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from pulse_ai.cli import report_options as option
from pulse_ai.cli.bench_errors import usage_errors

Sizes = Annotated[str, typer.Option(help="Sizes of the square matrices, 1 to 32768, separated by commas.")]
Full = Annotated[bool, typer.Option("--full", help="Run pure Python at every size too (minutes).")]
Rounds = Annotated[int, typer.Option(min=1, max=10_000, help="How often each fast backend is timed.")]
Only = Annotated[str | None, typer.Option(help="Run this backend alone, such as 'pure Python'.")]
Add = Annotated[Path | None, typer.Option(help="Take figures that were not measured now from this JSON.")]


def matmul(  # noqa: PLR0913 - an option is an argument
    *,
    sizes: Sizes = "256,512,1024,2048",
    full: Full = False,
    rounds: Rounds = 15,
    only: Only = None,
    add: Add = None,
    json_file: option.JsonFile = None,
    html_file: option.HtmlFile = None,
) -> None:
    """Multiply matrices on pure Python, NumPy and XLA, and show what compiling is worth here.

    Exit code: 0, or 2 when the command cannot be carried out, 130 after Ctrl-C.
    """
    from pulse_ai.bench import matmul as measured
    from pulse_ai.bench import matmul_pages as pages

    with usage_errors():
        chosen = _sizes(sizes)
        earlier = msgspec.json.decode(add.read_bytes(), type=measured.MatmulReport) if add else None
        with Console(stderr=True).status("matmul") as status:
            report = measured.run_matmul(
                chosen, full=full, rounds=rounds, only=only, earlier=earlier, tell=status.update
            )
    with usage_errors():
        if json_file is not None:
            json_file.write_text(pages.matmul_json(report), "utf-8")
        if html_file is not None:
            html_file.write_text(pages.matmul_html(report), "utf-8")
    typer.echo(pages.matmul_text(report))


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in text.split(","))
    except ValueError:
        raise ValueError(f"--sizes {text!r} is not a list of sizes such as 256,512") from None
