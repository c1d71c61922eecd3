"""The command line: which commands there are."""

__all__ = ("app",)

from typing import Annotated

import typer

from pulse_ai import __version__
from pulse_ai.cli.bench_group import BenchGroup
from pulse_ai.cli.doctor import doctor
from pulse_ai.cli.flowing import FlowingCommand
from pulse_ai.cli.port_group import PortGroup
from pulse_ai.cli.serve import serve
from pulse_ai.cli.train import train

app = typer.Typer(
    name="pulse",
    help="From a CSV or a pretrained checkpoint to an API that stays fast, bounded and alive.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if wanted:
        typer.echo(f"pulse {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


for _command in (serve, train, doctor):
    app.command(cls=FlowingCommand)(_command)
app.add_typer(
    typer.Typer(no_args_is_help=True), name="bench", cls=BenchGroup, help="Measure services and functions."
)
app.add_typer(typer.Typer(no_args_is_help=True), name="port", cls=PortGroup, help="Models behind a port.")
