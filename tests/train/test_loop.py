"""Who is told what and when; and that whoever is told, the numbers are the same."""

from typing import Any

import numpy as np
import pytest
from tests.train.small import WATCHED, kernel, loop, table

from pulse_ai.train import (
    BadNetwork,
    BadRows,
    EarlyStopping,
    Event,
    Loop,
    Moment,
    NotFinite,
    Optimiser,
    Order,
    Plateau,
    Resume,
    Rows,
    always,
    every,
    once,
    only,
    where,
)

ROWS, CHECK = table(), table(6, 1)


def _heard(one: Loop) -> list[str]:
    heard: list[str] = []
    for event in Event:
        if event is not Event.PROGRESS:
            one.on(event, lambda moment: heard.append(f"{moment.event.value} {moment.epoch} {moment.step}"))
    return heard


def test_events_come_in_order_with_their_epoch_and_step() -> None:
    one = loop()
    heard = _heard(one)
    one.run(ROWS, epochs=2)
    assert heard == [
        "started 0 0",
        "epoch_started 0 0",
        "step_completed 0 1",
        "step_completed 0 2",
        "step_completed 0 3",
        "epoch_completed 1 0",
        "epoch_started 1 0",
        "step_completed 1 1",
        "step_completed 1 2",
        "step_completed 1 3",
        "epoch_completed 2 0",
        "completed 2 0",
    ]


def test_handlers_are_called_in_the_order_in_which_they_were_given() -> None:
    one, heard = loop(), list[int]()
    for number in range(3):
        one.on(Event.EPOCH_COMPLETED, lambda _moment, number=number: heard.append(number))
    one.run(ROWS, epochs=1)
    assert heard == [0, 1, 2]


@pytest.mark.parametrize(
    ("wanted", "epochs"),
    [
        (always(), [1, 2, 3, 4, 5, 6, 7]),
        (once(), [1]),
        (every(3), [3, 6]),
        (only(2, 5, 99), [2, 5]),
        (where(lambda moment: moment.epoch > 5), [6, 7]),
    ],
)
def test_a_filter_says_which_epochs_a_handler_hears_of(wanted: Any, epochs: list[int]) -> None:
    one, heard = loop(), list[int]()
    one.on(Event.EPOCH_COMPLETED, lambda moment: heard.append(moment.epoch), wanted)
    one.run(ROWS, epochs=7)
    assert heard == epochs


def test_steps_are_counted_over_epochs() -> None:
    one, heard = loop(), list[tuple[int, int]]()
    one.on(Event.STEP_COMPLETED, lambda moment: heard.append((moment.epoch, moment.step)), every(5))
    one.run(ROWS, epochs=5)
    assert heard == [(1, 2), (3, 1), (4, 3)]


@pytest.mark.parametrize("listening", ["nobody", "every step", "every epoch", "every third epoch", "seldom"])
def test_the_numbers_do_not_depend_on_who_listens(listening: str) -> None:
    plain = loop(rules=(WATCHED,)).run(ROWS, CHECK, epochs=7)
    one = loop(rules=(WATCHED,))
    kinds = {
        "every step": (Event.STEP_COMPLETED, always()),
        "every epoch": (Event.EPOCH_COMPLETED, always()),
        "every third epoch": (Event.EPOCH_STARTED, every(3)),
        "seldom": (Event.STEP_COMPLETED, only(8)),
    }
    if listening in kinds:
        one.on(kinds[listening][0], lambda _moment: None, kinds[listening][1])
    outcome = one.run(ROWS, CHECK, epochs=7)
    assert kernel(outcome).tobytes() == kernel(plain).tobytes()
    assert outcome.history.rows == plain.history.rows


def test_progress_brings_each_epochs_figures_once() -> None:
    one, seen = loop(), list[Any]()
    one.on(Event.PROGRESS, lambda moment: seen.extend(moment.new))
    outcome = one.run(ROWS, epochs=40)
    assert tuple(seen) == outcome.history.rows
    assert [row["epoch"] for row in seen] == list(range(40))


def test_a_handler_can_halt_the_run_or_only_the_epoch() -> None:
    one = loop()
    one.on(Event.EPOCH_COMPLETED, lambda _moment: Order.HALT, only(3))
    outcome = one.run(ROWS, epochs=10)
    assert (outcome.stopped, len(outcome.history)) == ("handler", 3)

    one = loop()
    heard = _heard(one)
    one.on(Event.STEP_COMPLETED, lambda _moment: Order.HALT_EPOCH, only(1))
    outcome = one.run(ROWS, epochs=2)
    assert [line for line in heard if line.startswith("step")] == [
        "step_completed 0 1",
        "step_completed 1 1",
        "step_completed 1 2",
        "step_completed 1 3",
    ]
    assert (outcome.stopped, len(outcome.history)) == ("epochs", 2)


def test_while_an_epoch_goes_on_the_loss_is_its_mean_so_far() -> None:
    one, losses = loop(), list[float]()
    one.on(Event.STEP_COMPLETED, lambda moment: losses.append(moment.figures["loss"]))
    outcome = one.run(ROWS, epochs=1)
    assert losses[-1] == pytest.approx(outcome.history["loss"][0])
    assert len(set(losses)) == 3


def test_early_stopping_waits_patiently_and_gives_the_best_weights_back() -> None:
    # From a good start, a rate that is far too high soon makes it worse.
    kept: dict[int, Any] = {}
    one = loop(rules=(EarlyStopping(patience=3),), learning_rate=2.0, optimiser=Optimiser("sgd"))
    one.on(Event.EPOCH_COMPLETED, lambda moment: _keep(kept, moment))
    outcome = one.run(ROWS, table(30, 7), epochs=50)
    losses = outcome.history["validation_loss"]
    best = int(np.argmin(losses))
    assert outcome.stopped == "rule"
    assert outcome.best_epoch == best
    assert best == len(losses) - 1 - 3
    assert kernel(outcome).ravel().tobytes() in kept[best]
    assert kernel(outcome).ravel().tobytes() not in kept[len(losses) - 1]


def _keep(kept: dict[int, Any], moment: Moment) -> None:
    kept[moment.epoch - 1] = np.asarray(moment.place.state.parameters).tobytes()


def test_without_patience_the_best_is_remembered_and_the_run_goes_on() -> None:
    outcome = loop(rules=(WATCHED,), learning_rate=2.0).run(ROWS, table(30, 7), epochs=12)
    assert outcome.stopped == "epochs"
    assert outcome.best_epoch == int(np.argmin(outcome.history["validation_loss"]))


def test_the_larger_figure_can_be_the_better_one() -> None:
    rule = EarlyStopping(figure="validation_accuracy", mode="max", patience=4, least=0.01)
    outcome = loop(rules=(rule,)).run(ROWS, CHECK, epochs=60)
    figures = outcome.history["validation_accuracy"]
    assert outcome.best_epoch == int(np.argmax(figures))
    assert len(figures) == (outcome.best_epoch or 0) + 5


def test_a_plateau_makes_the_rate_smaller_down_to_the_floor() -> None:
    rule = Plateau(patience=2, factor=0.1, floor=0.005, least=100.0)  # nothing is ever so much better
    rates = loop(rules=(rule,)).run(ROWS, CHECK, epochs=7).history["learning_rate"]
    assert rates == pytest.approx([0.05, 0.05, 0.05, 0.005, 0.005, 0.005, 0.005])


def test_a_loss_that_is_not_finite_stops_and_says_where() -> None:
    one = loop(rules=(WATCHED,))
    start = one.beginning()
    spoilt = start.state._replace(parameters=np.full(6, 3e38, np.float32))
    huge = Resume(spoilt, start.memories, start.history)
    with pytest.raises(NotFinite, match="loss is not finite in epoch 0, step 0") as caught:
        one.run(Rows(ROWS.features * 10, ROWS.targets), CHECK, epochs=5, resume=huge)
    assert caught.value.outcome.history.rows == ()


def test_a_gradient_or_parameter_that_is_not_finite_is_named() -> None:
    huge = Rows(np.full((8, 2), 1e20, np.float32), np.array([0, 1] * 4))
    one = loop(optimiser=Optimiser("sgd"), learning_rate=3e38)
    with pytest.raises(NotFinite) as caught:
        one.run(huge, epochs=2)
    error = caught.value
    assert (error.epoch, error.step, error.what, error.where) == (0, 0, "parameter", "dense_0/kernel")


def test_trouble_in_a_later_epoch_keeps_the_best_weights_and_the_history() -> None:
    one = loop(rules=(WATCHED,))
    good = one.run(ROWS, CHECK, epochs=3)
    spoilt = good.end.state._replace(parameters=good.end.state.parameters * np.float32(1e38))
    with pytest.raises(NotFinite) as caught:
        one.run(
            Rows(ROWS.features * 10, ROWS.targets),
            CHECK,
            epochs=9,
            resume=Resume(spoilt, good.end.memories, good.history),
        )
    assert caught.value.epoch == 3
    assert caught.value.outcome.history.rows == good.history.rows
    assert kernel(caught.value.outcome).tobytes() == kernel(good).tobytes()


@pytest.mark.parametrize("figure", ["validation_loss", "nonsense"])
def test_a_rule_that_watches_what_is_not_measured_is_an_error(figure: str) -> None:
    with pytest.raises(BadNetwork, match=figure):
        loop(rules=(EarlyStopping(figure=figure),)).run(ROWS, epochs=1)


@pytest.mark.parametrize(
    ("features", "targets", "weights", "says"),
    [
        (np.zeros((0, 2)), np.zeros(0), None, "at least 1"),
        (np.zeros((2, 2)), np.zeros(3), None, "2 rows"),
        (np.array([[1.0, np.nan]]), np.zeros(1), None, r"features are not finite, the first at \(0, 1\)"),
        (np.array([["a", "b"]]), np.zeros(1), None, "are numbers"),
        (np.zeros((1, 2)), np.array([np.inf]), None, "targets are not finite"),
        (np.zeros((2, 2)), np.zeros(2), np.array([1.0, -1.0]), "at least 0"),
        (np.zeros((2, 2)), np.zeros(2), np.zeros(2), "not all 0"),
        (np.zeros((2, 3)), np.zeros(2), None, r"takes rows of \(2,\)"),
        (np.zeros((2, 2)), np.array([0, 2]), None, r"\[0, 2\)"),
        (np.zeros((2, 2)), np.array([0, -1]), None, r"\[0, 2\)"),
        (np.zeros((2, 2)), np.array([0.5, 1.0]), None, "whole"),
        (np.zeros((2, 2)), np.array(["a", "b"]), None, "class numbers first"),
    ],
)
def test_rows_that_cannot_be_learnt_from_are_a_clear_error(
    features: Any, targets: Any, weights: Any, says: str
) -> None:
    with pytest.raises(BadRows, match=says):
        loop().run(Rows(features, targets, weights), epochs=1)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_learning_rate_is_above_0_and_finite(rate: float) -> None:
    with pytest.raises(BadNetwork, match="learning rate"):
        loop(learning_rate=rate)
