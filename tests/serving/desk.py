"""A scheduler with a clock in hand, so that a test reads like the story that it tells."""

from dataclasses import dataclass, field

import msgspec

from pulse_ai.core import Priority, RequestError, SchedulerSettings
from pulse_ai.port import OK, Answer, Result
from pulse_ai.serving import KillWorker, Scheduler, SendBatch, Settle, Ticket


def encoded(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


@dataclass
class Desk:
    """Plays callers, workers and the clock round one scheduler, and writes down what comes out."""

    settings: SchedulerSettings = field(default_factory=SchedulerSettings)
    workers: int = 1
    now_s: float = 0.0
    batches: list[SendBatch] = field(default_factory=list[SendBatch])
    outcomes: dict[int, object] = field(default_factory=dict[int, object])
    killed: list[int] = field(default_factory=list[int])
    last_id: int = 0

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.settings)
        for worker_id in range(1, self.workers + 1):
            self.scheduler.worker_ready(worker_id)

    def offer(
        self,
        value: object = "x",
        *,
        timeout_s: float = 1.0,
        priority: Priority = "interactive",
        caller: str = "",
    ) -> int | RequestError:
        """Offer an item; return its id, or the refusal."""
        self.last_id += 1
        ticket = Ticket(
            self.last_id,
            encoded(value),
            offered_at_s=self.now_s,
            deadline_at_s=self.now_s + timeout_s,
            priority=priority,
            caller=caller,
        )
        return self.scheduler.offer(ticket, now_s=self.now_s) or ticket.id

    def offer_many(self, count: int, **how: float) -> list[int | RequestError]:
        return [self.offer(**how) for _ in range(count)]  # type: ignore[arg-type]

    def poll(self, *, after_s: float = 0.0) -> list[SendBatch]:
        """Let time pass and return the batches that were sent."""
        self.now_s += after_s
        sent: list[SendBatch] = []
        for action in self.scheduler.poll(now_s=self.now_s):
            if isinstance(action, Settle):
                assert action.ticket.id not in self.outcomes, f"request {action.ticket.id} was settled twice"
                self.outcomes[action.ticket.id] = action.outcome
            elif isinstance(action, SendBatch):
                sent.append(action)
            elif isinstance(action, KillWorker):  # pyright: ignore[reportUnnecessaryIsInstance]
                self.killed.append(action.worker_id)
        self.batches += sent
        return sent

    def answer(
        self, batch: SendBatch, *, after_s: float = 0.01, codes: dict[int, str] | None = None
    ) -> list[SendBatch]:
        """Answer each item of a batch with its own id, and return what is sent next."""
        self.now_s += after_s
        ids = [ticket.id for ticket in batch.tickets]
        answers = [Answer(i, (codes or {}).get(i, OK), msgspec.Raw(encoded(str(i)))) for i in reversed(ids)]
        self.scheduler.batch_done(batch.worker_id, Result(batch.batch_id, answers), now_s=self.now_s)
        return self.poll()

    def lose(self, worker_id: int = 1) -> list[SendBatch]:
        self.scheduler.worker_lost(worker_id, now_s=self.now_s)
        return self.poll()

    def replace(self, worker_id: int) -> list[SendBatch]:
        self.scheduler.worker_ready(worker_id)
        return self.poll()

    def code(self, request: int | RequestError) -> str:
        """Return what a request came to: ok, an error's code, or waiting."""
        if isinstance(request, RequestError):
            return request.code
        outcome = self.outcomes.get(request, "waiting")
        return (
            outcome.code if isinstance(outcome, RequestError) else OK if outcome != "waiting" else "waiting"
        )

    def teach(self, *, batch_s: float = 0.02, item_s: float = 0.002, batches: int = 40) -> None:
        """Have the cost model learn what batches take."""
        for number in range(batches):
            self.offer_many(1 + number % self.settings.batch_size, timeout_s=100.0)
            for batch in self.poll():
                self.answer(batch, after_s=batch_s + item_s * len(batch.tickets))
        self.outcomes.clear()
        self.batches.clear()
