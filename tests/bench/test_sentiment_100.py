"""The benchmark at 100 requests a second: what it reads of the service, and what it says."""

from typing import Any, cast

import pytest
from benchmarks.sentiment_100 import RULES, Results, Way, batches_of, row, to_markdown
from tests.bench import proof_reports as made

from pulse_ai.bench.load import parse_slo
from pulse_ai.bench.machine import this_machine
from pulse_ai.bench.proof.service import Answer

_METRICS = b"""# HELP pulse_batch_items Items in a batch
pulse_batch_items_bucket{le="+Inf",model="m"} 4.0
pulse_batch_items_count{model="m"} 4.0
pulse_batch_items_sum{model="m"} 10.0
pulse_worker_seconds_sum{model="m"} 0.5
"""


class Says:
    """A service that answers every path with its metrics."""

    async def ask(self, path: str) -> Answer:
        return Answer(200, {}, _METRICS)


def way(*, holds: bool) -> Way:
    return Way(
        name="eager",
        options="--batch-size 16",
        section=made.section((200, 98, 0.02), (500, 2, 0.01)),
        verdicts=(("p99<25ms: 20 ms", holds),),
        batch=2.5,
        busy=0.25,
        generator="the generator kept up",
    )


async def test_batches_items_and_seconds_are_read_out_of_the_metrics():
    assert await batches_of(cast("Any", Says())) == (4.0, 10.0, 0.5)


def test_a_row_holds_counts_times_and_how_busy_the_worker_was():
    cells = row(way(holds=True)).split(" | ")
    assert cells[:4] == ["| eager", "98 of 100", "2", "0"]
    assert [float(cell) for cell in cells[4:9]] == pytest.approx([20.0] * 5, rel=0.01)
    assert cells[9:] == ["2.50", "25% |"]


@pytest.mark.parametrize(("holds", "word"), [(True, "- yes: p99<25ms"), (False, "- **no**: p99<25ms")])
def test_the_page_says_of_each_objective_whether_it_holds(holds: bool, word: str):
    results = Results(
        command="python -m benchmarks.sentiment_100",
        finished="-",
        load_before=0.0,
        machine=this_machine(),
        rate=100.0,
        seconds=60.0,
        ways=(way(holds=holds),),
    )
    assert word in to_markdown(results)


def test_the_objectives_are_those_that_were_asked_for():
    assert len(parse_slo(RULES)) == 3
