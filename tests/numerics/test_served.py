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


@pytest.mark.parametrize("others", [[], [item(1)], [item(8)]])
def test_an_item_whose_arguments_differ_in_size_fails_alone(saved: Path, others: list[Any]) -> None:
    task = FunctionTask(str(saved))
    task.load()
    bad = {"x": [1.0, 2.0, 3.0], "mask": [True] * 2}
    *good, failure = task.predict([*others, bad])
    assert good == task.predict(others)
    assert failure == Failure("mask has size 2 along 'length', where another argument has 3")


@pytest.mark.parametrize(
    ("dtype", "row", "answer"),
    [
        ("int32", [1, 2.0], [1, 2]),
        ("int32", [1, 2.5], "x takes int32, and 2.5 is none"),
        ("int32", [1, None], "x takes int32, and nan is none"),
        ("int32", [1, 2**31], "x takes int32, and 2147483648 is none"),
        ("uint8", [1, -1], "x takes uint8, and -1 is none"),
        ("bool", [True, 0], [True, False]),
        ("bool", [True, 2], "x takes bool, and 2 is none"),
        ("float32", [True, 2], [1.0, 2.0]),
        ("float32", [1e300, 1.0], "x takes float32, and 1e+300 is none"),
        ("float32", ["1", 2.0], "x takes numbers in nested lists, all of one length"),
        ("float32", [10**400, 2.0], "int too large to convert to float"),
    ],
)
def test_an_item_is_read_as_what_it_is_or_fails(
    tmp_path: Path, dtype: str, row: list[Any], answer: Any
) -> None:
    same = ahead_of_time(lambda x: x, (template("batch", 2, dtype=dtype),), buckets=Buckets(batch=(1,)))
    (tmp_path / "same.pulse-fn").write_bytes(serialize(same))
    task = FunctionTask(str(tmp_path / "same.pulse-fn"))
    task.load()
    (found,) = task.predict([row])
    assert found == (Failure(answer) if isinstance(answer, str) else answer)


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
