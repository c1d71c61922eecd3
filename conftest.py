"""Runs the Python examples of the README, CONTRIBUTING and docs, each page in its own folder, top to bottom.

A block that begins with a comment such as ``# shout.py`` is saved under that name, as a reader would do, so
that later blocks and worker processes can import it. Run with ``-p no:randomly``: the blocks of a page need
their order.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sybil import Document, Example, Region, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

pytest_plugins = ("tests.running",)

_FILE_NAME = re.compile(r"# (\w+\.py)\n")


class _FileSaver(PythonEvaluator):
    """Saves a block that names its file; runs any other."""

    def __call__(self, example: Example) -> None:
        """Evaluate one block."""
        named = _FILE_NAME.match(example.parsed)
        if named:
            Path(named[1]).write_text(example.parsed, "utf-8")
        else:
            super().__call__(example)


def _parse_python(document: Document) -> Iterable[Region]:
    """Find a page's Python blocks, and the ``>>>`` examples in them."""
    for region in PythonCodeBlockParser()(document):
        if isinstance(region.evaluator, PythonEvaluator):
            region.evaluator = _FileSaver()
        yield region


def _enter_folder(namespace: dict[str, Any]) -> None:
    folder = tempfile.mkdtemp(prefix="pulse-docs-")
    namespace["__name__"] = "page"
    namespace["_left"] = (folder, Path.cwd())
    os.chdir(folder)
    sys.path.insert(0, folder)


def _leave_folder(namespace: dict[str, Any]) -> None:
    folder, before = namespace["_left"]
    os.chdir(before)
    sys.path.remove(folder)
    for file in Path(folder).iterdir():
        sys.modules.pop(file.stem, None)  # another page may use the same name
    shutil.rmtree(folder)


pytest_collect_file = Sybil(
    parsers=[_parse_python, SkipParser()],
    patterns=["README.md", "CONTRIBUTING.md", "docs/*.md", "docs/decisions/*.md"],
    setup=_enter_folder,
    teardown=_leave_folder,
).pytest()
