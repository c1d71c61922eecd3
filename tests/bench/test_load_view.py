"""The live view of a load run, on a terminal that keeps what it is shown."""

from io import StringIO

from rich.console import Console

from pulse_ai.bench.load import LoadPlan, Progress, Step
from pulse_ai.bench.load.ledger import Ledger
from pulse_ai.cli.bench_view import LoadView

PLAN = LoadPlan(steps=(Step(100.0, 5.0), Step(50.0, 5.0, end_rate=400.0)), warmup_s=1.0, within_s=0.25)


def progress(elapsed_s: float, *, stopping: bool = False) -> Progress:
    """Return what is known of a run that answered 40 requests in warm-up, 30 in time and 10 with 429 after it."""
    ledger = Ledger(PLAN)
    for count, at_s, code in ((40, 0.5, 200), (30, 1.5, 200), (10, 1.6, 429)):
        for _ in range(count):
            ledger.finish(at_s, at_s, at_s, at_s + 0.02, code)
    ledger.fold()
    return Progress(
        elapsed_s=elapsed_s, total_s=11.0, in_flight=3, waiting=2, stopping=stopping, ledger=ledger
    )


def shown(*seen: Progress, terminal: bool) -> str:
    file = StringIO()
    with LoadView(Console(file=file, force_terminal=terminal, width=120, color_system=None)) as view:
        for one in seen:
            view.show(one)
    return file.getvalue()


def test_a_terminal_shows_how_far_it_is_and_what_became_of_each_step():
    text = shown(progress(3.0), terminal=True)
    assert "3 of 11 s" in text
    assert "3 in flight, 2 waiting for a connection; Ctrl-C stops" in text
    cells = [[cell.strip() for cell in line.split("│")[1:]] for line in text.splitlines() if "│" in line]
    rows = {row[0]: row for row in cells}
    assert rows["warm-up"][1:5] == ["40", "40", "0", "0"]
    assert rows["100/s"][1:5] == ["40", "30", "10", "0"]
    assert "50..400" not in text  # nothing of it has come yet


def test_what_is_not_a_terminal_gets_no_table():
    assert shown(progress(3.0), terminal=False) == ""


def test_stopping_is_told_once_whether_it_is_a_terminal_or_not():
    for terminal in (False, True):
        text = shown(progress(3.0, stopping=True), progress(3.1, stopping=True), terminal=terminal)
        assert text.count("stopping: waiting for 5 answers; Ctrl-C again to give them up") == 1
