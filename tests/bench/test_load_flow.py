"""Whatever happens to connections, every request offered ends once, and the bound holds."""

import math
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_ai.bench.load.flow import (
    ABANDONED,
    CLOSED,
    NEVER_SENT,
    NO_CONNECTION,
    NOT_CONNECTED,
    OUTCOMES,
    TIMED_OUT,
    Flow,
)

End = tuple[float, float, float, float, int]


class Shell:
    """A shell without sockets: it does what the flow decides, and lets a test say what happens next."""

    def __init__(self, *, connections: int, timeout_s: float = 1.0) -> None:
        self.ends: list[End] = []
        self.flow: Flow[int] = Flow(connections=connections, timeout_s=timeout_s, finish=self.finish)
        self.bound = connections
        self.opening = 0
        self.next_link = 0
        self.idle: set[int] = set()
        self.busy: list[int] = []
        self.offered = 0

    def finish(self, planned_s: float, noticed_s: float, sent_s: float, ended_s: float, code: int) -> None:
        self.ends.append((planned_s, noticed_s, sent_s, ended_s, code))

    def codes(self) -> list[int]:
        return [end[-1] for end in self.ends]

    def settle(self) -> None:
        for link in self.flow.to_send:
            self.idle.remove(link)
            self.busy.append(link)
        self.flow.to_send.clear()
        self.opening += self.flow.to_open
        self.flow.to_open = 0
        for link in self.flow.to_close:
            self.idle.discard(link)
            if link in self.busy:
                self.busy.remove(link)
        self.flow.to_close.clear()
        assert self.opening + len(self.idle) + len(self.busy) <= self.bound

    def offer(self, now_s: float) -> None:
        self.offered += 1
        self.flow.offer(now_s, now_s)
        self.settle()

    def open(self, now_s: float) -> None:
        if self.opening:
            self.opening -= 1
            self.next_link += 1
            self.idle.add(self.next_link)
            self.flow.opened(self.next_link, now_s)
            self.settle()

    def fail_to_open(self, now_s: float) -> None:
        if self.opening:
            self.opening -= 1
            self.flow.open_failed(now_s)
            self.settle()

    def answer(self, now_s: float, *, status: int = 200, keep: bool = True) -> None:
        if self.busy:
            link = self.busy.pop(0)
            self.idle.add(link)
            self.flow.answered(link, status, now_s, keep=keep)
            self.settle()

    def lose(self, now_s: float) -> None:
        if links := [*self.busy, *self.idle]:
            link = links[0]
            self.idle.discard(link)
            if link in self.busy:
                self.busy.remove(link)
            self.flow.lost(link, now_s)
            self.settle()

    def expire(self, now_s: float) -> None:
        self.flow.expire(now_s)
        self.settle()


EVENTS = st.sampled_from(
    ["offer", "offer", "offer", "open", "fail_to_open", "answer", "close", "lose", "expire"]
)


@settings(deadline=None)  # a busy machine is no failure
@given(connections=st.integers(1, 5), events=st.lists(st.tuples(EVENTS, st.floats(0.0, 0.7)), max_size=80))
def test_every_request_ends_once_whatever_happens(connections: int, events: list[tuple[str, float]]):
    shell, now_s = Shell(connections=connections), 0.0
    for name, pause_s in events:
        now_s += pause_s
        if name == "close":
            shell.answer(now_s, keep=False)
        else:
            getattr(shell, name)(now_s)
        assert shell.offered == len(shell.ends) + shell.flow.waiting + shell.flow.in_flight
    shell.flow.abandon(now_s)
    assert len(shell.ends) == shell.offered
    assert shell.flow.idle
    assert all(planned <= noticed <= ended for planned, noticed, _, ended, _ in shell.ends)
    assert set(shell.codes()) <= {200, *OUTCOMES}


@settings(deadline=None)  # a busy machine is no failure
@given(events=st.lists(EVENTS, max_size=40))
def test_a_waiting_request_always_has_a_connection_coming(events: list[str]):
    shell = Shell(connections=3, timeout_s=math.inf)
    for name in events:
        (shell.answer if name == "close" else getattr(shell, name))(0.0)
        if shell.flow.waiting:
            assert shell.busy or shell.opening


def test_requests_go_out_in_the_order_in_which_they_were_due():
    shell = Shell(connections=1)
    for at in (0.1, 0.2, 0.3):
        shell.offer(at)
    shell.open(0.4)
    for at in (0.5, 0.6, 0.7):
        shell.answer(at)
    assert [(end[0], end[2], end[3]) for end in shell.ends] == [
        (0.1, 0.4, 0.5),
        (0.2, 0.5, 0.6),
        (0.3, 0.6, 0.7),
    ]


def test_the_connection_used_last_is_used_first():
    shell = Shell(connections=2)
    shell.offer(0.0)
    shell.offer(0.0)
    shell.open(0.0)
    shell.open(0.0)
    shell.answer(0.1)
    shell.answer(0.2)
    shell.offer(0.3)
    assert shell.busy == [2]


def test_what_each_ending_is_called():
    shell = Shell(connections=1)
    shell.offer(0.0)
    shell.fail_to_open(0.1)
    shell.offer(1.0)
    shell.open(1.1)
    shell.offer(1.2)
    shell.expire(2.0)  # the one that was sent
    shell.expire(2.2)  # the one that waited
    shell.offer(3.0)
    shell.open(3.0)
    shell.lose(3.1)
    shell.offer(4.0)
    shell.open(4.0)
    shell.offer(4.05)
    shell.flow.abandon(4.1)
    assert shell.codes() == [NOT_CONNECTED, TIMED_OUT, NO_CONNECTION, CLOSED, NEVER_SENT, ABANDONED]


def test_an_answer_after_its_time_ran_out_changes_nothing():
    shell = Shell(connections=1)
    shell.offer(0.0)
    shell.open(0.0)
    shell.expire(1.0)
    shell.flow.answered(1, 200, 1.1, keep=True)
    assert Counter(shell.codes()) == {TIMED_OUT: 1}


def test_a_connection_that_closes_after_an_answer_is_replaced_when_one_waits():
    shell = Shell(connections=1)
    shell.offer(0.0)
    shell.offer(0.0)
    shell.open(0.0)
    shell.answer(0.1, keep=False)
    assert shell.opening == 1
