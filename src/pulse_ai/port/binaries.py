"""Which binaries of an item are bytes, and which atoms plain text: the task's type says it, Erlang cannot."""

__all__ = ("Shape", "shape_of")

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec.inspect as hints

_BYTES = (hints.BytesType, hints.ByteArrayType, hints.MemoryViewType)
_TEXT = hints.StrType()
_WITH_FIELDS = (hints.StructType, hints.DataclassType, hints.TypedDictType, hints.NamedTupleType)


@dataclass(slots=True, eq=False)
class Shape:
    """A place in a task's type, and the places below it.

    Attributes:
        is_bytes: A binary here is bytes, and not text.
        is_text: An atom here is plain text.
        elements: What stands in a list.
        keys: What the keys of a map are.
        values: What the values of a map are.
        parts: The places with a name or a number of their own: fields, and the elements of a tuple.
    """

    is_bytes: bool = False
    is_text: bool = False
    elements: "Shape | None" = None
    keys: "Shape | None" = None
    values: "Shape | None" = None
    parts: "dict[Any, Shape]" = field(default_factory=dict[Any, "Shape"])

    def element(self, number: int) -> "Shape | None":
        """Return the place of an element of a list or tuple, counted from 0."""
        return self.parts.get(number, self.elements)

    def value(self, key: Any) -> "Shape | None":
        """Return the place of a map's value."""
        return self.parts.get(key, self.values)


def shape_of(kind: Any) -> Shape | None:
    """Return the shape of a type; None where it has neither bytes nor text anywhere.

    Example:
        >>> shape_of(dict[str, bytes]).value("any").is_bytes
        True
        >>> shape_of(list[float]) is None
        True
    """
    made: dict[frozenset[int], Shape] = {}
    shape = _build([hints.type_info(kind)], made)
    return shape if any(one.is_bytes or one.is_text for one in made.values()) else None


def _build(given: Iterable[hints.Type], made: dict[frozenset[int], Shape]) -> Shape:
    """Build the shape of a place that may be any of these types; a type may hold itself."""
    types = [one for node in given for one in (node.types if isinstance(node, hints.UnionType) else (node,))]
    key = frozenset(map(id, types))
    if key in made:
        return made[key]
    shape = made[key] = Shape()
    shape.is_bytes = any(isinstance(one, _BYTES) for one in types)
    shape.is_text = any(isinstance(one, hints.StrType) for one in types)
    if lists := [one.item_type for one in types if isinstance(one, hints.CollectionType)]:
        shape.elements = _build(lists, made)
    if maps := [one for one in types if isinstance(one, hints.DictType)]:
        shape.keys = _build([one.key_type for one in maps], made)
        shape.values = _build([one.value_type for one in maps], made)
    parts: dict[Any, list[hints.Type]] = {}
    for one in types:
        for name, part in _parts(one):
            parts.setdefault(name, []).append(part)
    shape.parts = {name: _build(nodes, made) for name, nodes in parts.items()}
    if shape.keys is None and any(isinstance(name, str) for name in parts):
        shape.keys = _build((_TEXT,), made)
    return shape


def _parts(node: hints.Type) -> Iterable[tuple[Any, hints.Type]]:
    """Return the places of a type that have a name, or a number where they are written as a list."""
    if isinstance(node, hints.TupleType):
        return enumerate(node.item_types)
    if not isinstance(node, _WITH_FIELDS):
        return ()
    as_list = isinstance(node, hints.NamedTupleType) or getattr(node, "array_like", False)
    if as_list:
        first = int(getattr(node, "tag", None) is not None)  # the tag stands in front
        return ((number, one.type) for number, one in enumerate(node.fields, first))
    return ((one.encode_name, one.type) for one in node.fields)
