"""Where an Erlang term ends in a frame, and whether it may be read: known before anything of it is built.

A term is walked tag by tag over the bytes, without recursion and without making a value, under five bounds:
depth, number of terms, bytes of an integer, number of large integers, and no count that the bytes which are left
cannot hold. So what a decoder builds afterwards is bounded by the bytes that came, whoever wrote them. The tags
are those of Erlang's External Term Format, https://www.erlang.org/doc/apps/erts/erl_ext_dist.html.
"""

__all__ = (
    "MOST_DEPTH",
    "MOST_INTEGER_BYTES",
    "MOST_LARGE_INTEGERS",
    "MOST_TERMS",
    "end_of_ref",
    "end_of_value",
)

from collections.abc import Callable

from pulse_ai.core import InvalidInput

MOST_DEPTH = 64
"""Lists, tuples and maps inside each other."""
MOST_TERMS = 1_000_000
"""Terms in one payload; each character of a list of small integers counts."""
MOST_INTEGER_BYTES = 1024
"""Bytes of one integer: 2,466 decimal digits."""
MOST_LARGE_INTEGERS = 1000
"""Integers over 64 bits in one payload. More of them as keys of a map could be chosen to collide."""

_NEW_FLOAT, _SMALL_INTEGER, _INTEGER, _NIL = 70, 97, 98, 106
_SMALL_BIG, _LARGE_BIG = 110, 111
_SMALL_TUPLE, _LARGE_TUPLE, _LIST, _MAP = 104, 105, 108, 116
_STRING, _BINARY = 107, 109
_ATOM, _SMALL_ATOM, _ATOM_UTF8, _SMALL_ATOM_UTF8 = 100, 115, 118, 119

# Bytes of the whole term, where the tag alone says how many.
_FIXED_BYTES = {_SMALL_INTEGER: 2, _INTEGER: 5, _NIL: 1}
# Bytes of the length after the tag, where that many bytes follow it; integers have a sign byte besides.
_SIZED = {
    _SMALL_ATOM: 1,
    _SMALL_ATOM_UTF8: 1,
    _ATOM: 2,
    _ATOM_UTF8: 2,
    _STRING: 2,
    _BINARY: 4,
    _SMALL_BIG: 1,
    _LARGE_BIG: 4,
}
# Bytes of the count after the tag, terms for each of it, and terms that follow (the tail of a list).
_COUNTED = {_SMALL_TUPLE: (1, 1, 0), _LARGE_TUPLE: (4, 1, 0), _LIST: (4, 1, 1), _MAP: (4, 2, 0)}
_ATOMS = frozenset((_ATOM, _SMALL_ATOM, _ATOM_UTF8, _SMALL_ATOM_UTF8))
# What only Erlang itself can use: a ref may be or hold it, a payload may not. Each is an atom, the name of a node,
# followed by this many bytes; for references the count of 4-byte words comes first.
_AFTER_NODE = {88: 12, 103: 9, 89: 8, 102: 5, 120: 12, 101: 5}
_REFERENCES = {90: 4, 114: 1}
_NAMES = {
    77: "a bitstring that is no binary",
    80: "a compressed term",
    88: "a pid",
    103: "a pid",
    89: "a port",
    102: "a port",
    120: "a port",
    90: "a reference",
    101: "a reference",
    114: "a reference",
    112: "a function",
    113: "a function",
    117: "a function",
}

_Opaque = Callable[["_Walk", int, int], int]


def end_of_value(frame: bytes, start: int) -> int:
    r"""Return where the term that begins at ``start`` ends, or refuse it: it will be read into a value.

    Raises:
        InvalidInput: It is cut off, over a bound, not finite, or of a kind that has no value here.

    Example:
        >>> end_of_value(b"\x6d\x00\x00\x00\x02hi", 0)
        7
    """
    return _Walk(frame).end(start, _refuse)


def end_of_ref(frame: bytes, start: int) -> int:
    """Return where the term that begins at ``start`` ends; it will be sent back as it came and never read.

    Raises:
        InvalidInput: It is cut off, over a bound, or no term.
    """
    return _Walk(frame).end(start, _pass_over)


class _Walk:
    """One walk over one term."""

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self._terms = 1
        self._large_integers = 0

    def end(self, at: int, opaque: _Opaque) -> int:
        """Return where the term at ``at`` ends; ``opaque`` is asked about tags that are no plain value's."""
        frame, size_bytes = self.frame, len(self.frame)
        waiting: list[int] = []  # for each level that is open, how many of its terms are still to come
        left = 1
        while left or waiting:
            if not left:
                left = waiting.pop()
                continue
            left -= 1
            if at >= size_bytes:
                raise _cut_off(at + 1, size_bytes)
            whole_bytes = _FIXED_BYTES.get(frame[at])
            if whole_bytes is not None:
                at += whole_bytes
                continue
            at, inside = self._step(frame[at], at, opaque)
            if inside:
                waiting.append(left)
                left = inside
                if len(waiting) > MOST_DEPTH:
                    raise InvalidInput(f"the term is nested deeper than {MOST_DEPTH} levels; flatten it")
        if at > size_bytes:
            raise _cut_off(at, size_bytes)
        return at

    def _step(self, tag: int, at: int, opaque: _Opaque) -> tuple[int, int]:
        """Return where the next term begins, and how many terms of this one come first."""
        if tag in _COUNTED:
            return self._container(tag, at + 1)
        if tag == _NEW_FLOAT:
            self._require_finite(at)
            return at + 9, 0
        if tag in _SIZED:
            return self._sized(tag, at + 1), 0
        return opaque(self, tag, at), 0

    def number(self, at: int, size_bytes: int) -> int:
        """Return the unsigned number of that many bytes; of what is missing, as if it were 0."""
        return int.from_bytes(self.frame[at : at + size_bytes], "big")

    def _container(self, tag: int, at: int) -> tuple[int, int]:
        """Return where the first term inside begins, and how many come."""
        count_bytes, terms_each, tail = _COUNTED[tag]
        count = self.number(at, count_bytes) * terms_each + tail
        at += count_bytes
        left_bytes = max(len(self.frame) - at, 0)
        if count > left_bytes:  # a term has at least one byte
            raise InvalidInput(f"the term announces {count} terms where {left_bytes} bytes are left")
        self._count_terms(count)
        return at, count

    def _sized(self, tag: int, at: int) -> int:
        length_bytes = _SIZED[tag]
        length = self.number(at, length_bytes)
        at += length_bytes + length
        if tag == _STRING:
            self._count_terms(length)
        elif tag in (_SMALL_BIG, _LARGE_BIG):
            at += 1  # the sign
            self._count_integer(length)
        return at

    def _count_terms(self, count: int) -> None:
        self._terms += count
        if self._terms > MOST_TERMS:
            raise InvalidInput(f"the payload has more than {MOST_TERMS} terms; send large arrays as a binary")

    def _count_integer(self, length: int) -> None:
        if length > MOST_INTEGER_BYTES:
            raise InvalidInput(f"an integer of {length} bytes is over the limit of {MOST_INTEGER_BYTES}")
        self._large_integers += length > 8
        if self._large_integers > MOST_LARGE_INTEGERS:
            raise InvalidInput(f"over {MOST_LARGE_INTEGERS} integers have more than 64 bits; send less")

    def _require_finite(self, at: int) -> None:
        """Refuse the bits of NaN and infinity, which Erlang itself never writes."""
        if self.number(at + 1, 2) & 0x7FF0 == 0x7FF0:  # the exponent is all ones
            raise InvalidInput("a float is NaN or infinite; send finite numbers")


def _refuse(walk: _Walk, tag: int, at: int) -> int:
    del walk, at
    what = _NAMES.get(tag, f"a term with the tag {tag}")
    raise InvalidInput(f"{what} has no value here; send binaries, numbers, atoms, lists, tuples and maps")


def _pass_over(walk: _Walk, tag: int, at: int) -> int:
    """Return where a pid, port or reference ends."""
    if tag in _REFERENCES:
        rest_bytes = 4 * walk.number(at + 1, 2) + _REFERENCES[tag]
        at += 3
    elif tag in _AFTER_NODE:
        rest_bytes = _AFTER_NODE[tag]
        at += 1
    else:
        raise InvalidInput(
            f"{_NAMES.get(tag, f'the tag {tag}')} cannot be a ref; use make_ref() or an integer"
        )
    node = walk.number(at, 1)
    if node not in _ATOMS:
        raise InvalidInput(f"a ref has the tag {node} where the name of a node belongs")
    length_bytes = _SIZED[node]
    return at + 1 + length_bytes + walk.number(at + 1, length_bytes) + rest_bytes


def _cut_off(needs: int, has: int) -> InvalidInput:
    return InvalidInput(f"the term is cut off: it needs at least {needs} bytes of the {has} that came")
