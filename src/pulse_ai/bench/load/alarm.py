"""A timer for asyncio that keeps better time than a millisecond, where the system has one.

Event loops round their timers to milliseconds. At a thousand arrivals a second that would be a burst each
tick, and an error as large as a fast answer. Linux' timerfd wakes the loop within about 0.1 ms and burns no
time waiting; elsewhere the loop's own timer is used, and the report's send lag shows what that costs.
"""

__all__ = ("Alarm", "open_alarm")

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Protocol

_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_MONOTONIC = 1  # CLOCK_MONOTONIC, the clock of time.monotonic
_FLAGS = 0o4000 | 0o2000000  # TFD_NONBLOCK and TFD_CLOEXEC


class Alarm(Protocol):
    """Wakes its owner at an instant."""

    def at(self, when_s: float, /) -> None:
        """Ring once at an instant of ``time.monotonic``, at once if it has passed; replaces what was set."""
        ...


@contextmanager
def open_alarm(loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> Generator[Alarm]:
    """Yield an alarm that calls ``ring`` on the loop, the most exact that this system offers."""
    fd = _timer_fd()
    if fd is None:
        alarm = _LoopAlarm(loop, ring)
        try:
            yield alarm
        finally:
            alarm.stop()
        return
    try:
        loop.add_reader(fd, _rung, fd, ring)
        yield _FdAlarm(fd)
    finally:
        loop.remove_reader(fd)
        os.close(fd)


class _LoopAlarm:
    """The loop's own timer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop, self._ring = loop, ring
        self._handle: asyncio.TimerHandle | None = None

    def at(self, when_s: float, /) -> None:
        self.stop()
        self._handle = self._loop.call_at(when_s, self._ring)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class _FdAlarm:
    """A timerfd that the loop watches."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._settime = ctypes.CDLL(None).timerfd_settime

    def at(self, when_s: float, /) -> None:
        whole_ns = max(1, int(when_s * 1e9))  # 0 would disarm it
        value = _TimeSpec(whole_ns // 1_000_000_000, whole_ns % 1_000_000_000)
        self._settime(self._fd, _ABSOLUTE, ctypes.byref(_TimerSpec(_TimeSpec(0, 0), value)), None)


def _timer_fd() -> int | None:
    create = getattr(ctypes.CDLL(None), "timerfd_create", None) if sys.platform == "linux" else None
    if create is None:
        return None
    fd: int = create(_MONOTONIC, _FLAGS)
    return fd if fd >= 0 else None


def _rung(fd: int, ring: Callable[[], None]) -> None:
    try:
        os.read(fd, 8)
    except BlockingIOError:  # it was set anew between waking and now
        return
    ring()
