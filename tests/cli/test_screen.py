"""What a person is told when models are ready."""

from types import SimpleNamespace
from typing import Any

import pytest

from pulse_ai.cli.screen import StartScreen
from pulse_ai.core import Manifest, schema_of
from pulse_ai.hub.answers import Text

_URL = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (schema_of(Text), """try: curl -d '{"q":"A joy from start to finish."}' -H"""),
        (schema_of(str), """try: curl -d '"A joy from start to finish."' -H"""),
        (schema_of(float), f"try: {_URL}/ in a browser"),
        ({}, f"try: {_URL}/ in a browser"),
        ({"required": ["q", "k"], "properties": {"q": {"type": "string"}}}, f"try: {_URL}/ in a browser"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_line_that_says_ready_has_a_way_to_try_that_the_model_takes(
    schema: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    serving: Any = SimpleNamespace(manifest=Manifest("sentiment", input_schema=schema), slots=[])
    screen = StartScreen(url=_URL, began_s=0.0, machine_readable=True)
    screen.opened({"sentiment": serving})
    screen.ready()
    assert says in capsys.readouterr().out.replace('\\"', '"')
