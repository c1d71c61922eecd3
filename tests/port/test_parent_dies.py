"""A worker ends when its parent does, whatever it is doing."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.process

FOLDER = Path(__file__).parent
PARENT = """
import asyncio, sys
from pulse_ai.core import TaskSpec, WorkerSettings
from pulse_ai.port import Item, encode_value
from pulse_ai.port.worker import open_worker
import msgspec

class Events:
    def worker_progress(self, *_): pass
    def worker_result(self, *_): pass
    def worker_closed(self, *_): pass

async def main(name):
    spec = TaskSpec(sys.argv[1] + ":" + name)
    async with open_worker(0, name="x", task=spec, settings=WorkerSettings(), events=Events()) as worker:
        if name != "HangsInLoad":
            await worker.wait_ready()
        if name == "Native":
            worker.send_batch(1, [Item(1, msgspec.Raw(encode_value(1)))])
        print(worker.pid, flush=True)
        await asyncio.Event().wait()

if sys.argv[3] == "uvloop":
    import uvloop
    uvloop.run(main(sys.argv[2]))
else:
    asyncio.run(main(sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("task", "loop"),
    [("Echo", "uvloop"), ("Native", "uvloop"), ("Native", "asyncio"), ("HangsInLoad", "uvloop")],
)
def test_a_worker_ends_with_its_killed_parent(task: str, loop: str) -> None:
    arguments = [sys.executable, "-c", PARENT, str(FOLDER / "tasks.py"), task, loop]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        assert worker.is_running()
        parent.send_signal(signal.SIGKILL)
        gone, _ = psutil.wait_procs([worker], timeout=10)
    assert gone == [worker] or worker.status() == psutil.STATUS_ZOMBIE


def test_a_worker_whose_parent_is_gone_already_ends_at_once() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pulse_ai.port.child", "0", "1"],
        stdin=subprocess.DEVNULL,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 0
