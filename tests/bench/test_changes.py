"""Two loads, or two proofs, side by side."""

import math
from pathlib import Path

import msgspec
import pytest
from tests.bench import proof_reports as made
from typer.testing import CliRunner

from pulse_ai.bench import Suite, SuiteSettings
from pulse_ai.bench.changes import Changes, Saved, compare_reports, read_saved
from pulse_ai.bench.load import LoadReport
from pulse_ai.bench.load.ledger import Ledger
from pulse_ai.bench.load.plan import LoadPlan, Step
from pulse_ai.bench.load.verdicts import make_report
from pulse_ai.cli.bench import app


def load_report(*ends: tuple[int, int, float], rate: float = 100.0, lag_s: float = 0.0) -> LoadReport:
    """Return the report of a load with so many (status, how many, latency in seconds)."""
    plan = LoadPlan(steps=(Step(rate, 1.0),), within_s=0.25)
    ledger = Ledger(plan)
    for code, count, latency_s in ends:
        for number in range(count):
            at_s = number / count
            ledger.finish(at_s, at_s + lag_s, at_s + lag_s, at_s + latency_s, code)
    ledger.fold()
    return make_report(ledger, plan, url="http://x/", started="-", rules=(), until_s=math.inf)


def row(changes: Changes, name: str) -> tuple[float, float]:
    return next((one.earlier, one.later) for one in changes.rows if one.name == name)


def test_a_load_compares_step_by_step():
    changes = compare_reports(load_report((200, 100, 0.010)), load_report((200, 50, 0.020), (500, 50, 0.001)))
    assert row(changes, "100/s: goodput") == (100.0, 50.0)
    assert row(changes, "100/s: p50") == pytest.approx((0.010, 0.020), rel=0.01)
    assert row(changes, "100/s: errors") == (0.0, 0.5)
    assert (changes.passed, changes.regressions) == (True, ())  # there is no gate


@pytest.mark.parametrize(
    ("later", "failing"),
    [
        (load_report((200, 100, 0.010)), set[str]()),
        (load_report((200, 100, 0.0104)), set[str]()),
        (load_report((200, 100, 0.020)), {"100/s: p50", "100/s: p99"}),
        (load_report((200, 80, 0.010)), {"100/s: goodput"}),
        (load_report((200, 99, 0.010), (500, 1, 0.010)), {"100/s: errors"}),
        (load_report((200, 200, 0.001)), set[str]()),
    ],
)
def test_the_gate_fails_what_is_worse_and_nothing_else(later: LoadReport, failing: set[str]):
    changes = compare_reports(load_report((200, 100, 0.010)), later, gate=0.05)
    assert set(changes.regressions) == failing
    assert changes.passed == (not failing)


def test_a_step_that_is_gone_does_not_pass_a_gate():
    changes = compare_reports(load_report((200, 9, 0.01)), load_report((200, 9, 0.01), rate=9.0), gate=0.5)
    assert "100/s: p99" in changes.missing
    assert "9/s: p99" in changes.added
    assert not changes.passed


def test_a_load_that_the_generator_spoilt_is_not_compared():
    changes = compare_reports(load_report((200, 9, 0.01)), load_report((200, 9, 0.9), lag_s=0.8), gate=0.05)
    assert (changes.rows, changes.passed) == ((), False)


def test_nothing_compared_does_not_pass_a_gate():
    spoilt = load_report((200, 9, 0.9), lag_s=0.8)
    assert not compare_reports(spoilt, load_report((200, 9, 0.01)), gate=0.05).passed
    assert compare_reports(spoilt, load_report((200, 9, 0.01))).passed  # nothing was asked for


def test_two_steps_at_the_same_rate_are_two():
    before, quick = load_report((200, 100, 0.01)), load_report((200, 100, 0.01))
    slow = load_report((200, 100, 0.09))
    earlier = msgspec.structs.replace(before, steps=before.steps + quick.steps)
    later = msgspec.structs.replace(before, steps=slow.steps + quick.steps)
    changes = compare_reports(earlier, later, gate=0.05)
    assert changes.regressions == ("100/s: p50", "100/s: p99")
    assert row(changes, "100/s (2): p50") == pytest.approx((0.01, 0.01), rel=0.01)


def test_the_step_at_the_highest_rate_is_compared_though_its_share_of_capacity_differs():
    earlier, later = (
        made.report(batched=made.side(16, 100.0, *made.good_points()[:2], made.point(share, (200, 98, 0.2))))
        for share in (7.27, 7.14)
    )
    changes = compare_reports(earlier, later, gate=0.05)
    assert (changes.missing, changes.added, changes.passed) == ((), (), True)
    assert row(changes, "batch size 16, the highest rate: goodput") == (98.0, 98.0)


def test_a_proof_compares_by_share_of_capacity():
    slower = made.side(16, 50.0, *made.good_points()[:2], made.point(10.0, (200, 60, 0.2), (429, 900, 0.002)))
    changes = compare_reports(made.report(), made.report(batched=slower), gate=0.05)
    assert set(changes.regressions) == {"batch size 16: capacity", "batch size 16, 1000%: goodput"}
    assert row(changes, "batch size 16: capacity") == (100.0, 50.0)
    assert row(changes, "workers killed: errors") == (0.0, 0.0)


def test_two_kinds_and_a_negative_gate_are_refused():
    with pytest.raises(ValueError, match="a load compares with a load"):
        compare_reports(made.report(), load_report((200, 1, 0.1)))
    with pytest.raises(ValueError, match="must not be negative"):
        compare_reports(made.report(), made.report(), gate=math.nan)


def saved(folder: Path, name: str, report: Saved) -> str:
    (folder / name).write_bytes(msgspec.json.encode(report))
    return str(folder / name)


def suite_report() -> Saved:
    suite = Suite("s", SuiteSettings(time_s=0.01, warmup_s=0.0), inputs={"i": [1]})
    suite.add("len", len)
    return suite.run()


def test_every_kind_of_report_is_read_for_what_it_is(tmp_path: Path):
    for report in (suite_report(), load_report((200, 1, 0.1)), made.report()):
        assert read_saved(Path(saved(tmp_path, "r.json", report))) == report


def test_a_report_of_a_later_version_is_refused(tmp_path: Path):
    later = msgspec.structs.replace(load_report((200, 1, 0.1)), format=99)
    with pytest.raises(ValueError, match="update Pulse"):
        read_saved(Path(saved(tmp_path, "r.json", later)))


def test_the_command_compares_loads_and_exits_by_the_gate(tmp_path: Path):
    files = [
        saved(tmp_path, "a.json", load_report((200, 100, 0.01))),
        saved(tmp_path, "b.json", load_report((200, 100, 0.03))),
    ]
    found = CliRunner().invoke(app, ["compare", *files, "--gate", "10%"])
    assert (found.exit_code, "fails" in found.output) == (1, True)
    assert "3.00" in found.output
    assert CliRunner().invoke(app, ["compare", *files]).exit_code == 0
    assert CliRunner().invoke(app, ["compare", *reversed(files), "--gate", "10%"]).exit_code == 0
    for none in ("", "nan", "%"):  # such as a variable that was never set: no gate must not look like a pass
        assert CliRunner().invoke(app, ["compare", *files, "--gate", none]).exit_code == 2


def test_the_command_does_not_compare_a_load_with_a_suite(tmp_path: Path):
    files = [
        saved(tmp_path, "a.json", load_report((200, 1, 0.01))),
        saved(tmp_path, "b.json", suite_report()),
    ]
    found = CliRunner().invoke(app, ["compare", *files])
    assert found.exit_code == 2
