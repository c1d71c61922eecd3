"""The door of the command line: how an error of ours, or Ctrl-C, ends a command.

Nothing is imported here but what is needed to say so: a Ctrl-C while the commands are still being imported must
end as quietly as one that comes later.
"""

__all__ = ("main",)

import io
import sys

from pulse_ai.cli.last_words import EXIT_INTERRUPTED, EXIT_USAGE, fail


def main() -> None:
    """Run the command line.

    An error of ours is one line on stderr and exit code 2, Ctrl-C is one line and 130; neither is a traceback.
    What the terminal cannot show, such as a name in another script, is written as its escape.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as Python sets up stderr
    try:
        from pulse_ai.cli.commands import app
        from pulse_ai.core import PulseError

        try:
            app()
        except PulseError as error:
            sys.exit(fail(error, EXIT_USAGE))
    except KeyboardInterrupt:
        sys.exit(fail("stopped", EXIT_INTERRUPTED))
