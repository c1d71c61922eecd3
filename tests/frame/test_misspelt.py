"""A row with a column that looks like one that it lacks is refused; of other columns no notice is taken."""

__all__ = ()

from typing import Any

import polars as pl
import pytest

from pulse_ai.core import InvalidInput
from pulse_ai.frame import FittedRecipe, Impute, Recipe

_ROW = {"bill_length_mm": 39.1, "island": 1.0}


@pytest.fixture(name="fitted", scope="module")
def _fitted() -> FittedRecipe:
    frame = pl.DataFrame({"bill_length_mm": [39.1, None], "island": [1.0, None]})
    return Recipe((Impute(("bill_length_mm", "island")),)).fit(frame)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("bill_length", "bill_length_mm"),
        ("Bill_Length_mm", "bill_length_mm"),
        ("islnad", "island"),
        ("island ", "island"),
    ],
)
def test_a_misspelt_column_is_told_from_its_name(fitted: FittedRecipe, name: str, meant: str) -> None:
    row = {column: value for column, value in _ROW.items() if column != meant} | {name: 3.0}
    with pytest.raises(InvalidInput, match=f"there is no column '{name}'; did you mean '{meant}'"):
        fitted.encode_row(row)


@pytest.mark.parametrize(
    "more",
    [
        {"bill_length": 3},
        {"bill_length": 3, "bill_length_mm": None},
        {"id": 7, "species": "Gentoo", "": 1},
    ],
    ids=["nothing is lacking", "it is there as null", "others"],
)
def test_no_notice_is_taken_of_other_columns(fitted: FittedRecipe, more: dict[str, Any]) -> None:
    assert len(fitted.encode_row(_ROW | more)[0]) == len(fitted.encode_row(_ROW)[0])


def test_other_columns_are_not_looked_at_where_one_is_lacking_and_none_is_like_it(
    fitted: FittedRecipe,
) -> None:
    given = {"island": 1.0, "weight": 2, "x" * 100_000: 3} | {f"column {number}": 0 for number in range(10)}
    assert repr(fitted.encode_row(given)) == repr(fitted.encode_row({"island": 1.0}))


def test_a_row_with_very_many_columns_is_not_searched(fitted: FittedRecipe) -> None:
    given = {"island": 1.0} | {f"bill_length_{number}": 0.0 for number in range(100_000)}
    assert len(fitted.encode_row(given)[0]) == len(fitted.encode_row(_ROW)[0])
