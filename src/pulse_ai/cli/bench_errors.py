"""What is wrong with the arguments of ``pulse bench``, as a sentence and exit code 2."""

__all__ = ("usage_errors",)

from collections.abc import Generator
from contextlib import contextmanager

import typer


@contextmanager
def usage_errors() -> Generator[None]:
    """Turn a value that cannot be used, or a file that cannot be read, into a usage error."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
