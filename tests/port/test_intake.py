"""How a child reads: awake while requests come close together and waiting awake pays, asleep otherwise."""

import os
from collections.abc import Callable, Generator

import pytest

from pulse_ai.port.intake import Intake, affordable_spin_s

SPIN_S = 0.5


class Pipe:
    """A pipe with an intake, whose time goes on only when it looks, and by ``asleep_s`` where it does not."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.now_s = 0.0
        self.asleep_s = 0.0
        self.looks = 0
        self.on_look: Callable[[], None] = lambda: None

    def intake(self, spin_s: float) -> Intake:
        return Intake(self.reading, spin_s=spin_s, pause=self._look, clock=self._clock)

    def write(self, text: bytes) -> None:
        os.write(self.writing, text)

    def write_after(self, looks: int) -> None:
        """Write one byte when it has looked so many times more."""
        at = self.looks + looks
        self.on_look = lambda: self.write(b"x") if self.looks == at else None

    def sleep_through(self, intake: Intake, waits: int) -> None:
        """Read so many times what is there already, without a look."""
        before = self.looks
        for _ in range(waits):
            self.write(b"x")
            assert bytes(intake.read()) == b"x"
        assert self.looks == before

    def _clock(self) -> float:
        self.now_s += self.asleep_s / 2  # it is asked twice for a wait: before and after
        return self.now_s

    def _look(self) -> None:
        self.looks += 1
        self.now_s += 0.1
        self.on_look()


@pytest.fixture
def pipe() -> Generator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.reading)
    os.close(made.writing)


def test_each_read_gives_what_is_there_whatever_came_before(pipe: Pipe) -> None:
    intake = pipe.intake(0.0)
    for text in (b"long and longer", b"x", bytes(30_000)):
        pipe.write(text)
        assert intake.has_more()
        assert bytes(intake.read()) == text
        assert not intake.has_more()


def test_the_end_of_the_stream_is_an_empty_read() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    intake = Intake(reading, spin_s=SPIN_S)
    assert [bytes(intake.read()) for _ in range(3)] == [b""] * 3
    os.close(reading)


def test_after_a_short_wait_it_looks_until_something_comes(pipe: Pipe) -> None:
    intake = pipe.intake(SPIN_S)
    pipe.sleep_through(intake, 1)
    for _ in range(3):
        pipe.write_after(looks=2)
        assert bytes(intake.read()) == b"x"
    assert pipe.looks == 6


def test_the_first_wait_sleeps_and_so_does_every_one_without_the_option(pipe: Pipe) -> None:
    pipe.sleep_through(pipe.intake(SPIN_S), 1)
    pipe.sleep_through(pipe.intake(0.0), 3)


@pytest.mark.parametrize(("asleep_s", "looks"), [(1.9 * SPIN_S, 1), (2.1 * SPIN_S, 0)])
def test_a_wait_of_less_than_two_spins_counts_as_short(pipe: Pipe, asleep_s: float, looks: int) -> None:
    """The waking that ends a sleep is part of such a wait, and would not be of one awake."""
    intake = pipe.intake(SPIN_S)
    pipe.asleep_s = 2 * asleep_s  # the second of the two questions is after the wait
    pipe.sleep_through(intake, 1)
    pipe.asleep_s = 0.0
    if looks:
        pipe.write_after(looks)
    else:
        pipe.write(b"x")
    intake.read()
    assert pipe.looks == looks


def test_a_pause_costs_one_bounded_look_and_then_it_sleeps_for_eight_waits(pipe: Pipe) -> None:
    intake = pipe.intake(SPIN_S)
    pipe.sleep_through(intake, 1)
    pipe.write_after(looks=5)  # in the last look: the time is up, so what comes then is found by sleeping
    intake.read()
    assert pipe.looks == 5
    pipe.on_look = lambda: pytest.fail("it looked although that had not paid")
    pipe.sleep_through(intake, 8)
    pipe.write_after(looks=1)
    intake.read()
    assert pipe.looks == 6


def test_steady_waits_that_are_just_too_long_cost_a_spin_in_nine(pipe: Pipe) -> None:
    intake = pipe.intake(SPIN_S)
    pipe.sleep_through(intake, 1)
    for _ in range(3):
        pipe.write_after(looks=5)
        intake.read()
        pipe.sleep_through(intake, 8)
    assert pipe.looks == 15


def test_where_one_core_is_all_there_is_the_sender_gets_it() -> None:
    assert affordable_spin_s(SPIN_S, cores=1) == 0.0
    assert affordable_spin_s(SPIN_S, cores=2) == SPIN_S
    assert affordable_spin_s(SPIN_S) in {0.0, SPIN_S}
