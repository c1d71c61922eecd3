"""Many networks of one shape, trained side by side as one program: candidates of a search, or folds.

Each has its own seed, learning rate and rows; network, optimiser and batch size are shared, and so is the
number of the epoch. One that has stopped is carried along unchanged until all have.
"""

__all__ = ("Candidate", "fit_population")

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from pulse_ai.core import available_cores
from pulse_ai.train.errors import BadNetwork
from pulse_ai.train.fitting import Settings, Trained, plan_of, weighted
from pulse_ai.train.history import History
from pulse_ai.train.loop import Loop
from pulse_ai.train.network import Network, variable_shapes
from pulse_ai.train.place import Resume
from pulse_ai.train.program import SPAN, Plan, finished, steps_of, steps_until
from pulse_ai.train.rows import Loaded, Rows, on_device
from pulse_ai.train.run import CALL_S, outcome_of
from pulse_ai.train.state import State, apart, joined
from pulse_ai.train.xla import compiled, jax, jnp

_CACHE_BYTES = 3_000_000  # what a core has in its caches besides a batch's activations, about
_COPIES = 7  # a step reads and writes the parameters, two moments of the gradient, and the gradient


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What one network of a population has for itself.

    Attributes:
        seed: Decides what is random for it.
        learning_rate: Its step's size; None: that of the settings.
    """

    seed: int = 0
    learning_rate: float | None = None


def fit_population(
    network: Network,
    training: Rows | Sequence[Rows],
    validation: Rows | Sequence[Rows] | None = None,
    *,
    candidates: Sequence[Candidate],
    settings: Settings | None = None,
) -> list[Trained]:
    """Train a network once for each candidate, all as one program.

    On a CPU there is a thread for each core; it trains groups of candidates, as many as its cache holds, one
    group after another.

    Memory holds rows that all share once, else for each candidate; and each that trains has its epoch's order.

    Args:
        network: What is trained.
        training: What they learn from: the same rows for all, or some for each; of folds, the shorter ones
            are filled up with rows that weigh 0.
        validation: What they are measured on, in the same way.
        candidates: What differs.
        settings: What is shared; its seed counts for nothing.

    Returns:
        For each candidate what ``fit`` would give, but for rounding. Where it has fewer rows than another, those
        that fill up are spread over its batches: it has as many, with fewer rows that count. One whose numbers
        stopped being finite has ``outcome.stopped == "not_finite"``, and its best weights until then.

    Raises:
        BadNetwork: There is no candidate, or a number of rows is given for another number of candidates.
        BadRows: The rows do not fit the network.

    Example:
        >>> from pulse_ai.train import mlp
        >>> rows = Rows(np.array([[-1.0], [1.0]], np.float32), np.array([0, 1]))
        >>> two = [Candidate(learning_rate=0.0001), Candidate(learning_rate=0.1)]
        >>> settings = Settings(epochs=20)
        >>> found = fit_population(mlp(1, 2, hidden=()), rows, candidates=two, settings=settings)
        >>> found[0].history["loss"][-1] > found[1].history["loss"][-1]
        True
    """
    settings = settings or Settings()
    count = len(candidates)
    learnt, checked = _sets(training, count), _sets(validation, count)
    plan = plan_of(network, settings, rows=max(map(len, learnt)), has_validation=validation is not None)
    learnt = [weighted(rows, settings, plan.objective) for rows in learnt]

    tables = _table_of(learnt, plan), _table_of(checked, plan)
    groups = _groups(count, plan)

    def begun(group: list[int]) -> _Group:
        start = _beginning(plan, [candidates[number] for number in group], settings)
        return _Group(plan, start, (tables[0](group), tables[1](group)))

    crowds = _all_trained([partial(begun, group) for group in groups], settings.epochs)
    places = [(crowd, place) for crowd in crowds for place in range(len(groups[0]))]
    return [_trained(plan, *place) for place in places[:count]]


def _groups(count: int, plan: Plan) -> list[list[int]]:
    """Return which candidates train together: groups of one size, filled up with the last candidate.

    XLA multiplies small matrices on one core, so there is a thread for each, and a group is as large as its
    core's cache; an accelerator gets them all.
    """
    size = count
    if _on_cpu():
        leaves = jax.tree.leaves(variable_shapes(plan.network)["params"])
        most = max(1, _CACHE_BYTES // (_COPIES * 4 * sum(leaf.size for leaf in leaves)))
        threads = min(count, available_cores())
        size = -(-count // (threads * -(-count // (threads * most))))
    numbers = [min(number, count - 1) for number in range(size * -(-count // size))]
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"


def _sets(rows: Rows | Sequence[Rows] | None, count: int) -> list[Rows]:
    sets = [rows] if isinstance(rows, Rows) else list(rows or ())
    if not count or (len(sets) > 1 and len(sets) != count):
        raise BadNetwork(
            f"{count} candidates with {len(sets)} sets of rows; there is at least one, and a set for each"
        )
    return sets


class _Crowd(NamedTuple):
    """All candidates: a leading axis in all but the epoch and the step.

    Attributes:
        state: Their states.
        memories: What their rules remember.
        active: Which of them go on.
        finite: Which of them have finite numbers.
        lasted: How many epochs each has had.
        figures: ``(epochs, candidates, figures)``.
    """

    state: State
    memories: tuple[Any, ...]
    active: Any
    finite: Any
    lasted: Any
    figures: Any


_AXES = State(0, 0, 0, 0, 0, 0, 0, None, None, 0, 0)  # the epoch and the step are shared


def _beginning(
    plan: Plan, candidates: Sequence[Candidate], settings: Settings
) -> tuple[State, tuple[Any, ...]]:
    starts = [
        Loop(plan=plan, learning_rate=one.learning_rate or settings.learning_rate, seed=one.seed).beginning()
        for one in candidates
    ]
    stacked: Any = jax.tree.map(_together, *[(one.state, one.memories) for one in starts])
    return stacked[0]._replace(epoch=np.int32(0), step=np.int32(0)), stacked[1]


def _together(*leaves: Any) -> Any:
    return np.stack(leaves)


def _table_of(sets: list[Rows], plan: Plan) -> Callable[[list[int]], Any]:
    """Return the function from a group to its rows, with a leading axis; None where there are none.

    Rows that all candidates share are put there once, and the axis is of size 1.
    """
    longest = max(map(len, sets), default=0)

    def stacked(own: list[Rows]) -> Loaded:
        parts = zip(*(_filled(one, longest, plan) for one in own), strict=True)
        return Loaded(*(jnp.stack(part) for part in parts))

    if len(sets) > 1:
        return lambda group: stacked([sets[number] for number in group])
    shared = stacked(sets) if sets else None
    return lambda group: shared


def _filled(rows: Rows, longest: int, plan: Plan) -> Loaded:
    found = on_device(rows, plan.network, plan.objective)
    missing = longest - len(rows)
    if not missing:
        return found
    features, targets = (jnp.concatenate([one, jnp.repeat(one[:1], missing, 0)]) for one in found[:2])
    return Loaded(features, targets, jnp.pad(found.weights, (0, missing)))


class _Group(NamedTuple):
    """Candidates that train together: where they begin, and their rows."""

    plan: Plan
    start: tuple[State, tuple[Any, ...]]
    rows: tuple[Loaded, Loaded | None]

    @property
    def program(self) -> Any:
        return _program(
            self.plan, shared=tuple(None if one is None else len(one.weights) == 1 for one in self.rows)
        )

    def beginning(self) -> _Crowd:
        count = len(self.start[0].learning_rate)
        yes = np.ones(count, bool)
        return _Crowd(*self.start, yes, yes, np.zeros(count, np.int32), None)


def _all_trained(makers: list[Callable[[], _Group]], epochs: int) -> list[_Crowd]:
    """Return all groups at their end, as NumPy arrays.

    All are made before the first trains: XLA runs what is called in a thread for each core, and there the small
    programs that make a group would wait behind the long ones that train.
    """
    ended = threading.Event()
    with ThreadPoolExecutor(available_cores(), thread_name_prefix="pulse-population") as pool:
        try:
            groups = [made.result() for made in [pool.submit(maker) for maker in makers]]
            groups[0].program(groups[0].beginning(), groups[0].rows, np.int32(0))  # compiles, once for all
            running = [pool.submit(_group_trained, group, epochs, ended) for group in groups]
            return [one.result() for one in running]
        finally:
            ended.set()  # after Ctrl-C, the threads end with the call that they are in


def _group_trained(group: _Group, epochs: int, ended: threading.Event) -> _Crowd:
    crowd, tables, epoch_s = group.beginning(), list[Any](), 0.0
    while (left := epochs - int(crowd.state.epoch)) and np.asarray(crowd.active).any() and not ended.is_set():
        wanted = min(left, SPAN, max(1, int(CALL_S / epoch_s)) if epoch_s else 1)
        began_s, before = time.perf_counter(), int(crowd.state.epoch)
        crowd = group.program(crowd._replace(figures=None), group.rows, np.int32(wanted))
        done = int(crowd.state.epoch) - before
        epoch_s = (time.perf_counter() - began_s) / max(done, 1)
        tables.append(np.asarray(crowd.figures)[:done])
    return jax.device_get(crowd._replace(figures=np.concatenate(tables)))


@cache
def _program(plan: Plan, *, shared: tuple[bool | None, bool | None]) -> Any:
    """Return the compiled function from a crowd to the crowd some epochs later."""

    def program(crowd: _Crowd, rows: tuple[Loaded, Loaded | None], count: Any) -> _Crowd:
        axes = [None if share or one is None else 0 for one, share in zip(rows, shared, strict=True)]
        given = [
            Loaded(*(part[0] for part in one)) if share and one is not None else one
            for one, share in zip(rows, shared, strict=True)
        ]
        epoch = jax.vmap(partial(_epoch, plan), (_AXES, 0, *axes), (_AXES, 0, 0, 0, 0))
        first = crowd.state.epoch
        table = jnp.zeros((SPAN, len(crowd.active), len(plan.figures_of(rows[1]))), jnp.float32)

        def more(crowd: _Crowd) -> Any:
            return (crowd.state.epoch - first < count) & jnp.any(crowd.active)

        def go_on(crowd: _Crowd) -> _Crowd:
            state, memories, figures, stop, finite = epoch(crowd.state, crowd.memories, *given)
            kept = _kept(crowd.active & finite, (state, memories), (crowd.state, crowd.memories))
            return _Crowd(
                *kept,
                active=crowd.active & ~stop & finite,
                finite=crowd.finite & (finite | ~crowd.active),
                lasted=crowd.lasted + (crowd.active & finite),
                figures=crowd.figures.at[crowd.state.epoch - first].set(figures),
            )

        return jax.lax.while_loop(more, go_on, crowd._replace(figures=table))

    return compiled(program)


def _epoch(
    plan: Plan, state: State, memories: tuple[Any, ...], training: Loaded, validation: Loaded | None
) -> Any:
    begun = apart(plan.network, plan.optimiser, state)
    state = joined(steps_until(plan, begun, training, steps_of(plan, training)))
    loss_is_finite = jnp.isfinite(state.loss_sum)
    state, memories, figures, stop, finite = finished(plan, state, memories, validation)
    return state, memories, figures, stop, finite & loss_is_finite


def _kept(chosen: Any, new: tuple[State, Any], old: tuple[State, Any]) -> tuple[State, Any]:
    """Return the new values of the chosen candidates and the old ones of the others."""

    def pick(one: Any, other: Any) -> Any:
        return jnp.where(chosen.reshape(-1, *[1] * (one.ndim - 1)), one, other)

    shared = {"epoch": new[0].epoch, "step": new[0].step}
    hidden = {"epoch": (), "step": ()}
    state, memories = jax.tree.map(
        pick, (new[0]._replace(**hidden), new[1]), (old[0]._replace(**hidden), old[1])
    )
    return state._replace(**shared), memories


def _trained(plan: Plan, crowd: _Crowd, number: int) -> Trained:
    epochs = int(crowd.lasted[number])
    names = plan.figures
    rows = [
        {"epoch": epoch, **dict(zip(names, row, strict=False))}
        for epoch, row in enumerate(crowd.figures[:epochs, number].tolist())
    ]

    def own(leaf: Any) -> Any:
        return np.array(leaf[number])

    state, memories = jax.tree.map(own, (crowd.state._replace(epoch=(), step=()), crowd.memories))
    state = state._replace(epoch=np.int32(epochs), step=np.int32(0))
    why = "not_finite" if not crowd.finite[number] else "epochs" if crowd.active[number] else "rule"
    outcome = outcome_of(plan.network, Resume(state, memories, History(tuple(rows))), why)
    return Trained(
        network=plan.network, variables=outcome.variables, objective=plan.objective, outcome=outcome
    )
