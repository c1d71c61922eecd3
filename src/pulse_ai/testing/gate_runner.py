"""A runner that waits to be told: a test holds the gate, so nothing has to sleep."""

__all__ = ("GateRunner",)

from collections.abc import Sequence

import msgspec

from pulse_ai.port import OK, Answer, Item, Result
from pulse_ai.serving import Engine


class GateRunner:
    """Takes batches from an engine, and answers, fails or loses them when the test says so.

    Attributes:
        batches: The batches that are out, by worker id: the batch id and its items.
        killed: Workers that the engine wanted killed, in order.
    """

    def __init__(self) -> None:
        self.batches: dict[int, tuple[int, list[Item]]] = {}
        self.killed: list[int] = []
        self._engine: Engine | None = None

    def attach(self, engine: Engine, *, workers: int = 1) -> None:
        """Give the engine so many workers, with ids from 1."""
        self._engine = engine
        for worker_id in range(1, workers + 1):
            engine.worker_ready(worker_id)

    def send_batch(self, worker_id: int, batch_id: int, items: Sequence[Item]) -> None:
        """Hold a batch. Called by the engine."""
        assert worker_id not in self.batches, "a busy worker was given a batch"  # noqa: S101 - a test kit
        self.batches[worker_id] = (batch_id, list(items))

    def kill(self, worker_id: int) -> None:
        """Note a kill. Called by the engine; the test then calls ``lose``."""
        self.killed.append(worker_id)

    def answer(self, worker_id: int = 1, *, codes: dict[int, str] | None = None) -> list[int]:
        """Echo the batch of a worker back to the engine.

        Args:
            worker_id: Whose batch.
            codes: Error codes by item id; those items are answered with the code's own name as text.

        Returns:
            The ids of the items, in the order in which they were sent.
        """
        batch_id, items = self.batches.pop(worker_id)
        chosen = codes or {}
        answers = [
            Answer(item.id, chosen[item.id], msgspec.Raw(msgspec.msgpack.encode(chosen[item.id])))
            if item.id in chosen
            else Answer(item.id, OK, item.value)
            for item in items
        ]
        self._to_engine().batch_done(worker_id, Result(batch_id, answers[::-1]))
        return [item.id for item in items]

    def lose(self, worker_id: int = 1) -> None:
        """Let a worker die with whatever it has."""
        self.batches.pop(worker_id, None)
        self._to_engine().worker_lost(worker_id)

    def _to_engine(self) -> Engine:
        assert self._engine is not None, "call attach first"  # noqa: S101 - a test kit
        return self._engine
