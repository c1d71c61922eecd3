"""What each step does, in numbers that can be checked by hand, and what it says when it cannot."""

__all__ = ()

import datetime as dt
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
import pytest

from pulse_ai.frame import (
    Bins,
    DateParts,
    Derive,
    Drop,
    HashBuckets,
    Impute,
    MinMax,
    OneHot,
    Ordinal,
    Recipe,
    RecipeError,
    Robust,
    Standardise,
    Step,
    TextLength,
    propose_recipe,
)
from pulse_ai.frame.batches import batches_of
from pulse_ai.frame.learned import Counts, Moments
from pulse_ai.frame.quantiles import Quantiles, Sample

_X = pl.DataFrame({"x": [1.0, 2.0, None, 6.0]})
_TOWNS = pl.DataFrame({"town": ["b", "a", "b", None, "c"]})
_NOON = dt.datetime(2026, 2, 1, 12, 30, 15)  # noqa: DTZ001 - a Sunday


def _table(frame: pl.DataFrame, *steps: Step) -> dict[str, list[float]]:
    fitted = Recipe(steps).fit(frame)
    features = fitted.transform(frame)
    return {name: features[:, place].tolist() for place, name in enumerate(fitted.names)}


@pytest.mark.parametrize(
    ("frame", "steps", "features"),
    [
        (_X, [Impute("numbers")], {"x": [1, 2, 2, 6]}),
        (_X, [Impute("numbers", how="mean")], {"x": [1, 2, 3, 6]}),
        (_X, [Impute(("x",), how="constant", value=-1.0, indicator=True)],
         {"x": [1, 2, -1, 6], "x is null": [0, 0, 1, 0]}),
        (pl.DataFrame({"x": [3, 3, 1, None]}), [Impute("numbers", how="mode")], {"x": [3, 3, 1, 3]}),
        (pl.DataFrame({"x": [2.0, 1.0, float("nan")]}), [Impute("numbers", how="mode")], {"x": [2, 1, 1]}),
        (pl.DataFrame({"f": [True, None, True]}), [Impute("booleans", how="mode")], {"f": [1, 1, 1]}),
        (pl.DataFrame({"x": [1.0, 3.0]}), [Standardise()], {"x": [-1, 1]}),
        (pl.DataFrame({"x": [7.0, 7.0]}), [Standardise()], {"x": [0, 0]}),
        (pl.DataFrame({"x": [1.0, 2.0, 5.0]}), [MinMax()], {"x": [0, 0.25, 1]}),
        (pl.DataFrame({"x": [7, 7]}), [MinMax()], {"x": [0, 0]}),
        (pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0, 100.0]}), [Robust()], {"x": [-1, -0.5, 0, 0.5, 48.5]}),
        (pl.DataFrame({"x": [1.0, 1.0, 1.0, 1.0, 6.0]}), [Robust()], {"x": [0, 0, 0, 0, 2.5]}),
        (_TOWNS, [OneHot()],
         {"town=b": [1, 0, 1, 0, 0], "town=a": [0, 1, 0, 0, 0], "town=c": [0, 0, 0, 0, 1],
          "town=(null)": [0, 0, 0, 1, 0]}),
        (_TOWNS, [Impute("texts", how="mode", indicator=True), OneHot(most=1)],
         {"town=b": [1, 0, 1, 1, 0], "town=(other)": [0, 1, 0, 0, 1], "town is null": [0, 0, 0, 1, 0]}),
        (_TOWNS, [OneHot(least_rows=2)],
         {"town=b": [1, 0, 1, 0, 0], "town=(null)": [0, 0, 0, 1, 0], "town=(other)": [0, 1, 0, 0, 1]}),
        (pl.DataFrame({"n": [2, 1, 2]}), [OneHot(("n",))], {"n=2": [1, 0, 1], "n=1": [0, 1, 0]}),
        (pl.DataFrame({"f": [True, False, None]}), [OneHot(("f",))],
         {"f=false": [0, 1, 0], "f=true": [1, 0, 0], "f=(null)": [0, 0, 1]}),
        (_TOWNS, [Ordinal()], {"town": [1, 0, 1, 4, 2]}),
        (_TOWNS, [Ordinal(order=("c", "b"))], {"town": [1, 2, 1, 3, 0]}),
        (pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]}), [Bins(("x",), count=2, one_hot=False)], {"x": [0, 0, 1, 1]}),
        (pl.DataFrame({"x": [0, 1, 10]}), [Bins(("x",), count=2, by="width")],
         {"x below 5": [1, 1, 0], "x from 5": [0, 0, 1]}),
        (pl.DataFrame({"x": [-1.0, 0.0, 5.0]}), [Bins(("x",), edges=(0.0, 1.0))],
         {"x below 0": [1, 0, 0], "x 0 to 1": [0, 1, 0], "x from 1": [0, 0, 1]}),
        (pl.DataFrame({"at": [_NOON]}), [DateParts()],
         {"at.year": [2026], "at.month": [2], "at.day": [1], "at.weekday": [7], "at.hour": [12],
          "at.minute": [30]}),
        (pl.DataFrame({"day": [_NOON.date()]}), [DateParts(parts=("day_of_year", "seconds"))],
         {"day.day_of_year": [32], "day.seconds": [1769904000]}),
        (pl.DataFrame({"t": ["", "日本"]}), [TextLength(), Drop(("t",))], {"t.length": [0, 2]}),
        (pl.DataFrame({"t": ["Bern", "Thun", "Bern"]}), [HashBuckets(("t",), 2)],
         {"t#0": [1, 0, 1], "t#1": [0, 1, 0]}),
        (pl.DataFrame({"a": [6.0, 8.0], "b c": [3, 0]}),
         [Derive("q", "fill(a / max(col('b c'), 1), 0)"), Drop(("a",))],
         {"b c": [3, 0], "q": [2, 8]}),
        (pl.DataFrame({"on": [_NOON], "off": [_NOON + dt.timedelta(minutes=3)]}),
         [Derive("minutes", "(off - on) / 60"), Drop("times")], {"minutes": [3]}),
        (_X, [Impute("numbers", how="constant", value=9.0), Impute("numbers", how="mean"), MinMax()],
         {"x": [0, 0.125, 1, 0.625]}),
        (pl.DataFrame({"x": [1.0, 3.0], "t": ["a", "b"]}), [OneHot(), Standardise("numbers")],
         {"x": [-1, 1], "t=a": [1, 0], "t=b": [0, 1]}),
    ],
)  # fmt: skip
def test_a_step_makes_these_features(
    frame: pl.DataFrame, steps: list[Step], features: dict[str, list[float]]
) -> None:
    assert _table(frame, *steps) == features


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ([], "'x' can be null, and a feature cannot: add Impute"),
        ([Impute(("z",))], "there is no column 'z'; there are 'x', 'n', 't', 'day'"),
        ([Impute(("t",))], "column 't' is a text column; this takes number and boolean"),
        ([Impute("words")], "must be a tuple of names or one of numbers, booleans, texts, times"),  # type: ignore[arg-type]
        ([Standardise("texts")], "Standardise does not take texts"),
        ([Impute("numbers"), Standardise()], "column 't' is a text column and no step makes numbers of it"),
        ([Impute("numbers"), OneHot()], "column 'day' is a time column and no step makes numbers of it; use Date"),
        ([Impute("numbers", how="constant", value="a")], "the constant for 'x' must be a number, got 'a'"),
        ([Impute(("t",), how="constant")], "the constant for 't' must be text, got None"),
        ([Standardise(), OneHot(("n",))], "the values of 'n' are not its categories any more"),
        ([OneHot(most=0)], "most and least_rows must be at least 1"),
        ([Ordinal(order=("a", "a"))], "a category stands twice"),
        ([Ordinal(("n",), order=("1", "1.0"))], "a category stands twice"),
        ([Ordinal(("n",), order=("small", "large"))], "categories of 'n' are numbers; 'small' is not a number"),
        ([Bins(("n",), edges=(2.0, 1.0))], "edges must grow"),
        ([Bins(("n",), count=1)], "count must be at least 2"),
        ([HashBuckets(("t",), 1)], "buckets must be between 2 and 4096"),
        ([DateParts(parts=("hour",))], "no hour"),
        ([Derive("t", "n + 1")], "there is a column 't' already"),
        ([Derive("d", "t + 1")], "column 't' is no number (text)"),
        ([OneHot(("t", "t"))], "a column stands twice"),
        ([Drop(("x", "n", "t", "day"))], "leaves no feature"),
    ],
)  # fmt: skip
def test_a_step_that_does_not_fit_says_why(steps: list[Step], text: str) -> None:
    frame = pl.DataFrame({"x": [1.0, None], "n": [1, 2], "t": ["a", "b"], "day": [_NOON.date(), None]})
    with pytest.raises(RecipeError) as caught:
        Recipe(tuple(steps)).fit(frame)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (pl.DataFrame({"x": []}, schema={"x": pl.Float64}), "0 rows and 1 columns"),
        (pl.DataFrame(), "0 rows and 0 columns"),
        (pl.DataFrame({"x": [float("inf")]}), "column 'x' has infinite values"),
        (pl.DataFrame({"x": [None, None]}, schema={"x": pl.Float64}), "nulls only"),
        (pl.DataFrame({"x": [[1], [2]]}), "'x'"),
        (pl.DataFrame({"x": [1.0, 1e300]}), "column 'x' has numbers too large to scale"),
    ],
)
def test_a_frame_that_nothing_can_be_learned_from_is_told(frame: pl.DataFrame, text: str) -> None:
    with pytest.raises(RecipeError, match=text):
        Recipe((Impute("numbers"), Standardise())).fit(frame)


def test_a_frame_of_another_kind_is_told() -> None:
    fitted = Recipe((Standardise(),)).fit(pl.DataFrame({"x": [1.0, 2.0]}))
    with pytest.raises(RecipeError, match="column 'x' is text here, but was number in training"):
        fitted.transform(pl.DataFrame({"x": ["1"]}))
    with pytest.raises(RecipeError, match="the frame lacks 'x'; it has 'y'"):
        fitted.transform(pl.DataFrame({"y": [1]}))
    with pytest.raises(RecipeError, match="row 1: feature 'x' is null"):
        fitted.transform(pl.DataFrame({"x": [1, None]}))
    with pytest.raises(RecipeError, match="row 0: feature 'x' is too large"):
        fitted.transform(pl.DataFrame({"x": [1e300]}))
    assert fitted.transform(pl.DataFrame({"x": [1], "y": ["more"]})).tolist() == [[-1.0]]
    assert fitted.transform(pl.DataFrame({"x": []}, schema={"x": pl.Int8})).shape == (0, 1)


def test_moments_in_batches_are_the_moments_of_the_whole() -> None:
    values = np.random.default_rng(0).normal(1e6, 1, 1000)
    moments = Moments()
    for batch in np.split(values, [1, 10, 10, 500]):
        moments.add(np.append(batch, np.nan))
    assert np.isclose(moments.mean, values.mean(), rtol=1e-12)
    assert np.isclose(moments.deviation, values.std(), rtol=1e-9)


def test_what_is_known_of_a_column_says_what_filling_its_nulls_makes_of_it() -> None:
    values = np.array([3.0, np.nan, 5.0, np.nan, np.nan, 10.0])
    known, whole = Moments(), Moments()
    known.add(values)
    whole.add(np.nan_to_num(values, nan=-2.0))
    found = known.filled(-2.0)
    assert (found.count, found.nulls, found.low, found.high) == (6, 0, -2.0, 10.0)
    assert np.isclose(found.mean, whole.mean)
    assert np.isclose(found.deviation, whole.deviation)
    assert (known.count, known.nulls) == (3, 3)

    counts = Counts({"a": 2, "b": 1}, nulls=4)
    assert counts.filled("b") == Counts({"a": 2, "b": 5})
    assert counts == Counts({"a": 2, "b": 1}, nulls=4)


def test_steps_that_build_on_each_other_learn_from_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({"x": [1.0, None, 4.0, 9.0], "town": ["a", "b", None, "b"]})
    passes: list[tuple[str, ...]] = []

    def counted(frame: pl.DataFrame, columns: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
        passes.append(tuple(columns))
        return batches_of(frame, columns, rows)

    monkeypatch.setattr("pulse_ai.frame.passes.batches_of", counted)
    recipe = Recipe((Impute("numbers"), Impute("texts", how="mode"), Standardise(), OneHot()))
    features = recipe.fit(frame).transform(frame)

    assert passes == [("x", "town")]
    filled = np.array([1.0, 4.0, 4.0, 9.0])
    assert np.allclose(features[:, 0], (filled - filled.mean()) / filled.std())


def test_a_sample_is_uniform_bounded_and_the_same_each_time() -> None:
    def quartiles() -> list[float]:
        sample = Sample(most=500)
        for start in range(0, 20_000, 333):
            sample.add(np.arange(start, min(start + 333, 20_000), dtype=np.float64))
        assert sample.count == 500
        return sample.at(np.array([125, 250, 375])).tolist()

    assert quartiles() == quartiles()
    assert np.allclose(quartiles(), [5_000, 10_000, 15_000], atol=1_200)


@pytest.mark.parametrize(
    "batches",
    [
        [[3.0, 5.0], [4.0, -2.0, np.nan], [], [-2.0]],
        [[0.5, 2.5], [-1.5]],
        [[0.5], [1.0]],
        [[1.0, 2.0], [70_000.0, 3.0]],
        [[1.0, 2.0, 2.0], [2.25, 1e300], [4.0]],
        [[np.nan], []],
    ],
)
def test_quantiles_of_batches_are_those_of_the_whole(batches: list[list[float]]) -> None:
    shares = (0.0, 0.25, 0.5, 0.9, 1.0)
    found = Quantiles(shares)
    for batch in batches:
        found.add(np.array(batch))
    whole = np.concatenate(batches)
    known = whole[~np.isnan(whole)]
    assert found.quantiles() == pytest.approx(np.quantile(known, shares).tolist() if len(known) else [])


def test_a_tally_of_many_rows_is_sampled_where_a_number_does_not_fit() -> None:
    found = Quantiles((0.25, 0.5, 0.75))
    for _ in range(12):
        found.add(np.repeat(np.arange(10.0), 10_000))
    found.add(np.array([0.5]))
    assert np.allclose(found.quantiles(), [2, 4.5, 7], atol=0.6)


def test_too_many_categories_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulse_ai.frame.learned.MOST_CATEGORIES", 2)
    counts = Counts()
    counts.add({"a": 1, "b": 1}, 0)
    with pytest.raises(RecipeError, match="use HashBuckets"):
        counts.add({"c": 1}, 0)


def test_a_proposal_keeps_what_can_help() -> None:
    rows = 40
    frame = pl.DataFrame(
        {
            "row": range(rows), "name": [f"n{row}" for row in range(rows)], "none": [None] * rows,
            "land": ["CH"] * rows, "list": [[1]] * rows, "area": [None, *map(float, range(1, rows))],
            "new": [True, None] * (rows // 2),
            "town": ["a", "b"] * (rows // 2), "at": [_NOON + dt.timedelta(hours=row) for row in range(rows)],
        }
    )  # fmt: skip
    recipe, reasons = propose_recipe(frame, without=["town"])
    fitted = recipe.fit(frame, without=["town"])
    assert [name for name, why in reasons.items() if why.startswith("dropped")] == [
        "row",
        "name",
        "none",
        "land",
        "list",
    ]
    assert fitted.names == (
        "area",
        "new",
        "at.day",
        "at.weekday",
        "at.hour",
        "at.seconds",
        "area is null",
        "new is null",
    )
    with pytest.raises(RecipeError, match="no column can help"):
        propose_recipe(frame.select("none", "land"))
