"""From numbers and codes to the matrix of features, for NumPy and for ONNX side by side."""

__all__ = ("assemble", "emit_features")

import numpy as np
from numpy.typing import NDArray

from pulse_ai.frame.graph import GraphWriter
from pulse_ai.frame.operations import Bank
from pulse_ai.frame.table import Program, Spread


def assemble(bank: Bank, codes: NDArray[np.int64], program: Program, features: NDArray[np.float32]) -> None:
    """Write the features into zeros of shape (rows, width); a number beyond 32 bits becomes infinite."""
    column = 0
    with np.errstate(over="ignore"):
        for group in program.features:
            if isinstance(group, Spread):
                _spread(features[:, column : column + len(group.labels)], bank, codes, group)
                column += len(group.labels)
            else:
                features[:, column] = bank[group]
                column += 1


def _spread(out: NDArray[np.float32], bank: Bank, codes: NDArray[np.int64], group: Spread) -> None:
    if group.slot is not None:
        places = codes[:, group.slot]
        known = np.flatnonzero((places >= 0) & (places < len(group.labels)))
        out[known, places[known]] = 1.0
    elif group.number is not None:
        numbers = bank[group.number]
        known = np.flatnonzero(~np.isnan(numbers))
        out[known, numbers[known].astype(np.int64)] = 1.0
        out[np.isnan(numbers)] = np.nan  # a bin of nothing: said where the features are checked


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
