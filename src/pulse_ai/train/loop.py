"""The loop: runs the compiled program as far as no handler wants to look, tells the handlers, and goes on.

Start reading at ``Loop.run``. What the numbers are is decided in ``program.py``; here it is decided how many
epochs or steps one call of the program does, and who is told. Whatever that is, the numbers are the same.
"""

__all__ = ("Handler", "Loop", "Outcome", "Resume")

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from pulse_ai.train.errors import BadNetwork, NotFinite
from pulse_ai.train.events import Event, Filter, Moment, Order, always
from pulse_ai.train.history import History
from pulse_ai.train.network import Network, Variables
from pulse_ai.train.program import SPAN, Plan, Span, program_of, steps_of
from pulse_ai.train.rows import Loaded, Rows, on_device
from pulse_ai.train.rules import Best
from pulse_ai.train.state import State, initial_state
from pulse_ai.train.trouble import find_trouble

Handler = Callable[[Moment], Order | None]
_CALL_S = 0.2  # about how long one call of the program may take, so that progress is live and Ctrl-C works


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run gives.

    Attributes:
        network: What was trained.
        variables: The weights: the best where a rule remembers them, else the last.
        history: The figures of each epoch.
        best_epoch: The epoch of these weights, from 0; None where no rule remembers.
        state: Where the run ended, to go on from.
        memories: What each rule remembers.
        stopped: Why it ended: ``"epochs"``, ``"rule"``, ``"handler"`` or ``"not_finite"``.
    """

    network: Network
    variables: Variables
    history: History
    best_epoch: int | None
    state: State
    memories: tuple[Any, ...]
    stopped: str


@dataclass(slots=True, kw_only=True)
class Loop:
    """Trains a network, and tells handlers what happens.

    Attributes:
        plan: The network, its objective, the optimiser, the batch size and the rules.
        learning_rate: The step's size, above 0.
        seed: Decides everything that is random.

    Example:
        >>> from pulse_ai.train import Event, Loop, Optimiser, Plan, Rows, mlp, objective
        >>> plan = Plan(network=mlp(1, 1, hidden=()), objective=objective("regression"), batch_size=2)
        >>> x = np.array([[-1.0], [0.0], [1.0]], np.float32)
        >>> loop = Loop(plan=plan, learning_rate=0.1)
        >>> loop.on(Event.COMPLETED, lambda moment: print(moment.epoch))
        >>> outcome = loop.run(Rows(x, 2 * x[:, 0]), epochs=50)
        50
        >>> outcome.history["loss"][-1] < 0.05
        True
    """

    plan: Plan
    learning_rate: float = 1e-3
    seed: int = 0
    _handlers: list[tuple[Event, Handler, Filter]] = field(default_factory=list[Any], init=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.learning_rate < float("inf"):
            raise BadNetwork(f"the learning rate is above 0 and finite; given {self.learning_rate}")

    def on(self, event: Event, handler: Handler, wanted: Filter | None = None) -> None:
        """Have a handler called at an event; handlers are called in the order in which they were given."""
        self._handlers.append((event, handler, wanted or always()))

    def run(
        self,
        training: Rows,
        validation: Rows | None = None,
        *,
        epochs: int,
        resume: "Resume | None" = None,
    ) -> Outcome:
        """Train, and return what came of it.

        Args:
            training: What is learnt from.
            validation: What is measured on after each epoch; rules may need it.
            epochs: How many epochs the run has in all, those before a resume included.
            resume: Where to go on; None: at the beginning.

        Raises:
            BadRows: The rows do not fit the network.
            BadNetwork: A rule watches a figure that there is not.
            NotFinite: A number was not finite; its ``outcome`` has the best weights and the history.
        """
        self._require_figures(has_validation=validation is not None)
        plan = self.plan
        rows = on_device(training, plan.network, plan.objective)
        checked = None if validation is None else on_device(validation, plan.network, plan.objective)
        run = _Run(plan, tuple(self._handlers), (rows, checked), epochs, resume or self.beginning())
        return run.to_the_end()

    def beginning(self) -> "Resume":
        """Return where a run begins that resumes nothing."""
        state = initial_state(
            self.plan.network,
            self.plan.optimiser,
            seed=self.seed,
            learning_rate=self.learning_rate,
            accumulate=self.plan.accumulate,
        )
        return Resume(state, tuple(rule.start(state) for rule in self.plan.rules), History())

    def _require_figures(self, *, has_validation: bool) -> None:
        names = self.plan.figures if has_validation else self.plan.figures[:2]
        for rule in self.plan.rules:
            figure = getattr(rule, "figure", names[0])
            if figure not in names:
                raise BadNetwork(f"a rule watches {figure!r}, and there is only {', '.join(names)}")


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


class _Run:
    """One run: where it is, and what it has measured."""

    def __init__(
        self,
        plan: Plan,
        handlers: tuple[tuple[Event, Handler, Filter], ...],
        rows: tuple[Loaded, Loaded | None],
        epochs: int,
        start: Resume,
    ) -> None:
        self.plan, self.handlers, self.rows, self.epochs = plan, handlers, rows, epochs
        self.state, self.memories, self.history = start.state, start.memories, start.history
        self.steps = steps_of(plan, rows[0])
        self.stopped = ""  # why, once it is
        self.epoch_s = 0.0  # how long an epoch takes; 0 before the first

    def to_the_end(self) -> Outcome:
        self._tell(Event.STARTED, 1)
        if not self.stopped:
            self._call(0, self.steps)  # compiles, so that the next call's time is an epoch's
        while not self.stopped and int(self.state.epoch) < self.epochs:
            self._go_on()
        self._tell(Event.COMPLETED, 1)
        return self._outcome(self.stopped or "epochs")

    def _go_on(self) -> None:
        epoch, at = int(self.state.epoch), int(self.state.step)
        if at == 0:
            self._tell(Event.EPOCH_STARTED, epoch + 1)
        if self.stopped:
            return
        count, end = self._until_next_event(epoch, at)
        new = self._call(count, end)
        if self._following(Event.STEP_COMPLETED, epoch * self.steps + end - 1) == epoch * self.steps + end:
            self._tell(Event.STEP_COMPLETED, epoch * self.steps + end, at=(epoch, end))
        if new:
            self._tell(Event.PROGRESS, 1, new=new)
            self._tell(Event.EPOCH_COMPLETED, int(self.state.epoch))

    def _until_next_event(self, epoch: int, at: int) -> tuple[int, int]:
        """Return how many epochs to run, and until which step, before a handler wants to look."""
        count = min(self.epochs - epoch, SPAN, max(1, int(_CALL_S / self.epoch_s)) if self.epoch_s else 1)
        for event, offset in ((Event.EPOCH_COMPLETED, 0), (Event.EPOCH_STARTED, 1)):
            following = self._following(event, epoch + offset)
            count = count if following is None else min(count, following - offset - epoch)
        wanted = self._following(Event.STEP_COMPLETED, epoch * self.steps + at)
        if wanted is None:
            return count, self.steps
        whole = (wanted - 1) // self.steps - epoch
        return (min(count, whole), self.steps) if whole else (1, wanted - epoch * self.steps)

    def _following(self, event: Event, count: int) -> int | None:
        """Return the next count of an event, after a given one, that a handler may want."""
        nexts = [wanted.following(count) for kind, _, wanted in self.handlers if kind is event]
        return min((one for one in nexts if one is not None), default=None)

    def _call(self, count: int, end: int) -> tuple[dict[str, float], ...]:
        """Call the program; return the history's new rows."""
        before = self.state, self.memories
        began_s, epoch = time.perf_counter(), int(self.state.epoch)
        span: Span = program_of(self.plan)(before, self.rows, np.int32(count), np.int32(end))
        self.state, self.memories, done = span.state, span.memories, int(span.done)
        if not span.finite:
            raise self._trouble(before, done)
        if done and end == self.steps:
            self.epoch_s = (time.perf_counter() - began_s) / done
        if bool(span.stop):
            self.stopped = "rule"
        new = tuple(self._rows(epoch, np.asarray(span.figures)[:done])) if end == self.steps else ()
        self.history = self.history.extended(new)
        return new

    def _rows(self, epoch: int, figures: np.ndarray[Any, Any]) -> Iterator[dict[str, float]]:
        for number, row in enumerate(figures.tolist(), start=epoch):
            yield {"epoch": number, **dict(zip(self.plan.figures, row, strict=False))}

    def _trouble(self, before: tuple[State, tuple[Any, ...]], done: int) -> NotFinite:
        """Return what was not finite; the epochs before it are run again to where its epoch begins."""
        span: Span = program_of(self.plan)(before, self.rows, np.int32(done - 1), np.int32(self.steps))
        self.state, self.memories = span.state, span.memories
        epoch = int(before[0].epoch)
        self.history = self.history.extended(tuple(self._rows(epoch, np.asarray(span.figures)[: done - 1])))
        trouble = find_trouble(self.plan, span.state, self.rows[0])
        trouble.outcome = self._outcome("not_finite")
        return trouble

    def _tell(
        self,
        event: Event,
        count: int,
        *,
        at: tuple[int, int] | None = None,
        new: tuple[dict[str, float], ...] = (),
    ) -> None:
        moment = self._moment(event, at, new)
        for kind, handler, wanted in self.handlers:
            if kind is event and wanted.wants(count, moment):
                self._obey(handler(moment))

    def _obey(self, order: Order | None) -> None:
        if order is Order.HALT:
            self.stopped = self.stopped or "handler"
        elif order is Order.HALT_EPOCH and int(self.state.step):
            self.state = self.state._replace(step=np.int32(self.steps))

    def _moment(self, event: Event, at: tuple[int, int] | None, new: tuple[dict[str, float], ...]) -> Moment:
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
            state=self.state,
            memories=self.memories,
            history=self.history,
            new=new,
        )

    def _outcome(self, stopped: str) -> Outcome:
        memories: list[Any] = [one for one in self.memories if isinstance(one, Best) and int(one.epoch) >= 0]
        source = memories[0] if memories else self.state
        return Outcome(
            network=self.plan.network,
            variables=jax.device_get({"params": source.parameters, "batch_stats": source.statistics}),
            history=self.history,
            best_epoch=int(source.epoch) if memories else None,
            state=self.state,
            memories=self.memories,
            stopped=stopped,
        )
