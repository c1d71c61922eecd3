"""The numeric part of a recipe: operations on numbers, each written for NumPy and for ONNX side by side.

A recipe's numbers have ids: those that come in count from 0, those that an operation makes go below. Between
operations they are float64, so that both forms round alike; NaN is null.
"""

__all__ = ("Bank", "Bin", "Compute", "Count", "Fill", "Flag", "Operation", "Scale")

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pulse_ai.frame.formula import Formula
from pulse_ai.frame.graph import GraphWriter

Bank = dict[int, NDArray[np.float64]]
"""The numbers by id, each an array with a value for each row."""

Codes = NDArray[np.int64]
Ids = tuple[int, ...]


class Operation(Protocol):
    """Replaces or adds numbers."""

    def run(self, bank: Bank, codes: Codes) -> None:
        """Do it with NumPy. Arrays in the bank are replaced, never written to."""
        ...

    def emit(self, graph: GraphWriter) -> None:
        """Write it into a graph."""
        ...


@dataclass(frozen=True, slots=True)
class Fill:
    """Puts ``values`` where ``ids`` are null."""

    ids: Ids
    values: tuple[float, ...]

    def run(self, bank: Bank, codes: Codes) -> None:
        """See ``Operation``."""
        for number, value in zip(self.ids, self.values, strict=True):
            bank[number] = np.where(np.isnan(bank[number]), value, bank[number])

    def emit(self, graph: GraphWriter) -> None:
        """See ``Operation``."""
        before = graph.take(self.ids)
        values = graph.constant(np.array(self.values, np.float64))
        graph.put(self.ids, graph.add("Where", graph.add("IsNaN", before), values, before))


@dataclass(frozen=True, slots=True)
class Flag:
    """Makes ``results``: 1 where ``ids`` are null, 0 elsewhere."""

    ids: Ids
    results: Ids

    def run(self, bank: Bank, codes: Codes) -> None:
        """See ``Operation``."""
        for number, result in zip(self.ids, self.results, strict=True):
            bank[result] = np.isnan(bank[number]).astype(np.float64)

    def emit(self, graph: GraphWriter) -> None:
        """See ``Operation``."""
        graph.put(self.results, graph.cast(graph.add("IsNaN", graph.take(self.ids)), np.float64))


@dataclass(frozen=True, slots=True)
class Scale:
    """Takes off ``centres`` and divides by ``spreads``."""

    ids: Ids
    centres: tuple[float, ...]
    spreads: tuple[float, ...]

    def run(self, bank: Bank, codes: Codes) -> None:
        """See ``Operation``."""
        for number, centre, spread in zip(self.ids, self.centres, self.spreads, strict=True):
            moved = bank[number] - centre
            moved /= spread
            bank[number] = moved

    def emit(self, graph: GraphWriter) -> None:
        """See ``Operation``."""
        moved = graph.add("Sub", graph.take(self.ids), graph.constant(np.array(self.centres, np.float64)))
        graph.put(self.ids, graph.add("Div", moved, graph.constant(np.array(self.spreads, np.float64))))


@dataclass(frozen=True, slots=True)
class Bin:
    """Replaces a number by how many of ``edges`` are at most as large."""

    number: int
    edges: tuple[float, ...]

    def run(self, bank: Bank, codes: Codes) -> None:
        """See ``Operation``."""
        values = bank[self.number]
        places = np.searchsorted(np.array(self.edges), values, side="right").astype(np.float64)
        bank[self.number] = np.where(np.isnan(values), np.nan, places)

    def emit(self, graph: GraphWriter) -> None:
        """See ``Operation``."""
        before = graph.take((self.number,))
        over = graph.add("GreaterOrEqual", before, graph.constant(np.array(self.edges, np.float64)))
        places = graph.add("ReduceSum", graph.cast(over, np.float64), graph.constant(np.array([1])))
        null = graph.constant(np.array([np.nan]))
        graph.put((self.number,), graph.add("Where", graph.add("IsNaN", before), null, places))


@dataclass(frozen=True, slots=True)
class Count:
    """Makes ``result``: the code in ``slot`` as a number."""

    slot: int
    result: int

    def run(self, bank: Bank, codes: Codes) -> None:
        """See ``Operation``."""
        bank[self.result] = codes[:, self.slot].astype(np.float64)

    def emit(self, graph: GraphWriter) -> None:
        """See ``Operation``."""
        graph.put((self.result,), graph.cast(graph.gather("codes", [self.slot]), np.float64))


@dataclass(frozen=True, slots=True)
class Compute:
    """Makes ``result`` by a formula whose columns are the numbers in ``ids``."""

    formula: Formula
    ids: Ids
    result: int

    def run(self, bank: Bank, codes: Codes) -> None:
        """See ``Operation``."""
        columns = {name: bank[number] for name, number in zip(self.formula.columns, self.ids, strict=True)}
        bank[self.result] = self.formula.values(columns)

    def emit(self, graph: GraphWriter) -> None:
        """See ``Operation``."""
        parts = zip(self.formula.columns, self.ids, strict=True)
        graph.put(
            (self.result,), self.formula.emit(graph, {name: graph.take((number,)) for name, number in parts})
        )
