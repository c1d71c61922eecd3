"""What an Erlang term becomes as an item of a task, and what an answer becomes as a term."""

import dataclasses
import datetime as dt
import enum
from typing import Any, NamedTuple, TypedDict

import msgspec
import numpy as np
import pytest
from tests.port.kinds import with_kinds

from pulse_ai.port import Atom
from pulse_ai.port.terms import decode_term, encode_term, term_decoder


class Item(msgspec.Struct):
    """An item with both kinds of binary, and itself inside itself."""

    name: str
    raw: bytes
    more: "list[Item] | None" = None
    by_name: dict[str, bytes] = {}
    pair: tuple[str, bytes] = ("", b"")


class Pair(NamedTuple):
    """An item that is written as a list."""

    name: str
    raw: bytes


class Typed(TypedDict):
    """An item that is a dict."""

    raw: bytearray


@dataclasses.dataclass
class Plain:
    """An item without bytes."""

    name: str
    n: int = 0


def test_the_tasks_type_says_which_binaries_are_text() -> None:
    sent: dict[str, Any] = {
        "name": "a",
        Atom("raw"): "b",
        "more": [{"name": "c", "raw": b"\xff", "more": []}],
        "by_name": {"e": "f"},
        "pair": ["g", "h"],
    }
    inner = Item("c", b"\xff", [])
    expected = Item("a", b"b", [inner], {"e": b"f"}, ("g", b"h"))
    assert term_decoder(Item).decode(encode_term(sent)) == expected


@pytest.mark.parametrize(
    ("kind", "sent", "found"),
    [
        (str, "hi", "hi"),
        (bytes, "hi", b"hi"),
        (Any, "hi", "hi"),
        (Any, b"\xff", b"\xff"),
        (dict, {"a": "b"}, {"a": "b"}),
        (str, Atom("ok"), "ok"),
        (dict[str, int], {Atom("ok"): 1}, {"ok": 1}),
        (dict, {Atom("ok"): 1}, {Atom("ok"): 1}),
        (list[bytes], ["a", b"\xff"], [b"a", b"\xff"]),
        (list[bytes], ("a",), [b"a"]),
        (tuple[bytes, str], ["a", "b"], (b"a", "b")),
        (dict[bytes, str], {"a": "b"}, {b"a": "b"}),
        (bytes | None, "a", b"a"),
        (bytes | int, "a", b"a"),
        (Pair, ["a", "b"], Pair("a", b"b")),
        (Typed, {"raw": "a"}, {"raw": bytearray(b"a")}),
        (Plain, {"name": "a", Atom("n"): 1}, Plain("a", 1)),
        (float, 1, 1.0),
        (int, 2**70, 2**70),
        (dt.date, "2026-11-22", dt.date(2026, 11, 22)),
    ],
)
def test_an_item_becomes_what_the_task_takes(kind: Any, sent: Any, found: Any) -> None:
    assert with_kinds(term_decoder(kind).decode(encode_term(sent))) == with_kinds(found)


@pytest.mark.parametrize(
    ("kind", "sent"), [(str, b"\xff"), (str, 1), (int, "1"), (bytes, [1]), (Item, {}), (dict[str, int], [1])]
)
def test_an_item_of_another_type_is_refused(kind: Any, sent: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        term_decoder(kind).decode(encode_term(sent))


def test_lists_of_numbers_become_arrays_and_go_back_as_lists() -> None:
    array = term_decoder(np.ndarray).decode(encode_term([[1, 2], [3, 4]]))
    assert array.tolist() == [[1, 2], [3, 4]]
    answer = {"scores": np.array([0.5, 1.5], "f4"), "best": np.int64(1), "first": np.float64(0.25)}
    assert decode_term(encode_term(answer)) == {"scores": [0.5, 1.5], "best": 1, "first": 0.25}


class Colour(enum.Enum):
    """An answer that has a plain value."""

    RED = "red"


def test_dataclasses_structs_and_enums_are_maps_and_plain_values() -> None:
    answer = [Plain("a"), Item("b", b"\xff"), Colour.RED, {"x"}]
    first, second, *rest = decode_term(encode_term(answer))
    assert (first, second["raw"], rest) == ({"name": "a", "n": 0}, b"\xff", ["red", ["x"]])
