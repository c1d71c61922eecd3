"""What a command line is told before anything is started."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from pulse_ai.cli import main


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tasks.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the command line in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["pulse", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([""], "a TARGET is empty"),
        (["a="], "a TARGET is empty"),
        (["nonsense"], "cannot tell what 'nonsense' is"),
        (["./missing"], "there is no folder './missing'"),
        (["missing.py:task"], "there is no file 'missing.py'"),
        (["tasks.py"], "write tasks.py:task"),
        (["tasks.py:"], "write tasks.py:task"),
        (["tasks.py:not a name"], "write tasks.py:task"),
        (["hf:nobody"], "does not name a repository"),
        (["hf:a/b/c"], "does not name a repository"),
        (["a/" * 3000], "there is no folder"),
        (["two\nlines"], "cannot tell what"),
        (["tasks:Shout", "tasks:Shout"], "the name 'shout' is used twice"),
        (["tasks:Shout", "shout=tasks:Other"], "the name 'shout' is used twice"),
        (["tasks:Shout", "--host", "256.256.256.256"], "cannot listen on 256.256.256.256"),
        (["tasks:Shout", "--host", "\u00e4" * 70], "is not an address to listen on"),
        (["tasks:Shout", "--host", ""], "is not an address to listen on"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_wrong_target_is_one_clear_line_and_2(
    arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("serve", "--port", "0", *arguments, monkeypatch=monkeypatch) == 2
    shown = capsys.readouterr()
    (line,) = shown.err.splitlines()
    assert line.startswith("pulse: ")
    assert says in line
    assert shown.out == ""


_WHOLE_NUMBERS = (
    *("--batch-size", "--queue-limit", "--workers", "--top-k", "--threads"),
    *("--max-body-bytes", "--worker-memory-bytes", "--port", "--spin-us"),
)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--batch-size", "0"),
        ("--batch-size", "many"),
        *((option, "99999999999999999999") for option in _WHOLE_NUMBERS),
        ("--worker-memory-bytes", "16777215"),
        ("--queue-limit", "-1"),
        ("--deadline-ms", "0"),
        ("--deadline-ms", "inf"),
        ("--deadline-ms", "nan"),
        ("--batch-timeout-ms", "inf"),
        ("--batch-timeout-ms", "nan"),
        ("--grace-s", "-1"),
        ("--grace-s", "inf"),
        ("--grace-s", "nan"),
        ("--overdue-s", "nan"),
        ("--overdue-s", "1e300"),
        ("--start-timeout-s", "nan"),
        ("--max-body-bytes", "0"),
        ("--port", "65536"),
        ("--port", "-1"),
        ("--workers", "0"),
        ("--top-k", "0"),
        ("--batch-mode", "magic"),
        ("--on-give-up", "cry"),
        ("--no-such-option", "1"),
    ],
)
def test_a_value_out_of_range_is_named_and_2(
    option: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("serve", "tasks:Shout", option, value, monkeypatch=monkeypatch) == 2
    shown = capsys.readouterr().err.replace("_", "-")
    stem = option.removeprefix("--").removesuffix("-ms").removesuffix("-s")
    assert stem in shown


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["serve", "--help"], ["doctor", "-h"]])
def test_help_says_what_there_is(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, monkeypatch=monkeypatch) == 0
    text = capsys.readouterr().out
    assert "Usage: pulse" in text
    if arguments[0] == "serve":
        for option in (
            "--workers",
            "--batch-size",
            "--queue-limit",
            "--deadline-ms",
            "--grace-s",
            "--on-give-up",
        ):
            assert option in text


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["train"], "measures it on rows that it has not seen, beside"),
        (["bench", "load"], "so a stall of the service shows in full. Ctrl-C"),
        (["port", "run"], "4 when what came is no frame of the codec."),
    ],
    ids=str,
)
def test_help_has_no_line_breaks_of_the_source(
    command: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    monkeypatch.setenv("TERMINAL_WIDTH", "500")
    assert run(*command, "--help", monkeypatch=monkeypatch) == 0
    assert says in capsys.readouterr().out


def test_the_version_is_the_package_s(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--version", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out.startswith("pulse 0.")


def test_too_little_memory_is_told_by_the_option_s_name_and_in_whole_bytes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("serve", "tasks:Shout", "--worker-memory-bytes", "5", monkeypatch=monkeypatch) == 2
    shown = capsys.readouterr().err
    assert "--worker-memory-bytes" in shown
    assert "must be at least 16777216, or 0 for no limit, got 5" in shown


def test_an_option_that_no_model_takes_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("serve", "tasks:Missing", "--port", "0", "--top-k", "2")
    assert run(*arguments, monkeypatch=monkeypatch) == 3
    told, failed = capsys.readouterr().err.splitlines()[0::2]
    assert told == "pulse: --top-k: no model that is served here takes it"
    assert failed.startswith("pulse: cannot load: ")


def test_of_several_models_the_one_that_cannot_be_loaded_is_named_also_to_scripts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("serve", "good=sentiment", "bad=tasks:Missing", "--port", "0", "--json")
    assert run(*arguments, monkeypatch=monkeypatch) == 3
    shown = capsys.readouterr()
    assert shown.err.startswith("pulse: cannot load 'bad': ")
    events = [json.loads(line) for line in shown.out.splitlines()]
    assert [event["event"] for event in events] == ["listening", "failed"]
    assert events[-1]["text"].startswith("cannot load 'bad': ")


_INTERRUPTED_IMPORT = """
import json
import subprocess
import sys
class Interrupts:
    def find_spec(self, name, *_):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts())
sys.argv = ["pulse", *{arguments!r}]
from pulse_ai.cli import main
main()
"""


@pytest.mark.process
@pytest.mark.parametrize(
    ("module", "arguments", "says"),
    [
        ("typer", [], "pulse: stopped\n"),
        ("pulse_ai.cli.commands", ["serve"], "pulse: stopped\n"),
        ("pulse_ai.web", ["serve", "--port", "0"], ""),
        ("pulse_ai.cli.bench", ["bench", "load", "http://127.0.0.1:1/"], "pulse: stopped\n"),
        ("pulse_ai.frame", ["train", "t.csv", "--target", "y", "--out", "o"], ""),
    ],
)
def test_ctrl_c_while_commands_are_imported_is_no_traceback_and_130(
    module: str, arguments: list[str], says: str
) -> None:
    code = _INTERRUPTED_IMPORT.format(module=module, arguments=arguments)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", says)


def test_ctrl_c_in_a_measurement_is_one_line_and_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("pulse_ai.bench.matmul.run_matmul", interrupted)
    assert run("bench", "matmul", "--sizes", "8", monkeypatch=monkeypatch) == 130
    assert capsys.readouterr().err == "pulse: stopped\n"
