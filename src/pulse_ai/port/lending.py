"""Which values of a message go through the shared area, and what its frame says of them. No I/O here."""

__all__ = (
    "SHARED_LEAST_BYTES",
    "AreaOffer",
    "Lent",
    "Placed",
    "Room",
    "aligned",
    "check_shared",
    "lend",
    "restore",
)

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from pulse_ai.core import BadFrame
from pulse_ai.port.messages import Answer, Item, Shared

SHARED_LEAST_BYTES = 128 * 1024
"""A value of this size or more goes through the area; chosen by benchmarks/shared_memory.py."""

_ALIGN_BYTES = 64  # where a value begins: at a cache line
_NIL = msgspec.Raw(b"\xc0")

_Value = TypeVar("_Value", Item, Answer)


class Room(NamedTuple):
    """The part of the area that one side writes: from ``start`` up to ``end``."""

    start: int
    end: int


class AreaOffer(NamedTuple):
    """The area as HELLO offers it: its descriptor, what the parent writes, and what the worker writes."""

    fd: int
    parents: Room
    workers: Room


class Placed:
    """An encoded value that is in the area already. It stands for the value of an answer on its way out."""

    __slots__ = ("size_bytes", "start")

    def __init__(self, start: int, size_bytes: int) -> None:
        self.start = start
        self.size_bytes = size_bytes

    def __len__(self) -> int:
        return self.size_bytes


class Lent(NamedTuple, Generic[_Value]):
    """The values of a message as they go out.

    Attributes:
        values: The items or answers; those that go through the area are nil.
        shared: What the frame says of those.
        contents: What is to be written for each of them; None where it is there already.
    """

    values: list[_Value]
    shared: list[Shared]
    contents: list[msgspec.Raw | None]


def lend(values: list[_Value], room: Room | None) -> Lent[_Value]:
    r"""Take large values out of the frame, as far as there is room.

    Args:
        values: Items or answers.
        room: Where they can be written; None: nowhere, all goes in the frame.

    Example:
        >>> lent = lend([Item(1, msgspec.Raw(b"\x01")), Item(2, msgspec.Raw(bytes(200_000)))], Room(0, 1_000_000))
        >>> lent.shared, bytes(lent.values[1].value)
        ([Shared(place=1, start=0, size_bytes=200000)], b'\xc0')
    """
    if room is not None:
        for value in values:
            if len(value.value) >= SHARED_LEAST_BYTES:  # what is placed is as long
                return _lend(values, room)
    return Lent(values, [], [])


def _lend(values: Sequence[_Value], room: Room) -> Lent[_Value]:
    lent: Lent[_Value] = Lent([], [], [])
    start = aligned(room.start)
    for place, value in enumerate(values):
        content: Any = value.value
        size_bytes = len(content)
        if isinstance(content, Placed):
            lent.shared.append(Shared(place, content.start, size_bytes))
            lent.contents.append(None)
        elif size_bytes >= SHARED_LEAST_BYTES and start + size_bytes <= room.end:
            lent.shared.append(Shared(place, start, size_bytes))
            lent.contents.append(content)
            start = aligned(start + size_bytes)
        else:
            lent.values.append(value)
            continue
        lent.values.append(msgspec.structs.replace(value, value=_NIL))
    return lent


def aligned(start: int) -> int:
    """Return the next place where a value may begin.

    Example:
        >>> aligned(1), aligned(64)
        (64, 64)
    """
    return start + -start % _ALIGN_BYTES


def check_shared(shared: Sequence[Shared], *, count: int, room: Room | None) -> None:
    """Check what a frame says of the area, before any of it is read.

    Args:
        shared: What it says.
        count: How many items or answers it has.
        room: What its sender may write; None: nothing was agreed on.

    Raises:
        BadFrame: A value is outside of the room, or has no place, or two have the same; or they are longer
            together than the room, so that they overlap.

    Example:
        >>> check_shared([Shared(0, 90, 20)], count=1, room=Room(0, 100))
        Traceback (most recent call last):
        pulse_ai.core.errors.BadFrame: a value from 90 to 110 is not in the shared area from 0 to 100
    """
    if not shared:
        return
    if room is None:
        raise BadFrame("the frame speaks of a shared area, but that was not agreed on")
    for each in shared:
        end = each.start + each.size_bytes
        if each.start < room.start or end > room.end:
            raise BadFrame(
                f"a value from {each.start} to {end} is not in the shared area from {room.start} to {room.end}"
            )
    places = {each.place for each in shared if each.place < count}
    if len(places) != len(shared) or sum(each.size_bytes for each in shared) > room.end - room.start:
        raise BadFrame(
            f"{len(shared)} values in the shared area do not have a place each, for {count} in the frame"
        )


def restore(
    values: Sequence[Item] | Sequence[Answer],
    shared: Sequence[Shared],
    contents: Sequence[bytes | memoryview],
) -> None:
    """Put values that were read from the area into their places."""
    for each, content in zip(shared, contents, strict=True):
        values[each.place].value = msgspec.Raw(content)
