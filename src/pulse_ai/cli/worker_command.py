"""A worker of another program: its command, and what a TARGET means to it."""

__all__ = ("WorkerTarget", "parse_command", "parse_worker_target")

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pulse_ai.cli.targets import model_name, split_name
from pulse_ai.core import TargetError, TaskSpec


class WorkerTarget(NamedTuple):
    """A model that a worker of another program serves: its name in the URL, and the task of HELLO."""

    name: str
    spec: TaskSpec | None


def parse_command(text: str) -> tuple[str, ...]:
    """Split a command as a shell does, without running one.

    Raises:
        TargetError: It is empty or a quote is open, or there is no such program.

    Example:
        >>> parse_command("python3 -u 'my worker.py'")
        ('python3', '-u', 'my worker.py')
    """
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise TargetError(f"the command {text!r} cannot be read: {error}") from error
    if not words:
        raise TargetError("the command is empty; write a program and its arguments, such as 'node worker.js'")
    if "\0" in text or shutil.which(words[0]) is None:
        raise TargetError(f"there is no program {words[0]!r} in {text!r}; check the name and PATH")
    return words


def parse_worker_target(text: str, command: Sequence[str]) -> WorkerTarget:
    """Read ``[NAME=]TARGET`` where a worker of another program serves.

    What stands for TARGET goes to the worker in HELLO, as it is; nothing, and HELLO brings no task. Without a
    name the model is called after the file that TARGET names, or else after the program.

    Args:
        text: What the person typed; may be empty.
        command: The program and its arguments.

    Example:
        >>> parse_worker_target("", ["node", "readability.js"])
        WorkerTarget(name='readability', spec=None)
        >>> parse_worker_target("mild=words.txt", ["node", "readability.js"]).spec.target
        'words.txt'
    """
    name, rest = split_name(text)
    called_after = rest or next(word for word in (*command[:0:-1], command[0]) if not word.startswith("-"))
    return WorkerTarget(name or model_name(Path(called_after).stem.lower()), TaskSpec(rest) if rest else None)
