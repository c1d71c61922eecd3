"""The guarantees hold in the simulator, over many seeds and whatever goes wrong."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_ai.core import RequestError, SchedulerSettings
from pulse_ai.serving import Scheduler, Ticket
from pulse_ai.serving.admission import Admission
from pulse_ai.testing import Faults, Scenario, Traffic, Violation, simulate

ROUGH = Scenario(
    settings=SchedulerSettings(overdue_s=0.5, queue_limit_items=50),
    traffic=Traffic(
        requests=300,
        rate=600.0,
        cancel_share=0.1,
        failing_share=0.05,
        poison_share=0.005,
        burst=100,
        burst_every=100,
    ),
    faults=Faults(crash_share=0.02, hang_share=0.01, idle_kill_every_s=0.7),
)


def test_the_same_seed_gives_the_same_run() -> None:
    assert simulate(ROUGH) == simulate(ROUGH)
    assert simulate(ROUGH) != simulate(replace(ROUGH, seed=1))


@pytest.mark.parametrize("block", range(4))
@pytest.mark.timeout(120)
def test_all_guarantees_hold_over_a_thousand_seeds(block: int) -> None:
    for seed in range(block * 250, block * 250 + 250):
        report = simulate(replace(ROUGH, seed=seed))
        assert sum(report.answers.values()) == 300


@given(
    seed=st.integers(0, 2**32),
    workers=st.integers(1, 5),
    batch_size=st.integers(1, 33),
    queue_limit=st.integers(1, 80),
    mode=st.sampled_from(["eager", "timer"]),
    rate=st.floats(1.0, 5000.0),
    item_s=st.floats(0.0, 0.05),
    timeout_s=st.floats(0.01, 3.0),
    shares=st.tuples(*[st.floats(0.0, 0.3)] * 5),
    drain_after=st.integers(0, 150),
)
@settings(deadline=None, max_examples=60)
def test_all_guarantees_hold_whatever_the_day_is_like(  # noqa: PLR0917
    seed: int,
    workers: int,
    batch_size: int,
    queue_limit: int,
    mode: str,
    rate: float,
    item_s: float,
    timeout_s: float,
    shares: tuple[float, ...],
    drain_after: int,
) -> None:
    cancel, failing, poison, crash, hang = shares
    scenario = Scenario(
        seed=seed,
        workers=workers,
        item_s=item_s,
        drain_after=drain_after,
        settings=SchedulerSettings(
            batch_size=batch_size,
            queue_limit_items=queue_limit,
            batch_mode=mode,  # type: ignore[arg-type]
            overdue_s=1.0,
            overdue_least_s=0.2,
        ),
        traffic=Traffic(
            requests=150,
            rate=rate,
            timeout_s=(0.01, timeout_s + 0.01),
            cancel_share=cancel,
            failing_share=failing,
            poison_share=poison,
        ),
        faults=Faults(crash_share=crash, hang_share=hang, restart_s=0.3),
    )
    simulate(scenario)


@pytest.mark.parametrize("load", [1.0, 2.0, 5.0, 10.0])
@pytest.mark.parametrize("timeout_s", [0.15, 0.26, 1.0])
def test_goodput_under_overload_is_at_least_95_percent_of_capacity(load: float, timeout_s: float) -> None:
    capacity = 16 / (0.020 * 1.05 + 16 * 0.002 * 1.05)
    traffic = Traffic(
        requests=int(load * capacity * 20), rate=load * capacity, timeout_s=(timeout_s, timeout_s)
    )
    report = simulate(Scenario(workers=1, traffic=traffic))
    assert report.goodput >= 0.93 * capacity
    assert max(report.ok_latencies_s) <= timeout_s
    late = report.answers.get("deadline_exceeded", 0)
    assert late <= 0.08 * (late + report.answers["ok"])


@pytest.mark.parametrize("timeout_s", [0.5, 1.0])
def test_goodput_holds_where_service_times_vary_fivefold(timeout_s: float) -> None:
    """A batch takes between one and five times its least time here, whatever is in it."""
    capacity = 16 / (3 * (0.020 + 16 * 0.002))
    goodputs: list[float] = []
    for load in (1.5, 2.0, 5.0, 10.0):
        traffic = Traffic(
            requests=int(load * capacity * 60), rate=load * capacity, timeout_s=(timeout_s, timeout_s)
        )
        report = simulate(Scenario(workers=1, jitter=4.0, traffic=traffic))
        goodputs.append(report.goodput)
        late = report.answers.get("deadline_exceeded", 0)
        assert late <= 0.10 * (late + report.answers["ok"])
        assert max(report.ok_latencies_s) <= timeout_s
    assert min(goodputs) >= 0.90 * capacity


def test_nothing_is_refused_below_capacity_though_a_full_batch_would_not_fit_the_deadline() -> None:
    """A full batch of 16 takes up to 250 ms here, but at 20 a second none is ever full."""
    traffic = Traffic(requests=5000, rate=20.0, timeout_s=(0.25, 0.25))
    report = simulate(Scenario(workers=1, batch_s=0.005, item_s=0.010, jitter=0.5, traffic=traffic))
    assert report.answers == {"ok": 5000}


def test_a_worker_killed_each_second_costs_no_request_its_answer() -> None:
    traffic = Traffic(requests=6000, rate=100.0, timeout_s=(1.0, 1.0))
    faults = Faults(idle_kill_every_s=1.0, restart_s=0.4)
    report = simulate(Scenario(workers=2, traffic=traffic, faults=faults))
    assert report.deaths >= 50
    assert report.answers["ok"] >= 0.99 * 6000


def test_the_simulator_notices_a_scheduler_that_forgets_lost_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forget(self: Scheduler, worker_id: int, *, now_s: float) -> None:
        del now_s
        self._fleet.remove(worker_id)

    monkeypatch.setattr(Scheduler, "worker_lost", forget)
    with pytest.raises(Violation, match="G5: a request is with a worker that has died"):
        simulate(replace(ROUGH, traffic=replace(ROUGH.traffic, requests=5000)))


def test_the_simulator_notices_a_scheduler_that_mixes_up_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = Scheduler._settle

    def mix_up(self: Scheduler, ticket: Ticket, outcome: msgspec.Raw | RequestError) -> None:
        wrong = msgspec.Raw(msgspec.msgpack.encode("0")) if ticket.id % 100 == 0 else outcome
        settle(self, ticket, wrong)

    monkeypatch.setattr(Scheduler, "_settle", mix_up)
    with pytest.raises(Violation, match=r"G1: request .* got the answer of 0"):
        simulate(ROUGH)


def test_the_simulator_notices_a_queue_without_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    def admit(self: Admission, ticket: Ticket, *, now_s: float) -> None:
        del self, ticket, now_s

    monkeypatch.setattr(Admission, "refusal", admit)
    with pytest.raises(Violation, match="G3"):
        simulate(replace(ROUGH, traffic=replace(ROUGH.traffic, requests=3000, rate=50_000.0)))


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_million_requests_with_faults() -> None:
    traffic = replace(ROUGH.traffic, requests=1_000_000, rate=2000.0, poison_share=0.0001)
    report = simulate(replace(ROUGH, workers=8, traffic=traffic))
    assert sum(report.answers.values()) == 1_000_000
