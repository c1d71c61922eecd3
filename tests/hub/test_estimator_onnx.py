"""ONNX files of classical models: converted here with the agreement checked, or made by somebody else."""
# scikit-learn has no types
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import skl2onnx
from onnx import TensorProto, helper
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from pulse_ai.core import Failure, LoadFailed, TargetError, manifest_of
from pulse_ai.hub import Estimate, Estimator, Row, sklearn_to_onnx
from pulse_ai.hub.estimators.onnx_model import METADATA_KEY
from pulse_ai.hub.estimators.sklearn_model import SklearnModel

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((60, 3)).astype(np.float32).astype(np.float64)
Y = np.where(X[:, 0] + X[:, 1] > 0, "up", "down")
Z = X @ [1.0, 2.0, 3.0]


def _open(path: Path, **options: Any) -> Estimator:
    task = Estimator(str(path), **options)
    task.load()
    return task


def _answers(task: Estimator, rows: Any) -> list[Any]:
    return task.predict([Row(row) for row in rows])


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (LogisticRegression(), Y),
        (make_pipeline(StandardScaler(), LogisticRegression()), Y),
        (RandomForestClassifier(5, random_state=0), Y),
        (RandomForestClassifier(5, random_state=0), (Y == "up").astype(int)),
        (LinearRegression(), Z),
        (GradientBoostingRegressor(n_estimators=5, random_state=0), Z),
    ],
    ids=str,
)
def test_the_onnx_form_answers_as_the_estimator_does(estimator: Any, target: Any, tmp_path: Path) -> None:
    estimator.fit(X, target)
    converted = sklearn_to_onnx(estimator, X, tmp_path / "model.onnx")
    assert converted.rows == 60
    assert converted.max_difference <= 1e-4
    ours = SklearnModel(estimator, "x").answer(X.tolist())
    for one, other in zip(ours, _answers(_open(converted.path), X.tolist()), strict=True):
        assert isinstance(one, Estimate)
        assert isinstance(other, Estimate)
        if isinstance(one.prediction, float):
            assert other.prediction == pytest.approx(one.prediction, rel=1e-4, abs=1e-4)
        else:
            assert other.prediction == one.prediction
        assert [scored.label for scored in other.predictions] == [scored.label for scored in one.predictions]


def test_columns_of_a_frame_keep_names_kinds_and_which_may_be_missing(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {
            "age": [1.0, 2.0, None, 4.0],
            "city": ["a", "b", "a", "b"],
            "size": [1.0, 2.0, 3.0, 4.0],
            "id": [1, 2, 3, 4],
        }
    )
    steps = make_column_transformer(
        (SimpleImputer(), ["age"]),
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        (StandardScaler(), ["size"]),
    )
    fitted = make_pipeline(steps, LogisticRegression()).fit(frame, [0, 1, 0, 1])
    converted = sklearn_to_onnx(fitted, frame, tmp_path / "model.onnx")
    assert converted.nullable == ("age",)
    task = _open(converted.path, top_k=1)
    named = manifest_of(task, "model").input_schema["properties"]["features"]["anyOf"][0]
    assert named["required"] == ["age", "city", "size"]
    assert "columns" in task.describe()
    whole, missing, refused = _answers(
        task,
        [
            {"age": 1, "city": "a", "size": 1},
            {"age": None, "city": "new", "size": 1},
            {"age": 1, "city": "a", "size": None},
        ],
    )
    assert whole.prediction == 0
    assert len(whole.predictions) == 1
    assert missing.prediction in {0, 1}
    assert refused == Failure("column 'size' must not be missing", code="invalid_input")


@pytest.mark.parametrize(
    ("estimator", "example", "says"),
    [
        (make_pipeline(FunctionTransformer(np.sinh), LinearRegression()).fit(X, Z), X, "cannot be converted"),
        (LinearRegression().fit(X, Z), [], "the example has no rows"),
        (LinearRegression().fit(X * 1e6, Z), X * 1e30, r"answers \d\d of 60 example rows otherwise"),
    ],
    ids=["unknown part", "no rows", "other numbers"],
)  # fmt: skip
def test_what_would_not_answer_alike_is_not_written(
    estimator: Any, example: Any, says: str, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"the old one")
    with pytest.raises(TargetError, match=says):
        sklearn_to_onnx(estimator, example, tmp_path / "model.onnx", max_difference=1e-9)
    assert (tmp_path / "model.onnx").read_bytes() == b"the old one"
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_a_model_of_texts_is_not_converted(tmp_path: Path) -> None:
    fitted = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good day", "bad day"], [1, 0])
    with pytest.raises(TargetError, match="not fitted on columns cannot be converted"):
        sklearn_to_onnx(fitted, ["good"], tmp_path / "model.onnx")


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_graph_of_somebody_elses_gives_classes_where_it_names_them(zipmap: bool, tmp_path: Path) -> None:
    fitted = LogisticRegression().fit(X, Y)
    types = [("X", FloatTensorType([None, 3]))]
    graph: Any = skl2onnx.convert_sklearn(
        fitted, initial_types=types, options={id(fitted): {"zipmap": zipmap}}
    )
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    task = _open(tmp_path / "model.onnx")
    (answer, refused) = _answers(task, [X[0].tolist(), [None, 1, 2]])
    assert answer.prediction == Y[0]
    labels = [scored.label for scored in answer.predictions]
    assert labels == ([Y[0], "up" if Y[0] == "down" else "down"] if zipmap else [])
    assert refused == Failure("value 0 must not be missing", code="invalid_input")
    assert task.describe()["estimator"] == "unknown"


def test_a_whole_number_input_takes_whole_numbers_that_fit(tmp_path: Path) -> None:
    fitted = LinearRegression().fit(np.array([[0], [1]]), [0.0, 1.0])
    graph: Any = skl2onnx.convert_sklearn(fitted, initial_types=[("X", Int64TensorType([None, 1]))])
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    good, part, large = _answers(_open(tmp_path / "model.onnx"), [[2], [1.5], [1e30]])
    assert good.prediction == pytest.approx(2.0)
    assert [failure.why for failure in (part, large)] == [
        "value 0 must fit into int64, got 1.5",
        "value 0 must fit into int64, got 1e+30",
    ]


def test_a_row_that_the_graph_turns_down_fails_alone(tmp_path: Path) -> None:
    frame = pytest.importorskip("polars").DataFrame(
        {"city": ["Graz", "Chur", "Wien"], "age": [1.0, 2.0, 3.0]}
    )
    known = make_column_transformer(
        (OneHotEncoder(handle_unknown="error"), ["city"]), remainder="passthrough"
    )
    sklearn_to_onnx(
        make_pipeline(known, LinearRegression()).fit(frame, [1.0, 2.0, 3.0]), frame, tmp_path / "model.onnx"
    )
    rows = [{"city": name, "age": 2.0} for name in ("Graz", "Rome", "Chur", "\ud800", "Wien")]
    answers = _answers(_open(tmp_path / "model.onnx"), rows)
    assert [type(answer) for answer in answers] == [Estimate, Failure, Estimate, Failure, Estimate]
    assert [answer.code for answer in answers[1::2]] == ["invalid_input"] * 2
    assert "Unknown Category" in answers[1].why


def test_a_graph_that_does_not_answer_each_row_is_a_models_fault(tmp_path: Path) -> None:
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0)],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
            [helper.make_tensor_value_info("total", TensorProto.FLOAT, [])],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(LoadFailed, match=r"answers 2 rows with shape \(\); .* a row for each"):
        _answers(_open(tmp_path / "model.onnx"), [[1, 2], [3, 4]])


def _graph(shape: list[Any], kind: int = TensorProto.FLOAT) -> bytes:
    given = helper.make_tensor_value_info("image", kind, shape)
    given_back = helper.make_tensor_value_info("same", kind, shape)
    node = helper.make_node("Identity", ["image"], ["same"])
    model = helper.make_model(
        helper.make_graph([node], "g", [given], [given_back]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (_graph(["n", 3, 8, 8]), TargetError, "takes image as tensor(float) of shape ['n', 3, 8, 8]"),
        (_graph(["n", "m"]), TargetError, "takes image as tensor(float) of shape ['n', 'm']"),
        (_graph(["n", 3], TensorProto.BOOL), TargetError, "takes image as tensor(bool)"),
        (b"no graph", LoadFailed, "cannot be run"),
        (b"", LoadFailed, "cannot be run"),
    ],
    ids=["image", "open width", "bool", "damaged", "empty"],
)
def test_a_graph_that_does_not_take_rows_is_refused(
    content: bytes, error: Any, says: str, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(error) as caught:
        _open(tmp_path / "model.onnx")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ("{", "facts under pulse_ai.estimator that cannot be read"),
        ('{"columns": []}', "names 0 columns that are used"),
    ],
)
def test_facts_that_do_not_fit_the_graph_are_a_failed_load(facts: str, says: str, tmp_path: Path) -> None:
    model = onnx.load_from_string(_graph(["n", 3]))
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, facts
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(LoadFailed, match=says):
        _open(tmp_path / "model.onnx")


@pytest.mark.process
def test_an_onnx_file_is_served_where_scikit_learn_is_not_installed(tmp_path: Path) -> None:
    sklearn_to_onnx(LinearRegression().fit(X, Z), X, tmp_path / "model.onnx")
    program = """
import sys
sys.modules |= dict.fromkeys(("sklearn", "skops", "skl2onnx", "joblib", "narwhals", "scipy"))  # cannot be imported
from pulse_ai.hub import Estimator, Row
task = Estimator("model.onnx")
task.load()
print(round(task.predict([Row([1.0, 1.0, 1.0])])[0].prediction, 3))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == pytest.approx(6.0, abs=0.01)
