"""What the signals mean, and that a hang-up of the terminal is told from one that a person sends."""

import asyncio
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable

import pytest

from pulse_ai.web.signals import heed_signals

pytestmark = pytest.mark.process

_SERVICE = """
import asyncio
from pulse_ai.web.signals import heed_signals

async def main():
    stop = asyncio.Event()
    with heed_signals(stop, lambda: print("rolls", flush=True)):
        print("heeds", flush=True)
        await stop.wait()
    print("ends", flush=True)

asyncio.run(main())
"""


async def _raised(number: signal.Signals) -> tuple[asyncio.Event, list[str]]:
    stop, rolled = asyncio.Event(), list[str]()
    with heed_signals(stop, lambda: rolled.append("rolled")):
        os.kill(os.getpid(), number)
        while not stop.is_set() and not rolled:  # noqa: ASYNC110 - the signal comes with a turn of the loop
            await asyncio.sleep(0)
    return stop, rolled


async def test_sighup_rolls_and_does_not_stop() -> None:
    stop, rolled = await _raised(signal.SIGHUP)
    assert (stop.is_set(), rolled) == (False, ["rolled"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_sigterm_and_ctrl_c_stop(number: signal.Signals) -> None:
    stop, rolled = await _raised(number)
    assert (stop.is_set(), rolled) == (True, [])


async def test_while_it_stops_sighup_does_nothing() -> None:
    stop, rolled = asyncio.Event(), list[str]()
    with heed_signals(stop, lambda: rolled.append("rolled")):
        stop.set()
        os.kill(os.getpid(), signal.SIGHUP)
        for _ in range(20):
            await asyncio.sleep(0)
    assert rolled == []


def _in_a_terminal(act: Callable[[subprocess.Popen[str], int], None]) -> list[str]:
    """Run a service that a terminal controls, do something to it, and return what it said."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", _SERVICE],
        stdin=theirs,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
    ) as process:
        os.close(theirs)
        assert process.stdout is not None
        said = [process.stdout.readline().strip()]
        act(process, ours)
        said += [line.strip() for line in process.stdout]
    return said


def test_a_terminal_that_is_closed_ends_the_service() -> None:
    assert _in_a_terminal(lambda _, terminal: os.close(terminal)) == ["heeds", "ends"]


def test_sighup_that_a_person_sends_rolls_in_a_terminal_too() -> None:
    def act(process: subprocess.Popen[str], terminal: int) -> None:
        process.send_signal(signal.SIGHUP)
        assert process.stdout is not None
        assert process.stdout.readline() == "rolls\n"
        os.close(terminal)

    assert _in_a_terminal(act) == ["heeds", "ends"]
