"""From a JSON Schema to a fast checker, in the parent.

The parent never imports a user's classes. It receives the schema in the worker's Manifest and builds from it
an anonymous msgspec type that checks a request at C speed. The checker is a gate, not the judge: what it
turns down, the task's own type would turn down too, but not the other way round. What a schema says beyond
msgspec's reach (recursion, unions of objects, formats) passes, and the worker, which has the real types,
turns the item down there. A schema may come from a worker in another language, so each part of it that
cannot be understood is taken as "anything" and never as an error.
"""

__all__ = ("checker_type",)

import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

import msgspec

_MAX_DEPTH = 32  # a schema nested deeper than this is checked by the worker alone
_NUMBER_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_TEXT_BOUNDS = {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"}
_LIST_BOUNDS = {"min_length": "minItems", "max_length": "maxItems"}


def checker_type(schema: Mapping[str, Any]) -> Any:
    """Return a type for ``msgspec.json.Decoder`` that checks as much of the schema as msgspec can.

    Example:
        >>> schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
        >>> msgspec.json.decode(b'{"q": 1}', type=checker_type(schema))
        Traceback (most recent call last):
        msgspec.ValidationError: Expected `str`, got `int` - at `$.q`
    """
    return _Compiler(_mapping(schema.get("$defs"))).compile(schema, 0)


class _Compiler:
    """Turns one schema with its definitions into a type, from the leaves up."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._named: dict[str, Any] = {}

    def compile(self, schema: object, depth: int) -> Any:
        parts = _mapping(schema)
        if depth > _MAX_DEPTH:
            return Any
        if "$ref" in parts:
            return self._reference(str(parts["$ref"]).rpartition("/")[2], depth)
        if "anyOf" in parts:
            return _union([self.compile(part, depth + 1) for part in _list(parts["anyOf"])])
        if "enum" in parts or "const" in parts:
            return _literal(_list(parts.get("enum", [parts.get("const")])))
        return self._of_type(parts, depth)

    def _of_type(self, schema: Mapping[str, Any], depth: int) -> Any:
        kind: Any = Any
        match schema.get("type"):
            case "string":
                # msgspec takes a bare number for a Decimal, whose schema says string
                decimal = schema.get("format") == "decimal"
                kind = Any if decimal else _bounded(str, schema, _TEXT_BOUNDS)
            case "integer":
                kind = _bounded(int, schema, _NUMBER_BOUNDS)
            case "number":
                kind = _bounded(float, schema, _NUMBER_BOUNDS)
            case "boolean":
                kind = bool
            case "null":
                kind = None
            case "array":
                kind = _bounded(list[self.compile(schema.get("items"), depth + 1)], schema, _LIST_BOUNDS)
            case "object":
                kind = self._object(schema, depth)
            case _:
                pass
        return kind

    def _reference(self, name: str, depth: int) -> Any:
        """Compile a definition once. Inside itself it is anything, or a tree would never end."""
        if name not in self._named:
            self._named[name] = Any
            self._named[name] = self.compile(self._definitions.get(name), depth + 1)
        return self._named[name]

    def _object(self, schema: Mapping[str, Any], depth: int) -> Any:
        properties = _mapping(schema.get("properties"))
        if not properties:
            return dict[str, self.compile(schema.get("additionalProperties"), depth + 1)]  # type: ignore[misc]
        required = _list(schema.get("required"))
        # msgspec cannot rename a field to a name that JSON would escape: the worker checks that one alone
        names = [name for name in properties if _is_plain_name(name)]
        fields: dict[str, Any] = {}
        for name in names:
            # msgspec asks for the tag of a Struct in the schema, but does without it where it decodes
            needed = name in required and not _is_tag(properties[name])
            kind = self.compile(properties[name], depth + 1)
            fields[name] = (kind,) if needed else (_union([kind, msgspec.UnsetType]), msgspec.UNSET)
        closed = schema.get("additionalProperties") is False and len(names) == len(properties)
        return _struct(fields, forbid_unknown_fields=closed)


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _is_plain_name(name: str) -> bool:
    return not any(character in '\\"' or character < " " for character in name)


def _is_tag(schema: object) -> bool:
    return len(_list(_mapping(schema).get("enum"))) == 1


def _struct(fields: Mapping[str, tuple[Any, ...]], *, forbid_unknown_fields: bool) -> Any:
    numbered = {f"field_{number}": name for number, name in enumerate(fields)}
    return _sound(
        lambda: msgspec.defstruct(
            "Item",
            [(field, *fields[name]) for field, name in numbered.items()],
            rename=numbered,
            forbid_unknown_fields=forbid_unknown_fields,
            kw_only=True,
        ),
        otherwise=dict[str, Any],
    )


def _union(parts: list[Any]) -> Any:
    if Any in parts:
        return Any
    return _sound(lambda: typing.Union[tuple(parts)])  # noqa: UP007 - built at run time


def _literal(values: list[Any]) -> Any:
    if any(isinstance(value, bool) for value in values):  # msgspec would take it for a number
        return Any
    return _sound(lambda: Literal[tuple(values)])


def _bounded(kind: Any, schema: Mapping[str, Any], names: Mapping[str, str]) -> Any:
    """Annotate a type with those bounds of the schema that it has."""
    bounds: dict[str, Any] = {ours: schema[theirs] for ours, theirs in names.items() if theirs in schema}
    if not bounds:
        return kind
    return _sound(lambda: Annotated[kind, msgspec.Meta(**bounds)], otherwise=kind)


def _sound(build: typing.Callable[[], Any], otherwise: Any = Any) -> Any:
    """Build a type and make sure that msgspec takes it; where it does not, the other one will do."""
    try:
        kind = build()
        msgspec.json.Decoder(kind)
    except Exception:  # noqa: BLE001 - a schema from elsewhere can hold anything: bad patterns, odd bounds
        return otherwise
    return kind
