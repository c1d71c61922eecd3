"""A suite's report as text, Markdown and HTML; the tables are the same in each."""

__all__ = (
    "RUN_HEAD",
    "comparison_lines",
    "run_rows",
    "scenario_head",
    "scenario_rows",
    "to_html",
    "to_markdown",
    "to_text",
)

from collections.abc import Sequence

from pulse_ai.bench.charts import Bar, bar_chart
from pulse_ai.bench.page import facts, page, paragraph, section, table
from pulse_ai.bench.suite.history import RunComparison
from pulse_ai.bench.suite.report import ScenarioResult, SuiteReport
from pulse_ai.bench.text import columns, duration, per_second

RUN_HEAD = ("scenario", "the later run", "gate")


def scenario_head(report: SuiteReport) -> tuple[str, ...]:
    """Return the heads of the columns of a report's tables."""
    shown = report.scenarios[0].time.percentiles
    memory = ("memory",) if any(scenario.memory for scenario in report.scenarios) else ()
    shares = tuple(f"p{name}" for name in shown if name != "50")
    return (
        "job",
        "calls",
        "average",
        "deviation",
        "median",
        "mode",
        *shares,
        "min",
        "max",
        "outliers",
        *memory,
    )


def scenario_rows(report: SuiteReport, input_name: str) -> list[tuple[str, ...]]:
    """Return a row for each job with one input, the fastest first."""
    with_memory = scenario_head(report)[-1] == "memory"
    return [_scenario_row(scenario, with_memory=with_memory) for scenario in report.of_input(input_name)]


def _scenario_row(scenario: ScenarioResult, *, with_memory: bool) -> tuple[str, ...]:
    time = scenario.time
    memory = (_memory(scenario),) if with_memory else ()
    return (
        scenario.job,
        per_second(time.per_second),
        duration(time.average),
        f"±{time.deviation_ratio:.1%}",
        duration(time.median),
        ", ".join(map(duration, time.modes)) or "none",
        *(duration(value) for name, value in time.percentiles.items() if name != "50"),
        duration(time.minimum),
        duration(time.maximum),
        f"{time.outliers.count} of {time.samples}",
        *memory,
    )


def _memory(scenario: ScenarioResult) -> str:
    """Write a scenario's memory; all calls alike are told in one figure."""
    used = scenario.memory
    if used is None:
        return "-"
    if used.minimum == used.maximum:
        return _bytes(used.minimum)
    return f"{_bytes(used.median)} (to {_bytes(used.maximum)})"


def _bytes(count: float) -> str:
    size, unit = next(
        ((s, u) for s, u in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")) if count >= s), (1, "B")
    )
    return f"{count / size:.4g} {unit}"


def comparison_lines(report: SuiteReport, input_name: str) -> list[str]:
    """Return a sentence for each job that is compared with the fastest."""
    return [
        f"{row.name} against {row.with_name}: {row.verdict()} ({duration(row.difference_s)} a call)"
        for row in report.comparisons[input_name]
    ]


def _notes(report: SuiteReport) -> list[str]:
    blocks = {s.block for s in report.scenarios if s.block > 1}
    said = ["ratios are of medians; intervals are bootstrapped over rounds, in which the jobs took turns"]
    if blocks:
        said.append(
            "some calls are too short to be timed alone: a sample is the mean of up to "
            f"{max(blocks)} calls, so spread and percentiles are those of such means"
        )
    return said


def to_text(report: SuiteReport) -> str:
    """Return a report in plain columns."""
    parts = [report.name, report.machine.line(), "; ".join(f"{k} {v}" for k, v in report.settings.items())]
    for name in report.inputs:
        heading = [f"input: {name}"] if name else []
        lines = [*heading, columns(scenario_head(report), scenario_rows(report, name))]
        parts.append("\n".join([*lines, *comparison_lines(report, name)]))
    return "\n\n".join([*parts, "\n".join(_notes(report))]) + "\n"


def to_markdown(report: SuiteReport) -> str:
    """Return a report as Markdown."""
    parts = [f"# {_plain(report.name)}", "; ".join(f"{k} {v}" for k, v in report.settings.items())]
    for name in report.inputs:
        parts.extend([f"## {_plain(name)}"] if name else [])
        parts.append(_markdown_table(scenario_head(report), scenario_rows(report, name)))
        parts.extend(f"- {_plain(line)}" for line in comparison_lines(report, name))
    parts.extend([*_notes(report), f"Measured on {report.machine.line()}, {report.started}."])
    return "\n\n".join(parts) + "\n"


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(map(_plain, row)) + " |" for row in (head, rule, *rows))


def _plain(text: str) -> str:
    """Keep a text from ending its table cell or line."""
    return text.replace("|", "\\|").replace("\n", " ")


def to_html(report: SuiteReport) -> str:
    """Return a report as one self-contained page."""
    parts = [facts({"started": report.started, **report.settings})]
    for name in report.inputs:
        bars = [_bar(scenario) for scenario in report.of_input(name)]
        parts.append(
            section(
                name or "Results",
                [
                    bar_chart(
                        "Median time of a call, with the middle half of all", bars, unit="microseconds"
                    ),
                    table(scenario_head(report), scenario_rows(report, name)),
                    *map(paragraph, comparison_lines(report, name)),
                ],
            )
        )
    return page(report.name, [*parts, *map(paragraph, _notes(report)), paragraph(report.machine.line())])


def _bar(scenario: ScenarioResult) -> Bar:
    samples = sorted(sample for one in scenario.rounds for sample in one)
    quarter = len(samples) // 4
    return Bar(
        scenario.job,
        scenario.time.median * 1e6,
        low=samples[quarter] * 1e6,
        high=samples[-1 - quarter] * 1e6,
    )


def run_rows(runs: RunComparison) -> list[tuple[str, str, str]]:
    """Return a row for each scenario of two runs, and for those that only one has."""
    verdict = {name: "fails" if name in runs.regressions else "passes" for name in runs.rows}
    return [
        *(
            (name, row.verdict(), verdict[name] if runs.gate is not None else "-")
            for name, row in runs.rows.items()
        ),
        *((name, "not in the later run", "fails" if runs.gate is not None else "-") for name in runs.missing),
        *((name, "not in the earlier run", "-") for name in runs.added),
    ]
