"""The warm-up between loading and READY."""

from typing import Any

import msgspec
import pytest
from tests.serving.desk import Desk

from pulse_ai.core import BadFrame, Failure, LoadFailed, Manifest, SchedulerSettings, Task
from pulse_ai.port import Timing, WorkerConnection
from pulse_ai.port.messages import Ready, encode_message
from pulse_ai.port.warming import warm_up


class Given(Task):
    """Gives the examples that it was made with, and notes the sizes of its batches."""

    def __init__(self, examples: Any) -> None:
        self.given = examples
        self.sizes: list[int] = []

    def examples(self) -> list[Any]:
        if isinstance(self.given, Exception):
            raise self.given
        return self.given

    def predict(self, items: list[int]) -> list[int | Failure]:
        self.sizes.append(len(items))
        return [Failure("thirteen") if item == 13 else 2 * item for item in items]


def test_batches_of_all_sizes_are_answered_several_times_and_the_first_round_is_not_counted() -> None:
    task = Given([1, 2, 3])
    timings = warm_up(task, most_items=12, max_answer_bytes=100)
    sizes = [timing.items for timing in timings]
    assert sizes == task.sizes[5:]
    assert sizes == [1, 2, 4, 8, 12] * 3
    assert all(timing.cost_bytes == timing.items for timing in timings)
    assert all(timing.took_s > 0 for timing in timings)


def test_a_slow_task_is_warmed_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulse_ai.port.warming._BUDGET_S", 0.0)
    timings = warm_up(Given([1]), most_items=8, max_answer_bytes=100)
    assert [timing.items for timing in timings] == [1]


@pytest.mark.parametrize(("examples", "most_items"), [([], 16), ([1], 0)])
def test_nothing_is_done_without_examples_or_where_nobody_asks(examples: list[int], most_items: int) -> None:
    task = Given(examples)
    assert warm_up(task, most_items=most_items, max_answer_bytes=100) == []
    assert task.sizes == []


@pytest.mark.parametrize(
    ("examples", "why"),
    [
        (ValueError("none today"), "Given.examples failed: ValueError: none today"),
        (7, "Given.examples failed: TypeError"),
        ([object()], "Given.examples failed: TypeError"),
        (["text"], "Given cannot answer its own example: invalid_input: Expected `int`"),
        ([1, 13], "Given cannot answer its own example: .*thirteen"),
    ],
)
def test_a_task_that_cannot_answer_its_own_examples_is_not_served(examples: Any, why: str) -> None:
    with pytest.raises(LoadFailed, match=why):
        warm_up(Given(examples), most_items=4, max_answer_bytes=100)


@pytest.mark.parametrize(
    "timings",
    [
        [[0, 1, 0.1]],
        [[1, -1, 0.1]],
        [[1, 1, -0.1]],
        [[1, 1, 1e9]],
        [[1, 1, float("nan")]],
        [[1, 1, 0.1]] * 257,
    ],
)
def test_timings_that_cannot_be_are_refused(timings: list[list[float]]) -> None:
    connection = WorkerConnection(max_frame_bytes=100_000)
    connection.hello("echo", None, warm_up_items=4)
    frame = msgspec.msgpack.encode([17, 1, {"name": "echo"}, False, timings])
    with pytest.raises(BadFrame):
        connection.receive(len(frame).to_bytes(4, "big") + frame)


def test_timings_come_with_ready() -> None:
    connection = WorkerConnection(max_frame_bytes=100_000)
    connection.hello("echo", None, warm_up_items=4)
    ready = Ready(1, Manifest("echo"), timings=[Timing(4, 40, 0.25)])
    (message,) = connection.receive(bytes(encode_message(ready, max_frame_bytes=100_000)))
    assert message == ready


def _timings(factor: float = 1.0) -> list[Timing]:
    return [Timing(size, 2 * size, factor * (0.02 + 0.002 * size)) for size in (1, 2, 4, 8, 16) * 3]


def test_the_first_burst_is_predicted_from_the_warm_up() -> None:
    desk = Desk(SchedulerSettings(batch_size=16), workers=0)
    desk.scheduler.worker_ready(1, _timings())
    assert desk.scheduler.statistics().cost_warm_up_batches == 15
    asked = desk.offer_many(200, timeout_s=0.25)
    codes = [desk.code(request) for request in asked]
    assert codes.count("overloaded") > 100
    batches = desk.poll()
    while batches:
        batches = desk.answer(batches[0], after_s=0.02 + 0.002 * len(batches[0].tickets))
    ends = [desk.code(request) for request in asked]
    assert ends.count("deadline_exceeded") <= 0.02 * ends.count("ok")
    assert ends.count("ok") >= 60


def test_a_worker_that_comes_later_teaches_nothing_once_a_batch_was_answered() -> None:
    desk = Desk(SchedulerSettings(batch_size=16), workers=0)
    desk.scheduler.worker_ready(1, _timings())
    desk.scheduler.worker_ready(2, _timings())
    assert desk.scheduler.statistics().cost_warm_up_batches == 30
    desk.offer()
    (batch,) = desk.poll()
    desk.answer(batch, after_s=0.022)
    before = desk.scheduler.statistics().cost_s
    desk.scheduler.worker_ready(3, _timings(factor=9.0))
    assert desk.scheduler.statistics().cost_s == before
