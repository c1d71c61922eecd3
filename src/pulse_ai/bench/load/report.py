"""What a load run found: frozen values, made from the ledger, that JSON, text and HTML are written from.

Every offered request is in exactly one of ``good``, ``late``, ``refused``, ``failed`` and ``unanswered``;
``errors`` is the sum of the last two.
"""

__all__ = (
    "GeneratorCheck",
    "Judged",
    "LoadReport",
    "Quantiles",
    "Section",
    "StatusRow",
    "Window",
    "check_generator",
    "sections_of",
    "total_of",
    "windows_of",
)

import math
from collections.abc import Iterable, Sequence

import msgspec

from pulse_ai.bench.histogram import Histogram
from pulse_ai.bench.load.flow import ABANDONED, CLOSED, NO_SOCKET, OUTCOMES, TIMED_OUT
from pulse_ai.bench.load.ledger import REFUSALS, Ledger, StepCounts, WindowCounts
from pulse_ai.bench.machine import Machine
from pulse_ai.bench.text import figures

_SENT_UNANSWERED = (TIMED_OUT, CLOSED, ABANDONED)


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution of durations in seconds. ``count`` is at least 1."""

    count: int
    mean_s: float
    min_s: float
    p50_s: float
    p90_s: float
    p95_s: float
    p99_s: float
    p999_s: float
    max_s: float


class StatusRow(msgspec.Struct, frozen=True):
    """Requests with one outcome.

    Attributes:
        outcome: The HTTP status, or what happened instead, in words.
        count: How many.
        latency: From the planned instant to the end, in seconds.
    """

    outcome: str
    count: int
    latency: Quantiles


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One step, or all of them together.

    Attributes:
        label: The step's rate as it was written, or ``"all"``.
        duration_s: Seconds in which its requests were due; above 0.
        offered: Requests that were due and taken up.
        sent: Requests that left.
        answered: Requests with a whole answer, whatever its status.
        good: 2xx answers within the limit (``within_s`` of the plan).
        late: 2xx answers after it.
        refused: 429 and 503 answers.
        failed: Other answers.
        unanswered: No whole answer came: given up, closed, abandoned, or never sent (no connection could be
            made, none was free in time, or the run was stopped).
        latency: From the planned instant, of 2xx answers and of requests given up, sent or not (a lower bound for
            those). None where there were none.
        service: From sending, of 2xx answers: what a closed-loop tool would have shown.
        lag: The generator's own delay, from due to noticed.
        wait: From noticed to sent: waiting for a free connection.
        by_status: Outcomes, most frequent first.
    """

    label: str
    duration_s: float
    offered: int
    sent: int
    answered: int
    good: int
    late: int
    refused: int
    failed: int
    unanswered: int
    latency: Quantiles | None
    service: Quantiles | None
    lag: Quantiles | None
    wait: Quantiles | None
    by_status: tuple[StatusRow, ...]

    @property
    def errors(self) -> int:
        """Requests that were neither answered well nor refused."""
        return self.failed + self.unanswered

    @property
    def offered_per_s(self) -> float:
        """Requests that were due, a second."""
        return self.offered / self.duration_s

    @property
    def answered_per_s(self) -> float:
        """Answers of any status to the requests of this section, a second."""
        return self.answered / self.duration_s

    @property
    def good_per_s(self) -> float:
        """Good answers a second: the goodput."""
        return self.good / self.duration_s


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that were due within one short stretch of time; latencies as in a section, None without any.

    Attributes:
        at_s: When it begins, in seconds from the beginning of the run, warm-up included.
        errors: Neither succeeded nor refused.
        came: 2xx answers that came within it, whenever they were due.
    """

    at_s: float
    offered: int
    good: int
    refused: int
    errors: int
    p50_s: float | None
    p99_s: float | None
    max_s: float | None
    came: int = 0


class GeneratorCheck(msgspec.Struct, frozen=True):
    """Whether the generator itself, and not the service, decided the figures.

    Attributes:
        limited: Whether it did.
        text: Why, with the numbers.
    """

    limited: bool
    text: str


class Judged(msgspec.Struct, frozen=True):
    """A claim, and whether it holds."""

    text: str
    holds: bool


class LoadReport(msgspec.Struct, frozen=True, kw_only=True, tag="load", tag_field="kind"):
    """A load run from its plan to its verdicts.

    Attributes:
        url: What was asked.
        started: When, as an ISO 8601 instant in UTC.
        plan: The plan in words, by name.
        machine: Where the generator ran.
        total: All counted steps together; None where the run was stopped before any began.
        steps: Each counted step that began.
        windows: The whole run over time, warm-up included.
        window_s: How long each window is.
        within_s: The limit for a good answer; None without one.
        generator: Whether the generator was the bottleneck.
        stopped: Whether the run was stopped before its plan was done.
        verdicts: One line for each objective that was set, and for "nothing unanswered".
        passed: Whether every verdict holds.
        format: Version of this form; a reader refuses a newer one.
    """

    url: str
    started: str
    plan: dict[str, str]
    machine: Machine
    total: Section | None
    steps: tuple[Section, ...]
    windows: tuple[Window, ...]
    window_s: float
    within_s: float | None
    generator: GeneratorCheck
    stopped: bool
    verdicts: tuple[Judged, ...]
    passed: bool
    format: int = 1


def sections_of(ledger: Ledger, *, until_s: float = math.inf) -> tuple[Section, ...]:
    """Return each counted step that began, in order.

    Args:
        ledger: What was counted.
        until_s: When the run was stopped, in seconds from its beginning.
    """
    return tuple(
        _section(counts.step.label(), lasted_s, counts) for counts, lasted_s in _begun(ledger, until_s)
    )


def total_of(ledger: Ledger, *, until_s: float = math.inf) -> Section | None:
    """Return all counted steps together; None where none began."""
    begun = _begun(ledger, until_s)
    if not begun:
        return None
    return _section("all", sum(lasted_s for _, lasted_s in begun), _merged([counts for counts, _ in begun]))


def _begun(ledger: Ledger, until_s: float) -> list[tuple[StepCounts, float]]:
    steps = [(counts, ledger.lasted_s(i, until_s=until_s)) for i, counts in enumerate(ledger.steps)]
    return [(counts, lasted_s) for counts, lasted_s in steps if counts.step.counted and lasted_s > 0.0]


def _merged(steps: list[StepCounts]) -> StepCounts:
    whole = StepCounts(steps[0].step)
    for counts in steps:
        whole.good += counts.good
        for code, histogram in counts.by_code.items():
            whole.by_code.setdefault(code, Histogram()).merge(histogram)
        for name in ("latency", "service", "lag", "wait"):
            getattr(whole, name).merge(getattr(counts, name))
    return whole


def _section(label: str, duration_s: float, counts: StepCounts) -> Section:
    ends = {code: histogram.count for code, histogram in counts.by_code.items()}
    answered = sum(n for code, n in ends.items() if code >= 0)
    succeeded = sum(n for code, n in ends.items() if 200 <= code < 300)
    refused = sum(ends.get(code, 0) for code in REFUSALS)
    lost = sum(ends.get(code, 0) for code in _SENT_UNANSWERED)
    return Section(
        label=label,
        duration_s=duration_s,
        offered=sum(ends.values()),
        sent=answered + lost,
        answered=answered,
        good=counts.good,
        late=succeeded - counts.good,
        refused=refused,
        failed=answered - succeeded - refused,
        unanswered=sum(ends.values()) - answered,
        latency=_quantiles(counts.latency),
        service=_quantiles(counts.service),
        lag=_quantiles(counts.lag),
        wait=_quantiles(counts.wait),
        by_status=_by_status(counts.by_code.items()),
    )


def _by_status(items: Iterable[tuple[int, Histogram]]) -> tuple[StatusRow, ...]:
    rows = [
        StatusRow(OUTCOMES.get(code, str(code)), histogram.count, quantiles)
        for code, histogram in items
        if (quantiles := _quantiles(histogram)) is not None
    ]
    return tuple(sorted(rows, key=lambda row: -row.count))


def _quantiles(histogram: Histogram) -> Quantiles | None:
    if histogram.count == 0:
        return None
    return Quantiles(
        count=histogram.count,
        mean_s=histogram.mean(),
        min_s=histogram.min_s,
        p50_s=histogram.quantile(0.5),
        p90_s=histogram.quantile(0.9),
        p95_s=histogram.quantile(0.95),
        p99_s=histogram.quantile(0.99),
        p999_s=histogram.quantile(0.999),
        max_s=histogram.max_s,
    )


def windows_of(ledger: Ledger) -> tuple[Window, ...]:
    """Return the run over time."""
    return tuple(_window(i * ledger.window_s, counts) for i, counts in enumerate(ledger.windows))


def _window(at_s: float, counts: WindowCounts) -> Window:
    empty = counts.latency.count == 0
    return Window(
        at_s=round(at_s, 6),
        offered=counts.offered,
        good=counts.good,
        refused=counts.refused,
        errors=counts.offered - counts.succeeded - counts.refused,
        p50_s=None if empty else counts.latency.quantile(0.5),
        p99_s=None if empty else counts.latency.quantile(0.99),
        max_s=None if empty else counts.latency.max_s,
        came=counts.came,
    )


def check_generator(steps: Sequence[Section], *, lag_bound_s: float) -> GeneratorCheck:
    """Return whether the generator's own delay was too long to call the figures the service's.

    Args:
        steps: The counted steps. The one with the longest delay decides: a closed loop plans nothing ahead and so
            has none, and its many requests must not hide that of another step.
        lag_bound_s: The longest 99th percentile of send lag that is accepted, in seconds.
    """
    shut_out = sum(
        row.count for step in steps for row in step.by_status if row.outcome == OUTCOMES[NO_SOCKET]
    )
    if shut_out:
        return GeneratorCheck(
            limited=True,
            text=f"the generator was the bottleneck: it had no file or port left for {shut_out:,} requests; raise "
            "the limit of open files (ulimit -n) or lower --connections",
        )
    lag_s = max((step.lag.p99_s for step in steps if step.lag), default=0.0)
    bound = f"(bound {lag_bound_s * 1e3:g} ms)"
    if lag_s > lag_bound_s:
        return GeneratorCheck(
            limited=True,
            text=f"the generator was the bottleneck: its send lag was {figures(lag_s * 1e3, 3)} ms at p99 {bound};"
            " latencies are too high by about as much, so offer less or give it a core of its own",
        )
    text = f"the generator kept up: send lag {figures(lag_s * 1e3, 3)} ms at p99 {bound}"
    return GeneratorCheck(limited=False, text=text)
