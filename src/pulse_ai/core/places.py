"""Where in somebody's own code an error came from, for a line that a person reads."""

__all__ = ("describe_error",)

import traceback
from functools import cache
from pathlib import Path


def describe_error(error: BaseException) -> str:
    """Return an error's type and text, and the last line of the user's own code that it came through.

    Libraries and Pulse are not the user's own. An error that did not come through any such line has no place.

    Example:
        >>> describe_error(ValueError("no"))
        'ValueError: no'
    """
    place = _place(error)
    return f"{type(error).__name__}: {error}" + (f" ({place})" if place else "")


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if _is_theirs(frame.filename)]
    return f"{Path(theirs[-1].filename).name}, line {theirs[-1].lineno}" if theirs else ""


def _is_theirs(filename: str) -> bool:
    return not filename.startswith(("<", *_folders_of_libraries()))


@cache
def _folders_of_libraries() -> tuple[str, ...]:
    import sysconfig  # only where something has failed: every process that starts pays for an import

    paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple(f"{folder}/" for folder in (*paths, Path(__file__).parents[1]))
