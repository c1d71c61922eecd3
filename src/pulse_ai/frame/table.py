"""The state of a table as the steps of a recipe work on it: what each column is now, and how it is computed.

Nothing here holds rows. ``Table.program`` closes it into a ``Program``, which runs on rows.
"""

__all__ = ("Entry", "Program", "Spread", "Table")

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from pulse_ai.frame.columns import Column
from pulse_ai.frame.errors import RecipeError
from pulse_ai.frame.operations import Operation
from pulse_ai.frame.sources import BucketSource, CodeSource, NumberSource
from pulse_ai.frame.steps import Columns

Role = Literal["number", "boolean", "text", "time", "feature"]

_ROLE_OF = {
    "number": "number", "integer": "number", "boolean": "boolean", "text": "text", "date": "time",
    "datetime": "time",
}  # fmt: skip
_ROLES: dict[str, Role] = {"numbers": "number", "booleans": "boolean", "texts": "text", "times": "time"}


class Spread(NamedTuple):
    """One category made into a feature each.

    Attributes:
        slot: The code's place; None where ``number`` is spread.
        number: Id of the number that is spread (bins).
        labels: What each feature stands for, in the order of the codes.
    """

    slot: int | None
    number: int | None
    labels: tuple[str, ...]


@dataclass(slots=True)
class Entry:
    """What a column is by now.

    Attributes:
        role: What steps may do with it. ``feature``: words such as ``numbers`` do not mean it any more.
        source: Where its values come from, while they are numbers as they came (or imputed).
        text: The column of its values, while they are text.
        fill: What stands for its nulls, where that has been said.
        number: Its id, where it has been read as a number.
        nulls: Whether it may still be null.
        spread: Set where it is a category made into features.
    """

    role: Role
    source: NumberSource | None = None
    text: str = ""
    fill: Any = None
    number: int | None = None
    nulls: bool = False
    spread: Spread | None = None


@dataclass(slots=True)
class Table:
    """The columns by name, and what computes them.

    Attributes:
        columns: The columns that come in, by name.
        entries: What there is now, by name, in order.
        filled: Names of columns whose own nulls a step fills.
    """

    columns: dict[str, Column]
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    filled: set[str] = field(default_factory=set[str])
    numbers: list[NumberSource] = field(default_factory=list[NumberSource])
    codes: list[CodeSource | BucketSource] = field(default_factory=list[CodeSource | BucketSource])
    operations: list[Operation] = field(default_factory=list[Operation])
    made: int = 0

    @classmethod
    def of(cls, columns: Iterable[Column]) -> "Table":
        """Return the table before the first step."""
        table = cls({column.name: column for column in columns})
        for name, column in table.columns.items():
            role: Any = _ROLE_OF[column.kind]
            source = NumberSource(name) if role in ("number", "boolean") else None
            table.entries[name] = Entry(
                role, source, text=name if role == "text" else "", nulls=column.nullable
            )
        return table

    def select(self, columns: Columns, *, roles: Sequence[Role], step: str) -> tuple[str, ...]:
        """Return the names that a step means.

        Raises:
            RecipeError: A name is not there, or is of a kind that the step does not take.
        """
        if isinstance(columns, str):
            if columns not in _ROLES:
                raise RecipeError(
                    f"{step}: columns must be a tuple of names or one of {', '.join(_ROLES)}, got {columns!r}"
                )
            if _ROLES[columns] not in roles:
                raise RecipeError(f"{step} does not take {columns}, but {' and '.join(roles)} columns")
            return tuple(name for name, entry in self.entries.items() if entry.role == _ROLES[columns])
        if len(set(columns)) < len(columns):
            raise RecipeError(f"{step}: a column stands twice in {columns}")
        for name in columns:
            role = self.entry(name, step).role
            if role not in roles:
                raise RecipeError(
                    f"{step}: column {name!r} is a {role} column; this takes {' and '.join(roles)}"
                )
        return tuple(columns)

    def entry(self, name: str, step: str) -> Entry:
        """Return a column.

        Raises:
            RecipeError: It is not there.
        """
        if name not in self.entries:
            there = ", ".join(map(repr, list(self.entries)[:20]))
            raise RecipeError(f"{step}: there is no column {name!r}; there are {there or 'none'}")
        return self.entries[name]

    def number_of(self, name: str, step: str) -> int:
        """Return the id of a column as a number; a time counts as its seconds."""
        entry = self.entry(name, step)
        if entry.number is None:
            source = NumberSource(name, "seconds") if entry.role == "time" else entry.source
            if source is None:
                raise RecipeError(f"{step}: column {name!r} is no number ({entry.role})")
            number = self.source_id(source)
            if entry.role == "time":
                return number  # the column itself stays a time
            entry.number = number
        return entry.number

    def source_id(self, source: NumberSource) -> int:
        """Return the id of a number that comes in; ids are not shared, because operations replace numbers."""
        self.numbers.append(source)
        return len(self.numbers) - 1

    def new_id(self) -> int:
        """Return an id for a number that an operation makes."""
        self.made += 1
        return -self.made

    def add(self, name: str, entry: Entry, step: str) -> None:
        """Put a new column at the end.

        Raises:
            RecipeError: The name is taken.
        """
        if name in self.entries:
            raise RecipeError(f"{step}: there is a column {name!r} already; choose another name")
        self.entries[name] = entry

    def code_slot(self, source: CodeSource | BucketSource) -> int:
        """Return the place of a code that comes in."""
        self.codes.append(source)
        return len(self.codes) - 1

    def program(self) -> "Program":
        """Close the table: what is left are the features.

        Raises:
            RecipeError: A column is left that is not a number.
        """
        for name, entry in self.entries.items():
            if entry.role in ("text", "time"):
                advice = "OneHot, Ordinal or HashBuckets" if entry.role == "text" else "DateParts"
                raise RecipeError(
                    f"column {name!r} is a {entry.role} column and no step makes numbers of it; "
                    f"use {advice}, or Drop"
                )
            if entry.spread is None:
                self.number_of(name, "the end of the recipe")
        return Program(self)


class Program:
    """What computes a recipe's features.

    Attributes:
        numbers: What comes in as numbers, by id.
        codes: What comes in as codes, by slot.
        operations: What is done to the numbers, in order.
        features: For each group of features: an id, or a ``Spread``.
        names: A name for each feature.
    """

    def __init__(self, table: Table) -> None:
        self.numbers = tuple(table.numbers)
        self.codes = tuple(table.codes)
        self.operations = tuple(table.operations)
        self.features: list[int | Spread] = []
        names: list[str] = []
        for name, entry in table.entries.items():
            if entry.spread is not None:
                self.features.append(entry.spread)
                names += [f"{name}{label}" for label in entry.spread.labels]
            elif entry.number is not None:
                self.features.append(entry.number)
                names.append(name)
        self.names = tuple(names)

    @property
    def width(self) -> int:
        """How many features there are."""
        return len(self.names)

    @property
    def used(self) -> frozenset[str]:
        """Names of the columns that a row needs."""
        return frozenset(source.column for source in (*self.numbers, *self.codes))
