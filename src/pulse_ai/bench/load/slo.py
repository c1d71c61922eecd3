"""Service level objectives as text: ``p99<250ms,errors<0.1%`` parsed into rules, and judged on a section."""

__all__ = ("Rule", "Verdict", "judge", "latency_limit_s", "parse_slo")

import math
import re
from typing import Literal, get_args

import msgspec

from pulse_ai.bench.load.report import Section
from pulse_ai.bench.text import figures

Metric = Literal[
    "p50", "p90", "p95", "p99", "p99.9", "max", "errors", "refused", "unanswered", "goodput", "rate"
]

_TIMES = {"p50": "p50_s", "p90": "p90_s", "p95": "p95_s", "p99": "p99_s", "p99.9": "p999_s", "max": "max_s"}
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_RULE = re.compile(r"\s*([a-z][a-z0-9.]*)\s*(<=|>=|<|>)\s*([0-9]*\.?[0-9]+)\s*([a-z%/]*)\s*")


class Rule(msgspec.Struct, frozen=True):
    """One objective.

    Attributes:
        metric: What is judged: a percentile of latency (seconds), a share of the offered requests
            (``errors``, ``refused``, ``unanswered``, ``goodput``), or ``rate``: good answers a second.
        below: True for an upper limit, False for a lower one. A value equal to the limit is within it only
            where the text said ``<=`` or ``>=``.
        limit: In seconds, as a share in [0, 1], or a second.
        inclusive: Whether the limit itself is allowed.
        text: The rule as it was written.
    """

    metric: Metric
    below: bool
    limit: float
    inclusive: bool
    text: str


class Verdict(msgspec.Struct, frozen=True):
    """Whether a rule held, and the value that decided it.

    Attributes:
        rule: The rule as it was written.
        holds: Whether it held. A percentile of no answers at all does not hold.
        value: What was measured, in the rule's own measure; None where nothing was.
        text: Rule, value and outcome in one line.
    """

    rule: str
    holds: bool
    value: float | None
    text: str


def parse_slo(text: str) -> tuple[Rule, ...]:
    """Return the rules of a text, separated by commas.

    Args:
        text: ``p99<250ms``, ``max<=2s``, ``errors<0.1%``, ``refused<5%``, ``unanswered<=0%``,
            ``goodput>95%`` or ``rate>280/s``.

    Raises:
        ValueError: A rule cannot be read; the text says which, and what can be written.

    Example:
        >>> [(r.metric, r.limit) for r in parse_slo("p99<250ms, errors<0.1%")]
        [('p99', 0.25), ('errors', 0.001)]
    """
    return tuple(_rule(part) for part in text.split(","))


def _rule(text: str) -> Rule:
    match = _RULE.fullmatch(text)
    metric = match and next((m for m in get_args(Metric) if m == match[1]), None)
    if match is None or metric is None:
        raise ValueError(
            f"{text.strip()!r} is not an objective; write one of {', '.join(get_args(Metric))}, then < or >, "
            "then a limit such as 250ms, 0.1% or 280/s"
        )
    limit = _limit(metric, float(match[3]), match[4], text)
    return Rule(metric, match[2][0] == "<", limit, len(match[2]) == 2, text.strip())


def _limit(metric: str, number: float, unit: str, text: str) -> float:
    if metric in _TIMES and unit in _UNITS:
        return number * _UNITS[unit]
    if metric == "rate" and unit in ("", "/s"):
        return number
    if metric not in _TIMES and metric != "rate" and unit == "%":
        return number / 100.0
    wanted = "us, ms or s" if metric in _TIMES else "/s" if metric == "rate" else "%"
    raise ValueError(f"the limit of {text.strip()!r} needs the unit {wanted}")


def latency_limit_s(rules: tuple[Rule, ...]) -> float:
    """Return the loosest latency limit of the rules, in seconds: what a single good answer must keep.

    Example:
        >>> latency_limit_s(parse_slo("p50<10ms,p99<250ms")), latency_limit_s(parse_slo("errors<1%"))
        (0.25, inf)
    """
    return max((rule.limit for rule in rules if rule.metric in _TIMES and rule.below), default=math.inf)


def judge(rule: Rule, section: Section) -> Verdict:
    """Return whether a rule held in a section of a report."""
    value = _value(rule.metric, section)
    if value is None:
        return Verdict(rule.text, holds=False, value=None, text=f"{rule.text}: nothing was measured")
    beyond = value - rule.limit if rule.below else rule.limit - value
    holds = beyond <= 0.0 if rule.inclusive else beyond < 0.0
    return Verdict(rule.text, holds, value, f"{rule.text}: {_written(rule.metric, value)}")


def _value(metric: str, section: Section) -> float | None:
    if metric in _TIMES:
        return getattr(section.latency, _TIMES[metric]) if section.latency else None
    if metric == "rate":
        return section.good_per_s
    counts = {
        "errors": section.errors,
        "refused": section.refused,
        "unanswered": section.unanswered,
        "goodput": section.good,
    }
    return counts[metric] / section.offered if section.offered else None


def _written(metric: str, value: float) -> str:
    if metric in _TIMES:
        return f"{figures(value * 1e3, 4)} ms"
    return f"{figures(value, 4)}/s" if metric == "rate" else f"{value:.4%}"
