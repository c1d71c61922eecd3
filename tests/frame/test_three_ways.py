"""The promise of a recipe: a frame, rows and the ONNX graph give the same numbers, whatever steps and values."""

__all__ = ()

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pulse_ai.frame import (
    Bins,
    DateParts,
    Derive,
    Drop,
    FittedRecipe,
    HashBuckets,
    Impute,
    MinMax,
    OneHot,
    Ordinal,
    Recipe,
    Robust,
    Standardise,
    Step,
    TextLength,
)

# Not finer than a thousandth: a spread of 1e-300 in training makes any other number too large for 32 bits, and a
# spread of one rounding error shows how NumPy and ONNX Runtime round log and exp, which is not what is promised.
_FLOATS = st.integers(-(10**9), 10**9).map(lambda number: number / 1000)
_NUMBERS = st.one_of(st.none(), _FLOATS, st.sampled_from([0.0, -0.0, float("nan")]))
_TEXTS = st.one_of(
    st.none(), st.sampled_from(["a", "b", "Zürich", "", " a", "日本", "a,b"]), st.text(max_size=3)
)
_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "x": _NUMBERS,
            "y": _NUMBERS,
            "n": st.one_of(st.none(), st.integers(-5, 5)),
            "flag": st.one_of(st.none(), st.booleans()),
            "town": _TEXTS,
            "note": _TEXTS,
            "day": st.one_of(st.none(), st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1))),
            "at": st.one_of(
                st.none(),
                st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)),  # noqa: DTZ001
            ),
        }
    ),
    min_size=1,
    max_size=8,
)
_SCHEMA = {
    "x": pl.Float64, "y": pl.Float64, "n": pl.Int64, "flag": pl.Boolean, "town": pl.String, "note": pl.String,
    "day": pl.Date, "at": pl.Datetime("us"),
}  # fmt: skip
_SCALERS = st.sampled_from([Standardise("numbers"), MinMax("numbers"), Robust("numbers")])
_CATEGORIES = st.sampled_from(
    [OneHot("texts"), OneHot("texts", most=1), OneHot("texts", least_rows=2), Ordinal("texts")]
)
_FORMULAS = [
    "(x - y) / 2 if n > 0 and not flag else fill(x, 1) * 3",
    "max(abs(x), 1) ** 0.5 + min(y, n)",
    "is_null(col('note.length')) + (x >= y) + (n != 2) + (flag == 1 or x < 0)",
    "log(1 + abs(x)) - floor(y / 7) + exp(n) + sqrt(abs(y)) + ceil(-x / 3)",
    "(at - day) / 86400",
]
_LAST: list[list[Step]] = [
    [OneHot(("n",)), Bins(("x",), count=3), Ordinal(("flag",))],
    [Bins(("n",), count=2, by="width"), Bins(("y",), edges=(-1.0, 0.0, 1.0), one_hot=False)],
    [Ordinal(("n",)), OneHot(("flag",))],
]


@st.composite
def _recipes(draw: st.DrawFn) -> Recipe:
    how: Any = draw(st.sampled_from(["median", "mean", "mode", "constant"]))
    formulas = draw(st.lists(st.sampled_from(_FORMULAS), unique=True, max_size=3))
    numbers = Impute("numbers", how=how, value=-1.0, indicator=draw(st.booleans()))
    texts = [Impute(("town",), how="constant", value="a", indicator=True)] if draw(st.booleans()) else []
    note: Step = draw(st.sampled_from([HashBuckets(("note",), 5), Drop(("note",)), TextLength(("town",))]))
    steps: list[Step] = [TextLength(("note",)), note]
    steps += [Derive(f"d{place}", formula) for place, formula in enumerate(formulas)]
    steps += [numbers, Impute("booleans", how="constant", value=1.0), *draw(st.sampled_from([[], *_LAST]))]
    steps += [DateParts(), Impute("numbers", how="constant", value=0.5), *texts]
    if draw(st.booleans()):
        steps.append(draw(_SCALERS))
    return Recipe((*steps, draw(_CATEGORIES)))


def _onnx(fitted: FittedRecipe, rows: Sequence[dict[str, Any]]) -> NDArray[np.float32]:
    runtime: Any = onnxruntime
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(fitted.to_onnx().SerializeToString(), options)
    numbers, codes = fitted.encode(rows)
    return session.run(None, {"numbers": numbers, "codes": codes})[0]


def _close(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> bool:
    """Compare to a millionth of each number, and of 1 where numbers near 0 are differences of larger ones."""
    return bool(np.allclose(found, wanted, rtol=1e-6, atol=1e-6))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(training=_ROWS, serving=_ROWS, recipe=_recipes())
def test_frame_rows_and_graph_give_the_same_numbers(
    training: list[dict[str, Any]], serving: list[dict[str, Any]], recipe: Recipe
) -> None:
    times = {"day": dt.date(2026, 1, 31), "at": dt.datetime(2026, 1, 31, 12)}  # noqa: DTZ001
    whole = {"x": 1.5, "y": 2.0, "n": 1, "flag": True, "town": "a", "note": "b"} | times
    frame = pl.DataFrame([*training, whole, dict.fromkeys(_SCHEMA)], schema=_SCHEMA)
    fitted = recipe.fit(frame)
    served = pl.DataFrame(serving, schema=_SCHEMA)

    by_frame = fitted.transform(served)
    assert by_frame.shape == (len(serving), fitted.width)
    assert np.array_equal(fitted.transform_rows(serving), by_frame)
    assert _close(_onnx(fitted, serving), by_frame)

    again = FittedRecipe.from_json(fitted.to_json())
    assert (again.names, again.columns, again.to_json()) == (fitted.names, fitted.columns, fitted.to_json())
    assert np.array_equal(again.transform_rows(serving), by_frame)


def test_a_row_among_a_million_is_what_it_is_alone() -> None:
    random = np.random.default_rng(0)
    rows = 1_000_000
    frame = pl.DataFrame(
        {
            "x": random.normal(size=rows),
            "n": random.integers(0, 9, rows),
            "town": pl.Series(np.array(["Bern", "Thun", "Genf"])[random.integers(0, 3, rows)]),
        }
    ).with_columns(pl.when(pl.col("x") > -2).then("x"))
    fitted = Recipe((Impute("numbers", indicator=True), Standardise(), OneHot())).fit(frame)

    features = fitted.transform(frame)

    chosen = [0, 65_535, 65_536, 999_999]
    alone = fitted.transform_rows([frame.row(row, named=True) for row in chosen])
    assert np.array_equal(features[chosen], alone)
    assert abs(float(features[:, fitted.names.index("x")].mean(dtype=np.float64))) < 1e-6


def test_a_lazy_frame_is_fitted_and_transformed_alike() -> None:
    frame = pl.DataFrame({"x": [1.0, None, 4.0, 9.0], "town": ["a", "b", None, "a"]})
    recipe = Recipe((Impute("numbers"), Robust(), OneHot()))

    fitted = recipe.fit(frame.lazy())

    assert fitted.to_json() == recipe.fit(frame).to_json()
    assert np.array_equal(fitted.transform(frame.lazy()), fitted.transform(frame))
    batches = list(fitted.transform_batches(frame.lazy(), rows=3))
    assert [len(batch) for batch in batches] == [3, 1]
