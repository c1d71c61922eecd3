"""From the features of a row to values, from values to tables, and what a fitted estimator says of its columns."""
# scikit-learn has no types
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import math
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from pulse_ai.core import InvalidInput, checker_type
from pulse_ai.hub.estimators.columns import Column, Columns
from pulse_ai.hub.estimators.fitted import columns_of, needs_frame, takes_text
from pulse_ai.hub.estimators.tables import find_frame_library, frame_of, group_rows, matrix_of

NAMED = Columns([Column("age"), Column("city", "text"), Column("id", used=False)])
PLAIN = Columns([Column(), Column()])
STRICT = Columns([Column("age", nullable=False)])


def _named(value: object) -> str | None:
    """Return an id that is the same in every process, which that of an object is not."""
    return None if isinstance(value, Columns) else str(value)[:60]


@pytest.mark.parametrize(
    ("columns", "features", "values"),
    [
        (NAMED, {"city": "Graz", "age": 41, "id": 7}, [41.0, "Graz", None]),
        (NAMED, {"city": "Graz", "age": 41}, [41.0, "Graz", None]),
        (NAMED, [41, "Graz", "unused"], [41.0, "Graz", None]),
        (NAMED, {"age": None, "city": None}, [None, None, None]),
        (NAMED, {"age": math.nan, "city": ""}, [None, "", None]),
        (PLAIN, [1, True], [1.0, 1.0]),
        (PLAIN, [-0.5, 2**53], [-0.5, 2.0**53]),
        (PLAIN, np.array([1, 2], np.int8), [1, 2]),
        (PLAIN, np.array([1.5, np.nan], np.float32), [1.5, None]),
        (STRICT, {"age": 0}, [0]),
    ],
    ids=_named,
)
def test_features_become_values_in_the_order_of_the_columns(
    columns: Columns, features: Any, values: list[Any]
) -> None:
    assert columns.read(features) == values


@pytest.mark.parametrize(
    ("columns", "features", "says"),
    [
        (NAMED, {"age": 1}, "columns missing: city; the model takes age, city, id"),
        (NAMED, {"age": 1, "city": "a", "agee": 2}, "columns unknown: agee; the model takes age, city, id"),
        (NAMED, {"Age": 1, "city": "a"}, "columns missing: age; columns unknown: Age; the model takes"),
        (NAMED, [1, "a"], "expected 3 values (age, city, id), got 2"),
        (NAMED, "text", "features must be an object by column name or a list of 3 values, got 'text'"),
        (NAMED, None, "features must be an object by column name or a list of 3 values, got null"),
        (NAMED, {"age": "41", "city": "a"}, "column 'age' takes a number, got '41'"),
        (NAMED, {"age": 1, "city": 2}, "column 'city' takes text, got 2"),
        (NAMED, {"age": [1], "city": "a"}, "column 'age' takes a number, got a list"),
        (NAMED, {"age": {}, "city": "a"}, "column 'age' takes a number, got an object"),
        (NAMED, {"age": math.inf, "city": "a"}, "column 'age' is not a finite float64: inf"),
        (NAMED, {"age": 10**400, "city": "a"}, "column 'age' is not a finite float64: a huge integer"),
        (NAMED, {"age": "x" * 900, "city": "a"}, f"column 'age' takes a number, got '{'x' * 36}..."),
        (PLAIN, {"a": 1, "b": 2}, "the model has no column names; send a list of 2 values"),
        (PLAIN, [1], "expected 2 values, got 1"),
        (PLAIN, [1, 2, 3], "expected 2 values, got 3"),
        (PLAIN, [1, "2"], "value 1 takes a number, got '2'"),
        (PLAIN, [-math.inf, 2.0], "value 0 is not a finite float64: -inf"),
        (PLAIN, np.ones((1, 2)), "expected one row, an array of shape (2,), got (1, 2)"),
        (PLAIN, np.float64(1.0), "expected one row, an array of shape (2,), got ()"),
        (STRICT, {"age": None}, "column 'age' must not be missing"),
        (Columns([Column("any", None)]), {"any": []}, "column 'any' takes a number or text, got a list"),
    ],
    ids=_named,
)  # fmt: skip
def test_what_is_wrong_with_features_is_said_with_names_and_numbers(
    columns: Columns, features: Any, says: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        columns.read(features)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 400


CELLS = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=3)
    | st.lists(st.none(), max_size=1)
)
FEATURES = st.lists(CELLS, max_size=4) | st.dictionaries(st.sampled_from(["age", "city", "id", "x"]), CELLS)


@given(features=FEATURES)
def test_the_published_schema_lets_through_what_the_worker_takes(features: Any) -> None:
    """The gate in the parent may let through more, but never turn down what would have been answered."""
    try:
        NAMED.read(features)
    except InvalidInput:
        return
    sent = msgspec.json.decode(msgspec.json.encode(features))  # NaN is null in JSON
    if isinstance(sent, list) and len(sent) > 2 and isinstance(sent[2], list):
        return  # in a column that nobody looks at; there is no schema for that
    if isinstance(sent, dict) and isinstance(sent.get("id"), str | list):
        return
    msgspec.json.decode(msgspec.json.encode(sent), type=checker_type(NAMED.schema()))


def test_the_schema_names_each_column_with_its_kind() -> None:
    schema = Columns([Column("age", nullable=False), Column("id", used=False)]).schema()
    named, listed = schema["anyOf"]
    assert named["properties"]["age"] == {"anyOf": [{"type": "number"}, {"type": "boolean"}]}
    assert named["required"] == ["age"]
    assert named["additionalProperties"] is False
    assert (listed["minItems"], listed["maxItems"]) == (2, 2)
    assert PLAIN.schema()["type"] == "array"


UNKNOWN = Columns([Column("a", None), Column("b")])


def test_rows_of_one_kind_share_a_table_and_known_kinds_never_part_them() -> None:
    assert group_rows(UNKNOWN, [["x", 1.0], [1.0, None], ["y", None], [None, 1.0]]) == [[0, 2], [1], [3]]
    assert group_rows(NAMED, [[None, "a", None], [1.0, None, None]]) == [[0, 1]]


def test_a_matrix_has_nan_or_what_the_model_calls_missing() -> None:
    assert np.isnan(matrix_of(PLAIN, [[1.0, None]])).tolist() == [[False, True]]
    told = Columns([Column(), Column(kind="text", missing=None), Column(kind="text")])
    table = matrix_of(told, [[None, None, None], [1.0, "a", "b"]])
    assert table.dtype == object
    assert table[1].tolist() == [1.0, "a", "b"]
    assert math.isnan(table[0, 0])
    assert table[0, 1] is None
    assert math.isnan(table[0, 2])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_column_of_a_frame_has_the_same_type_whatever_the_batch_holds(library: Any) -> None:
    pytest.importorskip(library)
    columns = Columns([Column("age"), Column("city", "text")])
    full, empty = frame_of(columns, [[1.0, "a"]], library), frame_of(columns, [[None, None]], library)
    assert list(full.columns) == ["age", "city"]
    assert [str(full[name].dtype) for name in full.columns] == [
        str(empty[name].dtype) for name in full.columns
    ]
    assert np.isnan(empty["age"].to_numpy()).all()
    assert full["city"].to_list() == ["a"]
    assert find_frame_library() in {"pandas", "polars"}


X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]])
Y = [0, 1, 0, 1]
TEXTS = np.array([["a", "x"], ["b", "y"], ["a", None], ["b", "x"]], object)


def _kinds(estimator: Any) -> list[Any]:
    columns = columns_of(estimator)
    assert columns is not None
    return [column.kind if column.used else "unused" for column in columns.all]


def _over(*parts: Any, **options: Any) -> Any:
    """Return a model over a ColumnTransformer of (step, columns) pairs."""
    return make_pipeline(make_column_transformer(*parts, **options), LinearRegression())


FILLED = make_pipeline(
    SimpleImputer(strategy="most_frequent", missing_values=cast("Any", None)), OneHotEncoder()
)
ENCODED = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())


@pytest.mark.parametrize(
    ("estimator", "table", "kinds"),
    [
        (LogisticRegression(), X, ["number", "number"]),
        (make_pipeline(StandardScaler(), LogisticRegression()), X, ["number", "number"]),
        (ENCODED, TEXTS, ["text", "text"]),
        (ENCODED, X, ["number", "number"]),
        (make_pipeline(SimpleImputer(), LinearRegression()), X, ["number", "number"]),
        (make_pipeline(FunctionTransformer(np.abs), LinearRegression()), X, [None, None]),
        (_over((StandardScaler(), [1])), X, ["unused", "number"]),
        (_over((StandardScaler(), slice(0, 1)), remainder="passthrough"), X, ["number", "number"]),
        (_over((OneHotEncoder(), [True, False])), TEXTS, ["text", "unused"]),
        (_over(("drop", [0]), ("passthrough", [1])), X, ["unused", "number"]),
        (_over((FILLED, [0, 1])), TEXTS, ["text", "text"]),
        (GridSearchCV(ENCODED, {}, cv=2), TEXTS, ["text", "text"]),
    ],
)
def test_what_a_column_holds_is_read_off_what_looks_at_it_first(
    estimator: Any, table: Any, kinds: list[Any]
) -> None:
    assert _kinds(estimator.fit(table, Y)) == kinds


def test_a_frame_gives_names_and_is_needed_where_columns_may_be_looked_up() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"age": [1.0, 2.0], "city": ["a", "b"], "id": [1, 2]})
    steps = make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(), ["city"]))
    fitted = make_pipeline(steps, LogisticRegression()).fit(frame, [0, 1])
    columns = columns_of(fitted)
    assert columns is not None
    assert columns.names == ("age", "city", "id")
    assert _kinds(fitted) == ["number", "text", "unused"]
    assert needs_frame(fitted)
    assert not needs_frame(LogisticRegression().fit(frame[["age", "id"]], [0, 1]))
    assert not needs_frame(LogisticRegression().fit(X, Y))


def test_a_vectoriser_takes_text_whether_it_stands_alone_or_on_a_column() -> None:
    alone = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good day", "bad day"], [1, 0])
    assert columns_of(alone) is None
    assert takes_text(alone)
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"note": ["good day", "bad day"], "age": [1.0, 2.0]})
    steps = make_column_transformer((TfidfVectorizer(), "note"), remainder="passthrough")
    assert _kinds(make_pipeline(steps, LogisticRegression()).fit(frame, [1, 0])) == ["text", "number"]
