"""The report of ``pulse bench matmul`` as text, JSON, and a page with a plot that needs nothing else."""

__all__ = ("matmul_html", "matmul_json", "matmul_text")

import msgspec

from pulse_ai.bench.charts import Axis, Bar, Mark, Series, bar_chart, line_chart
from pulse_ai.bench.matmul_report import Figure, MatmulReport
from pulse_ai.bench.page import facts, page, paragraph, section, table
from pulse_ai.bench.text import columns, duration, figures

_PRODUCT_HEAD = ("backend", "size", "median", "GFLOP/s", "share of peak", "runs")
_CHAIN_HEAD = ("backend", "size", "median", "runs")


def matmul_json(report: MatmulReport) -> str:
    """Return the report as JSON, indented; ``msgspec.json.decode(text, type=MatmulReport)`` reads it."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def matmul_text(report: MatmulReport) -> str:
    """Return the report as a table for a terminal."""
    parts = [
        report.machine.line(),
        ", ".join(f"{name} {version}" for name, version in report.versions.items()),
        _peak_line(report),
        "",
        columns(_PRODUCT_HEAD, _product_rows(report)),
        "",
        columns(_CHAIN_HEAD, _chain_rows(report)),
        "",
        *comparisons(report),
    ]
    return "\n".join(parts)


def comparisons(report: MatmulReport) -> list[str]:
    """Return what the figures say, one sentence each; only of what was measured."""
    lines: list[str] = []
    for size in _sizes(report, "matmul"):
        for fast, slow in (("XLA CPU", "pure Python"), ("XLA CPU", "NumPy"), ("XLA GPU", "XLA CPU")):
            times = report.times_faster("matmul", fast, slow, size)
            if times is not None:
                lines.append(f"matmul {size}: {fast} is {times:,.2f} times as fast as {slow}")
    for size in _sizes(report, "chain"):
        for slow in ("NumPy", "NumPy by hand, in place"):
            times = report.times_faster("chain", "XLA CPU", slow, size)
            if times is not None:
                lines.append(f"chain {size}: XLA CPU is {times:,.2f} times as fast as {slow}")
    return [*lines, f"GPU: {report.gpu}"]


def matmul_html(report: MatmulReport) -> str:
    """Return the report as one HTML page, with its plots as inline SVG."""
    products = [figure for figure in report.figures if figure.work == "matmul"]
    backends = list(dict.fromkeys(figure.backend for figure in products))
    lines = [
        Series(name, [(float(f.size), f.gflops) for f in products if f.backend == name]) for name in backends
    ]
    marks = [Mark("y", peak.gflops, f"{device} peak") for device, peak in report.peaks.items()]
    bars = [Bar(f.backend, f.median_s * 1e3) for f in report.figures if f.work == "chain"]
    title = "matmul, written once, on each backend"
    plot = line_chart(
        "float32 matrix product, GFLOP/s (median)",
        lines,
        x=Axis("size of the square matrices", log=True),
        y=Axis("GFLOP/s", log=True),
        marks=marks,
    )
    return page(
        title,
        [
            paragraph(report.machine.line()),
            facts({**report.versions, "GPU": report.gpu, "peak": _peak_line(report)}),
            section("Matrix product", [plot, table(_PRODUCT_HEAD, _product_rows(report))]),
            section(
                "Normalise, softmax and gelu over each row",
                [
                    bar_chart("time of one run (median)", bars, unit="ms"),
                    table(_CHAIN_HEAD, _chain_rows(report)),
                ],
            ),
            section("In words", [paragraph(line) for line in comparisons(report)]),
        ],
    )


def _peak_line(report: MatmulReport) -> str:
    peaks = [
        f"{device}: {peak.gflops:.0f} GFLOP/s (the fastest run of any product: {peak.backend}, {peak.size})"
        for device, peak in report.peaks.items()
    ]
    return "measured peak: " + "; ".join(peaks)


def _product_rows(report: MatmulReport) -> list[tuple[str, ...]]:
    return [
        (
            figure.backend,
            str(figure.size),
            duration(figure.median_s),
            figures(figure.gflops, 3),
            f"{report.share(figure):.1%}",
            str(len(figure.samples_s)),
        )
        for figure in report.figures
        if figure.work == "matmul"
    ]


def _chain_rows(report: MatmulReport) -> list[tuple[str, ...]]:
    return [_chain_row(figure) for figure in report.figures if figure.work == "chain"]


def _chain_row(figure: Figure) -> tuple[str, ...]:
    return figure.backend, str(figure.size), duration(figure.median_s), str(len(figure.samples_s))


def _sizes(report: MatmulReport, work: str) -> list[int]:
    return list(dict.fromkeys(figure.size for figure in report.figures if figure.work == work))
