"""Splits: every row once, in the shares asked for, the same for the same seed, and never through a group."""

__all__ = ()

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_ai.frame import SplitError, folds, split

_LABELS = st.lists(st.sampled_from(["a", "b", None]), min_size=20, max_size=60)


def _frame(labels: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(
        {"row": range(len(labels)), "label": labels}, schema={"row": pl.Int64, "label": pl.String}
    )


def _rows(parts: tuple[pl.DataFrame, ...]) -> list[int]:
    return sorted(row for part in parts for row in part["row"].to_list())


@settings(deadline=None)
@given(labels=_LABELS, seed=st.integers(0, 9))
def test_each_part_has_each_label_in_its_share(labels: list[Any], seed: int) -> None:
    frame, shares = _frame(labels), (0.6, 0.2, 0.2)
    parts = split(frame, shares, seed=seed, stratify="label")

    assert _rows(parts) == list(range(len(labels)))
    for part, share in zip(parts, shares, strict=True):
        assert abs(part.height - share * len(labels)) < 1
        assert part["row"].is_sorted()
        for label in set(labels):
            found = part.filter(pl.col("label").eq_missing(pl.lit(label, pl.String))).height
            assert abs(found - share * labels.count(label)) < 2
    again = split(frame, shares, seed=seed, stratify="label")
    assert all(one.equals(other) for one, other in zip(parts, again, strict=True))


@settings(deadline=None)
@given(groups=st.lists(st.integers(0, 15), min_size=40, max_size=80), seed=st.integers(0, 9))
def test_no_group_is_cut_apart(groups: list[int], seed: int) -> None:
    groups = [*groups, 0, 1]
    frame = _frame([str(group) for group in groups])
    parts = split(frame, group="label", seed=seed)
    assert _rows(parts) == list(range(len(groups)))
    assert not set(parts[0]["label"]) & set(parts[1]["label"])
    largest = max(groups.count(group) for group in groups)
    assert abs(parts[1].height - 0.2 * len(groups)) <= largest


@settings(deadline=None)
@given(instants=st.lists(st.integers(0, 9), min_size=20, max_size=60))
def test_by_time_the_first_part_is_earlier_and_equal_instants_stay_together(instants: list[int]) -> None:
    frame = pl.DataFrame({"row": range(len(instants)), "at": instants})
    try:
        first, second = split(frame, (0.7, 0.3), time="at")
    except SplitError as error:  # nearly all rows have the same instant
        assert "sizes would be" in str(error)  # noqa: PT017 - both ends are right ones
        return
    assert _rows((first, second)) == list(range(len(instants)))
    assert max(first["at"].to_list()) < min(second["at"].to_list())


@pytest.mark.parametrize("by", [{}, {"stratify": "label"}, {"group": "label"}])
def test_folds_hold_out_each_row_once(by: dict[str, Any]) -> None:
    frame = _frame([str(row % 7) for row in range(50)])
    made = folds(frame, 5, seed=3, **by)
    assert _rows(tuple(fold.held_out for fold in made)) == list(range(50))
    assert all(fold.training.height + fold.held_out.height == 50 for fold in made)
    assert all(not set(fold.training["row"]) & set(fold.held_out["row"]) for fold in made)


def test_folds_by_time_train_on_what_came_before_only() -> None:
    frame = pl.DataFrame({"row": range(12), "at": list(reversed(range(12)))})
    made = folds(frame, 3, time="at")
    assert [fold.held_out["at"].to_list() for fold in made] == [[5, 4, 3], [8, 7, 6], [11, 10, 9]]
    assert [fold.training.height for fold in made] == [3, 6, 9]


def test_seeds_differ_and_rows_are_shuffled() -> None:
    frame = _frame(["a"] * 100)
    assert not split(frame, seed=0)[1].equals(split(frame, seed=1)[1])
    assert np.ptp(split(frame)[1]["row"].to_numpy()) > 50


@pytest.mark.parametrize("shares", [(0.8, 0.2), (0.9, 0.05, 0.05)])
def test_as_many_groups_as_parts_are_enough(shares: tuple[float, ...]) -> None:
    frame = pl.DataFrame({"group": [number for number in range(len(shares)) for _ in range(10)]})
    assert [part["group"].n_unique() for part in split(frame, shares, group="group")] == [1] * len(shares)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"shares": (0.5, 0.6)}, "sum to 1"),
        ({"shares": (1.0,)}, "at least two"),
        ({"shares": (1.5, -0.5)}, "above 0"),
        ({"stratify": "none"}, "there is no column 'none'; there are 'row', 'label'"),
        ({"stratify": "label", "group": "label"}, "choose one of stratify, group and time"),
        ({"group": "label"}, "1 values of 'label'"),
        ({"time": "label"}, "has 1 nulls"),
        ({"shares": (0.1,) * 10}, "cannot be cut into 10 parts"),
    ],
)
def test_what_cannot_be_cut_is_told(options: dict[str, Any], text: str) -> None:
    labels = [None, "a", "a"] if "time" in options else ["a"] * 3
    with pytest.raises(SplitError, match=text):
        split(_frame(labels), **options)
    with pytest.raises(SplitError, match="at least 2"):
        folds(_frame(labels), 1)
