"""``pulse bench`` as a group of ``pulse``, and its commands ``simulate`` and ``matmul``."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from pulse_ai.cli import bench_simulate
from pulse_ai.cli.commands import app
from pulse_ai.serving.fleet import Fleet
from pulse_ai.testing import Scenario, Violation


def test_pulse_starts_without_what_only_bench_needs():
    code = "import sys, pulse_ai.cli.commands; print([m for m in ('numpy', 'pulse_ai.bench') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.strip() == "[]"


def test_the_group_shows_its_commands():
    found = CliRunner().invoke(app, ["bench", "--help"])
    assert found.exit_code == 0
    assert {"load", "simulate", "matmul", "run", "compare"} <= set(found.output.split())


def test_a_simulated_run_shows_its_codes_and_writes_json(tmp_path: Path):
    file = tmp_path / "run.json"
    options = ["--requests", "3000", "--rate", "2000", "--crashes", "0.05", "--json", str(file)]
    found = CliRunner().invoke(app, ["bench", "simulate", *options])
    assert found.exit_code == 0
    assert "all guarantees held" in found.output
    run = msgspec.json.decode(file.read_bytes(), type=bench_simulate.Simulated)
    assert sum(run.answers.values()) == 3000
    assert run.deaths > 0
    assert run.p50_s is not None
    assert run.goodput_per_s > 0


def test_many_days_are_summed_up(tmp_path: Path):
    file = tmp_path / "run.json"
    options = ["--requests", "100", "--seed", "5", "--seeds", "30", "--json", str(file)]
    found = CliRunner().invoke(app, ["bench", "simulate", *options])
    assert found.exit_code == 0
    run = msgspec.json.decode(file.read_bytes(), type=bench_simulate.Simulated)
    assert (run.seeds, run.scenario.seed, sum(run.answers.values())) == (30, 5, 3000)


def test_a_broken_guarantee_is_named_and_fails_the_command(monkeypatch: pytest.MonkeyPatch):
    def broken(scenario: Scenario, **_: object) -> None:
        raise Violation("G1", f"a request was lost (seed {scenario.seed}, at 1.000000 s)")

    monkeypatch.setattr(bench_simulate, "simulate", broken)
    found = CliRunner().invoke(app, ["bench", "simulate", "--requests", "10", "--seed", "7"])
    assert found.exit_code == 1
    assert "G1: a request was lost (seed 7" in found.output


def test_a_broken_guarantee_is_shown_by_a_small_script(monkeypatch: pytest.MonkeyPatch):
    def look_away(fleet: Fleet, now_s: float) -> list[object]:
        for run in fleet._runs.values():
            if run is not None and run.overdue_at_s <= now_s:
                run.killed = True
        return []

    monkeypatch.setattr(Fleet, "take_overdue", look_away)
    options = [
        "--requests",
        "2000",
        "--hangs",
        "0.2",
        "--pause-every",
        "50",
        "--callers",
        "2",
        "--burst",
        "20",
    ]
    found = CliRunner().invoke(app, ["bench", "simulate", *options, "--rate", "30"])
    assert found.exit_code == 1
    assert "G6" in found.output
    assert "Script(" in found.output
    assert len(found.output) < 1000


def test_a_matrix_product_is_measured_and_written(tmp_path: Path):
    pytest.importorskip("jax")
    files = [str(tmp_path / "m.json"), str(tmp_path / "m.html")]
    options = ["--sizes", "8", "--rounds", "1", "--json", files[0], "--html", files[1]]
    found = CliRunner().invoke(app, ["bench", "matmul", *options])
    assert found.exit_code == 0
    assert "NumPy" in found.output
    assert "<svg" in Path(files[1]).read_text("utf-8")


def test_sizes_that_are_no_numbers_are_a_usage_error():
    assert CliRunner().invoke(app, ["bench", "matmul", "--sizes", "big"]).exit_code == 2
