"""A search is repeatable, can be taken up anywhere, and never sees what its result is measured on."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tabular.tables import flowers

from pulse_ai.tabular import (
    Evaluated,
    Genes,
    TableError,
    TableSettings,
    Tuning,
    infer_problem,
    prepare,
    tune,
    tuning,
)
from pulse_ai.tabular.genes import SHAPES, WORST, pareto_front
from pulse_ai.tabular.training import learning_rows

SETTINGS = TableSettings(epochs=2, seed=5)
EVALUATED = st.builds(Evaluated, st.just(Genes("16", 0.0, 0.01)), st.floats(0, 1), st.integers(1, 5))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Genes]:
    """Have candidates judged by their genes instead of trained; return what was asked for."""
    asked: list[Genes] = []

    def judge(_prepared: Any, _settings: Any, group: Sequence[Genes]) -> list[Evaluated]:
        asked.extend(group)
        return [
            Evaluated(one, 1.0 - abs(math.log10(one.learning_rate) + 2.0), 1 + sum(one.hidden))
            for one in group
        ]

    def latency_s(_prepared: Any, hidden: tuple[int, ...]) -> float:
        return 1e-6 * (1 + len(hidden))

    monkeypatch.setattr(tuning, "_evaluate", judge)
    monkeypatch.setattr(tuning, "served_latency_s", latency_s)
    return asked


def search(candidates: int = 40, log: Path | None = None, **changes: Any) -> Tuning:
    return tune(
        flowers(60), "kind", TableSettings(epochs=2, seed=5, **changes), candidates=candidates, log=log
    )


def test_the_same_seed_draws_the_same_candidates(trained: list[Genes]) -> None:
    first, second = search(), search()
    assert first == second
    assert len(first.evaluated) == 40
    assert trained


def test_later_generations_are_better_than_the_first(trained: list[Genes]) -> None:
    found = search(candidates=160).evaluated
    first, last = ([one.figure for one in part] for part in (found[:16], found[-16:]))
    assert sum(last) > sum(first)
    assert len(trained) <= 160


def test_a_search_that_was_stopped_ends_as_if_it_had_not_been(trained: list[Genes], tmp_path: Path) -> None:
    whole = search()
    for stop_at in (3, 20):
        log = tmp_path / f"{stop_at}.json"

        def stop(done: int, _total: int, _best: Evaluated, stop_at: int = stop_at) -> None:
            if done >= stop_at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            tune(flowers(60), "kind", SETTINGS, candidates=40, log=log, on_candidates=stop)
        known = len(trained)
        assert search(log=log) == whole
        assert len(set(trained[known:])) < len({one.genes for one in whole.evaluated})


def test_of_candidates_that_are_as_good_a_search_that_was_stopped_chooses_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first: list[Genes] = []

    def judge(_prepared: Any, _settings: Any, group: Sequence[Genes]) -> list[Evaluated]:
        first.extend([] if first else group[:1])
        return [Evaluated(one, float(one not in first), 1) for one in group]

    def latency_s(_prepared: Any, _hidden: tuple[int, ...]) -> float:
        return 1e-6

    monkeypatch.setattr(tuning, "_evaluate", judge)
    monkeypatch.setattr(tuning, "served_latency_s", latency_s)
    log = tmp_path / "tuning.json"
    whole = search(log=log)
    assert search(log=log) == whole


def test_what_was_found_out_is_of_one_table_and_one_kind_of_settings(
    trained: list[Genes], tmp_path: Path
) -> None:
    log = tmp_path / "tuning.json"
    search(log=log)
    before = len(trained)
    search(log=log)
    assert len(trained) == before
    with pytest.raises(TableError, match="of another table or other settings"):
        search(log=log, patience=3)
    log.write_text("{")
    with pytest.raises(TableError, match="no search that can be taken up"):
        search(log=log)
    with pytest.raises(TableError, match="cannot be written: Not a directory"):
        search(log=log / "inside" / "a file")


def test_the_best_is_of_the_front_and_its_genes_are_the_settings(trained: list[Genes]) -> None:
    found = search()
    assert found.best in found.front
    assert found.settings.hidden == SHAPES[found.best.genes.shape]
    assert found.settings.learning_rate == found.best.genes.learning_rate
    assert len(found.latencies_s) == len(found.front)
    assert found.settings.seed == SETTINGS.seed
    assert trained


def test_the_rows_that_the_result_is_measured_on_take_no_part() -> None:
    frame = flowers(100)
    held_out = frame.join(learning_rows(frame, "kind", SETTINGS), on="id", how="anti")
    spoiled = frame.with_columns(
        pl.when(pl.col("id").is_in(held_out["id"].to_list()))
        .then(1e5)
        .otherwise(pl.col("petal"))
        .alias("petal")
    )
    first, second = (learning_rows(one, "kind", SETTINGS) for one in (frame, spoiled))
    assert first.equals(second)
    assert len(held_out) == len(prepare(frame, "kind", SETTINGS).validation) == 20


def test_what_is_searched_for_is_what_the_whole_table_is_trained_for(trained: list[Genes]) -> None:
    frame = pl.DataFrame({"x": [row / 7 for row in range(33)], "y": [row % 3 for row in range(33)]})
    assert infer_problem(frame, "y").kind == "multiclass"
    assert infer_problem(learning_rows(frame, "y", SETTINGS), "y").kind == "regression"
    assert tune(frame, "y", SETTINGS, candidates=2).figure == "accuracy"
    assert trained


def test_a_search_without_one_candidate_that_trains_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(_prepared: Any, _settings: Any, group: Sequence[Genes]) -> list[Evaluated]:
        return [Evaluated(one, WORST, 1) for one in group]

    monkeypatch.setattr(tuning, "_evaluate", judge)
    with pytest.raises(TableError, match="no candidate could be trained"):
        search(candidates=4)
    with pytest.raises(TableError, match="at least 2 candidates, got 1"):
        search(candidates=1)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_real_candidates_are_trained_side_by_side() -> None:
    seen: list[int] = []
    found = tune(
        flowers(100),
        "kind",
        SETTINGS,
        candidates=3,
        on_candidates=lambda done, _total, _best: seen.append(done),
    )
    assert seen[-1] == 3
    assert 0.0 <= found.best.figure <= 1.0
    assert all(0.0 < latency_s < 1.0 for latency_s in found.latencies_s)


@given(st.lists(EVALUATED, min_size=1, max_size=20))
def test_the_front_is_what_none_beats(candidates: list[Evaluated]) -> None:
    front = pareto_front(candidates)
    assert front
    assert not [one for one in front for other in candidates if other.beats(one)]
    assert all(
        any(best.beats(one) or (best.figure, best.work) == (one.figure, one.work) for best in front)
        for one in candidates
    )
