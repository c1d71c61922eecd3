"""The page at ``/`` is one file that shows data as text and loads nothing."""

import json
import re
import shutil
import subprocess
from importlib.resources import files

import pytest

from pulse_ai.web import METRIC_NAMES

_PAGE = files("pulse_ai.web").joinpath("page.html").read_text("utf-8")


def test_the_page_never_writes_data_as_html() -> None:
    banned = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "srcdoc",
    )
    assert not [word for word in banned if word in _PAGE]


def test_the_page_names_no_other_host() -> None:
    addresses = set(re.findall(r"\bhttps?://[^\s\"'`]+", _PAGE))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # a namespace, never fetched
    assert not re.search(r"<(?:link|img|iframe|object|embed)\b|@import|url\(|<script[^>]+src", _PAGE)


def test_the_page_has_no_handler_in_its_markup() -> None:
    assert not re.search(r"<[^>]+\son\w+=", _PAGE.partition("<script>")[0])


def test_every_field_has_a_label() -> None:
    fields = set(re.findall(r"<(?:select|textarea|input)[^>]* ?id=\"([\w-]+)\"", _PAGE))
    assert fields
    assert fields == set(re.findall(r"<label for=\"([\w-]+)\"", _PAGE))


def test_the_page_reads_only_metrics_that_there_are() -> None:
    read = set(re.findall(r"\bpulse_\w+", _PAGE))
    assert read
    assert read <= set(METRIC_NAMES)


@pytest.mark.process
@pytest.mark.skipif(shutil.which("node") is None, reason="the page's script needs a JavaScript runtime: node")
def test_the_item_that_the_page_offers_is_one_that_the_schema_takes() -> None:
    schema = {
        "type": "object",
        "properties": {
            "island": {"type": "string", "examples": ["Biscoe"]},
            "year": {"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1},
            "share": {"type": "number", "maximum": 0.5},
            "rooms": {"type": "integer", "minimum": 2},
        },
    }
    script = _PAGE[_PAGE.index("function resolve") : _PAGE.index("function showForm")]
    program = f"const api = null; {script}; console.log(JSON.stringify(example({json.dumps(schema)})))"
    done = subprocess.run(["node", "-e", program], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == {"island": "Biscoe", "year": 1, "share": 0.5, "rooms": 2}
