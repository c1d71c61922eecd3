"""``pulse bench simulate``: the scheduler of the service under millions of simulated requests and faults."""

__all__ = ("simulate_command",)

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from pulse_ai.bench.histogram import Histogram
from pulse_ai.bench.machine import Machine, this_machine
from pulse_ai.bench.text import columns, duration, per_second
from pulse_ai.cli import simulate_options as option
from pulse_ai.cli.bench_errors import usage_errors
from pulse_ai.cli.report_options import JsonFile
from pulse_ai.core import SchedulerSettings
from pulse_ai.testing import Faults, Scenario, SimulationReport, Traffic, Violation, shrink, simulate

_MOST_TO_SHRINK = 1_000_000  # a longer day would not fit into the memory of a small machine


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulated run came to; times are simulated ones unless they say otherwise.

    Attributes:
        scenario: What was played, from its seed on.
        seeds: How many days, each from the next seed; the figures are those of all together.
        answers: Requests by the code of their answer.
        goodput_per_s: Answers within their deadline, a second.
        p50_s: Median time to an ``ok`` answer, in seconds; None without any.
        p99_s: Its 99th percentile.
        deaths: Workers that died.
        batches: Batches sent.
        events: Events played; every offer, batch, kill and answer of them was checked.
        largest_queue_items: The most items that waited after any event.
        lasted_s: Length of the run.
        took_s: Real time that it took.
        guarantees_held: Always true: a run that breaks one ends with the guarantee's name.
        machine: Where it was played.
    """

    scenario: Scenario
    seeds: int
    answers: dict[str, int]
    goodput_per_s: float
    p50_s: float | None
    p99_s: float | None
    deaths: int
    batches: int
    events: int
    largest_queue_items: int
    lasted_s: float
    took_s: float
    machine: Machine
    guarantees_held: bool = True


def simulate_command(  # noqa: PLR0913 - an option is an argument
    *,
    requests: option.Requests = 100_000,
    rate: option.Rate = 1000.0,
    workers: option.Workers = 2,
    batch_size: option.BatchSize = 16,
    batch_ms: option.BatchMs = 20.0,
    item_ms: option.ItemMs = 2.0,
    jitter: option.Jitter = 0.1,
    queue_limit: option.QueueLimit = 200,
    deadline_ms: option.DeadlineMs = 250.0,
    crashes: option.Crashes = 0.0,
    hangs: option.Hangs = 0.0,
    poison: option.Poison = 0.0,
    failing: option.Failing = 0.0,
    cancelled: option.Cancelled = 0.0,
    kill_every: option.KillEvery = 0.0,
    burst: option.Burst = 0,
    callers: option.Callers = 0,
    pause_every: option.PauseEvery = 0.0,
    jump_every: option.JumpEvery = 0.0,
    seed: option.Seed = 0,
    seeds: option.Seeds = 1,
    json_file: JsonFile = None,
) -> None:
    """Play simulated traffic and faults against the scheduler, and check what it does against the guarantees.

    The scheduler is the one that serves; only time, callers and workers are simulated. So a design can be judged
    at sizes that this machine cannot reach. Where a guarantee breaks, a small script that shows it is printed.

    Exit code: 0 when every guarantee held, 1 when one broke, 2 when the command cannot be carried out.
    """
    with usage_errors():
        scenario = Scenario(
            seed=seed,
            workers=workers,
            batch_s=batch_ms / 1e3,
            item_s=item_ms / 1e3,
            jitter=jitter,
            settings=SchedulerSettings(batch_size=batch_size, queue_limit_items=queue_limit),
            traffic=Traffic(
                requests=requests,
                rate=rate,
                timeout_s=(deadline_ms / 1e3, deadline_ms / 1e3),
                cancel_share=cancelled,
                failing_share=failing,
                poison_share=poison,
                burst=burst,
                burst_every=burst,
                callers=callers,
            ),
            faults=Faults(
                crash_share=crashes,
                hang_share=hangs,
                idle_kill_every_s=kill_every,
                pause_every_s=pause_every,
                jump_every_s=jump_every,
            ),
        )
    days = [replace(scenario, seed=number) for number in range(seed, seed + seeds)]
    found = _play(days)
    if json_file is not None:
        with usage_errors():
            json_file.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    typer.echo(_text(found))
    Console().print(f"[green]yes[/] all guarantees held over {found.events:,} events", highlight=False)


def _show_small(scenario: Scenario) -> None:
    """Show the smallest day found that breaks the same guarantee."""
    if scenario.traffic.requests > _MOST_TO_SHRINK:
        typer.echo(f"With at most {_MOST_TO_SHRINK:,} requests a small script that shows it would be made.")
        return
    script = shrink(scenario)
    if script is not None:
        typer.echo(
            f"\nThis shows it, with the names of pulse_ai.testing and pulse_ai.core:\n\n{script.source()}"
        )


def _play(days: Sequence[Scenario]) -> Simulated:
    """Play days and sum them up; end the command where a guarantee breaks."""
    began_s = time.monotonic()
    reports, latency = list[SimulationReport](), Histogram()
    with _bar() as bar:
        each = days[0].traffic.requests
        shown = bar.add_task("simulating", total=each * len(days))
        for number, day in enumerate(days):
            try:
                report = simulate(day, watch=_Watch(bar, shown, number * each))
            except Violation as broken:
                Console().print(f"[red]no[/]  {broken}", highlight=False)
                _show_small(day)
                raise typer.Exit(1) from broken
            latency.record(report.ok_latencies_s)
            reports.append(replace(report, ok_latencies_s=[]))
    answers = sum((Counter(report.answers) for report in reports), Counter[str]())
    lasted_s = sum(report.ended_at_s for report in reports)
    return Simulated(
        scenario=days[0],
        seeds=len(days),
        answers=dict(answers),
        goodput_per_s=answers["ok"] / max(lasted_s, 1e-9),
        p50_s=latency.quantile(0.5) if latency.count else None,
        p99_s=latency.quantile(0.99) if latency.count else None,
        deaths=sum(report.deaths for report in reports),
        batches=sum(report.batches for report in reports),
        events=sum(report.events for report in reports),
        largest_queue_items=max(report.largest_queue_items for report in reports),
        lasted_s=lasted_s,
        took_s=time.monotonic() - began_s,
        machine=this_machine(),
    )


class _Watch:
    """Moves the bar on."""

    def __init__(self, bar: Progress, shown: TaskID, before: int) -> None:
        self._bar = bar
        self._shown = shown
        self._before = before

    def __call__(self, arrived: int) -> None:
        self._bar.update(self._shown, completed=self._before + arrived)


def _bar() -> Progress:
    """Return a bar with the time that is left; nothing where the output is not a terminal."""
    console = Console(stderr=True)
    parts = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*parts, console=console, transient=True, disable=not console.is_terminal)


def _text(found: Simulated) -> str:
    """Write the run as two tables, as a person would read them."""
    total = sum(found.answers.values())
    answers = sorted(found.answers.items(), key=lambda pair: -pair[1])
    facts = [
        ["goodput", per_second(found.goodput_per_s)],
        ["p50", duration(found.p50_s)],
        ["p99", duration(found.p99_s)],
        ["most waiting", f"{found.largest_queue_items:,}"],
        ["workers that died", f"{found.deaths:,}"],
        ["batches", f"{found.batches:,}"],
        ["simulated time", duration(found.lasted_s)],
        ["real time", duration(found.took_s)],
        ["pace", per_second(total / max(found.took_s, 1e-9))],
    ]
    rows = [[code, f"{count:,}", f"{count / total:.3%}"] for code, count in answers]
    return columns(["answer", "requests", "share"], rows) + "\n\n" + columns(["", ""], facts) + "\n"
