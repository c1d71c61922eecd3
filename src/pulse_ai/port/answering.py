"""From the items of a batch to one answer each: decode, predict, encode; a bad item touches no other."""

__all__ = ("LOG_ERRORS", "BatchAnswerer", "log_traceback", "shorten_answers")

import contextlib
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from pulse_ai.core import Failure, InvalidInput, LoadFailed, ModelError, PulseError, Task, item_types
from pulse_ai.port.lending import Placed
from pulse_ai.port.messages import OK, Answer, Item
from pulse_ai.port.values import MSGPACK, ValueCodec

LOG_ERRORS = "log-errors"
"""The word on a worker's command line for ``WorkerSettings.log_errors``."""

_MAX_TEXT = 500  # characters of an error's text that travel, or are logged
_ANSWER_OVERHEAD_BYTES = 64  # id, code and lengths round an encoded answer, with room to spare

# Not errors of an item: the process is asked to end, or a person pressed Ctrl-C where the task runs inline.
_ENDS_THE_PROCESS = (SystemExit, KeyboardInterrupt)


class _Work(NamedTuple):
    """Items that could be decoded, and their values."""

    items: list[Item]
    values: list[Any]


class BatchAnswerer:
    r"""Answers batches with a loaded task.

    Args:
        task: A task whose ``load`` has run.
        codec: What the bytes of items and results mean. The text of a refusal is msgpack always.
        log_errors: Whether the log has the text of an item's error, which may quote the input.

    Raises:
        LoadFailed: The hints of ``predict`` name a type that items cannot be read into.

    Example:
        >>> class Half(Task):
        ...     def predict(self, items: list[int]) -> list[float]:
        ...         return [8 / item for item in items]
        >>> items = [Item(1, msgspec.Raw(b"\x02")), Item(2, msgspec.Raw(b"\xa2hi"))]
        >>> [(answer.id, answer.code) for answer in BatchAnswerer(Half()).answer(items, max_answer_bytes=100)]
        [(2, 'invalid_input'), (1, 'ok')]
    """

    def __init__(self, task: Task, codec: ValueCodec = MSGPACK, *, log_errors: bool = False) -> None:
        self._task = task
        self._log_errors = log_errors
        self._memory_errors = 0
        self._encode_value = codec.encode
        kind = item_types(task).input
        try:
            self._decoder = codec.decoder(kind)
        except Exception as error:  # a hint is the user's code
            raise LoadFailed(f"items of type {kind} cannot be read: {error}; use another type") from error

    def answer(self, items: Sequence[Item], *, max_answer_bytes: int) -> list[Answer]:
        """Return one answer for each item, in any order: a result, ``invalid_input`` or ``model_error``.

        Args:
            items: The items of a batch.
            max_answer_bytes: An encoded result over this is answered as ``model_error``.

        Raises:
            SystemExit: The task asked to end the process.
            KeyboardInterrupt: Somebody pressed Ctrl-C.
        """
        answers: list[Answer] = []
        work = _Work([], [])
        for item in items:
            try:
                work.values.append(self._decoder.decode(item.value))
                work.items.append(item)
            except (msgspec.MsgspecError, PulseError, ValueError, RecursionError) as error:
                answers.append(_refusal(item.id, "invalid_input", error))
            except Exception as error:  # noqa: BLE001 - a __post_init__ of the user's: anything can come
                log_error(error, with_text=self._log_errors)
                answers.append(_refusal(item.id, "model_error", _named(error)))
        results = self._predict(work) if work.items else []
        answers += [
            self._encode(item.id, value, max_answer_bytes)
            for item, value in zip(work.items, results, strict=True)
        ]
        return answers

    def take_counts(self) -> dict[str, int]:
        """Return what the task counted since the last call, and ``memory_errors`` where items had any.

        Nothing of the task's where its counting fails.
        """
        memory = {"memory_errors": self._memory_errors} if self._memory_errors else {}
        self._memory_errors = 0
        try:
            counts = {str(name): int(count) for name, count in self._task.take_counts().items()}
            if counts:
                msgspec.msgpack.encode(counts)  # a number too large must not cost the answers
        except Exception:  # noqa: BLE001 - a broken counter must not cost an answer
            log_traceback()
            return memory
        return counts | memory

    def _predict(self, work: _Work) -> list[Any]:
        """Predict, and where that raises find the item that does by predicting in halves."""
        expected = len(work.items)
        results: list[Any] | None = None
        try:
            results = _as_list(self._task.predict(work.values))
        except _ENDS_THE_PROCESS:
            raise
        except BaseException as error:  # noqa: BLE001 - user code: a panic in Rust is a BaseException
            if expected == 1:
                log_error(error, with_text=self._log_errors)
                self._memory_errors += isinstance(error, MemoryError)
                return [Failure(_named(error))]
        if results is None:  # only here is the error gone, and with it all that its frames had allocated
            middle = expected // 2
            return self._predict_again(work.items[:middle]) + self._predict_again(work.items[middle:])
        if len(results) != expected:
            why = f"the task answered {len(results)} of {expected} items; predict must answer each"
            return [Failure(why)] * expected
        return results

    def _predict_again(self, items: list[Item]) -> list[Any]:
        """Predict from the bytes anew: the call that raised may have changed the values that it was given."""
        try:
            values = [self._decoder.decode(item.value) for item in items]
        except Exception as error:  # noqa: BLE001 - they could be decoded the first time
            return [Failure(_named(error))] * len(items)
        return self._predict(_Work(items, values))

    def _encode(self, item_id: int, value: Any, max_answer_bytes: int) -> Answer:
        try:
            if isinstance(value, Failure):
                code = InvalidInput.code if value.code == InvalidInput.code else ModelError.code
                return _refusal(item_id, code, value.why)
            encoded = self._encode_value(value)
        except Exception as error:  # noqa: BLE001 - an object of the user's: anything can come
            return _refusal(item_id, "model_error", f"the answer cannot be sent: {_text(error)}")
        if len(encoded) > max_answer_bytes:
            why = f"the answer has {len(encoded)} bytes, over the limit of {max_answer_bytes}"
            return _refusal(item_id, "model_error", why)
        sent: Any = encoded if isinstance(encoded, Placed) else msgspec.Raw(encoded)
        return Answer(item_id, OK, sent)


def shorten_answers(answers: Sequence[Answer], *, frame_bytes: int) -> list[Answer]:
    r"""Return answers that fit into one frame: results over an even share of it become ``model_error``.

    Example:
        >>> large = Answer(1, OK, msgspec.Raw(bytes(4000)))
        >>> small = Answer(2, OK, msgspec.Raw(b"\x01"))
        >>> [answer.code for answer in shorten_answers([large, small], frame_bytes=3000)]
        ['model_error', 'ok']
    """
    share_bytes = max(frame_bytes // (2 * len(answers)) - _ANSWER_OVERHEAD_BYTES, 0)
    why = f"the answers of this batch are over the frame limit of {frame_bytes} bytes together; answer with less"
    small = why[:share_bytes]
    return [
        answer if len(answer.value) <= share_bytes else _refusal(answer.id, "model_error", small)
        for answer in answers
    ]


def log_traceback() -> None:
    """Print the error being handled to the log; nothing where the task closed its stderr."""
    with contextlib.suppress(Exception):
        traceback.print_exc()


def log_error(error: BaseException, *, with_text: bool) -> None:
    """Print where and with which type of error an item failed; its text may quote the input.

    The outermost place is the call in this module, which tells nobody anything.
    """
    with contextlib.suppress(Exception):
        within = error.__traceback__ and error.__traceback__.tb_next
        frames = "".join(traceback.format_tb(within))
        withheld = (
            f"{type(error).__name__}, with a text that may quote the input and so went to the caller alone"
        )
        said = _named(error)[:_MAX_TEXT] if with_text else withheld
        sys.stderr.write(f"An item failed (most recent call last):\n{frames}{said}\n")


def _as_list(results: Any) -> list[Any]:
    if isinstance(results, (str, bytes, Mapping, set, frozenset, int, float, type(None))):
        name = "None" if results is None else f"a {type(results).__name__}"  # type: ignore[reportUnknownArgumentType]
        raise TypeError(f"predict returned {name}; it must return a list, one answer an item")
    return list(results)  # type: ignore[reportUnknownArgumentType]


def _refusal(item_id: int, code: str, why: object) -> Answer:
    return Answer(item_id, code, msgspec.Raw(msgspec.msgpack.encode(_text(why)[:_MAX_TEXT])))


def _named(error: BaseException) -> str:
    text = _text(error) or ("no memory is left for this item" if isinstance(error, MemoryError) else "")
    return f"{type(error).__name__}: {text}"


def _text(value: object) -> str:
    """Return text that can travel: no lone surrogates, and never an error of its own."""
    try:
        return str(value).encode(errors="backslashreplace").decode()
    except Exception:  # noqa: BLE001 - a __str__ of the user's
        return f"a {type(value).__name__} that cannot be shown"
