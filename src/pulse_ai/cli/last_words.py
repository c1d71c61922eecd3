"""How a command ends early: one line on stderr that says why, and an exit code."""

__all__ = ("EXIT_INTERRUPTED", "EXIT_USAGE", "fail")

import sys

EXIT_USAGE = 2
"""The command cannot be carried out as it was given."""
EXIT_INTERRUPTED = 130
"""Ctrl-C: 128 and the number of SIGINT, as shells count it."""


def fail(text: object, code: int) -> int:
    """Write why the command ends as one line, and return its exit code.

    Args:
        text: What happened; line breaks in it become spaces.
        code: Returned as it is, to be passed on.
    """
    sys.stderr.write(f"pulse: {' '.join(str(text).split())}\n")
    return code
