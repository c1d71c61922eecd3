"""Hypothesis drives the scheduler by hand, in any order of events, and G1 to G9 are checked after each."""

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pulse_ai.core import RequestError, SchedulerSettings
from pulse_ai.port import OK, Answer, Result
from pulse_ai.serving import Scheduler, SendBatch, Settle, Ticket
from pulse_ai.testing import Arrival, Scenario
from pulse_ai.testing.judge import Judge, Sent, World


class SchedulerMachine(RuleBasedStateMachine):
    """Plays callers, workers and the clock; what is true is kept in a ``World``."""

    @initialize(
        batch_size=st.integers(1, 5),
        queue_limit_items=st.integers(1, 12),
        queue_limit_bytes=st.integers(20, 300),
        mode=st.sampled_from(["eager", "timer"]),
    )
    def open(self, batch_size: int, queue_limit_items: int, queue_limit_bytes: int, mode: str) -> None:
        limits = SchedulerSettings(
            batch_size=batch_size,
            queue_limit_items=queue_limit_items,
            queue_limit_bytes=queue_limit_bytes,
            batch_limit_bytes=200,
            batch_mode=mode,  # type: ignore[arg-type]
            overdue_s=0.5,
            overdue_least_s=0.1,
        )
        self.scheduler = Scheduler(limits)
        self.world = World()
        self.judge = Judge(Scenario(settings=limits, workers=4), self.world, self.scheduler)
        self.arrived = self.workers = 0
        self.worker_starts()

    # What callers do.

    @rule(
        timeout_s=st.floats(0.001, 2.0),
        size=st.integers(0, 150),
        caller=st.sampled_from(["", "a", "b"]),
        priority=st.sampled_from(["interactive", "batch"]),
        fails=st.booleans(),
    )
    def offer(self, timeout_s: float, size: int, caller: str, priority: str, fails: bool) -> None:
        self.arrived += 1
        ticket = Ticket(
            self.arrived,
            self.arrived.to_bytes(4, "big") + bytes(size),
            offered_at_s=self.world.clock_s,
            deadline_at_s=self.world.clock_s + timeout_s,
            priority=priority,  # type: ignore[arg-type]
            caller=caller,
        )
        refusal = self.scheduler.offer(ticket, now_s=self.world.clock_s)
        self.judge.offered(refusal)
        if refusal is None:
            self.world.requests[ticket.id] = (ticket, Arrival(at_s=self.world.clock_s, fails=fails))
        else:
            self.world.answers += 1

    @rule(number=st.integers(0, 100))
    def cancel(self, number: int) -> None:
        if self.world.requests.pop(number, None) is not None:
            self.world.answers += 1
        self.scheduler.cancel(number)

    # What workers do.

    @precondition(lambda self: len(self.world.alive) < 4)
    @rule()
    def worker_starts(self) -> None:
        self.workers += 1
        self.world.alive.add(self.workers)
        self.scheduler.worker_ready(self.workers)

    @precondition(lambda self: self.world.batches)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        worker_id = data.draw(st.sampled_from(sorted(self.world.batches)))
        batch = self.world.batches.pop(worker_id)
        answers = [self._answer(number) for number in data.draw(st.permutations(batch.ids))]
        self.scheduler.batch_done(worker_id, Result(batch.action.batch_id, answers), now_s=self.world.clock_s)

    def _answer(self, number: int) -> Answer:
        known = self.world.requests.get(number)
        code = "model_error" if known is not None and known[1].fails else OK
        return Answer(number, code, msgspec.Raw(msgspec.msgpack.encode(str(number))))

    @precondition(lambda self: self.world.alive)
    @rule(data=st.data())
    def worker_dies(self, data: st.DataObject) -> None:
        worker_id = data.draw(st.sampled_from(sorted(self.world.alive)))
        self.world.alive.discard(worker_id)
        self.world.batches.pop(worker_id, None)
        self.world.unprovoked_deaths += 1
        self.scheduler.worker_lost(worker_id, now_s=self.world.clock_s)

    # What happens by itself.

    @rule(for_s=st.floats(0.0, 0.3))
    def pass_time(self, for_s: float) -> None:
        """Let time pass; whoever watches is woken in time."""
        until_s = self.world.clock_s + for_s
        while (wake_at_s := self.scheduler.wake_at_s()) is not None and wake_at_s < until_s:
            self.world.clock_s = max(self.world.clock_s, wake_at_s)
            self.poll()
            if self.scheduler.wake_at_s() == wake_at_s:
                break  # it is woken too often, not too seldom
        self.world.clock_s = until_s

    @rule(by_s=st.sampled_from([0.5, 3.0, 3600.0]))
    def jump(self, by_s: float) -> None:
        self.world.clock_s += by_s

    @precondition(lambda self: not self.world.draining)
    @rule(really=st.integers(0, 9))
    def drain(self, really: int) -> None:
        if not really:
            self.world.draining = True
            self.scheduler.drain()

    # The actions, and the checks.

    @rule()
    def poll(self) -> None:
        for action in self.scheduler.poll(now_s=self.world.clock_s):
            if isinstance(action, Settle):
                self.judge.settled(action)
                del self.world.requests[action.ticket.id]
                self.world.answers += 1
            elif isinstance(action, SendBatch):
                self.judge.sent(action)
                ids = [ticket.id for ticket in action.tickets]
                self.world.batches[action.worker_id] = Sent(action, ids, float("inf"), poisoned=False)
            else:
                self.judge.killed(action)
                self.world.batches[action.worker_id].killed = True

    @invariant()
    def nothing_is_lost_or_unbounded(self) -> None:
        if not hasattr(self, "scheduler"):
            return
        waiting = self.scheduler.shut(now_s=self.world.clock_s)
        assert waiting is None or isinstance(waiting, RequestError)
        self.poll()
        self.judge.counts()

    def teardown(self) -> None:
        if not hasattr(self, "scheduler"):
            return
        self.world.draining = True
        self.scheduler.drain()
        self.scheduler.answer_rest()
        self.poll()
        self.judge.after_grace()
        self.judge.ended(self.arrived)


TestSchedulerMachine = SchedulerMachine.TestCase
TestSchedulerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
