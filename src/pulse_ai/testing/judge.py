"""Checks each of G1 to G9 against what a simulated world knows to be true."""

__all__ = ("Judge", "Sent", "Violation", "World")

from dataclasses import dataclass, field

import msgspec

from pulse_ai.core import RequestError
from pulse_ai.serving import KillWorker, Scheduler, SendBatch, Settle, Ticket, TicketState
from pulse_ai.testing.scenario import Scenario
from pulse_ai.testing.script import Arrival


class Violation(AssertionError):
    """A guarantee did not hold; the text names it, the seed and the instant.

    Attributes:
        guarantee: ``G1`` to ``G9``.
    """

    def __init__(self, guarantee: str, text: str) -> None:
        super().__init__(f"{guarantee}: {text}")
        self.guarantee = guarantee


_TOLD_S = 1e-6
"""So soon after its deadline a request is told that it has expired: a timer rings, whatever else happens."""
_BLINK_S = 0.1
"""So soon after the service stood still, a batch that became overdue meanwhile may cost its worker."""


@dataclass(slots=True)
class Sent:
    """A batch that a simulated worker has.

    Attributes:
        action: What was sent.
        ids: Of its items.
        ends_at_s: When its worker is done with it, one way or the other; infinite where it hangs.
        poisoned: Whether one of its items kills.
        killed: Whether its worker was asked to be killed.
    """

    action: SendBatch
    ids: list[int]
    ends_at_s: float
    poisoned: bool
    killed: bool = False


@dataclass(slots=True)
class World:
    """What is true, whatever the scheduler thinks.

    Attributes:
        now_s: Time, in which workers work.
        clock_s: What the service's clock shows.
        paused_until_s: Until when the service stands or stood still.
        jumped_at_s: When its clock last jumped, by ``now_s``.
        requests: Admitted ones without an answer.
        running: Ids of those that are with a worker that lives.
        batches: By the worker that has them.
        alive: Workers.
        draining: Whether the service was told to stop.
        unprovoked_deaths: Workers that died of no item.
        answers: How many answers were given or requests refused or cancelled.
    """

    now_s: float = 0.0
    clock_s: float = 0.0
    paused_until_s: float = 0.0
    jumped_at_s: float = 0.0
    requests: dict[int, tuple[Ticket, Arrival]] = field(default_factory=dict[int, tuple[Ticket, Arrival]])
    running: set[int] = field(default_factory=set[int])
    batches: dict[int, Sent] = field(default_factory=dict[int, Sent])
    alive: set[int] = field(default_factory=set[int])
    draining: bool = False
    unprovoked_deaths: int = 0
    answers: int = 0

    @property
    def clock_was_disturbed(self) -> bool:
        """Whether the service stood still, or its clock jumped, up to this very instant."""
        return self.now_s <= max(self.paused_until_s, self.jumped_at_s)


class Judge:
    """Looks at what a scheduler does and says, and raises where a guarantee does not hold.

    Args:
        scenario: What is played.
        world: The truth, kept by whoever plays.
        scheduler: The one that is judged.

    Attributes:
        largest_queue_items: The most requests that ``look_at_queue`` saw waiting.
    """

    def __init__(self, scenario: Scenario, world: World, scheduler: Scheduler) -> None:
        self._scenario = scenario
        self._world = world
        self._scheduler = scheduler
        self.largest_queue_items = 0

    def offered(self, refusal: RequestError | None) -> None:
        """Check the answer to an offer."""
        self.readiness()
        if refusal is not None:
            says_when = getattr(refusal, "retry_after_s", 1.0) > 0
            self._require("G9", says_when, f"{refusal!r} does not say when to return")
        else:
            self._require("G7", not self._world.draining, "a request was admitted during the drain")

    def settled(self, action: Settle) -> None:
        """Check an answer. The request is still among those of the world."""
        ticket = action.ticket
        known = self._world.requests.get(ticket.id)
        if known is None:
            raise self._violation("G1", f"request {ticket.id} was answered twice, or after it was cancelled")
        if isinstance(action.outcome, RequestError):
            self._error(ticket, known[1], action.outcome)
            return
        given = msgspec.msgpack.decode(action.outcome)
        self._require("G1", given == str(ticket.id), f"request {ticket.id} got the answer of {given}")
        self._require("G2", not known[1].fails, f"request {ticket.id} fails, but was answered ok")
        in_time = self._world.clock_s < ticket.deadline_at_s
        self._require("G9", in_time, f"request {ticket.id} was answered late")

    def _error(self, ticket: Ticket, truth: Arrival, error: RequestError) -> None:
        if error.code == "model_error":
            self._require("G2", truth.fails, f"request {ticket.id} failed though its item does not")
        elif error.code == "poisoned_input":
            alone = truth.poison or self._world.unprovoked_deaths > 0
            self._require("G5", alone, f"request {ticket.id} was called poisoned, but is not")
        elif error.code == "deadline_exceeded":
            due = self._world.clock_s >= ticket.deadline_at_s or "gave way" in str(error)
            self._require("G9", due, f"request {ticket.id} expired before its deadline")
            late_s = self._world.clock_s - ticket.deadline_at_s
            told = late_s <= _TOLD_S or self._world.clock_was_disturbed
            self._require("G9", told, f"request {ticket.id} expired {late_s:.6f} s after its deadline")
        else:
            self._require("G7", self._world.draining, f"request {ticket.id} was answered {error.code}")

    def sent(self, action: SendBatch) -> None:
        """Check a batch that is sent. It is not yet among those of the world."""
        world = self._world
        size = len(action.tickets)
        self._require("G3", size <= self._scenario.settings.batch_size, "a batch is over its size")
        self._require("G4", action.worker_id in world.alive, "a batch was sent to a dead worker")
        self._require("G4", action.worker_id not in world.batches, "a batch was sent to a busy worker")
        for ticket in action.tickets:
            alive = ticket.id in world.requests and ticket.state is TicketState.RUNNING
            self._require("G4", alive, f"request {ticket.id} went to a worker after it had ended")
            in_time = ticket.deadline_at_s > world.clock_s
            self._require("G4", in_time, f"request {ticket.id} went to a worker after its deadline")

    def killed(self, action: KillWorker) -> None:
        """Check that a worker is killed for a reason."""
        batch = self._world.batches.get(action.worker_id)
        if batch is None:
            raise self._violation("G6", "a worker without a batch is to be killed as hung")
        self._require("G6", not batch.killed, "a worker is to be killed twice")
        world = self._world
        just_woke = world.now_s <= world.paused_until_s + _BLINK_S  # docs/guarantees.md says what it costs
        works = batch.ends_at_s > world.now_s or just_woke
        self._require("G6", works, "a worker is to be killed whose answer has only not been read yet")

    def must_be_killed(self, worker_id: int, batch: Sent) -> None:
        """Check, when a batch has been overdue for long, that somebody noticed."""
        out = self._world.batches.get(worker_id) is batch
        self._require("G6", not out or batch.killed, f"worker {worker_id} hangs and is not killed")

    def readiness(self) -> None:
        """Check that the scheduler is ready exactly while a worker can serve."""
        truth = bool(self._world.alive) and not self._world.draining
        self._require("G8", self._scheduler.can_serve == truth, "readiness does not tell the truth")

    def counts(self) -> None:
        """Count everything that waits and runs, and compare."""
        world, settings, workers = self._world, self._scenario.settings, self._scenario.workers
        now = self._scheduler.statistics()
        self._require("G1", now.lost == 0, f"{now.lost} requests are lost")
        held = now.waiting_items + now.running_items
        self._require(
            "G1", held == len(world.requests), f"{held} requests are held, not {len(world.requests)}"
        )
        running = sum(number in world.requests for batch in world.batches.values() for number in batch.ids)
        self._require(
            "G5",
            now.running_items == running,
            "a request is with a worker that has died",
        )
        room = settings.queue_limit_items + workers * settings.batch_size
        self._require("G3", now.waiting_items <= room, f"{now.waiting_items} items wait")
        room_bytes = settings.queue_limit_bytes + workers * settings.batch_limit_bytes
        self._require("G3", now.waiting_bytes <= room_bytes, f"{now.waiting_bytes} bytes wait")
        self.readiness()

    def look_at_queue(self) -> None:
        """Note how many wait now; cheap enough for every event."""
        waiting = len(self._world.requests) - len(self._world.running)
        self.largest_queue_items = max(self.largest_queue_items, waiting)

    def ended(self, arrived: int) -> None:
        """Check, when nothing more can happen, that everyone has an answer."""
        waiting = len(self._world.requests)
        self._require("G1", not waiting, f"{waiting} requests were never answered")
        self._require("G1", self._world.answers == arrived, "answers and arrivals differ")
        self._require("G1", self._scheduler.statistics().lost == 0, "requests are lost")

    def after_grace(self) -> None:
        """Check that nobody is left without an answer when the grace time is over."""
        waiting = len(self._world.requests)
        self._require("G7", not waiting, f"{waiting} requests were not answered when the grace time was over")

    def _require(self, guarantee: str, holds: bool, text: str) -> None:  # noqa: FBT001 - reads as a sentence
        if not holds:
            raise self._violation(guarantee, text)

    def _violation(self, guarantee: str, text: str) -> Violation:
        return Violation(guarantee, f"{text} (seed {self._scenario.seed}, at {self._world.now_s:.6f} s)")
