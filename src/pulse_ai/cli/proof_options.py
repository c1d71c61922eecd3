"""The options of ``pulse bench proof``, each with its help."""

__all__ = (
    "BatchSize",
    "Bodies",
    "Body",
    "DeadlineMs",
    "Kills",
    "Model",
    "MostRate",
    "QueueLimit",
    "SecondsAStep",
    "Steps",
    "Target",
)

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from pulse_ai.cli.limits import DAY_S, MOST_BATCH, MOST_ITEMS, MOST_MS, MOST_PROCESSES, MOST_RATE

Target = Annotated[
    str,
    Argument(
        metavar="[NAME=]TARGET",
        help="As for pulse serve; nothing means the embedded sentiment model.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    Option(
        metavar="embedded|distilbert-size", help="A model in place of TARGET; the second has random weights."
    ),
]
SecondsAStep = Annotated[float, Option("--seconds-a-step", min=0.1, max=DAY_S, help="Seconds of each step.")]
Steps = Annotated[str, Option(help="Percents of the batching service's capacity that are offered, rising.")]
BatchSize = Annotated[int, Option(min=2, max=MOST_BATCH, help="Compared with batch size 1.")]
DeadlineMs = Annotated[
    float, Option(min=1, max=MOST_MS, help="Time limit that every request brings, in milliseconds.")
]
QueueLimit = Annotated[int, Option(min=1, max=MOST_ITEMS, help="Most items waiting.")]
MostRate = Annotated[
    float, Option(min=1, max=MOST_RATE, help="The highest rate that the generator offers, a second.")
]
Kills = Annotated[int, Option(min=1, max=MOST_PROCESSES, help="How many workers are killed under load.")]
Body = Annotated[str | None, Option(help="The JSON body of every request; else a text as {'q': ...}.")]
Bodies = Annotated[Path | None, Option(help="A file with one JSON body a line, sent in turn.")]
