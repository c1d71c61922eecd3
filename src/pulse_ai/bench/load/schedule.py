"""The plan as it runs: which arrival is next, and whether a closed loop is on now. No clock of its own."""

__all__ = ("Schedule",)

import math
from collections.abc import Iterator
from itertools import accumulate

from pulse_ai.bench.load.plan import LoadPlan, Step, arrivals, stages


class Schedule:
    """Hands out the planned instants of all stages in order, in seconds from the beginning of the run.

    A closed-loop stage plans one arrival, at its beginning; what follows it is sent as answers come.

    Attributes:
        next_s: When the next arrival is due; ``inf`` after the last.
        total_s: How long the plan takes.

    Example:
        >>> schedule = Schedule(LoadPlan(steps=(Step(2.0, 1.0), Step(1.0, 2.0))))
        >>> [schedule.take() for _ in range(4)], schedule.next_s, schedule.total_s
        ([0.0, 0.5, 1.0, 2.0], inf, 3.0)
    """

    def __init__(self, plan: LoadPlan) -> None:
        steps = stages(plan)
        ends = list(accumulate(step.duration_s for step in steps))
        starts = [0.0, *ends[:-1]]
        self.total_s = ends[-1]
        self._closed = [
            (start, end) for step, start, end in zip(steps, starts, ends, strict=True) if step.closed
        ]
        self._instants = _instants(plan, list(zip(steps, starts, strict=True)))
        self.next_s = next(self._instants, math.inf)

    def take(self) -> float:
        """Return the instant of the next arrival, and move on to the one after it."""
        taken = self.next_s
        self.next_s = next(self._instants, math.inf)
        return taken

    def closed_at(self, now_s: float) -> bool:
        """Tell whether a closed loop is on."""
        return any(start <= now_s < end for start, end in self._closed)

    def over_at(self, now_s: float) -> bool:
        """Tell whether nothing more will become due."""
        return math.isinf(self.next_s) and not any(now_s < end for _, end in self._closed)

    def end(self) -> None:
        """Plan nothing more."""
        self.next_s, self._instants, self._closed = math.inf, iter(()), []


def _instants(plan: LoadPlan, stages_at: list[tuple[Step, float]]) -> Iterator[float]:
    for index, (step, start_s) in enumerate(stages_at):
        if step.closed:
            yield start_s
        else:
            for chunk in arrivals(step, shape=plan.shape, seed=plan.seed + index, start_s=start_s):
                yield from chunk
