"""Rows that do not fit in memory: blocks that are read ahead while the one before is learnt from."""

__all__ = ("ArrayBlocks", "Stream", "read_ahead")

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pulse_ai.train.errors import BadNetwork
from pulse_ai.train.rows import Rows


class Stream(Protocol):
    """Where blocks of rows come from. The same epoch gives the same blocks each time, or a run cannot resume."""

    @property
    def block_rows(self) -> int:
        """How many rows each block has; the last of an epoch may have fewer, but not none."""
        ...

    def blocks(self, epoch: int, start: int) -> Iterator[Rows]:
        """Give the blocks of an epoch from number ``start`` on, in the epoch's order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayBlocks:
    """Blocks of arrays that are too large for memory, such as ``numpy.memmap``.

    The blocks come in a random order, and the rows of each are shuffled: reading stays in long runs. Rows that
    are neighbours in the file should not be alike; shuffle a sorted file once before.

    Attributes:
        features: ``(rows, *input_shape)``.
        targets: ``(rows,)`` or ``(rows, outputs)``.
        block_rows: How many rows are in memory at once, three times: learnt from, waiting, and being read.
        seed: Decides the order.

    Example:
        >>> source = ArrayBlocks(features=np.arange(5.0)[:, None], targets=np.arange(5), block_rows=2)
        >>> sorted(len(block) for block in source.blocks(epoch=0, start=0))
        [1, 2, 2]
    """

    features: Any
    targets: Any
    block_rows: int = 65_536
    seed: int = 0

    def __post_init__(self) -> None:
        if self.block_rows < 1:
            raise BadNetwork(f"block_rows is at least 1; given {self.block_rows}")

    def blocks(self, epoch: int, start: int) -> Iterator[Rows]:
        """Give the blocks of an epoch; the one with fewer rows comes last."""
        rows = len(self.features)
        whole = rows // self.block_rows
        order = np.random.default_rng((self.seed, epoch)).permutation(whole).tolist()
        order += [whole] if rows % self.block_rows else []
        for number in order[start:]:
            first = number * self.block_rows
            last = min(first + self.block_rows, rows)
            inside = np.random.default_rng((self.seed, epoch, number)).permutation(last - first)
            yield Rows(
                np.asarray(self.features[first:last])[inside], np.asarray(self.targets[first:last])[inside]
            )


_END = object()


@contextmanager
def read_ahead(blocks: Iterator[Rows]) -> Generator[Iterator[tuple[Rows, bool]]]:
    """Read blocks in a thread, at most one ahead; give each with whether it is the last.

    What the reading raises is raised where the block would have come. When the ``with`` block is left the
    thread has ended, whether all blocks were taken or not.
    """
    waiting: queue.Queue[Any] = queue.Queue(maxsize=1)
    left = threading.Event()

    def put(one: Any) -> None:
        while not left.is_set():
            try:
                waiting.put(one, timeout=0.1)
            except queue.Full:
                continue
            return

    def read() -> None:
        try:
            for block in blocks:
                put(block)
                if left.is_set():
                    return
            put(_END)
        except BaseException as error:  # noqa: BLE001 - it is raised again by the reader
            put(error)

    thread = threading.Thread(target=read, name="pulse-read-ahead", daemon=True)
    thread.start()
    try:
        yield _with_last(waiting)
    finally:
        left.set()
        thread.join()


def _with_last(waiting: "queue.Queue[Any]") -> Iterator[tuple[Rows, bool]]:
    block = _taken(waiting)
    while block is not _END:
        following = _taken(waiting)
        yield block, following is _END
        block = following


def _taken(waiting: "queue.Queue[Any]") -> Any:
    one = waiting.get()
    if isinstance(one, BaseException):
        raise one
    return one
