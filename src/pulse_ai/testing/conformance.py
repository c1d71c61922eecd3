"""The conformance kit: whether a worker, in whatever language, speaks docs/port-protocol.md.

Every check runs the worker anew, so one that breaks it does not touch the next, and every wait in it is bounded.
"""

__all__ = ("ConformanceReport", "Outcome", "check_worker", "report_of", "run_checks")

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from pulse_ai.testing.conformance_checks import CHECKS, Check
from pulse_ai.testing.conformance_probe import CheckFailed, CheckSkipped, Subject

_MOST_TEXT = 300  # characters of what was seen
_NEEDED = "handshake"  # without it nothing else can be told


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one check came to.

    Attributes:
        name: The check's name.
        rule: What the protocol says.
        status: ``passed``, ``failed`` or ``skipped``.
        text: What was seen, or why it failed or was skipped.
        took_s: How long it took, in seconds.
    """

    name: str
    rule: str
    status: Literal["passed", "failed", "skipped"]
    text: str
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformanceReport:
    """The outcomes of all checks.

    Attributes:
        command: The worker's program and arguments.
        outcomes: One a check, in order.
        passed: Whether none failed and at least one passed.
    """

    command: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    passed: bool


async def check_worker(subject: Subject, *, only: Sequence[str] = ()) -> ConformanceReport:
    """Try a worker with every check.

    Args:
        subject: The worker.
        only: The names of the checks to run; none: all of them.

    Raises:
        ValueError: A name in ``only`` is no check.
        OSError: The worker's program cannot be started.
    """
    return report_of(subject, [outcome async for outcome in run_checks(subject, only=only)])


def report_of(subject: Subject, outcomes: Sequence[Outcome]) -> ConformanceReport:
    """Return the report of a worker from what its checks came to."""
    statuses = {outcome.status for outcome in outcomes}
    passed = "failed" not in statuses and "passed" in statuses
    return ConformanceReport(command=subject.command, outcomes=tuple(outcomes), passed=passed)


async def run_checks(subject: Subject, *, only: Sequence[str] = ()) -> AsyncGenerator[Outcome]:
    """Run the checks and give each one's outcome as soon as it is there. See ``check_worker``."""
    known = [check.name for check in CHECKS]
    if unknown := [name for name in only if name not in known]:
        raise ValueError(f"there is no check {unknown[0]!r}; there are {', '.join(known)}")
    loads = True
    for check in CHECKS:
        if only and check.name not in only:
            continue
        outcome = await _run(check, subject) if loads else _skip(check)
        loads = loads and not (check.name == _NEEDED and outcome.status == "failed")
        yield outcome


async def _run(check: Check, subject: Subject) -> Outcome:
    began_s = monotonic()
    status: Literal["passed", "failed", "skipped"] = "passed"
    try:
        text = await check.run(subject)
    except CheckFailed as error:
        status, text = "failed", str(error)
    except CheckSkipped as error:
        status, text = "skipped", str(error)
    took_s = round(monotonic() - began_s, 3)
    return Outcome(name=check.name, rule=check.rule, status=status, text=_one_line(text), took_s=took_s)


def _skip(check: Check) -> Outcome:
    text = f"needs the {_NEEDED}, which failed"
    return Outcome(name=check.name, rule=check.rule, status="skipped", text=text, took_s=0.0)


def _one_line(text: str) -> str:
    """Return what a worker said so that it can do nothing to a terminal."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return shown if len(shown) <= _MOST_TEXT else f"{shown[:_MOST_TEXT]}…"
