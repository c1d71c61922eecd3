"""``pulse port`` as a process: what its parent sees of it, and how it ends."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

import pytest

from pulse_ai.port import Atom, FrameReader, decode_value, encode_value
from pulse_ai.port.terms import decode_term, encode_term

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

PULSE = (sys.executable, "-c", "from pulse_ai.cli import main; main()", "port")
# The same, with the two descriptors that come first in its arguments as 3 and 4. They may be 4 and 3 themselves.
MOVED = """
import fcntl, os, sys
given = [int(sys.argv.pop(1)) for _ in range(2)]
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in given]
for fd in given:
    os.close(fd)
for fd, number in zip(high, (3, 4)):
    os.dup2(fd, number)
    os.close(fd)
from pulse_ai.cli import main
main()
"""
TASKS = Path(__file__).parent / "foreign_tasks.py"
LIMIT_S = 30.0  # generous: the machine may be busy


class Child:
    """A running ``pulse port`` and the ends of its wire that are a parent's."""

    def __init__(self, process: subprocess.Popen[bytes], to_child: IO[bytes], from_child: IO[bytes]) -> None:
        self.process = process
        self.to_child = to_child
        self.from_child = from_child
        self._reader = FrameReader(max_frame_bytes=2**30)

    def send(self, *bodies: bytes) -> None:
        self.to_child.write(b"".join(len(body).to_bytes(4, "big") + body for body in bodies))

    def ask(self, *requests: tuple[Any, Any]) -> None:
        self.send(*(b"\x83" + encode_term(request) for request in requests))

    def frame(self) -> bytes:
        while (frame := self._reader.next_frame()) is None:
            assert select.select([self.from_child], [], [], LIMIT_S)[0], "no answer came"
            chunk = os.read(self.from_child.fileno(), 65536)
            assert chunk, f"ended with {self.process.wait(LIMIT_S)}"
            self._reader.feed(chunk)
        return frame

    def answers(self, count: int) -> dict[Any, Any]:
        """Return the next answers by their refs."""
        return dict(decode_term(self.frame()[1:]) for _ in range(count))

    def end(self) -> tuple[int, bytes]:
        """Wait for the exit code, and what came on stderr."""
        code = self.process.wait(LIMIT_S)
        assert self.process.stderr is not None
        return code, self.process.stderr.read()


@contextlib.contextmanager
def on_stdio(task: str, *options: str) -> Generator[Child]:
    command = [*PULSE, f"{TASKS}:{task}", *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Child(process, process.stdin, process.stdout)
        finally:
            process.kill()


@contextlib.contextmanager
def on_3_and_4(task: str, *options: str) -> Generator[Child]:
    """Run it as Erlang does with ``nouse_stdio``. Its stdout is a pipe that nobody but the test reads."""
    their_input, ours = os.pipe()
    our_input, theirs = os.pipe()
    numbers = [str(their_input), str(theirs)]
    command = [sys.executable, "-c", MOVED, *numbers, "port", f"{TASKS}:{task}", "--fds", "3,4", *options]
    pipe = subprocess.PIPE
    with (
        open(ours, "wb", buffering=0) as to_child,  # noqa: PTH123
        open(our_input, "rb", buffering=0) as from_child,  # noqa: PTH123
        subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, pass_fds=(their_input, theirs)
        ) as process,
    ):
        os.close(their_input)
        os.close(theirs)
        try:
            yield Child(process, to_child, from_child)
        finally:
            process.kill()


def test_a_request_is_answered_and_prints_go_to_stderr() -> None:
    with on_stdio("Echo") as child:
        child.ask((7, {"größe": [1, 2.5, None, Atom("ok")]}))
        assert child.answers(1) == {7: {"größe": [1, 2.5, None, "ok"]}}
        child.to_child.close()
        assert child.end() == (0, b"printed\nwritten\n")


def test_what_came_before_something_that_is_no_frame_is_answered() -> None:
    with on_stdio("Echo") as child:
        good = [b"\x83" + encode_term((number, "x")) for number in range(3)]
        child.send(*good, b"no term", *good)
        assert child.answers(3) == {0: "x", 1: "x", 2: "x"}
        code, why = child.end()
        assert (code, b"begins with 6e 6f 20 74" in why) == (4, True)


def test_on_3_and_4_prints_go_to_stdout() -> None:
    with on_3_and_4("Echo") as child:
        child.ask((7, "x"))
        assert child.answers(1) == {7: "x"}
        child.to_child.close()
        assert child.end() == (0, b"")
        assert child.process.stdout is not None
        assert child.process.stdout.read() == b"printed\nwritten\n"


def test_msgpack_has_the_same_envelope() -> None:
    with on_stdio("Square", "--codec", "msgpack") as child:
        child.send(encode_value([1, 5]), encode_value(["two", 13]), encode_value([3, "x"]))
        answers = {answer[0]: answer[1:] for answer in (decode_value(child.frame()) for _ in range(3))}
        assert answers[1] == [25]
        assert answers["two"] == [None, ["model_error", "ValueError: unlucky"]]
        assert answers[3][1][0] == "invalid_input"


def test_items_that_fail_do_not_touch_the_others() -> None:
    with on_stdio("Square") as child:
        child.ask((1, 5), (2, 13), (3, "x"), (4, 6))
        child.send(b"\x83j", b"\x83h\x02a\x05\xff")
        answers = child.answers(6)
    assert (answers[1], answers[4]) == (25, 36)
    assert answers[2] == ("error", "model_error", "ValueError: unlucky")
    assert [answers[ref][:2] for ref in (3, 5, None)] == [("error", "invalid_input")] * 3


def test_what_arrived_together_is_predicted_together() -> None:
    with on_3_and_4("Together", "--batch-size", "4") as child:
        child.ask(*((ref, 0) for ref in range(10)))
        assert child.process.stdin is not None
        child.process.stdin.write(b"!")  # they waited while it loaded
        answers = child.answers(10)
    assert [answers[ref] for ref in range(10)] == [4] * 8 + [2] * 2


def test_while_it_predicts_it_reads_nothing_and_the_parent_waits() -> None:
    item = bytes(60_000)
    with on_3_and_4("Gate", "--batch-size", "2") as child:
        assert child.process.stdin is not None
        assert child.process.stdout is not None
        child.ask((0, item))
        assert child.process.stdout.readline() == b"waiting\n"
        os.set_blocking(child.to_child.fileno(), False)
        request = b"\x83" + encode_term((1, item))
        taken_bytes = 0
        frame = len(request).to_bytes(4, "big") + request
        with contextlib.suppress(BlockingIOError):
            while True:
                taken_bytes += os.write(child.to_child.fileno(), frame[taken_bytes % len(frame) :])
        assert taken_bytes <= 256 * 1024  # what a pipe holds; it would be without end if the child read on
        os.set_blocking(child.to_child.fileno(), True)
        child.process.stdin.write(b"!" * 10)
        child.to_child.write(frame[taken_bytes % len(frame) :])
        count = 1 + -(-taken_bytes // len(frame))
        assert [decode_term(child.frame()[1:])[1] for _ in range(count)] == [60_000] * count


@pytest.mark.parametrize("task", ["Never", "NeverLoads"])
def test_it_ends_when_its_input_closes_whatever_it_does(task: str) -> None:
    with on_3_and_4(task) as child:
        child.ask(*((ref, "x") for ref in range(100)))
        assert child.process.stdout is not None
        assert child.process.stdout.readline() == b"here\n"
        child.to_child.close()
        assert child.end() == (0, b"")


def test_it_ends_when_nobody_reads_its_answers() -> None:
    with on_3_and_4("Echo") as child:
        child.from_child.close()
        child.ask((1, "x"))
        assert child.end() == (0, b"")


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (b"\x00\x00\x00\x05hello", "a frame of 5 bytes begins with 68 65 6c 6c 6f, not with 131"),
        (b"Traceback (most recent call last)", "a frame of 1416782179 bytes is over the limit of 67108864"),
    ],
)
def test_garbage_is_one_line_and_exit_code_4(sent: bytes, line: str) -> None:
    with on_stdio("Echo") as child:
        child.to_child.write(sent)
        code, said = child.end()
    assert code == 4
    assert said.decode() == f"pulse: the parent does not speak etf with --packet 4: {line}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (
            [f"{TASKS}:Fails"],
            3,
            "pulse: cannot load: Fails.load failed: OSError: the weights are not there (foreign_tasks.py, line ",
        ),
        ([f"{TASKS}:Nothing"], 3, "'Nothing' in"),
        (["no/such/folder"], 2, "there is no folder"),
        ([f"{TASKS}:Echo", "--codec", "json"], 2, "must be etf or msgpack"),
        ([f"{TASKS}:Echo", "--packet", "3"], 2, "must be 1 or 2 or 4"),
        ([f"{TASKS}:Echo", "--fds", "1,2"], 2, "must be 0,1 or 3,4"),
        ([f"{TASKS}:Echo", "--fds", "3,4"], 2, "Bad file descriptor"),
    ],
)
def test_what_cannot_be_served_is_said_in_words(arguments: list[str], code: int, why: str) -> None:
    done = subprocess.run(
        [*PULSE, *arguments], check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=LIMIT_S
    )
    assert (done.returncode, done.stdout) == (code, b"")
    assert why in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_the_installed_command_finds_a_task_in_the_current_directory(tmp_path: Path) -> None:
    (tmp_path / "here_only.py").write_text(
        "from pulse_ai import Task\nclass Same(Task):\n    predict = list\n"
    )
    command = [Path(sys.executable).with_name("pulse"), "port", "here_only:Same"]
    done = subprocess.run(
        command, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=LIMIT_S, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("spin_us", ["0", "10000"])
def test_awake_or_asleep_each_request_is_answered_and_the_end_is_seen(spin_us: str) -> None:
    with on_3_and_4("Echo", "--spin-us", spin_us) as child:
        for ref in range(20):
            child.ask((ref, "x"))
            assert child.answers(1) == {ref: "x"}
        child.to_child.close()
        assert child.end() == (0, b"")


def test_a_program_that_the_task_starts_does_not_hold_the_wire() -> None:
    with on_3_and_4("Descriptors") as child:
        child.ask((1, None))
        assert child.answers(1) == {1: []}


def test_ctrl_c_is_for_the_parent_and_the_task_may_end_the_process() -> None:
    with on_stdio("Exits") as child:
        child.ask((1, "x"))
        assert child.answers(1)[1][1] == "invalid_input"
        child.process.send_signal(signal.SIGINT)
        child.ask((2, 7))
        assert child.end()[0] == 7
