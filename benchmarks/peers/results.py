"""What the comparison found, as values that are kept in ``benchmarks/results/peers-MODEL.json``."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pulse_ai.bench.load.report import Section, Window
from pulse_ai.bench.machine import Machine


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured; results of different sizes are not mixed.

    Attributes:
        seconds: Of each load.
        shares: Of a server's capacity, offered one after the other.
        limit_s: The time limit of every request, and what counts as in time.
        slack_s: How much later an answer may reach the generator and count: the way back takes time too.
        give_up_s: When the generator no longer waits for an answer.
        most_rate: The highest rate that is offered, a second: what the generator can do beside a server.
        connections: Most at once.
        kill_share: Load while workers are killed, as a share of what one worker carries.
    """

    seconds: float = 2.0
    shares: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0, 10.0)
    limit_s: float = 0.25
    slack_s: float = 0.01
    give_up_s: float = 2.0
    most_rate: float = 6000.0
    connections: int = 512
    kill_share: float = 0.4

    @property
    def within_s(self) -> float:
        """How late an answer may reach the generator, in seconds."""
        return self.limit_s + self.slack_s


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One load.

    Attributes:
        share: Of the capacity of this server in this round.
        rate: Requests a second.
        section: What became of them.
        limited: Why the generator decided the figures, and not the server; None where it kept up.
        recovered_s: From the end of the load until a single request was answered in time; None where that took
            longer than was waited, and the server was started anew.
    """

    share: float
    rate: float
    section: Section
    limited: str | None
    recovered_s: float | None


class Death(msgspec.Struct, frozen=True, kw_only=True):
    """What came of killing workers with SIGKILL under load; two workers.

    Attributes:
        rate: Requests a second.
        kills_at_s: When one was killed, in seconds from the beginning.
        section: What became of the requests.
        windows: The same over time.
        window_s: How long each window is.
        back_s: From the end of the load until a single request was answered in time; None where it never was.
    """

    rate: float
    kills_at_s: tuple[float, ...]
    section: Section
    windows: tuple[Window, ...]
    window_s: float
    back_s: float | None


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One server in one round.

    Attributes:
        peer: Its name.
        round: From 1.
        version: Of the server.
        busy_before: Share of the processors' time that others used just before it was started.
        starts_s: From the command to the first 200, each time that it was started.
        memory_bytes: Of all of its processes after it was saturated.
        agrees: Whether its answers are those that the model gives.
        capacity_per_s: Answers a second in a closed loop.
        queue: The bound on its queue that was set from that.
        rungs: The loads.
        death: The kills; None where they were not part of this round.
        failed: What went wrong, where it could not be measured.
    """

    peer: str
    round: int
    version: str
    busy_before: float
    starts_s: tuple[float, ...] = ()
    memory_bytes: int = 0
    agrees: bool = False
    capacity_per_s: float = 0.0
    queue: int = 0
    rungs: tuple[Rung, ...] = ()
    death: Death | None = None
    failed: str | None = None


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was measured of one model.

    Attributes:
        model: Its name.
        title: What it is, in words.
        command: What made the latest part of it.
        machine: Where.
        sizes: How much was measured.
        visits: In the order in which they were made.
        format: Version of this form.
    """

    model: str
    title: str
    command: str
    machine: Machine
    sizes: Sizes
    visits: tuple[Visit, ...] = ()
    format: int = 1

    def of(self, peer: str) -> list[Visit]:
        """Return the visits to a server that could be measured."""
        return [visit for visit in self.visits if visit.peer == peer and not visit.failed]

    def peers(self) -> list[str]:
        """Return the servers, in order of their first visits."""
        return list(dict.fromkeys(visit.peer for visit in self.visits))

    def has(self, peer: str, number: int) -> bool:
        """Tell whether a server was measured in a round, and nothing went wrong with it."""
        return any(visit.round == number for visit in self.of(peer))

    def with_visit(self, visit: Visit) -> "Results":
        """Return the results with a visit; it takes the place of one to the same server in the same round."""
        same = [old.peer == visit.peer and old.round == visit.round for old in self.visits]
        if not any(same):
            return msgspec.structs.replace(self, visits=(*self.visits, visit))
        visits = tuple(visit if is_it else old for old, is_it in zip(self.visits, same, strict=True))
        return msgspec.structs.replace(self, visits=visits)


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One load over all rounds; times are medians over rounds, in seconds, None where nothing was answered."""

    share: float
    rate: float
    good_per_s: float
    p50_s: float | None
    p99_s: float | None
    late: int
    refused: int
    failed: int
    unanswered: int
    offered: int
    limited: bool
    recovered_s: float | None


def levels_of(visits: Sequence[Visit]) -> list[Level]:
    """Return each share of capacity over all rounds."""
    by_share: dict[float, list[Rung]] = {}
    for visit in visits:
        for rung in visit.rungs:
            by_share.setdefault(rung.share, []).append(rung)
    return [_level(share, rungs) for share, rungs in sorted(by_share.items())]


def _level(share: float, rungs: list[Rung]) -> Level:
    sections = [rung.section for rung in rungs]
    times = [section.latency for section in sections if section.latency is not None]
    waits = [rung.recovered_s for rung in rungs]
    return Level(
        share=share,
        rate=statistics.fmean(rung.rate for rung in rungs),
        good_per_s=sum(s.good for s in sections) / sum(s.duration_s for s in sections),
        p50_s=statistics.median(t.p50_s for t in times) if times else None,
        p99_s=statistics.median(t.p99_s for t in times) if times else None,
        late=sum(s.late for s in sections),
        refused=sum(s.refused for s in sections),
        failed=sum(s.failed for s in sections),
        unanswered=sum(s.unanswered for s in sections),
        offered=sum(s.offered for s in sections),
        limited=any(rung.limited for rung in rungs),
        recovered_s=None if None in waits else max(wait for wait in waits if wait is not None),
    )


def read_results(file: Path) -> Results | None:
    """Return what was kept; None where there is nothing, or it is of another form."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Results)
    except (OSError, msgspec.DecodeError):
        return None


def write_results(results: Results, file: Path) -> None:
    """Keep results, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    unfinished.replace(file)
