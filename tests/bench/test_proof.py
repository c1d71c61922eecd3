"""The overload proof: what it plans, what it claims, and what it writes."""

import asyncio
import dataclasses
import re
import shutil
from pathlib import Path

import msgspec
import pytest
from tests.bench import proof_reports as made
from typer.testing import CliRunner

from pulse_ai.bench.proof import ProofPlan, ProofReport, ServiceFailed, open_service, to_html, to_text
from pulse_ai.bench.proof.plan import rates_of
from pulse_ai.bench.proof.report import Side, Trace
from pulse_ai.bench.proof.service import read_gauges
from pulse_ai.bench.proof.text import notes
from pulse_ai.cli import bench_proof
from pulse_ai.cli.commands import app
from pulse_ai.hub import synthetic

_TASKS = """
import threading
from pulse_ai import Task


class Waits(Task):
    def predict(self, items: list[dict]) -> list[dict]:
        threading.Event().wait(0.010 + 0.001 * len(items))
        return items


class Broken(Task):
    def load(self) -> None:
        raise ValueError("no weights")

    def predict(self, items: list[str]) -> list[str]:
        return items
"""
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--dump-dom"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--enable-logging=stderr",
)
_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bodies", ()),
        ("ladder", ()),
        ("ladder", (0.5, 0.5)),
        ("ladder", (2.0, 1.0)),
        ("ladder", (0.0, 1.0)),
        ("seconds_a_step", 0.0),
        ("deadline_s", 0.0),
        ("batch_size", 1),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(field: str, value: object):
    with pytest.raises(ValueError, match=r"."):
        dataclasses.replace(made.PLAN, **{field: value})  # type: ignore[arg-type]


def test_a_ladder_that_ends_above_what_can_be_offered_ends_there_once():
    plan = ProofPlan(target="", name="m", bodies=(b"{}",), ladder=(1.0, 5.0, 10.0), most_rate=300.0)
    assert rates_of(plan, 100.0) == ((1.0, 100.0), (3.0, 300.0))


def test_workers_are_killed_at_even_instants_within_the_trace():
    plan = ProofPlan(target="", name="m", bodies=(b"{}",), seconds_a_step=2.0, kills=3)
    assert plan.kills_at_s == (2.0, 4.0, 6.0)
    assert plan.trace_s == 8.0


def test_gauges_are_read_out_of_the_metrics():
    text = (
        '# TYPE pulse_queue_items gauge\npulse_queue_items{model="m"} 7.0\npulse_workers_ready{model="m"} 2.0\n'
        'pulse_running_items{model="m"} 16.0\npulse_lost_requests_total{model="m"} 1.0\n'
    )
    found = read_gauges(text, at_s=0.5)
    assert (found.waiting, found.running, found.ready, found.lost) == (7.0, 16.0, 2.0, 1.0)


def test_a_service_that_keeps_its_promises_passes_every_claim():
    report = made.report()
    assert report.passed
    assert [judged.text for judged in report.verdicts if not judged.holds] == []
    assert "1.67 times" in report.verdicts[0].text


_LATE = made.side(16, 100.0, *made.good_points()[:2], made.point(10.0, (200, 98, 0.3), (429, 900, 0.002)))
_SLUMP = made.side(16, 100.0, *made.good_points()[:2], made.point(10.0, (200, 60, 0.2), (429, 900, 0.002)))
_TARDY = made.side(16, 100.0, *made.good_points()[:2], made.point(10.0, (200, 98, 0.2), (429, 900, 0.200)))
_CALM = made.side(16, 100.0, made.point(0.5, (200, 49, 0.02), (429, 1, 0.001)), *made.good_points()[1:])
_LOST = made.side(16, 100.0, *made.good_points()[:2], made.point(10.0, (200, 98, 0.2), (made.LOST, 2, 1.0)))
_SHORT = made.side(16, 100.0, *made.good_points()[:2])


@pytest.mark.parametrize(
    ("batched", "claim"),
    [
        (made.side(16, 61.0), "batching pays"),
        (_LATE, "every 200 is within its deadline"),
        (_SLUMP, "overload does not lower goodput"),
        (_TARDY, "refusals are quick"),
        (_CALM, "up to 80% of capacity"),
        (_LOST, "nothing is lost"),
        (_SHORT, "overload was not reached"),
        (made.side(16, 100.0, exit_code=None), "SIGTERM ends it cleanly"),
    ],
)
def test_a_broken_promise_fails_its_claim(batched: Side, claim: str):
    single = made.side(1, 60.0, *batched.points)
    failed = [
        judged.text for judged in made.report(single=single, batched=batched).verdicts if not judged.holds
    ]
    assert [text for text in failed if text.startswith(claim)]


@pytest.mark.parametrize(
    ("died", "claim"),
    [
        (made.trace((200, 990, 0.05), (503, 10, 0.001)), "a worker's death costs nothing"),
        (made.trace(kills_at_s=()), "a worker's death costs nothing"),
        (made.trace(seen=(made.gauges(3.1, 1), made.gauges(5.0, 1))), "the killed worker comes back"),
        (made.trace(seen=(made.gauges(3.1, 2, lost=1.0),)), "nothing is lost"),
    ],
)
def test_a_death_that_costs_something_fails_its_claim(died: Trace, claim: str):
    failed = [judged.text for judged in made.report(died=died).verdicts if not judged.holds]
    assert [text for text in failed if text.startswith(claim)]


def test_a_worker_is_back_when_all_are_ready_after_the_last_look_that_missed_one():
    seen = (made.gauges(3.05, 2), made.gauges(3.15, 1), made.gauges(3.25, 2))  # the first is from before
    text = next(v.text for v in made.report(died=made.trace(seen=seen)).verdicts if "comes back" in v.text)
    assert "at most 250 ms" in text


def test_steps_that_the_generator_spoilt_are_marked_and_named():
    spoilt = made.point(10.0, (200, 98, 0.2), (429, 902, 0.002), limited="the generator was the bottleneck")
    report = made.report(batched=made.side(16, 100.0, *made.good_points()[:2], spoilt))
    assert "1000% *" in to_text(report)
    assert any(note.startswith("*") for note in notes(report))
    assert any("not judged at 10 times" in judged.text for judged in report.verdicts)
    assert any(judged.text.startswith("overload was not reached") for judged in report.verdicts)


def claim(report: ProofReport, begins: str) -> str:
    """Return a claim that holds by its first words; nothing where it does not hold."""
    return next((v.text for v in report.verdicts if v.text.startswith(begins) and v.holds), "")


def test_a_calm_step_that_the_generator_spoilt_is_not_judged():
    late = made.point(0.25, (200, 20, 0.02), (200, 5, 0.4), limited="the generator was the bottleneck")
    report = made.report(batched=made.side(16, 100.0, late, *made.good_points()[1:]))
    assert claim(report, "up to 80%") == ""  # no calm step is left
    calm = (late, *made.good_points())
    report = made.report(single=made.side(1, 60.0, *calm), batched=made.side(16, 100.0, *calm))
    assert claim(report, "up to 80%").endswith("not judged at 0.25 times: the generator was the bottleneck")


def test_the_latency_of_batching_is_not_compared_with_one_that_the_generator_spoilt():
    slow = made.point(1.0, (200, 100, 0.2), limited="the generator was the bottleneck")
    single = made.side(1, 60.0, made.good_points()[0], slow, made.good_points()[2])
    told = claim(made.report(single=single), "batching does not cost latency: at 50/s")
    assert told.endswith("not judged at 1 times: the generator was the bottleneck")


@pytest.mark.parametrize(("deadline_s", "timeout_s"), [(0.25, 10.0), (60.0, 120.02)])
def test_the_generator_waits_for_an_answer_for_longer_than_its_deadline(deadline_s: float, timeout_s: float):
    assert dataclasses.replace(made.PLAN, deadline_s=deadline_s).timeout_s == pytest.approx(timeout_s)


def test_the_text_and_the_page_hold_every_verdict():
    report = made.report()
    text, page = to_text(report), to_html(report)
    assert all(judged.text in text for judged in report.verdicts)
    assert page.count('<p class="verdict') == len(report.verdicts)
    assert page.count("<svg") == 8
    assert page.count("SIGKILL</text>") == 3 * len(report.trace.kills_at_s)
    assert "A model &lt;of nobody&gt;" in page
    assert not re.search(r"<script|https?://(?!www\.w3\.org/2000/svg)", page)


def test_a_worker_that_never_comes_back_is_said_in_words():
    report = made.report(died=made.trace(seen=(made.gauges(3.1, 1),)))
    assert any(judged.text.endswith("ready again not each time") for judged in report.verdicts)


def test_a_slow_trace_is_drawn_in_points_that_hold_enough_requests():
    died = made.trace((200, 30, 0.05))
    quick, slow = (msgspec.structs.replace(died, rate=rate) for rate in (1000.0, 5.0))
    assert "Answers in each 100 ms" in to_html(made.report(died=quick))
    assert "Answers in each 4000 ms" in to_html(made.report(died=slow))


def test_a_busy_machine_is_told_first():
    page = to_html(msgspec.structs.replace(made.report(), load_before=99.0))
    assert page.index("the machine was not quiet") < page.index("<section>")
    assert "the machine was not quiet" not in to_html(made.report())


def test_a_report_survives_json():
    report = made.report()
    assert msgspec.json.decode(msgspec.json.encode(report), type=ProofReport) == report


@pytest.mark.parametrize(
    "arguments",
    [
        ["--model", "large"],
        ["x.py:T", "--model", "embedded"],
        ["--steps", "much"],
        ["--steps", "100,50"],
        ["--bodies", "/nowhere/at/all"],
        ["--body", "{}", "--bodies", "x"],
    ],
)
def test_what_cannot_be_proved_is_a_usage_error(arguments: list[str]):
    assert CliRunner().invoke(app, ["bench", "proof", *arguments]).exit_code == 2


def test_the_random_model_is_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folders: list[Path] = []

    def make(folder: Path) -> None:
        folders.append(folder)
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"weights")

    monkeypatch.setattr(synthetic, "make_random_checkpoint", make)
    monkeypatch.setenv("PULSE_CACHE_DIR", str(tmp_path))
    served = [bench_proof.choose_model("", "distilbert-size") for _ in range(2)]
    assert len(folders) == 1
    assert served[0] == served[1]
    name, _, folder = served[0].target.partition("=")
    assert name == "distilbert"
    assert (Path(folder) / "model.safetensors").exists()
    texts = [msgspec.json.decode(body)["q"].split() for body in served[0].bodies]
    assert all(8 <= len(words) <= 32 for words in texts)


@pytest.mark.process
async def test_a_service_that_cannot_load_is_told_with_what_it_said(tmp_path: Path):
    (tmp_path / "tasks.py").write_text(_TASKS)
    with pytest.raises(ServiceFailed, match="no weights"):
        async with open_service("tasks.py:Broken", cwd=tmp_path):
            pass


@pytest.mark.process
@pytest.mark.slow
def test_a_proof_of_a_tiny_task_is_carried_out_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "tasks.py").write_text(_TASKS)
    monkeypatch.chdir(tmp_path)
    options = ["--seconds-a-step", "0.4", "--steps", "50,300", "--kills", "1", "--body", '{"n": 1}']
    found = CliRunner().invoke(app, ["bench", "proof", "tasks.py:Waits", *options])
    assert found.exit_code in {0, 1}, (
        found.output
    )  # the machine may be busy: figures are not this test's matter
    report = msgspec.json.decode((tmp_path / "pulse-proof.json").read_bytes(), type=ProofReport)
    assert found.exit_code == (0 if report.passed else 1)
    assert report.batched.capacity_per_s > 2 * report.single.capacity_per_s
    assert [point.share for point in report.batched.points] == pytest.approx([0.5, 3.0])
    assert report.batched.points[1].count(429) > 0
    assert len(report.trace.kills_at_s) == 1
    before = [gauge.ready for gauge in report.trace.gauges if gauge.at_s < report.trace.kills_at_s[0]]
    assert set(before) <= {2}  # the trace begins with all workers there, however late the first look is
    assert any(gauges.ready < 2 for gauges in report.trace.gauges)
    sections = [point.section for side in (report.single, report.batched) for point in side.points]
    assert [s.unanswered for s in (*sections, report.trace.section)] == [0] * 5
    assert "SIGKILL" in (tmp_path / "pulse-proof.html").read_text("utf-8")


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.skipif(_CHROMIUM is None, reason="chromium is missing")
async def test_a_browser_shows_the_charts_and_has_nothing_to_complain_of(tmp_path: Path):
    page = tmp_path / "proof.html"
    page.write_text(to_html(made.report()), "utf-8")
    process = await asyncio.create_subprocess_exec(
        *(str(_CHROMIUM), *_FLAGS, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    shown, log = await process.communicate()
    assert process.returncode == 0
    dom = shown.decode()
    assert dom.count("</svg>") == 8
    assert dom.count("<polyline") >= 12
    assert "CONSOLE" not in log.decode()
