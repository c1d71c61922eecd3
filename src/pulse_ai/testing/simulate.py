"""Drives the very ``Scheduler`` that serves, through a simulated day, and checks the guarantees at each step.

Time is a number here, so hours of traffic with crashes, hangs, cancellations, bursts, pauses and jumps of the
clock pass in seconds, the same way each time. The simulator plays everybody else: callers, workers, the
supervisor and the clock. It knows the truth about each request (what its answer must be, whether its item
kills), so its ``Judge`` can check what a client of the real service could not see. ``Violation`` names the
guarantee that broke, and when; ``shrink`` in shrink.py makes a small script of it.
"""

__all__ = ("Day", "SimulationReport", "play", "simulate")

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, NamedTuple

import msgspec

from pulse_ai.core import RequestError
from pulse_ai.port import OK, Answer, Result
from pulse_ai.serving import KillWorker, Scheduler, SendBatch, Settle, Ticket
from pulse_ai.testing.judge import Judge, Sent, Violation, World
from pulse_ai.testing.scenario import Scenario
from pulse_ai.testing.script import Arrival, Fate, Script, Step, draw_arrivals, draw_fates, draw_steps

_COUNT_EVERY = 64  # events between two counts of everything that waits and runs, in a day that is drawn
_NOTICED_S = 1.0  # after it is overdue a hung worker must have been noticed, in seconds
_TICK_S = (
    1e-9  # a timer rings a little after its instant: rounding between two clocks must not make it before
)
_MOST_WAKES_AT_ONCE = 1000  # in one instant; more than so many and time stands still
_PLAIN = Fate()


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
        largest_queue_items: The most items that waited after any event.
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


class Day(NamedTuple):
    """What happens, as it is needed: drawn from a scenario, or read from a script.

    Attributes:
        scenario: Workers, service times and settings.
        arrivals: By their time.
        fates: Of the batches, in the order in which they are sent; plain ones where there are no more.
        steps: By their time.
        count_every: Events between two counts of everything.
    """

    scenario: Scenario
    arrivals: Iterable[Arrival]
    fates: Iterable[Fate]
    steps: Iterable[Step]
    count_every: int = 1


def simulate(scenario: Scenario | Script, *, watch: Callable[[int], None] | None = None) -> SimulationReport:
    """Play a scenario or a script to its end.

    Args:
        scenario: What is played.
        watch: Told now and then how many requests have arrived.

    Raises:
        Violation: A guarantee did not hold.

    Example:
        >>> report = simulate(Scenario(seed=1))
        >>> report.answers["ok"] + report.answers.get("overloaded", 0)
        10000
        >>> simulate(Script(arrivals=(Arrival(at_s=0.0, fails=True),))).answers
        {'model_error': 1}
    """
    if isinstance(scenario, Script):
        day = Day(scenario.scenario, scenario.arrivals, scenario.fates, scenario.steps)
    else:
        drawn = draw_arrivals(scenario), draw_fates(scenario), draw_steps(scenario)
        day = Day(scenario, *drawn, count_every=_COUNT_EVERY)
    return play(day, watch=watch)


def play(day: Day, *, watch: Callable[[int], None] | None = None) -> SimulationReport:
    """Play a day to its end.

    Raises:
        Violation: A guarantee did not hold.
    """
    return _Player(day, watch).run()


class _Player:
    def __init__(self, day: Day, watch: Callable[[int], None] | None) -> None:
        self._scenario = day.scenario
        self._count_every = day.count_every
        self._watch = watch
        self._arrivals = iter(day.arrivals)
        self._fates = iter(day.fates)
        self._steps = iter(day.steps)
        self._scheduler = Scheduler(day.scenario.settings)
        self._world = World()
        self._judge = Judge(day.scenario, self._world, self._scheduler)
        self._events: list[tuple[float, int, str, Any]] = []
        self._sequence = self._played = self._arrived = 0
        self._deaths = self._sent = self._next_worker_id = 0
        self._wakes_at_once = 0
        self._all_arrived = False
        self._wake_set_for_s: float | None = None  # by the service's clock
        self._answers: Counter[str] = Counter()
        self._latencies_s: list[float] = []

    # The loop.

    def run(self) -> SimulationReport:
        world = self._world
        for _ in range(self._scenario.workers):
            self._at(0.0, "start_worker")
        self._draw("arrive", self._arrivals)
        self._draw("step", self._steps)
        while self._events and not (self._all_arrived and not world.requests):
            at_s, _, kind, what = heappop(self._events)
            self._pass_time(at_s, woken=kind == "wake")
            getattr(self, f"_{kind}")(what)
            self._poll()
            self._judge.look_at_queue()
            self._played += 1
            if self._played % self._count_every == 0:
                self._judge.counts()
                if self._watch is not None:
                    self._watch(self._arrived)
        world.answers = sum(self._answers.values())
        self._judge.ended(self._arrived)
        return SimulationReport(
            answers=dict(self._answers),
            ended_at_s=world.now_s,
            ok_latencies_s=self._latencies_s,
            deaths=self._deaths,
            batches=self._sent,
            events=self._played,
            largest_queue_items=self._judge.largest_queue_items,
        )

    def _pass_time(self, at_s: float, *, woken: bool) -> None:
        """Let time pass until an event is seen: later than it happens, if the service stands still."""
        world = self._world
        seen_at_s = max(at_s, world.paused_until_s)
        self._wakes_at_once = woken + (self._wakes_at_once if seen_at_s == world.now_s else 0)
        if self._wakes_at_once > _MOST_WAKES_AT_ONCE:
            raise Violation("G1", f"the scheduler wants to be woken at {at_s:.6f} s without end")
        world.clock_s += seen_at_s - world.now_s
        world.now_s = seen_at_s

    def _at(self, at_s: float, kind: str, what: Any = None) -> None:
        self._sequence += 1
        heappush(self._events, (at_s, self._sequence, kind, what))

    def _draw(self, kind: str, coming: Iterator[Arrival] | Iterator[Step]) -> None:
        """Set the next of what is drawn on the list of events."""
        drawn = next(coming, None)
        if drawn is not None:
            self._at(drawn.at_s, kind, drawn)
        elif kind == "arrive":
            self._all_arrived = True

    # Callers.

    def _arrive(self, arrival: Arrival) -> None:
        world = self._world
        self._arrived += 1
        if self._arrived == self._scenario.drain_after:
            self._drain()
        ticket = Ticket(
            self._arrived,
            self._arrived.to_bytes(8, "big") + bytes(arrival.cost_bytes),
            offered_at_s=world.clock_s,
            deadline_at_s=world.clock_s + arrival.timeout_s,
            priority=arrival.priority,
            caller=arrival.caller,
        )
        refusal = self._scheduler.offer(ticket, now_s=world.clock_s)
        self._judge.offered(refusal)
        if refusal is not None:
            self._answers[refusal.code] += 1
        else:
            world.requests[ticket.id] = (ticket, arrival)
            if arrival.cancel_after_s is not None:
                self._at(world.now_s + arrival.cancel_after_s, "cancel", ticket.id)
        self._draw("arrive", self._arrivals)

    def _cancel(self, ticket_id: int) -> None:
        if self._world.requests.pop(ticket_id, None) is not None:
            self._world.running.discard(ticket_id)
            self._answers["cancelled"] += 1
        self._scheduler.cancel(ticket_id)

    # What happens by itself.

    def _step(self, step: Step) -> None:
        if step.kind == "kill" and self._world.alive:
            alive = sorted(self._world.alive)
            self._end_worker(alive[step.which % len(alive)])
        elif step.kind == "pause":
            self._world.paused_until_s = self._world.now_s + step.for_s
        elif step.kind == "jump":
            self._world.clock_s += step.for_s
            self._world.jumped_at_s = self._world.now_s
            self._wake_set_for_s = None  # a timer rings by the clock: at another time than was planned
        elif step.kind == "drain":
            self._drain()
        self._draw("step", self._steps)

    def _drain(self) -> None:
        self._world.draining = True
        self._scheduler.drain()
        self._at(self._world.now_s + self._scenario.grace_s, "end_grace")

    def _end_grace(self, _: None) -> None:
        self._scheduler.answer_rest()
        self._poll()
        self._judge.after_grace()

    # Workers.

    def _start_worker(self, _: None) -> None:
        self._next_worker_id += 1
        self._world.alive.add(self._next_worker_id)
        self._scheduler.worker_ready(self._next_worker_id)

    def _take(self, action: SendBatch) -> None:
        """Be the worker that gets this batch, and plan how it ends."""
        world, fate = self._world, next(self._fates, _PLAIN)
        self._sent += 1
        self._judge.sent(action)
        poisoned = any(world.requests[ticket.id][1].poison for ticket in action.tickets)
        dies = fate.dies or poisoned
        takes_s = self._takes_s(action) * fate.slowness * (fate.dies_after if dies else 1.0)
        ends_at_s = float("inf") if fate.hangs else world.now_s + takes_s
        batch = Sent(action, [ticket.id for ticket in action.tickets], ends_at_s, poisoned)
        world.batches[action.worker_id] = batch
        world.running.update(batch.ids)
        if fate.hangs:
            self._at(world.now_s + self._scenario.settings.overdue_s + _NOTICED_S, "look_at_hung", batch)
        else:
            self._at(ends_at_s, "die" if dies else "finish", batch)

    def _takes_s(self, action: SendBatch) -> float:
        scenario, sizes = self._scenario, [ticket.cost_bytes for ticket in action.tickets]
        cost_bytes = max(sizes) * len(sizes) if scenario.pads else sum(sizes)
        return scenario.batch_s + scenario.item_s * len(sizes) + scenario.byte_s * cost_bytes

    def _finish(self, batch: Sent) -> None:
        worker_id = batch.action.worker_id
        if self._world.batches.get(worker_id) is not batch:
            return  # it was killed before
        del self._world.batches[worker_id]
        self._world.running.difference_update(batch.ids)
        answers = [self._answer(ticket_id) for ticket_id in reversed(batch.ids)]
        result = Result(batch.action.batch_id, answers)
        self._scheduler.batch_done(worker_id, result, now_s=self._world.clock_s)

    def _answer(self, ticket_id: int) -> Answer:
        known = self._world.requests.get(ticket_id)
        code = "model_error" if known is not None and known[1].fails else OK
        return Answer(ticket_id, code, msgspec.Raw(msgspec.msgpack.encode(str(ticket_id))))

    def _die(self, batch: Sent) -> None:
        if self._world.batches.get(batch.action.worker_id) is batch:
            self._end_worker(batch.action.worker_id)

    def _end_worker(self, worker_id: int) -> None:
        world = self._world
        if worker_id not in world.alive:
            return
        self._deaths += 1
        world.alive.discard(worker_id)
        batch = world.batches.pop(worker_id, None)
        if batch is not None:
            world.running.difference_update(batch.ids)
        if batch is None or not batch.poisoned:
            world.unprovoked_deaths += 1
        self._scheduler.worker_lost(worker_id, now_s=world.clock_s)
        self._at(world.now_s + self._scenario.faults.restart_s, "start_worker")

    def _look_at_hung(self, batch: Sent) -> None:
        world = self._world
        seen_again_at_s = world.paused_until_s + _NOTICED_S
        if world.now_s < seen_again_at_s:  # it could not be noticed
            self._at(seen_again_at_s, "look_at_hung", batch)
            return
        self._judge.must_be_killed(batch.action.worker_id, batch)

    # The scheduler's actions.

    def _wake(self, at_s: float) -> None:
        if at_s == self._wake_set_for_s:  # else an earlier one was set since
            self._wake_set_for_s = None

    def _poll(self) -> None:
        world = self._world
        for action in self._scheduler.poll(now_s=world.clock_s):
            if isinstance(action, Settle):
                self._settle(action)
            elif isinstance(action, SendBatch):
                self._take(action)
            else:
                self._kill(action)
        wake_at_s = self._scheduler.wake_at_s()
        if wake_at_s is not None and (self._wake_set_for_s is None or wake_at_s < self._wake_set_for_s):
            self._wake_set_for_s = wake_at_s
            self._at(world.now_s + max(wake_at_s - world.clock_s + _TICK_S, 0.0), "wake", wake_at_s)

    def _kill(self, action: KillWorker) -> None:
        self._judge.killed(action)
        self._world.batches[action.worker_id].killed = True
        self._at(self._world.now_s + self._scenario.faults.kill_s, "end_worker", action.worker_id)

    def _settle(self, action: Settle) -> None:
        self._judge.settled(action)
        del self._world.requests[action.ticket.id]
        self._world.running.discard(action.ticket.id)
        if isinstance(action.outcome, RequestError):
            self._answers[action.outcome.code] += 1
        else:
            self._answers[OK] += 1
            self._latencies_s.append(self._world.clock_s - action.ticket.offered_at_s)
