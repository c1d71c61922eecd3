# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
"""A compiled function as a task."""

from pathlib import Path
from typing import Any

import pytest

from pulse_ai.core import Failure, build_task, manifest_of, spec_of
from pulse_ai.numerics import Buckets, FunctionTask, ops, serialize, template, xla_is_installed
from pulse_ai.numerics import compile as ahead_of_time
from pulse_ai.serving import Serving

pytestmark = pytest.mark.skipif(not xla_is_installed(), reason="JAX is not installed")


def scored(x: Any, mask: Any) -> Any:
    return {"total": ops.sum(ops.where(mask, x, 0.0), axis=1), "each": x * 2.0}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "scored.pulse-fn"
    templates = (template("batch", "length"), template("batch", "length", dtype="bool"))
    path.write_bytes(
        serialize(ahead_of_time(scored, templates, buckets=Buckets(batch=(1, 4), length=(2, 8))))
    )
    return path


def item(size: int) -> dict[str, Any]:
    return {"x": [float(n) for n in range(size)], "mask": [True] * size}


def test_items_of_several_sizes_are_answered_in_order_with_failures_in_place(saved: Path) -> None:
    task = FunctionTask(str(saved))
    task.load()
    items = [item(3), {"x": [1.0]}, item(1), *[item(2)] * 4, {"x": ["a"], "mask": [True]}, item(0)]
    answers = task.predict(items)
    assert answers[0] == {"total": 3.0, "each": [0.0, 2.0, 4.0]}
    assert answers[1] == Failure("an item needs x, mask, one row each")
    assert answers[2] == {"total": 0.0, "each": [0.0]}
    assert answers[3:7] == [{"total": 1.0, "each": [0.0, 2.0]}] * 4  # more items than the largest bucket
    assert isinstance(answers[7], Failure)
    assert answers[8] == {"total": 0.0, "each": []}


def test_an_item_over_the_largest_bucket_fails_alone(saved: Path) -> None:
    task = FunctionTask(str(saved))
    task.load()
    good, bad = task.predict([item(2), item(9)])
    assert good == {"total": 1.0, "each": [0.0, 2.0]}
    assert "over its largest bucket 8" in bad.why


def test_a_worker_can_build_it_and_says_what_it_serves(saved: Path) -> None:
    task = build_task(spec_of(FunctionTask(str(saved))))
    reports: list[tuple[float | None, str]] = []
    task._on_progress = lambda fraction, text: reports.append((fraction, text))
    task.load()
    assert [fraction for fraction, _ in reports] == [0.25, 0.5, 0.75, 1.0]
    details = manifest_of(task, "scored").details
    assert details["arguments"] == {"x": "float32[batch,length]", "mask": "bool[batch,length]"}


def test_it_serves_inline_like_any_task(saved: Path) -> None:
    assert Serving(FunctionTask(str(saved))).run_all([item(2), item(3)])[1]["total"] == 3.0


@pytest.mark.process
async def test_it_serves_behind_the_batching_service(saved: Path) -> None:
    serving = Serving(FunctionTask(str(saved)), batch_size=4, deadline_s=20.0)
    async with serving.open() as running:
        answers = await running.infer_all([item(size) for size in (3, 1, 8, 2, 5)], timeout_s=20.0)
    assert [answer["total"] for answer in answers] == [3.0, 0.0, 28.0, 1.0, 10.0]
    assert [len(answer["each"]) for answer in answers] == [3, 1, 8, 2, 5]


def test_a_function_without_a_batch_axis_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "total.pulse-fn"
    path.write_bytes(
        serialize(ahead_of_time(lambda x: x.sum(), (template("batch"),), buckets=Buckets(batch=(1, 2))))
    )
    with pytest.raises(TypeError, match="'batch' as its first axis"):
        FunctionTask(str(path)).load()
