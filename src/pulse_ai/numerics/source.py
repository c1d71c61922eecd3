"""Where in the user's own code something happened: the last frame that is not of a library underneath."""

__all__ = ("UNKNOWN", "Place", "caller_place", "place_of_error", "user_place")

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NamedTuple

_HERE = str(Path(__file__).parent)
_LIBRARIES = ("jax", "jaxlib", "numpy", "beartype", "jaxtyping", "contextlib.py", "functools.py")


class Place(NamedTuple):
    """A line of a file.

    Attributes:
        file: The file's path, or ``<unknown>``.
        line: The line's number, from 1; 0 where it is not known.
        is_users: Whether the line is outside the libraries underneath.
    """

    file: str
    line: int
    is_users: bool = True

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


UNKNOWN = Place("<unknown>", 0, is_users=False)


def user_place() -> Place:
    """Return the user's line that is running now, below any library.

    Example:
        >>> user_place().line > 0
        True
    """
    return _first(lambda file: not _is_ours(file) and not _is_library(file))


def caller_place() -> Place:
    """Return the line that called into numerics, which may be a library's."""
    return _first(lambda file: not _is_ours(file))


def _first(is_wanted: Callable[[str], bool]) -> Place:
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to see one's caller
    while frame is not None and not is_wanted(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return UNKNOWN
    return Place(frame.f_code.co_filename, frame.f_lineno, not _is_library(frame.f_code.co_filename))


def place_of_error(error: BaseException, function: Any) -> Place:
    """Return the user's line from which an error came, or the first line of a function."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    found = UNKNOWN if code is None else Place(code.co_filename, code.co_firstlineno)
    trace = error.__traceback__
    while trace is not None:
        file = _file_of(trace)
        if not _is_ours(file) and not _is_library(file):
            found = Place(file, trace.tb_lineno)
        trace = trace.tb_next
    return found


def _file_of(trace: TracebackType) -> str:
    return trace.tb_frame.f_code.co_filename


def _is_ours(file: str) -> bool:
    return file.startswith(_HERE) and not file.endswith(("functions.py", "losses.py"))


def _is_library(file: str) -> bool:
    parts = Path(file).parts
    return any(name in parts for name in _LIBRARIES) and not _is_ours(file)
