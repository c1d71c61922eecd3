"""What a load run will do, decided before it begins: when each request is due, and for how long.

Open loop: a request is due at its planned instant whether or not earlier ones were answered, and its latency
counts from then. A closed loop (each connection asks again when it was answered) slows down with the service
and so hides the very stalls that users feel; it is offered as ``rate=inf`` for finding capacity, no more.

Arrivals are a unit-rate process (every 1.0, or exponential gaps of mean 1.0) carried through the inverse of
the cumulative rate. So a step, a ramp and a Poisson ramp are one formula.
"""

__all__ = ("LoadPlan", "Step", "arrivals", "parse_rates", "stages")

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_CHUNK = 2048
_MOST_RATE = 1e6  # far above what one process can send
_MOST_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of time with a rate of its own.

    Attributes:
        rate: Arrivals a second at its beginning; above 0 and at most a million. ``inf`` means closed loop: as
            fast as it answers.
        duration_s: How long it lasts, in seconds; above 0, and at most 30 days.
        end_rate: Arrivals a second at its end, reached in a straight line; None means ``rate``.
        counted: False for warm-up, which is sent but left out of the report.

    Example:
        >>> Step(50.0, 10.0, end_rate=150.0).expected
        1000.0
    """

    rate: float
    duration_s: float
    end_rate: float | None = None
    counted: bool = True

    def __post_init__(self) -> None:
        if not 0.0 < self.duration_s <= _MOST_S:
            raise ValueError(f"a step lasts above 0 and at most {_MOST_S:.0f} s, got {self.duration_s:g} s")
        rates = [self.rate] if self.end_rate is None else [self.rate, self.end_rate]
        if not all(0.0 < rate <= _MOST_RATE or rate == math.inf for rate in rates):
            raise ValueError(f"a rate is above 0 and at most {_MOST_RATE:.0f}/s, got {self.label()}")
        if self.end_rate is not None and not (0.0 < self.end_rate < math.inf and math.isfinite(self.rate)):
            raise ValueError(f"a ramp needs two finite rates above 0, got {self.rate:g} to {self.end_rate:g}")

    @property
    def closed(self) -> bool:
        """Whether requests are sent as fast as answers come, instead of at a rate."""
        return math.isinf(self.rate)

    @property
    def expected(self) -> float:
        """How many arrivals it plans: the area under its rate."""
        last = self.rate if self.end_rate is None else self.end_rate
        return (self.rate + last) / 2 * self.duration_s

    def label(self) -> str:
        """Return the rate as a person would write it.

        Example:
            >>> Step(50.0, 1.0).label(), Step(50.0, 1.0, end_rate=400.0).label(), Step(math.inf, 1.0).label()
            ('50', '50..400', 'max')
        """
        if self.closed:
            return "max"
        return f"{self.rate:g}" if self.end_rate is None else f"{self.rate:g}..{self.end_rate:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """All that decides a load run, but for what is sent where.

    Attributes:
        steps: What is measured, in order; at least one.
        shape: ``"constant"`` gaps, or ``"poisson"``: independent users, with the bursts that they bring.
        seed: Seed of the Poisson gaps; the same plan gives the same instants.
        warmup_s: Seconds at the first step's rate that come first and are not counted; 0 or more.
        connections: Most connections open at once; at least 1.
        timeout_s: A request is given up this many seconds after it was due; above 0.
        within_s: A success later than this many seconds is not goodput; ``inf`` where no limit was set.
        lag_bound_s: The generator is called the bottleneck when the 99th percentile of its own delay,
            from due to noticed, is above this many seconds.
    """

    steps: tuple[Step, ...]
    shape: Literal["constant", "poisson"] = "constant"
    seed: int = 0
    warmup_s: float = 0.0
    connections: int = 256
    timeout_s: float = 10.0
    within_s: float = math.inf
    lag_bound_s: float = 0.005

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("a plan needs at least one step")
        if self.connections < 1:
            raise ValueError(f"connections must be at least 1, got {self.connections}")
        if self.warmup_s < 0.0:
            raise ValueError(f"warmup_s must be 0 or more, got {self.warmup_s:g}")
        if not self.timeout_s > 0.0:
            raise ValueError(f"timeout_s must be above 0, got {self.timeout_s:g}")


def parse_rates(text: str, *, duration_s: float) -> tuple[Step, ...]:
    """Return the steps that a text such as ``50,100,200..400,max`` names, each ``duration_s`` long.

    Args:
        text: Rates in requests a second, separated by commas. ``a..b`` is a ramp, ``max`` a closed loop.
        duration_s: Seconds of each step.

    Raises:
        ValueError: A part is not a rate, or the duration is out of range.

    Example:
        >>> [step.label() for step in parse_rates("50,100..400,max", duration_s=10.0)]
        ['50', '100..400', 'max']
    """
    Step(math.inf, duration_s)  # a wrong duration is no fault of the rates
    return tuple(_step(part.strip(), duration_s) for part in text.split(","))


def _step(part: str, duration_s: float) -> Step:
    first, ramp, last = part.partition("..")
    if part == "max":
        return Step(math.inf, duration_s)
    try:
        return Step(_rate(first), duration_s, end_rate=_rate(last) if ramp else None)
    except ValueError as error:
        raise ValueError(f"{part!r} is not a rate; write 100, 50..400 or max ({error})") from error


def _rate(text: str) -> float:
    """Read a rate; only ``max`` means a closed loop."""
    rate = float(text)
    if math.isinf(rate):
        raise ValueError(f"a rate is at most {_MOST_RATE:.0f}/s")
    return rate


def stages(plan: LoadPlan) -> tuple[Step, ...]:
    """Return the warm-up, where there is one, and the steps.

    Example:
        >>> [s.counted for s in stages(LoadPlan(steps=(Step(10.0, 1.0),), warmup_s=2.0))]
        [False, True]
    """
    if plan.warmup_s == 0.0:
        return plan.steps
    return (Step(plan.steps[0].rate, plan.warmup_s, counted=False), *plan.steps)


def arrivals(step: Step, *, shape: str, seed: int, start_s: float = 0.0) -> Iterator[list[float]]:
    """Yield the instants at which requests of an open-loop step are due, in chunks, rising.

    Args:
        step: An open-loop step.
        shape: ``"constant"`` or ``"poisson"``.
        seed: Seed of the Poisson gaps.
        start_s: When the step begins; every instant is in ``[start_s, start_s + duration_s)``.

    Example:
        >>> list(arrivals(Step(4.0, 1.0), shape="constant", seed=0))
        [[0.0, 0.25, 0.5, 0.75]]
        >>> ramp = arrivals(Step(1.0, 2.0, end_rate=3.0), shape="constant", seed=0)
        >>> [[round(at, 3) for at in chunk] for chunk in ramp]
        [[0.0, 0.732, 1.236, 1.646]]
    """
    rng = np.random.default_rng(seed)
    done = 0.0
    while done < step.expected:
        if shape == "poisson":
            places = done + np.cumsum(rng.exponential(1.0, _CHUNK))
            done = float(places[-1])
        else:
            places = done + np.arange(_CHUNK, dtype=np.float64)
            done += _CHUNK
        places = places[places < step.expected - 1e-9]
        if places.size:
            yield (start_s + _instants(step, places)).tolist()


def _instants(step: Step, places: Floats) -> Floats:
    """Return when the cumulative rate of a step reaches each place, from its beginning."""
    slope = 0.0 if step.end_rate is None else (step.end_rate - step.rate) / step.duration_s
    if abs(slope) < 1e-12:
        return places / step.rate
    # rate * t + slope * t^2 / 2 = place, in the form that does not cancel for small slopes
    return 2.0 * places / (step.rate + np.sqrt(np.maximum(step.rate**2 + 2.0 * slope * places, 0.0)))
