"""The compiled half of training: a step, an epoch, and many epochs with their validation as one program.

Theory. An epoch is ``ceil(rows / batch)`` steps. The order of its rows is a permutation that is computed from
the epoch's number (``shuffle.py``), so nothing but the position has to be remembered. The rows are put in that
order once per epoch, since a copy of the whole is several times cheaper than a gather in each step. The last
batch is filled up with rows of weight 0: the loss is ``sum(w * l) / sum(w)``, so each row counts once.

Several epochs run in one call of one program, with validation and the rules (early stopping, plateau) inside,
because for small tables a call costs more than an epoch. How many is an argument, not a shape: the numbers do
not depend on it, bit for bit.
"""

__all__ = (
    "SPAN",
    "Plan",
    "Rule",
    "Span",
    "evaluated",
    "finished",
    "ordered",
    "program_of",
    "run_span",
    "step",
    "steps_of",
    "steps_until",
    "weighted_gradient",
)

from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple, Protocol

from pulse_ai.train.network import Network, flat, unflat
from pulse_ai.train.objectives import Objective
from pulse_ai.train.optimisers import ADAM, Optimiser, build
from pulse_ai.train.rows import Loaded
from pulse_ai.train.shuffle import shuffled
from pulse_ai.train.state import State, is_apart
from pulse_ai.train.xla import compiled, jax, jnp

SPAN = 128  # most epochs in one call: the length of the table of figures
_EVALUATION_ROWS = 1024
_LEAST_WEIGHT = 1e-30  # a batch whose rows all weigh 0 has a gradient of 0, and 0 / 0 is no step


class Rule(Protocol):
    """What is decided after each epoch, inside of the program; a frozen value, see ``rules.py``."""

    def start(self, state: State) -> Any:
        """Return its memory before the first epoch."""
        ...

    def after_epoch(self, memory: Any, figures: dict[str, Any], state: State) -> tuple[Any, State, Any]:
        """Return its new memory, the state with what it changes, and whether to stop."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a program depends on; equal plans share one compilation.

    Attributes:
        network: What is trained.
        objective: What for.
        optimiser: How.
        batch_size: Rows in a step.
        accumulate: Steps in an update.
        rules: What is decided after each epoch.
    """

    network: Network
    objective: Objective
    optimiser: Optimiser = ADAM
    batch_size: int = 32
    accumulate: int = 1
    rules: tuple[Rule, ...] = ()

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of an epoch's figures, where there are validation rows."""
        return ("loss", "learning_rate", "validation_loss", f"validation_{self.objective.figure}")

    def figures_of(self, validation: object) -> tuple[str, ...]:
        """Return the names of an epoch's figures, with validation rows or (None) without."""
        return self.figures[:2] if validation is None else self.figures


class Span(NamedTuple):
    """What a call of the program gives.

    Attributes:
        state: Where the run is now.
        memories: What each rule remembers.
        done: How many epochs were run.
        stop: Whether a rule said so.
        finite: Whether every loss and parameter was.
        figures: ``(SPAN, figures)``; the first ``done`` rows count.
    """

    state: State
    memories: tuple[Any, ...]
    done: Any
    stop: Any
    finite: Any
    figures: Any


@cache
def program_of(plan: Plan) -> Any:
    """Return the compiled function ``(state, memories, training, validation, count, end) -> Span``.

    It runs up to ``count`` epochs, each to its step ``end``; where that is an epoch's last, the epoch is
    finished: validated, and shown to the rules. A ``count`` of 0 only compiles.
    """
    return compiled(partial(run_span, plan))


def run_span(
    plan: Plan, start: tuple[State, tuple[Any, ...]], rows: tuple[Loaded, Loaded | None], count: Any, end: Any
) -> Span:
    """Return where a run is after some epochs; see ``program_of``."""
    state, memories = start
    training, validation = rows
    steps = steps_of(plan, training)

    def more(span: Span) -> Any:
        return (span.done < count) & ~span.stop & span.finite

    def epoch(span: Span) -> Span:
        state = steps_until(plan, span.state, training, end)
        span = span._replace(state=state, done=span.done + 1, finite=jnp.isfinite(state.loss_sum))

        def finish() -> Span:
            state, memories, figures, stop, finite = finished(plan, span.state, span.memories, validation)
            table = span.figures.at[span.done - 1].set(figures)
            return Span(state, memories, span.done, stop, finite & span.finite, table)

        return jax.lax.cond(end >= steps, finish, lambda: span)

    table, nothing = jnp.zeros((SPAN, len(plan.figures_of(validation))), jnp.float32), jnp.int32(0)
    return jax.lax.while_loop(more, epoch, Span(state, memories, nothing, nothing > 0, nothing == 0, table))


def finished(
    plan: Plan, state: State, memories: tuple[Any, ...], validation: Loaded | None
) -> tuple[State, tuple[Any, ...], Any, Any, Any]:
    """Measure an epoch whose steps are done, and ask the rules.

    Returns:
        The state at the next epoch, what the rules remember, the figures, whether to stop, and whether the
        parameters are finite.
    """
    figures = {"loss": state.loss_sum / state.weight_sum, "learning_rate": state.learning_rate}
    if validation is not None:
        figures |= dict(zip(plan.figures[2:], evaluated(plan, state, validation), strict=True))
    zero = jnp.float32(0.0)
    state = state._replace(epoch=state.epoch + 1, step=jnp.int32(0), loss_sum=zero, weight_sum=zero)
    after, stop = list[Any](), jnp.bool_(0)
    for rule, memory in zip(plan.rules, memories, strict=True):
        memory, state, stops = rule.after_epoch(memory, figures, state)  # noqa: PLW2901
        after.append(memory)
        stop |= stops
    return state, tuple(after), jnp.stack(list(figures.values())), stop, jnp.isfinite(state.parameters).all()


def steps_of(plan: Plan, training: Loaded) -> int:
    """Return how many steps an epoch has."""
    return -(-training.features.shape[0] // plan.batch_size)


def steps_until(plan: Plan, state: State, training: Loaded, end: Any) -> State:
    """Return the state at a step of its epoch."""
    steps = steps_of(plan, training)
    batches = ordered(plan, state, training)

    def body(number: Any, state: State) -> State:
        batch = Loaded(*(jax.lax.dynamic_index_in_dim(one, number, keepdims=False) for one in batches))
        return step(plan, state, batch, steps)

    return jax.lax.fori_loop(state.step, end, body, state)


def ordered(plan: Plan, state: State, training: Loaded) -> Loaded:
    """Return the epoch's rows in its order, ``(steps, batch, …)``; what fills up the last batch weighs 0."""
    rows, steps = training.features.shape[0], steps_of(plan, training)
    places = jnp.arange(steps * plan.batch_size, dtype=jnp.int32)
    order = shuffled(state.key, state.epoch, jnp.minimum(places, rows - 1), rows)
    features, targets, weights = (one[order] for one in training)
    weights = jnp.where(places < rows, weights, 0.0)
    shape = (steps, plan.batch_size)
    return Loaded(*(one.reshape(*shape, *one.shape[1:]) for one in (features, targets, weights)))


def step(plan: Plan, state: State, batch: Loaded, steps: Any) -> State:
    """Return the state after one batch; ``steps`` is how many an epoch has."""
    weight = jnp.sum(batch.weights)
    (total, statistics), gradient = weighted_gradient(plan, state, batch)
    state = state._replace(
        statistics=jax.tree.map(partial(jnp.where, weight > 0), statistics, state.statistics),
        loss_sum=state.loss_sum + total,
        weight_sum=state.weight_sum + weight,
        step=state.step + 1,
    )
    return _learnt(plan, state, gradient, weight, steps)


def weighted_gradient(plan: Plan, state: State, batch: Loaded) -> tuple[tuple[Any, Any], Any]:
    """Return the weighted sum of a batch's losses, the new statistics, and the gradient of the sum.

    The gradient is a vector or a tree, as the state's parameters are.
    """

    def loss(parameters: Any) -> tuple[Any, Any]:
        variables = {"params": parameters, "batch_stats": state.statistics}
        epoch_key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.epoch)
        key = jax.random.fold_in(epoch_key, state.step)
        counts = batch.weights > 0
        counts |= ~counts.any()  # batch norm has no mean of no rows, and NaN times a weight of 0 is no 0
        outputs, statistics = plan.network.forward(variables, batch.features, counts, key)
        return jnp.sum(batch.weights * jax.vmap(plan.objective.loss)(outputs, batch.targets)), statistics

    if is_apart(state):
        return jax.value_and_grad(loss, has_aux=True)(state.parameters)
    found, gradient = jax.value_and_grad(loss, has_aux=True)(unflat(plan.network, state.parameters))
    return found, flat(gradient)


def _learnt(plan: Plan, state: State, gradient: Any, weight: Any, steps: Any) -> State:
    """Return the state after an update, or with the gradient added to those that wait for one."""
    if plan.accumulate == 1:
        return _updated(plan, state, gradient, weight)
    gradient = jax.tree.map(jnp.add, state.gradient, gradient)
    weight = state.gradient_weight + weight
    due = (state.step % plan.accumulate == 0) | (state.step == steps)

    def update() -> State:
        after = _updated(plan, state, gradient, weight)
        return after._replace(
            gradient=jax.tree.map(jnp.zeros_like, gradient), gradient_weight=jnp.float32(0.0)
        )

    return jax.lax.cond(due, update, lambda: state._replace(gradient=gradient, gradient_weight=weight))


def _updated(plan: Plan, state: State, gradient: Any, weight: Any) -> State:
    def mean(total: Any) -> Any:
        return total / jnp.maximum(weight, _LEAST_WEIGHT)

    def changed(parameter: Any, change: Any) -> Any:
        return parameter + state.learning_rate * change

    means = jax.tree.map(mean, gradient)
    changes, optimiser = build(plan.optimiser).update(means, state.optimiser, state.parameters)
    return state._replace(parameters=jax.tree.map(changed, state.parameters, changes), optimiser=optimiser)


def evaluated(plan: Plan, state: State, rows: Loaded) -> tuple[Any, Any]:
    """Return the mean loss and the mean figure over all rows, by their weights."""
    count = rows.features.shape[0]
    size = min(count, _EVALUATION_ROWS)
    blocks = -(-count // size)
    variables = {"params": unflat(plan.network, state.parameters), "batch_stats": state.statistics}

    def filled(one: Any) -> Any:
        missing = blocks * size - count
        return jnp.pad(one, [(0, missing)] + [(0, 0)] * (one.ndim - 1)).reshape(blocks, size, *one.shape[1:])

    def add(sums: Any, block: Loaded) -> tuple[Any, None]:
        outputs = plan.network.apply(variables, block.features)
        losses = jax.vmap(plan.objective.loss)(outputs, block.targets)
        figures = jax.vmap(plan.objective.measure)(outputs, block.targets)
        return sums + jnp.stack([jnp.sum(block.weights * one) for one in (losses, figures)]), None

    sums, _ = jax.lax.scan(add, jnp.zeros(2), Loaded(*(filled(one) for one in rows)))
    return tuple(sums / jnp.sum(rows.weights))
