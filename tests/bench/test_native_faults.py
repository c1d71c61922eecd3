"""What docs/in-process-or-port.md says of crashes, hangs, leaks and kept locks is what happens."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from benchmarks.native_faults import FAULTS, WAYS, Seen, observe

pytestmark = pytest.mark.process

_LOST_LOCK_MS = 200  # of the 300 for which the lock is kept


def observe_at_once(fault: str) -> list[Seen]:
    """Return what a fault does in each way. They wait for most of the time, and can do it together."""
    with ThreadPoolExecutor(len(WAYS)) as threads:
        return list(threads.map(observe, WAYS, [fault] * len(WAYS)))


@pytest.mark.parametrize("way", ["direct", "thread"])
def test_a_crash_in_the_process_ends_the_server(way: str) -> None:
    assert observe(way, "crash").ended_by == "SIGSEGV"


def test_a_crash_behind_the_port_ends_a_worker_that_is_replaced() -> None:
    seen = observe("port", "crash")
    assert not seen.ended_by
    assert seen.answered_after


def test_a_hang_is_for_ever_unless_it_is_behind_the_port() -> None:
    direct, thread, port = observe_at_once("hang")
    assert direct.stood_still
    assert not thread.answered_after  # every thread is lost
    assert port.answered_after


def test_a_leak_behind_the_port_is_none_of_the_servers() -> None:
    direct, thread, port = observe_at_once("leak")
    assert direct.grew_mib > 50
    assert thread.grew_mib > 50
    assert port.grew_mib < 20


def test_a_kept_lock_stops_the_server_in_a_thread_too_but_not_behind_the_port() -> None:
    assert observe("direct", "keeps the lock").pause_ms > _LOST_LOCK_MS
    assert observe("thread", "keeps the lock").pause_ms > _LOST_LOCK_MS
    assert observe("thread", "gives up the lock").pause_ms < _LOST_LOCK_MS
    assert observe("port", "keeps the lock").pause_ms < _LOST_LOCK_MS


def test_the_benchmark_has_every_fault_in_every_way() -> None:
    assert len(FAULTS) * len(WAYS) == 15
