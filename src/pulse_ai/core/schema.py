"""From type hints to a JSON Schema in the worker, and from that schema to a fast checker in the parent.

The parent never imports a user's classes. It receives the schema in the worker's Manifest and builds from it
an anonymous msgspec type that checks a request at C speed. The checker is a gate, not the judge: what a
schema says beyond msgspec's reach (recursion, unions of objects, formats) passes it, and the worker,
which has the real types, turns the item down there.
"""

__all__ = ("ItemTypes", "checker_type", "is_array_type", "item_types", "schema_of")

import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

from pulse_ai.core.errors import LoadFailed
from pulse_ai.core.task import Failure, Task

JsonSchema = Mapping[str, Any]

_ANY_OBJECT = {"type": "object"}
_MAX_DEPTH = 32  # a schema nested deeper than this is checked by the worker alone


class ItemTypes(NamedTuple):
    """What one item and one answer are; ``typing.Any`` where the task does not say."""

    input: Any
    output: Any


def item_types(task: Task | type[Task]) -> ItemTypes:
    """Return the types of one item and one answer from the hints of ``predict``.

    Raises:
        LoadFailed: A hint is there but is not a list, or names something that does not exist.

    Example:
        >>> class Length(Task):
        ...     def predict(self, items: list[str]) -> list[int | Failure]:
        ...         return [len(item) for item in items]
        >>> item_types(Length)
        ItemTypes(input=<class 'str'>, output=<class 'int'>)
    """
    predict = task.predict
    names = [p.name for p in inspect.signature(predict).parameters.values() if p.name != "self"]
    try:
        hints = get_type_hints(predict, include_extras=True)
    except (NameError, TypeError) as error:
        raise LoadFailed(f"a type hint of predict cannot be read: {error}") from error
    given = hints.get(names[0], Any) if names else Any
    return ItemTypes(
        _element(given, "the items"), _without_failure(_element(hints.get("return", Any), "the answers"))
    )


def _element(hint: Any, what: str) -> Any:
    if hint is Any:
        return Any
    if hint is list:
        return Any
    if get_origin(hint) in {list, Sequence}:
        return get_args(hint)[0]
    raise LoadFailed(f"predict must take and return lists, but {what} are hinted as {hint}; write list[...]")


def _without_failure(hint: Any) -> Any:
    if hint is Failure:
        return Any
    if get_origin(hint) not in {Union, types.UnionType}:
        return hint
    rest = tuple(part for part in get_args(hint) if part is not Failure)
    return typing.Union[rest]  # noqa: UP007 - built at run time


def schema_of(hint: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type hint; ``{}`` allows anything.

    Raises:
        LoadFailed: The type has no JSON form.

    Example:
        >>> schema_of(dict)
        {'type': 'object'}
    """
    if hint is dict:
        return dict(_ANY_OBJECT)
    try:
        return msgspec.json.schema(hint, schema_hook=_array_schema)
    except (TypeError, NotImplementedError) as error:
        raise LoadFailed(
            f"the type {hint} cannot be checked: {error}; use plain types, dataclasses or Structs"
        ) from error


def _array_schema(hint: type) -> dict[str, Any]:
    if is_array_type(hint):
        return {"type": "array", "description": "an array as nested lists"}
    raise NotImplementedError(f"{hint} has no JSON form")


def is_array_type(hint: Any) -> bool:
    """Say whether a type hint is ``numpy.ndarray``, without importing NumPy.

    Example:
        >>> is_array_type(list)
        False
    """
    kind = get_origin(hint) or hint
    return getattr(kind, "__module__", "") == "numpy" and getattr(kind, "__name__", "") == "ndarray"


def checker_type(schema: JsonSchema) -> Any:
    """Return a type for ``msgspec.json.Decoder`` that checks as much of the schema as msgspec can.

    Example:
        >>> schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
        >>> msgspec.json.decode(b'{"q": 1}', type=checker_type(schema))
        Traceback (most recent call last):
        msgspec.ValidationError: Expected `str`, got `int` - at `$.q`
    """
    return _Compiler(schema.get("$defs", {})).compile(schema, 0)


class _Compiler:
    """Turns one schema with its definitions into a type, from the leaves up."""

    def __init__(self, definitions: Mapping[str, JsonSchema]) -> None:
        self._definitions = definitions

    def compile(self, schema: JsonSchema, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            return Any
        if "$ref" in schema:
            return self.compile(self._definitions.get(schema["$ref"].rpartition("/")[2], {}), depth + 1)
        if "anyOf" in schema:
            return self._union([self.compile(part, depth + 1) for part in schema["anyOf"]])
        if "enum" in schema or "const" in schema:
            return _literal(schema.get("enum", [schema.get("const")]))
        build = getattr(self, f"_{schema.get('type')}", None) if isinstance(schema.get("type"), str) else None
        return Any if build is None else build(schema, depth)

    def _union(self, parts: list[Any]) -> Any:
        union = typing.Union[tuple(parts)]  # noqa: UP007 - built at run time
        try:
            msgspec.json.Decoder(union)
        except TypeError:
            return Any
        return union

    def _string(self, schema: JsonSchema, _depth: int) -> Any:
        return _with_bounds(str, schema, min_length="minLength", max_length="maxLength", pattern="pattern")

    def _integer(self, schema: JsonSchema, _depth: int) -> Any:
        return _with_bounds(
            int, schema, ge="minimum", le="maximum", gt="exclusiveMinimum", lt="exclusiveMaximum"
        )

    def _number(self, schema: JsonSchema, _depth: int) -> Any:
        return _with_bounds(
            float, schema, ge="minimum", le="maximum", gt="exclusiveMinimum", lt="exclusiveMaximum"
        )

    def _boolean(self, _schema: JsonSchema, _depth: int) -> Any:
        return bool

    def _null(self, _schema: JsonSchema, _depth: int) -> Any:
        return None

    def _array(self, schema: JsonSchema, depth: int) -> Any:
        items = schema.get("items")
        element = self.compile(items, depth + 1) if isinstance(items, Mapping) else Any  # type: ignore[arg-type]
        return _with_bounds(list[element], schema, min_length="minItems", max_length="maxItems")

    def _object(self, schema: JsonSchema, depth: int) -> Any:
        properties: Mapping[str, JsonSchema] = schema.get("properties", {})
        if not properties:
            values = schema.get("additionalProperties")
            return dict[str, self.compile(values, depth + 1) if isinstance(values, Mapping) else Any]  # type: ignore[misc]
        required = set(schema.get("required", ()))
        ordered = sorted(properties, key=lambda name: name not in required)
        fields: list[Any] = []
        for number, name in enumerate(ordered):
            kind = self.compile(properties[name], depth + 1)
            field = f"field_{number}"
            fields.append(
                (field, kind) if name in required else (field, kind | msgspec.UnsetType, msgspec.UNSET)
            )
        return msgspec.defstruct(
            "Item",
            fields,
            rename={f"field_{number}": name for number, name in enumerate(ordered)},
            forbid_unknown_fields=schema.get("additionalProperties") is False,
        )


def _literal(values: Sequence[Any]) -> Any:
    plain = all(isinstance(value, (str, int, type(None))) and not isinstance(value, bool) for value in values)
    return Literal[tuple(values)] if plain and values else Any  # type: ignore[valid-type]


def _with_bounds(kind: Any, schema: JsonSchema, **names: str) -> Any:
    """Annotate a type with those bounds of the schema that it has."""
    bounds = {ours: schema[theirs] for ours, theirs in names.items() if theirs in schema}
    return Annotated[kind, msgspec.Meta(**bounds)] if bounds else kind
