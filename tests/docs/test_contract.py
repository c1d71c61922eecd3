"""What the documents list is what the code has: codes, metrics, options, settings. Both ways."""

import dataclasses
import json
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import typer.main
from benchmarks.native_faults import Seen

from pulse_ai.cli.commands import app
from pulse_ai.cli.doctor import doctor
from pulse_ai.core import RequestError, SchedulerSettings, WebSettings, WorkerSettings
from pulse_ai.serving import Scheduler
from pulse_ai.web import METRIC_NAMES, PROBLEMS
from pulse_ai.web.metrics import render_metrics

_SETTINGS = (SchedulerSettings, WorkerSettings, WebSettings)


def _rows(text: str) -> dict[str, list[str]]:
    """Return the rows of all tables whose first cell is in backticks, by that cell."""
    rows: dict[str, list[str]] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `") and cells[0].count("`") == 2:
            rows.setdefault(cells[0].strip("`"), cells[1:])
    return rows


def _section(text: str, title: str) -> str:
    """Return what stands under a heading, up to the next one of the same or a higher level."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,3}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {title!r}"
    return found[2]


def _subclasses(kind: type[RequestError]) -> set[type[RequestError]]:
    return {kind}.union(*(_subclasses(below) for below in kind.__subclasses__()))


def test_http_md_lists_every_code_with_its_status_and_no_other(pages: dict[str, str]) -> None:
    listed = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", pages["docs/http.md"], re.MULTILINE)
    assert {code: int(status) for status, code in listed} == {
        code: kind.status for code, kind in PROBLEMS.items()
    }
    assert len(listed) == len(PROBLEMS)


def test_every_error_of_a_request_has_a_code_that_is_documented() -> None:
    ours = {kind.code for kind in _subclasses(RequestError) if kind.__module__.startswith("pulse_ai.")}
    assert ours <= set(PROBLEMS)


def test_http_md_lists_every_metric_and_no_other(pages: dict[str, str]) -> None:
    listed = {name for name in _rows(pages["docs/http.md"]) if name.startswith("pulse_")}
    assert listed == set(METRIC_NAMES)


@pytest.mark.parametrize("name", METRIC_NAMES)
def test_a_metric_has_the_kind_and_labels_that_http_md_says(name: str, pages: dict[str, str]) -> None:
    kind, labels, *_ = _rows(pages["docs/http.md"])[name]
    text = _rendered()
    base = name.removesuffix("_total")
    assert re.search(rf"^# TYPE {base}(_total)? {kind}$", text, re.MULTILINE)
    series = re.search(rf"^{name}(?:_bucket)?{{(.*?)}} ", text, re.MULTILINE)
    assert series, f"{name} was not rendered"
    given = set(re.findall(r'(\w+)="', series[1])) - {"model", "le"}
    assert given == set(re.findall(r"`(\w+)`", labels))


def _rendered() -> str:
    """Return /metrics of one model that has seen a little of everything."""
    statistics = Scheduler(SchedulerSettings()).statistics()
    statistics.counters.answers["ok"] += 1
    statistics.counters.add_task_counts({"tokens": 3})
    serving = SimpleNamespace(statistics=lambda: statistics, restarts=0, deaths={}, slots=[], manifest=None)
    endpoint = SimpleNamespace(serving=serving, turned_down=Counter[str]())
    return render_metrics(cast("Any", {"m": endpoint})).decode()


def _options() -> list[Any]:
    """Return every option of the command line as (command, option, default)."""
    found: list[Any] = []

    def walk(command: Any, path: str) -> None:
        for parameter in command.params:
            if parameter.param_type_name == "option" and "--help" not in parameter.opts:
                long = max(parameter.opts, key=len)
                default = "required" if parameter.required else parameter.default
                found.append(pytest.param(path, long, default, id=f"{path} {long}"))
        for name, below in getattr(command, "commands", {}).items():
            walk(below, f"{path} {name}")

    walk(typer.main.get_command(app), "pulse")
    return found


def _place(path: str, pages: dict[str, str]) -> str:
    """Return the text that must list the options of a command."""
    if path == "pulse":
        return pages["docs/cli.md"]
    if path.startswith("pulse bench"):
        return pages["docs/bench.md"]
    return _section(pages["docs/cli.md"], path)


@pytest.mark.parametrize(("path", "option", "default"), _options())
def test_every_option_is_documented_with_its_default(
    path: str, option: str, default: object, pages: dict[str, str]
) -> None:
    if path.startswith("pulse bench"):
        assert f"`{option}" in _place(path, pages)
        return
    rows = _rows(_place(path, pages))
    assert option in rows
    if path != "pulse":
        assert rows[option][0] == str(default)


def test_no_help_text_has_a_part_that_the_terminal_would_take_for_markup() -> None:
    shown = [parameter.help or "" for parameter in _parameters(typer.main.get_command(app))]
    assert len(shown) > 20
    assert not [text for text in shown if re.search(r"(?<!\\)\[(?!/?(bold|dim)\])", text)]


def test_every_whole_number_has_a_least_and_a_most() -> None:
    """Without them a number that fits no machine word comes as far as a library that ends the process."""
    numbers = [
        parameter
        for parameter in _parameters(typer.main.get_command(app))
        if parameter.type_descriptor.annotation is int
    ]
    assert len(numbers) > 30
    assert not [parameter.opts for parameter in numbers if None in {parameter.min, parameter.max}]


def _parameters(command: Any) -> list[Any]:
    below = getattr(command, "commands", {}).values()
    return [*command.params, *(parameter for inner in below for parameter in _parameters(inner))]


@pytest.mark.parametrize("path", ["pulse serve", "pulse train", "pulse doctor"])
def test_cli_md_lists_no_option_that_does_not_exist(path: str, pages: dict[str, str]) -> None:
    listed = {name for name in _rows(_section(pages["docs/cli.md"], path)) if name.startswith("--")}
    assert listed == {option.values[1] for option in _options() if option.values[0] == path}


def test_cli_md_lists_every_key_of_what_the_doctor_says_and_no_other(
    pages: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    doctor(json=True)
    listed = [
        key for key in _rows(_section(pages["docs/cli.md"], "pulse doctor")) if not key.startswith("--")
    ]
    assert listed == list(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("settings", _SETTINGS, ids=lambda kind: kind.__name__)
def test_serving_md_lists_every_setting_with_its_default_and_no_other(
    settings: type, pages: dict[str, str]
) -> None:
    rows = _rows(_section(pages["docs/serving.md"], settings.__name__))
    fields = {field.name: str(field.default) for field in dataclasses.fields(settings)}
    assert {name: cells[0] for name, cells in rows.items()} == fields


@pytest.mark.parametrize("settings", _SETTINGS, ids=lambda kind: kind.__name__)
def test_a_setting_with_a_unit_in_its_name_says_it_in_the_table(
    settings: type, pages: dict[str, str]
) -> None:
    rows = _rows(_section(pages["docs/serving.md"], settings.__name__))
    units = {"_s": "seconds", "_bytes": "bytes", "_items": "items"}
    for name, (_, unit, *_rest) in rows.items():
        wanted = [word for suffix, word in units.items() if name.endswith(suffix)]
        assert not wanted or unit == wanted[0], f"{name} is in {wanted[0]}"


def test_exit_codes_in_the_documents_are_those_of_the_command(pages: dict[str, str]) -> None:
    from pulse_ai.cli import serve

    codes = {0, 2, serve.EXIT_LOAD, serve.EXIT_GAVE_UP, serve.EXIT_INTERRUPTED}
    for page in ("docs/cli.md", "docs/running.md"):
        section = _section(pages[page], "Exit codes")
        assert {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)} == codes


def test_the_costs_in_in_process_or_port_md_are_those_measured(root: Path, pages: dict[str, str]) -> None:
    results = root / "benchmarks" / "results" / "in-process-or-port.json"
    taken = json.loads(results.read_text("utf-8"))
    section = _section(pages["docs/in-process-or-port.md"], "What it costs")
    for function, ways in taken["measured"].items():
        shown = " | ".join(f"{way['median_us']:.2f}" for way in ways.values())
        assert f"| {function} | {shown} |" in section
    section = _section(pages["docs/in-process-or-port.md"], "The same, seen happening")
    for fault, ways in taken["faults"].items():
        shown = " | ".join(msgspec.convert(seen, Seen).text() for seen in ways.values())
        assert f"| {fault} | {shown} |" in section
