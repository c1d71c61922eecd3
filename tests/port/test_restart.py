"""When a worker is started again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_ai.core import WorkerSettings
from pulse_ai.port import RestartPolicy

SETTINGS = WorkerSettings(
    restart_intensity=3, restart_window_s=5.0, backoff_first_s=0.1, backoff_longest_s=30.0
)


def _ends(policy: RestartPolicy, *at_s: float, served: bool = False) -> list[tuple[float, bool]]:
    made = [policy.worker_ended(now_s=now_s, jitter=0.0, served=served) for now_s in at_s]
    return [(restart.delay_s, restart.gave_up) for restart in made]


def test_three_ends_in_five_seconds_are_restarted_and_the_fourth_gives_up() -> None:
    assert _ends(RestartPolicy(SETTINGS), 0, 1, 2, 3) == [(0, False), (0.1, False), (0.2, False), (30, True)]


def test_an_end_that_is_older_than_the_window_does_not_count() -> None:
    assert [gave_up for _, gave_up in _ends(RestartPolicy(SETTINGS), 0, 1, 2, 5.1, 6.05, 7.1)] == [False] * 6
    assert [gave_up for _, gave_up in _ends(RestartPolicy(SETTINGS), 0, 1, 2, 5)] == [
        False,
        False,
        False,
        True,
    ]


def test_the_wait_doubles_up_to_the_longest() -> None:
    waits = [delay_s for delay_s, _ in _ends(RestartPolicy(SETTINGS), *(n * 100 for n in range(12)))]
    assert waits == [0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]


def test_once_given_up_only_a_served_batch_begins_anew() -> None:
    policy = RestartPolicy(SETTINGS)
    _ends(policy, 0, 1, 2, 3)
    assert _ends(policy, 1000, 5000) == [(30, True), (30, True)]
    assert _ends(policy, 6000, served=True) == [(0, False)]
    assert _ends(policy, 6001, 6002, 6003) == [(0.1, False), (0.2, False), (30, True)]


def test_a_worker_that_serves_between_its_ends_never_gives_up() -> None:
    assert set(_ends(RestartPolicy(SETTINGS), *range(100), served=True)) == {(0, False)}


def test_an_intensity_of_none_gives_up_at_the_first_end() -> None:
    policy = RestartPolicy(WorkerSettings(restart_intensity=0, backoff_longest_s=7))
    assert _ends(policy, 0) == [(7, True)]


@given(
    gaps_s=st.lists(st.floats(0, 20), min_size=1, max_size=50),
    jitter=st.floats(0, 1, exclude_max=True),
    served=st.lists(st.booleans(), min_size=50, max_size=50),
)
def test_jitter_takes_at_most_half_of_the_wait(
    gaps_s: list[float], jitter: float, served: list[bool]
) -> None:
    plain, shortened = RestartPolicy(SETTINGS), RestartPolicy(SETTINGS)
    now_s = 0.0
    for gap_s, has_served in zip(gaps_s, served, strict=False):
        now_s += gap_s
        longest = plain.worker_ended(now_s=now_s, jitter=0.0, served=has_served)
        actual = shortened.worker_ended(now_s=now_s, jitter=jitter, served=has_served)
        assert longest.gave_up == actual.gave_up
        assert longest.delay_s / 2 <= actual.delay_s <= longest.delay_s <= SETTINGS.backoff_longest_s
        assert actual.delay_s == pytest.approx(longest.delay_s * (1 - jitter / 2))


@given(count=st.integers(1000, 3000))
def test_endless_ends_neither_overflow_nor_pile_up(count: int) -> None:
    policy = RestartPolicy(WorkerSettings(restart_intensity=10, backoff_first_s=0.001))
    for number in range(count):
        assert policy.worker_ended(now_s=float(number), jitter=0.5, served=False).delay_s <= 30
    assert len(policy._ends_at_s) <= 6
