"""From a table to a trained model: split, fit the recipe, train, measure, compare."""

__all__ = ("Data", "Prepared", "TrainedTable", "learning_rows", "prepare", "train_table")

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pulse_ai.frame import FittedRecipe, FrameError, split
from pulse_ai.tabular.baselines import Baseline, Comparison, compare, constant_baseline
from pulse_ai.tabular.errors import TableError
from pulse_ai.tabular.planning import TablePlan, columns_with_nulls, plan_recipe
from pulse_ai.tabular.problem import Problem, infer_problem, rows_with_target, targets_of
from pulse_ai.tabular.settings import TableSettings
from pulse_ai.train import Event, Moment, Network, Report, Rows, Settings, Trained, fit, mlp, report

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray[Any, Any]
OnEpochs = Callable[[str, Moment], None]
"""Told how far a training is: which model (``network`` or ``linear``), and where it stands."""


class Data(NamedTuple):
    """Features and targets of some rows; the targets of a regression in their own unit."""

    features: Array
    targets: Array

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A table on its way: what is predicted, from what, and the rows as numbers.

    Attributes:
        problem: What is predicted.
        plan: The recipe and what it does with each column.
        recipe: The same, fitted on the training rows alone.
        training: What is learned from.
        validation: What is held out.
        offset: Regression: the network predicts ``(target - offset) / scale``.
        scale: See ``offset``.
    """

    problem: Problem
    plan: TablePlan
    recipe: FittedRecipe
    training: Data
    validation: Data
    offset: float = 0.0
    scale: float = 1.0

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Classes without a row among those held out: how well they are told is not known."""
        found = set(self.validation.targets.tolist())
        return tuple(label for number, label in enumerate(self.problem.labels) if number not in found)

    def rows(self, data: Data) -> Rows:
        """Return rows as the network takes them."""
        if self.problem.kind != "regression":
            return Rows(data.features, data.targets)
        return Rows(data.features, ((data.targets - self.offset) / self.scale).astype(np.float32))

    def predictions(self, trained: Trained, features: Array) -> Array:
        """Return probabilities, or values in the target's own unit."""
        said = np.asarray(trained.predict(features), np.float64)
        return said * self.scale + self.offset if self.problem.kind == "regression" else said

    def network(self, hidden: tuple[int, ...], *, dropout: float = 0.0) -> Network:
        """Return a network that fits the rows."""
        outputs = len(self.problem.labels) if self.problem.kind == "multiclass" else 1
        return mlp(self.recipe.width, outputs, hidden=hidden, dropout=dropout)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedTable:
    """A trained model with all that is known of it.

    Attributes:
        prepared: What it was trained on.
        settings: How.
        trained: The network.
        report: Its metrics on the validation rows.
        predictions: What it says to them.
        baselines: What simple models do on them.
        comparisons: How the network compares with each.
    """

    prepared: Prepared
    settings: TableSettings
    trained: Trained
    report: Report
    predictions: Array
    baselines: tuple[Baseline, ...]
    comparisons: tuple[Comparison, ...]

    def save(self, folder: "str | Path", *, name: str = "", source: "str | Path | None" = None) -> None:
        """Write the folder that ``pulse serve`` takes: see ``write_table_folder``."""
        from pulse_ai.tabular.folder import write_table_folder

        write_table_folder(Path(folder), self, name=name, source=None if source is None else Path(source))


def prepare(frame: "pl.DataFrame", target: str, settings: TableSettings) -> Prepared:
    """Decide what is predicted from what, and turn the rows into numbers.

    Raises:
        TableError: The table cannot be trained on; see ``infer_problem`` and ``plan_recipe``.
    """
    problem = infer_problem(frame, target, kind=settings.task)
    try:
        learning, held_out = _split(frame, problem, settings)
        # of the held-out rows no more is looked at than which columns have holes, so that their holes are filled
        nullable = columns_with_nulls(held_out)
        plan = plan_recipe(learning, target=target, drop=settings.drop, nullable=nullable)
        recipe = plan.recipe.fit(learning, without=plan.without, nullable=plan.nullable)
        features = recipe.transform(learning), recipe.transform(held_out)
    except FrameError as error:
        raise TableError(str(error)) from error
    training = Data(features[0], targets_of(learning, problem))
    validation = Data(features[1], targets_of(held_out, problem))
    offset, scale = _scale(problem, training.targets)
    return Prepared(
        problem=problem,
        plan=plan,
        recipe=recipe,
        training=training,
        validation=validation,
        offset=offset,
        scale=scale,
    )


def learning_rows(frame: "pl.DataFrame", target: str, settings: TableSettings) -> "pl.DataFrame":
    """Return the rows that training learns from with these settings; the others are held out.

    Raises:
        TableError: The table cannot be trained on.
    """
    return _split(frame, infer_problem(frame, target, kind=settings.task), settings)[0]


def _split(
    frame: "pl.DataFrame", problem: Problem, settings: TableSettings
) -> "tuple[pl.DataFrame, pl.DataFrame]":
    known = rows_with_target(frame, problem.target)
    stratify = problem.target if settings.stratify and problem.kind != "regression" else None
    shares = (1.0 - settings.validation, settings.validation)
    try:
        learning, held_out = split(known, shares, seed=settings.seed, stratify=stratify)
    except FrameError as error:
        raise TableError(str(error)) from error
    return learning, held_out


def _scale(problem: Problem, targets: Array) -> tuple[float, float]:
    if problem.kind != "regression":
        return 0.0, 1.0
    return float(targets.mean()), float(targets.std()) or 1.0


def train_table(
    frame: "pl.DataFrame",
    target: str,
    settings: TableSettings | None = None,
    *,
    on_prepared: Callable[[Prepared], None] | None = None,
    on_epochs: OnEpochs | None = None,
) -> TrainedTable:
    """Train a model that predicts one column of a table from the others.

    Args:
        frame: The table, as ``read_csv`` gives it.
        target: The column to predict.
        settings: How; None: as they come.
        on_prepared: Told once, before training begins.
        on_epochs: Told how far training is.

    Returns:
        The model; ``save`` writes the folder that ``pulse serve`` takes.

    Raises:
        TableError: The table cannot be trained on as it is.
        TrainError: Training broke down; the text says where.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"x": list(range(40)), "far": [x > 20 for x in range(40)]})
        >>> trained = train_table(frame.cast({"x": pl.Float64}), "far", TableSettings(hidden=(8,), epochs=20))
        >>> trained.prepared.problem.labels
        ('false', 'true')
    """
    settings = settings or TableSettings()
    prepared = prepare(frame, target, settings)
    if on_prepared is not None:
        on_prepared(prepared)
    trained = linear = _fit(prepared, settings, "network", on_epochs)
    if settings.hidden:  # the step that suits a network is none of the linear model's business
        simplest = replace(settings, hidden=(), dropout=0.0, learning_rate=None)
        linear = _fit(prepared, simplest, "linear", on_epochs)
    return _measured(prepared, settings, trained, linear)


def _fit(prepared: Prepared, settings: TableSettings, name: str, on_epochs: OnEpochs | None) -> Trained:
    rows = len(prepared.training)
    chosen = Settings(
        objective=prepared.problem.kind,
        epochs=settings.most_epochs(rows),
        batch_size=settings.batch_rows(rows),
        learning_rate=settings.first_rate(rows),
        patience=settings.patience,
        class_weights=settings.class_weights(prepared.problem.kind),
        seed=settings.seed,
    )

    def tell(moment: Moment) -> None:
        if on_epochs is not None:
            on_epochs(name, moment)

    return fit(
        prepared.network(settings.hidden, dropout=settings.dropout if settings.hidden else 0.0),
        prepared.rows(prepared.training),
        prepared.rows(prepared.validation),
        settings=chosen,
        handlers=[(Event.PROGRESS, tell)] if on_epochs is not None else (),
    )


def _measured(prepared: Prepared, settings: TableSettings, trained: Trained, linear: Trained) -> TrainedTable:
    problem, held_out = prepared.problem, prepared.validation
    said = prepared.predictions(trained, held_out.features)
    baselines = [constant_baseline(problem, prepared.training.targets, held_out.targets)]
    if linear is not trained:
        answers = prepared.predictions(linear, held_out.features)
        found = report(problem.kind, answers, held_out.targets)
        baselines.append(Baseline(name="linear", report=found, predictions=answers))
    return TrainedTable(
        prepared=prepared,
        settings=settings,
        trained=trained,
        report=report(problem.kind, said, held_out.targets),
        predictions=said,
        baselines=tuple(baselines),
        comparisons=tuple(compare(problem, said, one, held_out.targets) for one in baselines),
    )
