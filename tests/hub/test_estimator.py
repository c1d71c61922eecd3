"""Estimators in files as tasks: what they answer, what they refuse, and what they say of themselves."""
# scikit-learn has no types
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from pulse_ai.core import Failure, LoadFailed, TargetError, manifest_of
from pulse_ai.hub import Estimate, Estimator, Row
from pulse_ai.hub.estimators.estimator import FORMATS
from pulse_ai.serving import Serving

X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]])
WORDS = np.array(["no", "yes", "no", "yes"])
TREE = "sklearn.tree._tree.Tree"

Load = Callable[..., Estimator]


@pytest.fixture(name="load")
def _load(tmp_path: Path) -> Load:
    """Dump an estimator and load it as a task."""

    def load(estimator: Any, **options: Any) -> Estimator:
        skops.io.dump(estimator, tmp_path / "model.skops")
        task = Estimator(str(tmp_path / "model.skops"), **options)
        task.load()
        return task

    return load


def _ask(task: Estimator, *features: Any) -> list[Estimate | Failure]:
    return task.predict([Row(each) for each in features])


def _good(answer: Estimate | Failure) -> Estimate:
    assert isinstance(answer, Estimate), answer
    return answer


def test_a_classifier_answers_its_class_and_all_classes_best_first(load: Load) -> None:
    fitted = LogisticRegression().fit(X, WORDS)
    task = load(fitted)
    for row, answer in zip(X, _ask(task, *X.tolist()), strict=True):
        estimate = _good(answer)
        assert estimate.prediction == fitted.predict([row])[0]
        assert estimate.predictions[0].label == estimate.prediction
        expected = dict(zip(["no", "yes"], fitted.predict_proba([row])[0].tolist(), strict=True))
        assert {scored.label: scored.score for scored in estimate.predictions} == pytest.approx(expected)
        assert estimate.predictions[0].score >= estimate.predictions[1].score
    (one,) = _ask(load(fitted, top_k=1), [0, 1])
    assert len(_good(one).predictions) == 1


@pytest.mark.parametrize(
    ("estimator", "target", "expected"),
    [
        (LinearRegression(), [0.0, 1.0, 2.0, 3.0], 2.0),
        (LinearRegression(), [[0.0], [1.0], [2.0], [3.0]], 2.0),
        (LinearRegression(), [[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [3.0, 5.0]], [2.0, 5.0]),
        (KNeighborsRegressor(1), [10, 20, 30, 40], 30.0),
        (LinearSVC(), [0, 1, 0, 1], 0),
        (GaussianNB(), [True, False, True, False], True),
        (KMeans(1), None, 0),
    ],
    ids=str,
)  # fmt: skip
def test_a_prediction_is_the_plain_value_that_predict_gives(
    estimator: Any, target: Any, expected: Any, load: Load
) -> None:
    options = {"trust_types": _types(estimator.fit(X, target))}
    (answer,) = _ask(load(estimator, **options), [2, 1])
    prediction = _good(answer).prediction
    assert np.allclose(prediction, expected) if isinstance(expected, float | list) else prediction == expected
    assert type(prediction) is type(expected)


def _types(estimator: Any) -> list[str]:
    return skops.io.get_untrusted_types(data=skops.io.dumps(estimator))


def test_a_model_of_several_outputs_answers_the_classes_of_each(load: Load) -> None:
    targets = np.array([[0, 7], [1, 8], [0, 9], [1, 7]])
    fitted = DecisionTreeClassifier(random_state=0).fit(X, targets)
    (answer,) = _ask(load(fitted, trust_types=[TREE]), [1, 0])
    estimate = _good(answer)
    assert estimate.prediction == [1, 8]
    assert [output.predictions[0].label for output in estimate.outputs] == [1, 8]
    assert estimate.predictions == []


def test_a_ref_comes_back_whatever_scalar_it_is_and_is_left_out_where_none_came(load: Load) -> None:
    task = load(LinearRegression().fit(X, [0, 1, 2, 3]))
    refs = ["a", 7, 1.5, True, None]
    answers = task.predict([Row([0, 1], ref=ref) for ref in refs])
    assert [_good(answer).ref for answer in answers] == refs
    (bare,) = _ask(task, [0, 1])
    assert "ref" not in msgspec.json.decode(msgspec.json.encode(bare))


def test_texts_go_to_a_vectoriser_as_they_are(load: Load) -> None:
    texts = ["good fine day", "bad grey day", "fine good", "grey bad"]
    fitted = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0])
    task = load(fitted)
    assert [_good(answer).prediction for answer in _ask(task, "good", "bad", "")][:2] == [1, 0]
    (refused,) = _ask(task, ["good"])
    assert refused == Failure("features must be a text, got a list", code="invalid_input")
    assert task.input_schema()["properties"]["features"] == {"type": "string"}


def test_one_bad_row_of_sixteen_fails_alone_and_the_others_are_answered_as_if_alone(
    load: Load,
) -> None:
    task = load(LogisticRegression().fit(X, WORDS))
    rows: list[Any] = [[number, number % 2] for number in range(16)]
    rows[5] = [None, 1]
    answers = _ask(task, *rows)
    bad = answers[5]
    assert isinstance(bad, Failure)
    assert bad.code == "invalid_input"
    assert "NaN" in bad.why
    alone = [_ask(task, row)[0] for row in rows]
    assert answers == alone


_CELL = st.none() | st.floats(-5, 5) | st.sampled_from(["a", "b", "new"]) | st.just(True)
_FRAME = {"age": [1.0, 2.0, 3.0, 4.0], "city": ["a", "b", "a", "b"]}
_ROWS = st.lists(st.fixed_dictionaries({"age": _CELL, "city": _CELL}), min_size=1, max_size=6)


@pytest.fixture(name="mixed", scope="module")
def _mixed() -> Estimator:
    """A pipeline on a frame with numbers and text, loaded."""
    frame = pytest.importorskip("polars").DataFrame(_FRAME)
    steps = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
    )
    with tempfile.TemporaryDirectory() as folder:
        skops.io.dump(
            make_pipeline(steps, LogisticRegression()).fit(frame, WORDS), Path(folder) / "model.skops"
        )
        task = Estimator(str(Path(folder) / "model.skops"))
        task.load()
    return task


@given(rows=_ROWS)
@settings(max_examples=50, deadline=None)
def test_a_row_is_answered_as_if_it_were_alone_whatever_its_batch_mates_are(
    mixed: Estimator, rows: Any
) -> None:
    for together, row in zip(_ask(mixed, *rows), rows, strict=True):
        (alone,) = _ask(mixed, row)
        assert type(together) is type(alone)
        if isinstance(together, Failure):
            assert together == alone
        else:  # sums in another order differ in the last bits
            assert together.prediction == _good(alone).prediction
            scores = [scored.score for scored in _good(alone).predictions]
            assert [scored.score for scored in together.predictions] == pytest.approx(scores, abs=1e-12)


def test_a_missing_value_is_answered_where_the_model_allows_it(load: Load) -> None:
    fitted = HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=1).fit(X, [0.0, 1.0, 2.0, 3.0])
    (answer,) = _ask(load(fitted, trust_types=_types(fitted)), [None, 1])
    assert _good(answer).prediction == pytest.approx(fitted.predict([[np.nan, 1.0]])[0])


def test_a_category_that_was_never_seen_is_the_rows_fault(load: Load) -> None:
    table = np.array([["a"], ["b"]], object)
    task = load(make_pipeline(OneHotEncoder(), LogisticRegression()).fit(table, [0, 1]))
    seen, unseen = _ask(task, ["a"], ["zebra"])
    assert _good(seen).prediction == 0
    assert isinstance(unseen, Failure)
    assert unseen.code == "invalid_input"
    assert "zebra" in unseen.why


class Odd(BaseEstimator):
    """Predicts what is not finite, or raises, as it is told by its input."""

    n_features_in_ = 1

    def fit(self, X: Any, y: Any = None) -> "Odd":  # noqa: N803 - scikit-learn's name
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        if (X == 13).any():
            raise RuntimeError("thirteen")
        return np.where(X[:, 0] > 99, np.inf, X[:, 0])


def test_an_answer_that_is_not_finite_and_an_estimator_that_raises_fail_their_rows_alone(
    tmp_path: Path,
) -> None:
    skops.io.dump(Odd(), tmp_path / "odd.skops")
    task = Estimator(str(tmp_path / "odd.skops"), trust_types=[f"{Odd.__module__}.Odd"])
    answers = Serving(task).run_all([{"features": [number]} for number in (1, 100, 13, 2)])
    assert [getattr(answer, "prediction", None) for answer in answers] == [1, None, None, 2]
    assert "no finite answer" in str(answers[1])
    assert "thirteen" in str(answers[2])
    assert [answer.code for answer in answers[1:3]] == ["model_error", "model_error"]


def test_a_numpy_row_travels_through_a_serving(load: Load) -> None:
    serving = Serving(load(LinearRegression().fit(X, [0, 1, 2, 3])))
    assert serving.run(Row(np.array([3.0, 0.0]), ref=1)).prediction == pytest.approx(3.0)


@pytest.mark.parametrize("estimator", [RandomForestClassifier(2).fit(X, WORDS), Odd()], ids=["forest", "own"])
def test_types_that_nobody_trusted_are_named_with_the_option_that_trusts_them(
    estimator: Any, load: Load
) -> None:
    (name,) = _types(estimator)
    with pytest.raises(TargetError) as caught:
        load(estimator)
    assert f"1 type(s) that are not trusted: {name};" in str(caught.value)
    assert f"--trust-type {name}" in str(caught.value)
    assert load(estimator, trust_types=[name]).describe()["trusted_types"] == [name]


def test_what_does_not_predict_or_is_not_fitted_is_refused(load: Load) -> None:
    with pytest.raises(TargetError, match="holds a StandardScaler, which has no predict"):
        load(StandardScaler().fit(X))
    with pytest.raises(TargetError, match="holds a dict, which has no predict"):
        load({"not": "a model"})
    with pytest.raises(TargetError, match="holds a LinearRegression that is not fitted"):
        load(LinearRegression())


@pytest.mark.parametrize(
    ("source", "options", "error"),
    [
        ("model.txt", {}, TargetError),
        ("model", {}, TargetError),
        ("model.skops", {"top_k": 0}, ValueError),
        ("model.skops", {"threads": -1}, ValueError),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_read(source: str, options: Any, error: Any) -> None:
    with pytest.raises(error, match=r"must end with one of .*\.skops|must be at least"):
        Estimator(source, **options)


def test_a_file_that_is_not_there_and_a_model_that_is_not_loaded_say_so() -> None:
    task = Estimator("nowhere.skops", threads=0)
    with pytest.raises(TargetError, match=r"there is no file 'nowhere\.skops'"):
        task.load()
    with pytest.raises(LoadFailed, match=r"call load\(\) first"):
        task.predict([Row([1])])


def test_a_manifest_has_the_facts_of_the_model_and_the_schema_of_its_columns(load: Load) -> None:
    manifest = manifest_of(load(LogisticRegression().fit(X, WORDS)), "model")
    assert manifest.details["estimator"] == "LogisticRegression"
    assert manifest.details["features"] == 2
    assert manifest.details["classes"] == ["no", "yes"]
    assert manifest.details["engine"].startswith("scikit-learn ")
    assert "fitted_with" not in manifest.details
    assert manifest.input_schema["properties"]["features"]["maxItems"] == 2
    assert manifest.input_schema["required"] == ["features"]


def test_the_command_line_and_the_task_know_the_same_files() -> None:
    from pulse_ai.cli.targets import _ESTIMATOR_FILE

    for end in FORMATS:
        assert _ESTIMATOR_FILE.fullmatch(f"model{end}")
        assert _ESTIMATOR_FILE.fullmatch(f"a/model{end.upper()}")
    assert not _ESTIMATOR_FILE.fullmatch("model.py")
    assert not _ESTIMATOR_FILE.fullmatch(".skops")
