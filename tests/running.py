"""How tests are run: what a time limit means and how it is told, and what the garbage collector passes over."""

__all__ = ("LIMIT_OF_PROCESSES_S", "TimedOut")

import gc
import signal
import sys
from collections.abc import Generator
from functools import partial
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pytest_timeout import timeout_sigalrm  # pyright: ignore[reportUnknownVariableType]

LIMIT_OF_PROCESSES_S = 120.0
"""Limit, in seconds, of a test that starts processes. Such tests wait for events: what reaches it hangs, and is
not merely slow because others use the machine too."""

_AGAIN_S = 5.0
_AT_ONCE_S = 0.01

# A test judges what is computed. How long one example takes is a matter of the machine, and of who else uses it.
settings.register_profile(
    "any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


class TimedOut(BaseException):
    """Raised when a test has reached its time limit, wherever it is then.

    It is no ``Failed``: Hypothesis takes those for a wrong answer, and repeats a test that hangs to find a
    smaller example.
    """


def _ring(item: pytest.Item, limits: Any, _number: int, _frame: FrameType | None) -> None:
    __tracebackhide__ = True
    try:
        timeout_sigalrm(item, limits)  # says first what the other threads are doing
    except pytest.fail.Exception as failed:
        raise TimedOut(failed.msg) from None


def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """Ring when the time is over, and again until the test has ended: a callback may swallow what is raised."""
    if settings.method != "signal":
        return None

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    item.cancel_timeout = cancel  # type: ignore[attr-defined]  # where pytest-timeout looks for it
    signal.signal(signal.SIGALRM, partial(_ring, item, settings))
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, min(settings.timeout, _AGAIN_S))
    return True


def _ring_again_if_dropped(before: Any, dropped: Any) -> None:
    """Handle what was raised where nobody can catch it, in a destructor or a callback of the collector."""
    if isinstance(dropped.exc_value, TimedOut):
        signal.setitimer(signal.ITIMER_REAL, _AT_ONCE_S, _AGAIN_S)
    else:
        before(dropped)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("process") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LIMIT_OF_PROCESSES_S))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Do not look for garbage while everything is imported: next to nothing of it is."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


class _Heap:
    """Freezes what lives when the tests of another module begin.

    The collector looks at all that lives, each time. In a process that has imported JAX and collected thousands of
    tests, that is a million objects and half a second, and was 40 % of the time that the suite took. Nearly all of
    it lives until the end.
    """

    def __init__(self) -> None:
        self._module = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        module = item.nodeid.partition("::")[0]
        if module != self._module:
            self._module = module
            gc.collect()
            gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Heap())
    sys.unraisablehook = partial(
        _ring_again_if_dropped, sys.unraisablehook
    )  # pytest's, which it takes back itself
