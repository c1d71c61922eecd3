"""The loop: what is trained, how, and who is told.

Start reading at ``Loop.run``; then ``memory_run.py``, where it is decided how far one call of the compiled
program goes.
"""

__all__ = ("Attachable", "Loop")

from dataclasses import dataclass, field
from typing import Any, Protocol

from pulse_ai.train.errors import BadNetwork
from pulse_ai.train.events import Event, Filter, always
from pulse_ai.train.history import History
from pulse_ai.train.memory_run import MemoryRun
from pulse_ai.train.place import Resume
from pulse_ai.train.program import Plan
from pulse_ai.train.rows import Rows, on_device
from pulse_ai.train.run import Attached, Handler, Outcome
from pulse_ai.train.state import initial_state
from pulse_ai.train.stream import Stream
from pulse_ai.train.stream_run import StreamRun


class Attachable(Protocol):
    """What asks for the events that it needs itself, such as ``Checkpoints``."""

    def attach(self, loop: "Loop") -> None:
        """Call ``loop.on`` for each event that is wanted."""
        ...


@dataclass(slots=True, kw_only=True)
class Loop:
    """Trains a network, and tells handlers what happens.

    Attributes:
        plan: The network, its objective, the optimiser, the batch size and the rules.
        learning_rate: The step's size, above 0.
        seed: Decides everything that is random.

    Example:
        >>> import numpy as np
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
    _handlers: list[Attached] = field(default_factory=list[Any], init=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.learning_rate < float("inf"):
            raise BadNetwork(f"the learning rate is above 0 and finite; given {self.learning_rate}")

    def on(self, event: Event, handler: Handler, wanted: Filter | None = None) -> None:
        """Have a handler called at an event; handlers are called in the order in which they were given."""
        self._handlers.append((event, handler, wanted or always()))

    def run(
        self,
        training: Rows | Stream,
        validation: Rows | None = None,
        *,
        epochs: int,
        resume: Resume | None = None,
    ) -> Outcome:
        """Train, and return what came of it.

        Args:
            training: What is learnt from: rows in memory, or a stream of blocks.
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
        checked = None if validation is None else on_device(validation, plan.network, plan.objective)
        start, handlers = resume or self.beginning(), tuple(self._handlers)
        if isinstance(training, Rows):
            rows = on_device(training, plan.network, plan.objective)
            return MemoryRun(plan, handlers, (rows, checked), epochs, start).to_the_end()
        return StreamRun(plan, handlers, (training, checked), epochs, start).to_the_end()

    def beginning(self) -> Resume:
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
        names = self.plan.figures_of(True if has_validation else None)
        for rule in self.plan.rules:
            figure = getattr(rule, "figure", names[0])
            if figure not in names:
                raise BadNetwork(f"a rule watches {figure!r}, and there is only {', '.join(names)}")
