# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
"""The report of ``pulse bench matmul``: what it measures, and what it says of it."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from pulse_ai.bench import matmul
from pulse_ai.bench.matmul import run_matmul
from pulse_ai.bench.matmul_pages import comparisons, matmul_html, matmul_json, matmul_text
from pulse_ai.bench.matmul_report import Figure, MatmulReport
from pulse_ai.bench.matmul_work import Backend, ListMatrix, backends, product


@pytest.fixture(scope="module")
def report() -> MatmulReport:
    return run_matmul((8, 16), rounds=2)


def test_every_backend_is_measured_at_every_size(report: MatmulReport) -> None:
    names = {backend.name for backend in backends()}
    for size in (8, 16):
        assert {f.backend for f in report.figures if (f.work, f.size) == ("matmul", size)} == names
    assert all(min(figure.samples_s) > 0 for figure in report.figures)


def test_the_product_is_the_same_function_on_lists_and_on_numpy() -> None:
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    rows = product.function(ListMatrix(a.tolist()), ListMatrix(a.T.tolist())).rows
    np.testing.assert_array_equal(np.array(rows), a @ a.T)


def test_a_backend_that_answers_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Backend(name="wrong", load=lambda x: x, run=lambda work, *matrices: matrices[0] + 100)
    monkeypatch.setattr(matmul, "backends", lambda: (wrong,))
    with pytest.raises(ValueError, match="wrong gives another answer than NumPy"):
        run_matmul((8,), rounds=1)


def test_pure_python_is_left_out_where_it_would_take_minutes_unless_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matmul, "_SLOW_UP_TO", 8)
    for full, sizes in ((False, {8}), (True, {8, 16})):
        figures = run_matmul((8, 16), rounds=1, full=full).figures
        assert {figure.size for figure in figures if figure.backend == "pure Python"} == sizes


def test_no_share_of_the_peak_is_above_1(report: MatmulReport) -> None:
    products = [figure for figure in report.figures if figure.work == "matmul"]
    assert all(0 < report.share(figure) <= 1 for figure in products)


def test_a_machine_without_a_gpu_says_so_and_gives_no_number(report: MatmulReport) -> None:
    if "gpu" not in report.peaks:
        assert report.gpu == "no GPU on this machine"
        assert comparisons(report)[-1] == "GPU: no GPU on this machine"


def test_the_json_reads_back_as_the_same_report(report: MatmulReport) -> None:
    assert msgspec.json.decode(matmul_json(report), type=MatmulReport) == report


def test_the_page_has_a_plot_and_needs_nothing_else(report: MatmulReport) -> None:
    html = matmul_html(report)
    assert html.count("<svg") == 2
    assert "src=" not in html
    assert "http" not in html.replace("http://www.w3.org", "")


def test_the_text_says_what_was_measured(report: MatmulReport) -> None:
    text = matmul_text(report)
    assert "matmul 16: XLA CPU is" in text or len(backends()) == 2
    assert "measured peak: cpu:" in text


def test_the_command_line_writes_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "m.json", tmp_path / "m.html"]
    words = ["--sizes", "8", "--rounds", "1", "--json", str(files[0]), "--html", str(files[1])]
    assert matmul.main(words) == 0
    assert all(file.stat().st_size > 500 for file in files)
    assert "GFLOP/s" in capsys.readouterr().out


def test_slow_figures_can_be_taken_from_an_earlier_report_of_the_same_machine(report: MatmulReport) -> None:
    alone = run_matmul((32,), rounds=1, only="pure Python", full=True)
    assert {figure.backend for figure in alone.figures} == {"pure Python"}
    both = report.with_figures_of(alone)
    assert both.find("matmul", "pure Python", 32) == alone.figures[0]
    assert len(both.figures) == len(report.figures) + 1
    back = alone.with_figures_of(report)  # whose peak is of what was not measured in this one
    assert back.peaks == report.peaks
    assert all(0.0 < back.share(figure) <= 1.0 for figure in back.figures if figure.work == "matmul")
    other = msgspec.structs.replace(alone, versions={"numpy": "0"})
    with pytest.raises(ValueError, match="another machine or other versions"):
        report.with_figures_of(other)


@pytest.mark.parametrize(
    ("sizes", "only", "says"),
    [
        ((0,), None, "sizes must be from 1 to 32768, got 0"),
        ((8, -5), None, "got 8, -5"),
        ((32_769,), None, "got 32769"),
        ((), None, "got none"),
        ((8,), "nope", "no backend is called 'nope'; here are pure Python, NumPy"),
        ((1024,), "pure Python", "give --full"),
    ],
)
def test_what_would_measure_nothing_is_refused(sizes: tuple[int, ...], only: str | None, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        run_matmul(sizes, only=only, rounds=1)


def test_a_report_of_elsewhere_is_refused_before_anything_is_measured(report: MatmulReport) -> None:
    told: list[str] = []
    other = msgspec.structs.replace(report, versions={"numpy": "0"})
    with pytest.raises(ValueError, match="another machine or other versions"):
        run_matmul((8,), rounds=1, earlier=other, tell=told.append)
    assert told == []


def test_a_figure_is_by_the_median() -> None:
    figure = Figure(work="matmul", backend="NumPy", size=1, flop=10**9, samples_s=(1.0, 2.0, 9.0))
    assert (figure.median_s, figure.gflops, figure.best_gflops) == (2.0, 0.5, 1.0)
