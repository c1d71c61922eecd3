"""From numbers and codes to the matrix of features, for NumPy and for ONNX side by side."""

__all__ = ("emit_features", "write_features")

import numpy as np
from numpy.typing import NDArray

from pulse_ai.frame.batches import Encoded, run_operations
from pulse_ai.frame.graph import GraphWriter
from pulse_ai.frame.operations import Bank
from pulse_ai.frame.table import Program, Spread

_BLOCK_ROWS = 8192


def write_features(encoded: Encoded, program: Program, features: NDArray[np.float32]) -> bool:
    """Write the features into contiguous zeros of shape (rows, width); say whether all are finite.

    A number beyond 32 bits becomes infinite. A spread code is 1 in one place, so only numbers are looked at. A few
    rows are computed and written before the next are, so that what stands between the operations and their place
    in the matrix are in the cache.
    """
    finite = True
    with np.errstate(over="ignore"):
        for first in range(0, len(features), _BLOCK_ROWS):
            rows = slice(first, first + _BLOCK_ROWS)
            block = Encoded(encoded.numbers[rows], encoded.codes[rows])
            bank = run_operations(block, program.operations)
            finite &= _assemble(bank, block.codes, program, features[rows])
    return finite


def _assemble(bank: Bank, codes: NDArray[np.int64], program: Program, block: NDArray[np.float32]) -> bool:
    cells = block.reshape(-1)  # a view, because the matrix is contiguous
    begins = np.arange(0, block.size, program.width)
    finite, column = True, 0
    for group in program.features:
        if not isinstance(group, Spread):
            numbers = bank[group].astype(np.float32)
            finite &= bool(np.isfinite(numbers).all())
            block[:, column] = numbers
            column += 1
            continue
        if group.slot is not None:
            places = codes[:, group.slot]
        else:
            numbers = bank[group.number or 0]
            null = np.isnan(numbers)
            finite &= not null.any()
            block[null, column : column + len(group.labels)] = np.nan  # a bin of nothing: said by the caller
            places = np.where(null, -1.0, numbers).astype(np.int64)
        _spread(cells, begins + column, places, len(group.labels))
        column += len(group.labels)
    return finite


def _spread(
    cells: NDArray[np.float32], begins: NDArray[np.int64], places: NDArray[np.int64], labels: int
) -> None:
    """Write a 1 at each row's place, counted from where the row's labels begin; nothing outside of them."""
    known = (places >= 0) & (places < labels)
    found = begins + places
    cells[found if known.all() else found[known]] = 1.0


def emit_features(graph: GraphWriter, program: Program) -> None:
    """Write ``features``: plain numbers by one cast, all spread codes by one comparison, then in order."""
    plain: list[tuple[int, int]] = []  # place among the features, id
    spread: list[tuple[int, Spread]] = []
    place = 0
    for group in program.features:
        if isinstance(group, Spread):
            spread.append((place, group))
            place += len(group.labels)
        else:
            plain.append((place, group))
            place += 1
    parts: list[str] = []
    order: list[int] = []
    if plain:
        parts.append(graph.cast(graph.take([number for _, number in plain]), np.float32))
        order += [at for at, _ in plain]
    for groups in (
        [one for one in spread if one[1].slot is not None],
        [one for one in spread if one[1].slot is None],
    ):
        if groups:
            parts.append(_emit_spread(graph, [group for _, group in groups]))
            order += [at + label for at, group in groups for label in range(len(group.labels))]
    joined = parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)
    if order == sorted(order):
        graph.add("Identity", joined, output="features")
    else:
        places = graph.constant(np.argsort(np.array(order)).astype(np.int64))
        graph.add("Gather", joined, places, axis=1, output="features")


def _emit_spread(graph: GraphWriter, groups: list[Spread]) -> str:
    labels = np.array([label for group in groups for label in range(len(group.labels))])
    if groups[0].slot is not None:
        slots = [group.slot or 0 for group in groups for _ in group.labels]
        found = graph.add("Equal", graph.gather("codes", slots), graph.constant(labels.astype(np.int64)))
        return graph.cast(found, np.float32)
    numbers = [group.number or 0 for group in groups for _ in group.labels]
    values = graph.take(numbers)
    found = graph.cast(graph.add("Equal", values, graph.constant(labels.astype(np.float64))), np.float32)
    null = graph.constant(np.array([np.nan], np.float32))
    return graph.add("Where", graph.add("IsNaN", values), null, found)
