"""The figures of ``benchmarks/faults.py``, at a small size."""

import pytest
from benchmarks import faults

pytestmark = pytest.mark.process


async def test_g5_one_poison_among_200_is_found_and_the_others_are_answered() -> None:
    found = await faults.one_poison_among(200)
    assert found.answers == {"200": 199, "500 poisoned_input": 1}
    assert found.right == 199
    assert found.deaths <= 5  # log2 of the batch size of 16, and one more
    assert found.again == {"500 poisoned_input": 10}
    assert found.deaths_again == 0


async def test_g6_a_worker_that_hangs_in_c_is_killed_at_its_limit_and_replaced() -> None:
    (hang,) = await faults.hangs(1)
    assert 2.0 <= hang.killed_s < 4.0  # the parent's doing; how soon another is there depends on the machine
    assert hang.replaced_s > hang.killed_s


async def test_g5_a_rolling_restart_refuses_nobody() -> None:
    rolled = await faults.rolls(1)
    assert rolled.answers == {"200": 201}
