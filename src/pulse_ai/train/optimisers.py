"""Optimisers and schedules as values, built with Optax.

The learning rate is not part of an optimiser: it is a number in the training state, so that plateau control
can change it, a population can have one each, and a new one needs no new compilation. Each of Optax's
optimisers here multiplies by the learning rate last, so it is built with 1.0 and its step is multiplied.
"""

__all__ = ("ADAM", "OPTIMISERS", "Optimiser", "Schedule", "build")

from functools import cache
from typing import Annotated, Any, Literal

import msgspec
import optax

from pulse_ai.train.errors import BadNetwork

# In each of these every number is treated alike, and the learning rate is the last factor: they work on all
# parameters as one vector. Adafactor, lamb, lbfgs and others are not of that kind.
OPTIMISERS: tuple[str, ...] = (
    "adabelief",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "lion",
    "nadam",
    "noisy_sgd",
    "radam",
    "rmsprop",
    "sgd",
    "yogi",
)


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the learning rate goes up and down with the number of updates, as a share of what was set.

    Attributes:
        shape: ``"constant"``, ``"linear"``, ``"cosine"`` or ``"exponential"``: the way down.
        updates: After how many updates, with the warm-up, it has arrived at ``end``.
        warmup: How many updates it first goes up from 0, in a straight line.
        end: The share at which it stays afterwards, in [0, 1]; above 0 for ``"exponential"``.
    """

    shape: Literal["constant", "linear", "cosine", "exponential"] = "constant"
    updates: Annotated[int, msgspec.Meta(ge=1)] = 1
    warmup: Annotated[int, msgspec.Meta(ge=0)] = 0
    end: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.0

    def __post_init__(self) -> None:
        if self.updates < 1 or self.warmup < 0 or not 0.0 <= self.end <= 1.0:
            raise BadNetwork(f"updates are at least 1, warmup at least 0 and end is in [0, 1]; given {self}")
        if self.shape == "exponential" and not self.end:
            raise BadNetwork("an exponential schedule ends above 0; given 0")
        if self.shape != "constant" and self.updates <= self.warmup:
            raise BadNetwork(f"{self.updates} updates leave none after a warm-up of {self.warmup}")

    def share(self, update: Any) -> Any:
        """Return the share for an update, counted from 0; it can be called in a compiled function.

        Example:
            >>> [float(Schedule("linear", updates=4).share(number)) for number in (0, 2, 4)]
            [1.0, 0.5, 0.0]
        """
        after = self.updates - self.warmup
        down: Any = {
            "constant": lambda: optax.constant_schedule(1.0),
            "linear": lambda: optax.linear_schedule(1.0, self.end, after),
            "cosine": lambda: optax.cosine_decay_schedule(1.0, after, alpha=self.end),
            "exponential": lambda: optax.exponential_decay(1.0, after, self.end, end_value=self.end),
        }[self.shape]()
        if not self.warmup:
            return down(update)
        up = optax.linear_schedule(1.0 / self.warmup, 1.0, max(self.warmup - 1, 1))
        return optax.join_schedules([up, down], [self.warmup])(update)


class Optimiser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How gradients become steps.

    Attributes:
        name: One of ``OPTIMISERS``.
        schedule: How the learning rate goes up and down.
        clip_norm: The gradient's longest length, over all parameters; None: as long as it is.
        clip_value: The largest size of a number in the gradient; None: any.
        options: What Optax's optimiser of that name takes besides, as pairs: ``(("weight_decay", 1e-4),)``.

    Raises:
        BadNetwork: There is none of that name, or it does not take an option.
    """

    name: str = "adam"
    schedule: Schedule = Schedule()
    clip_norm: float | None = None
    clip_value: float | None = None
    options: tuple[tuple[str, float | bool | str], ...] = ()

    def __post_init__(self) -> None:
        if self.name not in OPTIMISERS:
            raise BadNetwork(f"the optimiser is one of {', '.join(OPTIMISERS)}; given {self.name!r}")
        for limit in (self.clip_norm, self.clip_value):
            if limit is not None and not limit > 0:
                raise BadNetwork(f"gradients are clipped to a limit above 0; given {limit}")
        build(self)

    @property
    def goes_by_numbers(self) -> bool:
        """Whether its step for a number is the same however the numbers are put into arrays, but for rounding."""
        return self.name != "noisy_sgd"  # draws its noise for each array


@cache
def build(optimiser: Optimiser) -> optax.GradientTransformation:
    """Return Optax's transformation, for a learning rate of 1.

    Raises:
        BadNetwork: Optax's optimiser does not take one of the options.
    """
    try:
        main = getattr(optax, optimiser.name)(
            learning_rate=optimiser.schedule.share, **dict(optimiser.options)
        )
    except TypeError as error:
        raise BadNetwork(f"{optimiser.name}: {error}") from error
    parts = [main]
    if optimiser.clip_norm is not None:
        parts.insert(0, optax.clip_by_global_norm(optimiser.clip_norm))
    if optimiser.clip_value is not None:
        parts.insert(0, optax.clip(optimiser.clip_value))
    return optax.chain(*parts) if len(parts) > 1 else main


ADAM = Optimiser()
