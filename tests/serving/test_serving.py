"""One definition, both ways: inline, and in real worker processes."""

import asyncio
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_ai import Failure, Serving, Task
from pulse_ai.core import (
    InvalidInput,
    LoadFailed,
    ModelError,
    RequestError,
    StartTimeout,
    TargetError,
    TaskSpec,
    TooLarge,
    WorkerLost,
)

FOLDER = Path(__file__).parent


class Shout(Task):
    """Upper case, with one word that it does not like and one that it chokes on."""

    def predict(self, items: list[str]) -> list[str | Failure]:
        if "choke" in items:
            raise RuntimeError("choked")
        return [Failure("not that word") if item == "hush" else item.upper() for item in items]


class Sizes(Task):
    """Tells how large the batch was that an item came in."""

    def predict(self, items: list[int]) -> list[tuple[int, int]]:
        return [(item, len(items)) for item in items]


class Lies(Task):
    """Does not always return what its hint says."""

    def predict(self, items: list[int]) -> list[int]:
        return ["two" if item == 2 else item for item in items]  # type: ignore[misc]


def spec(name: str) -> TaskSpec:
    return TaskSpec(f"{FOLDER / 'worker_tasks.py'}:{name}")


def test_inline_answers_one_item() -> None:
    assert Serving(Shout()).run("hello") == "HELLO"


def test_inline_raises_what_became_of_the_item() -> None:
    serving = Serving(Shout)
    with pytest.raises(ModelError, match="not that word"):
        serving.run("hush")
    with pytest.raises(ModelError, match="RuntimeError: choked"):
        serving.run("choke")
    with pytest.raises(InvalidInput, match="Expected `str`"):
        serving.run(7)
    with pytest.raises(InvalidInput, match="cannot travel"):
        serving.run(object())


def test_inline_a_bad_item_touches_no_other() -> None:
    answers = Serving(Shout(), batch_size=4).run_all(["a", "hush", "choke", 5, "b"])
    kinds = [type(answer).__name__ for answer in answers]
    assert kinds == ["str", "ModelError", "ModelError", "InvalidInput", "str"]
    assert (answers[0], answers[4]) == ("A", "B")


def test_inline_an_answer_that_is_not_what_the_hint_says_fails_alone() -> None:
    one, two, three = Serving(Lies()).run_all([1, 2, 3])
    assert (one, three) == (1, 3)
    assert isinstance(two, ModelError)
    assert "Expected `int`, got `str`" in str(two)


@given(count=st.integers(0, 60), size=st.integers(1, 16))
@settings(deadline=None)
def test_inline_5_is_3_plus_2_for_any_size_and_the_order_is_kept(count: int, size: int) -> None:
    answers = Serving(Sizes(), batch_size=size).run_all(range(count))
    assert [item for item, _ in answers] == list(range(count))
    assert [largest for _, largest in answers] == [min(size, count - n // size * size) for n in range(count)]


def test_a_task_typed_in_a_function_cannot_be_served() -> None:
    class Local(Task):
        pass

    with pytest.raises(TargetError, match="inside a function"):
        Serving(Local).spec()


def test_a_bad_setting_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        Serving(Shout, batch_size=0)


@pytest.mark.process
async def test_supervised_workers_answer_in_order_however_many_there_are() -> None:
    async with Serving(spec("Echo"), batch_size=8, queue_limit_items=32).open() as serving:
        items = [{"number": number} for number in range(500)]
        assert await serving.infer_all(items, timeout_s=30.0) == items
        counters = serving.statistics().counters
        assert counters.answers == {"ok": 500}
        assert sum(counters.batch_items.counts) < 500


@pytest.mark.process
async def test_replies_reach_their_callers_with_shuffled_sizes() -> None:
    async with Serving(spec("Echo"), batch_size=5, workers=2, queue_limit_items=1000).open() as serving:
        sizes = [(number * 7919) % 3000 for number in range(300)]
        items = [{"number": number, "text": "x" * size} for number, size in enumerate(sizes)]
        answers = await asyncio.gather(*(serving.infer(item, timeout_s=30.0) for item in items))
        assert answers == items


@pytest.mark.process
async def test_what_batches_take_is_known_before_the_first_request() -> None:
    async with Serving(spec("Shown"), batch_size=4, workers=1).open() as serving:
        known = serving.statistics()
        assert known.cost_warm_up_batches == 9
        assert sum(known.cost_s) > 0.0
    async with Serving(spec("Shown"), warm_up_items=0).open() as serving:
        assert serving.statistics().cost_warm_up_batches == 0


@pytest.mark.process
async def test_a_task_that_cannot_answer_its_examples_does_not_become_ready() -> None:
    with pytest.raises(LoadFailed, match=r"Unshowable cannot answer its own example: .*KeyError"):
        async with Serving(spec("Unshowable")).open():
            pass


@pytest.mark.process
async def test_a_killed_worker_comes_back_and_no_request_is_lost() -> None:
    async with Serving(spec("Slow"), workers=1, queue_limit_items=500).open() as serving:
        asking = asyncio.ensure_future(serving.infer_all([{"n": n} for n in range(60)], timeout_s=25.0))
        await asyncio.sleep(0)
        os.kill(serving.slots[0].pid, signal.SIGKILL)
        answers = await asking
        assert answers == [{"n": n} for n in range(60)]
        assert serving.restarts >= 1
        assert serving.statistics().lost == 0


@pytest.mark.process
async def test_the_input_that_kills_is_found_and_the_others_are_answered() -> None:
    async with Serving(spec("Fragile"), batch_size=8, queue_limit_items=100).open() as serving:
        words = ["good"] * 5 + ["die"] + ["good"] * 6
        answers = await asyncio.gather(
            *(serving.infer(word, timeout_s=25.0) for word in words), return_exceptions=True
        )
        codes = [answer.code if isinstance(answer, RequestError) else answer for answer in answers]
        assert codes == ["good"] * 5 + ["poisoned_input"] + ["good"] * 6
        deaths = serving.statistics().counters.workers_lost
        assert deaths <= 4
        with pytest.raises(RequestError, match="known to end workers"):
            await serving.infer("die", timeout_s=5.0)
        assert serving.statistics().counters.workers_lost == deaths


@pytest.mark.process
async def test_arrays_travel() -> None:
    async with Serving(spec("Doubler")).open() as serving:
        array = np.arange(12.0, dtype=np.float32).reshape(3, 4)
        answer = await serving.infer(array, timeout_s=20.0)
        assert answer.dtype == np.float32
        np.testing.assert_array_equal(answer, 2 * array)


@pytest.mark.process
async def test_a_task_that_does_not_load_says_why() -> None:
    with pytest.raises(LoadFailed, match="no weights here"):
        async with Serving(spec("Broken")).open():
            pytest.fail("it opened")


@pytest.mark.process
async def test_to_wait_for_a_task_whose_process_dies_in_load_ends() -> None:
    serving = Serving(spec("DiesInLoad"), workers=2, restart_intensity=1, backoff_first_s=0.001)
    with pytest.raises(WorkerLost, match="exited with code 7"):
        async with serving.open():
            pytest.fail("it opened")


@pytest.mark.process
async def test_to_wait_for_a_task_that_loads_for_ever_ends() -> None:
    with pytest.raises(StartTimeout, match=r"within 0.5 s; raise the start timeout"):
        async with Serving(spec("NeverLoads"), start_timeout_s=0.5).open():
            pytest.fail("it opened")


@pytest.mark.process
async def test_a_task_class_is_served_with_its_arguments_and_its_types() -> None:
    from tests.serving.worker_tasks import Greeting, Greets

    async with Serving(Greets("Hello", punctuation="!")).open() as serving:
        assert await serving.infer("Ada", timeout_s=20.0) == Greeting("Hello Ada!")
        assert serving.manifest is not None
        assert serving.manifest.input_schema == {"type": "string"}


@pytest.mark.process
async def test_an_answer_that_is_not_what_the_hint_says_fails_alone() -> None:
    async with Serving(Lies(), deadline_s=20.0).open() as serving:
        one, two, three = await serving.infer_all([1, 2, 3])
        assert (one, type(two), three) == (1, ModelError, 3)
        with pytest.raises(ModelError, match="Expected `int`, got `str`"):
            await serving.infer(2)


@pytest.mark.process
async def test_an_item_that_no_frame_can_hold_is_too_large_and_touches_no_other() -> None:
    async with Serving(spec("Echo"), max_frame_bytes=4096, deadline_s=20.0).open() as serving:
        items = [{"text": "x" * size} for size in (10_000, 3000, 3000, 10)]
        large, *others = await serving.infer_all(items)
        assert isinstance(large, TooLarge)
        assert others == items[1:]


def test_frames_too_short_for_any_item_are_refused_when_they_are_set() -> None:
    with pytest.raises(
        ValueError, match=r"max_frame_bytes must be over 2080 for a batch_size of 64, got 2000"
    ):
        Serving(Shout, max_frame_bytes=2000, batch_size=64)


@pytest.mark.process
async def test_a_caller_that_is_cancelled_while_the_workers_end_is_cancelled() -> None:
    loaded = asyncio.Event()

    async def serve() -> None:
        async with Serving(spec("Lingering")).open():
            loaded.set()

    serving = asyncio.create_task(serve())
    await loaded.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not serving.done()  # its worker takes a moment to end
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving


@pytest.mark.process
@pytest.mark.parametrize("log_errors", [False, True])
async def test_a_worker_logs_the_text_of_an_error_where_that_is_wanted(
    caplog: pytest.LogCaptureFixture, *, log_errors: bool
) -> None:
    caplog.set_level("INFO", "pulse_ai.worker")
    async with Serving(spec("Grumbles"), log_errors=log_errors).open() as serving:
        with pytest.raises(ModelError, match="no secret"):
            await serving.infer("secret", timeout_s=20.0)
    assert ("no secret" in caplog.text) is log_errors
    assert "in predict" in caplog.text
