"""Items and answers as msgpack. Arrays travel as dtype, shape and raw bytes; nothing is ever pickled."""

__all__ = (
    "ARRAY_EXT",
    "MSGPACK",
    "ValueCodec",
    "array_from_list",
    "array_from_wire",
    "decode_value",
    "encode_pieces",
    "encode_value",
    "to_plain",
    "to_wire",
)

import math
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from pulse_ai.core import BadFrame, is_array_type
from pulse_ai.port.lending import Placed

ARRAY_EXT = 1
"""The msgpack extension type of an array: ``[dtype, shape, bytes]`` in msgpack, C order."""

_MOST_EMPTY = 1 << 20
_LARGE_BYTES = 128 * 1024  # the head of an array of this size has one form only, and its copies cost

_TOKEN_BYTES = 16
_NUMBERS = frozenset(("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"))
_BYTE_ORDERS = frozenset("<>|")
_MAX_DIMENSIONS = 32


def to_wire(value: Any) -> Any:
    """Turn what msgpack has no form for into what it has: arrays to ``ARRAY_EXT``, NumPy scalars to numbers.

    Raises:
        NotImplementedError: The value is of a type that cannot travel.
    """
    numpy = sys.modules.get("numpy")  # a value can only be NumPy's if somebody imported NumPy
    if numpy is not None and isinstance(value, numpy.ndarray):
        packed = (value.dtype.str, value.shape, _numbers_of(value))
        return msgspec.msgpack.Ext(ARRAY_EXT, msgspec.msgpack.encode(packed))
    if numpy is not None and isinstance(value, numpy.generic):
        plain = value.item()
        if not isinstance(plain, numpy.generic):  # a long double stays what it is
            return plain
    raise NotImplementedError(
        f"a value of type {type(value).__name__} cannot travel; use plain values or arrays"
    )


def _numbers_of(array: Any) -> memoryview:
    """Return the numbers of an array in C order as bytes; copied only where they lie otherwise.

    Raises:
        NotImplementedError: It holds something else, or has too many dimensions.
    """
    if not _can_travel(array.dtype.str, array.ndim):
        raise NotImplementedError(
            f"an array of {array.dtype} with {array.ndim} dimensions cannot travel; "
            f"use numbers or booleans of at most 16 bytes, and {_MAX_DIMENSIONS} dimensions at most"
        )
    import numpy as np

    return np.ascontiguousarray(array).reshape(-1).view("u1").data


def _can_travel(dtype_text: str, dimensions: int) -> bool:
    return dtype_text[:1] in _BYTE_ORDERS and dtype_text[1:] in _NUMBERS and dimensions <= _MAX_DIMENSIONS


def array_from_wire(code: int, packed: memoryview) -> Any:
    """Rebuild an array from an extension value. The array is read-only and shares the frame's memory.

    Raises:
        BadFrame: The extension is unknown, or dtype, shape and bytes do not fit together.
    """
    if code != ARRAY_EXT:
        raise BadFrame(f"extension type {code} is unknown")
    import numpy as np

    try:
        dtype_text, shape, raw = msgspec.msgpack.decode(packed, type=tuple[str, list[int], memoryview])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadFrame(f"an array cannot be read: {error}") from error
    if not _can_travel(dtype_text, len(shape)) or min(shape, default=0) < 0:
        raise BadFrame(f"an array of {dtype_text!r} with shape {shape} cannot travel")
    dtype = np.dtype(dtype_text)
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise BadFrame(f"an array of {dtype_text} with shape {shape} does not have {len(raw)} bytes")
    if not raw and math.prod(filter(None, shape)) > _MOST_EMPTY:  # so many empty lists it would be in JSON
        raise BadFrame(f"an array without numbers, of shape {shape}, is over {_MOST_EMPTY} rows")
    try:
        return np.frombuffer(raw, dtype).reshape(shape)
    except (ValueError, OverflowError) as error:  # empty, but with a dimension that no machine has
        raise BadFrame(f"an array of {dtype_text} cannot have the shape {shape}: {error}") from error


def array_from_list(kind: type, value: Any) -> Any:
    """Make an array where a task's item is hinted as one and nested lists came (msgspec's ``dec_hook``).

    Raises:
        ValueError: The value is no list, or the lists are ragged or hold something else than numbers.
    """
    if not is_array_type(kind):
        raise NotImplementedError(f"cannot make a {kind} from a {type(value).__name__}")
    import numpy as np

    if type(value) is not list and not hasattr(value, "__array__"):
        raise ValueError(f"expected an array or nested lists, got {type(value).__name__}")
    array: Any = np.asarray(cast("Any", value))
    if not _can_travel(array.dtype.str, array.ndim):
        raise ValueError("expected an array of numbers")
    return array


def to_plain(value: Any) -> Any:
    """Turn arrays and NumPy scalars into lists and numbers, for JSON.

    Raises:
        NotImplementedError: The value has no JSON form.
    """
    if hasattr(value, "tolist") and not isinstance(plain := value.tolist(), type(value)):
        return plain
    raise NotImplementedError(f"a value of type {type(value).__name__} has no JSON form")


def value_decoder(kind: Any) -> Any:
    """Return a msgpack decoder for values of a type, arrays included.

    Example:
        >>> value_decoder(list[int]).decode(encode_value([1, 2]))
        [1, 2]
    """
    return msgspec.msgpack.Decoder(kind, ext_hook=array_from_wire, dec_hook=array_from_list)


class _LargeArrayError(Exception):
    """There is an array that should not be copied with the rest."""


def _refuse_large(value: Any) -> Any:
    if getattr(value, "nbytes", 0) >= _LARGE_BYTES and is_array_type(type(value)):
        raise _LargeArrayError
    return to_wire(value)


_encoder = msgspec.msgpack.Encoder(enc_hook=_refuse_large)
_decoder = msgspec.msgpack.Decoder(ext_hook=array_from_wire)


def encode_value(value: Any) -> bytes:
    """Encode an item or an answer. A large array is copied once.

    Raises:
        TypeError: The value, or a part of it, cannot travel; the text names the type.

    Example:
        >>> encode_value({"q": "hi"}).hex()
        '81a171a26869'
    """
    return b"".join(encode_pieces(value))  # one piece of bytes is not copied


def encode_pieces(value: Any) -> Sequence[bytes | memoryview]:
    r"""Encode an item or an answer without copying its large arrays: ``encode_value`` in pieces.

    Returns:
        The encoded value in order. A large array is a piece, in its own memory.

    Raises:
        TypeError: The value, or a part of it, cannot travel; the text names the type.

    Example:
        >>> encode_pieces("hi")
        (b'\xa2hi',)
    """
    try:
        try:
            return (_encoder.encode(value),)
        except _LargeArrayError:
            return _encode_round_arrays(value)
    except RecursionError as error:
        raise TypeError("the value cannot travel: it holds itself, or is nested too deep") from error
    except (NotImplementedError, ValueError, OverflowError) as error:
        raise TypeError(str(error)) from error


def _encode_round_arrays(value: Any) -> list[bytes | memoryview]:
    """Encode with a token where each large array should be, and put the arrays there."""
    token = os.urandom(_TOKEN_BYTES)  # nobody who writes an item can know it
    arrays: list[memoryview] = []

    def put_token(part: Any) -> Any:
        if getattr(part, "nbytes", 0) < _LARGE_BYTES or not is_array_type(type(part)):
            return to_wire(part)
        numbers = _numbers_of(part)
        arrays.append(numbers)
        return msgspec.Raw(_array_head(part, len(numbers)) + token)

    first, *rest = msgspec.msgpack.encode(value, enc_hook=put_token).split(token)
    pieces: list[bytes | memoryview] = [first]
    for array, text in zip(arrays, rest, strict=True):
        pieces += (array, text)
    return pieces


def _array_head(array: Any, size_bytes: int) -> bytes:
    """Return what stands in front of the numbers of an array: of the extension, the list and the bytes."""
    inner = (
        msgspec.msgpack.encode((array.dtype.str, array.shape, b""))[:-2]
        + b"\xc6"
        + size_bytes.to_bytes(4, "big")
    )
    return b"\xc9" + (len(inner) + size_bytes).to_bytes(4, "big") + bytes([ARRAY_EXT]) + inner


def decode_value(encoded: bytes | memoryview | msgspec.Raw) -> Any:
    """Decode an item or an answer into plain values and arrays.

    Raises:
        BadFrame: The bytes are not one whole msgpack value, or an array in them is broken.

    Example:
        >>> decode_value(bytes.fromhex("81a171a26869"))
        {'q': 'hi'}
    """
    try:
        return _decoder.decode(encoded)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadFrame(f"a value cannot be read: {error}") from error


class ValueCodec(NamedTuple):
    """What the bytes of an item and of an answer mean.

    Attributes:
        decoder: Gives for a type an object whose ``decode`` reads items of that type.
        encode: Turns an answer into bytes, or says where in the shared area they are; raises where it has no form.
    """

    decoder: Callable[[Any], Any]
    encode: Callable[[Any], bytes | Placed]


MSGPACK = ValueCodec(value_decoder, encode_value)
"""The values of protocol 1."""
