"""Where a number stopped being finite. Nothing is paid for it in a run that goes well.

A run only looks at each epoch's loss and parameters. When one of them is not finite, the epoch is run again
from where it began, which gives the same numbers, and this time each step is looked at.
"""

__all__ = ("find_trouble",)

from functools import cache, partial
from typing import Any

import numpy as np

from pulse_ai.train.errors import NotFinite
from pulse_ai.train.network import unflat, variable_shapes
from pulse_ai.train.program import Plan, ordered, step, steps_of, weighted_gradient
from pulse_ai.train.rows import Loaded
from pulse_ai.train.state import State
from pulse_ai.train.weights import paths_of
from pulse_ai.train.xla import compiled, jax, jnp


def find_trouble(plan: Plan, state: State, training: Loaded) -> NotFinite:
    """Return what is not finite first in the epoch that begins, or goes on, at a state."""
    first, flags = int(state.step), np.asarray(_watched(plan)(state, training))
    paths = paths_of(variable_shapes(plan.network)["params"])
    names: list[str] = ["", *paths, *paths]
    leaves = (len(names) - 1) // 2
    for number in range(first, len(flags)):
        bad = [place for place, good in enumerate(flags[number].tolist()) if not good]
        if bad:
            what = "loss" if bad[0] == 0 else "gradient" if bad[0] <= leaves else "parameter"
            return NotFinite(epoch=int(state.epoch), step=number, what=what, where=names[bad[0]])
    return NotFinite(epoch=int(state.epoch), step=len(flags) - 1, what="loss")


@cache
def _watched(plan: Plan) -> Any:
    """Return the compiled function from a state to ``(steps, 1 + 2 * parameters)`` flags of what is finite."""

    def watched(state: State, training: Loaded) -> Any:
        steps = steps_of(plan, training)
        batches = ordered(plan, state, training)

        def look(state: State, batch: Loaded) -> tuple[State, Any]:
            (total, _), gradient = weighted_gradient(plan, state, batch)
            after = step(plan, state, batch, steps)
            trees = (total, unflat(plan.network, gradient), unflat(plan.network, after.parameters))
            leaves = jax.tree.leaves(trees)
            return after, jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves])

        def body(state: State, numbered: tuple[Any, Loaded]) -> tuple[State, Any]:
            number, batch = numbered
            after, flags = look(state, batch)
            done = number < state.step
            return jax.tree.map(partial(jnp.where, done), state, after), flags | done

        return jax.lax.scan(body, state, (jnp.arange(steps), batches))[1]

    return compiled(watched)
