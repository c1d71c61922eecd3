"""Erlang terms: what Erlang itself writes, what we write, and what nobody should."""

import contextlib
import math
import random
import sys
import tracemalloc
from typing import Any

import erlang
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.port.kinds import with_kinds

from pulse_ai.core import InvalidInput, TargetError
from pulse_ai.port import Atom
from pulse_ai.port.term_guard import (
    MOST_DEPTH,
    MOST_INTEGER_BYTES,
    MOST_LARGE_INTEGERS,
    MOST_TERMS,
    end_of_ref,
    end_of_value,
)
from pulse_ai.port.terms import decode_term, encode_term, term_decoder

# What OTP 25 writes with term_to_binary/1, without the byte 131 in front.
FROM_ERLANG: list[tuple[str, Any]] = [
    ("6107", 7),
    ("62fffffffb", -5),
    ("627fffffff", 2147483647),
    ("6e040000000080", 2147483648),
    ("6e0901000000000000000001", -18446744073709551616),
    ("463ff8000000000000", 1.5),
    ("468000000000000000", -0.0),
    ("6d000000026869", "hi"),
    ("6d00000002c3a9", "é"),
    ("6d00000001ff", b"\xff"),
    ("6400036e696c", None),
    ("640009756e646566696e6564", None),
    ("64000474727565", True),
    ("64000566616c7365", False),
    ("6400026f6b", Atom("ok")),
    ("640001e9", Atom("é")),
    ("7702c3a9", Atom("é")),  # as OTP 26 writes it
    ("6a", []),
    ("6b00020102", [1, 2]),
    ("6c000000026101620000012c6a", [1, 300]),
    ("6c000000026a6c000000016d00000001616a6a", [[], ["a"]]),
    ("680261016d0000000161", (1, "a")),
    ("74000000016d00000001716101", {"q": 1}),
    ("7400000001640001616400036e696c", {Atom("a"): None}),
]

OURS: list[tuple[Any, str]] = [
    (7, "6107"),
    (True, "770474727565"),
    (None, "77036e696c"),
    (Atom("ok"), "77026f6b"),
    ("hi", "6d000000026869"),
    (b"\xff", "6d00000001ff"),
    (bytearray(b"a"), "6d0000000161"),
    (memoryview(b"a"), "6d0000000161"),
    (1.5, "463ff8000000000000"),
    (2**31, "6e040000000080"),
    ([], "6a"),
    ([1, 2], "6c0000000261016102 6a"),
    ((), "6800"),
    ({"q": 1}, "74000000016d00000001716101"),
]

REFUSED: list[tuple[str, str, str]] = [
    ("a compressed term", "50000001c8789ccb61606030ca05122c894030ca18a28c2c004b0862e3", "compressed"),
    ("a pid", "5864000d6e6f6e6f6465406e6f686f7374000000050000000000000000", "a pid has no value"),
    (
        "a reference",
        "5a000364000d6e6f6e6f6465406e6f686f7374000000000001f5adbdb80002e20ff1f6",
        "a reference has no value",
    ),
    ("a function", "7164000665726c616e6764000769735f6c6973746101", "a function has no value"),
    ("a bitstring", "4d000000010320", "a bitstring that is no binary"),
    ("an improper list", "6c0000000161016102", "improper list"),
    ("a map as a key", "740000000174000000016107610761 07", "key of a map"),
    ("a map of maps as a key", "7400000001 7400000001 6107 6c00000001 7400000000 6a 6107", "key of a map"),
    ("a map of lists of lists as a key", "7400000001 7400000001 6107 6c000000016a6a 6107", "cannot be read"),
    ("a tuple of maps as a key", "7400000001 6801 7400000000 6107", "cannot be read"),
    ("a list as a key", "74000000016b000101 6102", "key of a map"),
    ("a tuple as a key", "7400000001680161016102", "key of a map"),
    ("two keys of one text", "7400000002 640001616101 6d00000001616102", "two keys"),
    ("NaN", "467ff8000000000000", "NaN or infinite"),
    ("another NaN", "46fff0000000000001", "NaN or infinite"),
    ("infinity", "467ff0000000000000", "NaN or infinite"),
    ("minus infinity", "46fff0000000000000", "NaN or infinite"),
    ("no bytes", "", "cut off"),
    ("a tag alone", "46", "cut off"),
    ("a cut float", "463ff80000000000", "cut off"),
    ("a cut binary", "6d000000ff6869", "cut off"),
    ("a cut length", "6d0000", "cut off"),
    ("a cut list", "6c0000000261016102", "cut off"),
    ("bytes behind", "61076107", "2 bytes follow"),
    ("an unknown tag", "ff00", "tag 255"),
    ("a tag of old floats", "63" + "30" * 31, "tag 99"),
    ("an atom that is no UTF-8", "7701ff", "cannot be read"),
    ("4 billion terms in 6 bytes", "6cffffffff6a", "announces"),
    ("2 billion pairs in 5 bytes", "7480000000", "announces"),
    ("4 billion elements in 5 bytes", "69ffffffff", "announces"),
    ("4 GiB in 5 bytes", "6dffffffff", "cut off"),
    ("an integer of 4 GiB", "6fffffffff00", "over the limit"),
    ("an integer of 1,025 bytes", "6f0000040100" + "01" * 1025, "over the limit of 1024"),
    ("65 levels", "6c00000001" * 65 + "6a" * 66, "deeper than 64"),
    ("a million levels", "6801" * 1_000_000 + "6a", "deeper than 64"),
]


@pytest.mark.parametrize(("hex_bytes", "value"), FROM_ERLANG)
def test_what_erlang_writes_is_read(hex_bytes: str, value: Any) -> None:
    found = decode_term(bytes.fromhex(hex_bytes))
    assert found == value
    assert type(found) is type(value)
    assert not isinstance(value, float) or math.copysign(1, found) == math.copysign(1, value)


@pytest.mark.parametrize(("value", "hex_bytes"), OURS)
def test_the_bytes_that_we_write(value: Any, hex_bytes: str) -> None:
    assert encode_term(value) == bytes.fromhex(hex_bytes)


@pytest.mark.parametrize(("hex_bytes", "why"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_must_not_be_read_is_refused_with_its_reason(hex_bytes: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        decode_term(bytes.fromhex(hex_bytes))


def test_at_the_limits_a_term_is_read() -> None:
    deep = decode_term(bytes.fromhex("6c00000001" * MOST_DEPTH + "6a" * (MOST_DEPTH + 1)))
    assert str(deep) == "[" * (MOST_DEPTH + 1) + "]" * (MOST_DEPTH + 1)
    largest = b"\x6f" + MOST_INTEGER_BYTES.to_bytes(4, "big") + b"\x00" + b"\xff" * MOST_INTEGER_BYTES
    assert decode_term(largest) == 256**MOST_INTEGER_BYTES - 1


def _list_of(term: bytes, count: int) -> bytes:
    return b"\x6c" + count.to_bytes(4, "big") + term * count + b"\x6a"


def test_more_terms_than_the_limit_are_refused_before_any_is_built() -> None:
    small = b"\x6b\xff\xff" + bytes(65_535)
    for hostile in (_list_of(b"\x6a", MOST_TERMS), _list_of(small, 16)):
        tracemalloc.start()
        with pytest.raises(InvalidInput, match="more than 1000000 terms"):
            decode_term(hostile)
        _, most_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most_bytes < 100_000


def test_large_integers_that_would_collide_as_keys_are_refused() -> None:
    def keys(count: int) -> bytes:
        pairs = b"".join(encode_term((2**61 - 1) * 2**64 * n) + b"\x6a" for n in range(1, count + 1))
        return b"\x74" + count.to_bytes(4, "big") + pairs

    assert len(decode_term(keys(MOST_LARGE_INTEGERS))) == MOST_LARGE_INTEGERS
    with pytest.raises(InvalidInput, match="more than 64 bits"):
        decode_term(keys(MOST_LARGE_INTEGERS + 1))


def test_atoms_leave_nothing_behind() -> None:
    def flood(start: int) -> None:
        terms = b"".join(encode_term(Atom(f"flood_{n}")) for n in range(start, start + 2000))
        assert len(decode_term(b"\x6c" + (2000).to_bytes(4, "big") + terms + b"\x6a")) == 2000

    flood(0)
    tracemalloc.start()
    for number in range(1, 6):
        flood(number * 2000)
    left_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left_bytes < 50_000


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.text(max_size=255).filter(lambda text: text not in {"nil", "undefined", "true", "false"}).map(Atom)
    | st.binary().filter(lambda raw: not _is_text(raw)),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=5)
    ),
    max_leaves=30,
)


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(value=PLAIN)
def test_what_is_written_is_read_back_the_same(value: Any) -> None:
    assert with_kinds(decode_term(encode_term(value))) == with_kinds(value)


@given(value=PLAIN, behind=st.binary(max_size=8))
def test_a_term_ends_where_it_ends_whatever_follows(value: Any, behind: bytes) -> None:
    encoded = encode_term(value)
    assert end_of_value(encoded + behind, 0) == len(encoded)
    assert end_of_ref(b"\x83h\x02" + encoded + behind, 3) == 3 + len(encoded)


@given(value=PLAIN, seed=st.integers())
def test_bytes_that_were_changed_or_cut_are_read_or_refused(value: Any, seed: int) -> None:
    chance = random.Random(seed)
    changed = bytearray(encode_term(value))
    for _ in range(chance.randint(1, 4)):
        tag = chance.choice((chance.randrange(256), chance.randrange(70, 122)))
        changed[chance.randrange(len(changed))] = tag
    cut = bytes(changed[: chance.randint(0, len(changed))])
    for hostile in (bytes(changed), cut):
        _read_or_refuse(hostile)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(hostile: bytes) -> None:
    _read_or_refuse(hostile)


def _read_or_refuse(hostile: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        decode_term(hostile)
    with contextlib.suppress(InvalidInput):
        end_of_ref(hostile, 0)
    with contextlib.suppress(InvalidInput, msgspec.ValidationError):
        term_decoder(dict[str, list[bytes]]).decode(hostile)


@given(value=PLAIN)
def test_the_guard_agrees_with_the_library_on_where_a_term_ends(value: Any) -> None:
    encoded = encode_term(value)
    erlang.binary_to_term(b"\x83" + encoded)  # it raises where bytes are left over
    assert end_of_value(encoded, 0) == len(encoded)
    with pytest.raises(InvalidInput):
        end_of_value(encoded[:-1], 0)


REFS = {
    "a reference": "5a000364000d6e6f6e6f6465406e6f686f7374000000000001f5adbdb80002e20ff1f6",
    "a From of a GenServer": "68025864000d6e6f6e6f6465406e6f686f73740000006000000000000000006c00000001640005616c"
    "6961735a000364000d6e6f6e6f6465406e6f686f7374000000000001f5b0bdb80002e20ff1f6",
    "an old pid": "6764000d6e6f6e6f6465406e6f686f7374000000050000000000",
    "a number": "6107",
}


@pytest.mark.parametrize("hex_bytes", REFS.values(), ids=REFS)
def test_a_ref_may_be_any_term_that_ends(hex_bytes: str) -> None:
    ref = bytes.fromhex(hex_bytes)
    assert end_of_ref(ref + b"\x61\x01", 0) == len(ref)
    with pytest.raises(InvalidInput):
        end_of_ref(ref[:-1], 0)


@pytest.mark.parametrize("hex_bytes", ["7164000665726c61", "5a0003ff", "", "50", "ff"])
def test_what_is_no_ref_is_refused(hex_bytes: str) -> None:
    with pytest.raises(InvalidInput):
        end_of_ref(bytes.fromhex(hex_bytes), 0)


def _loop() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (math.nan, "finite"),
        ([1.0, math.inf], "finite"),
        (np.array([math.nan]), "finite"),
        (2 ** (8 * MOST_INTEGER_BYTES), "bits"),
        (_loop(), "deeper"),
        (Atom("x" * 256), "atom"),
        ({"a": 1, b"a": 2}, "one in Erlang"),
        (object(), "object"),
        ("\udce9", "surrogates"),
    ],
)
def test_an_answer_that_has_no_term_is_an_error_that_says_why(value: Any, why: str) -> None:
    with pytest.raises((TypeError, ValueError, NotImplementedError), match=why):
        encode_term(value)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from pulse_ai.port import terms

    terms._library.cache_clear()
    monkeypatch.setitem(sys.modules, "erlang", None)
    with pytest.raises(TargetError, match=r"pulse-ai\[erlang\]"):
        term_decoder(str)
