"""What can go wrong with tables and recipes, in our words.

::

    PulseError
    └── FrameError
        ├── ReadFailed     a file cannot be read as a table; names the file, the line and the column
        ├── RecipeError    a step does not fit the frame, or a saved recipe cannot be used
        │   └── FormulaError   the text of a derived column is not a formula; says where
        └── SplitError     rows cannot be cut into parts as asked
"""

__all__ = ("FormulaError", "FrameError", "Option", "ReadFailed", "RecipeError", "SplitError")

from typing import NamedTuple

from pulse_ai.core import PulseError


class FrameError(PulseError):
    """The root of what ``frame`` raises."""


class Option(NamedTuple):
    """An option of ``read_csv`` that an error speaks of, and its value, if any.

    Example:
        >>> str(Option("encoding", "latin-1")), str(Option("nulls"))
        ("encoding='latin-1'", 'nulls')
    """

    name: str
    value: str = ""

    def __str__(self) -> str:
        """Return it as Python spells it."""
        return f"{self.name}={self.value!r}" if self.value else self.name


class ReadFailed(FrameError, ValueError):
    """A file cannot be read as a table; nothing was kept of it.

    Args:
        what: What is wrong and what to do.
        file: The file's name, as the person wrote it.
        line: Line in the file, from 1; 0 where it is not about a line.
        column: The column's name; empty where it is not about one.
        option: The option that ``what`` speaks of, spelt there as its ``str``.

    Example:
        >>> ReadFailed("'x' is not a number", file="a.csv", line=3, column="age")
        ReadFailed("a.csv, line 3, column 'age': 'x' is not a number")
    """

    def __init__(
        self, what: str, *, file: str, line: int = 0, column: str = "", option: Option | None = None
    ) -> None:
        self.what, self.file, self.line, self.column, self.option = what, file, line, column, option
        place = file + (f", line {line}" if line else "") + (f", column {column!r}" if column else "")
        super().__init__(f"{place}: {what}")

    def at_line(self, line: int) -> "ReadFailed":
        """Return the same error at another line."""
        return ReadFailed(self.what, file=self.file, line=line, column=self.column, option=self.option)

    def spelling(self, option: str) -> "ReadFailed":
        """Return the same error with its option spelt another way, as on a command line."""
        before, _, after = self.what.rpartition(str(self.option))
        return ReadFailed(f"{before}{option}{after}", file=self.file, line=self.line, column=self.column)


class RecipeError(FrameError, ValueError):
    """A step does not fit the frame, or a saved recipe cannot be used; nothing was fitted or changed."""


class FormulaError(RecipeError):
    """The text of a derived column is not a formula; it says where and what is allowed."""


class SplitError(FrameError, ValueError):
    """Rows cannot be cut into parts as asked; the frame is as it was."""
