"""From a JSON Schema to a fast checker, in the parent.

The parent never imports a user's classes. It receives the schema in the worker's Manifest and builds from it
an anonymous msgspec type that checks a request at C speed. The checker is a gate, not the judge: what it
turns down, the task's own type would turn down too, but not the other way round. What a schema says beyond
msgspec's reach (recursion, unions of objects, formats) passes, and the worker, which has the real types,
turns the item down there. So does a pattern: on some patterns and texts a search takes without end, and while
a worker that hangs is killed, nobody could help the parent. A schema may come from a worker in another
language, so each part of it that cannot be understood is taken as "anything" and never as an error.
"""

__all__ = ("checker_type",)

import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, cast

import msgspec

_MAX_DEPTH = 32  # a schema nested deeper than this is checked by the worker alone
_MOST_STEPS = 100_000  # of msgspec through the types, for one schema: less than half a second
_NUMBER_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_TEXT_BOUNDS = {"min_length": "minLength", "max_length": "maxLength"}
_LIST_BOUNDS = {"min_length": "minItems", "max_length": "maxItems"}


class _Kind(NamedTuple):
    """A type, and how many types msgspec walks through where it meets it."""

    type: Any
    steps: int = 1


_ANYTHING = _Kind(Any)


def checker_type(schema: Mapping[str, Any]) -> Any:
    """Return a type for ``msgspec.json.Decoder`` that checks as much of the schema as msgspec can.

    Example:
        >>> schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
        >>> msgspec.json.decode(b'{"q": 1}', type=checker_type(schema))
        Traceback (most recent call last):
        msgspec.ValidationError: Expected `str`, got `int` - at `$.q`
    """
    return _Compiler(_mapping(schema.get("$defs"))).compile(schema, 0).type


class _Compiler:
    """Turns one schema with its definitions into a type, from the leaves up."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._named: dict[str, _Kind] = {}
        self._steps_left = _MOST_STEPS

    def compile(self, schema: object, depth: int) -> _Kind:
        parts = _mapping(schema)
        if depth > _MAX_DEPTH:
            return _ANYTHING
        if "$ref" in parts:
            return self._reference(str(parts["$ref"]).rpartition("/")[2], depth)
        if "anyOf" in parts:
            return self._union([self.compile(part, depth + 1) for part in _list(parts["anyOf"])])
        if "enum" in parts or "const" in parts:
            return self._literal(_list(parts.get("enum", [parts.get("const")])))
        return self._of_type(parts, depth)

    def _of_type(self, schema: Mapping[str, Any], depth: int) -> _Kind:
        kind = _ANYTHING
        match schema.get("type"):
            case "string":
                # msgspec takes a bare number for a Decimal, whose schema says string
                decimal = schema.get("format") == "decimal"
                kind = _ANYTHING if decimal else self._bounded(_Kind(str), schema, _TEXT_BOUNDS)
            case "integer":
                kind = self._bounded(_Kind(int), schema, _NUMBER_BOUNDS)
            case "number":
                kind = self._bounded(_Kind(float), schema, _NUMBER_BOUNDS)
            case "boolean":
                kind = _Kind(bool)
            case "null":
                kind = _Kind(None)
            case "array":
                items = self.compile(schema.get("items"), depth + 1)
                kind = self._bounded(self._sound(lambda: list[items.type], items.steps), schema, _LIST_BOUNDS)
            case "object":
                kind = self._object(schema, depth)
            case _:
                pass
        return kind

    def _reference(self, name: str, depth: int) -> _Kind:
        """Compile a definition once. Inside itself it is anything, or a tree would never end."""
        if name not in self._named:
            self._named[name] = _ANYTHING
            self._named[name] = self.compile(self._definitions.get(name), depth + 1)
        return self._named[name]

    def _object(self, schema: Mapping[str, Any], depth: int) -> _Kind:
        properties = _mapping(schema.get("properties"))
        if not properties:
            values = self.compile(schema.get("additionalProperties"), depth + 1)
            return self._sound(lambda: dict[str, values.type], values.steps)  # type: ignore[misc]
        required = {name for name in _list(schema.get("required")) if isinstance(name, str)}
        # msgspec cannot rename a field to a name that JSON would escape: the worker checks that one alone
        names = [name for name in properties if _is_plain_name(name)]
        fields: dict[str, tuple[Any, ...]] = {}
        steps = 0
        for name in names:
            kind = self.compile(properties[name], depth + 1)
            # msgspec asks for the tag of a Struct in the schema, but does without it where it decodes
            needed = name in required and not _is_tag(properties[name])
            kind = kind if needed else self._union([kind, _Kind(msgspec.UnsetType)])
            fields[name] = (kind.type,) if needed else (kind.type, msgspec.UNSET)
            steps += kind.steps
        closed = schema.get("additionalProperties") is False and len(names) == len(properties)
        struct = self._sound(
            lambda: _struct(fields, forbid_unknown_fields=closed), steps, otherwise=_Kind(dict[str, Any])
        )
        return _Kind(struct.type)  # msgspec walks through a Struct once, however often it meets it

    def _union(self, parts: list[_Kind]) -> _Kind:
        types = [part.type for part in parts]
        if Any in types:
            return _ANYTHING
        return self._sound(lambda: typing.Union[tuple(types)], sum(part.steps for part in parts))  # noqa: UP007 - built at run time

    def _literal(self, values: list[Any]) -> _Kind:
        if any(isinstance(value, bool) for value in values):  # msgspec would take it for a number
            return _ANYTHING
        return self._sound(lambda: Literal[tuple(values)], len(values))

    def _bounded(self, kind: _Kind, schema: Mapping[str, Any], names: Mapping[str, str]) -> _Kind:
        """Annotate a type with those bounds of the schema that it has."""
        bounds: dict[str, Any] = {ours: schema[theirs] for ours, theirs in names.items() if theirs in schema}
        if not bounds:
            return kind
        return self._sound(lambda: Annotated[kind.type, msgspec.Meta(**bounds)], kind.steps, otherwise=kind)

    def _sound(self, build: Callable[[], Any], steps: int, otherwise: _Kind = _ANYTHING) -> _Kind:
        """Build a type and make sure that msgspec takes it; where it does not, the other one will do.

        A definition that is named twice in another one, and so on, is a type that msgspec would walk through
        without end. So there is a bound for the steps of a whole schema; past it anything passes.
        """
        self._steps_left -= steps + 1
        if self._steps_left < 0:
            return _ANYTHING
        try:
            kind = build()
            msgspec.json.Decoder(kind)
        except Exception:  # noqa: BLE001 - a schema from elsewhere can hold anything: odd bounds, odd unions
            return otherwise
        return _Kind(kind, steps + 1)


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
    return msgspec.defstruct(
        "Item",
        [(field, *fields[name]) for field, name in numbered.items()],
        rename=numbered,
        forbid_unknown_fields=forbid_unknown_fields,
        kw_only=True,
    )
