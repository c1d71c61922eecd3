"""Fits the steps of a recipe, in as few passes over the frame as they allow."""

__all__ = ("learn",)

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from pulse_ai.frame.batches import describe_columns
from pulse_ai.frame.columns import Column, kind_of
from pulse_ai.frame.errors import RecipeError
from pulse_ai.frame.fitted import FittedOneHot, FittedOrdinal, FittedStep
from pulse_ai.frame.fitting import Learned, Need, finish, needs, touched
from pulse_ai.frame.passes import Passes
from pulse_ai.frame.steps import Step
from pulse_ai.frame.table import Table

if TYPE_CHECKING:
    import polars as pl

_MOST_EXAMPLES = 20


def learn(
    steps: Sequence[Step],
    frame: "pl.DataFrame | pl.LazyFrame",
    without: Sequence[str],
    nullable: Sequence[str] = (),
) -> tuple[list[Column], list[FittedStep]]:
    """Return the columns of the frame and the fitted steps; those of ``nullable`` count as if they had nulls.

    Raises:
        RecipeError: A step does not fit the frame, or a column is left with nulls or without a use.
    """
    columns = [
        msgspec.structs.replace(column, nullable=column.nullable or column.name in nullable)
        for column in describe_columns(frame, without=without)
    ]
    table = Table.of(columns)
    passes = Passes(frame, table)
    fitted: list[FittedStep] = []
    group: list[tuple[Step, tuple[str, ...]]] = []  # steps that wait for the same pass
    for place, step in enumerate(steps):
        if group and not _stands_apart(step, table, group):
            fitted += _finish_group(group, steps[place:], table, passes)
            group = []
        names = touched(step, table)
        if needs(step, names):
            group.append((step, names))
        else:
            fitted.append(_apply(step, names, table, {}))
    fitted += _finish_group(group, (), table, passes)
    _check_kinds(frame, table)
    _check_nulls(table)
    return _with_examples(columns, fitted), fitted


def _stands_apart(step: Step, table: Table, group: Sequence[tuple[Step, tuple[str, ...]]]) -> bool:
    """Say whether a step has nothing to do with those that wait. What needs no pass must come in its place."""
    waiting = {name for _, names in group for name in names}
    try:
        names = touched(step, table)
    except RecipeError:  # what it wants may be made by a step that waits
        return False
    return bool(needs(step, names)) and not waiting & set(names)


def _finish_group(
    group: Sequence[tuple[Step, tuple[str, ...]]], later: Sequence[Step], table: Table, passes: Passes
) -> list[FittedStep]:
    if not group:
        return []
    wanted = [need for step, names in group for need in needs(step, names)]
    found = passes.learn(wanted, _foreseen(later, table))
    return [_apply(step, names, table, found) for step, names in group]


def _foreseen(later: Sequence[Step], table: Table) -> list[Need]:
    """Return the moments that later steps want of columns that are there already.

    They cost next to nothing and always exist. Counts may be too many, of a column that a step drops before.
    """
    found: list[Need] = []
    for step in later:
        try:
            found += [need for need in needs(step, touched(step, table)) if need.what == "moments"]
        except RecipeError:  # what it wants is made by a step before it; what is wrong is said in its turn
            continue
    return found


def _apply(step: Step, names: tuple[str, ...], table: Table, found: dict[Need, Any]) -> FittedStep:
    fitted = finish(step, table, names, Learned(found))
    fitted.apply(table)
    return fitted


def _check_kinds(frame: "pl.DataFrame | pl.LazyFrame", table: Table) -> None:
    schema = frame.collect_schema()
    for name in {source.column for source in (*table.numbers, *table.codes)}:
        if kind_of(schema[name]) is None:
            raise RecipeError(f"column {name!r} is {schema[name]}, which no step takes; cast it, or Drop it")


def _check_nulls(table: Table) -> None:
    nulls = [name for name, entry in table.entries.items() if entry.nulls and entry.spread is None]
    nulls = [name for name in nulls if table.entries[name].role in ("number", "boolean", "feature")]
    if nulls:
        raise RecipeError(
            f"{', '.join(map(repr, nulls[:10]))} can be null, and a feature cannot: add Impute before the end"
        )


def _with_examples(columns: Sequence[Column], steps: Sequence[FittedStep]) -> list[Column]:
    """Give each column of categories its categories as examples. Other texts are somebody's own: none."""
    seen: dict[str, tuple[Any, ...]] = {}
    for step in steps:
        if isinstance(step, FittedOneHot):
            seen |= {name: categories.values for name, categories in step.columns.items()}
        elif isinstance(step, FittedOrdinal):
            seen |= step.columns
    return [
        msgspec.structs.replace(column, examples=seen[column.name][:_MOST_EXAMPLES])
        if column.name in seen
        else column
        for column in columns
    ]
