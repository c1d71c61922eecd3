"""Makes a small script of a run that breaks a guarantee, so that a person can see why.

First the day is written down as it is drawn, up to the violation. Then parts are left out as long as the same
guarantee still breaks: halves, quarters, and so on down to single requests, faults and steps (delta debugging;
Zeller and Hildebrandt, 2002). What is left is made plainer: no deadline, size or fault that does not matter.
"""

__all__ = ("record", "shrink")

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar

import msgspec

from pulse_ai.testing.judge import Violation
from pulse_ai.testing.scenario import Faults, Scenario, Traffic
from pulse_ai.testing.script import (
    Arrival,
    Fate,
    Script,
    Step,
    draw_arrivals,
    draw_fates,
    draw_steps,
)
from pulse_ai.testing.simulate import Day, play, simulate

_MOST_PLAYS = 2000
_PLAIN_FATE = Fate()
_USUAL = Scenario()

_Part = TypeVar("_Part")


def record(scenario: Scenario) -> Script:
    """Play a scenario and write its day down, up to its end or to the violation, whichever comes first."""
    arrivals, fates, steps = list[Arrival](), list[Fate](), list[Step]()
    day = Day(
        scenario,
        _noting(draw_arrivals(scenario), arrivals),
        _noting(draw_fates(scenario), fates),
        _noting(draw_steps(scenario), steps),
    )
    with contextlib.suppress(Violation):
        play(day)
    if 0 < scenario.drain_after <= len(arrivals):
        steps.append(Step(at_s=arrivals[scenario.drain_after - 1].at_s, kind="drain"))
        steps.sort(key=lambda step: step.at_s)
        scenario = replace(scenario, drain_after=0)
    faults = Faults(restart_s=scenario.faults.restart_s, kill_s=scenario.faults.kill_s)
    scenario = replace(scenario, traffic=Traffic(), faults=faults)  # drawn already
    return Script(scenario=scenario, arrivals=tuple(arrivals), fates=tuple(fates), steps=tuple(steps))


def shrink(scenario: Scenario | Script, *, most_plays: int = _MOST_PLAYS) -> Script | None:
    """Return a small script that breaks the same guarantee as a scenario or script; None where none breaks.

    Args:
        scenario: A run that raises ``Violation``.
        most_plays: How often a script may be played on the way; the smallest one until then is returned.
    """
    script = scenario if isinstance(scenario, Script) else record(scenario)
    guarantee = _broken(script)
    if guarantee is None:
        return None
    return _Shrinker(script, guarantee, most_plays).run()


def _broken(script: Script) -> str | None:
    """Return which guarantee a script breaks."""
    try:
        simulate(script)
    except Violation as violation:
        return violation.guarantee
    return None


def _noting(drawn: Iterable[_Part], notes: list[_Part]) -> Iterator[_Part]:
    for part in drawn:
        notes.append(part)
        yield part


class _Shrinker:
    def __init__(self, script: Script, guarantee: str, plays_left: int) -> None:
        self._script = script
        self._guarantee = guarantee
        self._plays_left = plays_left

    def run(self) -> Script:
        before = None
        while before != self._script and self._plays_left > 0:
            before = self._script
            self._leave_out("arrivals")
            self._leave_out("steps")
            self._leave_out("fates")
            self._plain_fates()
            self._plainer_arrivals()
            self._plainer_scenario()
            self._rounder_times()
        return self._script

    def _try(self, script: Script) -> bool:
        """Keep a script if it breaks the same guarantee."""
        if self._plays_left <= 0:
            return False
        self._plays_left -= 1
        if _broken(script) != self._guarantee:
            return False
        self._script = script
        return True

    def _leave_out(self, name: str) -> None:
        """Leave out arrivals, steps or fates: all first, then halves, single ones last."""
        size = len(getattr(self._script, name))
        while size >= 1:
            start = 0
            while start < len(parts := getattr(self._script, name)):
                rest = parts[:start] + parts[start + size :]
                if not self._try(_with(self._script, name, rest)):
                    start += size
            size //= 2

    def _plain_fates(self) -> None:
        """Make the fates that are left plain where that changes nothing."""
        for place, fate in enumerate(self._script.fates):
            for plainer in (_PLAIN_FATE, Fate(dies=fate.dies, hangs=fate.hangs)):
                if fate != plainer and self._try(self._with_part("fates", place, plainer)):
                    break

    def _plainer_arrivals(self) -> None:
        """Take from each arrival what does not matter."""
        plain = Arrival(at_s=0.0)
        for place in range(len(self._script.arrivals)):
            for name in plain.__struct_fields__:
                arrival, value = self._script.arrivals[place], getattr(plain, name)
                if name != "at_s" and getattr(arrival, name) != value:
                    changed = msgspec.structs.replace(arrival, **{name: value})
                    self._try(self._with_part("arrivals", place, changed))

    def _plainer_scenario(self) -> None:
        """Take the fewest workers, and what is usual wherever that changes nothing."""
        for workers in range(1, self._script.scenario.workers):
            if self._try_scenario(workers=workers):
                break
        for field in fields(Scenario):
            if field.name != "workers":
                self._try_scenario(**{field.name: getattr(_USUAL, field.name)})

    def _try_scenario(self, **changes: Any) -> bool:
        changed = replace(self._script.scenario, **changes)
        return changed != self._script.scenario and self._try(_with(self._script, "scenario", changed))

    def _rounder_times(self) -> None:
        """Write times with as few digits as will do."""
        for name in ("arrivals", "steps"):
            for place in range(len(getattr(self._script, name))):
                for digits in range(4):
                    part = getattr(self._script, name)[place]
                    at_s = round(part.at_s, digits)
                    rounder = msgspec.structs.replace(part, at_s=at_s)
                    if at_s == part.at_s or self._try(self._with_part(name, place, rounder)):
                        break

    def _with_part(self, name: str, place: int, part: Any) -> Script:
        parts = getattr(self._script, name)
        return _with(self._script, name, (*parts[:place], part, *parts[place + 1 :]))


def _with(script: Script, name: str, value: Any) -> Script:
    return msgspec.structs.replace(script, **{name: value})
