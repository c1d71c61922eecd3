"""How a child reads: awake while requests come close together, asleep otherwise."""

import os
from collections.abc import Callable, Generator

import pytest

from pulse_ai.port.intake import Intake

SPIN_S = 0.5


class Pipe:
    """A pipe with an intake, whose time goes on only when it looks, or when the test says so."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.now_s = 0.0
        self.looks = 0
        self.on_look: Callable[[], None] = lambda: None

    def intake(self, spin_s: float) -> Intake:
        return Intake(self.reading, spin_s=spin_s, pause=self._look, clock=lambda: self.now_s)

    def write(self, text: bytes) -> None:
        os.write(self.writing, text)

    def write_after(self, looks: int) -> None:
        """Write one byte when it has looked so many times more."""
        at = self.looks + looks
        self.on_look = lambda: self.write(b"x") if self.looks == at else None

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
    pipe.write(b"x")
    intake.read()
    for _ in range(3):
        pipe.write_after(looks=2)
        assert bytes(intake.read()) == b"x"
    assert pipe.looks == 6


def test_the_first_wait_sleeps_and_so_does_every_one_without_the_option(pipe: Pipe) -> None:
    for intake in (pipe.intake(SPIN_S), pipe.intake(0.0)):
        pipe.write(b"x")
        intake.read()
    pipe.write(b"x")
    intake.read()
    assert pipe.looks == 0


def test_a_pause_costs_one_bounded_look_and_then_it_sleeps_until_they_come_close_again(pipe: Pipe) -> None:
    intake = pipe.intake(SPIN_S)
    pipe.write(b"x")
    intake.read()
    pipe.write_after(looks=5)  # in the last look: the time is up, so what comes then is found by sleeping
    intake.read()
    assert pipe.looks == 5
    pipe.on_look = lambda: pytest.fail("it looked although the last wait was long")
    pipe.write(b"x")
    intake.read()
    pipe.write_after(looks=1)
    intake.read()
    assert pipe.looks == 6
