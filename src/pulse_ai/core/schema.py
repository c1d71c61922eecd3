"""From the type hints of ``predict`` to a JSON Schema, in the worker. ``checker.py`` takes it from there."""

__all__ = ("ItemTypes", "is_array_type", "item_types", "schema_of")

import inspect
import types
import typing
from collections.abc import Sequence
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

from pulse_ai.core.errors import LoadFailed
from pulse_ai.core.task import Failure, Task

_ANY_OBJECT = {"type": "object"}


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
    names = list(inspect.signature(predict).parameters)
    if isinstance(task, type) and inspect.isfunction(inspect.getattr_static(task, "predict")):
        names = names[1:]  # a method that is not bound yet begins with self, whatever that is called
    try:
        hints = get_type_hints(predict, include_extras=True)
    except Exception as error:  # a hint in quotes is code of the user's
        raise LoadFailed(f"a type hint of predict cannot be read: {error}") from error
    given = hints.get(names[0], Any) if names else Any
    return ItemTypes(
        _element(given, "the items"), _without_failure(_element(hints.get("return", Any), "the answers"))
    )


def _element(hint: Any, what: str) -> Any:
    if hint is Any or hint is list or hint is Sequence:
        return Any
    if get_origin(hint) in {list, Sequence}:
        return next(iter(get_args(hint)), Any)
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
    except Exception as error:  # a user's class can raise anything here
        raise LoadFailed(
            f"the type {_named(hint)} cannot be checked: {error}; "
            "use plain types, dataclasses, TypedDicts or Structs"
        ) from error


def _array_schema(hint: type) -> dict[str, Any]:
    if is_array_type(hint):
        return {"type": "array", "description": "an array as nested lists"}
    raise TypeError(f"{_named(hint)} has no JSON form")  # NotImplementedError would get msgspec's own words


def _named(hint: Any) -> str:
    """Return a hint as its user wrote it, as far as that can be told."""
    return hint.__qualname__ if isinstance(hint, type) and not get_args(hint) else str(hint)


def is_array_type(hint: Any) -> bool:
    """Say whether a type hint is ``numpy.ndarray``, without importing NumPy.

    Example:
        >>> is_array_type(list)
        False
    """
    kind = get_origin(hint) or hint
    return getattr(kind, "__module__", "") == "numpy" and getattr(kind, "__name__", "") == "ndarray"
