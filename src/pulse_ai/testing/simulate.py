"""Drives the very ``Scheduler`` that serves, through a simulated run, and checks the guarantees at each step.

Time is a number here, so hours of traffic with crashes, hangs, cancellations and bursts pass in seconds, the
same way each time. The simulator plays everybody else: callers, workers, the supervisor and the clock. It
knows the truth about each request (what its answer must be, whether its item kills), so it can check what a
client of the real service could not see. ``Violation`` names the guarantee that broke, and when.
"""

__all__ = ("SimulationReport", "Violation", "simulate")

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import msgspec

from pulse_ai.core import RequestError
from pulse_ai.port import OK, Answer, Result
from pulse_ai.serving import KillWorker, Scheduler, SendBatch, Settle, Ticket, TicketState
from pulse_ai.testing.scenario import Scenario

_FULL_CHECK_EVERY = 64  # events between two counts of everything that waits and runs


class Violation(AssertionError):
    """A guarantee did not hold; the text names it, the seed and the instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationReport:
    """What came of a run in which every guarantee held.

    Attributes:
        answers: Requests by code of their answer, ``cancelled`` included.
        ended_at_s: Simulated time when the last request was settled, in seconds.
        ok_latencies_s: Time from arrival to answer of each ``ok`` answer, in order of the answers.
        deaths: How many workers died.
        batches: How many batches were sent.
        events: How many events were played.
        largest_queue_items: The most items that ever waited.
    """

    answers: dict[str, int]
    ended_at_s: float
    ok_latencies_s: list[float]
    deaths: int
    batches: int
    events: int
    largest_queue_items: int

    @property
    def goodput(self) -> float:
        """Answers within their deadline, a second."""
        return self.answers.get("ok", 0) / max(self.ended_at_s, 1e-9)


@dataclass(slots=True)
class _Request:
    """The truth about one request."""

    ticket: Ticket
    fails: bool = False
    poison: bool = False
    answer: str = ""


@dataclass(slots=True)
class _Batch:
    """A batch that a simulated worker has."""

    worker_id: int
    action: SendBatch
    ids: list[int]
    hangs: bool


def simulate(scenario: Scenario, *, watch: Callable[[int], None] | None = None) -> SimulationReport:
    """Play a scenario to its end.

    Args:
        scenario: What is played.
        watch: Told now and then how many requests have arrived.

    Raises:
        Violation: A guarantee did not hold.

    Example:
        >>> report = simulate(Scenario(seed=1))
        >>> report.answers["ok"] + report.answers.get("overloaded", 0)
        10000
    """
    return _Simulation(scenario, watch).run()


class _Simulation:
    def __init__(self, scenario: Scenario, watch: Callable[[int], None] | None) -> None:
        self._watch = watch
        self._scenario = scenario
        self._random = random.Random(scenario.seed)  # noqa: S311 - a simulation
        self._scheduler = Scheduler(scenario.settings)
        self._now_s = 0.0
        self._events: list[tuple[float, int, str, Any]] = []
        self._sequence = 0
        self._played = 0
        self._requests: dict[int, _Request] = {}
        self._batches: dict[int, _Batch] = {}
        self._alive: set[int] = set()
        self._next_worker_id = 0
        self._wake_set_for_s: float | None = None
        self._arrived = 0
        self._draining = False
        self._answers: Counter[str] = Counter()
        self._latencies_s: list[float] = []
        self._deaths = 0
        self._sent = 0
        self._largest_queue = 0

    # The loop.

    def run(self) -> SimulationReport:
        for _ in range(self._scenario.workers):
            self._at(0.0, "start_worker")
        self._at(0.0, "arrive")
        if self._scenario.faults.idle_kill_every_s:
            self._at(self._scenario.faults.idle_kill_every_s, "kill_any")
        last_s = 0.0
        while self._events and not self._is_over():
            self._now_s, _, kind, what = heappop(self._events)
            getattr(self, f"_{kind}")(what)
            self._poll()
            self._check()
            last_s = self._now_s
        self._check_all_answered()
        return SimulationReport(
            answers=dict(self._answers),
            ended_at_s=last_s,
            ok_latencies_s=self._latencies_s,
            deaths=self._deaths,
            batches=self._sent,
            events=self._played,
            largest_queue_items=self._largest_queue,
        )

    def _is_over(self) -> bool:
        return self._arrived >= self._scenario.traffic.requests and not self._requests

    def _at(self, at_s: float, kind: str, what: Any = None) -> None:
        self._sequence += 1
        heappush(self._events, (at_s, self._sequence, kind, what))

    # Callers.

    def _arrive(self, _: None) -> None:
        traffic = self._scenario.traffic
        is_burst = traffic.burst_every and self._arrived % traffic.burst_every == traffic.burst_every - 1
        for _number in range(traffic.burst if is_burst else 1):
            if self._arrived < traffic.requests:
                self._offer()
        if self._arrived < traffic.requests:
            self._at(self._now_s + self._random.expovariate(traffic.rate), "arrive")

    def _offer(self) -> None:
        traffic, chance = self._scenario.traffic, self._random
        self._arrived += 1
        if self._arrived == self._scenario.drain_after:
            self._drain()
        limit_s = chance.uniform(*traffic.timeout_s)
        value = self._arrived.to_bytes(8, "big") + bytes(chance.randint(*traffic.cost_bytes))
        ticket = Ticket(self._arrived, value, offered_at_s=self._now_s, deadline_at_s=self._now_s + limit_s)
        can_serve = self._scheduler.can_serve
        refusal = self._scheduler.offer(ticket, now_s=self._now_s)
        self._require(
            "G8", can_serve == (bool(self._alive) and not self._draining), "readiness does not tell the truth"
        )
        if refusal is not None:
            self._require(
                "G9", getattr(refusal, "retry_after_s", 1.0) > 0, f"{refusal!r} does not say when to return"
            )
            self._answers[refusal.code] += 1
            return
        self._require("G7", not self._draining, "a request was admitted during the drain")
        poison = chance.random() < traffic.poison_share
        fails = chance.random() < traffic.failing_share
        self._requests[ticket.id] = _Request(ticket, fails=fails, poison=poison)
        if chance.random() < traffic.cancel_share:
            self._at(self._now_s + chance.uniform(0, limit_s), "cancel", ticket.id)

    def _cancel(self, ticket_id: int) -> None:
        if self._requests.pop(ticket_id, None) is not None:
            self._answers["cancelled"] += 1
        self._scheduler.cancel(ticket_id)

    def _drain(self) -> None:
        self._draining = True
        self._scheduler.drain()
        self._at(self._now_s + self._scenario.grace_s, "end_grace")

    def _end_grace(self, _: None) -> None:
        self._scheduler.answer_rest()

    # Workers.

    def _start_worker(self, _: None) -> None:
        self._next_worker_id += 1
        self._alive.add(self._next_worker_id)
        self._scheduler.worker_ready(self._next_worker_id)

    def _take(self, action: SendBatch) -> None:
        """Be the worker that gets this batch, and plan how it ends."""
        scenario, chance = self._scenario, self._random
        self._sent += 1
        self._check_batch(action)
        ids = [ticket.id for ticket in action.tickets]
        sizes = [ticket.cost_bytes for ticket in action.tickets]
        cost_bytes = max(sizes) * len(sizes) if scenario.pads else sum(sizes)
        took_s = scenario.batch_s + scenario.item_s * len(ids) + scenario.byte_s * cost_bytes
        took_s *= 1 + scenario.jitter * chance.random()
        hangs = chance.random() < scenario.faults.hang_share
        batch = _Batch(action.worker_id, action, ids, hangs)
        self._batches[action.worker_id] = batch
        killed = any(self._requests[i].poison for i in ids) or chance.random() < scenario.faults.crash_share
        if not hangs:
            kind = "die" if killed else "finish"
            self._at(self._now_s + took_s * (chance.random() if killed else 1), kind, batch)

    def _finish(self, batch: _Batch) -> None:
        if self._batches.get(batch.worker_id) is not batch:
            return  # it was killed before
        del self._batches[batch.worker_id]
        answers = [self._answer(ticket_id) for ticket_id in batch.ids]
        self._random.shuffle(answers)
        self._scheduler.batch_done(batch.worker_id, Result(batch.action.batch_id, answers), now_s=self._now_s)

    def _answer(self, ticket_id: int) -> Answer:
        request = self._requests.get(ticket_id)
        code = "model_error" if request is not None and request.fails else OK
        return Answer(ticket_id, code, msgspec.Raw(msgspec.msgpack.encode(str(ticket_id))))

    def _die(self, batch: _Batch) -> None:
        if self._batches.get(batch.worker_id) is batch:
            self._end_worker(batch.worker_id)

    def _end_worker(self, worker_id: int) -> None:
        if worker_id not in self._alive:
            return
        self._deaths += 1
        self._alive.discard(worker_id)
        self._batches.pop(worker_id, None)
        self._scheduler.worker_lost(worker_id, now_s=self._now_s)
        self._at(self._now_s + self._scenario.faults.restart_s, "start_worker")

    def _kill_any(self, _: None) -> None:
        if self._alive:
            self._end_worker(self._random.choice(sorted(self._alive)))
        self._at(self._now_s + self._scenario.faults.idle_kill_every_s, "kill_any")

    # The scheduler's actions.

    def _wake(self, at_s: float) -> None:
        if at_s == self._wake_set_for_s:  # else an earlier one was set since
            self._wake_set_for_s = None

    def _poll(self) -> None:
        for action in self._scheduler.poll(now_s=self._now_s):
            if isinstance(action, Settle):
                self._settle(action)
            elif isinstance(action, SendBatch):
                self._take(action)
            else:
                self._kill(action)
        wake_at_s = self._scheduler.wake_at_s()
        if wake_at_s is not None and (self._wake_set_for_s is None or wake_at_s < self._wake_set_for_s):
            self._wake_set_for_s = wake_at_s
            self._at(max(wake_at_s, self._now_s), "wake", wake_at_s)

    def _kill(self, action: KillWorker) -> None:
        batch = self._batches.get(action.worker_id)
        self._require("G6", batch is not None, "a worker without a batch is to be killed as hung")
        self._at(self._now_s + self._scenario.faults.kill_s, "killed", action.worker_id)

    def _killed(self, worker_id: int) -> None:
        self._end_worker(worker_id)

    def _settle(self, action: Settle) -> None:
        ticket = action.ticket
        request = self._requests.pop(ticket.id, None)
        if request is None:
            raise self._violation("G1", f"request {ticket.id} was answered twice, or after it was cancelled")
        if isinstance(action.outcome, RequestError):
            self._answers[action.outcome.code] += 1
            self._check_error(action.outcome, request)
            return
        self._answers[OK] += 1
        self._latencies_s.append(self._now_s - ticket.offered_at_s)
        given = msgspec.msgpack.decode(action.outcome)
        self._require("G1", given == str(ticket.id), f"request {ticket.id} got the answer of {given}")
        self._require("G2", not request.fails, f"request {ticket.id} fails, but was answered ok")
        self._require("G9", self._now_s <= ticket.deadline_at_s, f"request {ticket.id} was answered late")

    # The checks.

    def _check_error(self, error: RequestError, request: _Request) -> None:
        if error.code == "model_error":
            self._require("G2", request.fails, f"request {request.ticket.id} failed though its item does not")
        elif error.code == "poisoned_input" and not self._scenario.faults.crash_share:
            alone = request.poison or bool(self._scenario.faults.idle_kill_every_s)
            alone = alone or bool(self._scenario.faults.hang_share)
            self._require("G5", alone, f"request {request.ticket.id} was called poisoned, but is not")
        elif error.code == "deadline_exceeded":
            due = self._now_s >= request.ticket.deadline_at_s or "gave way" in str(error)
            self._require("G9", due, f"request {request.ticket.id} expired before its deadline")

    def _check_batch(self, action: SendBatch) -> None:
        settings = self._scenario.settings
        self._require("G3", len(action.tickets) <= settings.batch_size, "a batch is over its size")
        self._require("G4", action.worker_id in self._alive, "a batch was sent to a dead worker")
        self._require("G4", action.worker_id not in self._batches, "a batch was sent to a busy worker")
        for ticket in action.tickets:
            alive = ticket.id in self._requests and ticket.state is TicketState.RUNNING
            self._require("G4", alive, f"request {ticket.id} went to a worker after it had ended")
            in_time = ticket.deadline_at_s > self._now_s
            self._require("G4", in_time, f"request {ticket.id} went to a worker after its deadline")

    def _check(self) -> None:
        self._played += 1
        if self._played % _FULL_CHECK_EVERY:
            return
        if self._watch is not None:
            self._watch(self._arrived)
        now = self._scheduler.statistics()
        settings = self._scenario.settings
        self._largest_queue = max(self._largest_queue, now.waiting_items)
        self._require("G1", now.lost == 0, f"{now.lost} requests are lost")
        self._require("G1", now.waiting_items + now.running_items == len(self._requests), "the counts differ")
        held = sum(ticket_id in self._requests for batch in self._batches.values() for ticket_id in batch.ids)
        self._require("G5", now.running_items == held, "a request is with a worker that has died")
        room = settings.queue_limit_items + self._scenario.workers * settings.batch_size
        self._require("G3", now.waiting_items <= room, f"{now.waiting_items} items wait")
        room_bytes = settings.queue_limit_bytes + self._scenario.workers * settings.batch_limit_bytes
        self._require("G3", now.waiting_bytes <= room_bytes, f"{now.waiting_bytes} bytes wait")
        self._require(
            "G8", self._scheduler.can_serve == (bool(self._alive) and not self._draining), "readiness lies"
        )

    def _check_all_answered(self) -> None:
        self._require("G1", not self._requests, f"{len(self._requests)} requests were never answered")
        self._require("G1", sum(self._answers.values()) == self._arrived, "answers and arrivals differ")
        self._require("G1", self._scheduler.statistics().lost == 0, "requests are lost")

    def _require(self, guarantee: str, holds: bool, text: str) -> None:  # noqa: FBT001 - reads as a sentence
        if not holds:
            raise self._violation(guarantee, text)

    def _violation(self, guarantee: str, text: str) -> Violation:
        return Violation(f"{guarantee}: {text} (seed {self._scenario.seed}, at {self._now_s:.6f} s)")
