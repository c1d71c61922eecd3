"""What a worker says of its model when it is ready: enough to check and describe requests without it."""

__all__ = ("PROTOCOL_VERSION", "Manifest", "manifest_of")

from typing import Any

import msgspec

from pulse_ai.core.errors import LoadFailed
from pulse_ai.core.schema import item_types, schema_of
from pulse_ai.core.task import Task

PROTOCOL_VERSION = 1
"""The version of the wire protocol that this package speaks; see docs/port-protocol.md."""


class Manifest(msgspec.Struct, frozen=True):
    """A model's name, versions, schemas and limits, sent by the worker in READY.

    Attributes:
        name: The name under which the model is served: ``POST /api/{name}``.
        version: The model's own version.
        input_schema: JSON Schema of one item; ``{}`` allows anything.
        output_schema: JSON Schema of one answer.
        max_batch_items: Most items the worker takes in one batch; 0 means no limit of its own.
        details: Facts worth showing to a person (engine, precision, size); never needed to serve.

    Example:
        >>> Manifest("sentiment", input_schema={"type": "string"}).version
        '0'
    """

    name: str
    version: str = "0"
    input_schema: dict[str, Any] = {}
    output_schema: dict[str, Any] = {}
    max_batch_items: int = 0
    details: dict[str, Any] = {}


def manifest_of(task: Task, name: str) -> Manifest:
    """Describe a loaded task by its type hints, and by what it says of itself.

    Raises:
        LoadFailed: A type hint of ``predict`` cannot be turned into a schema, or what the task says of itself
            cannot be sent.

    Example:
        >>> class Shout(Task):
        ...     def predict(self, items: list[str]) -> list[str]:
        ...         return [item.upper() for item in items]
        >>> manifest_of(Shout(), "shout").input_schema
        {'type': 'string'}
    """
    hints = item_types(task)
    input_schema, output_schema = schema_of(hints.input), schema_of(hints.output)
    try:
        input_schema = task.input_schema() or input_schema
        manifest = Manifest(name, task.version, input_schema, output_schema, details=task.describe())
        return msgspec.msgpack.decode(msgspec.msgpack.encode(manifest), type=Manifest)
    except Exception as error:
        raise LoadFailed(
            f"{type(task).__name__} cannot be described: {error}; "
            "its version must be text, and describe() and input_schema() must return dicts of plain values"
        ) from error
