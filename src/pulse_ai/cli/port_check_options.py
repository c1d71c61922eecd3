"""The options of ``pulse port check``, each with its help."""

__all__ = (
    "Command",
    "Items",
    "Json",
    "LimitS",
    "Only",
    "StartLimitS",
    "Target",
    "Verbose",
    "WrongItems",
)

from typing import Annotated

import typer

_DAY_S = 86_400

Command = Annotated[
    str,
    typer.Argument(
        metavar="COMMAND",
        help="The worker's program and its arguments, quoted: 'node worker.js'.",
        show_default=False,
    ),
]
Target = Annotated[str, typer.Option(help="What HELLO tells the worker to build; nothing unless given.")]
Items = Annotated[
    list[str] | None,
    typer.Option("--item", metavar="JSON", help="An item that it takes; else made from its input schema."),
]
WrongItems = Annotated[
    list[str] | None,
    typer.Option(
        "--wrong-item", metavar="JSON", help="An item that it must refuse; else made from the schema."
    ),
]
Only = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Run this check alone; may be given several times.")
]
LimitS = Annotated[
    float,
    typer.Option(min=0.1, max=_DAY_S, help="From READY on: the longest that a check may take, in seconds."),
]
StartLimitS = Annotated[
    float, typer.Option(min=0.1, max=_DAY_S, help="The longest time to READY, in seconds.")
]
Json = Annotated[bool, typer.Option("--json", help="As JSON, for a script.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show what the worker prints.")]
