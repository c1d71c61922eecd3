"""What ``pulse bench`` cannot carry out, as one line and exit code 2."""

__all__ = ("usage_errors",)

from collections.abc import Generator
from contextlib import contextmanager

import msgspec
import typer

from pulse_ai.cli.last_words import EXIT_USAGE, fail
from pulse_ai.core import PulseError


@contextmanager
def usage_errors() -> Generator[None]:
    """End the command where a value cannot be used, a file cannot be read or written, or memory is too small."""
    try:
        yield
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        raise typer.Exit(fail(f"{named}{error.strerror or error}", EXIT_USAGE)) from error
    except (ValueError, MemoryError, msgspec.MsgspecError, PulseError) as error:
        raise typer.Exit(fail(str(error) or type(error).__name__, EXIT_USAGE)) from error
