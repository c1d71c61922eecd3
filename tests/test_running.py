"""A time limit is told as what it is, wherever it is reached; a program of pytest's own finds that out."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.running import LIMIT_OF_PROCESSES_S

ROOT = Path(__file__).parents[1]

_TESTS = """
import asyncio, gc, signal
import pytest
from hypothesis import given, strategies as st

def test_in_plain_code():
    signal.pause()

def test_in_a_callback_of_the_collector():
    def callback(phase, info):
        gc.callbacks.remove(callback)
        signal.pause()
    gc.callbacks.append(callback)
    gc.collect()
    signal.pause()

def test_in_a_destructor():
    class Held:
        def __del__(self):
            signal.pause()
    held = Held()
    del held
    signal.pause()

async def test_in_a_callback_of_the_loop():
    asyncio.get_running_loop().call_soon(signal.pause)
    await asyncio.Event().wait()

@given(st.integers())
def test_in_an_example(number):
    signal.pause()

def test_nowhere():
    pass
"""


@pytest.mark.process
def test_a_time_limit_is_told_as_such_wherever_it_is_reached(tmp_path: Path) -> None:
    file = tmp_path / "test_hangs.py"
    file.write_text(_TESTS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.running", "-c", str(ROOT / "pyproject.toml")),
            *("--rootdir", str(tmp_path), "-p", "no:cacheprovider", "-p", "no:randomly"),
            *("--timeout", "0.3", str(file)),
        ],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},  # noqa: TID251 - handed to a child
        capture_output=True,
        text=True,
        check=False,
    )
    told = re.findall(
        r"^FAILED \S+::test_in_(\w+) - .*TimedOut: Timeout \(>0\.3s\)", done.stdout, re.MULTILINE
    )
    assert (done.returncode, told) == (1, re.findall(r"def test_in_(\w+)", _TESTS)), done.stdout
    assert "5 failed, 1 passed" in done.stdout


@pytest.mark.process
def test_what_starts_processes_has_more_time(request: pytest.FixtureRequest) -> None:
    limit = request.node.get_closest_marker("timeout")
    assert limit.args == (LIMIT_OF_PROCESSES_S,)
