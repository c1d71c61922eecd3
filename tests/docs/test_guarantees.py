"""docs/guarantees.md names a test for each guarantee, and each test that it names exists."""

import ast
import re
from pathlib import Path

_ROW = re.compile(r"^\| (G\d) \| (.*) \|$", re.MULTILINE)
_TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


def _tests_of(text: str) -> dict[str, list[tuple[str, str]]]:
    table = text.partition("## Tests")[2].partition("\n## ")[0]
    return {name: _TEST.findall(cell) for name, cell in _ROW.findall(table)}


def test_every_guarantee_is_listed_and_explained(pages: dict[str, str]) -> None:
    text = pages["docs/guarantees.md"]
    assert [name for name, _ in _ROW.findall(text.partition("## Tests")[0])] == [
        f"G{n}" for n in range(1, 10)
    ]
    assert list(_tests_of(text)) == [f"G{n}" for n in range(1, 10)]
    for number in range(1, 10):
        assert re.search(rf"^\*\*G{number}, ", text, re.MULTILINE), f"G{number} is not explained"


def test_every_guarantee_has_a_test_of_its_name_one_simulated_and_one_with_processes(
    root: Path, pages: dict[str, str]
) -> None:
    table = pages["docs/guarantees.md"].partition("## Tests")[2].partition("\n## ")[0]
    for name, row in _ROW.findall(table):
        alone, simulated, real, _ = (_TEST.findall(cell) for cell in row.split(" | "))
        assert [test.startswith(f"test_{name.lower()}_") for _, test in alone] == [True], name
        assert [file for file, _ in simulated] == ["testing/test_simulate.py"], name
        assert real, name
        for file, _ in real:
            assert "pytest.mark.process" in (root / "tests" / file).read_text("utf-8"), file


def test_every_test_that_the_guarantees_name_exists(root: Path, pages: dict[str, str]) -> None:
    missing: list[str] = []
    for name, tests in _tests_of(pages["docs/guarantees.md"]).items():
        for file, test in tests:
            path = root / "tests" / file
            if not path.is_file() or test not in _functions(path):
                missing.append(f"{name}: tests/{file}::{test}")
    assert not missing, "\n".join(missing)


def _functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
