"""A suite with a clock that only the jobs move: order of calls, hooks, rounds, and what is kept."""

import operator
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pulse_ai.bench import Hooks, Suite, SuiteSettings, compare_runs, read_report, save_report
from pulse_ai.bench.suite import ResultsDiffer, SuiteReport, to_html, to_markdown, to_text

SHORT = SuiteSettings(warmup_s=0.0, time_s=0.01, rounds=4)


class Clock:
    """Time that passes when a job says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def takes(self, seconds: float) -> Any:
        def call(argument: object) -> object:
            self.now_s += seconds
            return argument

        return call


def run(clock: Clock, settings: SuiteSettings = SHORT, **jobs: float) -> SuiteReport:
    suite = Suite("s", settings)
    for name, seconds in jobs.items():
        suite.add(name, clock.takes(seconds))
    return suite.run(clock=clock)


def test_the_time_of_a_call_is_what_the_clock_says_and_the_fastest_comes_first():
    report = run(Clock(), slow=0.002, fast=0.001)
    assert [(s.job, s.time.average) for s in report.scenarios] == [
        ("fast", pytest.approx(0.001)),
        ("slow", pytest.approx(0.002)),
    ]
    assert report.comparisons[""][0].ratio == pytest.approx(2.0)
    assert report.comparisons[""][0].significant


def test_each_round_gets_its_share_of_the_time():
    (scenario,) = run(Clock(), job=0.0005).scenarios
    assert len(scenario.rounds) == 4
    assert {len(one) for one in scenario.rounds} <= {5, 6}  # 2.5 ms of 0.5 ms each
    assert scenario.block == 1


def test_a_call_too_short_to_time_is_timed_in_blocks():
    (scenario,) = run(Clock(), job=1e-6).scenarios
    assert scenario.block in (20, 21)
    assert scenario.time.average == pytest.approx(1e-6)


def test_jobs_take_turns():
    clock, order = Clock(), list[str]()

    def job(name: str) -> Any:
        def call(_: object) -> None:
            clock.now_s += 0.1
            order.append(name)

        return call

    suite = Suite("turns", SHORT)
    suite.add("a", job("a"))
    suite.add("b", job("b"))
    suite.run(clock=clock)
    assert order == ["a", "b"] * 5  # once to find the block, then four rounds


def test_hooks_nest_and_are_not_timed():
    clock, seen = Clock(), list[str]()

    def hooks(name: str) -> Hooks:
        def before(where: str) -> Any:
            def call(value: list[str]) -> list[str]:
                clock.now_s += 1.0
                seen.append(f"{name} {where}")
                return [*value, name]

            return call

        def after(where: str) -> Any:
            def call(value: list[str]) -> None:
                seen.append(f"{name} {where}: {' '.join(value)}")

            return call

        return Hooks(
            before_scenario=before("before scenario"),
            after_scenario=after("after scenario"),
            before_each=before("before each"),
            after_each=after("after each"),
        )

    suite = Suite(
        "s", SuiteSettings(warmup_s=0.0, time_s=0.001, rounds=2), inputs={"i": []}, hooks=hooks("suite")
    )
    suite.add("j", clock.takes(0.001), hooks=hooks("job"))
    (scenario,) = suite.run(clock=clock).scenarios
    assert scenario.time.maximum == pytest.approx(0.001)
    assert scenario.block == 1
    assert seen[:2] == ["suite before scenario", "job before scenario"]
    assert seen[2:6] == [
        "suite before each",
        "job before each",
        "job after each: suite job suite job",
        "suite after each: suite job suite job",
    ]
    assert seen[-2:] == ["job after scenario: suite job", "suite after scenario: suite job"]


def test_the_hooks_after_a_scenario_run_when_a_job_raises():
    ended = list[object]()
    suite = Suite("s", SHORT, inputs={"i": 7}, hooks=Hooks(after_scenario=ended.append))

    @suite.job("breaks")
    def breaks(value: int) -> None:
        raise RuntimeError(str(value))

    with pytest.raises(RuntimeError, match="7"):
        suite.run()
    assert ended == [7]


def test_jobs_that_differ_are_not_timed():
    clock = Clock()
    suite = Suite("s", SuiteSettings(all_same=True), inputs={"two": 2})
    suite.add("a", lambda x: x + 1)
    suite.add("b", lambda x: x * 2)
    with pytest.raises(ResultsDiffer, match="'a' and 'b' return different results for the input 'two'"):
        suite.run(clock=clock)


def test_results_are_compared_as_asked():
    suite = Suite(
        "s", SuiteSettings(all_same=True, same=lambda a, b: abs(a - b) < 1, time_s=0.001, warmup_s=0.0)
    )
    suite.add("a", lambda _: 1.0)
    suite.add("b", lambda _: 1.5)
    assert len(suite.run().scenarios) == 2


def test_memory_is_the_peak_of_one_call():
    suite = Suite("s", SuiteSettings(memory_runs=3, time_s=0.001, warmup_s=0.0), inputs={"n": 100_000})
    suite.add("much", bytearray)
    suite.add("none", lambda n: n)
    memory = {s.job: s.memory for s in suite.run().scenarios}
    assert memory["much"] is not None
    assert memory["none"] is not None
    assert memory["much"].median == pytest.approx(100_000, rel=0.02)
    assert memory["none"].median < 1000


def test_parallel_threads_all_run_the_job():
    threads = set[int]()
    suite = Suite("s", SuiteSettings(parallel=3, time_s=0.01, warmup_s=0.0, rounds=2))
    suite.add("job", lambda _: threads.add(threading.get_ident()))
    (scenario,) = suite.run().scenarios
    assert len(threads) >= 3
    assert scenario.time.samples >= 6


def test_no_more_samples_than_asked_for_are_kept():
    settings = SuiteSettings(time_s=1000.0, warmup_s=0.0, rounds=2, max_samples=100)
    (scenario,) = run(Clock(), settings, job=0.001).scenarios
    assert scenario.time.samples == 100


def test_outliers_can_be_left_out():
    clock, calls = Clock(), iter(range(10_000))
    suite = Suite("s", SuiteSettings(time_s=0.5, warmup_s=0.0, rounds=2, exclude_outliers=True))
    suite.add("job", lambda _: clock.takes(0.1 if next(calls) == 30 else 0.001)(None))
    (scenario,) = suite.run(clock=clock).scenarios
    assert scenario.time.maximum == pytest.approx(0.001)


def test_a_suite_needs_jobs_with_names_of_their_own():
    suite = Suite("s")
    with pytest.raises(ValueError, match="no jobs"):
        suite.run()
    suite.add("a", len)
    with pytest.raises(ValueError, match="already a job named 'a'"):
        suite.add("a", len)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_s", 0.0),
        ("rounds", 1),
        ("parallel", 0),
        ("warmup_s", -1.0),
        ("percentiles", (100.0,)),
        ("max_samples", 1),
    ],
)
def test_settings_out_of_range_are_refused(field: str, value: object):
    with pytest.raises(ValueError, match=field):
        SuiteSettings(**{field: value})  # pyright: ignore[reportArgumentType]


def test_a_saved_report_is_read_back_the_same(tmp_path: Path):
    report = run(Clock(), a=0.001, b=0.002)
    save_report(report, tmp_path / "r.json")
    assert read_report(tmp_path / "r.json") == report


@pytest.mark.parametrize("content", [b"{}", b"no", b'{"kind":"load"}'])
def test_a_file_that_is_no_suite_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "r.json").write_bytes(content)
    with pytest.raises(ValueError, match="is not a saved suite"):
        read_report(tmp_path / "r.json")


def test_a_report_of_a_later_form_is_refused(tmp_path: Path):
    save_report(msgspec.structs.replace(run(Clock(), a=0.001), format=99), tmp_path / "r.json")
    with pytest.raises(ValueError, match="format 99"):
        read_report(tmp_path / "r.json")


def test_two_runs_side_by_side_with_a_gate():
    earlier = run(Clock(), same=0.001, slower=0.001, gone=0.001)
    later = run(Clock(), same=0.001, slower=0.0012, new=0.001)
    runs = compare_runs(earlier, later, gate=0.05)
    assert (runs.regressions, runs.missing, runs.added) == (("slower",), ("gone",), ("new",))
    assert not runs.passed
    assert compare_runs(earlier, later).passed  # without a gate, nothing fails
    assert compare_runs(earlier, earlier, gate=0.0).passed
    with pytest.raises(ValueError, match=r"got -0\.1"):
        compare_runs(earlier, later, gate=-0.1)


def test_every_format_names_every_job_and_verdict():
    report = run(Clock(), slow=0.002, fast=0.001)
    for text in (to_text(report), to_markdown(report), to_html(report)):
        assert "slow against fast: 2.00x slower" in text
        assert "500/s" in text
    assert to_html(report).count("<svg") == 1


def test_a_name_does_not_break_a_markdown_table():
    clock = Clock()
    suite = Suite("a|b", SHORT)
    suite.add("x|y\nz", clock.takes(0.001))
    assert "x\\|y z" in to_markdown(suite.run(clock=clock))


@pytest.mark.parametrize("hooks", [Hooks(before_scenario=int), Hooks(before_each=int), Hooks()])
@pytest.mark.parametrize("parallel", [1, 2])
def test_what_a_job_or_its_hook_raises_names_the_job_and_its_input(hooks: Hooks, parallel: int):
    settings = SuiteSettings(time_s=0.02, warmup_s=0.0, parallel=parallel)
    suite = Suite("s", settings, inputs={"text": "x"}, hooks=hooks)
    suite.add("number", int)
    with pytest.raises(ValueError, match="invalid literal") as caught:
        suite.run()
    assert caught.value.__notes__ == ["raised by the job 'number' with the input 'text'"]


def test_a_job_that_cannot_be_called_with_its_input_is_refused_when_it_is_added():
    wrong: list[Any] = [lambda: 1, [1].clear, operator.eq]
    for call in wrong:
        with pytest.raises(ValueError, match="must take one argument: its input, which is None where"):
            Suite("s").add("a", call)
    suite = Suite("s", SHORT)
    for name, call in {"len": len, "type without a signature": dict, "bound": "x".__eq__}.items():
        suite.add(name, call, hooks=Hooks(before_each=lambda _: ()))
    assert len(suite.run().scenarios) == 3
