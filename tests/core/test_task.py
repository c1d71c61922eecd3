"""What a task says of itself: its item types, its Manifest, its progress."""

from collections.abc import Sequence
from typing import Any, List, Optional, Union  # noqa: UP035 - users write them

import msgspec
import numpy as np
import pytest

from pulse_ai.core import PROTOCOL_VERSION, Failure, LoadFailed, Manifest, Task, item_types, manifest_of


def _task(items: Any, answers: Any) -> type[Task]:
    def predict(_self: Task, items: Any, /) -> Any:
        return items

    predict.__annotations__ = {"items": items, "return": answers}
    return type("Made", (Task,), {"predict": predict})


@pytest.mark.parametrize(
    ("items", "answers", "expected"),
    [
        (list[str], list[int], (str, int)),
        (Sequence[str], Sequence[float], (str, float)),
        (List[str], List[int], (str, int)),  # noqa: UP006 - users write them
        (List, Sequence, (Any, Any)),  # noqa: UP006
        (list, Any, (Any, Any)),
        (list[dict[str, int]], list[int | Failure], (dict[str, int], int)),
        (list[str], list[Union[int, str, Failure]], (str, Union[int, str])),  # noqa: UP007
        (list[str], list[Optional[int]], (str, Optional[int])),  # noqa: UP045
        (list[str], list[Failure], (str, Any)),
        ("list[str]", "list[int]", (str, int)),
        (list[np.ndarray], list[np.ndarray], (np.ndarray, np.ndarray)),
    ],
    ids=str,
)
def test_the_hints_of_predict_say_what_an_item_is(items: Any, answers: Any, expected: Any) -> None:
    assert tuple(item_types(_task(items, answers))) == expected
    assert tuple(item_types(_task(items, answers)())) == expected


def test_a_task_without_hints_takes_anything() -> None:
    assert tuple(item_types(Task())) == (Any, Any)


@pytest.mark.parametrize(
    "hint", [str, None, tuple[int, ...], dict[str, int], "list[Missing]", "1 +", "np.gone"]
)
def test_a_hint_that_is_no_list_or_cannot_be_read_is_a_failed_load(hint: Any) -> None:
    with pytest.raises(LoadFailed, match="hint"):
        item_types(_task(hint, list[int]))


class Priced(Task):
    version = "7"

    def predict(self, items: list[dict[str, float]]) -> list[float | Failure]:
        return [sum(item.values()) for item in items]

    def describe(self) -> dict[str, Any]:
        return {"engine": "sum", "size_bytes": 12}


def test_a_manifest_says_name_versions_schemas_and_facts() -> None:
    assert manifest_of(Priced(), "prices") == Manifest(
        "prices",
        version="7",
        input_schema={"type": "object", "additionalProperties": {"type": "number"}},
        output_schema={"type": "number"},
        details={"engine": "sum", "size_bytes": 12},
    )
    assert PROTOCOL_VERSION == 1


class RaisingFacts(Priced):
    def describe(self) -> dict[str, Any]:
        raise RuntimeError("no engine yet")


class OddFacts(Priced):
    def describe(self) -> dict[str, Any]:
        return {"engine": object()}


class ListedFacts(Priced):
    def describe(self) -> Any:
        return ["not a dict"]


class OddSchema(Priced):
    def input_schema(self) -> Any:
        return ["not a dict"]


class NumberedVersion(Priced):
    version = 7  # type: ignore[assignment]


@pytest.mark.parametrize("kind", [RaisingFacts, OddFacts, ListedFacts, OddSchema, NumberedVersion])
def test_what_cannot_be_said_in_a_manifest_is_a_failed_load(kind: type[Task]) -> None:
    with pytest.raises(LoadFailed, match=f"{kind.__name__} cannot be described"):
        manifest_of(kind(), "x")


class Columns(Priced):
    def input_schema(self) -> dict[str, Any]:
        return {"type": "object", "properties": {"area": {"type": "number"}}}


def test_a_schema_that_a_task_found_out_goes_before_the_hint() -> None:
    assert manifest_of(Columns(), "x").input_schema == Columns().input_schema()
    assert Priced().input_schema() is None


def test_a_manifest_of_a_newer_worker_can_be_read() -> None:
    encoded = msgspec.msgpack.encode({"name": "x", "version": "1", "colour": "blue"})
    assert msgspec.msgpack.decode(encoded, type=Manifest) == Manifest("x", version="1")


def test_a_task_reports_progress_to_whoever_watches() -> None:
    seen: list[tuple[float | None, str]] = []
    task = Priced()
    task.report_progress(0.1, "nobody watches")
    task._on_progress = lambda fraction, text: seen.append((fraction, text))
    task.report_progress(None, "reading")
    assert seen == [(None, "reading")]


def test_a_task_without_predict_says_what_to_write() -> None:
    with pytest.raises(NotImplementedError, match=r"Task must define predict\(self, items: list\[In\]\)"):
        Task().predict([1])
