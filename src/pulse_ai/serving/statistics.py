"""What a scheduler has seen so far, in plain numbers; ``web`` turns it into metrics."""

__all__ = ("Counters", "Statistics")

from collections import Counter
from dataclasses import dataclass, field

from pulse_ai.serving.histogram import BATCH_ITEMS_BOUNDS, SECONDS_BOUNDS, Histogram

_MAX_NAMES = 32  # of counts that a task may add; more are dropped, so that a task cannot fill the memory


def _seconds() -> Histogram:
    return Histogram(SECONDS_BOUNDS)


@dataclass(slots=True)
class Counters:
    """The numbers that only grow. Written by the scheduler, read by whoever wants to know.

    Attributes:
        answers: Requests by the code of their answer, ``ok`` included; refused ones too.
        admitted: Requests that took a place.
        settled: Admitted requests that got their answer, or were cancelled.
        late: Results that came after their request had been answered or cancelled; they were dropped.
        retried: Items sent again because their worker ended.
        workers_lost: Workers that ended while the service was running.
        queue_s: Time from admission to the worker.
        answer_s: Time from admission to the answer, of ``ok`` answers.
        worker_s: Time that a batch was with a worker.
        batch_items: Items of the batches sent.
        task_counts: What the task itself counts, by name.
    """

    answers: Counter[str] = field(default_factory=Counter[str])
    admitted: int = 0
    settled: int = 0
    late: int = 0
    retried: int = 0
    workers_lost: int = 0
    queue_s: Histogram = field(default_factory=_seconds)
    answer_s: Histogram = field(default_factory=_seconds)
    worker_s: Histogram = field(default_factory=_seconds)
    batch_items: Histogram = field(default_factory=lambda: Histogram(BATCH_ITEMS_BOUNDS))
    task_counts: dict[str, int] = field(default_factory=dict[str, int])

    def add_task_counts(self, counts: dict[str, int]) -> None:
        """Sum what a worker counted during one batch."""
        for name, count in counts.items():
            if name in self.task_counts or len(self.task_counts) < _MAX_NAMES:
                self.task_counts[name] = self.task_counts.get(name, 0) + count


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """How things stand at one instant.

    Attributes:
        waiting_items: Items in the queue.
        waiting_bytes: Their encoded size.
        running_items: Items with workers.
        workers_ready: Workers that are loaded, free or busy.
        workers_free: Workers without a batch.
        lost: Admitted requests that are neither waiting, running nor settled. Always 0, or Pulse has a bug.
        cost_s: What batches are learned to take, in seconds: each batch, each item in it, each byte of those.
        cost_margin_s: What is added for 99 of 100 batches to take less, in seconds.
        cost_warm_up_batches: Batches of the workers' warm-up that this was first learned from.
        admission_factor: By how much admission is tighter than predicted; 1.0 where predictions hold.
        quarantined_inputs: Inputs that are known to end a worker.
        counters: The numbers that only grow; live, not a copy.
    """

    waiting_items: int
    waiting_bytes: int
    running_items: int
    workers_ready: int
    workers_free: int
    lost: int
    cost_s: tuple[float, float, float]
    cost_margin_s: float
    cost_warm_up_batches: int
    admission_factor: float
    quarantined_inputs: int
    counters: Counters
