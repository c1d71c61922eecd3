"""What a class's docstring says of its fields, put where an API's description has it: at each field."""

__all__ = ("describe_fields",)

import inspect
import re
from typing import Any, cast

_SECTION = re.compile(
    r"^(Attributes|Args|Arguments|Example|Examples|Raises|Source|Note|Notes):$", re.MULTILINE
)
_FIELD = re.compile(r"(\w+)(?: \([^)]*\))?: (.+)")


def describe_fields(schema: Any) -> None:
    r"""Move what the description of an object says of its fields to the fields; one that has its own keeps it.

    A description is a docstring as Google writes it. What it says before its first section stays; the other
    sections are for who reads the code.

    Args:
        schema: A JSON Schema; that of an object is changed, and anything else is left.

    Example:
        >>> schema = {"description": "A house.\n\nAttributes:\n    area: In m2.", "properties": {"area": {}}}
        >>> describe_fields(schema)
        >>> schema
        {'description': 'A house.', 'properties': {'area': {'description': 'In m2.'}}}
    """
    parts = cast("dict[str, Any]", schema) if isinstance(schema, dict) else {}
    description, properties = parts.get("description"), parts.get("properties")
    if not isinstance(description, str) or not isinstance(properties, dict):
        return
    text = inspect.cleandoc(description)
    first, *rest = _SECTION.split(text)
    parts["description"] = first.strip()
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    of_fields = _fields_of(sections.get("Attributes", ""))
    for name, field in cast("dict[str, Any]", properties).items():
        if name in of_fields and isinstance(field, dict):
            cast("dict[str, Any]", field).setdefault("description", of_fields[name])


def _fields_of(section: str) -> dict[str, str]:
    """Return what a section says of each field; a line that is set further in goes on with the one before."""
    found: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc("\n" + section).splitlines():
        field = _FIELD.fullmatch(line)
        if field:
            name = field[1]
            found[name] = field[2]
        elif name and line.startswith(" "):
            found[name] += " " + line.strip()
    return found
