"""A rolling restart: each worker is replaced by one that has loaded before it goes, and nothing is refused."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from pulse_ai import Serving
from pulse_ai.core import PoisonedInput, TaskSpec
from pulse_ai.serving import OpenServing

pytestmark = pytest.mark.process

_TASK = """
from pathlib import Path
from pulse_ai import Task

class Model(Task):
    def load(self):
        {load}
    def predict(self, items: list[{kind}]) -> list[str]:
        {work}
        return [f"{name} {{item}}" for item in items]
"""


class Folder:
    """The folder of a model, which changes while the model is served."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gate = path / "gate"
        os.mkfifo(self.gate)
        self.write()

    def write(self, *, name: str = "old", kind: str = "str", load: str = "pass", work: str = "pass") -> None:
        gate = f"Path({str(self.gate)!r}).read_text()"
        load = f"self.report_progress(None, 'waits'); {gate}" if load == "wait" else load
        work = gate if work == "wait" else work
        (self.path / "model.py").write_text(_TASK.format(name=name, kind=kind, load=load, work=work))

    @contextlib.asynccontextmanager
    async def served(self, workers: int = 1) -> AsyncGenerator[OpenServing]:
        spec = TaskSpec(f"{self.path / 'model.py'}:Model")
        serving = Serving(spec, workers=workers, deadline_s=20.0, restart_intensity=1000)
        async with asyncio.timeout(25), serving.open() as opened:
            await until(lambda: all(slot.state == "ready" for slot in opened.slots))
            yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(0.005)  # another process does it


def pids(serving: OpenServing) -> list[int]:
    return [slot.pid for slot in serving.slots]


def states(serving: OpenServing) -> list[str]:
    return [slot.state for slot in serving.slots]


async def until_rolled(serving: OpenServing, before: list[int]) -> None:
    await until(lambda: states(serving) == ["ready"] * len(before) and not set(pids(serving)) & set(before))


@pytest.mark.parametrize("workers", [1, 2])
async def test_every_worker_is_replaced_under_load_and_nothing_is_refused_or_lost(
    folder: Folder, workers: int
) -> None:
    async with folder.served(workers) as serving:
        before = pids(serving)
        folder.write(name="new")
        over = asyncio.Event()

        async def keep_asking() -> list[str]:
            answers: list[str] = []
            while not over.is_set():
                assert serving.engine.can_serve
                answers.append(await serving.infer("x"))
            return answers

        asking = [asyncio.create_task(keep_asking()) for _ in range(8)]
        serving.roll()
        await until_rolled(serving, before)
        over.set()
        for answers in await asyncio.gather(*asking):
            assert answers.count("old x") > 0
            assert answers == sorted(answers, reverse=True) or workers > 1
        assert await serving.infer("y") == "new y"
        statistics = serving.statistics()
        assert set(statistics.counters.answers) == {"ok"}
        assert (statistics.lost, statistics.counters.workers_lost) == (0, 0)
        assert (serving.restarts, dict(serving.deaths)) == (0, {})


async def test_the_old_one_serves_while_the_new_one_loads_and_both_are_shown(folder: Folder) -> None:
    async with folder.served() as serving:
        before = pids(serving)
        folder.write(name="new", load="wait")
        serving.roll()
        await until(lambda: serving.slots[-1].text == "waits")
        assert states(serving) == ["ready", "loading"]
        assert await serving.infer("x") == "old x"
        folder.gate.write_text("")
        await until_rolled(serving, before)
        assert await serving.infer("x") == "new x"


@contextlib.asynccontextmanager
async def a_new_one_waiting(
    folder: Folder,
) -> AsyncGenerator[tuple[OpenServing, list[int], asyncio.Task[Any]]]:
    """Serve with an old worker whose batch waits at the gate and a new one that has loaded; give its pid too."""
    folder.write(work="wait")
    async with folder.served() as serving:
        before = pids(serving)
        running = asyncio.create_task(serving.infer("x"))
        await until(lambda: serving.statistics().running_items == 1)
        folder.write(name="new")
        serving.roll()
        await until(lambda: "loaded" in serving.slots[-1].text)
        yield serving, before, running


async def test_a_batch_that_is_with_the_old_one_is_answered_by_it(folder: Folder) -> None:
    async with a_new_one_waiting(folder) as (serving, before, with_the_old):
        waits = asyncio.create_task(serving.infer("y"))
        await until(lambda: serving.statistics().waiting_items == 1)
        folder.gate.write_text("")
        assert await with_the_old == "old x"
        assert await waits == "new y"
        await until_rolled(serving, before)


async def test_an_old_one_that_dies_of_its_last_batch_is_succeeded_and_the_batch_tried_again(
    folder: Folder,
) -> None:
    async with a_new_one_waiting(folder) as (serving, before, running):
        os.kill(before[0], signal.SIGKILL)
        assert await running == "new x"
        await until_rolled(serving, before)


async def test_a_new_one_that_dies_while_it_waits_for_the_old_one_changes_nothing(folder: Folder) -> None:
    async with a_new_one_waiting(folder) as (serving, before, serving_now):
        os.kill(pids(serving)[-1], signal.SIGKILL)
        await until(lambda: pids(serving) == before)
        folder.gate.write_text("")
        assert await serving_now == "old x"
        served_next = asyncio.create_task(serving.infer("y"))
        await until(lambda: serving.statistics().running_items == 1)
        folder.gate.write_text("")
        assert await served_next == "old y"
        assert (states(serving), pids(serving), dict(serving.deaths)) == (["ready"], before, {"killed": 1})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"load": "raise OSError('no weights')"}, "no weights"),
        ({"load": "import os; os._exit(7)"}, "exited with code 7"),
        ({"kind": "int"}, "the input_schema of the new model differs"),
    ],
)
async def test_a_new_model_that_cannot_take_over_changes_nothing(
    folder: Folder, caplog: pytest.LogCaptureFixture, change: dict[str, str], why: str
) -> None:
    async with folder.served(2) as serving:
        before, manifest = pids(serving), serving.manifest
        folder.write(name="new", **change)
        with caplog.at_level(logging.ERROR, "pulse_ai.supervisor"):
            serving.roll()
            await until(lambda: bool(caplog.records))
        assert why in caplog.text
        assert "0 workers are new" in caplog.text
        assert (pids(serving), serving.manifest) == (before, manifest)
        assert await serving.infer("x") == "old x"
        assert sum(serving.deaths.values()) == 1
        folder.write(name="new")
        serving.roll()  # once it is mended, it can be tried again
        await until_rolled(serving, before)
        assert await serving.infer("x") == "new x"


async def test_asked_again_while_it_goes_on_it_begins_anew(folder: Folder) -> None:
    async with folder.served() as serving:
        before = pids(serving)
        folder.write(name="second", load="wait")
        serving.roll()
        await until(lambda: serving.slots[-1].text == "waits")
        assert states(serving) == ["ready", "loading"]
        folder.write(name="third")
        serving.roll()
        folder.gate.write_text("")
        await until_rolled(serving, before)
        while await serving.infer("x") != "third x":
            pass
        await until(lambda: states(serving) == ["ready"])


async def test_a_pool_that_has_given_up_is_mended_by_it_at_once(folder: Folder) -> None:
    spec = TaskSpec(f"{folder.path / 'model.py'}:Model")
    folder.write(load="raise OSError('no weights')")
    serving = Serving(spec, deadline_s=20.0, restart_intensity=0)
    async with asyncio.timeout(25), serving.open(wait=False) as opened:
        await until(lambda: states(opened) == ["failed"])
        folder.write()
        opened.roll()
        await until(lambda: states(opened) == ["ready"])
        assert await opened.infer("x") == "old x"


async def test_what_kills_the_old_ones_is_still_known_to_the_new_ones(folder: Folder) -> None:
    folder.write(work="'die' in items and __import__('os')._exit(9)")
    async with folder.served() as serving:
        with pytest.raises(PoisonedInput, match="ended 2 worker"):
            await serving.infer("die")
        await until(lambda: states(serving) == ["ready"])
        before = pids(serving)
        serving.roll()
        await until_rolled(serving, before)
        with pytest.raises(PoisonedInput, match="is known to end workers"):
            await serving.infer("die")


async def test_the_end_of_the_service_ends_a_rolling_restart_too(folder: Folder) -> None:
    async with folder.served() as serving:
        folder.write(load="wait")
        serving.roll()
        await until(lambda: serving.slots[-1].text == "waits")
        assert states(serving) == ["ready", "loading"]
