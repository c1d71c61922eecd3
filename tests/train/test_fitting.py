"""``fit`` and ``fit_population``: objectives learn, settings are checked, candidates train as if alone."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from tests.train.small import LINEAR, table

from pulse_ai.train import (
    OPTIMISERS,
    BadNetwork,
    BadRows,
    BatchNorm,
    Candidate,
    Dense,
    Network,
    Optimiser,
    Rows,
    Schedule,
    Settings,
    fit,
    fit_population,
    mlp,
    objective,
)

SETTINGS = Settings(epochs=12, batch_size=4, learning_rate=0.05, patience=None)


def test_binary_and_regression_learn_and_predict_in_their_shapes() -> None:
    rows = table(40)
    binary = fit(
        mlp(2, 1, hidden=()), rows, settings=Settings(objective="binary", epochs=30, learning_rate=0.1)
    )
    assert binary.predict(rows.features).shape == (40,)
    assert (binary.report(rows).accuracy or 0) > 0.8
    line = Rows(rows.features, rows.features @ np.array([2.0, -1.0]) + 0.5)
    value = fit(
        mlp(2, 1, hidden=()), line, settings=Settings(objective="regression", epochs=60, learning_rate=0.1)
    )
    assert value.predict(rows.features).shape == (40,)
    assert (value.report(line).r2 or 0) > 0.99


def test_balanced_weights_make_rare_classes_count() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 2)).astype(np.float32)
    targets = np.zeros(60, int)
    targets[:6], features[:6] = 1, features[:6] + 1.0
    rows = Rows(features, targets)
    recalls: list[float] = []
    for weights in (None, "balanced"):
        settings = Settings(epochs=40, batch_size=60, learning_rate=0.1, class_weights=weights)
        figures = fit(LINEAR, rows, settings=settings).report(rows).classes
        recalls.append(figures[1].recall if figures else 0.0)
    assert recalls[1] > recalls[0]


def test_each_candidate_trains_as_it_would_alone() -> None:
    sets = [table(10), table(9, 3), table(10, 4)]
    check = table(6, 1)
    candidates = [Candidate(seed=1), Candidate(seed=2, learning_rate=0.2), Candidate(seed=3)]
    crowd = fit_population(LINEAR, sets, check, candidates=candidates, settings=SETTINGS)
    for number in (0, 2):  # the second has fewer rows, so its order is another
        alone = fit(LINEAR, sets[number], check, settings=_for(candidates[number]))
        np.testing.assert_allclose(
            crowd[number].history["validation_loss"], alone.history["validation_loss"], rtol=1e-4
        )
        assert crowd[number].outcome.best_epoch == alone.outcome.best_epoch
    assert crowd[1].history["learning_rate"][0] == pytest.approx(0.2)
    assert crowd[1].history["loss"][-1] < crowd[1].history["loss"][0]


def _for(candidate: Candidate, settings: Settings = SETTINGS) -> Settings:
    rate = candidate.learning_rate or settings.learning_rate
    return dataclasses.replace(settings, learning_rate=rate, seed=candidate.seed)


@pytest.mark.parametrize(
    "optimiser", [Optimiser("rmsprop", clip_norm=0.05), Optimiser("noisy_sgd", options=(("key", 0),))]
)
def test_clipping_accumulating_and_noise_are_for_a_candidate_what_they_are_alone(
    optimiser: Optimiser,
) -> None:
    settings = dataclasses.replace(SETTINGS, optimiser=optimiser, accumulate=2)
    network, candidates = mlp(2, 2, hidden=(3,)), [Candidate(seed=1), Candidate(seed=2)]
    crowd = fit_population(network, table(), table(6, 1), candidates=candidates, settings=settings)
    for one, candidate in zip(crowd, candidates, strict=True):
        alone = fit(network, table(), table(6, 1), settings=_for(candidate, settings))
        for figure in ("loss", "validation_loss"):
            np.testing.assert_allclose(one.history[figure], alone.history[figure], rtol=1e-4)


def test_a_batch_of_rows_that_do_not_count_breaks_no_batch_norm() -> None:
    network = Network((BatchNorm(), Dense(2)), input_shape=(2,))
    rows = table(40)
    weights = np.zeros(40, np.float32)
    weights[:3] = 1.0
    alone = fit(network, Rows(rows.features, rows.targets, weights), settings=SETTINGS)
    folds = fit_population(
        network, [table(40), table(3)], candidates=[Candidate(), Candidate()], settings=SETTINGS
    )
    for one in (alone, *folds):
        assert one.outcome.stopped == "epochs"
        assert all(np.isfinite(one.history["loss"]))


def test_a_population_repeats_bit_for_bit() -> None:
    candidates = [Candidate(seed=seed) for seed in range(5)]
    first, second = (
        fit_population(LINEAR, table(), table(6, 1), candidates=candidates, settings=SETTINGS)
        for _ in range(2)
    )
    for one, other in zip(first, second, strict=True):
        assert one.history.rows == other.history.rows
        assert one.outcome.end.state.parameters.tobytes() == other.outcome.end.state.parameters.tobytes()


def test_a_candidate_that_stops_or_breaks_does_not_stop_the_others() -> None:
    settings = Settings(epochs=25, batch_size=4, patience=2, optimiser=Optimiser("sgd"))
    rates = [0.05, 3e38, 5.0, 1e-4]
    candidates = [Candidate(learning_rate=rate) for rate in rates]
    crowd = fit_population(LINEAR, table(), table(6, 1), candidates=candidates, settings=settings)
    reasons = [one.outcome.stopped for one in crowd]
    assert reasons[1] == "not_finite"
    assert reasons[2] == "rule"
    assert reasons[3] == "epochs"
    assert len(crowd[3].history) == 25
    assert len(crowd[2].history) < 25
    assert all(np.isfinite(one.predict(table().features)).all() for one in (crowd[0], crowd[2], crowd[3]))


def test_a_population_is_made_of_somebody_with_rows_for_each() -> None:
    with pytest.raises(BadNetwork, match="0 candidates"):
        fit_population(LINEAR, table(), candidates=[])
    with pytest.raises(BadNetwork, match="3 candidates with 2 sets"):
        fit_population(LINEAR, [table(), table()], candidates=[Candidate()] * 3)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_each_optimiser_is_one_over_a_vector_with_the_rate_as_last_factor(name: str) -> None:
    import optax

    from pulse_ai.train.optimisers import build

    if name == "noisy_sgd":
        pytest.skip("its noise is drawn for each array, so a vector has other noise")
    parameters: Any = {"a": np.array([0.5, -1.0], np.float32), "b": np.array([[2.0]], np.float32)}
    vector = np.array([0.5, -1.0, 2.0], np.float32)
    theirs, ours = getattr(optax, name)(0.01), build(Optimiser(name))
    state, own = theirs.init(parameters), ours.init(vector)
    for _ in range(2):
        change: Any
        changes: Any
        changes, state = theirs.update(parameters, state, parameters)
        change, own = ours.update(vector, own, vector)
        wanted = np.concatenate([np.ravel(changes["a"]), np.ravel(changes["b"])])
        np.testing.assert_allclose(0.01 * np.asarray(change), wanted, rtol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Settings(epochs=0),
        lambda: Settings(batch_size=0),
        lambda: Settings(accumulate=0),
        lambda: Optimiser("adamm"),
        lambda: Optimiser(clip_norm=0.0),
        lambda: Optimiser(options=(("nonsense", 1.0),)),
        lambda: Schedule("linear", updates=0),
        lambda: Schedule("cosine", updates=5, warmup=5),
        lambda: Schedule("exponential", updates=5),
        lambda: objective("clustering"),  # type: ignore[arg-type]
        lambda: mlp(2, 0),
        lambda: mlp(2, 1, dropout=1.0),
    ],
)
def test_a_setting_out_of_its_range_is_an_error(make: Any) -> None:
    with pytest.raises(BadNetwork):
        make()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Settings(class_weights=(1.0,)), "class 1 has none"),
        (Settings(objective="regression", class_weights="balanced"), "a regression has none"),
        (Settings(objective="binary"), "1 output"),
        (Settings(objective="regression"), "gives"),
    ],
)
def test_objectives_weights_and_networks_that_do_not_fit_are_errors(settings: Settings, says: str) -> None:
    with pytest.raises(BadRows, match=says):
        fit(LINEAR, table(), settings=settings)
