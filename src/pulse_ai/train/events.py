"""The events of a run, and the filters that say which of them a handler wants."""

__all__ = ("Event", "Filter", "Moment", "Order", "always", "every", "once", "only", "where")

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pulse_ai.train.errors import BadNetwork
from pulse_ai.train.place import Resume


class Event(enum.Enum):
    """What happens in a run, in this order.

    ``STARTED``; for each epoch ``EPOCH_STARTED``, ``STEP_COMPLETED`` for each step, ``EPOCH_COMPLETED``; at last
    ``COMPLETED``. ``PROGRESS`` comes whenever the compiled program returns, several times a second at the most,
    with the figures of all epochs since the last one: for a progress bar, it costs nothing.
    """

    STARTED = "started"
    EPOCH_STARTED = "epoch_started"
    STEP_COMPLETED = "step_completed"
    EPOCH_COMPLETED = "epoch_completed"
    PROGRESS = "progress"
    COMPLETED = "completed"


class Order(enum.Enum):
    """What a handler may answer; None goes on."""

    HALT_EPOCH = "halt_epoch"
    HALT = "halt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a handler is given.

    Attributes:
        event: What happened.
        epoch: The number of the epoch, from 0.
        step: How many steps of it are done.
        steps: How many steps an epoch has; None in a stream's first epoch.
        epochs: How many epochs the run is to have.
        figures: The newest epoch's figures, such as ``{"loss": …, "validation_loss": …}``; empty before the
            first. While an epoch goes on, ``"loss"`` is its mean so far.
        history: The epochs that are finished.
        new: For ``PROGRESS``: the history's new rows.
        state: Where the run is; a handler may look, but not change it.
        memories: What each rule remembers.
    """

    event: Event
    epoch: int
    step: int
    steps: int | None
    epochs: int
    figures: Mapping[str, float]
    place: Resume
    new: tuple[Mapping[str, float], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Filter:
    """Which of an event's occurrences a handler wants.

    Occurrences are counted from 1: the first epoch that is completed is 1.

    Attributes:
        wants: Says whether this one is wanted.
        following: Gives the next count after a given one that may be wanted; None if there is none. The loop
            runs everything until then as one program.
    """

    wants: Callable[[int, Moment], bool]
    following: Callable[[int], int | None]


def always() -> Filter:
    """Each occurrence."""
    return Filter(lambda _count, _moment: True, lambda count: count + 1)


def once() -> Filter:
    """Only the first."""
    return only(1)


def every(number: int) -> Filter:
    """Each that ``number`` divides.

    Raises:
        BadNetwork: The number is below 1.

    Example:
        >>> every(10).following(3), every(10).following(10)
        (10, 20)
    """
    if number < 1:
        raise BadNetwork(f"every takes a number of at least 1; given {number}")
    return Filter(lambda count, _moment: count % number == 0, lambda count: (count // number + 1) * number)


def only(*numbers: int) -> Filter:
    """Those with the given counts, from 1."""
    wanted = frozenset(numbers)
    return Filter(
        lambda count, _moment: count in wanted,
        lambda count: min((one for one in wanted if one > count), default=None),
    )


def where(decide: Callable[[Moment], bool]) -> Filter:
    """Those for which a function says so; it is asked each time."""
    return Filter(lambda _count, moment: decide(moment), lambda count: count + 1)
