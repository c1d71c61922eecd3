"""To compare values together with their types, which ``==`` does not look at."""

from typing import Any


def with_kinds(value: Any) -> Any:
    """Return a value together with the types in it, which ``==`` does not look at."""
    kind: Any = value.__class__
    if kind in (list, tuple):
        return kind, [with_kinds(part) for part in value]
    if kind is dict:
        return kind, [(with_kinds(key), with_kinds(part)) for key, part in value.items()]
    return kind, repr(value)
