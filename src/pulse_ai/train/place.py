"""Where a run is: all that it needs to go on, as one value."""

__all__ = ("Resume",)

from dataclasses import dataclass
from typing import Any

from pulse_ai.train.history import History
from pulse_ai.train.state import State


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a run goes on.

    Attributes:
        state: Its state.
        memories: What each rule remembered.
        history: The epochs before.
    """

    state: State
    memories: tuple[Any, ...]
    history: History
