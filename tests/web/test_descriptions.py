"""What a docstring says of a class's fields stands at the fields in the API's description."""

import inspect
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from pulse_ai.core import Manifest, schema_of
from pulse_ai.web.descriptions import describe_fields
from pulse_ai.web.openapi import openapi_document


@dataclass
class House:
    """A house that is for sale.

    It stands alone.

    Attributes:
        area: Its floors
            together, in m2.
        town (str): Where it stands: the municipality.
        gone: No field.

    Example:
        >>> House(1.0, "Thun", 3)
    """

    area: float
    town: str
    rooms: int


def _described(name: str = "House") -> dict[str, Any]:
    document = openapi_document({"price": Manifest("price", input_schema=schema_of(House))})
    return document["components"]["schemas"][f"price.input.{name}"]


def test_each_field_has_what_the_docstring_says_of_it() -> None:
    house = _described()
    assert house["description"] == "A house that is for sale.\n\nIt stands alone."
    assert {name: field.get("description") for name, field in house["properties"].items()} == {
        "area": "Its floors together, in m2.",
        "town": "Where it stands: the municipality.",
        "rooms": None,
    }


def test_a_field_that_has_a_description_keeps_it() -> None:
    own: dict[str, Any] = {"type": "number", "description": "Its own."}
    schema = {"description": inspect.getdoc(House), "properties": {"area": own, "town": True}}
    describe_fields(schema)
    assert own["description"] == "Its own."
    assert schema["properties"] == {"area": own, "town": True}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"description": 3, "properties": {}},
        {"description": "Attributes:\n", "properties": []},
        {"description": "Attributes:", "properties": {"a": None}},
        {"description": "a\nAttributes:\nAttributes:\n  :\n x", "properties": {"x": {}}},
    ],
)
def test_what_is_no_description_of_fields_is_left(schema: dict[str, Any]) -> None:
    fields = msgspec.json.encode(schema.get("properties"))
    describe_fields(schema)
    assert msgspec.json.encode(schema.get("properties")) == fields


def test_a_version_is_said_where_the_task_has_one() -> None:
    document = openapi_document({"a": Manifest("a"), "b": Manifest("b", "2026-11")})
    summaries = [document["paths"][f"/api/{name}"]["post"]["summary"] for name in "ab"]
    assert summaries == ["Have a answer one item", "Have b (version 2026-11) answer one item"]
