"""Which recipe a table gets when nobody wrote one, and what becomes of each column."""

__all__ = ("ColumnNote", "TablePlan", "columns_with_nulls", "plan_recipe")

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from pulse_ai.frame import Recipe, RecipeError, kind_of, propose_recipe
from pulse_ai.tabular.errors import TableError

if TYPE_CHECKING:
    import polars as pl

_UNUSED = "dropped: "  # how the reason for a column that is not used begins


class ColumnNote(NamedTuple):
    """What becomes of one column.

    Attributes:
        name: The column.
        kind: What its values are.
        nulls: How many rows have none.
        reason: What it is used as, or why it is not.
    """

    name: str
    kind: str
    nulls: int
    reason: str

    @property
    def is_used(self) -> bool:
        """Whether the model looks at it."""
        return not self.reason.startswith(_UNUSED)


class TablePlan(NamedTuple):
    """A recipe and what it does with each column.

    Attributes:
        recipe: The recipe, for the columns that are not left out by a person.
        columns: All columns but the target.
        without: Columns that the recipe must not see: the target, and those that a person left out.
        nullable: Columns that are null in other rows, if not in these.
    """

    recipe: Recipe
    columns: tuple[ColumnNote, ...]
    without: tuple[str, ...]
    nullable: tuple[str, ...] = ()

    @property
    def used(self) -> tuple[ColumnNote, ...]:
        """The columns that the model looks at."""
        return tuple(note for note in self.columns if note.is_used)


def plan_recipe(
    frame: "pl.DataFrame", *, target: str, drop: Iterable[str] = (), nullable: Iterable[str] = ()
) -> TablePlan:
    """Return a recipe for a table, as ``propose_recipe`` makes it, with a note for each column.

    Args:
        frame: The rows to learn from.
        target: What is predicted; no feature.
        drop: Columns to leave out besides.
        nullable: Columns that are null in rows that are not here, such as the held-out ones.

    Raises:
        TableError: A column to leave out is not there or is the target, or none is left.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"town": ["Bern", "Thun"] * 5, "one": [1] * 10, "y": [0, 1] * 5})
        >>> [(note.name, note.is_used) for note in plan_recipe(frame, target="y").columns]
        [('town', True), ('one', False)]
    """
    dropped = tuple(drop)
    if target in dropped:
        raise TableError(f"{target!r} is what is predicted; it cannot be left out")
    missing = set(dropped) - set(frame.columns)
    if missing:
        raise TableError(f"there is no column {min(missing)!r} to leave out")
    without, nullable = (target, *dropped), tuple(nullable)
    if set(frame.columns) == set(without):
        raise TableError(f"no column is left to predict {target!r} from")
    try:
        recipe, reasons = propose_recipe(frame, without=without, nullable=nullable)
    except RecipeError as error:
        raise TableError(f"no column is left to predict {target!r} from: {error}") from error
    reasons = reasons | dict.fromkeys(dropped, f"{_UNUSED}you said so")
    notes = tuple(_note(frame[name], reasons[name]) for name in frame.columns if name != target)
    return TablePlan(recipe, notes, without, nullable)


def columns_with_nulls(frame: "pl.DataFrame") -> tuple[str, ...]:
    """Return the names of the columns that are null, or NaN, in a row.

    Example:
        >>> import polars as pl
        >>> columns_with_nulls(pl.DataFrame({"a": [1, None], "b": [0.5, float("nan")], "c": [1, 2]}))
        ('a', 'b')
    """
    return tuple(column.name for column in frame if _nulls(column))


def _note(column: "pl.Series", reason: str) -> ColumnNote:
    return ColumnNote(column.name, kind_of(column.dtype) or str(column.dtype), _nulls(column), reason)


def _nulls(column: "pl.Series") -> int:
    return column.null_count() + (int(column.is_nan().sum()) if column.dtype.is_float() else 0)
