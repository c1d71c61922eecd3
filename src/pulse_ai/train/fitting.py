"""Training in one call: settings in, a trained network with its history out."""

__all__ = ("Settings", "Trained", "fit", "plan_of", "weighted")

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pulse_ai.train.errors import BadNetwork, BadRows
from pulse_ai.train.evaluation import outputs_of
from pulse_ai.train.events import Event, Filter
from pulse_ai.train.history import History
from pulse_ai.train.loop import Attachable, Loop
from pulse_ai.train.metrics import Report, report
from pulse_ai.train.network import Network, Variables
from pulse_ai.train.objectives import Objective, ObjectiveName, objective
from pulse_ai.train.optimisers import ADAM, Optimiser
from pulse_ai.train.program import Plan
from pulse_ai.train.rows import Rows, balanced_weights
from pulse_ai.train.rules import EarlyStopping
from pulse_ai.train.run import Handler, Outcome
from pulse_ai.train.xla import jnp

On = tuple[Event, Handler] | tuple[Event, Handler, Filter | None] | Attachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How ``fit`` trains.

    Attributes:
        objective: ``"binary"``, ``"multiclass"``, ``"regression"``, or an ``Objective``.
        epochs: The most passes over the rows, at least 1.
        batch_size: Rows in a step, at least 1; not more than there are.
        learning_rate: The step's size.
        optimiser: How gradients become steps.
        accumulate: How many batches make one update.
        patience: Stop after so many epochs in which the validation loss was not better; None: never. The
            best weights are given in both cases, where there are validation rows.
        class_weights: How much each class counts; ``"balanced"``: all the same; None: as often as they come.
        seed: Decides everything that is random.
    """

    objective: ObjectiveName | Objective = "multiclass"
    epochs: int = 100
    batch_size: int = 32
    learning_rate: float = 1e-3
    optimiser: Optimiser = ADAM
    accumulate: int = 1
    patience: int | None = 10
    class_weights: Literal["balanced"] | tuple[float, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        counts = {"epochs": self.epochs, "batch_size": self.batch_size, "accumulate": self.accumulate}
        for name, count in counts.items():
            if count < 1:
                raise BadNetwork(f"{name} is at least 1; given {count}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A network with its weights.

    Attributes:
        network: Its layers.
        variables: Its weights, as NumPy arrays; with validation rows those of the best epoch.
        objective: What it was trained for.
        outcome: The run: history, best epoch, why it stopped, and where to go on from.
    """

    network: Network
    variables: Variables
    objective: Objective
    outcome: Outcome

    @property
    def history(self) -> History:
        """The figures of each epoch."""
        return self.outcome.history

    def outputs(self, features: Any) -> np.ndarray[Any, Any]:
        """Return what the network gives, float32 ``(rows, *output_shape)``: logits, or values."""
        return outputs_of(self.network, self.variables, features)

    def predict(self, features: Any) -> np.ndarray[Any, Any]:
        """Return probabilities, or values, for each row.

        ``(rows,)`` for binary (the probability of class 1) and for one value, ``(rows, classes)`` for multiclass.
        """
        return np.asarray(self.objective.predict(jnp.asarray(self.outputs(features))))

    def report(self, rows: Rows) -> Report:
        """Return all metrics over all rows."""
        return report(self.objective.name, self.predict(rows.features), rows.targets, rows.weights)


def fit(
    network: Network,
    training: Rows,
    validation: Rows | None = None,
    *,
    settings: Settings | None = None,
    handlers: Sequence[On] = (),
) -> Trained:
    """Train a network and return it with its best weights.

    Args:
        network: What is trained.
        training: What it learns from.
        validation: What it is measured on after each epoch, for early stopping and the best weights.
        settings: How; None: as they come.
        handlers: ``(event, handler)`` or ``(event, handler, filter)``, see ``Loop.on``; or what attaches itself,
            such as ``Checkpoints``.

    Raises:
        BadRows: The rows do not fit the network or the objective.
        BadNetwork: A setting is out of its range.
        NotFinite: A number was not finite; says where.

    Example:
        >>> from pulse_ai.train import mlp
        >>> x = np.linspace(-1.0, 1.0, 64, dtype=np.float32)[:, None]
        >>> rows = Rows(x, (x[:, 0] > 0).astype(np.int32))
        >>> trained = fit(mlp(1, 2, hidden=()), rows, settings=Settings(epochs=60, learning_rate=0.1))
        >>> trained.predict(np.array([[1.0]])).argmax()
        np.int64(1)
    """
    settings = settings or Settings()
    plan = plan_of(network, settings, rows=len(training), has_validation=validation is not None)
    wanted = plan.objective
    loop = Loop(plan=plan, learning_rate=settings.learning_rate, seed=settings.seed)
    for one in handlers:
        if not isinstance(one, tuple):
            one.attach(loop)
        elif len(one) == 2:
            loop.on(*one)
        else:
            loop.on(*one)
    outcome = loop.run(weighted(training, settings, wanted), validation, epochs=settings.epochs)
    return Trained(network=network, variables=outcome.variables, objective=wanted, outcome=outcome)


def plan_of(network: Network, settings: Settings, *, rows: int, has_validation: bool) -> Plan:
    """Return the plan that settings make for a number of rows."""
    return Plan(
        network=network,
        objective=objective(settings.objective),
        optimiser=settings.optimiser,
        batch_size=min(settings.batch_size, rows),
        accumulate=settings.accumulate,
        rules=(EarlyStopping(patience=settings.patience),) if has_validation else (),
    )


def weighted(rows: Rows, settings: Settings, wanted: Objective) -> Rows:
    """Return the rows with their classes' weights."""
    if settings.class_weights is None:
        return rows
    if wanted.name == "regression":
        raise BadRows("class weights are for classes; a regression has none")
    classes = wanted.targets(rows.targets).astype(np.int64)
    if settings.class_weights == "balanced":
        found = balanced_weights(classes)
    else:
        if classes.max() >= len(settings.class_weights):
            raise BadRows(
                f"class {classes.max()} has none of the {len(settings.class_weights)} class weights"
            )
        found = np.asarray(settings.class_weights, np.float32)[classes]
    return Rows(rows.features, rows.targets, found if rows.weights is None else found * rows.weights)
