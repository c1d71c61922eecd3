"""Ctrl-C is held back until the work can be left."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
import typer
from tests.tabular.tables import flowers

from pulse_ai.cli.interrupts import Interrupts


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_it_stops_at_the_next_check_and_says_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[int] = []

    def work() -> None:
        with Interrupts("nothing was written") as stop:
            step = stop.before(done.append)
            step(1)
            press()
            done.append(2)
            step(3)

    with pytest.raises(typer.Exit) as stopped:
        work()
    assert done == [1, 2]
    assert stopped.value.exit_code == 130
    assert capsys.readouterr().err.splitlines()[-1] == "pulse: stopped; nothing was written"


def test_a_second_one_leaves_at_once() -> None:
    left: list[int] = []
    with Interrupts("nothing was written", leave=left.append):
        press()
        assert left == []
        press()
    assert left == [130]


@pytest.fixture
def as_in_a_terminal() -> Generator[None]:
    """Have Ctrl-C raise: a suite that a shell started in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("as_in_a_terminal")
def test_afterwards_ctrl_c_is_what_it_was() -> None:
    with Interrupts("nothing was written") as stop:
        stop.check()
    with pytest.raises(KeyboardInterrupt):
        press()


@pytest.mark.process
def test_a_training_that_is_stopped_writes_nothing(tmp_path: Path) -> None:
    flowers(80).write_csv(tmp_path / "flowers.csv")
    arguments = (
        "flowers.csv",
        "--target",
        "kind",
        "--out",
        "blooms",
        "--epochs",
        "100000",
        "--patience",
        "100000",
    )
    with subprocess.Popen(
        [sys.executable, "-m", "pulse_ai", "train", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as training:
        assert training.stdout is not None
        for line in training.stdout:
            if "held out" in line:  # the plan is told; what comes is compiling and training
                break
        training.send_signal(signal.SIGINT)
        _, said = training.communicate()
    assert training.returncode == 130
    assert said.splitlines()[-1] == "pulse: stopped; nothing was written"
    assert "Traceback" not in said
    assert not (tmp_path / "blooms").exists()
