"""The checker is a gate: what it turns down, the task's own type turns down too."""

import dataclasses
import datetime as dt
import decimal
import enum
import json
import typing
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from pulse_ai.core import LoadFailed, checker_type, schema_of


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Point(Struct):
    x: int
    y: float = 0.0


class Closed(Struct, forbid_unknown_fields=True):
    q: str
    n: int | None = None


class Tagged(Struct, tag=True):
    x: int


class Cat(Struct, tag="cat"):
    lives: int


class Dog(Struct, tag="dog"):
    good: bool


class Row(Struct, array_like=True):
    a: int
    b: str = ""


Weird = TypedDict(
    "Weird",
    {
        "é ✓": int,
        'qu"ote': typing.NotRequired[int],
        "back\\slash": typing.NotRequired[int],
        "class": typing.NotRequired[int],
    },
)


class Tree(Struct):
    value: int
    left: Optional["Tree"] = None
    right: Optional["Tree"] = None
    others: list["Tree"] = []


@dataclasses.dataclass
class Size:
    width: int
    height: int = 1


class Query(TypedDict):
    q: str
    top: typing.NotRequired[int]


class Pair(NamedTuple):
    a: int
    b: str = "b"


Deep = int
for _ in range(60):
    Deep = list[Deep]

TYPES: list[Any] = [
    Any, str, int, float, bool, None, bytes, list, dict, list[int], list[list[float]], tuple[int, str],
    tuple[int, ...], set[int], frozenset[str], dict[str, int], dict[int, str], int | str, int | float | None,
    str | None, Literal["a", "b"], Literal[1, 2], Literal["a", 1] | None, Color, Level, Point, Closed, Tagged,
    Cat | Dog, Row, Size, Query, Pair, Tree, list[Tree], Deep, dt.datetime, dt.date,
    dt.timedelta, decimal.Decimal, uuid.UUID, Point | None, list[Point | None], dict[str, list[Point]],
    Annotated[int, Meta(ge=0, le=10)], Annotated[float, Meta(gt=0, lt=1)], Annotated[int, Meta(multiple_of=3)],
    Annotated[str, Meta(min_length=1, max_length=3)], Annotated[str, Meta(pattern="^a+$")],
    Annotated[list[int], Meta(min_length=1, max_length=2)], Annotated[set[int], Meta(min_length=2)],
    Annotated[dict[str, int], Meta(min_length=1)], Annotated[bytes, Meta(min_length=2)],
    Annotated[int, Meta(ge=0)] | Annotated[str, Meta(min_length=2)], list[int] | str | None,
    Literal["a"] | int, list[Color], np.ndarray,
]  # fmt: skip

NAMES = st.sampled_from(
    [
        "x",
        "y",
        "q",
        "n",
        "top",
        "type",
        "lives",
        "good",
        "value",
        "left",
        "right",
        "others",
        "width",
        "a",
        "b",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 12)
    | st.sampled_from([0.5, -1.0, 1e300, 2**63, -(2**63) - 1, 2**70])
    | st.sampled_from(
        ["", "a", "aa", "red", "blue", "cat", "dog", "Tagged", "1", "1.5", "AAAA", "PT1S", "é\n"]
    )
    | st.sampled_from(["2024-01-01", "2024-01-01T00:00:00Z", "12345678-1234-5678-1234-567812345678"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


def _from_list(kind: Any, value: Any) -> Any:
    if not isinstance(value, list):
        raise TypeError("expected nested lists")
    return np.zeros(1)


def _accepts(decoder: msgspec.json.Decoder[Any], encoded: bytes) -> bool:
    try:
        decoder.decode(encoded)
    except msgspec.MsgspecError:  # anything else is an error of the test
        return False
    return True


JUDGES = [
    (
        kind,
        msgspec.json.Decoder(kind, dec_hook=_from_list),
        msgspec.json.Decoder(checker_type(schema_of(kind))),
    )
    for kind in TYPES
]


@settings(max_examples=400, deadline=None)
@given(value=VALUES)
def test_what_a_type_accepts_its_checker_accepts(value: Any) -> None:
    encoded = json.dumps(value).encode()
    for kind, truth, checker in JUDGES:
        assert _accepts(checker, encoded) or not _accepts(truth, encoded), kind


@given(encoded=st.binary(max_size=40))
def test_the_gate_raises_nothing_but_msgspec_errors(encoded: bytes) -> None:
    for kind in (Closed, Tree, Query, list[float], str, dict):
        checker = msgspec.json.Decoder(checker_type(schema_of(kind)))
        try:
            checker.decode(encoded)
        except UnicodeDecodeError:
            pytest.fail("bytes that are not UTF-8 must be a msgspec error")
        except msgspec.MsgspecError:
            pass


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (str, 1), (int, "1"), (int, 1.5), (float, "x"), (bool, 0), (dict, []), (list[int], [1, "a"]),
        (Color, "green"), (Level, 3), (Literal["a", "b"], "c"), (Point, {}), (Point, {"x": "1"}),
        (Closed, {"q": "", "other": 1}), (Query, {"top": 1}), (Size, {"height": 2}), (Pair, []),
        (Annotated[int, Meta(ge=0)], -1), (Annotated[str, Meta(max_length=2)], "abc"), (int | None, "x"),
        (Annotated[list[int], Meta(min_length=1)], []),
        (dict[str, int], {"a": "b"}), (list[Point], [{"x": 1}, {}]), (Tree, {"value": "x"}),
        (Tree, {"value": 1, "others": 5}), (Weird, {"é ✓": "1"}), (Weird, {}), (np.ndarray, {"a": 1}),
        (tuple[int, str], [1]),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_plainly_wrong_is_turned_down_in_the_parent(kind: Any, bad: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(bad).encode(), type=checker_type(schema_of(kind)))


def test_a_property_name_that_json_escapes_is_left_to_the_worker() -> None:
    checker = checker_type(schema_of(Weird))
    msgspec.json.decode(json.dumps({"é ✓": 1, 'qu"ote': "wrong", "class": 4}).encode(), type=checker)
    with pytest.raises(msgspec.ValidationError, match="class"):
        msgspec.json.decode(json.dumps({"é ✓": 1, "class": "wrong"}).encode(), type=checker)


def test_a_tree_with_many_branches_compiles_at_once() -> None:
    # without a memory of the definitions this would take 8 ** 32 steps
    definition = {"type": "object", "properties": {str(n): {"$ref": "#/$defs/Wide"} for n in range(8)}}
    kind = checker_type({"$ref": "#/$defs/Wide", "$defs": {"Wide": definition}})
    assert msgspec.json.decode(b'{"0": {"1": {}}}', type=kind) is not None


def test_a_pattern_is_left_to_the_worker_that_can_be_killed_for_it() -> None:
    # the search would take 2 ** 60 steps
    kind = checker_type(schema_of(Annotated[str, Meta(pattern="^(a+)+$", max_length=100)]))
    text = "a" * 60 + "!"
    assert msgspec.json.decode(json.dumps(text).encode(), type=kind) == text
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(text * 2).encode(), type=kind)


def _each_twice(inner: dict[str, str]) -> dict[str, Any]:
    """Return a schema that names another twice; 40 of them in each other are a type of 2 ** 40 parts."""
    return {"anyOf": [{"type": "array", "items": inner}, {"type": "object", "additionalProperties": inner}]}


def _as_list(inner: dict[str, str]) -> dict[str, Any]:
    return {"type": "array", "items": inner}


@pytest.mark.parametrize(("build", "count"), [(_each_twice, 40), (_as_list, 20_000)])
@pytest.mark.parametrize("required", [True, False])
def test_definitions_inside_each_other_compile_at_once(
    build: Callable[[dict[str, str]], dict[str, Any]], count: int, *, required: bool
) -> None:
    schema = {
        "type": "object",
        # from the innermost to the outermost, so that none is too deep when it is first met
        "properties": {f"p{n}": {"$ref": f"#/$defs/D{n}"} for n in range(count)},
        "required": [f"p{n}" for n in range(count)] if required else [],
        "$defs": {f"D{n}": build({"$ref": f"#/$defs/D{n - 1}"}) for n in range(1, count)}
        | {"D0": {"type": "integer"}},
    }
    good: dict[str, Any] = {f"p{n}": 1 if n == 0 else [] for n in range(count)}
    assert msgspec.json.decode(json.dumps(good).encode(), type=checker_type(schema)) is not None


def test_a_schema_with_thousands_of_parts_is_checked_in_each() -> None:
    names = [f"p{n}" for n in range(5_000)]
    properties = {name: {"type": "array", "items": {"type": "integer", "minimum": 0}} for name in names}
    checker = msgspec.json.Decoder(checker_type({"type": "object", "properties": properties}))
    checker.decode(b'{"p0": [1], "p4999": [2]}')
    for name in ("p0", "p4999"):
        with pytest.raises(msgspec.ValidationError, match=name):
            checker.decode(json.dumps({name: [-1]}).encode())


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["#/$defs/A"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            [
                "type", "properties", "required", "items", "enum", "const", "anyOf", "$ref", "$defs", "minimum",
                "maximum", "exclusiveMinimum", "pattern", "minLength", "maxItems", "additionalProperties", "A",
            ]
        ),
        inner | st.sampled_from(["object", "array", "string", "integer", "number", "union", "literal", "["]),
        max_size=5,
    ),
    max_leaves=15,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    schema=st.dictionaries(st.sampled_from(["type", "properties", "items", "$ref", "$defs", "anyOf"]), JUNK)
)
def test_any_schema_of_a_foreign_worker_gives_a_checker(schema: dict[str, Any]) -> None:
    msgspec.json.Decoder(checker_type(schema))


ODD_SCHEMAS: list[tuple[dict[str, Any], str]] = [
    ({"type": "union"}, '"x"'),
    ({"type": "definitions"}, '"x"'),
    ({"type": "string", "pattern": "["}, '"x"'),
    ({"type": "integer", "minimum": 2**80}, "1"),
    ({"type": "integer", "minimum": 1, "exclusiveMinimum": 1}, "1"),
    ({"type": "array", "minItems": -1}, "[]"),
    ({"type": "object", "properties": {"a": True}, "required": "a"}, "{}"),
    ({"anyOf": []}, "1"),
    ({"anyOf": 5}, "1"),
    ({"enum": 5}, "1"),
    ({"enum": [2**80, {}]}, "1"),
    ({"$ref": 5}, "1"),
    ({"$ref": "#/$defs/missing"}, "1"),
    ({"$defs": 5}, "1"),
    ({"type": ["string", "null"]}, "1"),
]


@pytest.mark.parametrize(("schema", "good"), ODD_SCHEMAS, ids=str)
def test_a_part_that_cannot_be_understood_is_taken_as_anything(schema: dict[str, Any], good: str) -> None:
    assert msgspec.json.decode(good, type=checker_type(schema)) == json.loads(good) or good == "{}"


def test_a_type_without_a_json_form_is_refused_when_loading() -> None:
    with pytest.raises(
        LoadFailed, match="the type complex cannot be checked: complex has no JSON form; use plain"
    ):
        schema_of(complex)


def test_a_class_with_a_broken_hint_is_refused_when_loading() -> None:
    class Broken(Struct):
        x: "Missing"  # type: ignore[name-defined]

    with pytest.raises(LoadFailed, match="cannot be checked"):
        schema_of(Broken)
