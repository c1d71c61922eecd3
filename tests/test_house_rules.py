"""The rules of the house that no linter knows: sizes, names, what must and must not stand in a file.

Each test lists every place that breaks its rule as ``file:line: rule``, so that one run shows all there is to do.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

MOST_MODULE_LINES = 400
MOST_FUNCTION_LINES = 60
MOST_PARAMETERS = 6
BANNED_WORDS = {"util", "utils", "helper", "helpers", "manager", "managers"}

# Modules that open pickles, and why they may.
UNPICKLES_WITH_A_REASON: dict[str, str] = {
    "src/pulse_ai/hub/estimators/pickle_files.py": "a person named the file as trusted, with --trust-pickle",
}

# Modules without a tuple of public names: they are entered by running them, or only re-export.
NO_ALL = {"__init__.py", "__main__.py", "conftest.py"}
# Modules whose names are the options of a command line: each is public, and none is used by another room.
OPTION_MODULES = {"src/pulse_ai/cli/serve_options.py", "src/pulse_ai/cli/train_options.py"}

# What a test may call instead of writing ``assert`` itself. ``until`` and ``timeout`` fail when their time
# is over, and ``simplefilter`` turns a warning that must not come into an error. ``suppress`` lets one
# kind of error pass and no other.
ASSERTING_CALLS = re.compile(
    r"(raises|warns|fail|until|timeout|suppress|simplefilter|assert\w*|_?check\w*|_?require\w*|simulate\w*|expect\w*|verify\w*)$"
)


@cache
def _files(*folders: str) -> tuple[Path, ...]:
    found = (file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    return tuple(sorted(file for file in found if "__pycache__" not in file.parts))


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"), filename=str(file))


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Give every call with the dotted name of what is called, as far as it is written out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, _dotted(node.func)


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""


def _report(broken: list[str]) -> str:
    return f"{len(broken)} place(s):\n" + "\n".join(broken)


def test_no_module_is_over_400_lines() -> None:
    broken: list[str] = []
    for file in _files("src", "tests", "benchmarks"):
        lines = len(file.read_text("utf-8").splitlines())
        if lines > MOST_MODULE_LINES:
            broken.append(
                f"{_name(file)}:{lines}: a module has at most {MOST_MODULE_LINES} lines; this has {lines}"
            )
    assert not broken, _report(broken)


def test_no_function_is_over_60_lines() -> None:
    broken: list[str] = []
    for file in _files("src", "tests", "benchmarks"):
        for function in _functions(_tree(file)):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > MOST_FUNCTION_LINES and not _is_command(function):
                where = f"{_name(file)}:{function.lineno}"
                broken.append(f"{where}: {function.name} has {lines} lines; at most {MOST_FUNCTION_LINES}")
    assert not broken, _report(broken)


def test_no_function_has_over_6_parameters() -> None:
    broken: list[str] = []
    for file in _files("src", "benchmarks"):
        for function in _functions(_tree(file)):
            given = function.args
            names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            count = len([name for name in names if name not in {"self", "cls"}])
            if count > MOST_PARAMETERS and not _is_command(function):
                where = f"{_name(file)}:{function.lineno}"
                broken.append(f"{where}: {function.name} has {count} parameters; at most {MOST_PARAMETERS}")
    assert not broken, _report(broken)


def _is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether it is a command: its parameters are Typer options, each with a help text of its own."""
    given = function.args
    hints = [one.annotation for one in (*given.args, *given.kwonlyargs)]
    texts = [ast.unparse(hint) for hint in hints if hint is not None]
    return any(re.match(r"(opt|option)\.|.*typer\.(Option|Argument)", text) for text in texts)


def test_every_module_has_a_docstring() -> None:
    files = [
        file for file in _files("src", "tests", "benchmarks", "models") if file.read_text("utf-8").strip()
    ]
    broken = [
        f"{_name(file)}:1: a module begins with a docstring"
        for file in files
        if not ast.get_docstring(_tree(file))
    ]
    assert not broken, _report(broken)


def test_every_module_says_what_is_public_in_a_tuple() -> None:
    broken: list[str] = []
    for file in _files("src"):
        if file.name in NO_ALL or _name(file) in OPTION_MODULES:
            continue
        listed = _public_names(_tree(file))
        if listed is None:
            broken.append(f"{_name(file)}:1: a module has an __all__ tuple")
            continue
        missing = sorted(set(listed) - _defined(_tree(file)))
        if missing:
            broken.append(f"{_name(file)}:1: __all__ names what is not there: {', '.join(missing)}")
    assert not broken, _report(broken)


def _public_names(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(_dotted(target) == "__all__" for target in node.targets):
            if isinstance(node.value, ast.Tuple):
                return [
                    one.value
                    for one in node.value.elts
                    if isinstance(one, ast.Constant) and isinstance(one.value, str)
                ]
            return None
    return None


def _defined(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
    return names


def test_no_name_is_a_word_that_says_nothing() -> None:
    broken: list[str] = []
    for file in _files("src", "tests", "benchmarks", "models"):
        parts = (*file.relative_to(ROOT).parts[:-1], file.stem)
        empty = [part for part in parts if BANNED_WORDS & set(part.lower().split("_"))]
        broken += [f"{_name(file)}:1: {part!r} says nothing; name it for what it does" for part in empty]
        for node in ast.walk(_tree(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                words = re.findall(r"[A-Z]?[a-z0-9]+", node.name)
                if BANNED_WORDS & {word.lower() for word in words}:
                    broken.append(
                        f"{_name(file)}:{node.lineno}: {node.name!r} says nothing; name it for what it does"
                    )
    assert not broken, _report(broken)


@pytest.mark.parametrize(("banned", "instead"), [("time.sleep", "wait for an event, with a bound")])
def test_nothing_sleeps(banned: str, instead: str) -> None:
    broken = [
        f"{_name(file)}:{call.lineno}: {banned}; {instead}"
        for file in _files("src")
        for call, name in _calls(_tree(file))
        if name == banned
    ]
    assert not broken, _report(broken)


def test_nothing_is_pickled() -> None:
    banned = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"}
    broken: list[str] = []
    for file in _files("src", "benchmarks", "models"):
        if _name(file) in UNPICKLES_WITH_A_REASON:
            continue
        for node in ast.walk(_tree(file)):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found = banned & {name.partition(".")[0] for name in names}
            broken.extend(
                f"{_name(file)}:{getattr(node, 'lineno', 1)}: {name}; use msgspec" for name in found
            )
    assert not broken, _report(broken)


def test_only_the_command_line_and_the_benchmarks_print() -> None:
    broken = [
        f"{_name(file)}:{call.lineno}: print; log it, or return it"
        for file in _files("src")
        for call, name in _calls(_tree(file))
        if name == "print" and "/cli/" not in _name(file)
    ]
    assert not broken, _report(broken)


def _tests() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for file in _files("tests"):
        for function in _functions(_tree(file)):
            if file.name.startswith("test_") and function.name.startswith("test_"):
                yield file, function


def test_every_test_asserts_something() -> None:
    broken: list[str] = []
    for file, function in _tests():
        if function.name not in _asserting(file):
            broken.append(f"{_name(file)}:{function.lineno}: {function.name} asserts nothing")
    assert not broken, _report(broken)


@cache
def _asserting(file: Path) -> set[str]:
    """Return the functions of a file that assert something, themselves or by calling one that does."""
    called = {
        function.name: {name.rpartition(".")[2] for _, name in _calls(function)}
        for function in _functions(_tree(file))
    }
    found = {
        function.name
        for function in _functions(_tree(file))
        if any(isinstance(node, ast.Assert) for node in ast.walk(function))
        or any(ASSERTING_CALLS.match(name) for name in called[function.name])
    }
    while more := {name for name, calls in called.items() if calls & found} - found:
        found |= more
    return found


def test_no_test_sleeps_to_let_something_happen() -> None:
    broken: list[str] = []
    for file in _files("tests"):
        for call, name in _calls(_tree(file)):
            if name not in {"time.sleep", "asyncio.sleep", "sleep"}:
                continue
            yields_only = (
                name != "time.sleep" and bool(call.args) and ast.unparse(call.args[0]) in {"0", "0.0"}
            )
            if not (yields_only or _in_task(file, call) or _has_reason(file, call.lineno)):
                where = f"{_name(file)}:{call.lineno}"
                broken.append(
                    f"{where}: a test waits for an event or for virtual time, or says why it cannot"
                )
    assert not broken, _report(broken)


def _has_reason(file: Path, number: int) -> bool:
    """Say whether a line has a comment of at least three words."""
    line = file.read_text("utf-8").splitlines()[number - 1]
    words = re.findall(r"[a-z']{2,}", re.sub(r"noqa: [A-Z0-9, ]+", "", line.partition("  # ")[2]))
    return len(words) >= 3


def _in_task(file: Path, call: ast.Call) -> bool:
    """Say whether the sleep stands in the ``load`` or ``predict`` of a task: there it is the model's work."""
    return any(
        node.name in {"load", "predict"} and node.lineno <= call.lineno <= (node.end_lineno or node.lineno)
        for node in _functions(_tree(file))
    )


def test_no_test_has_a_fixed_port() -> None:
    broken: list[str] = []
    for file in _files("tests"):
        for call, name in _calls(_tree(file)):
            fixed = [ast.unparse(one.value) for one in call.keywords if one.arg == "port"]
            fixed += [_second_of(call.args[0])] if name.endswith((".bind", ".connect")) and call.args else []
            is_setting = name.endswith("Settings")  # a value that nobody binds
            if not is_setting and any(text.isdigit() and int(text) > 0 for text in fixed):
                broken.append(
                    f"{_name(file)}:{call.lineno}: a fixed port; bind port 0 and ask which one it is"
                )
    assert not broken, _report(broken)


def _second_of(node: ast.AST) -> str:
    """Return the port of ``(host, port)``, where it is written so."""
    return ast.unparse(node.elts[1]) if isinstance(node, ast.Tuple) and len(node.elts) > 1 else ""
