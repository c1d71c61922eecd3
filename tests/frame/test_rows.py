"""What a row at serving time may hold, what it means, and what is said of one that will not do."""

__all__ = ()

import datetime as dt
import json
import subprocess
import sys
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from pulse_ai.core import InvalidInput
from pulse_ai.frame import DateParts, FittedRecipe, Impute, OneHot, Ordinal, Recipe, RecipeError, Standardise

_NOON = dt.datetime(2026, 2, 1, 12, 30, 15)  # noqa: DTZ001 - a Sunday

_ROW = {
    "x": 2.0,
    "f": True,
    "town": "b",
    "day": "2026-02-01",
    "at": "2026-02-01T12:30:15",
    "z": "2026-02-01T12:30:15Z",
}


@pytest.fixture(name="fitted", scope="module")
def _fitted() -> FittedRecipe:
    frame = pl.DataFrame(
        {
            "x": [1.0, None], "f": [True, False], "town": ["b", "a"], "day": [_NOON.date()] * 2,
            "z": [_NOON.replace(tzinfo=dt.UTC)] * 2,
        }
    )  # fmt: skip
    return Recipe((Impute("numbers"), DateParts(parts=("year", "seconds")), OneHot())).fit(frame)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"x": "2"}, "column 'x' must be a number, got the text '2'"),
        ({"x": True}, "column 'x' must be a number, got True"),
        ({"x": float("inf")}, "column 'x' must be a number, got inf"),
        ({"x": 10**400}, "column 'x' must be a number"),
        ({"x": [1]}, "column 'x' must be a number, got a list"),
        ({"x": np.ones(2)}, "column 'x' must be a number, got a ndarray"),
        ({"x": Decimal("sNaN")}, "column 'x' must be a number, got a Decimal"),
        ({"town": np.array(["a", "b"])}, "column 'town' must be text, got a ndarray"),
        ({"f": 1}, "column 'f' must be true or false, got 1"),
        ({"f": None}, "column 'f' is missing or null; training had no row without it"),
        ({"town": 3}, "column 'town' must be text, got 3"),
        ({"day": "2026-02-30"}, "column 'day' must be a date such as 2026-01-31, got the text '2026-02-30'"),
        ({"day": 3}, "column 'day' must be a date"),
        ({"z": "x" * 99}, "got the text 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'..."),
    ],
)
def test_a_bad_value_in_a_row_is_told(fitted: FittedRecipe, change: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        fitted.encode([_ROW, _ROW | change])
    assert str(caught.value).startswith("row 1: ")
    assert text in str(caught.value)


@pytest.mark.parametrize("missing", ["f", "town", "day", "z"])
def test_a_column_that_training_never_lacked_is_needed(fitted: FittedRecipe, missing: str) -> None:
    row = {name: value for name, value in _ROW.items() if name != missing}
    with pytest.raises(InvalidInput, match=f"column '{missing}' is missing or null"):
        fitted.transform_rows([row])


def test_what_is_not_known_and_not_needed_has_a_defined_answer(fitted: FittedRecipe) -> None:
    features = fitted.transform_rows(
        [_ROW | {"town": "Atlantis", "extra": object(), "x": None}, _ROW | {"x": 1}]
    )
    towns = [fitted.names.index(f"town={town}") for town in "ab"]
    assert features[0, towns].tolist() == [0, 0]
    assert features[0, fitted.names.index("x")] == features[1, fitted.names.index("x")] == 1
    assert features[0, fitted.names.index("z.year")] == 2026


def test_zones_are_taken_where_training_had_them_and_refused_where_not() -> None:
    frame = pl.DataFrame({"at": [_NOON], "z": [_NOON.replace(tzinfo=dt.UTC)]})
    fitted = Recipe((DateParts(parts=("hour",)),)).fit(frame)
    row = {"at": "2026-02-01 12:00", "z": "2026-02-01T14:00:00+02:00"}
    assert fitted.transform_rows([row, row | {"z": "2026-02-01T12:00"}]).tolist() == [[12, 12]] * 2
    assert fitted.transform_rows([{"at": _NOON, "z": _NOON}]).tolist() == [[12, 12]]
    with pytest.raises(InvalidInput, match="leave the zone out of the text '2026-02-01T12:00Z'"):
        fitted.transform_rows([row | {"at": "2026-02-01T12:00Z"}])


def test_an_instant_at_the_end_of_time_is_told() -> None:
    fitted = Recipe((DateParts(parts=("hour",)),)).fit(pl.DataFrame({"z": [_NOON.replace(tzinfo=dt.UTC)]}))
    for instant in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-10:00"):
        with pytest.raises(InvalidInput, match="column 'z' must be a date and time"):
            fitted.encode_row({"z": instant})


def test_a_frame_with_a_zone_that_training_had_not_is_told_as_a_row_is() -> None:
    fitted = Recipe((DateParts(parts=("hour",)),)).fit(pl.DataFrame({"at": [_NOON]}))
    with pytest.raises(RecipeError, match="column 'at' has the time zone UTC here, but had none in training"):
        fitted.transform(pl.DataFrame({"at": [_NOON.replace(tzinfo=dt.UTC)]}))


@pytest.mark.parametrize(
    ("values", "order"), [([3, 1, 2, None], ("1", "2", "3")), ([True, False, None], ("true", "false"))]
)
def test_an_order_of_numbers_or_booleans_means_the_same_in_a_row(
    values: list[Any], order: tuple[str, ...]
) -> None:
    frame = pl.DataFrame({"v": values})
    fitted = Recipe((Ordinal(("v",), order=order),)).fit(frame)
    codes = [len(order) + 1 if value is None else order.index(str(value).lower()) for value in values]
    assert fitted.transform(frame).ravel().tolist() == codes
    assert fitted.transform_rows(frame.to_dicts()).ravel().tolist() == codes


@pytest.mark.parametrize(
    "change",
    [{"format": "other"}, {"version": 2}, {"steps": [{"type": "exec", "code": "1"}]}, {"columns": 3}],
)
def test_a_saved_recipe_that_is_none_is_told(fitted: FittedRecipe, change: dict[str, Any]) -> None:
    saved = json.loads(fitted.to_json())
    with pytest.raises(RecipeError):
        FittedRecipe.from_json(json.dumps(saved | change))


def test_the_serving_half_needs_no_polars() -> None:
    code = (
        "import sys; from pulse_ai.frame import FittedRecipe\n"
        "fitted = FittedRecipe.from_json(sys.stdin.read())\n"
        f"print(fitted.transform_rows([{_ROW!r}]).tolist())\n"
        "assert not {'polars', 'onnx', 'jax', 'flax'} & set(sys.modules), sorted(sys.modules)"
    )
    frame = pl.DataFrame({"x": [1.0, None, 3.0], "town": ["a", "b", "b"]})
    fitted = Recipe((Impute("numbers"), Standardise(), OneHot())).fit(frame)
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=fitted.to_json().decode(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert json.loads(done.stdout) == fitted.transform_rows([_ROW]).tolist()
