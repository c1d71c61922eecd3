"""What every run does: keeps its place, tells the handlers, and makes the outcome.

How it goes on is in ``memory_run.py`` for rows in memory, and in ``stream_run.py`` for rows that come in blocks.
"""

__all__ = ("CALL_S", "Attached", "Handler", "Outcome", "Run", "best_of", "outcome_of", "variables_of")

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pulse_ai.train.errors import NotFinite
from pulse_ai.train.events import Event, Filter, Moment, Order
from pulse_ai.train.history import History
from pulse_ai.train.network import Network, Variables, unflat
from pulse_ai.train.place import Resume
from pulse_ai.train.program import Plan
from pulse_ai.train.rows import Loaded
from pulse_ai.train.rules import Best
from pulse_ai.train.state import State
from pulse_ai.train.xla import jax

Handler = Callable[[Moment], Order | None]
Attached = tuple[Event, Handler, Filter]

CALL_S = 0.2
"""About how long one call of a program may take, in seconds: so progress is live, and Ctrl-C works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run gives.

    Attributes:
        network: What was trained.
        variables: The weights, as NumPy arrays: the best where a rule remembers them, else the last.
        history: The figures of each epoch.
        best_epoch: The epoch of these weights, from 0; None where no rule remembers.
        end: Where the run ended, to go on from.
        stopped: Why it ended: ``"epochs"``, ``"rule"``, ``"handler"`` or ``"not_finite"``.
    """

    network: Network
    variables: Variables
    history: History
    best_epoch: int | None
    end: Resume
    stopped: str


def best_of(memories: tuple[Any, ...]) -> Best | None:
    """Return the best epoch that a rule remembers, if one does."""
    return next((one for one in memories if isinstance(one, Best) and int(one.epoch) >= 0), None)


def variables_of(network: Network, source: Best | State) -> Variables:
    """Return the weights of a state, or of the best epoch, as NumPy arrays."""
    return jax.device_get(
        {"params": unflat(network, np.asarray(source.parameters)), "batch_stats": source.statistics}
    )


def outcome_of(network: Network, end: Resume, stopped: str) -> Outcome:
    """Return the outcome of a run that ends here."""
    best = best_of(end.memories)
    source = best or end.state
    return Outcome(
        network=network,
        variables=variables_of(network, source),
        history=end.history,
        best_epoch=int(best.epoch) if best else None,
        end=end,
        stopped=stopped,
    )


class Run:
    """One run: where it is, and what it has measured.

    Args:
        plan: What is trained and how.
        handlers: Who is told, in this order.
        validation: What is measured on after each epoch.
        epochs: How many epochs the run has in all.
        start: Where it begins.
    """

    def __init__(
        self,
        plan: Plan,
        handlers: tuple[Attached, ...],
        validation: Loaded | None,
        epochs: int,
        start: Resume,
    ) -> None:
        self.plan, self.handlers, self.validation, self.epochs = plan, handlers, validation, epochs
        self.state, self.memories, self.history = start.state, start.memories, start.history
        self.steps: int | None = None  # of an epoch; None while nobody knows
        self.stopped = ""  # why, once it is

    @property
    def place(self) -> Resume:
        """Where the run is."""
        return Resume(self.state, self.memories, self.history)

    def to_the_end(self) -> Outcome:
        """Run until the last epoch, or until something stops it."""
        self.tell(Event.STARTED, 1)
        while not self.stopped and int(self.state.epoch) < self.epochs:
            self.go_on()
        self.tell(Event.COMPLETED, 1)
        return outcome_of(self.plan.network, self.place, self.stopped or "epochs")

    def go_on(self) -> None:
        """Run on until a handler may want to look, and tell it."""
        raise NotImplementedError

    def tell(
        self, event: Event, count: int, *, at: tuple[int, int] | None = None, new: tuple[Any, ...] = ()
    ) -> None:
        """Tell the handlers of an event's occurrence, and do what they order."""
        wanting = [one for one in self.handlers if one[0] is event]
        moment = self._moment(event, at, new) if wanting else None
        for _, handler, wanted in wanting:
            if moment is not None and wanted.wants(count, moment):
                self._obey(handler(moment))

    def _obey(self, order: Order | None) -> None:
        if order is Order.HALT:
            self.stopped = self.stopped or "handler"
        elif order is Order.HALT_EPOCH and int(self.state.step):
            self.halt_epoch()

    def halt_epoch(self) -> None:
        """Have the epoch end at this step."""
        raise NotImplementedError

    def following(self, event: Event, count: int) -> int | None:
        """Return the next count of an event, after a given one, that a handler may want."""
        nexts = [wanted.following(count) for kind, _, wanted in self.handlers if kind is event]
        return min((one for one in nexts if one is not None), default=None)

    def rows_of(self, epoch: int, figures: np.ndarray[Any, Any]) -> Iterator[dict[str, float]]:
        """Give the history's rows for some figures, the first of them of ``epoch``."""
        names = self.plan.figures_of(self.validation)
        for number, row in enumerate(figures.tolist(), start=epoch):
            yield {"epoch": number, **dict(zip(names, row, strict=True))}

    def _moment(self, event: Event, at: tuple[int, int] | None, new: tuple[Any, ...]) -> Moment:
        epoch, step = at or (int(self.state.epoch), int(self.state.step))
        figures = dict(self.history.rows[-1]) if self.history.rows else {}
        if int(self.state.step):
            figures["loss"] = float(self.state.loss_sum) / float(self.state.weight_sum)
        return Moment(
            event=event,
            epoch=epoch,
            step=step,
            steps=self.steps,
            epochs=self.epochs,
            figures=figures,
            place=self.place,
            new=new,
        )

    def not_finite(self, trouble: NotFinite) -> NotFinite:
        """Return the error with the outcome until then."""
        trouble.outcome = outcome_of(self.plan.network, self.place, "not_finite")
        return trouble
