"""The comparison as Markdown and as charts."""

import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.peers.catalogue import TEXT
from benchmarks.peers.results import Death, Level, Results, levels_of
from pulse_ai.bench.charts import Axis, Bar, Mark, Series, bar_chart, line_chart, standalone

_QUIET = 0.1  # share of the processors that others may use
_TRACE_S = 0.5  # width of a point in the traces


def write_report(results: Results, file: Path) -> None:
    """Write ``NAME.md`` beside the results, and ``NAME-saturated.svg``, ``-goodput``, ``-p99`` and ``-kills``."""
    for name, svg in charts_of(results).items():
        file.with_name(f"{file.stem}-{name}.svg").write_text(standalone(svg), "utf-8")
    file.with_suffix(".md").write_text(to_markdown(results), "utf-8")


def charts_of(results: Results) -> dict[str, str]:
    """Return each chart as SVG, by name."""
    measured = [peer for peer in results.peers() if results.of(peer)]
    levels = {peer: levels_of(results.of(peer)) for peer in measured}
    offered = Axis("offered, requests a second", log=True)
    limit = Mark("y", results.sizes.limit_s * 1e3, f"the limit, {results.sizes.limit_s * 1e3:g} ms")
    good = [Series(peer, [(x.rate, x.good_per_s) for x in levels[peer]]) for peer in measured]
    slow = [Series(peer, [(x.rate, _ms(x.p99_s)) for x in levels[peer]]) for peer in measured]
    died = {peer: death for peer in measured if (death := _death(results, peer))}
    kills = [Mark("x", at_s, "SIGKILL") for at_s in next(iter(died.values())).kills_at_s] if died else []
    traces = [Series(peer, list(_trace(death))) for peer, death in died.items()]
    return {
        "saturated": bar_chart(
            "Saturated: answers a second in a closed loop",
            [Bar(peer, _capacity(results, peer)) for peer in measured],
            unit="answers a second",
        ),
        "goodput": line_chart(
            "Answers within 250 ms, against offered load", good, x=offered, y=Axis("a second")
        ),
        "p99": line_chart(
            "p99 of what was answered 200", slow, x=offered, y=Axis("ms", log=True), marks=[limit]
        ),
        "kills": line_chart(
            "In time while workers are killed",
            traces,
            x=Axis("seconds, by when due"),
            y=Axis("% of requests"),
            marks=kills,
        ),
    }


def _ms(seconds: float | None) -> float:
    return math.nan if seconds is None else seconds * 1e3


def _capacity(results: Results, peer: str) -> float:
    return statistics.median(visit.capacity_per_s for visit in results.of(peer))


def _death(results: Results, peer: str) -> Death | None:
    return next((visit.death for visit in results.of(peer) if visit.death), None)


def _trace(death: Death) -> Iterator[tuple[float, float]]:
    """Yield the share of requests that were answered in time, by when they were due."""
    width = max(1, round(_TRACE_S / death.window_s))
    for start in range(0, len(death.windows), width):
        windows = death.windows[start : start + width]
        if offered := sum(window.offered for window in windows):
            yield windows[0].at_s, 100.0 * sum(window.good for window in windows) / offered


def to_markdown(results: Results) -> str:
    """Return the figures as tables, with what decided them."""
    sizes = results.sizes
    parts = [
        f"# {results.title[0].upper()}{results.title[1:]}, behind each server",
        _ABOUT.format(
            seconds=sizes.seconds,
            limit=sizes.limit_s * 1e3,
            within=sizes.within_s * 1e3,
            give_up=sizes.give_up_s,
            most=sizes.most_rate,
            connections=sizes.connections,
        ),
        _table(_HEAD, [_row(results, peer) for peer in results.peers()]),
        "Goodput (answers within the limit, a second) and p99 of what was answered, by load:",
        _table(_loads_head(sizes.shares), [_loads_row(results, peer) for peer in results.peers()]),
        "Two workers, two SIGKILLs:",
        _table(_DEATH_HEAD, [row for peer in results.peers() for row in _death_row(results, peer)]),
        "What their own docs promise:",
        _table(_PROMISE_HEAD, list(_promise_rows(results))),
        *(f"{visit.peer}, round {visit.round}: {visit.failed}" for visit in results.visits if visit.failed),
        f"Measured on {results.machine.line()}. {_quietness(results)}",
        f"`{results.command}`",
    ]
    return "\n\n".join(parts) + "\n"


def _quietness(results: Results) -> str:
    """Return a sentence on what else the machine did before the visits."""
    shares = [visit.busy_before for visit in results.visits] or [0.0]
    used = f"{statistics.median(shares):.0%} of the processors, at most {max(shares):.0%}"
    text = f"Before the visits others used {used}."
    if max(shares) <= _QUIET:
        return text
    return f"**{text} The machine was not quiet: these figures show no more than that the comparison runs.**"


_ABOUT = (
    "All but torch run the same ONNX file (int8) with the same tokenizer and session options, on sentences as "
    "long as SST-2's. One worker, two threads in each call, on the cores that the generator uses too. Loads are "
    "Poisson, {seconds:g} s each, at shares of what that server itself carries in a closed loop, at most "
    "{most:,.0f} a second, over at most {connections} connections; latency counts from the planned instant; in "
    "time means within {limit:g} ms ({within:g} at the generator). What was not answered after {give_up:g} s is "
    "unanswered. A star marks loads at which the generator was the bottleneck."
)
_HEAD = (
    "server",
    "tuning",
    "saturated, /s",
    "best goodput, /s",
    "kept at the highest load",
    "unanswered",
    "failed",
    "first 200, s",
    "memory, MiB",
    "rounds",
)
_DEATH_HEAD = (
    "server",
    "offered, /s",
    "in time",
    "refused",
    "failed",
    "late",
    "lost",
    "slowest 200, ms",
    "serves again after, s",
)
_PROMISE_HEAD = ("server", "more than it carries", "too late", "a worker dies", "source")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _row(results: Results, peer: str) -> list[str]:
    visits = results.of(peer)
    if not visits:
        return [peer, *["-"] * (len(_HEAD) - 1)]
    levels = levels_of(visits)
    best = max(level.good_per_s for level in levels)
    wrong = "" if all(visit.agrees for visit in visits) else " (answers differ)"
    return [
        f"{peer} {visits[0].version}{wrong}",
        TEXT[peer].settings if peer in TEXT else "",
        f"{_capacity(results, peer):,.0f}",
        f"{best:,.0f}",
        f"{levels[-1].good_per_s / max(best, 1e-9):.0%}",
        f"{sum(level.unanswered for level in levels):,} of {sum(level.offered for level in levels):,}",
        f"{sum(level.failed for level in levels):,}",
        f"{statistics.median(s for visit in visits for s in visit.starts_s):.1f}",
        f"{statistics.median(visit.memory_bytes for visit in visits) / 2**20:,.0f}",
        str(len(visits)),
    ]


def _loads_head(shares: Sequence[float]) -> list[str]:
    return ["server", *(f"{share:g} times" for share in shares)]


def _loads_row(results: Results, peer: str) -> list[str]:
    found = {level.share: level for level in levels_of(results.of(peer))}
    return [peer, *(_cell(found[s]) if s in found else "-" for s in results.sizes.shares)]


def _cell(level: Level) -> str:
    slow = "-" if level.p99_s is None else f"{level.p99_s * 1e3:,.0f} ms"
    return f"{level.good_per_s:,.0f} of {level.rate:,.0f}, {slow}" + (" *" if level.limited else "")


def _death_row(results: Results, peer: str) -> list[list[str]]:
    death = _death(results, peer)
    if death is None:
        return []
    section = death.section
    slowest = f"{section.latency.max_s * 1e3:,.0f}" if section.latency else "-"
    counts = (section.refused, section.failed, section.late, section.unanswered)
    return [
        [
            peer,
            f"{death.rate:,.0f}",
            f"{section.good / max(section.offered, 1):.2%} of {section.offered:,}",
            *(f"{count:,}" for count in counts),
            slowest,
            "never" if death.back_s is None else f"{death.back_s:.1f}",
        ]
    ]


def _promise_rows(results: Results) -> Iterator[list[str]]:
    for peer in results.peers():
        promises = TEXT[peer].promises if peer in TEXT else None
        if promises:
            yield [peer, promises.full, promises.late, promises.death, promises.source]
