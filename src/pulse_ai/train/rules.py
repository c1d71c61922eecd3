"""What is decided after each epoch, inside of the compiled program: early stopping and plateau control.

A rule is a frozen value with two pure functions, ``start`` and ``after_epoch`` (see ``program.Rule``). It runs
in the program, so many epochs can be one call; its memory is part of a checkpoint.
"""

__all__ = ("Best", "EarlyStopping", "Plateau")

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from pulse_ai.train.errors import BadNetwork
from pulse_ai.train.state import State
from pulse_ai.train.xla import jax, jnp


class Best(NamedTuple):
    """The best epoch so far.

    Attributes:
        score: Its figure; the worst possible one before the first epoch.
        epoch: Its number, from 0; -1 before the first.
        waited: How many epochs have passed since.
        parameters: Its weights.
        statistics: Its running means.
    """

    score: Any
    epoch: Any
    waited: Any
    parameters: Any
    statistics: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStopping:
    """Remembers the best weights, and stops when nothing better has come for a while.

    A run that ends, by this rule or another way, gives the best weights, not the last.

    Attributes:
        figure: What is watched: a name from the history, such as ``"validation_loss"``.
        patience: Stop after so many epochs without a better one; None: never stop, only remember.
        least: By how much the figure must be better to count, at least 0.
        mode: Whether ``"min"`` or ``"max"`` is better.
    """

    figure: str = "validation_loss"
    patience: int | None = 10
    least: float = 0.0
    mode: Literal["min", "max"] = "min"

    def __post_init__(self) -> None:
        if (
            (self.patience is not None and self.patience < 1)
            or self.least < 0
            or self.mode not in ("min", "max")
        ):
            raise BadNetwork(f"patience is at least 1, least at least 0, mode min or max; given {self}")

    def start(self, state: State) -> Best:
        """Return the memory before the first epoch."""
        worst = np.float32(np.inf if self.mode == "min" else -np.inf)
        return Best(worst, np.int32(-1), np.int32(0), state.parameters, state.statistics)

    def after_epoch(self, memory: Best, figures: dict[str, Any], state: State) -> tuple[Best, State, Any]:
        """Return the best so far, the state as it is, and whether patience is over."""
        score = figures[self.figure]
        better = (
            score < memory.score - self.least if self.mode == "min" else score > memory.score + self.least
        )
        now = Best(score, state.epoch - 1, jnp.int32(0), state.parameters, state.statistics)
        kept = jax.lax.cond(better, lambda: now, lambda: memory._replace(waited=memory.waited + 1))
        stop = jnp.bool_(False) if self.patience is None else kept.waited >= self.patience  # noqa: FBT003
        return kept, state, stop


class _Waited(NamedTuple):
    score: Any
    waited: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """Makes the learning rate smaller when nothing better has come for a while.

    Attributes:
        figure: What is watched.
        patience: After how many epochs without a better one.
        factor: What the rate is multiplied by, in (0, 1).
        floor: The rate that it does not go below.
        least: By how much the figure must be better to count, at least 0.
        mode: Whether ``"min"`` or ``"max"`` is better.
    """

    figure: str = "validation_loss"
    patience: int = 5
    factor: float = 0.5
    floor: float = 1e-6
    least: float = 0.0
    mode: Literal["min", "max"] = "min"

    def __post_init__(self) -> None:
        if self.patience < 1 or not 0.0 < self.factor < 1.0 or self.floor < 0 or self.least < 0:
            raise BadNetwork(
                f"patience is at least 1, factor in (0, 1), floor and least at least 0; given {self}"
            )

    def start(self, state: State) -> _Waited:
        """Return the memory before the first epoch."""
        del state
        return _Waited(np.float32(np.inf if self.mode == "min" else -np.inf), np.int32(0))

    def after_epoch(
        self, memory: _Waited, figures: dict[str, Any], state: State
    ) -> tuple[_Waited, State, Any]:
        """Return the new memory, the state with its rate, and False: it never stops a run."""
        score = figures[self.figure]
        better = (
            score < memory.score - self.least if self.mode == "min" else score > memory.score + self.least
        )
        waited = jnp.where(better, 0, memory.waited + 1)
        due = waited >= self.patience
        rate = jnp.where(
            due, jnp.maximum(state.learning_rate * self.factor, jnp.float32(self.floor)), state.learning_rate
        )
        memory = _Waited(jnp.where(better, score, memory.score), jnp.where(due, 0, waited))
        return memory, state._replace(learning_rate=rate), jnp.bool_(False)  # noqa: FBT003
