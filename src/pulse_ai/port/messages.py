"""The messages of protocol 1. Each is a msgpack array whose first element says which one it is.

New fields have defaults and go last, so that an older side can read a newer one's messages. The document that
a worker in another language is written from is docs/port-protocol.md.
"""

__all__ = (
    "OK",
    "OUT_OF_MEMORY",
    "Answer",
    "Batch",
    "ChildMessage",
    "Fatal",
    "Hello",
    "Item",
    "ParentMessage",
    "Ping",
    "Pong",
    "Progress",
    "Ready",
    "Result",
    "Shared",
    "Shutdown",
    "Timing",
    "decode_from_child",
    "decode_from_parent",
    "encode_message",
)

from typing import Annotated

import msgspec

from pulse_ai.core import BadFrame, Manifest, TaskSpec
from pulse_ai.port.frames import HEADER_BYTES, frame_header

OK = "ok"
"""The code of an answer that is a result."""

OUT_OF_MEMORY = "OutOfMemory"
"""The code of FATAL where the worker ends because it has no memory left; its parent counts such deaths apart."""


class Item(msgspec.Struct, array_like=True):
    """One item of a batch: an id that comes back with its answer, and the encoded value."""

    id: int
    value: msgspec.Raw


class Answer(msgspec.Struct, array_like=True):
    """The answer to one item: ``ok`` and the encoded result, or an error's code and its text.

    On its way out the value may be ``Placed``; ``lend`` takes it out before the frame is encoded.
    """

    id: int
    code: str
    value: msgspec.Raw


class Shared(msgspec.Struct, array_like=True):
    """A value that is not in the frame but in the shared area.

    Attributes:
        place: Which of the items or answers it is, from 0; its value in the frame is nil.
        start: Where in the area it begins.
        size_bytes: Its length.
    """

    place: Annotated[int, msgspec.Meta(ge=0)]
    start: Annotated[int, msgspec.Meta(ge=0)]
    size_bytes: Annotated[int, msgspec.Meta(ge=0)]


class Hello(msgspec.Struct, array_like=True, tag=1):
    """Parent: the first message. What to serve, under which name, and the longest frame it will take.

    ``area_fd`` is the descriptor of the shared area; -1: there is none. ``warm_up_items`` is up to how many
    items a batch may have that is timed before READY; 0: none should be.
    """

    protocol: int
    name: str
    max_frame_bytes: int
    task: TaskSpec | None = None
    area_fd: int = -1
    warm_up_items: int = 0


class Batch(msgspec.Struct, array_like=True, tag=2):
    """Parent: predict these. The next one comes only after this one's RESULT."""

    id: int
    items: list[Item]
    shared: list[Shared] = []


class Ping(msgspec.Struct, array_like=True, tag=3):
    """Parent, while no batch is out: are you there?"""

    nonce: int


class Shutdown(msgspec.Struct, array_like=True, tag=4):
    """Parent: end now, with exit code 0."""


class Timing(msgspec.Struct, array_like=True):
    """What one batch of the warm-up took."""

    items: Annotated[int, msgspec.Meta(ge=1)]
    cost_bytes: Annotated[int, msgspec.Meta(ge=0)]
    took_s: Annotated[float, msgspec.Meta(ge=0.0, le=3600.0)]


class Ready(msgspec.Struct, array_like=True, tag=17):
    """Child: loaded; batches may come, and their large values in the shared area where it says so."""

    protocol: int
    manifest: Manifest
    area: bool = False
    timings: Annotated[list[Timing], msgspec.Meta(max_length=256)] = []


class Progress(msgspec.Struct, array_like=True, tag=18):
    """Child, before READY: how far loading is, in [0, 1] or nil, and what is being done."""

    fraction: float | None
    text: str


class Result(msgspec.Struct, array_like=True, tag=19):
    """Child: one answer for each item of the batch, in any order, and the seconds that it took.

    ``kept_bytes`` is how much of the shared area, from its start, the task still uses: it is not to be written.
    """

    id: int
    answers: list[Answer]
    busy_s: float = 0.0
    counts: dict[str, int] = {}
    shared: list[Shared] = []
    kept_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0


class Pong(msgspec.Struct, array_like=True, tag=20):
    """Child: I am; with the nonce of the PING."""

    nonce: int


class Fatal(msgspec.Struct, array_like=True, tag=21):
    """Child, last message: why it ends. The code is the name of an error in core/errors.py, or OUT_OF_MEMORY."""

    code: str
    text: str


ParentMessage = Hello | Batch | Ping | Shutdown
ChildMessage = Ready | Progress | Result | Pong | Fatal

_from_parent = msgspec.msgpack.Decoder(ParentMessage)
_from_child = msgspec.msgpack.Decoder(ChildMessage)
_encoder = msgspec.msgpack.Encoder()


def encode_message(message: ParentMessage | ChildMessage, *, max_frame_bytes: int) -> bytearray:
    """Return the message as one frame, length included.

    Raises:
        FrameTooLarge: The message does not fit into a frame; nothing must be sent.

    Example:
        >>> encode_message(Ping(7), max_frame_bytes=100).hex()
        '00000003920307'
    """
    frame = bytearray(HEADER_BYTES)
    _encoder.encode_into(message, frame, HEADER_BYTES)
    frame[:HEADER_BYTES] = frame_header(len(frame) - HEADER_BYTES, max_frame_bytes=max_frame_bytes)
    return frame


def decode_from_parent(frame: bytes) -> ParentMessage:
    """Read a frame that the parent sent.

    Raises:
        BadFrame: It holds no message that a parent may send.
    """
    try:
        return _from_parent.decode(frame)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadFrame(f"the parent sent a frame that cannot be read: {error}") from error


def decode_from_child(frame: bytes) -> ChildMessage:
    """Read a frame that the worker sent.

    Raises:
        BadFrame: It holds no message that a worker may send.
    """
    try:
        return _from_child.decode(frame)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadFrame(f"the worker sent a frame that cannot be read: {error}") from error
