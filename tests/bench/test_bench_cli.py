"""``pulse bench`` as a program: exit codes, files, and Ctrl-C."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from io import StringIO
from pathlib import Path
from typing import Protocol

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from pulse_ai.bench import Suite, SuiteSettings
from pulse_ai.bench.load import LoadReport
from pulse_ai.bench.suite import formats, read_report
from pulse_ai.cli.bench import app
from pulse_ai.cli.bench_view import draw_suite
from pulse_ai.cli.report_options import require_writable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SUITE = """
from pulse_ai.bench import Suite, SuiteSettings
suite = Suite("lengths", SuiteSettings(time_s=0.02, warmup_s=0.0), inputs={"i": [1, 2]})
suite.add("len", len)
suite.add("sum", sum)
other = 1
"""


class Server(Protocol):
    port: int
    requests: list[bytes]

    async def start(self, answer: Callable[[int], Awaitable[bytes | None]]) -> None: ...


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pulse_ai.cli.bench", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.process
@pytest.mark.parametrize(("slo", "code"), [("p99<5s,errors<=0%", 0), ("p99<1us", 1)])
async def test_a_load_run_writes_its_reports_and_exits_by_the_objectives(
    server: Server, tmp_path: Path, slo: str, code: int
):
    async def answer(number: int) -> bytes:
        return OK

    await server.start(answer)
    texts = tmp_path / "texts.txt"
    texts.write_text('I said "no"\n')
    process = await start(
        *(
            "load",
            f"http://127.0.0.1:{server.port}/api",
            "--rate",
            "100",
            "--duration",
            "0.2",
            "--warmup",
            "0",
        ),
        *(
            "--bodies",
            str(texts),
            "--template",
            '{"q": $line}',
            "-H",
            "X-Request-Timeout-Ms: 250",
            "--slo",
            slo,
        ),
        *("--json", str(tmp_path / "r.json"), "--html", str(tmp_path / "r.html")),
    )
    said, _ = await process.communicate()
    assert process.returncode == code
    assert slo.partition(",")[0] in said.decode()
    report = msgspec.json.decode((tmp_path / "r.json").read_bytes(), type=LoadReport)
    assert report.total is not None
    assert report.total.good == (20 if code == 0 else 0)
    assert b"X-Request-Timeout-Ms: 250" in server.requests[0]
    assert server.requests[0].endswith(b'{"q": "I said \\"no\\""}')
    assert "<svg" in (tmp_path / "r.html").read_text("utf-8")


@pytest.mark.process
async def test_ctrl_c_stops_early_and_still_reports(server: Server, tmp_path: Path):
    tenth = asyncio.Event()

    async def answer(number: int) -> bytes:
        if number == 9:
            tenth.set()
        return OK

    await server.start(answer)
    file = tmp_path / "r.json"
    url = f"http://127.0.0.1:{server.port}/"
    process = await start(
        "load", url, "--rate", "100", "--duration", "600", "--warmup", "0", "--json", str(file)
    )
    await tenth.wait()
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert process.returncode == 0
    report = msgspec.json.decode(file.read_bytes(), type=LoadReport)
    assert report.stopped
    assert report.total is not None
    assert 10 <= report.total.offered == report.total.good
    assert report.total.offered_per_s == pytest.approx(100, rel=0.3)


@pytest.mark.process
async def test_a_second_ctrl_c_does_not_wait_for_answers(server: Server, tmp_path: Path):
    never, asked = asyncio.Event(), asyncio.Event()

    async def answer(number: int) -> bytes:
        asked.set()
        await never.wait()
        return OK

    await server.start(answer)
    file = tmp_path / "r.json"
    url = f"http://127.0.0.1:{server.port}/"
    process = await start("load", url, "--timeout", "600", "--warmup", "0", "--json", str(file))
    await asked.wait()
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert b"stopping" in await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    await process.communicate()
    never.set()
    assert process.returncode == 1
    report = msgspec.json.decode(file.read_bytes(), type=LoadReport)
    assert report.total is not None
    assert {row.outcome for row in report.total.by_status} == {"given up when the run was stopped"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["http://127.0.0.1/", "--rate", "fast"],
        ["https://127.0.0.1/"],
        ["http://127.0.0.1/", "--slo", "quick"],
        ["http://127.0.0.1/", "--slo", ""],
        ["http://127.0.0.1/", "--bodies", "/nowhere/at/all"],
        ["http://127.0.0.1/", "--template", "$line"],
        ["http://127.0.0.1/", "--body", "{}", "--bodies", "x"],
        ["http://127.0.0.1/", "-H", "no colon"],
        ["http://127.0.0.1/", "-H", "A: 1", "-H", "A: 2"],
        ["http://127.0.0.1/", "--connections", "0"],
        ["http://127.0.0.1/", "--connections", "99999999999999999999"],
        ["http://127.0.0.1/", "--rate", "inf"],
        ["http://127.0.0.1/", "--rate", "1e9", "--duration", "1e9"],
        ["http://127.0.0.1/", "--duration", "-1"],
        ["http://127.0.0.1/", "--warmup", "nan"],
        ["http://127.0.0.1/", "--warmup", "inf"],
        ["http://127.0.0.1/", "--timeout", "nan"],
        ["http://127.0.0.1/", "--seed", "-1"],
        ["http://no.such.host.invalid/"],
        ["http://" + "a" * 70 + "/"],
    ],
)
def test_what_cannot_be_carried_out_is_a_usage_error(arguments: list[str]):
    assert CliRunner().invoke(app, ["load", *arguments]).exit_code == 2


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["load", "http://127.0.0.1:1/"], "--json"),
        (["load", "http://127.0.0.1:1/"], "--html"),
        (["proof"], "--json"),
        (["proof"], "--html"),
        (["matmul"], "--json"),
        (["matmul"], "--html"),
        (["simulate"], "--json"),
        (["run", "must_not_run.py:suite"], "--json"),
        (["run", "must_not_run.py:suite"], "--html"),
        (["run", "must_not_run.py:suite"], "--markdown"),
    ],
)
def test_a_report_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], option: str
):
    (tmp_path / "must_not_run.py").write_text("raise SystemExit('it was measured')")
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(app, [*command, option, "nowhere/report"])
    assert found.exit_code == 2
    assert found.stderr == f"pulse: {option}: there is no folder 'nowhere' to write 'nowhere/report' in\n"
    assert found.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sizes", "abc"], "--sizes 'abc' is not a list of sizes"),
        (["--sizes", "0"], "sizes must be from 1"),
        (["--only", "nope"], "no backend is called 'nope'"),
        (["--add", "speed.py"], "JSON is malformed"),
        (["--add", "missing.json"], "No such file"),
    ],
)
def test_a_matrix_product_that_cannot_be_measured_is_one_line_and_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
):
    (tmp_path / "speed.py").write_text(SUITE)
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(app, ["matmul", *arguments])
    assert found.exit_code == 2
    (line,) = found.stderr.splitlines()
    assert says in line


def test_a_folder_or_what_others_own_is_no_file_for_a_report(tmp_path: Path):
    with pytest.raises(OSError, match="is a folder"):
        require_writable(tmp_path, option="--json")
    if os.geteuid() != 0:
        with pytest.raises(OSError, match="must not be written"):
            require_writable(Path("/proc/report"), option="--json")
    require_writable(tmp_path / "new.json", option="--json")
    assert not any(tmp_path.iterdir())


def test_a_suite_is_run_saved_and_compared(tmp_path: Path):
    file = tmp_path / "speed.py"
    file.write_text(SUITE)
    saved = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    for path in saved:
        found = CliRunner().invoke(app, ["run", f"{file}:suite", "--json", path, "--markdown", f"{path}.md"])
        assert found.exit_code == 0
        assert "against" in found.output
        assert "| len |" in Path(f"{path}.md").read_text("utf-8")
    compared = CliRunner().invoke(app, ["compare", *saved, "--gate", "100000%"])
    assert compared.exit_code == 0
    assert "passed" in compared.output


@pytest.mark.process
async def test_the_report_is_kept_though_nobody_reads_what_is_drawn(tmp_path: Path):
    (tmp_path / "speed.py").write_text(SUITE)
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pulse_ai.cli.bench", "run", "speed.py:suite", "--json", "r.json"),
            cwd=tmp_path,
            stdout=theirs,
            stderr=asyncio.subprocess.PIPE,
        )
    finally:
        os.close(theirs)
    _, said = await process.communicate()
    assert b"Traceback" not in said
    assert read_report(tmp_path / "r.json").name == "lengths"


@pytest.mark.process
async def test_a_terminal_that_cannot_show_a_name_is_shown_its_escape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    (tmp_path / "speed.py").write_text(SUITE.replace('"len"', '"län"'), "utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from pulse_ai.cli import main; main()", "bench", "run", "speed.py:suite"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    shown, said = await process.communicate()
    assert (process.returncode, said) == (0, b"")
    assert rb"l\xe4n" in shown


@pytest.mark.parametrize(("width", "tables"), [(300, True), (80, False), (20, False)])
def test_no_figure_is_cut_off_however_narrow_the_terminal(width: int, tables: bool):
    suite = Suite("lengths", SuiteSettings(time_s=0.02, warmup_s=0.0, rounds=2), inputs={"many": [1, 2]})
    suite.add("a job with a rather long name", len)
    report = suite.run()
    file = StringIO()
    draw_suite(Console(file=file, width=width, color_system=None), report)
    shown = file.getvalue()
    assert "…" not in shown
    for row in formats.scenario_rows(report, "many"):
        for cell in row:
            assert cell in shown
    assert ("─" in shown) == tables


def test_a_slower_run_does_not_pass_the_gate(tmp_path: Path):
    file = tmp_path / "speed.py"
    file.write_text(SUITE)
    CliRunner().invoke(app, ["run", f"{file}:suite", "--json", str(tmp_path / "a.json")])
    saved = msgspec.json.decode((tmp_path / "a.json").read_bytes())
    for scenario in saved["scenarios"]:
        scenario["rounds"] = [[2.0 * sample for sample in one] for one in scenario["rounds"]]
    (tmp_path / "b.json").write_bytes(msgspec.json.encode(saved))
    compared = CliRunner().invoke(
        app, ["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--gate", "5%"]
    )
    assert compared.exit_code == 1
    assert "2.00x slower" in compared.output


@pytest.mark.parametrize("target", ["speed.py", "nowhere.py:suite", "no.such.module:suite", "speed.py:other"])
def test_a_target_that_is_no_suite_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
):
    (tmp_path / "speed.py").write_text(SUITE)
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["run", target]).exit_code == 2


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "the suite 's' has no jobs"),
        ("suite.add('a', lambda: 1)", "the job 'a' must take one argument: its input, which is None"),
        (
            "suite.add('a', lambda _: 1 / 0)",
            "speed.py:suite: ZeroDivisionError: division by zero; raised by the job 'a'",
        ),
        ("suite.add('a', lambda _: 1); suite.add('b', lambda _: 2)", "'a' and 'b' return different results"),
        ("raise KeyError('x')", "speed.py: KeyError: 'x'"),
        ("def", "speed.py: SyntaxError"),
    ],
)
def test_a_suite_that_cannot_be_run_is_one_line_and_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, says: str
):
    head = (
        "from pulse_ai.bench import Suite, SuiteSettings\nsuite = Suite('s', SuiteSettings(all_same=True))\n"
    )
    (tmp_path / "speed.py").write_text(head + body)
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(app, ["run", "speed.py:suite"])
    assert found.exit_code == 2
    (line,) = found.stderr.splitlines()
    assert says in line


def test_files_that_cannot_be_compared_are_a_usage_error(tmp_path: Path):
    (tmp_path / "a.json").write_text("{}")
    missing = CliRunner().invoke(app, ["compare", "/nowhere", str(tmp_path / "a.json")])
    assert missing.exit_code == 2
    assert "pulse: /nowhere: No such file or directory" in missing.output
