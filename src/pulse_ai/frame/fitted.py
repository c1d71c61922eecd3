"""The steps of a recipe once they have seen the training frame: plain values, saved as JSON."""

__all__ = (
    "Categories", "Category", "FittedBins", "FittedDateParts", "FittedDerive", "FittedDrop", "FittedHashBuckets",
    "FittedImpute", "FittedOneHot", "FittedOrdinal", "FittedScale", "FittedStep", "FittedTextLength",
)  # fmt: skip

import itertools
from typing import Any, Literal

import msgspec

from pulse_ai.frame.errors import RecipeError
from pulse_ai.frame.formula import parse_formula
from pulse_ai.frame.operations import Bin, Compute, Count, Fill, Flag, Scale
from pulse_ai.frame.sources import BucketSource, CodeSource, NumberSource
from pulse_ai.frame.steps import Part
from pulse_ai.frame.table import Entry, Spread, Table

Category = str | int | float | bool


class FittedImpute(msgspec.Struct, frozen=True, tag="impute"):
    """What stands for the nulls of each column."""

    values: dict[str, Category]
    indicator: bool = False

    def apply(self, table: Table) -> None:
        """Change the table as the step says."""
        numbers = [name for name in self.values if table.entry(name, "Impute").role != "text"]
        ids = tuple(table.number_of(name, "Impute") for name in numbers)
        if self.indicator:
            self._flag(table, dict(zip(numbers, ids, strict=True)))
        for name, value in self.values.items():
            entry = table.entries[name]
            if entry.fill is None:  # another step has left no nulls
                entry.fill = value
            entry.nulls = False
            if entry.text or (entry.source is not None and entry.source.part == "value"):
                table.filled.add(name)
        if ids:
            table.operations.append(Fill(ids, tuple(float(self.values[name]) for name in numbers)))

    def _flag(self, table: Table, ids: dict[str, int]) -> None:
        for name in self.values:
            if name not in ids:  # a text: its nulls are a code
                source = CodeSource(name, "text", (), null_code=0)
                spread = Spread(table.code_slot(source), None, ("",))
                table.add(f"{name} is null", Entry("feature", spread=spread), "Impute")
        results = {name: table.new_id() for name in ids}
        for name, result in results.items():
            table.add(f"{name} is null", Entry("feature", number=result), "Impute")
        if ids:
            table.operations.append(Flag(tuple(ids.values()), tuple(results.values())))


class FittedScale(msgspec.Struct, frozen=True, tag="scale"):
    """Centre and spread of each column: the value becomes ``(value - centre) / spread``."""

    how: Literal["standardise", "min_max", "robust"]
    columns: dict[str, tuple[float, float]]

    def apply(self, table: Table) -> None:
        """Change the table as the step says."""
        if not self.columns:
            return
        ids = tuple(table.number_of(name, "scaling") for name in self.columns)
        for name in self.columns:
            table.entries[name].source = None
        centres, spreads = zip(*self.columns.values(), strict=True)
        table.operations.append(Scale(ids, centres, spreads))


class Categories(msgspec.Struct, frozen=True):
    """The categories of a column, and whether nulls and rare ones have a feature of their own."""

    values: tuple[Category, ...]
    null: bool = False
    other: bool = False


class FittedOneHot(msgspec.Struct, frozen=True, tag="one_hot"):
    """The categories of each column."""

    columns: dict[str, Categories]

    def apply(self, table: Table) -> None:
        """Change the table as the step says."""
        for name, categories in self.columns.items():
            labels = [f"={_label(value)}" for value in categories.values]
            null = other = -1
            if categories.null:
                null = len(labels)
                labels.append("=(null)")
            if categories.other:
                other = len(labels)
                labels.append("=(other)")
            source = _code_source(table, name, "OneHot", categories.values, null=null, other=other)
            spread = Spread(table.code_slot(source), None, tuple(labels))
            table.entries[name] = Entry("feature", spread=spread)


class FittedOrdinal(msgspec.Struct, frozen=True, tag="ordinal"):
    """The categories of each column, in order."""

    columns: dict[str, tuple[Category, ...]]

    def apply(self, table: Table) -> None:
        """Change the table as the step says."""
        for name, values in self.columns.items():
            count = len(values)
            source = _code_source(table, name, "Ordinal", values, null=count + 1, other=count)
            result = table.new_id()
            table.operations.append(Count(table.code_slot(source), result))
            table.entries[name] = Entry("feature", number=result)


def _code_source(
    table: Table, name: str, step: str, values: tuple[Any, ...], *, null: int, other: int
) -> CodeSource:
    entry = table.entry(name, step)
    if entry.text:
        return CodeSource(entry.text, "text", values, entry.fill, null, other)
    if entry.source is not None:
        return CodeSource(entry.source.column, entry.source.part, values, entry.fill, null, other)
    raise RecipeError(f"{step}: the values of {name!r} are not its categories any more; put the step earlier")


def _label(value: Category) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class FittedBins(msgspec.Struct, frozen=True, tag="bins"):
    """The edges of each column's bins."""

    edges: dict[str, tuple[float, ...]]
    one_hot: bool = True

    def apply(self, table: Table) -> None:
        """Change the table as the step says."""
        for name, edges in self.edges.items():
            number = table.number_of(name, "Bins")
            table.operations.append(Bin(number, edges))
            nulls = table.entries[name].nulls
            table.entries[name] = Entry("feature", number=number, nulls=nulls)
            if self.one_hot:
                table.entries[name].spread = Spread(None, number, _bin_labels(edges))


def _bin_labels(edges: tuple[float, ...]) -> tuple[str, ...]:
    shown = [f"{edge:.6g}" for edge in edges]
    middle = (f" {low} to {high}" for low, high in itertools.pairwise(shown))
    return (f" below {shown[0]}", *middle, f" from {shown[-1]}") if shown else (" any",)


class FittedDateParts(msgspec.Struct, frozen=True, tag="date_parts"):
    """The parts that each column becomes."""

    parts: dict[str, tuple[Part, ...]]

    def apply(self, table: Table) -> None:
        """Change the table as the step says."""
        for name, parts in self.parts.items():
            entry = table.entry(name, "DateParts")
            for part in parts:
                made = Entry("number", NumberSource(name, part), nulls=entry.nulls)
                table.add(f"{name}.{part}", made, "DateParts")
            del table.entries[name]


class FittedTextLength(msgspec.Struct, frozen=True, tag="text_length"):
    """The texts whose length is taken."""

    columns: tuple[str, ...]

    def apply(self, table: Table) -> None:
        """Change the table as the step says."""
        for name in self.columns:
            entry = table.entry(name, "TextLength")
            if entry.fill is not None:
                raise RecipeError(f"TextLength: put it before the step that imputes {name!r}")
            made = Entry("number", NumberSource(entry.text, "length"), nulls=entry.nulls)
            table.add(f"{name}.length", made, "TextLength")


class FittedHashBuckets(msgspec.Struct, frozen=True, tag="hash_buckets"):
    """The texts that are spread over buckets."""

    columns: tuple[str, ...]
    buckets: int

    def apply(self, table: Table) -> None:
        """Change the table as the step says."""
        for name in self.columns:
            entry = table.entry(name, "HashBuckets")
            slot = table.code_slot(BucketSource(entry.text, self.buckets, entry.fill))
            labels = tuple(f"#{bucket}" for bucket in range(self.buckets))
            table.entries[name] = Entry("feature", spread=Spread(slot, None, labels))


class FittedDrop(msgspec.Struct, frozen=True, tag="drop"):
    """The columns that go."""

    columns: tuple[str, ...]

    def apply(self, table: Table) -> None:
        """Change the table as the step says."""
        for name in self.columns:  # a saved recipe knows the columns that are used, and no dropped ones
            table.entries.pop(name, None)


class FittedDerive(msgspec.Struct, frozen=True, tag="derive"):
    """A formula, as its text."""

    name: str
    formula: str

    def apply(self, table: Table) -> None:
        """Change the table as the step says."""
        formula = parse_formula(self.formula)
        step = f"Derive {self.name!r}"
        ids = tuple(table.number_of(name, step) for name in formula.columns)
        nulls = any(table.entries[name].nulls for name in formula.columns) and not formula.mends_nulls
        result = table.new_id()
        table.operations.append(Compute(formula, ids, result))
        table.add(self.name, Entry("number", number=result, nulls=nulls), step)


FittedStep = (
    FittedImpute | FittedScale | FittedOneHot | FittedOrdinal | FittedBins | FittedDateParts | FittedTextLength
    | FittedHashBuckets | FittedDrop | FittedDerive
)  # fmt: skip
