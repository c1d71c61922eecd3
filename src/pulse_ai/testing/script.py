"""A simulated day in full: every arrival, the end of every batch, everything else that happens.

A ``Scenario`` says how a day is drawn; a ``Script`` is the day itself. A run of millions draws its day as it goes
and keeps none of it; a run that breaks a guarantee is written down as a script, which can be cut smaller.
"""

__all__ = ("Arrival", "Fate", "Script", "Step", "draw_arrivals", "draw_fates", "draw_steps")

import random
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from heapq import merge
from itertools import count
from typing import Any, Literal

import msgspec

from pulse_ai.core import Priority
from pulse_ai.testing.scenario import Faults, Scenario


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One request.

    Attributes:
        at_s: When it comes.
        timeout_s: Its time limit.
        cost_bytes: Size of its item beyond the number that makes it unique.
        caller: Who asks.
        priority: Its class.
        fails: Whether the task raises on it.
        poison: Whether it kills the worker that gets it.
        cancel_after_s: When its caller goes away, in seconds after it came; None: never.
    """

    at_s: float
    timeout_s: float = 1.0
    cost_bytes: int = 20
    caller: str = ""
    priority: Priority = "interactive"
    fails: bool = False
    poison: bool = False
    cancel_after_s: float | None = None


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """How a batch goes.

    Attributes:
        slowness: Its time is multiplied by this.
        dies: Its worker dies, for no reason of its items.
        dies_after: A worker that dies, also of poison, does so after this share of the batch's time.
        hangs: It never ends.
    """

    slowness: float = 1.0
    dies: bool = False
    dies_after: float = 0.5
    hangs: bool = False


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happens by itself.

    Attributes:
        at_s: When.
        kind: ``kill``: a worker dies. ``pause``: the service stands still. ``jump``: its clock jumps forward.
            ``drain``: it is told to stop.
        which: Which worker is killed, counted among those that live.
        for_s: How long a pause is, or how far a jump goes; in seconds, never negative.
    """

    at_s: float
    kind: Literal["kill", "pause", "jump", "drain"]
    which: int = 0
    for_s: float = 0.0


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A day that can be played again.

    Attributes:
        scenario: Workers, service times and settings; what it says of traffic and shares is not drawn again.
        arrivals: By their time.
        fates: Of the first batches, in the order in which they are sent; later ones are plain.
        steps: By their time.

    Example:
        >>> print(Script(arrivals=(Arrival(at_s=0.5, poison=True),)).source())
        Script(arrivals=(Arrival(at_s=0.5, poison=True),))
    """

    scenario: Scenario = Scenario()
    arrivals: tuple[Arrival, ...] = ()
    fates: tuple[Fate, ...] = ()
    steps: tuple[Step, ...] = ()

    def source(self) -> str:
        """Return Python that makes this script again; names are those of ``pulse_ai.testing`` and ``core``."""
        return _source(self)


def draw_arrivals(scenario: Scenario) -> Iterator[Arrival]:
    """Draw the requests, one after the other."""
    traffic, chance = scenario.traffic, random.Random(f"{scenario.seed} arrivals")  # noqa: S311 - a simulation
    at_s, alone, together = 0.0, 0, 0
    for _ in range(traffic.requests):
        if together:
            together -= 1
        else:
            at_s += chance.expovariate(traffic.rate)
            alone += 1
            if alone == traffic.burst_every:
                alone, together = 0, traffic.burst
        timeout_s = chance.uniform(*traffic.timeout_s)
        cancelled = chance.random() < traffic.cancel_share
        yield Arrival(
            at_s=at_s,
            timeout_s=timeout_s,
            cost_bytes=chance.randint(*traffic.cost_bytes),
            caller=str(chance.randrange(traffic.callers)) if traffic.callers else "",
            priority="batch" if chance.random() < traffic.batch_share else "interactive",
            fails=chance.random() < traffic.failing_share,
            poison=chance.random() < traffic.poison_share,
            cancel_after_s=chance.uniform(0.0, timeout_s) if cancelled else None,
        )


def draw_fates(scenario: Scenario) -> Iterator[Fate]:
    """Draw how batches go, without end."""
    faults, chance = scenario.faults, random.Random(f"{scenario.seed} fates")  # noqa: S311 - a simulation
    while True:
        yield Fate(
            slowness=1.0 + scenario.jitter * chance.random(),
            dies=chance.random() < faults.crash_share,
            dies_after=chance.random(),
            hangs=chance.random() < faults.hang_share,
        )


def draw_steps(scenario: Scenario) -> Iterator[Step]:
    """Draw what happens by itself, without end, by its time."""
    faults: Faults = scenario.faults
    return merge(
        _regular("kill", faults.idle_kill_every_s, 0.0, scenario.seed),
        _regular("pause", faults.pause_every_s, faults.pause_s, scenario.seed),
        _regular("jump", faults.jump_every_s, faults.jump_s, scenario.seed),
        key=lambda step: step.at_s,
    )


def _regular(
    kind: Literal["kill", "pause", "jump"], every_s: float, for_s: float, seed: int
) -> Iterator[Step]:
    chance = random.Random(f"{seed} {kind}")  # noqa: S311 - a simulation
    for number in count(1) if every_s else ():
        which = chance.randrange(64) if kind == "kill" else 0
        yield Step(at_s=number * every_s, kind=kind, which=which, for_s=for_s)


def _source(value: Any) -> str:
    """Write a value as Python, without what is as it would be anyway."""
    if isinstance(value, tuple):
        parts = [_source(part) for part in value]  # type: ignore[reportUnknownVariableType]
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    if isinstance(value, msgspec.Struct):
        named = {field.name: field.default for field in msgspec.structs.fields(value)}
    elif is_dataclass(value):
        named = {field.name: _default(field) for field in fields(value)}
    else:
        return repr(value)
    given = [(name, getattr(value, name), default) for name, default in named.items()]
    inner = ", ".join(f"{name}={_source(part)}" for name, part, default in given if part != default)
    return f"{type(value).__name__}({inner})"


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()
