"""What is to be predicted is read off the target, or the reason why not is said."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.tabular.tables import flowers

from pulse_ai.tabular import TableError, infer_problem
from pulse_ai.tabular.problem import rows_with_target, targets_of


@pytest.mark.parametrize(
    ("values", "kind", "labels"),
    [
        (["yes", "no"] * 10, "binary", ("no", "yes")),
        ([True, False] * 10, "binary", ("false", "true")),
        ([0, 1] * 10, "binary", ("0", "1")),
        ([0.0, 1.0] * 10, "binary", ("0", "1")),
        (["a", "b", "c"] * 10, "multiclass", ("a", "b", "c")),
        ([10, 2, 3] * 10, "multiclass", ("2", "3", "10")),
        (list(range(30)), "regression", ()),
        ([0.5, 1.5] * 10, "regression", ()),
        ([1, 2, 3] * 3, "regression", ()),  # too few of each to be classes
        (["no", None, "yes"] * 10, "binary", ("no", "yes")),
    ],
)
def test_the_kind_follows_from_the_values(values: list[Any], kind: str, labels: tuple[str, ...]) -> None:
    problem = infer_problem(pl.DataFrame({"y": values}), "y")
    assert (problem.kind, problem.labels) == (kind, labels)
    assert problem.rows + problem.left_out == len(values)


@pytest.mark.parametrize(
    ("frame", "target", "text"),
    [
        (flowers(), "kinds", "did you mean 'kind'"),
        (flowers(), "price", "there are 'id', 'petal'"),
        (flowers(4), "kind", "4 rows have a 'kind'; training needs at least 8"),
        (flowers(0), "kind", "0 rows"),
        (flowers(), "same", "every row has the same 'same', 'x'"),
        (flowers(), "seen", "'seen' is a date"),
        (pl.DataFrame({"y": [None] * 20}), "y", "0 rows"),
        (pl.DataFrame({"y": [2.5] * 20}), "y", "every row has the same 'y', 2.5"),
        (pl.DataFrame({"y": [1.0, float("inf")] * 20}), "y", "infinite"),
        (pl.DataFrame({"y": [f"name {n}" for n in range(40)]}), "y", "names or free text"),
        (pl.DataFrame({"y": [[1]] * 20}), "y", "List"),
        (pl.DataFrame({"y": [1.5, 2.5, 1e300] * 20}), "y", "1.5 to 1e.300: too large"),
        (pl.DataFrame({"y": [0.0, 1e-300, 2e-300] * 20}), "y", "choose another unit"),
    ],
)
def test_what_cannot_be_predicted_is_said_with_the_reason(
    frame: pl.DataFrame, target: str, text: str
) -> None:
    with pytest.raises(TableError, match=text.replace("(", r"\(")):
        infer_problem(frame, target)


def test_a_person_may_say_what_it_is() -> None:
    grades = pl.DataFrame({"grade": [1, 2, 3, 4] * 20})
    assert infer_problem(grades, "grade").kind == "multiclass"
    assert infer_problem(grades, "grade", kind="regression").labels == ()
    with pytest.raises(TableError, match="4 classes, so the task is multiclass"):
        infer_problem(grades, "grade", kind="binary")
    with pytest.raises(TableError, match="is text, and regression predicts numbers"):
        infer_problem(flowers(), "kind", kind="regression")
    with pytest.raises(TableError, match="800 classes"):
        infer_problem(pl.DataFrame({"n": range(800)}), "n", kind="multiclass")


def test_rows_without_a_target_are_left_out_and_the_others_get_their_class() -> None:
    frame = pl.DataFrame({"y": [1.0, None, float("nan"), 0.0] * 5})
    problem = infer_problem(frame, "y")
    assert (problem.rows, problem.left_out) == (10, 10)
    assert targets_of(rows_with_target(frame, "y"), problem).tolist() == [1, 0] * 5


def test_the_targets_of_a_regression_keep_their_unit() -> None:
    frame = pl.DataFrame({"y": np.linspace(-3e6, 3e6, 40)})
    targets = targets_of(frame, infer_problem(frame, "y"))
    assert targets.dtype == np.float64
    assert targets[0] == -3e6


def test_dates_are_no_target_even_as_a_task() -> None:
    frame = pl.DataFrame({"day": [date(2026, 1, 1 + n % 28) for n in range(28)]})
    with pytest.raises(TableError, match="is date"):
        infer_problem(frame, "day", kind="regression")
