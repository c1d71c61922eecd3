"""Trees of arrays: what may go into a function and come out of it.

A tree is an array, ``None``, a dict, list or tuple of trees, or an object of a NamedTuple, dataclass or
``msgspec.Struct``. Classes need not be registered by their authors: JAX is told of each when it is first met.
A field of a class is static (part of what the function is compiled for, not an array) where it is annotated
as text, or marked: ``field(metadata={"static": True})`` in a dataclass, ``Meta(extra={"static": True})`` in
a Struct.
"""

__all__ = (
    "ClassFields",
    "build_object",
    "fields_of",
    "is_node",
    "leaves_of",
    "map_leaves",
    "paths_of",
    "register_all",
    "sorted_keys",
)

import dataclasses
import threading
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple, cast, get_args, get_origin, get_type_hints

import msgspec

from pulse_ai.numerics.compilers import load_jax


class ClassFields(NamedTuple):
    """The fields of a dataclass or Struct.

    Attributes:
        arrays: Names of the fields that hold trees.
        static: Names of the fields that are part of the key under which a function is compiled.
    """

    arrays: tuple[str, ...]
    static: tuple[str, ...]


def is_node(value: Any) -> bool:
    """Return whether a value is a tree with parts, rather than a leaf.

    Example:
        >>> is_node({"x": 1.0}), is_node(None), is_node(1.0)
        (True, True, False)
    """
    return value is None or isinstance(value, (Mapping, list, tuple)) or _is_object_node(value)


def _is_object_node(value: Any) -> bool:
    return (dataclasses.is_dataclass(value) and not isinstance(value, type)) or isinstance(
        value, msgspec.Struct
    )


@cache
def fields_of(cls: type) -> ClassFields:
    """Return which fields of a dataclass or Struct hold arrays, and which are static.

    Example:
        >>> @dataclasses.dataclass
        ... class Layer:
        ...     weights: object
        ...     name: str
        >>> fields_of(Layer)
        ClassFields(arrays=('weights',), static=('name',))
    """
    try:
        hints = get_type_hints(cls, include_extras=True)
    except (NameError, TypeError):
        hints = {}
    if dataclasses.is_dataclass(cls):
        fields = dataclasses.fields(cast("Any", cls))
        marked = {f.name: bool(f.metadata.get("static")) for f in fields}
    else:
        marked = dict.fromkeys(cast("Any", cls).__struct_fields__, False)
    static = {name for name, mark in marked.items() if mark or _is_static_hint(hints.get(name))}
    return ClassFields(
        tuple(name for name in marked if name not in static), tuple(name for name in marked if name in static)
    )


def _is_static_hint(hint: Any) -> bool:
    if get_origin(hint) is typing.Annotated:
        extras = [m.extra or {} for m in get_args(hint)[1:] if isinstance(m, msgspec.Meta)]
        return any(extra.get("static") for extra in extras) or _is_static_hint(get_args(hint)[0])
    return hint in (str, bytes) or get_origin(hint) is Literal


def map_leaves(change: Callable[[Any], Any], tree: Any) -> Any:
    """Return a tree of the same kind with each leaf changed, visited in the order of ``leaves_of``.

    Example:
        >>> map_leaves(lambda x: x + 1, {"a": 1, "b": (2, None)})
        {'a': 2, 'b': (3, None)}
    """
    if tree is None:
        return None
    if isinstance(tree, Mapping):
        found = cast("Mapping[Any, Any]", tree)
        changed = {key: map_leaves(change, found[key]) for key in sorted_keys(found)}
        return {key: changed[key] for key in found}
    if isinstance(tree, (list, tuple)):
        parts = [map_leaves(change, part) for part in cast("list[Any]", tree)]
        return _like(tree, parts)
    if _is_object_node(tree):
        fields = fields_of(_class_of(tree))
        values = {name: map_leaves(change, getattr(tree, name)) for name in fields.arrays}
        return build_object(_class_of(tree), values | {name: getattr(tree, name) for name in fields.static})
    return change(tree)


def _class_of(tree: Any) -> Any:
    return cast("Any", type(tree))


def _like(tree: Any, parts: list[Any]) -> Any:
    if isinstance(tree, list):
        return parts
    cls = _class_of(tree)
    return cls(*parts) if hasattr(cls, "_fields") else tuple(parts)


def build_object(cls: Any, values: dict[str, Any]) -> Any:
    """Make an object of its fields without its constructor's checks, which traced values might not pass."""
    if issubclass(cls, msgspec.Struct):
        return cls(**values)
    built: Any = object.__new__(cls)
    for name, value in values.items():
        object.__setattr__(built, name, value)
    return built


def sorted_keys(tree: Mapping[Any, Any]) -> list[Any]:
    """Return a dict's keys in the order in which JAX visits them."""
    try:
        return sorted(tree)
    except TypeError:  # keys of several types: JAX refuses them with its own error
        return list(tree)


def _parts(tree: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        found = cast("Mapping[Any, Any]", tree)
        yield from ((f"[{key!r}]", found[key]) for key in sorted_keys(found))
    elif isinstance(tree, (list, tuple)):
        parts = cast("list[Any]", tree)
        names = getattr(parts, "_fields", None)
        for number, part in enumerate(parts):
            yield (f".{names[number]}" if names else f"[{number}]"), part
    elif tree is not None:
        yield from ((f".{name}", getattr(tree, name)) for name in fields_of(_class_of(tree)).arrays)


def paths_of(tree: Any, root: str = "") -> list[tuple[str, Any]]:
    """Return each leaf with its path, in the order in which JAX flattens the same tree.

    Example:
        >>> paths_of({"b": [1, 2], "a": None}, "state")
        [("state['b'][0]", 1), ("state['b'][1]", 2)]
    """
    if not is_node(tree):
        return [(root, tree)]
    return [leaf for name, part in _parts(tree) for leaf in paths_of(part, root + name)]


def leaves_of(tree: Any) -> list[Any]:
    """Return the leaves of a tree, in the order in which JAX flattens it.

    Example:
        >>> leaves_of({"b": 2, "a": (1, None)})
        [1, 2]
    """
    return [leaf for _, leaf in paths_of(tree)]


_registering = threading.Lock()
_registered: set[type] = set()


def register_all(tree: Any) -> bool:
    """Tell JAX of the classes in a tree that it does not know; return whether there were any."""
    new = False
    if _is_object_node(tree):
        new = _register(tree)
    for _, part in _parts(tree) if is_node(tree) else ():
        new = register_all(part) or new
    return new


def _register(value: Any) -> bool:
    jax, cls = load_jax(), _class_of(value)
    with _registering:
        if cls in _registered or not jax.tree_util.all_leaves([value]):
            return False
        _registered.add(cls)
    fields = fields_of(cls)

    def flatten(tree: Any) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
        parts = [(jax.tree_util.GetAttrKey(name), getattr(tree, name)) for name in fields.arrays]
        return parts, tuple(getattr(tree, name) for name in fields.static)

    def unflatten(static: tuple[Any, ...], parts: Any) -> Any:
        values = dict(zip(fields.arrays, parts, strict=True)) | dict(zip(fields.static, static, strict=True))
        return build_object(cls, values)

    jax.tree_util.register_pytree_with_keys(cls, flatten, unflatten)
    return True
