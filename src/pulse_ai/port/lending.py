"""Which values of a message go in segments, and what its frame says of them. No I/O here."""

__all__ = ("Lent", "check_shared", "lend", "restore")

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from pulse_ai.core import BadFrame
from pulse_ai.port.messages import MOST_SEGMENTS, Answer, Item, Shared
from pulse_ai.port.segments import Segment

_NIL = msgspec.Raw(b"\xc0")

_Value = TypeVar("_Value", Item, Answer)


class Lent(NamedTuple, Generic[_Value]):
    """The values of a message as they go out.

    Attributes:
        values: The items or answers; those that go in a segment are nil.
        shared: What the frame says of those.
        segments: What is passed beside the frame, in the same order.
    """

    values: list[_Value]
    shared: list[Shared]
    segments: list[Segment]

    @property
    def size_bytes(self) -> int:
        """How many bytes of values go in segments."""
        return sum(each.size_bytes for each in self.shared)


def lend(values: Sequence[_Value], *, shares: bool) -> Lent[_Value]:
    """Take out of the frame what is in segments already, as far as the other side can map it.

    Args:
        values: Items or answers.
        shares: Whether the other side takes segments; if not, all goes in the frame.
    """
    lent: Lent[_Value] = Lent([], [], [])
    for place, value in enumerate(values):
        view: Any = value.value
        if type(view) is not memoryview:
            lent.values.append(value)
        elif shares and isinstance(view.obj, Segment) and len(lent.shared) < MOST_SEGMENTS:
            lent.values.append(msgspec.structs.replace(value, value=_NIL))
            lent.shared.append(Shared(place, len(view.obj) - len(view), len(view)))
            lent.segments.append(view.obj)
        else:
            lent.values.append(msgspec.structs.replace(value, value=msgspec.Raw(view)))
    return lent


def check_shared(shared: Sequence[Shared], *, count: int, max_bytes: int) -> None:
    """Check what a frame says of its segments, before any of them is touched.

    Args:
        shared: What it says.
        count: How many items or answers it has.
        max_bytes: The most bytes that all of its segments may hold together.

    Raises:
        BadFrame: There are too many or too large ones, or they are for no place, or two for the same.

    Example:
        >>> check_shared([Shared(0, 0, 10)], count=1, max_bytes=9)
        Traceback (most recent call last):
        pulse_ai.core.errors.BadFrame: segments of 10 bytes are over the limit of 9
    """
    size_bytes = sum(each.size_bytes for each in shared)
    if size_bytes > max_bytes:
        raise BadFrame(f"segments of {size_bytes} bytes are over the limit of {max_bytes}")
    places = {each.place for each in shared if each.place < count}
    if len(shared) > MOST_SEGMENTS or len(places) != len(shared):
        raise BadFrame(f"{len(shared)} segments for {count} values do not have a place each")


def restore(
    values: Sequence[Item] | Sequence[Answer], shared: Sequence[Shared], views: Sequence[memoryview]
) -> None:
    """Put the values that came in segments into their places."""
    for each, view in zip(shared, views, strict=True):
        values[each.place].value = msgspec.Raw(view)
