"""A table becomes a model that is measured on rows it has not seen, and a folder that serves."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from tests.tabular.tables import flowers

from pulse_ai.hub import ClassScores, TabularClassifier, TabularRegressor, Value
from pulse_ai.tabular import (
    Prepared,
    TableError,
    TableSettings,
    TrainedTable,
    prepare,
    require_free,
    train_table,
)
from pulse_ai.tabular.training import learning_rows
from pulse_ai.train import load_weights


def test_no_row_is_both_learned_from_and_measured_on(trained: TrainedTable) -> None:
    learned = learning_rows(flowers(200), "kind", trained.settings)["id"]
    held_out = flowers(200).filter(~pl.col("id").is_in(learned.implode()))
    prepared = trained.prepared
    assert learned.n_unique() == len(learned) == len(prepared.training) == 160
    assert np.array_equal(prepared.recipe.transform(held_out), prepared.validation.features)
    assert trained.report.rows == len(held_out) == len(trained.predictions)


def test_it_learns_what_there_is_to_learn(trained: TrainedTable) -> None:
    assert trained.report.accuracy is not None
    assert trained.report.accuracy > 0.85
    always = trained.comparisons[0]
    assert (always.name[:6], always.verdict) == ("always", "better")


def with_held_out_spoiled(frame: pl.DataFrame, settings: TableSettings, **values: object) -> pl.DataFrame:
    """Return a frame whose held-out rows have other values in some columns."""
    learned = learning_rows(frame, "kind", settings)["id"].implode()
    return frame.with_columns(
        pl.when(pl.col("id").is_in(learned))
        .then(pl.col(name))
        .otherwise(pl.lit(value, frame[name].dtype))
        .alias(name)
        for name, value in values.items()
    )


def test_the_recipe_is_fitted_on_the_training_rows_alone() -> None:
    frame, settings = flowers(100), TableSettings()
    spoiled = with_held_out_spoiled(frame, settings, petal=1e5, colour="green", seen=date(1900, 1, 1))
    first, second = prepare(frame, "kind", settings), prepare(spoiled, "kind", settings)
    assert first.recipe.to_json() == second.recipe.to_json()
    assert np.array_equal(first.training.features, second.training.features)
    assert not np.array_equal(first.validation.features, second.validation.features)


def test_a_column_may_have_its_only_holes_among_the_held_out_rows() -> None:
    settings = TableSettings(hidden=(), epochs=2)
    whole = flowers(100).with_columns(petal=pl.col("id") / 7, late=pl.col("id") % 3 == 0)
    frame = with_held_out_spoiled(whole, settings, petal=None, colour=None, seen=None, late=None)
    prepared = prepare(frame, "kind", settings)
    assert prepared.recipe.names == prepare(whole, "kind", settings).recipe.names
    assert np.ptp(prepared.validation.features, axis=0).max() == 0.0
    served = prepared.recipe.transform_rows([{"petal": None, "colour": None, "seen": None, "late": None}])
    assert np.array_equal(served, prepared.validation.features[:1])
    assert "nulls of other rows imputed by the median" in prepared.plan.columns[1].reason


def test_the_same_seed_gives_the_same_model_and_another_seed_another() -> None:
    table = flowers(60)

    def weights(seed: int) -> NDArray[np.float32]:
        made = train_table(table, "kind", TableSettings(hidden=(), epochs=2, seed=seed))
        return np.asarray(made.trained.variables["params"]["dense_0"]["kernel"])

    assert np.array_equal(weights(1), weights(1))
    assert not np.array_equal(weights(1), weights(2))


def test_a_regression_answers_in_the_unit_of_its_target(valued: TrainedTable) -> None:
    prepared = valued.prepared
    assert prepared.problem.kind == "regression"
    assert prepared.offset == pytest.approx(float(prepared.training.targets.mean()))
    assert 0.0 < float(np.mean(valued.predictions)) < 10.0
    assert [one.name[:6] for one in valued.baselines] == ["always"]  # it is the linear model itself


def test_whoever_watches_is_told_of_the_plan_and_of_each_model() -> None:
    plans: list[Prepared] = []
    seen: list[tuple[str, int]] = []
    train_table(
        flowers(60),
        "kind",
        TableSettings(hidden=(4,), epochs=2),
        on_prepared=plans.append,
        on_epochs=lambda name, moment: seen.append((name, moment.epoch)),
    )
    assert len(plans) == 1
    assert {name for name, _ in seen} == {"network", "linear"}
    assert max(epoch for _, epoch in seen) == 2


def test_the_folder_answers_as_the_network_does(trained: TrainedTable, tmp_path: Path) -> None:
    trained.save(tmp_path / "flowers")
    served = TabularClassifier(str(tmp_path / "flowers"))
    served.load()
    rows = flowers(200).with_columns(pl.col("seen").cast(pl.String)).to_dicts()
    answers = served.predict(rows)
    network = trained.prepared.predictions(trained.trained, trained.prepared.recipe.transform(flowers(200)))
    labels = trained.prepared.problem.labels
    for answer, shares in zip(answers, network, strict=True):
        assert isinstance(answer, ClassScores)
        said = {one.label: one.score for one in answer.predictions}
        assert [said[label] for label in labels] == pytest.approx(shares.tolist(), abs=1e-5)


def test_the_folder_has_a_card_pictures_and_metrics(trained: TrainedTable, tmp_path: Path) -> None:
    source = tmp_path / "flowers.csv"
    flowers(200).write_csv(source)
    trained.save(tmp_path / "out", name="blooms", source=source)
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {
        "README.md", "model.json", "recipe.json", "model.onnx", "weights.safetensors", "metrics.json",
        "training.svg", "confusion.svg", "calibration.svg",
    }  # fmt: skip
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    for part in (
        "# blooms",
        "flowers.csv",
        "it counts the rows",
        "jax",
        "The network is better than",
    ):
        assert part in card
    network, weights = load_weights(tmp_path / "out" / "weights.safetensors", trained.trained.network)
    assert network == trained.trained.network
    assert weights.keys() == trained.trained.variables.keys()
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["validation"]["rows"] == trained.report.rows
    assert len(metrics["history"]) == len(trained.trained.history)
    facts = json.loads((tmp_path / "out" / "model.json").read_text())
    assert facts["digests"]["data"] in card


def test_a_folder_with_other_things_is_left_alone(trained: TrainedTable, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(TableError, match="holds other things than a trained model"):
        trained.save(tmp_path)
    with pytest.raises(TableError, match="is a file"):
        trained.save(tmp_path / "thesis.txt")
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_training_again_into_the_same_folder_replaces_it(
    trained: TrainedTable, valued: TrainedTable, tmp_path: Path
) -> None:
    trained.save(tmp_path / "out", name="first")
    valued.save(tmp_path / "out", name="second")
    assert json.loads((tmp_path / "out" / "model.json").read_text())["name"] == "second"
    assert {file.name for file in tmp_path.glob("out/*.svg")} == {"training.svg", "values.svg"}


def test_a_folder_whose_writing_was_cut_off_can_be_written_again(
    trained: TrainedTable, tmp_path: Path
) -> None:
    trained.save(tmp_path)
    (tmp_path / "model.json").unlink()
    (tmp_path / ".tuning.json.x1y2").touch()
    (tmp_path / ".writing-x1y2").mkdir()
    trained.save(tmp_path)
    assert (tmp_path / "model.json").is_file()


def test_a_folder_that_cannot_be_written_is_known_before_training(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("a readme of their own")
    with pytest.raises(TableError, match="holds other things"):
        require_free(tmp_path)
    with pytest.raises(TableError, match=r"README\.md is a file"):
        require_free(tmp_path / "README.md" / "deeper" / "still")
    require_free(tmp_path / "new" / "newer")


@pytest.mark.skipif(
    not Path("/proc/self").is_dir(), reason="there is no folder here that nobody can write to"
)
def test_a_folder_that_nobody_can_write_to_is_told_before_the_training() -> None:
    with pytest.raises(TableError, match=r"/proc cannot be written: .*; choose another --out"):
        require_free(Path("/proc/model"))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"validation": 0.0}, "between 0 and 1, got 0.0"),
        ({"hidden": (0,)}, "at least 1"),
        ({"hidden": (64, 10**12)}, "at most 8192 wide; got 2, the widest 1000000000000"),
        ({"hidden": (1,) * 65}, "at most 64, each at most 8192 wide; got 65"),
        ({"epochs": 0}, "at least 1"),
        ({"dropout": 1.0}, "below 1, got 1.0"),
        ({"learning_rate": float("nan")}, "above 0 and finite, got nan"),
        ({"seed": -1}, "between 0 and"),
    ],
)
def test_a_setting_out_of_its_range_is_said(given: dict[str, object], text: str) -> None:
    with pytest.raises(TableError, match=text):
        TableSettings(**given)  # type: ignore[arg-type]


def test_epochs_follow_from_the_rows_where_nobody_says_how_many() -> None:
    assert TableSettings().most_epochs(300) == 200
    assert TableSettings().most_epochs(1_000_000) == 10
    assert TableSettings(epochs=7).most_epochs(1_000_000) == 7


def test_a_value_is_served_with_all_its_digits(tmp_path: Path) -> None:
    start, rows = 1.7e9, 40  # seconds since 1970: 32 bits tell them apart by 128
    frame = pl.DataFrame({"x": [row / 7 for row in range(rows)], "at": [start + row for row in range(rows)]})
    made = train_table(frame, "at", TableSettings(hidden=(), epochs=2))
    made.save(tmp_path / "times")
    served = TabularRegressor(str(tmp_path / "times"))
    served.load()
    answers = [answer.value for answer in served.predict(frame.to_dicts()) if isinstance(answer, Value)]
    network = made.prepared.predictions(made.trained, made.prepared.recipe.transform(frame))
    assert answers == pytest.approx(network.tolist(), abs=1e-3, rel=0.0)


def test_a_rate_that_was_chosen_is_the_networks_and_not_the_linear_models() -> None:
    frame = flowers(60)
    plain, chosen = (
        train_table(frame, "kind", TableSettings(hidden=(4,), epochs=2, learning_rate=rate))
        for rate in (None, 1e-6)
    )
    assert plain.report != chosen.report
    assert plain.baselines[1].report == chosen.baselines[1].report
    linear = TableSettings(hidden=())
    assert linear.first_rate(60) == 10 * TableSettings().first_rate(60)
    assert replace(linear, learning_rate=0.003).first_rate(60) == 0.003
