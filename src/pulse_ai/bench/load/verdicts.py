"""From a ledger to a report: sections, the check of the generator, and a verdict for each claim."""

__all__ = ("make_report",)

import math
from collections.abc import Mapping

from pulse_ai.bench.load.ledger import Ledger
from pulse_ai.bench.load.plan import LoadPlan
from pulse_ai.bench.load.report import (
    Judged,
    LoadReport,
    Section,
    check_generator,
    sections_of,
    total_of,
    windows_of,
)
from pulse_ai.bench.load.slo import Rule, judge
from pulse_ai.bench.machine import this_machine


def make_report(
    ledger: Ledger,
    plan: LoadPlan,
    *,
    url: str,
    started: str,
    rules: tuple[Rule, ...],
    until_s: float = math.inf,
) -> LoadReport:
    """Return the report of a run.

    Args:
        ledger: What was counted; folded.
        plan: What was planned.
        url: What was asked.
        started: When, as an ISO 8601 instant.
        rules: The objectives, judged on every step by itself.
        until_s: When it was stopped, in seconds from its beginning; ``inf`` where the plan was carried out.
    """
    total, steps = total_of(ledger, until_s=until_s), sections_of(ledger, until_s=until_s)
    verdicts = (_answered(total), *(_judged(rule, steps) for rule in rules))
    return LoadReport(
        url=url,
        started=started,
        plan=dict(_in_words(plan)),
        machine=this_machine(),
        total=total,
        steps=steps,
        windows=windows_of(ledger),
        window_s=ledger.window_s,
        within_s=plan.within_s if math.isfinite(plan.within_s) else None,
        generator=check_generator(steps, lag_bound_s=plan.lag_bound_s),
        stopped=math.isfinite(until_s),
        verdicts=verdicts,
        passed=all(verdict.holds for verdict in verdicts),
    )


def _answered(total: Section | None) -> Judged:
    """The claim that is made of every run, asked for or not."""
    if total is None or total.offered == 0:
        return Judged("nothing was measured: the run ended before a counted request was due", holds=False)
    if total.unanswered:
        sent = total.unanswered - (total.offered - total.sent)
        counted = f"{total.unanswered:,} of {total.offered:,} requests were never answered"
        return Judged(f"{counted} ({sent:,} of them were sent)", holds=False)
    if total.failed and not total.good + total.late:
        said = f"each of {total.offered:,} requests was answered, and none with a 2xx"
        return Judged(f"{said}: see to the URL, --method and --body", holds=False)
    return Judged(f"each of {total.offered:,} requests was answered", holds=True)


def _judged(rule: Rule, steps: tuple[Section, ...]) -> Judged:
    """Judge a rule on the step that keeps it worst: a good average must not hide a bad step."""
    reached = [step for step in steps if step.offered]
    if not reached:
        return Judged(f"{rule.text}: nothing was measured", holds=False)
    by_step = [(judge(rule, step), step) for step in reached]
    worst, step = max(by_step, key=lambda pair: _badness(rule, pair[0].value))
    where = f" at {step.label} a second" if len(steps) > 1 else ""
    return Judged(worst.text + where, worst.holds)


def _badness(rule: Rule, value: float | None) -> float:
    if value is None:
        return math.inf
    return value if rule.below else -value


def _in_words(plan: LoadPlan) -> Mapping[str, str]:
    warmup = f" after {plan.warmup_s:g} s of warm-up" if plan.warmup_s else ""
    return {
        "rates": ", ".join(step.label() for step in plan.steps) + " a second",
        "each for": f"{plan.steps[0].duration_s:g} s{warmup}",
        "arrivals": plan.shape if plan.shape == "constant" else f"{plan.shape}, seed {plan.seed}",
        "connections": f"at most {plan.connections}",
        "timeout": f"{plan.timeout_s:g} s",
        "a good answer": f"within {plan.within_s * 1e3:g} ms" if math.isfinite(plan.within_s) else "any 2xx",
    }
