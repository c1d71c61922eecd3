"""What can go wrong with tables and recipes, in our words.

::

    PulseError
    └── FrameError
        ├── ReadFailed     a file cannot be read as a table; names the file, the line and the column
        ├── RecipeError    a step does not fit the frame, or a saved recipe cannot be used
        │   └── FormulaError   the text of a derived column is not a formula; says where
        └── SplitError     rows cannot be cut into parts as asked
"""

__all__ = ("FormulaError", "FrameError", "ReadFailed", "RecipeError", "SplitError")

from pulse_ai.core import PulseError


class FrameError(PulseError):
    """The root of what ``frame`` raises."""


class ReadFailed(FrameError, ValueError):
    """A file cannot be read as a table; nothing was kept of it.

    Args:
        what: What is wrong and what to do.
        file: The file's name, as the person wrote it.
        line: Line in the file, from 1; 0 where it is not about a line.
        column: The column's name; empty where it is not about one.

    Example:
        >>> ReadFailed("'x' is not a number", file="a.csv", line=3, column="age")
        ReadFailed("a.csv, line 3, column 'age': 'x' is not a number")
    """

    def __init__(self, what: str, *, file: str, line: int = 0, column: str = "") -> None:
        self.file, self.line, self.column = file, line, column
        place = file + (f", line {line}" if line else "") + (f", column {column!r}" if column else "")
        super().__init__(f"{place}: {what}")


class RecipeError(FrameError, ValueError):
    """A step does not fit the frame, or a saved recipe cannot be used; nothing was fitted or changed."""


class FormulaError(RecipeError):
    """The text of a derived column is not a formula; it says where and what is allowed."""


class SplitError(FrameError, ValueError):
    """Rows cannot be cut into parts as asked; the frame is as it was."""
