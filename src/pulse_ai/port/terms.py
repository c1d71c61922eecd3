"""Erlang terms and Python values: what each becomes on the other side.

The bytes are read and written by ``erlang_py``, which is asked only about terms that ``term_guard`` let pass. This
module maps between its classes and plain values:

====================  ======================================================================================
binary                ``str`` or ``bytes``, as the task's type says; where it says nothing, text if it is UTF-8
atom                  ``Atom``, a kind of ``str``; ``true``, ``false`` are booleans; ``nil``, ``undefined`` None
integer, float        the same; a float is finite
list, tuple, map      ``list``, ``tuple``, ``dict``; the keys of a map are binaries, atoms and numbers
====================  ======================================================================================

The way back is the same with ``str`` and ``bytes`` both a binary, and None ``nil``. Arrays become lists, and
dataclasses and Structs maps with binaries as keys.
"""

__all__ = ("TERMS", "VERSION_MAGIC", "Atom", "decode_term", "encode_term", "term_decoder")

import functools
import math
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import msgspec

from pulse_ai.core import InvalidInput, TargetError
from pulse_ai.port.binaries import Shape, shape_of
from pulse_ai.port.term_guard import MOST_DEPTH, MOST_INTEGER_BYTES, end_of_value
from pulse_ai.port.values import ValueCodec, array_from_list, to_plain

VERSION_MAGIC = b"\x83"
"""The first byte of a term that stands alone: 131."""

_MOST_ATOM_CHARACTERS = 255  # Erlang's own limit
_BYTES = (bytes, bytearray, memoryview)


class Atom(str):
    """An Erlang atom: text that goes back as an atom, where other text goes back as a binary.

    Answer with atoms from a fixed set only: the BEAM keeps each one for ever.

    Example:
        >>> Atom("ok") == "ok"
        True
    """

    __slots__ = ()


@functools.cache
def _library() -> ModuleType:
    try:
        import erlang
    except ImportError as error:
        raise TargetError("Erlang's terms need the extra 'erlang': pip install 'pulse-ai[erlang]'") from error
    return erlang


def decode_term(encoded: bytes, shape: Shape | None = None) -> Any:
    r"""Read one term, without the byte 131 in front, into plain values.

    Args:
        encoded: The whole term and nothing after it.
        shape: From ``shape_of``: which binaries are text and which are bytes.

    Raises:
        InvalidInput: It is cut off, over a bound, or holds what has no value here.

    Example:
        >>> decode_term(b"\x6d\x00\x00\x00\x02hi")
        'hi'
    """
    end = end_of_value(encoded, 0)
    if end != len(encoded):
        raise InvalidInput(f"{len(encoded) - end} bytes follow the term")
    try:
        term = _library().binary_to_term(VERSION_MAGIC + encoded)
    except (ValueError, TypeError) as error:  # text that is no UTF-8, or a map's key that Python cannot hash
        raise InvalidInput(f"the term cannot be read: {error}") from error
    return _to_value(term, shape)


def _to_value(term: Any, shape: Shape | None) -> Any:
    """Turn what the library made into plain values."""
    read = _readers().get(term.__class__)
    if read is None:
        raise InvalidInput("an improper list, or a list or map as the key of a map, has no value here")
    return read(term, shape)


@functools.cache
def _readers() -> dict[type, Callable[[Any, Shape | None], Any]]:
    """Return how each type that the library makes becomes a value."""
    erlang = _library()
    return {
        **dict.fromkeys((int, float, bool, type(None)), _read_same),
        erlang.OtpErlangBinary: _read_binary,
        erlang.OtpErlangAtom: _read_atom,
        bytes: _read_small_integers,
        list: _read_elements,
        tuple: lambda term, shape: tuple(_read_elements(term, shape)),
        dict: _read_map,
    }


def _read_same(term: Any, shape: Shape | None) -> Any:
    del shape
    return term


def _read_binary(term: Any, shape: Shape | None) -> str | bytes:
    value: bytes = term.value
    if shape is not None and shape.is_bytes:
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value  # where the type says text, the check of the type refuses it


def _read_atom(term: Any, shape: Shape | None) -> str | None:
    name: str | bytes = term.value
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    if text == "nil":
        return None
    return text if shape is not None and shape.is_text else Atom(text)


def _read_small_integers(term: bytes, shape: Shape | None) -> list[int]:
    """Read a list of integers from 0 to 255: Erlang writes it as if it were text."""
    del shape
    return list(term)


def _read_elements(term: Iterable[Any], shape: Shape | None) -> list[Any]:
    if shape is None:
        return [_to_value(part, None) for part in term]
    return [_to_value(part, shape.element(number)) for number, part in enumerate(term)]


def _read_map(term: dict[Any, Any], shape: Shape | None) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, part in term.items():
        name = _to_value(key, shape and shape.keys)
        if not isinstance(name, (str, bytes, int, float)) and name is not None:
            raise InvalidInput("a key of a map that is no binary, atom or number has no value here")
        found[name] = _to_value(part, shape and shape.value(name))
    if len(found) != len(term):
        raise InvalidInput("two keys of a map are the same here, like an atom and a binary of one text")
    return found


class _TermDecoder:
    """Reads items of one type."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._shape = shape_of(kind)

    def decode(self, encoded: bytes) -> Any:
        value = decode_term(bytes(encoded), self._shape)
        if self._kind is Any:
            return value
        return msgspec.convert(value, self._kind, builtin_types=_BYTES, dec_hook=array_from_list)


def term_decoder(kind: Any) -> Any:
    r"""Return a decoder for items of a type; what it raises is the item's error.

    Example:
        >>> term_decoder(bytes).decode(b"\x6d\x00\x00\x00\x02hi")
        b'hi'
    """
    _library()
    return _TermDecoder(kind)


def encode_term(value: Any) -> bytes:
    """Write an answer as a term, without the byte 131 in front.

    Raises:
        TypeError: A part of it is of a type that has no term.
        ValueError: A number that is not finite or too large, a loop, or two keys that become the same.

    Example:
        >>> encode_term({"q": None}).hex(" ")
        '74 00 00 00 01 6d 00 00 00 01 71 77 03 6e 69 6c'
    """
    return _library().term_to_binary(_to_term(value, MOST_DEPTH))[1:]


def _to_term(value: Any, levels: int) -> Any:
    """Turn a value into what the library writes as this module's table says."""
    write = _WRITERS.get(value.__class__)
    if write is not None:
        return write(value, levels)
    plain = msgspec.to_builtins(value, builtin_types=(*_BYTES, Atom), enc_hook=to_plain)
    return _to_term(plain, levels)


def _inside(levels: int) -> int:
    if levels == 0:
        raise ValueError(f"the answer is nested deeper than {MOST_DEPTH} levels")
    return levels - 1


def _write_same(value: Any, levels: int) -> Any:
    del levels
    return value


def _write_float(value: float, levels: int) -> float:
    del levels
    if not math.isfinite(value):
        raise ValueError(f"{value} has no form in Erlang; answer with finite numbers")
    return value


def _write_integer(value: int, levels: int) -> int:
    del levels
    if value.bit_length() > 8 * MOST_INTEGER_BYTES:
        raise ValueError(f"an integer of {value.bit_length()} bits is over {8 * MOST_INTEGER_BYTES}")
    return value


def _write_nil(value: None, levels: int) -> Any:
    del value, levels
    return _library().OtpErlangAtom("nil")


def _write_atom(value: Atom, levels: int) -> Any:
    del levels
    if len(value) > _MOST_ATOM_CHARACTERS:
        raise ValueError(f"an atom of {len(value)} characters is over {_MOST_ATOM_CHARACTERS}")
    return _library().OtpErlangAtom(str(value))


def _write_text(value: str, levels: int) -> Any:
    del levels
    return _library().OtpErlangBinary(value.encode())


def _write_bytes(value: bytes | bytearray | memoryview, levels: int) -> Any:
    del levels
    return _library().OtpErlangBinary(bytes(value))


def _write_list(value: list[Any], levels: int) -> list[Any]:
    inside = _inside(levels)
    return [_to_term(part, inside) for part in value]


def _write_tuple(value: tuple[Any, ...], levels: int) -> tuple[Any, ...]:
    return tuple(_write_list(list(value), levels))


def _write_map(value: dict[Any, Any], levels: int) -> dict[Any, Any]:
    inside = _inside(levels)
    terms = {_to_term(key, inside): _to_term(part, inside) for key, part in value.items()}
    if len(terms) != len(value):
        raise ValueError("two keys of a dict are one in Erlang, like 'a' and b'a'")
    return terms


_WRITERS: dict[type, Callable[[Any, int], Any]] = {
    bool: _write_same,
    int: _write_integer,
    float: _write_float,
    type(None): _write_nil,
    str: _write_text,
    Atom: _write_atom,
    **dict.fromkeys(_BYTES, _write_bytes),
    list: _write_list,
    tuple: _write_tuple,
    dict: _write_map,
}

TERMS = ValueCodec(term_decoder, encode_term)
"""The values of a foreign parent that speaks Erlang's terms."""
