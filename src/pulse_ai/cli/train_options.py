"""The options of ``pulse train``: name, help and range of each. The defaults are those of the settings."""

from pathlib import Path
from typing import Annotated

import typer

from pulse_ai.cli.limits import MOST_CANDIDATES, MOST_COUNT

_TRAINING = "Training"
_TABLE = "Table"

Source = Annotated[
    Path,
    typer.Argument(
        metavar="DATA", help="A table with a header: CSV, or Parquet, NDJSON, Arrow IPC by its ending."
    ),
]
Target = Annotated[str, typer.Option(metavar="COLUMN", help="The column to predict.")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="The folder to write; pulse serve takes it.")]
Name = Annotated[
    str, typer.Option(help="The model's name in its URL. By default the folder's name.", show_default=False)
]
Task = Annotated[
    str | None,
    typer.Option(
        metavar="binary|multiclass|regression",
        help="What to predict. By default what the target looks like.",
        show_default=False,
        rich_help_panel=_TABLE,
    ),
]
DropColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--drop", metavar="COLUMN", help="Leave a column out; may be repeated.", rich_help_panel=_TABLE
    ),
]
Separator = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER",
        help="What stands between the fields of a CSV; \\t is a tab. By default it is found out.",
        show_default=False,
        rich_help_panel=_TABLE,
    ),
]
Encoding = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="How a CSV is encoded: latin-1, cp1252, utf-16 ...", rich_help_panel=_TABLE
    ),
]
Null = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        help="A text of a CSV that means nothing is known, besides the usual ones; may be repeated.",
        rich_help_panel=_TABLE,
    ),
]
ColumnType = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="COLUMN=KIND",
        help="What a column of a CSV is: integer, number, boolean, date, datetime, text, or the format of a date "
        "such as %d/%m/%Y; may be repeated. By default what all its values fit.",
        rich_help_panel=_TABLE,
    ),
]
Validation = Annotated[
    float,
    typer.Option(metavar="SHARE", help="Share of the rows that is held out.", rich_help_panel=_TABLE),
]
Stratify = Annotated[
    bool,
    typer.Option(help="Have each class with its share among the held-out rows.", rich_help_panel=_TABLE),
]
Hidden = Annotated[
    str,
    typer.Option(
        metavar="N,N", help="Widths of the hidden layers; 0 for a linear model.", rich_help_panel=_TRAINING
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_COUNT,
        help="Most passes over the rows. By default up to 200.",
        show_default=False,
        rich_help_panel=_TRAINING,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_COUNT,
        help="Rows in a step. By default 32 or 256.",
        show_default=False,
        rich_help_panel=_TRAINING,
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        "--lr",
        help="Size of a step. By default 0.001 or 0.002.",
        show_default=False,
        rich_help_panel=_TRAINING,
    ),
]
Dropout = Annotated[
    float, typer.Option(help="Share of each hidden layer dropped in training.", rich_help_panel=_TRAINING)
]
Patience = Annotated[
    int,
    typer.Option(
        min=1,
        max=MOST_COUNT,
        help="Stop after so many epochs without a better validation loss.",
        rich_help_panel=_TRAINING,
    ),
]
Balance = Annotated[
    bool, typer.Option(help="Have each class count the same, however rare.", rich_help_panel=_TRAINING)
]
Tune = Annotated[
    int | None,
    typer.Option(
        min=2,
        max=MOST_CANDIDATES,
        metavar="N",
        help="Search among so many candidates first: shape, dropout, step size. Goes on where it was stopped.",
        show_default=False,
        rich_help_panel=_TRAINING,
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**31 - 1, help="Decides all that is random.", rich_help_panel=_TRAINING)
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
