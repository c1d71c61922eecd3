"""What a simulated day looks like: arrivals, workers and faults, all from one seed."""

__all__ = ("Faults", "Scenario", "Traffic")

from dataclasses import dataclass, field

from pulse_ai.core import SchedulerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The requests that come.

    Attributes:
        requests: How many.
        rate: Arrivals a second, on average; they are Poisson.
        burst: After each ``burst_every`` requests so many more arrive in the same instant as the last one.
        burst_every: See ``burst``; 0 means no bursts.
        timeout_s: A request's time limit, in seconds: uniform between the two.
        cost_bytes: An item's encoded size: uniform between the two.
        callers: How many different callers ask; 0 means that nobody knows who asks.
        batch_share: Share of requests of the class ``batch``.
        cancel_share: Share of requests whose caller goes away, at a random time within its limit.
        failing_share: Share of items on which the task raises.
        poison_share: Share of items that kill the worker that gets them.
    """

    requests: int = 10_000
    rate: float = 200.0
    burst: int = 0
    burst_every: int = 0
    timeout_s: tuple[float, float] = (0.25, 1.0)
    cost_bytes: tuple[int, int] = (20, 200)
    callers: int = 0
    batch_share: float = 0.0
    cancel_share: float = 0.0
    failing_share: float = 0.0
    poison_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong with workers, and with the time.

    Attributes:
        crash_share: Share of batches during which the worker dies for no reason of theirs.
        hang_share: Share of batches that never end.
        restart_s: Time from a worker's end to the next one's being ready, in seconds.
        kill_s: Time from SIGKILL to the worker's end, in seconds.
        idle_kill_every_s: A random worker, idle or busy, is killed this often, in seconds; 0 means never.
        pause_every_s: The service's own process stands still this often, in seconds; 0 means never. The world
            goes on, and what happens meanwhile is seen afterwards.
        pause_s: For how long, in seconds.
        jump_every_s: The clock jumps forward this often, in seconds, as after a suspended laptop; 0 means never.
        jump_s: By how much, in seconds.
    """

    crash_share: float = 0.0
    hang_share: float = 0.0
    restart_s: float = 0.5
    kill_s: float = 0.002
    idle_kill_every_s: float = 0.0
    pause_every_s: float = 0.0
    pause_s: float = 0.5
    jump_every_s: float = 0.0
    jump_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One simulated run. The same scenario gives the same run, event by event.

    Attributes:
        seed: Of everything random.
        workers: How many.
        batch_s: Time of a batch, in seconds, whatever is in it.
        item_s: Time that each item adds, in seconds.
        byte_s: Time that each byte adds, in seconds.
        pads: Whether every item takes as many bytes as the longest of its batch.
        jitter: Service times are multiplied by a number uniform in ``[1, 1 + jitter]``.
        drain_after: After so many arrivals the service is told to stop; 0 means never.
        grace_s: The time that a drain gives accepted work, in seconds.
        settings: Of the scheduler.
        traffic: The requests.
        faults: What goes wrong.
    """

    seed: int = 0
    workers: int = 2
    batch_s: float = 0.020
    item_s: float = 0.002
    byte_s: float = 0.0
    pads: bool = False
    jitter: float = 0.1
    drain_after: int = 0
    grace_s: float = 1.0
    settings: SchedulerSettings = field(default_factory=SchedulerSettings)
    traffic: Traffic = field(default_factory=Traffic)
    faults: Faults = field(default_factory=Faults)
