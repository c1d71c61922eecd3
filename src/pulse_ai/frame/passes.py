"""Passes over the training frame, each in bounded memory."""

__all__ = ("Passes",)

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pulse_ai.core import available_cores
from pulse_ai.frame.batches import batch_rows, batches_of, encode_frame, run_operations
from pulse_ai.frame.fitting import Need
from pulse_ai.frame.learned import Counts, Moments, known_of
from pulse_ai.frame.quantiles import Quantiles
from pulse_ai.frame.sources import NumberSource
from pulse_ai.frame.table import Table

if TYPE_CHECKING:
    import polars as pl

_Collector = Moments | Counts | Quantiles


class _Origin(NamedTuple):
    """One thing to learn of a column as it comes in, whatever steps make of it.

    Attributes:
        source: Where the numbers come from; the column's name where they are texts.
        what: See ``Need``.
        shares: See ``Need``.
    """

    source: NumberSource | str
    what: str
    shares: tuple[float, ...]


class Passes:
    """Goes over a frame as often as the steps need it.

    What is learned of a column as it comes in stays true when a step fills its nulls, so it is kept: the
    moments and counts of a filled column follow from it without another pass.

    Args:
        frame: The training frame.
        table: What the columns are by now; steps change it between passes.
    """

    def __init__(self, frame: "pl.DataFrame | pl.LazyFrame", table: Table) -> None:
        self._frame = frame
        self._table = table
        self._known: dict[_Origin, Any] = {}

    def learn(self, wanted: Sequence[Need], foreseen: Sequence[Need]) -> dict[Need, Any]:
        """Learn what is wanted of the columns as they are by now, in at most one pass over the frame.

        Args:
            wanted: What steps need now.
            foreseen: What later steps may need; it is learned along with the rest where it can be kept.
        """
        origins = {need: self._origin(need) for need in wanted}
        found = {need: _collector(need) for need, origin in origins.items() if origin is None}
        new = {origin: need for need, origin in origins.items() if origin and origin not in self._known}
        if found or new:
            ahead = {need: self._origin(need) for need in foreseen}
            new |= {origin: need for need, origin in ahead.items() if origin and origin not in self._known}
            fresh = {origin: _collector(need) for origin, need in new.items()}
            self._go(found, fresh)
            self._known |= fresh
        return found | {need: self._filled(need, origin) for need, origin in origins.items() if origin}

    def _origin(self, need: Need) -> _Origin | None:
        """Return what answers a need whatever steps have made of the column; None where nothing does."""
        entry = self._table.entries[need.name]
        if need.what == "quantiles" and entry.fill is not None:
            return None  # they do not follow from those of the other values
        source = entry.text or entry.source
        return _Origin(source, need.what, need.shares) if source else None

    def _filled(self, need: Need, origin: _Origin) -> Any:
        """Return what is known of a column, its nulls counted as what stands for them."""
        known, fill = self._known[origin], self._table.entries[need.name].fill
        return known if fill is None else known.filled(fill)

    def _go(self, found: Mapping[Need, _Collector], fresh: Mapping[_Origin, _Collector]) -> None:
        """Go over the frame once."""
        table = self._table
        ids = {need: table.number_of(need.name, need.what) for need in found}
        program = table if found else Table({})  # nothing is computed that nobody looks at
        sources = list(dict.fromkeys(each.source for each in fresh if isinstance(each.source, NumberSource)))
        texts = {each.source for each in fresh if isinstance(each.source, str)}
        used = texts | {source.column for source in (*program.numbers, *program.codes, *sources)}
        rows = batch_rows(len(program.numbers) + len(program.codes) + len(sources) + len(texts))
        with ThreadPoolExecutor(available_cores()) as pool:
            jobs: list[Future[None]] = []
            for batch in batches_of(self._frame, [name for name in table.columns if name in used], rows):
                encoded = encode_frame(batch, table.columns, (*program.numbers, *sources), program.codes)
                bank = run_operations(encoded, program.operations)
                _finish(jobs)  # batches are learned in their order; the next one is encoded meanwhile
                jobs = [pool.submit(_learn, bank[ids[need]], each) for need, each in found.items()]
                for origin, each in fresh.items():
                    if isinstance(origin.source, str):
                        jobs.append(pool.submit(_learn, batch[origin.source], each))
                    else:
                        place = len(program.numbers) + sources.index(origin.source)
                        jobs.append(pool.submit(_learn, encoded.numbers[:, place], each))
            _finish(jobs)
            quantiles = [each for each in (*found.values(), *fresh.values()) if isinstance(each, Quantiles)]
            list(pool.map(Quantiles.quantiles, quantiles))


def _finish(jobs: Sequence[Future[None]]) -> None:
    for job in jobs:
        job.result()


def _collector(need: Need) -> _Collector:
    if need.what == "quantiles":
        return Quantiles(need.shares)
    return Moments() if need.what == "moments" else Counts()


def _learn(values: "NDArray[np.float64] | pl.Series", found: _Collector) -> None:
    """Take in a batch of numbers, or of texts as a series."""
    if isinstance(found, Counts):
        counts, nulls = _counted(values) if isinstance(values, np.ndarray) else _counted_texts(values)
        found.add(counts, nulls)
    elif isinstance(values, np.ndarray):
        found.add(values)


def _counted(values: NDArray[np.float64]) -> tuple[dict[Any, int], int]:
    known = known_of(values)
    distinct, counts = np.unique(known, return_counts=True)
    return dict(zip(distinct.tolist(), counts.tolist(), strict=True)), len(values) - len(known)


def _counted_texts(texts: "pl.Series") -> tuple[dict[Any, int], int]:
    import polars as pl

    table = texts.cast(pl.String).alias("value").value_counts(name="rows")
    counts: dict[Any, int] = dict(table.iter_rows())
    nulls = counts.pop(None, 0)
    return counts, nulls
