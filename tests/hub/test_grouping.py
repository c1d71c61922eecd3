"""The plan: each text once, within the limits, never dearer than any other cut."""

__all__ = ()

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from pulse_ai.hub.grouping import Group, GroupLimits, plan_groups

LENGTHS = st.lists(st.integers(1, 600), max_size=40)
LIMITS = st.builds(
    GroupLimits,
    call_cost_tokens=st.integers(0, 200),
    most_rows=st.integers(1, 40),
    most_tokens=st.integers(1, 5000),
)


def _cost(groups: list[Group], limits: GroupLimits) -> int:
    return sum(limits.call_cost_tokens + len(group.members) * group.length for group in groups)


@given(lengths=LENGTHS, limits=LIMITS)
def test_each_text_is_in_one_group(lengths: list[int], limits: GroupLimits) -> None:
    groups = plan_groups(lengths, limits)

    assert sorted(member for group in groups for member in group.members) == list(range(len(lengths)))


@given(lengths=LENGTHS, limits=LIMITS)
def test_a_group_is_as_long_as_its_longest_text(lengths: list[int], limits: GroupLimits) -> None:
    for group in plan_groups(lengths, limits):
        assert group.length == max(lengths[member] for member in group.members)


@given(lengths=LENGTHS, limits=LIMITS)
def test_the_limits_hold_for_every_group_of_two_or_more(lengths: list[int], limits: GroupLimits) -> None:
    for group in plan_groups(lengths, limits):
        rows = len(group.members)
        assert rows == 1 or (rows <= limits.most_rows and rows * group.length <= limits.most_tokens)


@given(lengths=LENGTHS, limits=LIMITS)
def test_longest_groups_come_first(lengths: list[int], limits: GroupLimits) -> None:
    found = [group.length for group in plan_groups(lengths, limits)]

    assert found == sorted(found, reverse=True)


@given(lengths=st.lists(st.integers(1, 200), min_size=1, max_size=9), call_cost=st.integers(0, 100))
def test_no_other_cut_is_cheaper(lengths: list[int], call_cost: int) -> None:
    limits = GroupLimits(call_cost_tokens=call_cost)
    falling = sorted(lengths, reverse=True)
    places = range(1, len(falling))
    cheapest = min(
        sum(call_cost + (end - start) * falling[start] for start, end in pairwise(cuts))
        for count in range(len(falling))
        for inner in combinations(places, count)
        for cuts in [(0, *inner, len(falling))]
    )

    assert _cost(plan_groups(lengths, limits), limits) == cheapest


def test_one_long_text_does_not_pad_fifteen_short_ones() -> None:
    groups = plan_groups([10] * 7 + [128] + [10] * 8)

    assert [(group.length, len(group.members)) for group in groups] == [(128, 1), (10, 15)]


def test_texts_of_one_length_stay_together() -> None:
    assert len(plan_groups([12] * 16)) == 1


def test_nearly_equal_lengths_are_not_worth_a_call_each() -> None:
    assert len(plan_groups([10, 11, 12] * 2)) == 1
