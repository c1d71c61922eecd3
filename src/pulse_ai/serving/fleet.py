"""The workers as the scheduler sees them: free, or busy with a batch until about a predicted instant."""

__all__ = ("Fleet", "Run")

from collections import deque
from collections.abc import Iterator

from pulse_ai.serving.ticket import Ticket

_ASLEEP_S = 0.1  # nobody who watches looks so late
_TO_READ_S = 0.25  # enough to read what has come


class Run:
    """A batch that is with a worker.

    Attributes:
        tickets: Its items, those settled meanwhile included.
        cost_bytes: Their encoded size.
        sent_at_s: When it was sent.
        ends_at_s: When it is predicted to end.
        high_at_s: By when 99 of 100 such batches have ended.
        overdue_at_s: When the worker counts as hung.
        killed: Whether the worker has been asked to be killed.
        unwatched: Whether nobody looked when it became overdue, so that its time says nothing.
    """

    __slots__ = (
        "cost_bytes", "ends_at_s", "high_at_s", "killed", "overdue_at_s", "sent_at_s", "tickets", "unwatched",
    )  # fmt: skip

    def __init__(self, tickets: list[Ticket], cost_bytes: int, *, sent_at_s: float) -> None:
        self.tickets = tickets
        self.cost_bytes = cost_bytes
        self.sent_at_s = self.ends_at_s = self.high_at_s = self.overdue_at_s = sent_at_s
        self.killed = self.unwatched = False

    def left_s(self, now_s: float) -> float:
        """Return how much longer it is likely to take, in seconds.

        One that takes longer than predicted is taken to end half-way between now and the latest that is likely.
        """
        return max(0.0, self.ends_at_s - now_s, 0.5 * (self.high_at_s - now_s))


class Fleet:
    """Which workers there are and what they have. A worker's id is never used twice.

    Attributes:
        running_bytes: Encoded size of all that is with workers.
    """

    __slots__ = ("_free", "_runs", "running_bytes")

    def __init__(self) -> None:
        self._runs: dict[int, Run | None] = {}
        self._free: deque[int] = deque()
        self.running_bytes = 0

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def free(self) -> int:
        """How many workers have no batch."""
        return len(self._free)

    def add(self, worker_id: int) -> None:
        """Take a new worker into service; it is free."""
        self._runs[worker_id] = None
        self._free.append(worker_id)

    def assign(self, run: Run) -> int:
        """Give a batch to the worker that has been free for longest, and return its id."""
        worker_id = self._free.popleft()
        self._runs[worker_id] = run
        self.running_bytes += run.cost_bytes
        return worker_id

    def finish(self, worker_id: int) -> Run | None:
        """Free a worker and return what it had; None where it had nothing or is gone."""
        run = self._runs.get(worker_id)
        if run is not None:
            self._runs[worker_id] = None
            self._free.append(worker_id)
            self.running_bytes -= run.cost_bytes
        return run

    def remove(self, worker_id: int) -> Run | None:
        """Take a worker out of service and return what it had.

        Raises:
            KeyError: There is no such worker.
        """
        run = self._runs.pop(worker_id)
        if run is None:
            self._free.remove(worker_id)
        else:
            self.running_bytes -= run.cost_bytes
        return run

    def __contains__(self, worker_id: int) -> bool:
        return worker_id in self._runs

    def take_overdue(self, now_s: float) -> Iterator[tuple[int, Run]]:
        """Give each worker whose batch is overdue, once.

        Whoever asks long after that was asleep: this process stood still, or the clock jumped. Then the answer
        may have come and only not been read, so the worker gets a little more time.
        """
        for worker_id, run in self._runs.items():
            if run is None or run.killed or run.overdue_at_s > now_s:
                continue
            if now_s > run.overdue_at_s + _ASLEEP_S:
                run.overdue_at_s = now_s + _TO_READ_S
                run.unwatched = True
            else:
                run.killed = True
                yield worker_id, run

    def next_overdue_at_s(self) -> float | None:
        """Return when the next batch will be overdue."""
        instants = [run.overdue_at_s for run in self._runs.values() if run is not None and not run.killed]
        return min(instants, default=None)

    def left_s(self, now_s: float) -> tuple[float, float]:
        """Return how long until a worker is free, at the soonest and on average, in seconds."""
        lefts = [run.left_s(now_s) if run is not None else 0.0 for run in self._runs.values()]
        return (min(lefts), sum(lefts) / len(lefts)) if lefts else (0.0, 0.0)
