"""From the items of a batch to one answer each: decode, predict, encode; a bad item touches no other."""

__all__ = ("BatchAnswerer",)

import traceback
from collections.abc import Sequence
from typing import Any

import msgspec

from pulse_ai.core import Failure, PulseError, Task, item_types
from pulse_ai.port.messages import OK, Answer, Item
from pulse_ai.port.values import encode_value, value_decoder

_MAX_TEXT = 500  # characters of an error's text that travel; the whole of it goes to the log


class BatchAnswerer:
    r"""Answers batches with a loaded task.

    Args:
        task: A task whose ``load`` has run.

    Example:
        >>> class Half(Task):
        ...     def predict(self, items: list[int]) -> list[float]:
        ...         return [8 / item for item in items]
        >>> items = [Item(1, msgspec.Raw(b"\x02")), Item(2, msgspec.Raw(b"\xa2hi"))]
        >>> [(answer.id, answer.code) for answer in BatchAnswerer(Half()).answer(items, max_answer_bytes=100)]
        [(2, 'invalid_input'), (1, 'ok')]
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._decoder = value_decoder(item_types(task).input)

    def answer(self, items: Sequence[Item], *, max_answer_bytes: int) -> list[Answer]:
        """Return one answer for each item, in any order: a result, ``invalid_input`` or ``model_error``.

        Args:
            items: The items of a batch.
            max_answer_bytes: An encoded result over this is answered as ``model_error``.
        """
        answers: list[Answer] = []
        ids: list[int] = []
        values: list[Any] = []
        for item in items:
            try:
                values.append(self._decoder.decode(item.value))
                ids.append(item.id)
            except (msgspec.MsgspecError, PulseError, ValueError, RecursionError) as error:
                answers.append(_refusal(item.id, "invalid_input", str(error)))
        results = self._predict(values) if values else []
        answers += [
            _encode(item_id, value, max_answer_bytes) for item_id, value in zip(ids, results, strict=True)
        ]
        return answers

    def take_counts(self) -> dict[str, int]:
        """Return what the task counted since the last call; nothing where its counting fails."""
        try:
            return {str(name): int(count) for name, count in self._task.take_counts().items()}
        except Exception:  # noqa: BLE001 - a broken counter must not cost an answer
            traceback.print_exc()
            return {}

    def _predict(self, values: list[Any]) -> list[Any]:
        """Predict, and where that raises find the item that does by predicting in halves."""
        try:
            results = list(self._task.predict(values))
        except Exception as error:  # noqa: BLE001 - user code: anything can come
            if len(values) == 1:
                traceback.print_exc()
                return [Failure(f"{type(error).__name__}: {error}")]
            middle = len(values) // 2
            return self._predict(values[:middle]) + self._predict(values[middle:])
        if len(results) != len(values):
            why = f"the task answered {len(results)} of {len(values)} items; predict must answer each"
            return [Failure(why)] * len(values)
        return results


def _encode(item_id: int, value: Any, max_answer_bytes: int) -> Answer:
    if isinstance(value, Failure):
        return _refusal(item_id, "model_error", value.why)
    try:
        encoded = encode_value(value)
    except TypeError as error:
        return _refusal(item_id, "model_error", f"the answer cannot be sent: {error}")
    if len(encoded) > max_answer_bytes:
        why = f"the answer has {len(encoded)} bytes, over the limit of {max_answer_bytes}"
        return _refusal(item_id, "model_error", why)
    return Answer(item_id, OK, msgspec.Raw(encoded))


def _refusal(item_id: int, code: str, why: str) -> Answer:
    return Answer(item_id, code, msgspec.Raw(msgspec.msgpack.encode(why[:_MAX_TEXT])))
