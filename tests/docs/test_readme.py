"""The README is run: its blocks in their order, as a reader would type them, with a free port for 8000."""

import contextlib
import json
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import cast

import pytest

from pulse_ai.cli.commands import app
from pulse_ai.cli.targets import parse_target

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_START_S = 60.0  # the machine may be busy with other tests
_SCORE_TOLERANCE = 0.2  # the README rounds, and a retrained model moves a little


@dataclass
class Terminal:
    """A reader's folder with one service running in it at a time.

    Attributes:
        folder: Where files are saved and commands run.
        pulse: The command ``pulse``.
        environment: What the commands see.
    """

    folder: Path
    pulse: list[str]
    environment: dict[str, str]
    service: subprocess.Popen[str] | None = None
    url: str = ""
    answered: list[str] = field(default_factory=list[str])

    def serve(self, arguments: list[str]) -> None:
        """Start ``pulse serve`` on a free port, in place of the one before, and wait until it is ready."""
        self.stop()
        self.service = subprocess.Popen(
            [*self.pulse, "serve", *arguments, "--port", "0", "--json"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        lines: Queue[str] = Queue()
        threading.Thread(target=_pump, args=(self.service, lines), daemon=True).start()
        event = {"event": ""}
        while event["event"] != "ready":
            try:
                line = lines.get(timeout=_START_S)
            except Empty:
                pytest.fail(f"pulse serve {arguments} was not ready in {_START_S:g} s")
            assert line, f"pulse serve {arguments} ended with {self.service.wait(5)}"
            event = json.loads(line)
        self.url = event["url"]

    def curl(self, words: list[str]) -> str:
        """Run a curl of the README against the service and return what it answered."""
        here = [re.sub(r"^(http://)?(localhost|127\.0\.0\.1):8000", self.url, word) for word in words]
        command = ["curl", "--silent", "--show-error", "--max-time", "20", "--noproxy", "*", *here]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    def stop(self) -> int | None:
        """End the service as Ctrl-C does; return its exit code."""
        if self.service is None:
            return None
        self.service.send_signal(signal.SIGINT)
        with self.service:  # closes its pipe
            try:
                return self.service.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.service.kill()
                raise


def _pump(service: subprocess.Popen[str], lines: "Queue[str]") -> None:
    """Hand on what the service says; an empty line means its end."""
    assert service.stdout is not None
    with contextlib.suppress(ValueError):  # closed from the other side
        for line in service.stdout:
            lines.put(line)
    lines.put("")


@pytest.fixture
def terminal(
    tmp_path: Path, pulse_command: list[str], child_environment: dict[str, str]
) -> Iterator[Terminal]:
    opened = Terminal(tmp_path, pulse_command, child_environment)
    yield opened
    assert opened.stop() in {0, None}, "the service did not stop cleanly"


@pytest.mark.process
@pytest.mark.timeout(180)
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
def test_blocks_of_the_readme_do_what_it_says(root: Path, terminal: Terminal) -> None:
    blocks = _blocks(root)
    for place, (language, text) in enumerate(blocks):
        if language == "python" and text.startswith("# "):
            (terminal.folder / text[2:].split("\n")[0]).write_text(text)
        if language != "bash":
            continue
        for words in _commands(text):
            _run(words, terminal, makefile=(root / "Makefile").read_text())
            if words[0] == "curl":
                shown_in, shown = blocks[place + 1]
                assert shown_in == "json", f"{shlex.join(words)} is not followed by its answer"
                assert _alike(json.loads(terminal.answered[-1]), json.loads(shown))
    assert len(terminal.answered) >= 2
    assert json.loads(terminal.answered[0])["predictions"][0]["label"] == "POSITIVE"


def _run(words: list[str], terminal: Terminal, *, makefile: str) -> None:
    """Do what a command of the README stands for."""
    if words == ["make", "serve"]:
        assert re.search(r"^serve:.*\n\t\$\(BIN\)/pulse serve \$\(ARGS\)$", makefile, re.MULTILINE)
        assert not re.search(r"^ARGS\b", makefile, re.MULTILINE)  # it is empty unless given
        terminal.serve([])
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE)
    elif words[:2] == ["pulse", "serve"] and all((terminal.folder / _file(w)).exists() for w in words[2:]):
        terminal.serve(words[2:])
    elif words[:2] == ["pulse", "serve"]:
        (terminal.folder / "some-hf-checkout").mkdir(exist_ok=True)
        (terminal.folder / "model.skops").touch()
        for word in words[2:]:  # downloads and checkpoints are tested in tests/hub; here: it is understood
            target = parse_target(word.replace("./", f"{terminal.folder}/"), {})
            assert target.spec.target
    else:
        assert words[0] == "curl", f"the README has a command that this test does not know: {words}"
        terminal.answered.append(terminal.curl(words[1:]))


def _file(target: str) -> str:
    return target.partition(":")[0] + ".py"


def _blocks(root: Path) -> list[tuple[str, str]]:
    return _BLOCK.findall((root / "README.md").read_text("utf-8"))


def _commands(text: str) -> list[list[str]]:
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def _alike(given: object, shown: object) -> bool:
    """Compare JSON; numbers with a fraction only roughly."""
    if isinstance(given, dict) and isinstance(shown, dict):
        ours, theirs = cast("dict[str, object]", given), cast("dict[str, object]", shown)
        return ours.keys() == theirs.keys() and all(_alike(ours[name], theirs[name]) for name in ours)
    if isinstance(given, list) and isinstance(shown, list):
        mine, yours = cast("list[object]", given), cast("list[object]", shown)
        return len(mine) == len(yours) and all(map(_alike, mine, yours))
    if isinstance(given, float) and isinstance(shown, float):
        return abs(given - shown) <= _SCORE_TOLERANCE
    return given == shown


def test_the_readme_lists_every_command_and_no_other(root: Path) -> None:
    text = (root / "README.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `pulse (\w+)", text, re.MULTILINE))
    commands = {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    }
    groups = {group.name for group in app.registered_groups if group.name}
    assert listed == commands | groups


def test_every_make_target_in_the_readme_exists(root: Path) -> None:
    text, makefile = (root / "README.md").read_text("utf-8"), (root / "Makefile").read_text("utf-8")
    named = set(re.findall(r"`make (\w+)`", text))
    assert {"serve", "test"} <= named
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in named)
