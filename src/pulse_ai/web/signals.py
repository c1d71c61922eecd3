"""What the signals mean that a service gets while it runs."""

__all__ = ("heed_signals",)

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Generator


@contextlib.contextmanager
def heed_signals(stop: asyncio.Event, roll: Callable[[], None]) -> Generator[None]:
    """Have SIGTERM and SIGINT set the event, and SIGHUP call ``roll``, for as long as the block lasts.

    A second Ctrl-C cancels the task that entered the block. A second SIGTERM does nothing: process managers and
    shells send it twice without meaning anything by it. SIGHUP also comes when the terminal is closed from which
    the service was started, and then means the end.
    """
    loop = asyncio.get_running_loop()
    service = asyncio.current_task()
    from_terminal = _has_terminal()

    def interrupt() -> None:
        if stop.is_set() and service is not None:
            service.cancel()
        stop.set()

    def hang_up() -> None:
        if from_terminal and not _has_terminal():
            stop.set()
        elif not stop.is_set():
            roll()

    handlers = {signal.SIGTERM: stop.set, signal.SIGINT: interrupt, signal.SIGHUP: hang_up}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def _has_terminal() -> bool:
    """Say whether a terminal controls this process; once closed it cannot be opened any more."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
