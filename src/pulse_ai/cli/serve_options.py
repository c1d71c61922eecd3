"""The options of ``pulse serve``: name, help and range of each. The defaults are those of the settings."""

from typing import Annotated

import typer

from pulse_ai.cli.limits import DAY_S, MOST_BATCH, MOST_ITEMS, MOST_MS, MOST_PROCESSES
from pulse_ai.core import LEAST_MEMORY_BYTES, MOST_MEMORY_BYTES, MOST_SPIN_S

_PRETRAINED = "Pretrained models"
_FILES = "Files from scikit-learn"
_LIMITS = "Limits"
_WORKERS = "Workers"
_MOST_LABELS = 1_000_000
_MOST_BODY_BYTES = 2**30


def _memory(value: int) -> int:
    """Refuse what is neither 0 nor enough for a worker, by the option's name and in whole bytes."""
    if 0 < value < LEAST_MEMORY_BYTES:
        raise typer.BadParameter(f"must be at least {LEAST_MEMORY_BYTES}, or 0 for no limit, got {value}")
    return value


def in_us(seconds: float) -> int:
    """Return seconds as whole microseconds."""
    return round(seconds * 1e6)


Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME=]TARGET",
        help="Nothing: the embedded sentiment model. Or hf:owner/name\\[@revision], a folder with a "
        "checkpoint, a folder that pulse train wrote, a scikit-learn model in a .skops, .onnx, .joblib or .pkl "
        "file, module:Task, file.py:task.",
        show_default=False,
    ),
]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
MaxBodyBytes = Annotated[
    int,
    typer.Option(
        min=1, max=_MOST_BODY_BYTES, help="Longest request body, in bytes.", rich_help_panel=_LIMITS
    ),
]
QueueLimit = Annotated[
    int,
    typer.Option(
        min=1, max=MOST_ITEMS, help="Most items waiting; more are refused with 429.", rich_help_panel=_LIMITS
    ),
]
DeadlineMs = Annotated[
    float,
    typer.Option(
        min=1, max=MOST_MS, help="Time limit of a request that brings none.", rich_help_panel=_LIMITS
    ),
]
GraceS = Annotated[
    float,
    typer.Option(
        min=0, max=DAY_S, help="After SIGTERM: time for accepted work to finish.", rich_help_panel=_LIMITS
    ),
]
BatchSize = Annotated[int, typer.Option(min=1, max=MOST_BATCH, help="Most items in one batch.")]
BatchMode = Annotated[
    str,
    typer.Option(
        metavar="eager|timer",
        help="eager: a free worker takes what waits. timer: wait for a full batch or the timeout.",
    ),
]
BatchTimeoutMs = Annotated[
    float, typer.Option(min=0, max=MOST_MS, help="In timer mode: longest wait for a batch to fill.")
]
Workers = Annotated[
    int, typer.Option(min=1, max=MOST_PROCESSES, help="Processes for each model.", rich_help_panel=_WORKERS)
]
WorkerCommand = Annotated[
    str | None,
    typer.Option(
        metavar="COMMAND",
        help="Serve with workers of another program, such as 'node worker.js'; TARGET is theirs to read.",
        rich_help_panel=_WORKERS,
    ),
]
OverdueS = Annotated[
    float,
    typer.Option(
        min=0.001,
        max=DAY_S,
        help="A batch that takes longer means a hung worker: it is killed.",
        rich_help_panel=_WORKERS,
    ),
]
StartTimeoutS = Annotated[
    float,
    typer.Option(
        min=0.001, max=DAY_S, help="Longest silence of a worker that is loading.", rich_help_panel=_WORKERS
    ),
]
OnGiveUp = Annotated[
    str,
    typer.Option(
        metavar="retry|exit",
        help="When workers keep ending: try on, slowly, or exit.",
        rich_help_panel=_WORKERS,
    ),
]
WorkerMemoryBytes = Annotated[
    int,
    typer.Option(
        min=0,
        max=MOST_MEMORY_BYTES,
        callback=_memory,
        help="Most private memory of each worker; past it an allocation fails. 0: no limit; else from 16777216.",
        rich_help_panel=_WORKERS,
    ),
]
SpinUs = Annotated[
    int,
    typer.Option(
        min=0,
        max=in_us(MOST_SPIN_S),
        help="Workers stay awake between close batches, up to so many microseconds; 0: never.",
        rich_help_panel=_WORKERS,
    ),
]
LogErrors = Annotated[
    bool,
    typer.Option(
        "--log-errors",
        help="Log the text of an item's error too; it may quote the input.",
        rich_help_panel=_WORKERS,
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(metavar="fp32|int8", help="Of the weights; int8 unless given.", rich_help_panel=_PRETRAINED),
]
Scores = Annotated[
    str | None,
    typer.Option(
        metavar="softmax|sigmoid|none",
        help="From logits to scores; else as config.json says.",
        rich_help_panel=_PRETRAINED,
    ),
]
TopK = Annotated[
    int | None,
    typer.Option(
        min=1, max=_MOST_LABELS, help="How many labels; all unless given.", rich_help_panel=_PRETRAINED
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MOST_PROCESSES,
        help="Of the engine; one a core unless given.",
        rich_help_panel=_PRETRAINED,
    ),
]
Offline = Annotated[
    bool, typer.Option("--offline", help="Only what is in the cache.", rich_help_panel=_PRETRAINED)
]
TrustType = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PACKAGE.TYPE",
        help="A type in a .skops file that may be built; once for each.",
        rich_help_panel=_FILES,
        show_default=False,
    ),
]
TrustPickle = Annotated[
    bool,
    typer.Option(
        "--trust-pickle",
        help="Open .joblib and .pkl files, which runs any code in them.",
        rich_help_panel=_FILES,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Say what happens as JSON lines on stdout.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Show what workers print while they load, tracebacks included.")
]
