"""How long one row takes in the worker that serves it: recipe, graph and answer, but not the way there."""

__all__ = ("served_latency_s",)

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from pulse_ai.frame import Column
from pulse_ai.hub import ModelFacts, TabularClassifier, TabularRegressor, write_model_folder
from pulse_ai.tabular.training import Prepared
from pulse_ai.train import network_to_onnx, weights_content

_CALLS = 200
_KINDS = {"number": 0.0, "integer": 0, "boolean": False, "text": ""}


def served_latency_s(prepared: Prepared, hidden: tuple[int, ...], *, calls: int = _CALLS) -> float:
    """Return the median time of one row through a network of a shape, in seconds; its weights do not matter.

    Args:
        prepared: The rows and the recipe.
        hidden: Widths of the hidden layers.
        calls: How many times it is measured.
    """
    network = prepared.network(hidden)
    variables = network.init(0)
    problem = prepared.problem
    facts = ModelFacts(name="latency", task=problem.kind, target=problem.target, labels=problem.labels)
    row = {column.name: _value(column) for column in prepared.recipe.columns}
    with tempfile.TemporaryDirectory(prefix="pulse-latency-") as folder:
        write_model_folder(
            Path(folder),
            facts,
            recipe=prepared.recipe,
            network=network_to_onnx(network, variables),
            weights=weights_content(network, variables),
            metrics={},
        )
        task = TabularRegressor(folder) if problem.kind == "regression" else TabularClassifier(folder)
        task.load()
        return statistics.median(_time_s(task, row) for _ in range(calls))


def _time_s(task: Any, row: dict[str, Any]) -> float:
    began_s = time.perf_counter()
    task.predict([row])
    return time.perf_counter() - began_s


def _value(column: Column) -> Any:
    if column.examples:
        return column.examples[0]
    return column.low if column.low is not None else _KINDS.get(column.kind)
