"""The options of ``pulse bench load``, each with its help."""

__all__ = (
    "Bodies",
    "Body",
    "Connections",
    "Duration",
    "Header",
    "LagBound",
    "Method",
    "Poisson",
    "Rate",
    "Seed",
    "Slo",
    "Template",
    "Timeout",
    "Url",
    "Warmup",
    "Within",
)

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from pulse_ai.cli.limits import DAY_S, MOST_MS, MOST_SEED

_MOST_S = 30 * DAY_S
_MOST_CONNECTIONS = 65_535

Url = Annotated[str, Argument(help="What to ask: http://127.0.0.1:8000/api/sentiment.")]
Rate = Annotated[
    str, Option(help="Requests a second, up to 1000000: 100, steps 50,100,200, a ramp 50..400, or max.")
]
Duration = Annotated[float, Option(help="Seconds of each step; above 0, at most 2592000.")]
Warmup = Annotated[
    float, Option(min=0, max=_MOST_S, help="Seconds at the first rate that come first and are not counted.")
]
Poisson = Annotated[bool, Option("--poisson", help="Arrivals as of independent users, not evenly spaced.")]
Seed = Annotated[
    int, Option(min=0, max=MOST_SEED, help="Seed of --poisson: the same seed plans the same instants.")
]
Method = Annotated[str | None, Option(help="HTTP method; else POST with a body and GET without.")]
Body = Annotated[str | None, Option(help="One JSON body for every request.")]
Bodies = Annotated[Path | None, Option(help="A file with one JSON body a line, sent in turn.")]
Template = Annotated[str | None, Option(help="Makes a body of any line of --bodies: '{\"q\": $line}'.")]
Header = Annotated[list[str] | None, Option("--header", "-H", help="'Name: value'; may be repeated.")]
Connections = Annotated[
    int, Option(min=1, max=_MOST_CONNECTIONS, help="Most connections at once; they are reused.")
]
Timeout = Annotated[
    float,
    Option(min=0.001, max=_MOST_S, help="Seconds after its planned instant when a request is given up."),
]
Within = Annotated[
    float | None, Option(min=0, max=MOST_MS, help="Milliseconds of a good answer; else the limit in --slo.")
]
Slo = Annotated[str | None, Option(help="Objectives, such as 'p99<250ms,errors<0.1%'.")]
LagBound = Annotated[
    float, Option(min=0, max=MOST_MS, help="Milliseconds of send lag at p99 that the generator may have.")
]
