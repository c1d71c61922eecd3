"""A worker of another program on the command line: its command, what TARGET means, what cannot be combined."""

import json
import sys
from pathlib import Path

import pytest

from pulse_ai import Serving
from pulse_ai.cli import main
from pulse_ai.cli.worker_command import parse_command, parse_worker_target
from pulse_ai.core import TargetError, TaskSpec

BROKEN = Path(__file__).parents[1] / "testing" / "broken_worker.py"


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the command line in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["pulse", *arguments])
    monkeypatch.setenv("COLUMNS", "160")
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("text", "command", "name", "task"),
    [
        ("", "node worker.js", "worker", None),
        ("", "./Score", "score", None),
        ("", "node lib/mood.mjs --fast", "mood", None),
        ("", "/opt/---", "model", None),
        ("mood=", "node worker.js", "mood", None),
        ("mood=de.json", "node worker.js", "mood", "de.json"),
        ("words/De Mild.txt", "node worker.js", "de-mild", "words/De Mild.txt"),
        ("./a=b.bin", "node worker.js", "a-b", "./a=b.bin"),
        ("mood=hf:acme/mood@v1", "node worker.js", "mood", "hf:acme/mood@v1"),
    ],
)
def test_a_target_is_the_workers_to_read(text: str, command: str, name: str, task: str | None) -> None:
    target = parse_worker_target(text, command.split())
    assert target.name == name
    assert target.spec == (None if task is None else TaskSpec(task))


def test_a_command_is_split_as_a_shell_does() -> None:
    assert parse_command(f"{sys.executable} 'my worker.py' --a=\"b c\"") == (
        sys.executable,
        "my worker.py",
        "--a=b c",
    )


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("node 'worker.js", "No closing quotation"),
        ("no-such-program worker.js", "there is no program 'no-such-program'"),
        ("/nowhere/node worker.js", "there is no program '/nowhere/node'"),
        ("true\0 x", "there is no program"),
    ],
)
def test_a_command_that_cannot_run_is_one_clear_line_and_2(
    command: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (("serve", "--port", "0", "--worker-command", command), ("port", "check", command)):
        assert run(*arguments, monkeypatch=monkeypatch) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("pulse: ")
        assert says in line


@pytest.mark.parametrize("option", ["--precision", "--scores", "--top-k", "--offline"])
def test_options_of_pretrained_models_are_not_for_another_program(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    value = [] if option == "--offline" else ["1"]
    assert run("serve", "--worker-command", "true", option, *value, monkeypatch=monkeypatch) == 2
    assert option in capsys.readouterr().err


def test_two_models_of_one_program_need_two_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("serve", "--worker-command", "true", "a/x.txt", "b/x.txt", monkeypatch=monkeypatch) == 2
    assert "the name 'x' is used twice" in capsys.readouterr().err


def test_a_serving_needs_a_task_or_a_command() -> None:
    with pytest.raises(TargetError, match="mood has no task"):
        Serving(None, name="mood")
    with pytest.raises(TargetError, match="needs a name"):
        Serving(None, command=("true",))


def test_what_another_program_serves_does_not_run_in_this_process() -> None:
    with pytest.raises(TargetError, match="mood is served by another program"):
        Serving(None, name="mood", command=("true",)).run(1)


@pytest.mark.process
async def test_a_worker_of_another_program_serves_python_too() -> None:
    command = (sys.executable, str(BROKEN), "Sound")
    async with Serving(None, name="loud", command=command).open() as serving:
        assert await serving.infer("hi", timeout_s=20) == "HI"
        assert [str(answer) for answer in await serving.infer_all(["a", 1], timeout_s=20)] == [
            "A",
            "expected a text of at most 10,000 characters",
        ]


@pytest.mark.process
@pytest.mark.parametrize(("way", "code", "status"), [("Sound", 0, "passed"), ("FailsToDrain", 1, "failed")])
def test_port_check_prints_a_table_and_ends_with_its_verdict(
    way: str, code: int, status: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"{sys.executable} {BROKEN} {way}"
    arguments = ("port", "check", command, "--only", "drain", "--item", '"x"')
    assert run(*arguments, monkeypatch=monkeypatch) == code
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("drain")]
    assert status in row
    assert "SHUTDOWN after the last RESULT" in row

    assert run(*arguments, "--json", monkeypatch=monkeypatch) == code
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] is (code == 0)
    assert report["command"] == [sys.executable, str(BROKEN), way]
    (outcome,) = report["outcomes"]
    assert (outcome["name"], outcome["status"]) == ("drain", status)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--only", "dance"), "there is no check 'dance'"),
        (("--item", "{"), "an item must be JSON"),
        (("--limit-s", "0"), "--limit-s"),
        (("--start-limit-s", "nan"), "--start-limit-s"),
    ],
)
def test_an_option_of_port_check_that_cannot_be_used_is_named_and_2(
    arguments: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("port", "check", "true", *arguments, monkeypatch=monkeypatch) == 2
    assert says in capsys.readouterr().err
