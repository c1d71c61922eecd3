"""The form of a tree as plain data, for a file: what is where, without the arrays."""

__all__ = ("Structure", "rebuilt", "structure_of")

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from pulse_ai.numerics.errors import BadArgument, SavedFunctionError
from pulse_ai.numerics.trees import build_object, fields_of, is_node, sorted_keys


class Structure(msgspec.Struct, frozen=True):
    """One node of a tree.

    Attributes:
        kind: ``leaf``, ``none``, ``list``, ``tuple``, ``dict``, ``named`` (a NamedTuple) or ``object``.
        keys: The keys or field names of its parts, where it has them.
        parts: Its parts, in order.
        type: ``module:Class`` of a NamedTuple or object.
        static: The static fields of an object.
    """

    kind: str
    keys: tuple[str | int, ...] = ()
    parts: tuple["Structure", ...] = ()
    type: str = ""
    static: dict[str, Any] = {}


def structure_of(tree: Any) -> Structure:
    """Return the form of a tree.

    Raises:
        BadArgument: A dict's key is not text or a number, or a static field holds something not plain.

    Example:
        >>> structure_of([1.0, None]).parts
        (Structure(kind='leaf', ...), Structure(kind='none', ...))
    """
    if tree is None or not is_node(tree):
        return Structure("none" if tree is None else "leaf")
    if isinstance(tree, Mapping):
        return _of_mapping(tree)  # pyright: ignore[reportUnknownArgumentType]
    parts: Any = tree
    cls = cast("Any", type(parts))
    name = f"{cls.__module__}:{cls.__qualname__}"
    if isinstance(tree, (list, tuple)):
        fields: tuple[str, ...] = getattr(cls, "_fields", ())
        kind = "named" if fields else ("list" if isinstance(tree, list) else "tuple")
        return Structure(kind, fields, tuple(map(structure_of, parts)), name if fields else "")
    found = fields_of(cls)
    static = {field: getattr(tree, field) for field in found.static}
    try:
        msgspec.msgpack.encode(static)
    except (TypeError, OverflowError) as error:
        raise BadArgument(f"{name} has a static field that cannot be saved: {error}") from error
    return Structure(
        "object",
        found.arrays,
        tuple(structure_of(getattr(tree, field)) for field in found.arrays),
        name,
        static,
    )


def _of_mapping(tree: Mapping[Any, Any]) -> Structure:
    keys = sorted_keys(tree)
    if not all(isinstance(key, (str, int)) for key in keys):
        raise BadArgument(f"only dicts with text or numbers as keys can be saved, got {keys}")
    return Structure("dict", tuple(keys), tuple(structure_of(tree[key]) for key in keys))


def rebuilt(structure: Structure, leaves: Sequence[Any], types: Mapping[str, type]) -> Any:
    """Return a tree of a given form.

    Args:
        structure: The form.
        leaves: The leaves, in the order of ``leaves_of``.
        types: The classes of its objects, by ``module:Class``.

    Raises:
        SavedFunctionError: A class is missing, or there are fewer leaves than the form has.

    Example:
        >>> rebuilt(structure_of({"a": (1, None)}), [5], {})
        {'a': (5, None)}
    """
    return _rebuilt(structure, iter(leaves), types)


def _rebuilt(structure: Structure, leaves: Iterator[Any], types: Mapping[str, type]) -> Any:
    if structure.kind == "none":
        return None
    if structure.kind == "leaf":
        try:
            return next(leaves)
        except StopIteration:
            raise SavedFunctionError("the saved function has fewer arrays than its tree has leaves") from None
    parts = [_rebuilt(part, leaves, types) for part in structure.parts]
    if structure.kind == "dict":
        return dict(zip(structure.keys, parts, strict=True))
    if structure.kind in ("list", "tuple"):
        return parts if structure.kind == "list" else tuple(parts)
    cls: Any = types.get(structure.type)
    if cls is None:
        raise SavedFunctionError(
            f"the saved function uses {structure.type}; give the class: load(data, types=[...])"
        )
    if structure.kind == "named":
        return cls(*parts)
    return build_object(cls, dict(zip(map(str, structure.keys), parts, strict=True)) | structure.static)
