"""What a worker does between loading and READY: answers the task's own examples, and times that.

So the first caller does not pay for caches and arenas, a task that cannot even answer its examples does not
become ready, and the scheduler knows what batches take before the first burst comes.
"""

__all__ = ("warm_up",)

import time

import msgspec

from pulse_ai.core import LoadFailed, PulseError, Task
from pulse_ai.port.answering import BatchAnswerer
from pulse_ai.port.messages import OK, Item, Timing
from pulse_ai.port.values import encode_value

_BUDGET_S = 0.25  # a batch that is begun is finished; no other is begun after that
_ROUNDS = 4  # of batches of all sizes; the first one is cold and is not counted
_MOST_EXAMPLES = 64


def warm_up(task: Task, *, most_items: int, max_answer_bytes: int) -> list[Timing]:
    """Answer batches of a task's examples, of one item up to ``most_items``, and return what each took.

    Args:
        task: It is loaded.
        most_items: Most items in a batch; 0: nothing is done.
        max_answer_bytes: Longest encoded answer.

    Returns:
        One timing for each batch, without those of the first round, in which everything is still cold; only
        where that alone took too long, those. None where the task has no examples.

    Raises:
        LoadFailed: An example cannot be sent or answered.

    Example:
        >>> class Shout(Task):
        ...     def examples(self) -> list[str]:
        ...         return ["hi", "hello"]
        ...     def predict(self, items: list[str]) -> list[str]:
        ...         return [item.upper() for item in items]
        >>> timings = warm_up(Shout(), most_items=4, max_answer_bytes=100)
        >>> {timing.items for timing in timings}
        {1, 2, 4}
    """
    examples = _encoded(task) if most_items > 0 else []
    if not examples:
        return []
    answerer = BatchAnswerer(task)
    ends_at_s = time.perf_counter() + _BUDGET_S
    cold, warm = list[Timing](), list[Timing]()
    for number in range(_ROUNDS):
        for size in _sizes(most_items):
            batch = [Item(place, examples[(number + size + place) % len(examples)]) for place in range(size)]
            timing = _timed(task, answerer, batch, max_answer_bytes)
            (warm if number else cold).append(timing)
            if time.perf_counter() >= ends_at_s:
                break
        else:
            continue
        break
    answerer.take_counts()
    return warm or cold


def _encoded(task: Task) -> list[msgspec.Raw]:
    try:
        return [msgspec.Raw(encode_value(example)) for example in task.examples()[:_MOST_EXAMPLES]]
    except PulseError:
        raise
    except Exception as error:  # the user's code
        name = type(task).__name__
        raise LoadFailed(f"{name}.examples failed: {type(error).__name__}: {error}") from error


def _timed(task: Task, answerer: BatchAnswerer, batch: list[Item], max_answer_bytes: int) -> Timing:
    began_s = time.perf_counter()
    answers = answerer.answer(batch, max_answer_bytes=max_answer_bytes)
    took_s = time.perf_counter() - began_s
    for answer in answers:
        if answer.code != OK:
            why = msgspec.msgpack.decode(answer.value)
            raise LoadFailed(f"{type(task).__name__} cannot answer its own example: {answer.code}: {why}")
    return Timing(len(batch), sum(len(bytes(item.value)) for item in batch), took_s)


def _sizes(most_items: int) -> list[int]:
    """Return 1, 2, 4 and so on, and the most.

    Example:
        >>> _sizes(10)
        [1, 2, 4, 8, 10]
    """
    sizes = [1]
    while 2 * sizes[-1] < most_items:
        sizes.append(2 * sizes[-1])
    return sizes if sizes[-1] == most_items else [*sizes, most_items]
