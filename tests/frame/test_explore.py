"""What is in a frame, and how far one has moved from another, against numbers worked out otherwise."""

__all__ = ()

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_ai.frame import FrameError, correlations, describe, drift, frequencies, null_counts

_FRAME = pl.DataFrame(
    {
        "x": [1.0, 2.0, float("nan"), 5.0],
        "town": ["a", "b", "a", None],
        "day": [dt.date(2026, 1, 1), dt.date(2026, 1, 3), None, None],
        "none": [None] * 4,
        "list": [[1], [2], [3], [4]],
    }
)


def test_a_description_has_a_row_for_each_column() -> None:
    rows = {row["column"]: row for row in describe(_FRAME).to_dicts()}
    x, town, day = rows["x"], rows["town"], rows["day"]
    assert (x["kind"], x["nulls"], x["distinct"], x["least"], x["median"], x["greatest"]) == (
        "number",
        1,
        3,
        1,
        2,
        5,
    )
    assert np.isclose(x["deviation"], np.std([1, 2, 5]))
    assert (town["most_frequent"], town["most_frequent_rows"], town["nulls"]) == ("a", 2, 1)
    assert (day["first"], day["last"]) == ("2026-01-01", "2026-01-03")
    assert (rows["none"]["nulls"], rows["list"]["kind"]) == (4, "List(Int64)")
    assert describe(_FRAME.head(0)).height == 5


def test_nulls_and_frequencies_are_counted() -> None:
    assert null_counts(_FRAME).rows()[:2] == [("none", 4, 1.0), ("day", 2, 0.5)]
    assert frequencies(_FRAME, "town", most=1).rows() == [("a", 2, 0.5)]
    assert frequencies(_FRAME.head(0), "town").rows() == []
    with pytest.raises(FrameError, match="there is no column 'z'"):
        frequencies(_FRAME, "z")


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(st.floats(-99, 99), st.floats(-99, 99)), min_size=3, max_size=30))
def test_a_correlation_is_numpys(pairs: list[tuple[float, float]]) -> None:
    frame = pl.DataFrame([*pairs, (1.0, None)], schema={"a": pl.Float64, "b": pl.Float64}, orient="row")
    [(_, _, rows, found)] = correlations(frame).rows()
    assert rows == len(pairs)
    a, b = np.array(pairs).T
    if a.std() > 1e-3 and b.std() > 1e-3:
        assert np.isclose(found, np.corrcoef(a, b)[0, 1], atol=1e-9)


def test_correlations_have_the_strongest_first() -> None:
    frame = pl.DataFrame({"a": [1, 2, 3, 4], "b": [4, 3, 2, 1], "c": [1, 0, 1, 0], "k": [7] * 4})
    assert correlations(frame).select("column", "other").row(0) == ("a", "b")
    assert np.isnan(correlations(frame).filter(pl.col("other") == "k")["correlation"].to_numpy()).all()
    with pytest.raises(FrameError, match="201 number columns"):
        correlations(pl.DataFrame({f"c{number}": [1] for number in range(201)}))


def test_a_frame_has_not_drifted_from_itself() -> None:
    found = drift(_FRAME, _FRAME)
    assert found.filter(pl.col("verdict") == "stable").height == 3
    assert found.filter(pl.col("verdict") == "other kind")["column"].to_list() == ["none", "list"]
    assert found["index"].drop_nulls().to_list() == [0.0] * 3


def test_what_moved_is_measured() -> None:
    random = np.random.default_rng(0)
    before = pl.DataFrame(
        {"x": random.normal(size=5000), "town": ["a", "b"] * 2500, "gone": [1] * 5000, "n": [1] * 5000}
    )
    after = pl.DataFrame({"x": random.normal(1, 1, 5000), "town": ["a", "c"] * 2500, "n": ["1"] * 5000})
    rows = {row["column"]: row for row in drift(before, after).to_dicts()}
    assert rows["x"]["verdict"] == "drifted"
    assert abs(rows["x"]["distance"] - 0.383) < 0.03  # 2 * normal distribution(1/2) - 1
    assert abs(rows["x"]["index"] - 1.0) < 0.15  # the square of the shift, for normal numbers of equal spread
    assert (rows["town"]["verdict"], rows["town"]["new_share"]) == ("drifted", 0.5)
    assert (rows["gone"]["verdict"], rows["n"]["verdict"]) == ("missing", "other kind")


def test_nulls_and_times_drift_too() -> None:
    days = [dt.datetime(2026, 1, day) for day in range(1, 31)]  # noqa: DTZ001
    before = pl.DataFrame({"at": days, "x": [1.0] * 30})
    after = pl.DataFrame({"at": [day + dt.timedelta(days=30) for day in days], "x": [1.0] * 15 + [None] * 15})
    rows = {row["column"]: row for row in drift(before, after).to_dicts()}
    assert (rows["at"]["distance"], rows["at"]["verdict"]) == (1.0, "drifted")
    assert (rows["x"]["nulls_after"], rows["x"]["verdict"]) == (0.5, "drifted")
