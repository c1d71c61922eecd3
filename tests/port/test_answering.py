"""A bad item touches no other."""

import asyncio
import contextlib
import math
import random
import weakref
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_ai.core import Failure, LoadFailed, Task
from pulse_ai.port import OK, Answer, BatchAnswerer, Item, decode_value, encode_value
from pulse_ai.port.answering import shorten_answers
from pulse_ai.port.messages import Result, encode_message

BOUND = 1_000_000


class Told(Task):
    """Does with each batch what the test says, and remembers the batches."""

    def __init__(self, answer: Callable[[list[Any]], Any]) -> None:
        self.answer = answer
        self.batches: list[int] = []

    def predict(self, items: list[Any]) -> list[Any]:
        self.batches.append(len(items))
        return self.answer(items)


def _items(*values: Any) -> list[Item]:
    return [Item(10 + number, msgspec.Raw(encode_value(value))) for number, value in enumerate(values)]


def _answers(task: Task, *values: Any, bound: int = BOUND) -> dict[int, tuple[str, Any]]:
    answers = BatchAnswerer(task).answer(_items(*values), max_answer_bytes=bound)
    assert len({answer.id for answer in answers}) == len(answers) == len(values)
    return {answer.id - 10: (answer.code, decode_value(answer.value)) for answer in answers}


@given(values=st.lists(st.integers(0, 10**6), min_size=1, max_size=30), seed=st.integers())
def test_each_answer_is_the_answer_to_its_own_item(values: list[int], seed: int) -> None:
    items = [Item(item_id, msgspec.Raw(encode_value(value))) for item_id, value in enumerate(values)]
    random.Random(seed).shuffle(items)
    answers = BatchAnswerer(Told(lambda batch: [value * 2 for value in batch])).answer(
        items, max_answer_bytes=99
    )
    assert {answer.id: decode_value(answer.value) for answer in answers} == {
        item_id: value * 2 for item_id, value in enumerate(values)
    }


def _raise_on(bad: set[int], error: BaseException) -> Callable[[list[int]], list[int]]:
    def answer(items: list[int]) -> list[int]:
        if bad & set(items):
            raise error
        return [item * 2 for item in items]

    return answer


@settings(deadline=None)
@given(bad=st.sets(st.integers(0, 15), max_size=16))
def test_exactly_the_items_that_raise_are_failed(bad: set[int]) -> None:
    with contextlib.redirect_stderr(None):
        answers = _answers(Told(_raise_on(bad, ValueError("boom"))), *range(16))
    failed = ("model_error", "ValueError: boom")
    assert answers == {number: failed if number in bad else (OK, number * 2) for number in range(16)}


def test_one_of_16_is_found_by_halves() -> None:
    task = Told(_raise_on({5}, ValueError("boom")))
    _answers(task, *range(16))
    assert task.batches == [16, 8, 4, 4, 2, 1, 1, 2, 8]


def test_an_item_that_a_raising_batch_changed_is_answered_as_it_was_sent() -> None:
    def spend(items: list[dict[str, int]]) -> list[int]:
        return [12 // item.pop("n") for item in items]

    with pytest.raises(ZeroDivisionError) as raised:
        spend([{"n": 0}])
    answers = _answers(Told(spend), {"n": 3}, {"n": 4}, {"n": 0}, {"n": 6})
    assert [answers[number] for number in (0, 1, 3)] == [(OK, 4), (OK, 3), (OK, 2)]
    assert answers[2] == ("model_error", f"ZeroDivisionError: {raised.value}")


def test_a_task_may_empty_the_list_that_it_was_given() -> None:
    def drain(items: list[int]) -> list[int]:
        return [items.pop(0) for _ in range(len(items))]

    assert _answers(Told(drain), 1, 2, 3) == {0: (OK, 1), 1: (OK, 2), 2: (OK, 3)}


@pytest.mark.parametrize("results", [[], [1], [1, 2, 3, 4]])
def test_a_wrong_number_of_answers_fails_each_item_and_says_the_numbers(results: list[int]) -> None:
    answers = _answers(Told(lambda _: results), 1, 2, 3)
    why = f"the task answered {len(results)} of 3 items; predict must answer each"
    assert answers == dict.fromkeys(range(3), ("model_error", why))


@pytest.mark.parametrize("results", [None, 5, "ab", b"ab", {"a": 1, "b": 2}, {1, 2}], ids=str)
def test_what_is_no_list_of_answers_fails_each_item(results: Any) -> None:
    answers = _answers(Told(lambda _: results), 1, 2)
    assert [code for code, _ in answers.values()] == ["model_error"] * 2
    name = "None" if results is None else f"a {type(results).__name__}"
    assert all(
        f"TypeError: predict returned {name}; it must return a list" in why for _, why in answers.values()
    )


def test_answers_may_come_as_a_generator_or_an_array() -> None:
    assert _answers(Told(lambda items: (item for item in items)), 1, 2) == {0: (OK, 1), 1: (OK, 2)}
    assert _answers(Told(lambda items: np.array(items) * 0.5), 1, 2) == {0: (OK, 0.5), 1: (OK, 1.0)}


class Unshown(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text for you")


class Prickly:
    def __getattribute__(self, name: str) -> Any:
        raise KeyError(name)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Failure("the image is empty"), "the image is empty"),
        (Failure(5), "5"),  # type: ignore[arg-type]
        (Failure("\ud800"), "\\ud800"),
        (Failure("x" * 2000), "x" * 500),
        (
            object(),
            "the answer cannot be sent: a value of type object cannot travel; use plain values or arrays",
        ),
        (2**70, "the answer cannot be sent: can't serialize ints < -2**63 or > 2**64 - 1"),
        ("x" * 2000, "the answer has 2003 bytes, over the limit of 1000"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_answer_that_cannot_go_fails_its_own_item_alone(answer: Any, expected: str) -> None:
    answers = _answers(
        Told(lambda items: [answer if item == 2 else item for item in items]), 1, 2, 3, bound=1000
    )
    assert answers == {0: (OK, 1), 1: ("model_error", expected), 2: (OK, 3)}


def test_a_failure_may_say_that_the_item_is_at_fault() -> None:
    said = [Failure("too short", code="invalid_input"), Failure("odd", code="no such code")]  # type: ignore[arg-type]
    assert _answers(Told(lambda _items: said), 1, 2) == {
        0: ("invalid_input", "too short"),
        1: ("model_error", "odd"),
    }


def test_an_object_that_raises_whatever_is_asked_fails_its_own_item_alone() -> None:
    answers = _answers(Told(lambda _: [Prickly(), 2]), 1, 2)
    assert answers[0][0] == "model_error"
    assert answers[1] == (OK, 2)


def test_not_a_number_is_an_answer() -> None:
    answers = _answers(Told(lambda _: [math.nan]), 1)
    assert answers[0][0] == OK
    assert math.isnan(answers[0][1])


class Panic(BaseException):
    """What a panic in Rust is in Python."""


@pytest.mark.parametrize(
    "error",
    [Panic("index out of range"), asyncio.CancelledError(), GeneratorExit(), MemoryError("all of it")],
)
def test_whatever_an_item_raises_is_its_own_failure(error: BaseException) -> None:
    answers = _answers(Told(_raise_on({2}, error)), 1, 2, 3)
    assert answers == {0: (OK, 2), 1: ("model_error", f"{type(error).__name__}: {error}"), 2: (OK, 6)}


def test_memory_that_one_batch_used_up_is_free_again_when_its_halves_are_tried() -> None:
    class Held(bytearray):
        """What predict has allocated when memory runs out."""

    held: list[weakref.ref[Held]] = []

    def allocate(items: list[int]) -> list[int]:
        assert not any(ref() is not None for ref in held)
        block = Held(10)
        held.append(weakref.ref(block))
        if 3 in items:
            raise MemoryError
        return items

    answerer = BatchAnswerer(Told(allocate))
    answers = {a.id: a for a in answerer.answer(_items(1, 2, 3, 4), max_answer_bytes=BOUND)}
    assert [answers[number].code for number in (10, 11, 12, 13)] == [OK, OK, "model_error", OK]
    assert decode_value(answers[12].value) == "MemoryError: no memory is left for this item"
    assert answerer.take_counts() == {"memory_errors": 1}
    assert answerer.take_counts() == {}


def test_an_error_without_a_text_is_a_failure() -> None:
    assert _answers(Told(_raise_on({1}, Unshown())), 1) == {
        0: ("model_error", "Unshown: a Unshown that cannot be shown")
    }


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_a_task_that_ends_the_process_is_not_stopped(error: BaseException) -> None:
    with pytest.raises(type(error)):
        _answers(Told(_raise_on({1}, error)), 1)


class Even(msgspec.Struct):
    n: int

    def __post_init__(self) -> None:
        if self.n == 5:
            raise KeyError("five")
        if self.n % 2:
            raise ValueError("odd")


class Halves(Task):
    def predict(self, items: list[Even]) -> list[float]:
        return [item.n / 2 for item in items]


def test_an_item_that_cannot_be_read_never_reaches_the_task() -> None:
    answers = _answers(Halves(), {"n": 2}, {"n": 3}, {"n": "4"}, 7, {"n": 5}, {"n": 6})
    assert [answers[number] for number in (0, 5)] == [(OK, 1.0), (OK, 3.0)]
    assert [answers[number][0] for number in (1, 2, 3)] == ["invalid_input"] * 3
    assert answers[4] == ("model_error", "KeyError: 'five'")


@given(garbage=st.binary(max_size=40))
def test_bytes_that_are_no_value_are_invalid_input(garbage: bytes) -> None:
    items = [Item(1, msgspec.Raw(garbage)), *_items({"n": 2})]
    with contextlib.redirect_stderr(None):
        answers = BatchAnswerer(Halves()).answer(items, max_answer_bytes=BOUND)
    assert {answer.id: answer.code for answer in answers if answer.id == 10} == {10: OK}
    assert len(answers) == 2


def test_a_stderr_that_was_closed_costs_no_answer() -> None:
    class Gone:
        def write(self, _: str) -> None:
            raise OSError("closed")

    with contextlib.redirect_stderr(Gone()):  # type: ignore[type-var]
        assert _answers(Told(_raise_on({1}, ValueError("boom"))), 1) == {
            0: ("model_error", "ValueError: boom")
        }


class Picky(Task):
    def predict(self, items: list[int | Even | Halves]) -> list[int]:
        return []


def test_a_type_that_items_cannot_be_read_into_is_a_failed_load() -> None:
    with pytest.raises(LoadFailed, match="cannot be read"):
        BatchAnswerer(Picky())


@pytest.mark.parametrize(
    ("counted", "expected"),
    [({"tokens": 3}, {"tokens": 3}), ({"tokens": np.int64(3)}, {"tokens": 3}), ({1: True}, {"1": 1}), ({}, {}),
     (None, {}), ({"tokens": "many"}, {}), ({"tokens": 2**70}, {}), ({"\ud800": 1}, {})],
)  # fmt: skip
def test_what_a_task_counts_travels_or_is_left_out(counted: Any, expected: dict[str, int]) -> None:
    task = Told(lambda items: items)
    task.take_counts = lambda: counted
    assert BatchAnswerer(task).take_counts() == expected


@given(sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=40), bound=st.integers(4096, 20_000))
def test_answers_that_do_not_fit_together_are_shortened_until_they_do(sizes: list[int], bound: int) -> None:
    answers = [Answer(2**40 + n, OK, msgspec.Raw(encode_value(bytes(size)))) for n, size in enumerate(sizes)]
    shortened = shorten_answers(answers, frame_bytes=bound)
    assert [answer.id for answer in shortened] == [answer.id for answer in answers]
    assert encode_message(Result(1, shortened, 0.5), max_frame_bytes=bound)
    for before, after in zip(answers, shortened, strict=True):
        assert after is before or after.code == "model_error"


def test_the_log_says_where_an_item_failed_but_not_what_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    class Reads(Task):
        def predict(self, items: list[str]) -> list[int]:
            return [int(item) for item in items]

    (answer,) = BatchAnswerer(Reads()).answer(
        [Item(1, msgspec.Raw(encode_value("my secret")))], max_answer_bytes=1000
    )
    assert "my secret" in msgspec.msgpack.decode(answer.value)
    logged = capsys.readouterr().err
    assert "in predict" in logged
    assert "ValueError, with a text that may quote the input and so went to the caller alone" in logged
    assert "my secret" not in logged
    assert "_as_list" not in logged


def test_the_log_has_the_text_where_that_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(items: list[Any]) -> list[Any]:
        raise ValueError(f"bad: {items[0]}" + "x" * 10_000)

    answerer = BatchAnswerer(Told(fail), log_errors=True)
    answerer.answer([Item(1, msgspec.Raw(encode_value("secret")))], max_answer_bytes=1000)
    logged = capsys.readouterr().err
    assert "ValueError: bad: secretxxx" in logged
    assert len(logged) < 5_000
