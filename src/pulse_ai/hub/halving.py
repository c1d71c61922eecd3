"""Answering items together, so that one which the model turns down fails alone."""

__all__ = ("answer_by_halves",)

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Refused = TypeVar("Refused")


def answer_by_halves(
    items: Sequence[Item],
    answer: Callable[[Sequence[Item]], Sequence[Answer]],
    *,
    turned_down: type[Exception] | tuple[type[Exception], ...],
    refused: Callable[[Exception], Refused],
) -> list[Answer | Refused]:
    """Answer items together; where they are turned down, find those that are at fault by halves.

    Args:
        items: At least one.
        answer: Gives an answer for each of some items, or raises for all of them.
        turned_down: What it raises where an item is at fault; anything else goes through.
        refused: The answer to an item that is turned down alone.

    Example:
        >>> def halve(numbers):
        ...     return [8 // number for number in numbers]
        >>> answer_by_halves([1, 0, 4], halve, turned_down=ZeroDivisionError, refused=lambda error: "none")
        [8, 'none', 2]
    """
    try:
        return list(answer(items))
    except turned_down as error:
        if len(items) == 1:
            return [refused(error)]
    middle = len(items) // 2
    return [
        found
        for half in (items[:middle], items[middle:])
        for found in answer_by_halves(half, answer, turned_down=turned_down, refused=refused)
    ]
