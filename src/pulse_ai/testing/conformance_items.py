"""Items to try a worker with, made from the JSON Schema in its manifest."""

__all__ = ("HOSTILE_VALUES", "example_of", "fits", "wrong_item")

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from pulse_ai.core import checker_type
from pulse_ai.port import encode_value

_MAX_DEPTH = 16
_FAR = 2.0**52
_DEEP = 200  # levels; a JSON body can bring that many

_WRONG: tuple[Any, ...] = ({"": [None]}, "wrong", 0.5, None, [[{}]])


def _nested(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = [value]
    return value


def _ext(code: int, body: bytes) -> bytes:
    return msgspec.msgpack.encode(msgspec.msgpack.Ext(code, body))


HOSTILE_VALUES: tuple[tuple[str, bytes], ...] = (
    *(
        (name, encode_value(value))
        for name, value in (
            ("nil", None),
            ("true", True),
            ("0", 0),
            ("2^64 - 1", 2**64 - 1),
            ("-2^63", -(2**63)),
            ("NaN", float("nan")),
            ("infinity", float("inf")),
            ("empty text", ""),
            ("text with a zero byte", "a\0b"),
            ("text beyond the first plane", "\U0001f600" * 20),
            ("70,000 characters", "x" * 70_000),
            ("bytes that are no UTF-8", b"\xff\xfe"),
            ("an empty list", []),
            ("an empty map", {}),
            ("a map with a number as key", {1: 2}),
            ("a map with the key __proto__", {"__proto__": {"polluted": 1}}),
            ("70,000 items in a list", [None] * 70_000),
            (f"{_DEEP} lists in each other", _nested(1, _DEEP)),
        )
    ),
    ("an array", _ext(1, encode_value(["<i2", [2], b"\1\0\2\0"]))),
    ("an array that lies about its shape", _ext(1, encode_value(["<i2", [2**40, 2**40], b""]))),
    ("an unknown extension", _ext(99, b"??")),
)
"""Values that a worker may not take, but has to answer: a name for a person, and the msgpack."""


def example_of(schema: Mapping[str, Any], number: int = 0) -> Any:
    """Return a value that the schema allows, as far as it can be told; another one for another number.

    Example:
        >>> schema = {"type": "object", "properties": {"q": {"type": "string"}, "n": {"type": "integer"}}}
        >>> example_of(schema, 3)
        {'q': 'item 3 and one and one and one', 'n': 3}
    """
    return _Maker(_mapping(schema.get("$defs")), number).make(schema, 0)


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Say whether the parent would let the value through to a worker with this schema.

    Example:
        >>> fits(1, {"type": "string"}), fits(1, {})
        (False, True)
    """
    try:
        msgspec.msgpack.decode(encode_value(value), type=checker_type(schema))
    except msgspec.ValidationError:
        return False
    return True


def wrong_item(schema: Mapping[str, Any]) -> tuple[Any] | None:
    """Return a value that the schema does not allow, in a tuple; None where it allows all that was tried.

    Example:
        >>> wrong_item({"type": "string"}), wrong_item({})
        (({'': [None]},), None)
    """
    return next(((value,) for value in _WRONG if not fits(value, schema)), None)


class _Maker:
    """Makes one value from a schema; what it cannot read it takes as "anything"."""

    def __init__(self, definitions: Mapping[str, Any], number: int) -> None:
        self._definitions = definitions
        self._number = number

    def make(self, schema: object, depth: int) -> Any:
        parts = _mapping(schema)
        if depth > _MAX_DEPTH:
            return None
        if "$ref" in parts:
            return self.make(self._definitions.get(str(parts["$ref"]).rpartition("/")[2]), depth + 1)
        if choices := _list(parts.get("anyOf")) or _list(parts.get("oneOf")):
            return self.make(choices[0], depth + 1)
        if values := _list(parts.get("enum")):
            return values[self._number % len(values)]
        return parts["const"] if "const" in parts else self._of_type(parts, depth)

    def _of_type(self, schema: Mapping[str, Any], depth: int) -> Any:
        made: Any = self._text(schema)
        match schema.get("type"):
            case "integer":
                made = self._between(schema)
            case "number":
                made = float(self._between(schema))
            case "boolean":
                made = self._number % 2 == 1
            case "null":
                made = None
            case "array":
                count = max(1, _int(schema.get("minItems"), 1))
                made = [self.make(schema.get("items", {"type": "number"}), depth + 1)] * min(count, 1000)
            case "object":
                made = {
                    name: self.make(part, depth + 1)
                    for name, part in _mapping(schema.get("properties")).items()
                }
            case _:
                pass
        return made

    def _text(self, schema: Mapping[str, Any]) -> str:
        least, most = _int(schema.get("minLength"), 0), _int(schema.get("maxLength"), 1000)
        return f"item {self._number}{' and one' * (self._number % 4)}".ljust(min(least, 1_000_000), "x")[
            :most
        ]

    def _between(self, schema: Mapping[str, Any]) -> int | float:
        """Return a number within the bounds; from 0 up, where they allow that."""
        least = max(_float(schema.get("minimum"), -_FAR), _float(schema.get("exclusiveMinimum"), -_FAR) + 1)
        most = min(_float(schema.get("maximum"), _FAR), _float(schema.get("exclusiveMaximum"), _FAR) - 1)
        first = min(max(0.0, least), most)
        found = first + self._number % max(1, int(min(most - first + 1, 1000)))
        return int(found) if found == int(found) else found


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _int(value: object, otherwise: int) -> int:
    return value if type(value) is int else otherwise


def _float(value: object, otherwise: float) -> float:
    number = float(value) if type(value) in {int, float} else otherwise  # type: ignore[arg-type]
    return number if abs(number) <= _FAR else otherwise
