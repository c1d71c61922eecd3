"""A run over a stream: each block is one call of a program that goes through its batches.

A block is filled up to its full size with rows of weight 0, so that all blocks share one compilation; the steps
that would only see such rows are not run.
"""

__all__ = ("StreamRun",)

from functools import cache, partial
from typing import Any

import numpy as np

from pulse_ai.train.errors import BadRows, NotFinite
from pulse_ai.train.events import Event
from pulse_ai.train.place import Resume
from pulse_ai.train.program import Plan, finished, step
from pulse_ai.train.rows import Loaded, Rows, on_device
from pulse_ai.train.run import Attached, Run
from pulse_ai.train.state import State
from pulse_ai.train.stream import Stream, read_ahead
from pulse_ai.train.xla import compiled, jax, jnp

_NOT_LAST = 2**31 - 1


class StreamRun(Run):
    """A run over blocks of rows.

    Args:
        plan: What is trained and how.
        handlers: Who is told: of steps only where a block ends.
        rows: Where the blocks come from, and what is measured on.
        epochs: How many epochs the run has in all.
        start: Where it begins: where a block ends.
    """

    def __init__(
        self,
        plan: Plan,
        handlers: tuple[Attached, ...],
        rows: tuple[Stream, Loaded | None],
        epochs: int,
        start: Resume,
    ) -> None:
        super().__init__(plan, handlers, rows[1], epochs, start)
        self.stream = rows[0]
        if self.stream.block_rows % plan.batch_size:
            raise BadRows(
                f"a block holds whole batches: {self.stream.block_rows} rows, batches of {plan.batch_size}"
            )
        self.block_steps = self.stream.block_rows // plan.batch_size
        self._is_halted = False

    def halt_epoch(self) -> None:
        """Have the epoch end after this block."""
        self._is_halted = True

    def go_on(self) -> None:
        """Run one epoch, or what is left of it."""
        epoch, at = int(self.state.epoch), int(self.state.step)
        if at == 0:
            self.tell(Event.EPOCH_STARTED, epoch + 1)
        self._is_halted = False
        done = -(-at // self.block_steps)  # blocks; the last one of an epoch may have fewer steps
        with read_ahead(self.stream.blocks(epoch, done)) as blocks:
            for block, is_last in blocks:
                if self.stopped or self._is_halted:
                    break
                self._learn(block, is_last=is_last)
        if not int(self.state.step):
            raise BadRows(f"the stream gave no rows in epoch {epoch}")
        if not self.stopped:
            self._finish(epoch)

    def _learn(self, block: Rows, *, is_last: bool) -> None:
        rows, count = self._filled(block), -(-len(block) // self.plan.batch_size)
        first = int(self.state.step)
        steps = first + count if is_last else _NOT_LAST
        state = _block_program(self.plan)(self.state, rows, np.int32(count), np.int32(steps))
        if not np.isfinite(float(state.loss_sum)):
            trouble = NotFinite(epoch=int(state.epoch), step=self._where(rows, count), what="loss")
            raise self.not_finite(trouble)
        self.state = state
        self.tell(Event.STEP_COMPLETED, int(state.step))
        self.tell(Event.PROGRESS, 1)

    def _where(self, rows: Loaded, count: int) -> int:
        """Return the step after which the loss is not finite; the block is run again, one step more each time."""
        state = self.state
        for number in range(count):
            state = _block_program(self.plan)(self.state, rows, np.int32(number + 1), np.int32(_NOT_LAST))
            if not np.isfinite(float(state.loss_sum)):
                break
        return int(state.step) - 1

    def _filled(self, block: Rows) -> Loaded:
        loaded = on_device(block, self.plan.network, self.plan.objective)
        missing = self.stream.block_rows - len(block)
        if missing < 0:
            raise BadRows(f"a block of {len(block)} rows; the stream said at most {self.stream.block_rows}")
        return Loaded(*(jnp.pad(one, [(0, missing)] + [(0, 0)] * (one.ndim - 1)) for one in loaded))

    def _finish(self, epoch: int) -> None:
        self.steps = int(self.state.step)
        program = _finish_program(self.plan)
        state, memories, figures, stop, finite = program(self.state, self.memories, self.validation)
        if not finite:
            raise self.not_finite(NotFinite(epoch=epoch, step=self.steps - 1, what="parameter"))
        self.state, self.memories = state, memories
        new = tuple(self.rows_of(epoch, np.asarray(figures)[None]))
        self.history = self.history.extended(new)
        if bool(stop):
            self.stopped = "rule"
        self.tell(Event.PROGRESS, 1, new=new)
        self.tell(Event.EPOCH_COMPLETED, epoch + 1)


@cache
def _block_program(plan: Plan) -> Any:
    """Return the compiled function ``(state, rows, count, steps) -> state`` over the first batches of a block."""

    def program(state: State, rows: Loaded, count: Any, steps: Any) -> State:
        shape = (-1, plan.batch_size)
        batches = Loaded(*(one.reshape(*shape, *one.shape[1:]) for one in rows))

        def body(number: Any, state: State) -> State:
            batch = Loaded(*(jax.lax.dynamic_index_in_dim(one, number, keepdims=False) for one in batches))
            return step(plan, state, batch, steps)

        return jax.lax.fori_loop(0, count, body, state)

    return compiled(program)


@cache
def _finish_program(plan: Plan) -> Any:
    return compiled(partial(finished, plan))
