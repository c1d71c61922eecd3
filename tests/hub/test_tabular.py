"""The folder that training writes, and the two tasks that serve it."""

__all__ = ()

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from pulse_ai import Serving
from pulse_ai.cli.targets import parse_target
from pulse_ai.core import Failure, InvalidInput, LoadFailed, TargetError, TaskSpec, manifest_of
from pulse_ai.frame import IR_VERSION, OPSET, DateParts, FittedRecipe, Impute, OneHot, Recipe, Standardise
from pulse_ai.hub import (
    ClassScores,
    ModelFacts,
    TabularClassifier,
    TabularRegressor,
    Value,
    read_model_folder,
    write_model_folder,
)

_FRAME = pl.DataFrame(
    {
        "area": [50.0, None, 70.0, 90.0],
        "rooms": [2, 3, 3, 4],
        "town": ["Bern", "Thun", "Bern", None],
        "built": ["2001-01-01", "1999-05-05", "2020-02-02", "2010-10-10"],
        "new": [True, False, False, True],
    }
).with_columns(pl.col("built").str.to_date())
_ROW = {"area": 60, "rooms": 2, "town": "Bern", "built": "2005-05-05", "new": False}


def _recipe() -> FittedRecipe:
    return Recipe((DateParts(), Impute(("area",)), Standardise(), OneHot())).fit(_FRAME)


def _network(width: int, outputs: int, *, opset: int = OPSET) -> Any:
    """A linear layer with weights 1, 2, 3... over 100, and its matrix."""
    from onnx import TensorProto, helper, numpy_helper

    make, types = cast("Any", helper), cast("Any", TensorProto)
    weights = (np.arange(1, width * outputs + 1, dtype=np.float32) / 100).reshape(width, outputs)
    graph = make.make_graph(
        [make.make_node("MatMul", ["features", "w"], ["logits"])],
        "network",
        [make.make_tensor_value_info("features", types.FLOAT, ["batch", width])],
        [make.make_tensor_value_info("logits", types.FLOAT, ["batch", outputs])],
        [numpy_helper.from_array(weights, "w")],
    )
    return make.make_model(
        graph, opset_imports=[make.make_opsetid("", opset)], ir_version=IR_VERSION
    ), weights


def _write(folder: Path, *, outputs: int = 3, **facts: Any) -> Any:
    recipe = _recipe()
    network, weights = _network(recipe.width, outputs)
    labels = tuple("abc"[: max(outputs, 2)])
    chosen: dict[str, Any] = {
        "name": "houses",
        "task": "multiclass",
        "target": "kind",
        "labels": labels,
    } | facts
    arrays = {"w": weights}
    write_model_folder(
        folder,
        ModelFacts(**chosen),
        recipe=recipe,
        network=network,
        weights=save(arrays),
        metrics={"accuracy": 0.5},
    )
    return weights


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    _write(tmp_path / "model")
    return tmp_path / "model"


def _loaded(folder: Path, **options: Any) -> TabularClassifier:
    task = TabularClassifier(str(folder), **options)
    task.load()
    return task


def _softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_scores_are_the_networks_over_the_recipes_features(folder: Path) -> None:
    weights = _write(folder)
    wanted = _softmax(_recipe().transform_rows([_ROW]) @ weights)[0]
    [answer] = _loaded(folder).predict([_ROW])

    assert isinstance(answer, ClassScores)
    assert [prediction.label for prediction in answer.predictions] == [
        "abc"[place] for place in np.argsort(-wanted)
    ]
    assert np.allclose(
        [prediction.score for prediction in answer.predictions], sorted(wanted, reverse=True), rtol=1e-5
    )


def test_one_logit_makes_two_labels(tmp_path: Path) -> None:
    weights = _write(tmp_path, outputs=1, task="binary")
    logit = float((_recipe().transform_rows([_ROW]) @ weights)[0, 0])
    [answer] = _loaded(tmp_path, top_k=1).predict([_ROW])
    assert isinstance(answer, ClassScores)
    [best] = answer.predictions
    assert best.label == ("b" if logit > 0 else "a")
    assert np.isclose(best.score, 1 / (1 + np.exp(-abs(logit))), rtol=1e-5)


def test_a_value_is_scaled_back(tmp_path: Path) -> None:
    weights = _write(tmp_path, outputs=1, task="regression", labels=(), offset=1000.0, scale=50.0)
    task = TabularRegressor(str(tmp_path))
    task.load()
    [answer, failure] = task.predict([_ROW, {}])
    assert isinstance(answer, Value)
    assert np.isclose(answer.value, (_recipe().transform_rows([_ROW]) @ weights)[0, 0] * 50 + 1000, rtol=1e-5)
    assert isinstance(failure, Failure)
    assert manifest_of(task, "x").output_schema["$defs"]["Value"]["required"] == ["value"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rooms": None}, "column 'rooms' is missing or null"),
        ({"built": "2005-05-35"}, "column 'built' must be a date"),
        ({"town": 1}, "column 'town' must be text, got 1"),
        ({"area": 1e300}, "too large for the model"),
    ],
)
def test_a_bad_row_is_told_and_touches_no_other(folder: Path, change: dict[str, Any], text: str) -> None:
    task = _loaded(folder)
    [alone] = task.predict([_ROW])
    first, bad, last = task.predict([_ROW, _ROW | change, _ROW])

    assert first == last == alone
    assert isinstance(bad, Failure)
    assert (bad.code, text in bad.why) == ("invalid_input", True)
    assert all(isinstance(each, Failure) for each in task.predict([_ROW | change]))


def test_the_schema_has_the_columns_as_training_saw_them(folder: Path) -> None:
    schema = manifest_of(_loaded(folder), "houses").input_schema
    columns = schema["properties"]

    assert schema["required"] == ["rooms", "built", "new"]
    assert columns["area"]["anyOf"] == [{"type": "number"}, {"type": "null"}]
    assert columns["rooms"]["x-seen"] == {"minimum": 2.0, "maximum": 4.0}
    assert columns["town"]["examples"] == ["Bern", "Thun"]
    assert (columns["built"]["format"], columns["new"]["type"]) == ("date", "boolean")


def test_it_is_served_inline_with_its_errors(folder: Path) -> None:
    serving = Serving(TabularClassifier(str(folder)))
    answers = serving.run_all([_ROW, {"rooms": "three"}, _ROW | {"town": "Atlantis", "garden": True}])
    assert [type(answer) for answer in answers] == [ClassScores, InvalidInput, ClassScores]


@pytest.mark.process
async def test_it_is_served_by_a_worker_with_the_schema_checked_before(folder: Path) -> None:
    async with Serving(TabularClassifier(str(folder))).open() as serving:
        manifest = await serving.wait_ready()
        answer = await serving.infer(_ROW, timeout_s=20)
        with pytest.raises(InvalidInput, match="must be a date"):
            await serving.infer(_ROW | {"built": "yesterday"}, timeout_s=20)
    assert manifest.details["labels"] == ["a", "b", "c"]
    assert answer == _loaded(folder).predict([_ROW])[0]


def test_serving_needs_no_polars_and_no_jax(folder: Path) -> None:
    code = (
        "import sys; from pulse_ai.hub import TabularClassifier\n"
        f"task = TabularClassifier({str(folder)!r}); task.load(); task.predict([{_ROW!r}]); task.input_schema()\n"
        "print(sorted({'polars', 'jax', 'flax', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_pulse_serve_knows_the_folder(folder: Path, tmp_path: Path) -> None:
    target = parse_target(str(folder), {"threads": 2, "offline": True})
    assert target.name == "houses"
    assert target.spec == TaskSpec(
        "pulse_ai.hub:TabularClassifier", kwargs={"folder": str(folder), "threads": 2}
    )
    assert parse_target(f"mine={folder}", {}).name == "mine"

    _write(tmp_path / "price", outputs=1, task="regression", labels=())
    assert parse_target(str(tmp_path / "price"), {"top_k": 1}).spec.target == "pulse_ai.hub:TabularRegressor"

    (folder / "model.json").write_text('{"format": "something else"}')
    (folder / "recipe.json").unlink()  # with it, the folder is one of ours that is broken
    assert parse_target(str(folder), {}).spec.target == "pulse_ai.hub:TextClassification"


def test_the_files_say_what_they_are(folder: Path) -> None:
    from safetensors import safe_open

    facts = json.loads((folder / "model.json").read_text())
    assert (facts["format"], facts["format_version"], facts["labels"]) == (
        "pulse-tabular",
        1,
        ["a", "b", "c"],
    )
    assert [column["name"] for column in facts["columns"]] == list(_ROW)
    assert set(facts["digests"]) == {"recipe.json", "model.onnx", "weights.safetensors", "metrics.json"}
    with cast("Any", safe_open)(folder / "weights.safetensors", "numpy") as weights:
        assert weights.get_tensor("w").shape[1] == 3
    assert read_model_folder(folder).recipe.to_json() == _recipe().to_json()


@pytest.mark.parametrize("name", ["recipe.json", "model.onnx"])
def test_a_file_that_was_changed_or_is_gone_is_told(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(LoadFailed, match=r"is not the file that was written by training"):
        _loaded(folder)
    (folder / name).unlink()
    with pytest.raises(LoadFailed, match="cannot be read"):
        _loaded(folder)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "cannot be read"),
        ("{", "does not describe a model"),
        ('{"name": "x", "task": "poetry", "target": "y"}', "does not describe a model"),
        ('{"name": "x", "task": "regression", "target": "y", "format_version": 2}', "version 2"),
        ('{"name": "x", "task": "regression", "target": "y", "labels": ["a"]}', "has no labels"),
    ],
)
def test_a_folder_that_is_no_model_is_told(tmp_path: Path, content: str | None, text: str) -> None:
    if content is not None:
        (tmp_path / "model.json").write_text(content)
    with pytest.raises(TargetError, match=text):
        _loaded(tmp_path)


def test_a_model_of_the_other_kind_is_told(folder: Path) -> None:
    with pytest.raises(TargetError, match="holds a multiclass model"):
        TabularRegressor(str(folder)).load()
    with pytest.raises(ValueError, match="top_k must be at least 1"):
        TabularClassifier(str(folder), top_k=0)
    with pytest.raises(LoadFailed, match="not loaded"):
        TabularClassifier(str(folder)).predict([_ROW])


@pytest.mark.parametrize(("opset", "outputs"), [(16, 3), (OPSET, 2), (OPSET, 1)])
def test_a_network_that_does_not_fit_is_told_and_nothing_is_written(
    tmp_path: Path, opset: int, outputs: int
) -> None:
    recipe = _recipe()
    network, _ = _network(recipe.width, outputs, opset=opset)
    facts = ModelFacts(name="x", task="multiclass", target="y", labels=("a", "b", "c"))
    with pytest.raises(TargetError, match="network"):
        write_model_folder(tmp_path / "m", facts, recipe=recipe, network=network, weights=b"", metrics={})
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("full_at", range(1, 6))
def test_a_disk_that_is_full_leaves_the_older_model_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, full_at: int
) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    synced: list[int] = []

    def sync(handle: int) -> None:
        synced.append(handle)
        if len(synced) == full_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(OSError, match="No space left"):
        _write(folder, outputs=1, task="regression", labels=())
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.parametrize("step", range(5))
def test_an_end_between_two_files_leaves_no_model_that_is_half_the_older_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    replace, replaced = Path.replace, list[Path]()

    def stop(self: Path, target: Path) -> Path:
        if len(replaced) == step:
            raise KeyboardInterrupt
        replaced.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        _write(folder)
    assert not (folder / "model.json").exists()
    monkeypatch.undo()
    (folder / ".writing-by-one-that-was-killed").mkdir()
    _write(folder)
    read_model_folder(folder)
    assert not list(folder.glob(".*"))


_VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=3)
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@pytest.fixture(name="task", scope="module")
def _task(tmp_path_factory: pytest.TempPathFactory) -> TabularClassifier:
    folder = tmp_path_factory.mktemp("model")
    _write(folder)
    return _loaded(folder)


@settings(deadline=None, max_examples=100)
@given(
    rows=st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(_ROW, _VALUES)), min_size=1, max_size=3)
)
def test_whatever_the_rows_each_gets_its_answer(task: TabularClassifier, rows: list[dict[str, Any]]) -> None:
    answers = task.predict([*rows, _ROW])
    assert len(answers) == len(rows) + 1
    assert all(isinstance(each, ClassScores) or each.code == "invalid_input" for each in answers)
    assert answers[-1] == task.predict([_ROW])[0]
