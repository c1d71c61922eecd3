"""Where in somebody's own code an error came from, for a line that a person reads."""

__all__ = ("describe_error",)

import sysconfig
import traceback
from pathlib import Path

_NOT_THEIRS = tuple(
    f"{folder}/"
    for folder in {
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        str(Path(__file__).parents[1]),
    }
)


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
    return not filename.startswith((*_NOT_THEIRS, "<"))
