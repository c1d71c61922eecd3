"""When to restart a worker: OTP's restart intensity, with the back-off and jitter that OTP lacks. Pure."""

__all__ = ("Restart", "RestartPolicy")

from collections import deque
from dataclasses import dataclass

from pulse_ai.core import WorkerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """What to do after a worker ended.

    Attributes:
        delay_s: Wait this long before the next start, in seconds.
        gave_up: There were more ends than the intensity allows; starts go on at the longest back-off.
    """

    delay_s: float
    gave_up: bool


class RestartPolicy:
    """Counts one worker slot's ends and says how long to wait before the next start.

    The first end is followed by a start at once; each further one in a row doubles the wait. Past
    ``restart_intensity`` ends in ``restart_window_s`` the slot has given up and the wait is the longest one.
    A worker that answered a batch before it ended begins the count anew: the intensity is there to catch a
    worker that cannot serve, not to take down a service that still answers
    (docs/decisions/0003-restart-intensity.md).

    Args:
        settings: Intensity, window and back-off.

    Example:
        >>> policy = RestartPolicy(WorkerSettings(restart_intensity=2, backoff_first_s=0.5))
        >>> ends = [policy.worker_ended(now_s=now_s, jitter=0.0, served=False) for now_s in (0.0, 1.0, 2.0)]
        >>> [(end.delay_s, end.gave_up) for end in ends]
        [(0.0, False), (0.5, False), (30.0, True)]
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._ends_at_s: deque[float] = deque()
        self._in_a_row = 0
        self._gave_up = False

    def worker_ended(self, *, now_s: float, jitter: float, served: bool) -> Restart:
        """Count an end.

        Args:
            now_s: The instant of the end, on a clock that never goes back.
            jitter: A random number in [0, 1): the wait is shortened by up to half of itself.
            served: Whether the worker that ended had answered at least one batch.

        Returns:
            How long to wait, and whether the slot has given up.
        """
        settings = self._settings
        if served:
            self._ends_at_s.clear()
            self._in_a_row = 0
            self._gave_up = False
        self._ends_at_s.append(now_s)
        while self._ends_at_s[0] < now_s - settings.restart_window_s:
            self._ends_at_s.popleft()
        # Once given up, the waits are longer than the window: only a served batch ends that state.
        self._gave_up = self._gave_up or len(self._ends_at_s) > settings.restart_intensity
        delay_s = settings.backoff_longest_s if self._gave_up else self._backoff_s()
        self._in_a_row += 1
        return Restart(delay_s=delay_s * (1.0 - 0.5 * jitter), gave_up=self._gave_up)

    def _backoff_s(self) -> float:
        if self._in_a_row == 0:
            return 0.0
        doubled_s = self._settings.backoff_first_s * 2.0 ** min(self._in_a_row - 1, 30)
        return min(doubled_s, self._settings.backoff_longest_s)
