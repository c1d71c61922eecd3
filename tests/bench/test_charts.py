"""Charts and pages: well formed, escaped, and honest about what they cannot draw."""

import math
import re
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.bench import proof_reports

from pulse_ai.bench.charts import Axis, Bar, Mark, Series, bar_chart, line_chart, standalone
from pulse_ai.bench.load.report import Quantiles
from pulse_ai.bench.load.slo import judge, parse_slo
from pulse_ai.bench.page import facts, page, paragraph, section, table, verdict
from pulse_ai.bench.scales import Scale, log_ticks, round_ticks, short_number
from pulse_ai.bench.text import duration, figures

NUMBERS = st.floats(-1e12, 1e12) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0])
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=30)


def parse(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own text


@settings(deadline=None)  # a busy machine is no failure
@given(points=POINTS, log_x=st.booleans(), log_y=st.booleans())
def test_any_values_give_well_formed_svg_inside_its_frame(
    points: list[tuple[float, float]], log_x: bool, log_y: bool
):
    root = parse(line_chart("any", [Series("a", points)], x=Axis("x", log=log_x), y=Axis("y", log=log_y)))
    for circle in root.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0.0 <= float(circle.attrib["cx"]) <= 720.0
        assert 0.0 <= float(circle.attrib["cy"]) <= 340.0


def test_names_are_escaped_everywhere():
    evil = "<script>alert('1 & 2')</script>"
    svg = line_chart(evil, [Series(evil, [(1, 1)])], x=Axis(evil), y=Axis(evil), marks=[Mark("x", 1, evil)])
    whole = page(evil, [section(evil, [svg, paragraph(evil), table([evil], [[evil]]), facts({evil: evil})])])
    assert "<script" not in whole + verdict(evil, holds=False) + bar_chart(evil, [Bar(evil, 1.0)], unit=evil)


def test_a_point_that_is_not_finite_breaks_the_line():
    svg = line_chart("gap", [Series("a", [(0, 1), (1, math.nan), (2, 1), (3, 1)])], x=Axis("x"), y=Axis("y"))
    assert svg.count("<polyline") == 2


def test_a_log_axis_leaves_out_what_it_cannot_show():
    svg = line_chart("log", [Series("a", [(1, 0), (2, 5), (3, 50)])], x=Axis("x"), y=Axis("y", log=True))
    assert svg.count("<circle") == 2


def test_an_empty_chart_is_still_a_chart():
    assert "<line" in line_chart("none", [], x=Axis("x"), y=Axis("y"))
    assert "<svg" in bar_chart("none", [], unit="s")


def test_more_names_than_fit_in_a_row_go_on_in_the_next():
    names = [f"a server of some name, {number}" for number in range(8)]
    root = parse(line_chart("many", [Series(name, [(1, 1)]) for name in names], x=Axis("x"), y=Axis("y")))
    found = [text for text in root if text.tag.endswith("text") and text.text in names]
    assert [text.text for text in found if float(text.attrib["x"]) < 64.0] == []
    assert len({text.attrib["y"] for text in found}) == 3
    assert root.attrib["viewBox"] == "0 0 720 380"


def test_the_first_line_lies_over_the_others():
    lines = [Series("first", [(0, 1), (1, 1)]), Series("last", [(0, 1), (1, 1)])]
    drawn = parse(line_chart("two", lines, x=Axis("x"), y=Axis("y"))).iter(
        "{http://www.w3.org/2000/svg}polyline"
    )
    assert ["series-2" in line.attrib["stroke"] for line in drawn] == [True, False]


def test_a_chart_of_its_own_stands_on_white():
    root = parse(standalone(bar_chart("one", [Bar("a", 1.0)], unit="s")))
    assert root[0].attrib == {"width": "100%", "height": "100%", "fill": "#ffffff"}


def test_a_bar_ends_where_its_value_is():
    root = parse(bar_chart("two", [Bar("a", 50.0), Bar("b", 100.0, low=90.0, high=100.0)], unit="s"))
    first, second = (float(r.attrib["width"]) for r in root.iter("{http://www.w3.org/2000/svg}rect"))
    assert second == pytest.approx(2 * first, abs=0.2)


def test_a_page_fetches_nothing_and_runs_nothing():
    whole = page("t", [line_chart("c", [Series("a", [(0, 1)])], x=Axis("x"), y=Axis("y"))])
    assert not re.search(r"<script|<link[^>]+stylesheet|@import|url\(", whole)
    assert set(re.findall(r"https?://[^\"' ]+", whole)) <= {"http://www.w3.org/2000/svg"}


@settings(deadline=None)  # a busy machine is no failure
@given(low=st.floats(-1e9, 1e9), span=st.floats(1e-6, 1e9))
def test_ticks_lie_in_their_range_and_rise(low: float, span: float):
    ticks = round_ticks(low, low + max(span, abs(low) * 1e-6))
    assert list(ticks) == sorted(ticks)
    assert len(ticks) <= 12


@settings(deadline=None)  # a busy machine is no failure
@given(low=st.floats(1e-9, 1e9), ratio=st.floats(1.5, 1e6))
def test_log_ticks_lie_in_their_range(low: float, ratio: float):
    assert all(low * (1 - 1e-6) <= t <= low * ratio * (1 + 1e-6) for t in log_ticks(low, low * ratio))


@pytest.mark.parametrize("value", [999.7, 1234.5, 0.9996, 12_345.6, 999_900.0, 4e7])
def test_no_figure_is_written_with_an_exponent(value: float):
    slow = parse_slo("p99<1s")[0]
    quantiles = Quantiles(
        count=1,
        mean_s=value,
        min_s=value,
        p50_s=value,
        p90_s=value,
        p95_s=value,
        p99_s=value,
        p999_s=value,
        max_s=value,
    )
    judged = judge(slow, msgspec.structs.replace(proof_reports.section((200, 1, 0.1)), latency=quantiles))
    for text in (duration(value), figures(value, 3), short_number(value), judged.text):
        assert "e+" not in text


@pytest.mark.parametrize(("low", "high", "log"), [(1.0, 1.0, False), (2.0, 1.0, False), (0.0, 1.0, True)])
def test_a_scale_that_cannot_be_drawn_is_refused(low: float, high: float, log: bool):
    with pytest.raises(ValueError, match="got"):
        Scale(low, high, 0.0, 1.0, log=log)
