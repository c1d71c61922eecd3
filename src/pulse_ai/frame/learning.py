"""Fits the steps of a recipe: as few passes over the frame as the steps allow, each in bounded memory."""

__all__ = ("learn",)

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pulse_ai.frame.batches import available_cores, batches_of, describe_columns, encode_frame, run_operations
from pulse_ai.frame.columns import Column, kind_of
from pulse_ai.frame.errors import RecipeError
from pulse_ai.frame.fitted import FittedOneHot, FittedOrdinal, FittedStep
from pulse_ai.frame.fitting import Learned, Need, finish, needs, touched
from pulse_ai.frame.learned import Counts, Moments, Sample
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
    passes = _Passes(frame, table)
    fitted: list[FittedStep] = []
    group: list[tuple[Step, tuple[str, ...]]] = []  # steps that wait for the same pass
    for step in steps:
        if group and not _stands_apart(step, table, group):
            fitted += _finish_group(group, table, passes)
            group = []
        names = touched(step, table)
        if needs(step, names):
            group.append((step, names))
        else:
            fitted.append(_apply(step, names, table, {}))
    fitted += _finish_group(group, table, passes)
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
    group: Sequence[tuple[Step, tuple[str, ...]]], table: Table, passes: "_Passes"
) -> list[FittedStep]:
    if not group:
        return []
    wanted = [need for step, names in group for need in needs(step, names)]
    found = passes.learn(wanted)
    return [_apply(step, names, table, found) for step, names in group]


def _apply(step: Step, names: tuple[str, ...], table: Table, found: dict[Need, Any]) -> FittedStep:
    fitted = finish(step, table, names, Learned(found))
    fitted.apply(table)
    return fitted


class _Passes:
    """Goes over a frame as often as the steps need it.

    Args:
        frame: The training frame.
        table: What the columns are by now; steps change it between passes.
    """

    def __init__(self, frame: "pl.DataFrame | pl.LazyFrame", table: Table) -> None:
        self._frame = frame
        self._table = table
        self._texts: dict[str, Counts] = {}  # of whole columns; imputing moves nulls without another count

    def learn(self, wanted: Sequence[Need]) -> dict[Need, Any]:
        """Go over the frame once and learn what is wanted of the columns as they are by now."""
        entries = self._table.entries
        texts = [need for need in wanted if entries[need.name].text]
        numbers = [need for need in wanted if not entries[need.name].text]
        found = {need: _collector(need) for need in numbers}
        columns = {entries[need.name].text for need in texts} - self._texts.keys()
        if numbers or columns:
            self._go(found, {name: Counts() for name in columns})
        return found | {need: self._filled(need.name) for need in texts}

    def _go(self, found: dict[Need, Any], texts: dict[str, Counts]) -> None:
        table = self._table
        ids = {need: table.number_of(need.name, need.what) for need in found}
        used = {source.column for source in (*table.numbers, *table.codes)} | texts.keys()
        with ThreadPoolExecutor(available_cores()) as pool:
            jobs: list[Future[None]] = []
            for batch in batches_of(self._frame, [name for name in table.columns if name in used]):
                encoded = encode_frame(batch, table.columns, table.numbers, table.codes)
                bank = run_operations(encoded, table.operations)
                _finish(jobs)  # batches are learned in their order; the next one is encoded meanwhile
                jobs = [pool.submit(_learn_number, need, bank[ids[need]], found[need]) for need in found]
                jobs += [pool.submit(_count_texts, batch[name], counts) for name, counts in texts.items()]
            _finish(jobs)
            samples = [each for each in found.values() if isinstance(each, Sample)]
            list(pool.map(Sample.quantiles, samples))
        self._texts |= texts

    def _filled(self, name: str) -> Counts:
        """Return the counts of a text column, its nulls counted as what stands for them."""
        entry = self._table.entries[name]
        whole = self._texts[entry.text]
        counts = Counts(dict(whole.by_value), whole.nulls)
        if entry.fill is not None and whole.nulls:
            counts.add({entry.fill: whole.nulls}, nulls=-whole.nulls)
        return counts


def _finish(jobs: Sequence[Future[None]]) -> None:
    for job in jobs:
        job.result()


def _collector(need: Need) -> Moments | Counts | Sample:
    if need.what == "quantiles":
        return Sample(need.shares)
    return Moments() if need.what == "moments" else Counts()


def _learn_number(need: Need, values: NDArray[np.float64], found: Any) -> None:
    if need.what != "counts":
        found.add(values)
        return
    known = values[~np.isnan(values)]
    distinct, counts = np.unique(known, return_counts=True)
    found.add(dict(zip(distinct.tolist(), counts.tolist(), strict=True)), nulls=len(values) - len(known))


def _count_texts(texts: "pl.Series", found: Counts) -> None:
    import polars as pl

    table = texts.cast(pl.String).alias("value").value_counts(name="rows")
    counts: dict[Any, int] = dict(table.iter_rows())
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
