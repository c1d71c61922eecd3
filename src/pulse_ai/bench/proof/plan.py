"""What the proof measures, decided before it begins."""

__all__ = ("LADDER", "ProofPlan", "rates_of")

from dataclasses import dataclass

LADDER = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Shares of the capacity that are offered, from a tenth to ten times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPlan:
    """All that decides a proof.

    Attributes:
        target: What is served, as ``pulse serve`` takes it.
        name: The model's name in the URL.
        bodies: JSON bodies, sent in turn.
        batch_size: Of the service with batching; it is compared with batch size 1.
        ladder: Shares of the batching service's capacity that are offered, rising.
        seconds_a_step: Seconds of each step.
        deadline_s: Time limit that every request brings, in seconds.
        slack_s: How much later than its deadline an answer may reach the generator and count as in time:
            the deadline is kept when the answer leaves the scheduler, and the way back takes some time too.
        queue_limit: Most items waiting, of each service.
        most_rate: The highest rate that is offered, a second: what the generator can do.
        kills: How many workers are killed while the trace is drawn; there are two workers then.
        trace_load: Load of the trace, as a share of the batching service's capacity.

    Example:
        >>> plan = ProofPlan(target="", name="sentiment", bodies=(b"{}",), ladder=(0.5, 10.0))
        >>> plan.within_s, plan.trace_s
        (0.26, 12.0)
    """

    target: str
    name: str
    bodies: tuple[bytes, ...]
    batch_size: int = 16
    ladder: tuple[float, ...] = LADDER
    seconds_a_step: float = 3.0
    deadline_s: float = 0.25
    slack_s: float = 0.01
    queue_limit: int = 200
    most_rate: float = 8000.0
    kills: int = 3
    trace_load: float = 0.4

    def __post_init__(self) -> None:
        if not self.bodies:
            raise ValueError("there is nothing to send")
        if not self.ladder or list(self.ladder) != sorted(set(self.ladder)) or self.ladder[0] <= 0.0:
            raise ValueError(f"the shares of capacity must be above 0 and rise, got {self.ladder}")
        if not self.seconds_a_step > 0.0 or not self.deadline_s > 0.0:
            raise ValueError("seconds a step and the deadline must be above 0")
        if self.batch_size < 2:
            raise ValueError(f"batch_size must be at least 2, got {self.batch_size}")

    @property
    def within_s(self) -> float:
        """How late an answer may reach the generator, in seconds."""
        return self.deadline_s + self.slack_s

    @property
    def timeout_s(self) -> float:
        """When the generator gives a request up, in seconds: long after an answer would be late."""
        return max(10.0, 2.0 * self.within_s)

    @property
    def trace_s(self) -> float:
        """How long the trace lasts, in seconds."""
        return self.seconds_a_step * (self.kills + 1)

    @property
    def kills_at_s(self) -> tuple[float, ...]:
        """When a worker is killed, in seconds from the beginning of the trace."""
        return tuple(self.seconds_a_step * (number + 1) for number in range(self.kills))


def rates_of(plan: ProofPlan, capacity_per_s: float) -> tuple[tuple[float, float], ...]:
    """Return (share of capacity, requests a second) for each step; the last one is what can be offered.

    Args:
        plan: The plan.
        capacity_per_s: What the batching service carries.

    Example:
        >>> plan = ProofPlan(target="", name="m", bodies=(b"{}",), ladder=(0.5, 2.0, 10.0), most_rate=500.0)
        >>> rates_of(plan, 100.0)
        ((0.5, 50.0), (2.0, 200.0), (5.0, 500.0))
    """
    rates = dict.fromkeys(min(share * capacity_per_s, plan.most_rate) for share in plan.ladder)
    return tuple((rate / capacity_per_s, rate) for rate in rates)
