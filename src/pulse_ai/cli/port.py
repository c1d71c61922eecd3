"""``pulse port``: the commands for models behind a port."""

__all__ = ("app",)

import typer

from pulse_ai.cli.flowing import FlowingCommand
from pulse_ai.cli.port_check import check
from pulse_ai.cli.port_run import run

app = typer.Typer(no_args_is_help=True)
app.command(cls=FlowingCommand)(run)
app.command(cls=FlowingCommand)(check)
