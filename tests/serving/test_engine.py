"""The asyncio shell, with a runner that waits to be told."""

import asyncio

import msgspec
import pytest

from pulse_ai.core import (
    DeadlineExceeded,
    Draining,
    ModelError,
    NotReady,
    Overloaded,
    RequestError,
    SchedulerSettings,
)
from pulse_ai.serving import Engine, Scheduler
from pulse_ai.testing import GateRunner


async def turn() -> None:
    """Let everything that is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


def engine_with(runner: GateRunner, *, workers: int = 1, **settings: float) -> Engine:
    chosen = SchedulerSettings(**settings)  # type: ignore[arg-type]
    engine = Engine(Scheduler(chosen), runner, deadline_s=chosen.deadline_s)
    runner.attach(engine, workers=workers)
    return engine


def ask(engine: Engine, value: object, *, timeout_s: float = 60.0) -> asyncio.Task[msgspec.Raw]:
    return asyncio.ensure_future(engine.infer(msgspec.msgpack.encode(value), timeout_s=timeout_s))


async def test_2_plus_3_callers_are_one_batch_and_each_gets_its_own_answer() -> None:
    runner = GateRunner()
    engine = engine_with(runner, batch_size=5)
    asked = [ask(engine, number) for number in range(5)]
    await turn()
    assert len(runner.batches[1][1]) == 5
    runner.answer()
    assert [msgspec.msgpack.decode(answer) for answer in await asyncio.gather(*asked)] == [0, 1, 2, 3, 4]


async def test_one_failing_item_raises_for_its_caller_only() -> None:
    runner = GateRunner()
    engine = engine_with(runner)
    good, bad = ask(engine, "good"), ask(engine, "bad")
    await turn()
    runner.answer(codes={2: "model_error"})
    assert msgspec.msgpack.decode(await good) == "good"
    with pytest.raises(ModelError):
        await bad


async def test_a_caller_that_is_cancelled_leaves_the_queue_and_its_mates_are_answered() -> None:
    runner = GateRunner()
    engine = engine_with(runner, batch_size=1)
    first, gone, last = ask(engine, 1), ask(engine, 2), ask(engine, 3)
    await turn()
    gone.cancel()
    await turn()
    assert engine.statistics().waiting_items == 1
    runner.answer()
    await turn()
    runner.answer()
    assert msgspec.msgpack.decode(await first) == 1
    assert msgspec.msgpack.decode(await last) == 3
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_worker_that_is_lost_in_a_batch_loses_no_request() -> None:
    runner = GateRunner()
    engine = engine_with(runner, workers=2)
    asked = [ask(engine, number) for number in range(4)]
    await turn()
    (worker_id,) = runner.batches
    runner.lose(worker_id)
    for _ in range(2):
        await turn()
        for busy in list(runner.batches):
            runner.answer(busy)
    assert [msgspec.msgpack.decode(answer) for answer in await asyncio.gather(*asked)] == [0, 1, 2, 3]


async def test_time_runs_out_by_itself() -> None:
    engine = engine_with(GateRunner())
    with pytest.raises(DeadlineExceeded):
        await engine.infer(b"\x01", timeout_s=0.01)


async def test_a_hung_worker_is_killed_by_the_timer() -> None:
    runner = GateRunner()
    engine = engine_with(runner, overdue_s=0.01)
    with pytest.raises(DeadlineExceeded):
        await engine.infer(b"\x01", timeout_s=0.05)
    assert runner.killed == [1]


async def test_without_a_worker_it_is_refused_at_once() -> None:
    engine = engine_with(GateRunner(), workers=0)
    with pytest.raises(NotReady):
        await engine.infer(b"\x01")
    assert isinstance(engine.shut(), NotReady)


async def test_over_the_limit_it_is_refused_at_once() -> None:
    runner = GateRunner()
    engine = engine_with(runner, queue_limit_items=2, batch_size=1)
    asked = [ask(engine, number) for number in range(4)]
    await turn()
    outcomes = [task.exception() for task in asked if task.done()]
    assert [type(outcome) for outcome in outcomes] == [Overloaded, Overloaded]
    engine.close()
    await asyncio.gather(*asked, return_exceptions=True)


async def test_a_drain_waits_for_what_was_accepted() -> None:
    runner = GateRunner()
    engine = engine_with(runner)
    accepted = ask(engine, "accepted")
    await turn()
    drain = asyncio.ensure_future(engine.drain(grace_s=60.0))
    await turn()
    assert not engine.can_serve
    with pytest.raises(Draining):
        await engine.infer(b"\x01")
    assert not drain.done()
    runner.answer()
    await drain
    assert msgspec.msgpack.decode(await accepted) == "accepted"


async def test_after_the_grace_time_the_rest_is_told() -> None:
    engine = engine_with(GateRunner())
    accepted = ask(engine, "accepted")
    await turn()
    await engine.drain(grace_s=0.0)
    with pytest.raises(RequestError, match="shutting down"):
        await accepted


async def test_a_thousand_callers_with_every_tenth_gone_leave_nothing_behind() -> None:
    runner = GateRunner()
    engine = engine_with(runner, queue_limit_items=2000, batch_size=16)
    asked = [ask(engine, number) for number in range(1000)]
    await turn()
    for task in asked[::10]:
        task.cancel()
    await turn()
    while runner.batches:
        runner.answer()
        await turn()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for number, answer in enumerate(answers):
        if number % 10:
            assert not isinstance(answer, BaseException)
            assert msgspec.msgpack.decode(answer) == number
    statistics = engine.statistics()
    assert (statistics.lost, statistics.waiting_items, statistics.running_items) == (0, 0, 0)
    assert not engine._waiting


async def test_a_caller_whose_callback_raises_costs_no_other_its_answer() -> None:
    wrong: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
    runner = GateRunner()
    engine = engine_with(runner)

    def on_settled(_: object) -> None:
        raise OSError("the connection has gone")

    engine.submit(b"\x01", on_settled, timeout_s=60.0)
    mates = [ask(engine, number) for number in range(3)]
    await turn()
    while runner.batches:
        runner.answer()
        await turn()
    assert [msgspec.msgpack.decode(answer) for answer in await asyncio.gather(*mates)] == [0, 1, 2]
    assert [str(context["exception"]) for context in wrong] == ["the connection has gone"]


async def test_a_time_limit_that_is_no_number_is_over_at_once_and_moves_nobody_else_s() -> None:
    engine = engine_with(GateRunner(), batch_size=1)
    for timeout_s in (float("nan"), 0.0, -1.0):
        with pytest.raises(DeadlineExceeded):
            await engine.infer(b"\x01", timeout_s=timeout_s)
