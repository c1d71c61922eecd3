"""The cost model against service times that were recorded; ``benchmarks/record_trace.py`` makes the traces."""

import csv
import statistics
from pathlib import Path
from typing import NamedTuple

import pytest

from pulse_ai.serving.cost_model import CostModel

_TRACES = Path(__file__).parent / "traces"
_LEARNED = 100  # batches after which the figures are asked for


class Batch(NamedTuple):
    """One line of a trace."""

    items: int
    cost_bytes: int
    took_s: float


def trace(name: str) -> list[Batch]:
    with (_TRACES / name).open(encoding="utf-8", newline="") as file:
        return [
            Batch(int(row["items"]), int(row["cost_bytes"]), float(row["took_s"]))
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("name", ["sentiment.csv"])
def test_a_recorded_trace_is_predicted(name: str) -> None:
    """The median error is within 15 %, the sum within 5 %, and the high prediction covers 96 of 100."""
    model, batches = CostModel(), trace(name)
    errors: list[float] = []
    predicted_s, covered = 0.0, 0
    for number, batch in enumerate(batches):
        takes_s = model.predict_s(items=batch.items, cost_bytes=batch.cost_bytes)
        if number >= _LEARNED:
            errors.append(abs(takes_s - batch.took_s) / batch.took_s)
            predicted_s += takes_s
            covered += batch.took_s <= takes_s + model.margin_for_s(takes_s)
        model.batch_done(items=batch.items, cost_bytes=batch.cost_bytes, took_s=batch.took_s)
    assert statistics.median(errors) <= 0.15
    assert predicted_s == pytest.approx(sum(batch.took_s for batch in batches[_LEARNED:]), rel=0.05)
    assert covered >= 0.96 * len(errors)


def test_the_trace_varies_enough_to_tell_items_from_bytes() -> None:
    batches = trace("sentiment.csv")
    assert {batch.items for batch in batches} == set(range(1, 17))
    each = [batch.cost_bytes / batch.items for batch in batches]
    assert max(each) > 3 * min(each)
