"""What goes into a batch: like sizes where there is time, and no deadline that costs the others more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serving.desk import Desk

from pulse_ai.core import SchedulerSettings
from pulse_ai.serving import Ticket
from pulse_ai.serving.cost_model import CostModel
from pulse_ai.serving.forming import FormingBatch, alike
from pulse_ai.serving.queue import WaitingQueue
from pulse_ai.testing import Scenario, Traffic, simulate


def taught(*, base_s: float = 0.02, item_s: float = 0.002, byte_s: float = 0.0) -> CostModel:
    model = CostModel()
    for number in range(200):
        items, each = 1 + number % 16, 50 * (1 + number % 7)
        took_s = base_s + item_s * items + byte_s * items * each
        model.batch_done(items=items, cost_bytes=items * each, took_s=took_s)
    return model


def waiting(deadlines_at_s: list[float], sizes: list[int] | None = None) -> list[Ticket]:
    sizes = sizes or [10] * len(deadlines_at_s)
    return [
        Ticket(number, bytes(size), offered_at_s=0.0, deadline_at_s=at_s)
        for number, (at_s, size) in enumerate(zip(deadlines_at_s, sizes, strict=True))
    ]


def formed(tickets: list[Ticket], *, workers: int = 0, most_items: int = 16) -> FormingBatch:
    queue = WaitingQueue()
    for ticket in tickets:
        queue.push(ticket)
    batch = FormingBatch(
        most_items=most_items, most_bytes=10**6, now_s=0.0, model=taught(), safe_s=60.0, workers=workers
    )
    queue.fill(batch)
    return batch


@given(
    sizes=st.lists(st.integers(1, 1000), min_size=2, max_size=64),
    data=st.data(),
)
def test_the_choice_has_the_first_and_as_many_as_there_are_places_and_never_more_padding(
    sizes: list[int], data: st.DataObject
) -> None:
    places = data.draw(st.integers(1, len(sizes) - 1))
    chosen = alike(sizes, places)
    assert 0 in chosen
    assert len(chosen) == places

    def padding(members: set[int]) -> int:
        return places * max(sizes[place] for place in members) - sum(sizes[place] for place in members)

    assert padding(chosen) <= padding(set(range(places)))


@given(size=st.integers(1, 1000), count=st.integers(2, 64), data=st.data())
def test_items_of_one_size_go_in_their_order(size: int, count: int, data: st.DataObject) -> None:
    places = data.draw(st.integers(1, count - 1))
    assert alike([size] * count, places) == set(range(places))


def test_of_equal_sizes_the_first_in_order_are_chosen() -> None:
    assert alike([90, 10, 80, 10, 80, 80, 80], 3) == {0, 2, 4}


def test_like_sizes_share_a_batch_where_time_is_ample() -> None:
    sizes = [900, 10] * 8
    batch = formed(waiting([60.0 + number for number in range(16)], sizes), workers=1, most_items=4)
    assert {ticket.cost_bytes for ticket in batch.tickets} == {900}
    assert [ticket.id for ticket in batch.tickets] == [0, 2, 4, 6]


def test_one_short_deadline_among_them_and_all_go_in_their_order() -> None:
    deadlines_at_s = [0.05, 0.1] + [60.0] * 14
    batch = formed(waiting(deadlines_at_s, [900, 10] * 8), workers=1, most_items=4)
    assert [ticket.id for ticket in batch.tickets][:2] == [0, 1]


def test_a_passed_over_item_goes_after_a_few_batches_however_many_come() -> None:
    desk = Desk(SchedulerSettings(batch_size=4))
    desk.teach()
    desk.offer(timeout_s=60.0)
    (running,) = desk.poll()
    desk.offer_many(3, timeout_s=60.0)
    odd = desk.offer("y" * 5000, timeout_s=60.0)
    batches = 0
    while odd not in {ticket.id for ticket in running.tickets}:
        desk.offer_many(4, timeout_s=60.0)
        (running,) = desk.answer(running)
        batches += 1
    assert batches <= 4


def test_a_deadline_that_costs_the_others_more_than_it_is_worth_is_let_go_only_where_it_is_crowded() -> None:
    tight = waiting([0.03] + [1.0] * 15)
    batch = formed(tight)
    assert [ticket.id for ticket in batch.tickets] == [0, 1, 2, 3, 4]
    assert batch.cut
    assert batch.let_go(waiting=11, crowded=False) == []
    assert [ticket.id for ticket in batch.let_go(waiting=11, crowded=True)] == [0]
    assert [ticket.id for ticket in batch.tickets] == [1, 2, 3, 4]


def test_without_a_fixed_cost_nothing_is_let_go() -> None:
    batch = FormingBatch(
        most_items=16, most_bytes=10**6, now_s=0.0, model=taught(base_s=0.0, item_s=0.01), safe_s=60.0
    )
    assert all(batch.add(ticket) for ticket in waiting([0.045, 0.045, 1.0, 1.0]))
    assert not batch.add(waiting([1.0])[0])
    assert batch.let_go(waiting=12, crowded=True) == []


def test_what_cannot_finish_anyway_is_let_go_for_others() -> None:
    batch = formed(waiting([0.01, 1.0]))
    assert [ticket.id for ticket in batch.tickets] == [0]
    assert [ticket.id for ticket in batch.let_go(waiting=1, crowded=False)] == [0]
    assert batch.tickets == []
    assert batch.cost_bytes == 0


@pytest.mark.parametrize("load", [1.5, 2.0])
def test_short_batches_do_not_cause_shorter_ones(load: float) -> None:
    """Before anything was let go, each late batch made the next one shorter: 4 % late at 1.5 times capacity."""
    capacity = 16 / (0.020 * 1.05 + 16 * 0.002 * 1.05)
    traffic = Traffic(requests=int(load * capacity * 30), rate=load * capacity, timeout_s=(0.25, 0.25))
    report = simulate(Scenario(workers=1, traffic=traffic))
    late = report.answers.get("deadline_exceeded", 0)
    assert report.goodput >= 0.98 * capacity
    assert late <= 0.01 * report.answers["ok"]


@pytest.mark.parametrize(("pads", "least_gain"), [(True, 1.4), (False, 0.97)])
def test_like_sizes_save_padding_and_cost_nothing_where_there_is_none(
    pads: bool,
    least_gain: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traffic = Traffic(requests=12_000, rate=600.0, timeout_s=(2.0, 2.0), cost_bytes=(20, 2000))
    scenario = Scenario(workers=1, batch_s=0.005, item_s=0.0005, byte_s=2.5e-6, pads=pads, traffic=traffic)
    chosen = simulate(scenario)
    monkeypatch.setattr("pulse_ai.serving.admission._WORTH_CHOOSING_S", float("inf"))
    in_order = simulate(scenario)
    assert chosen.goodput >= least_gain * in_order.goodput
    assert chosen.answers.get("deadline_exceeded", 0) <= 0.01 * chosen.answers["ok"]
