"""Fits the steps of a recipe: as few passes over the frame as the steps allow, each in bounded memory."""

__all__ = ("learn",)

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from pulse_ai.frame.batches import batches_of, describe_columns, encode_frame, run_operations
from pulse_ai.frame.columns import Column, kind_of
from pulse_ai.frame.errors import RecipeError
from pulse_ai.frame.fitted import FittedOneHot, FittedOrdinal, FittedStep
from pulse_ai.frame.fitting import Learned, Need, finish, needs, touched
from pulse_ai.frame.learned import Counts, Moments, Sample
from pulse_ai.frame.operations import Bank
from pulse_ai.frame.steps import Step
from pulse_ai.frame.table import Table

if TYPE_CHECKING:
    import polars as pl

_MOST_EXAMPLES = 20


def learn(
    steps: Sequence[Step], frame: "pl.DataFrame | pl.LazyFrame", without: Sequence[str]
) -> tuple[list[Column], list[FittedStep]]:
    """Return the columns of the frame and the fitted steps.

    Raises:
        RecipeError: A step does not fit the frame, or a column is left with nulls or without a use.
    """
    columns = describe_columns(frame, without=without)
    table = Table.of(columns)
    fitted: list[FittedStep] = []
    group: list[tuple[Step, tuple[str, ...]]] = []  # steps that wait for the same pass
    for step in steps:
        if group and not _stands_apart(step, table, group):
            fitted += _finish_group(group, table, frame)
            group = []
        names = touched(step, table)
        if needs(step, names):
            group.append((step, names))
        else:
            fitted.append(_apply(step, names, table, {}))
    fitted += _finish_group(group, table, frame)
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
    group: Sequence[tuple[Step, tuple[str, ...]]], table: Table, frame: "pl.DataFrame | pl.LazyFrame"
) -> list[FittedStep]:
    if not group:
        return []
    wanted = [need for step, names in group for need in needs(step, names)]
    found = _pass_over(frame, table, wanted)
    return [_apply(step, names, table, found) for step, names in group]


def _apply(step: Step, names: tuple[str, ...], table: Table, found: dict[Need, Any]) -> FittedStep:
    fitted = finish(step, table, names, Learned(found))
    fitted.apply(table)
    return fitted


def _pass_over(frame: "pl.DataFrame | pl.LazyFrame", table: Table, wanted: Sequence[Need]) -> dict[Need, Any]:
    """Go over the frame once and learn what is wanted of the columns as they are by now."""
    kinds = {"moments": Moments, "counts": Counts, "sample": Sample}
    found: dict[Need, Any] = {need: kinds[need.what]() for need in wanted}
    numbers = [need for need in found if not table.entries[need.name].text]
    texts = [need for need in found if table.entries[need.name].text]
    ids = {need: table.number_of(need.name, need.what) for need in numbers}
    used = {source.column for source in (*table.numbers, *table.codes)}
    used |= {table.entries[need.name].text for need in texts}
    for batch in batches_of(frame, [name for name in table.columns if name in used]):
        encoded = encode_frame(batch, table.columns, table.numbers, table.codes)
        bank = run_operations(encoded, table.operations)
        for need in numbers:
            _learn_number(need, ids[need], bank, found[need])
        for need in texts:
            entry = table.entries[need.name]
            _count_texts(batch, entry.text, entry.fill, found[need])
    return found


def _learn_number(need: Need, number: int, bank: Bank, found: Any) -> None:
    values = bank[number]
    if need.what != "counts":
        found.add(values)
        return
    known = values[~np.isnan(values)]
    distinct, counts = np.unique(known, return_counts=True)
    found.add(dict(zip(distinct.tolist(), counts.tolist(), strict=True)), nulls=len(values) - len(known))


def _count_texts(batch: "pl.DataFrame", name: str, fill: str | None, found: Counts) -> None:
    import polars as pl

    texts = batch[name].cast(pl.String)
    filled = texts if fill is None else texts.fill_null(fill)
    table = filled.value_counts(name="rows")
    counts: dict[Any, int] = dict(zip(table[name].to_list(), table["rows"].to_list(), strict=True))
    nulls = counts.pop(None, 0)
    found.add(counts, nulls)


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
