"""The options of ``pulse bench simulate``, each with its help."""

__all__ = (
    "BatchMs",
    "BatchSize",
    "Burst",
    "Callers",
    "Cancelled",
    "Crashes",
    "DeadlineMs",
    "Failing",
    "Hangs",
    "ItemMs",
    "Jitter",
    "JumpEvery",
    "KillEvery",
    "PauseEvery",
    "Poison",
    "QueueLimit",
    "Rate",
    "Requests",
    "Seed",
    "Seeds",
    "Workers",
)

from typing import Annotated

from typer import Option

from pulse_ai.cli.limits import (
    DAY_S,
    MOST_BATCH,
    MOST_COUNT,
    MOST_ITEMS,
    MOST_MS,
    MOST_PROCESSES,
    MOST_RATE,
    MOST_SEED,
)

Requests = Annotated[int, Option(min=1, max=MOST_COUNT, help="How many requests come.")]
Rate = Annotated[
    float, Option(min=0.001, max=MOST_RATE, help="Arrivals a second, Poisson, in simulated time.")
]
Workers = Annotated[int, Option(min=1, max=MOST_PROCESSES, help="How many workers serve.")]
BatchSize = Annotated[int, Option(min=1, max=MOST_BATCH, help="Most items in one batch.")]
BatchMs = Annotated[float, Option(min=0.001, max=MOST_MS, help="Milliseconds of a batch, whatever is in it.")]
ItemMs = Annotated[float, Option(min=0, max=MOST_MS, help="Milliseconds that each item adds.")]
Jitter = Annotated[
    float, Option(min=0, max=1000, help="Batches take up to this share longer, evenly spread.")
]
QueueLimit = Annotated[int, Option(min=1, max=MOST_ITEMS, help="Most items waiting.")]
DeadlineMs = Annotated[
    float, Option(min=1, max=MOST_MS, help="The time limit of each request, in milliseconds.")
]
Crashes = Annotated[float, Option(min=0, max=1, help="Share of batches in which the worker dies.")]
Hangs = Annotated[float, Option(min=0, max=1, help="Share of batches that never end.")]
Poison = Annotated[float, Option(min=0, max=1, help="Share of items that kill their worker.")]
Failing = Annotated[float, Option(min=0, max=1, help="Share of items on which the task raises.")]
Cancelled = Annotated[float, Option(min=0, max=1, help="Share of callers who go away.")]
KillEvery = Annotated[
    float, Option(min=0, max=DAY_S, help="Seconds between kills of a random worker; 0: none.")
]
Burst = Annotated[
    int,
    Option(min=0, max=MOST_COUNT, help="After each so many requests as many come in one instant; 0: none."),
]
Callers = Annotated[
    int, Option(min=0, max=MOST_ITEMS, help="How many callers share the queue; 0: nobody knows who asks.")
]
PauseEvery = Annotated[
    float, Option(min=0, max=DAY_S, help="Seconds between pauses of the service for 0.5 s; 0: none.")
]
JumpEvery = Annotated[
    float, Option(min=0, max=DAY_S, help="Seconds between jumps of its clock by 60 s; 0: none.")
]
Seed = Annotated[int, Option(min=0, max=MOST_SEED, help="The same seed gives the same run, event by event.")]
Seeds = Annotated[
    int, Option(min=1, max=MOST_COUNT, help="So many days are played, each from the next seed.")
]
