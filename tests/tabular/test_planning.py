"""Each column gets a use, and the recipe that follows can be fitted."""

from contextlib import suppress

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tabular.tables import flowers

from pulse_ai.tabular import TableError, plan_recipe

VALUES = {
    "number": st.none() | st.floats(-1e6, 1e6),
    "integer": st.none() | st.integers(-1000, 1000),
    "boolean": st.none() | st.booleans(),
    "text": st.none() | st.sampled_from(["a", "b", "c d", ""]),
    "date": st.none() | st.dates(),
}
DTYPES = {
    "number": pl.Float64, "integer": pl.Int64, "boolean": pl.Boolean, "text": pl.String, "date": pl.Date,
}  # fmt: skip


def test_each_column_has_a_note_that_says_what_becomes_of_it() -> None:
    plan = plan_recipe(flowers(), target="kind")
    assert {note.name: note.is_used for note in plan.columns} == {
        "id": False,
        "petal": True,
        "colour": True,
        "seen": True,
        "same": False,
    }
    notes = {note.name: note for note in plan.columns}
    assert notes["petal"].nulls == flowers()["petal"].null_count()
    assert notes["seen"].kind == "date"


def test_columns_to_leave_out_must_be_there_and_one_must_be_left() -> None:
    frame = flowers()
    kept = plan_recipe(frame, target="kind", drop=["petal"])
    assert "petal" not in {note.name for note in kept.used}
    with pytest.raises(TableError, match="no column 'leaf' to leave out"):
        plan_recipe(frame, target="kind", drop=["leaf"])
    with pytest.raises(TableError, match="no column is left to predict 'kind' from"):
        plan_recipe(frame.select("same", "kind"), target="kind")
    with pytest.raises(TableError, match=r"no column is left to predict 'kind' from$"):
        plan_recipe(frame.select("kind"), target="kind")


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    rows=st.integers(8, 30),
    kinds=st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=5),
)
def test_the_recipe_of_any_table_can_be_fitted_or_says_that_no_column_is_left(
    data: st.DataObject, rows: int, kinds: list[str]
) -> None:
    columns = {
        f"{kind} {place}": pl.Series(
            data.draw(st.lists(VALUES[kind], min_size=rows, max_size=rows)), dtype=DTYPES[kind]
        )
        for place, kind in enumerate(kinds)
    }
    frame = pl.DataFrame(columns | {"y": [row % 2 for row in range(rows)]})
    with suppress(TableError):  # no column is left
        plan = plan_recipe(frame, target="y")
        features = plan.recipe.fit(frame, without=["y"]).transform(frame)
        assert features.shape[0] == rows
