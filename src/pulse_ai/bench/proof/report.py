"""What a proof found, as frozen values that JSON, text and HTML are written from."""

__all__ = ("Gauges", "Point", "ProofReport", "Side", "Trace")

import msgspec

from pulse_ai.bench.load.report import Judged, Section, Window
from pulse_ai.bench.machine import Machine


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """What ``/metrics`` said at one instant.

    Attributes:
        at_s: When, in seconds from the beginning of the step.
        waiting: Items waiting for a worker.
        running: Items with workers.
        ready: Workers that are loaded.
        lost: Admitted requests that were never answered, since the service began.
    """

    at_s: float
    waiting: float
    running: float
    ready: float
    lost: float


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One step: a rate, and what became of it.

    Attributes:
        share: The rate as a share of the batching service's capacity.
        rate: Requests a second that were offered.
        section: Counts and latencies.
        queue_mean: Mean share of the queue's places that were taken, in [0, 1] or a little above.
        queue_max: The largest.
        limited: Why the generator, and not the service, decided this step; None where it kept up.
    """

    share: float
    rate: float
    section: Section
    queue_mean: float
    queue_max: float
    limited: str | None

    def count(self, status: int) -> int:
        """Return how many were answered with a status."""
        return sum(row.count for row in self.section.by_status if row.outcome == str(status))

    @property
    def refused_share(self) -> float:
        """The share of requests that were answered 429."""
        return self.count(429) / max(self.section.offered, 1)

    @property
    def refusal_p99_s(self) -> float | None:
        """The 99th percentile of the time to a 429, in seconds; None without any."""
        found = [row.latency.p99_s for row in self.section.by_status if row.outcome == "429"]
        return found[0] if found else None


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One service: with batching, or without.

    Attributes:
        batch_size: Most items in a batch.
        command: How it was started.
        started_s: Seconds from its start until it could serve.
        capacity_per_s: What it carries: answers a second in a closed loop.
        points: The steps, in order of their rates.
        exit_code: Of the service after SIGTERM.
    """

    batch_size: int
    command: str
    started_s: float
    capacity_per_s: float
    points: tuple[Point, ...]
    exit_code: int | None


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """What happened while workers were killed under load.

    Attributes:
        workers: How many there were.
        rate: Requests a second that were offered.
        kills_at_s: When a worker was killed, in seconds from the beginning.
        section: Counts and latencies of the whole trace.
        windows: The trace over time.
        window_s: How long each window is.
        gauges: What ``/metrics`` said meanwhile.
        limited: As in ``Point``.
        exit_code: Of the service after SIGTERM.
    """

    workers: int
    rate: float
    kills_at_s: tuple[float, ...]
    section: Section
    windows: tuple[Window, ...]
    window_s: float
    gauges: tuple[Gauges, ...]
    limited: str | None
    exit_code: int | None

    @property
    def lost(self) -> int:
        """Requests that the service itself counts as lost."""
        return int(max((gauges.lost for gauges in self.gauges), default=0.0))


class ProofReport(msgspec.Struct, frozen=True, kw_only=True, tag="proof", tag_field="kind"):
    """A proof from its plan to its verdicts.

    Attributes:
        title: What was served, in words.
        started: When, as an ISO 8601 instant in UTC.
        command: The command that repeats it.
        plan: The plan in words, by name.
        ladder: Shares of capacity that were asked for.
        machine: Where it ran, generator included.
        versions: Of what does the work.
        load_before: Load average of the machine before it began.
        single: The service with batch size 1.
        batched: The service with batching.
        trace: The kills.
        verdicts: A line for each claim.
        passed: Whether every claim holds.
        format: Version of this form.
    """

    title: str
    started: str
    command: str
    plan: dict[str, str]
    ladder: tuple[float, ...]
    machine: Machine
    versions: dict[str, str]
    load_before: float
    single: Side
    batched: Side
    trace: Trace
    verdicts: tuple[Judged, ...]
    passed: bool
    format: int = 1
