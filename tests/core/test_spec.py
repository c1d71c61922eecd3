"""A task is named in one process and built in another."""

import datetime as dt
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pulse_ai.core import LoadFailed, TargetError, Task, TaskSpec, build_task, spec_of


class Prices(Task):
    def __init__(self, currency: str = "EUR", *, rates: dict[str, float] | None = None) -> None:
        self.currency = currency
        self.rates = rates

    def predict(self, items: list[str], /) -> list[str]:
        return items

    class Inner(Task):
        """A class inside a class can be found."""


@dataclass
class Rate:
    value: float


def test_a_class_is_named_by_module_and_name() -> None:
    assert spec_of(Prices) == TaskSpec(f"{__name__}:Prices")
    assert spec_of(Prices.Inner) == TaskSpec(f"{__name__}:Prices.Inner")


def test_an_instance_brings_its_arguments() -> None:
    spec = spec_of(Prices("USD", rates={"EUR": 1.1}))
    assert spec == TaskSpec(f"{__name__}:Prices", ("USD",), {"rates": {"EUR": 1.1}})
    again = build_task(msgspec.msgpack.decode(msgspec.msgpack.encode(spec), type=TaskSpec))
    assert isinstance(again, Prices)
    assert (again.currency, again.rates) == ("USD", {"EUR": 1.1})


def test_a_class_inside_a_function_is_refused() -> None:
    class Local(Task):
        pass

    with pytest.raises(TargetError, match="defined inside a function; move it to the top of a module"):
        spec_of(Local())


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Rate(1.0),
        {1, 2},
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        2**70,
        "\ud800",
        Path(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_argument_that_would_not_arrive_as_it_is_is_refused(value: Any) -> None:
    nested: Any
    for nested in (value, [value], {"a": (value,)}):
        with pytest.raises(TargetError, match="Prices was made with a value that cannot be sent to a worker"):
            spec_of(Prices(nested))


def test_what_is_no_task_is_refused() -> None:
    with pytest.raises(TargetError, match="int is not a Task"):
        spec_of(5)  # type: ignore[arg-type]


# What build_task finds, in files of the test's own.

TARGET = """
from pulse_ai import Task

class Echo(Task):
    def __init__(self, word="hi"):
        self.word = word

    def predict(self, items):
        return items

ready = Echo("made")
number = 5

class Plain:
    pass
"""


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path])
    file = tmp_path / "pulse_test_target.py"
    file.write_text(TARGET)
    return file


def test_a_file_and_a_name_are_found(target: Path) -> None:
    built: Any = build_task(TaskSpec(f"{target}:Echo", ("yo",)))
    assert built.word == "yo"
    made: Any = build_task(TaskSpec(f"{target}:ready"))
    assert made.word == "made"


def test_a_file_can_import_its_neighbours(target: Path) -> None:
    (target.parent / "pulse_test_neighbour.py").write_text("WORD = 'next door'")
    target.write_text("from pulse_test_neighbour import WORD\n" + TARGET + "near = Echo(WORD)\n")
    built: Any = build_task(TaskSpec(f"{target}:near"))
    assert built.word == "next door"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Missing", "'Missing' in '.*' does not exist; there is Echo, ready"),
        ("Echo.missing", "'Echo.missing' in '.*' does not exist"),
        ("", "'' in '.*' does not exist"),
        ("number", "'number' in '.*' is of the type int, not a Task"),
        ("Task.load", "is of the type function, not a Task"),
        ("Plain", "is a class, but not a Task: derive it from pulse_ai.Task"),
    ],
)
def test_a_name_that_is_no_task_is_a_failed_load(target: Path, name: str, message: str) -> None:
    with pytest.raises(LoadFailed, match=message):
        build_task(TaskSpec(f"{target}:{name}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise ValueError('boom')", r"ValueError: boom \(\w+\.py, line 1\)"),
        ("import json\njson.loads('{')", r"JSONDecodeError: .* \(\w+\.py, line 2\)"),
        ("import pulse_no_such_module", "No module named 'pulse_no_such_module'"),
        ("def f(:", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def __getattr__(name): raise RuntimeError('hidden')", "cannot get 'Echo'.*RuntimeError: hidden"),
        ("from pulse_ai import Task\nclass Echo(Task):\n def __init__(self): 1 / 0", "could not be built: Zero"),
        ("from pulse_ai import Task\nclass Echo(Task):\n def __init__(self, x): pass", "could not be built: Type"),
        ("from pulse_ai import Task\nclass Echo(Task): pass", "Echo does not define predict"),
        ("from pulse_ai import Task\nEcho = Task()", "Task does not define predict"),
        ("from pulse_ai import Task\nclass Echo(Task):\n async def predict(self, items): return items", "async"),
    ],
)  # fmt: skip
def test_a_file_that_fails_is_a_failed_load_that_says_why(target: Path, text: str, message: str) -> None:
    target.write_text(text)
    with pytest.raises(LoadFailed, match=message):
        build_task(TaskSpec(f"{target}:Echo"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not name a task; write module:Name or file.py:name"),
        ("Echo", "does not name a task"),
        (":Echo", "does not name a task"),
        ("pulse_no_such_module:Echo", "cannot import 'pulse_no_such_module': No module named"),
        ("/no/such/file.py:Echo", "cannot import '/no/such/file.py': no Python file at"),
        (".relative:Echo", "cannot import '.relative'"),
        ("a\0b:Echo", "cannot import"),
    ],
)
def test_a_target_that_names_nothing_is_a_failed_load(text: str, message: str) -> None:
    with pytest.raises(LoadFailed, match=message):
        build_task(TaskSpec(text))


# In a process of its own: what __main__ and the import path are.

SCRIPT = """
import sys
from pulse_ai import Task
from pulse_ai.core import spec_of

class Mine(Task):
    def predict(self, items):
        return items

if __name__ == "__main__":
    print(spec_of(Mine).target)
"""

SHOW = "from pulse_ai.core import *; print(build_task(TaskSpec('pulse_twice:Echo')).word)"


def _run(
    *arguments: str, folder: Path, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )


@pytest.mark.process
def test_a_class_of_a_script_is_named_by_the_scripts_file(tmp_path: Path) -> None:
    script = tmp_path / "my script.py"
    script.write_text(SCRIPT)
    shown = _run(script.name, folder=tmp_path).stdout.strip()
    assert shown == f"{script}:Mine"
    assert type(build_task(TaskSpec(shown))).__name__ == "Mine"


@pytest.mark.process
def test_a_class_typed_at_a_prompt_is_refused(tmp_path: Path) -> None:
    text = "from pulse_ai import Task\nfrom pulse_ai.core import spec_of\nclass T(Task): pass\nspec_of(T)"
    assert "T was typed at a prompt; put it in a file" in _run("-c", text, folder=tmp_path).stderr
    assert "T was typed at a prompt; put it in a file" in _run("-", folder=tmp_path, stdin=text).stderr


@pytest.mark.process
def test_a_module_is_looked_up_in_the_current_directory_and_then_on_the_path(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        (folder / "pulse_twice.py").write_text(
            f"from pulse_ai import Task\nclass Echo(Task):\n    word = {folder.name!r}\n    predict = list\n"
        )
    assert _run("-c", SHOW, folder=here, PYTHONPATH=str(there)).stdout == "here\n"
    assert _run("-c", SHOW, folder=tmp_path, PYTHONPATH=str(there)).stdout == "there\n"
