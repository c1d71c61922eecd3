"""Ctrl-C that waits for a moment at which the work can be left.

Python raises KeyboardInterrupt between any two instructions of the main thread. In the middle of a call of XLA
that ends the process with SIGSEGV, or is swallowed by a callback and the work goes on. So while such work is done
Ctrl-C is only noted, and raised where nothing is half done.
"""

__all__ = ("Interrupts",)

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, ParamSpec, Self, TypeVar

import typer

from pulse_ai.cli.last_words import EXIT_INTERRUPTED, fail

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class Interrupts:
    """Holds Ctrl-C back while it is entered; a second one ends the process at once.

    Args:
        left: What is said of a stop, after "stopped; ".
        leave: Ends the process at once, with an exit code.
    """

    def __init__(self, left: str, *, leave: Callable[[int], Any] = os._exit) -> None:
        self._left = left
        self._leave = leave
        self._asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(fail(f"stopped; {self._left}", EXIT_INTERRUPTED)) from None

    def check(self) -> None:
        """Stop here if that was asked for.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed.
        """
        if self._asked:
            raise KeyboardInterrupt

    def before(self, function: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
        """Return the function with a check before each call."""

        def checked(*arguments: Arguments.args, **options: Arguments.kwargs) -> Answer:
            self.check()
            return function(*arguments, **options)

        return checked

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked:
            self._leave(fail("stopped at once", EXIT_INTERRUPTED))
        self._asked = True
        sys.stderr.write("pulse: stopping at the next step; Ctrl-C again stops at once\n")
