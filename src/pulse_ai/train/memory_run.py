"""A run over rows in memory: the compiled program goes as far as no handler wants to look, then they are told.

What the numbers are is decided in ``program.py``; here it is decided how many epochs or steps one call of the
program does. Whatever that is, the numbers are the same.
"""

__all__ = ("MemoryRun",)

import time
from typing import Any

import numpy as np

from pulse_ai.train.errors import NotFinite
from pulse_ai.train.events import Event
from pulse_ai.train.place import Resume
from pulse_ai.train.program import SPAN, Plan, Span, program_of, steps_of
from pulse_ai.train.rows import Loaded
from pulse_ai.train.run import CALL_S, Attached, Outcome, Run
from pulse_ai.train.trouble import find_trouble


class MemoryRun(Run):
    """A run over rows in memory.

    Args:
        plan: What is trained and how.
        handlers: Who is told.
        rows: What is learnt from, and what is measured on.
        epochs: How many epochs the run has in all.
        start: Where it begins.
    """

    def __init__(
        self,
        plan: Plan,
        handlers: tuple[Attached, ...],
        rows: tuple[Loaded, Loaded | None],
        epochs: int,
        start: Resume,
    ) -> None:
        super().__init__(plan, handlers, rows[1], epochs, start)
        self.rows = rows
        self.epoch_steps = self.steps = steps_of(plan, rows[0])
        self.epoch_s = 0.0  # how long an epoch takes; 0 before the first

    def to_the_end(self) -> Outcome:
        """Run until the last epoch, or until something stops it."""
        self._call(0, self.epoch_steps)  # compiles, so that the next call's time is an epoch's
        return super().to_the_end()

    def halt_epoch(self) -> None:
        """Have the epoch end at this step: the next call does no more of it, and finishes it."""
        self.state = self.state._replace(step=np.int32(self.epoch_steps))

    def go_on(self) -> None:
        """Call the program once, and tell what happened."""
        epoch, at = int(self.state.epoch), int(self.state.step)
        if at == 0:
            self.tell(Event.EPOCH_STARTED, epoch + 1)
        if self.stopped:
            return
        count, end = self._until_next_event(epoch, at)
        new = self._call(count, end)
        step = epoch * self.epoch_steps + end
        if at < end and self.following(Event.STEP_COMPLETED, step - 1) == step:
            self.tell(Event.STEP_COMPLETED, step, at=(epoch, end))
        if new:
            self.tell(Event.PROGRESS, 1, new=new)
            self.tell(Event.EPOCH_COMPLETED, int(self.state.epoch))

    def _until_next_event(self, epoch: int, at: int) -> tuple[int, int]:
        """Return how many epochs to run, and until which step, before a handler wants to look."""
        count = min(self.epochs - epoch, SPAN, max(1, int(CALL_S / self.epoch_s)) if self.epoch_s else 1)
        for event, offset in ((Event.EPOCH_COMPLETED, 0), (Event.EPOCH_STARTED, 1)):
            following = self.following(event, epoch + offset)
            count = count if following is None else min(count, following - offset - epoch)
        wanted = self.following(Event.STEP_COMPLETED, epoch * self.epoch_steps + at)
        if wanted is None:
            return count, self.epoch_steps
        whole = (wanted - 1) // self.epoch_steps - epoch  # epochs that end before the step that is wanted
        return (min(count, whole), self.epoch_steps) if whole else (1, wanted - epoch * self.epoch_steps)

    def _call(self, count: int, end: int) -> tuple[dict[str, float], ...]:
        """Call the program; return the history's new rows."""
        before, began_s = self.place, time.perf_counter()
        span = self._span(before, count, end)
        done, epoch = int(span.done), int(before.state.epoch)
        if not span.finite:
            raise self._trouble(before, done)
        self.state, self.memories = span.state, span.memories
        if bool(span.stop):
            self.stopped = "rule"
        if end < self.epoch_steps or not done:
            return ()
        self.epoch_s = (time.perf_counter() - began_s) / done
        new = tuple(self.rows_of(epoch, np.asarray(span.figures)[:done]))
        self.history = self.history.extended(new)
        return new

    def _span(self, place: Resume, count: int, end: int) -> Span:
        start: Any = place.state, place.memories
        return program_of(self.plan)(start, self.rows, np.int32(count), np.int32(end))

    def _trouble(self, before: Resume, done: int) -> NotFinite:
        """Return what was not finite; the epochs before it are run again to where its epoch begins."""
        span = self._span(before, done - 1, self.epoch_steps)
        self.state, self.memories = span.state, span.memories
        rows = self.rows_of(int(before.state.epoch), np.asarray(span.figures)[: done - 1])
        self.history = self.history.extended(tuple(rows))
        return self.not_finite(find_trouble(self.plan, span.state, self.rows[0]))
