"""Objectives: read, judged, and explained."""

import math

import pytest

from pulse_ai.bench.load.ledger import Ledger
from pulse_ai.bench.load.plan import LoadPlan, Step
from pulse_ai.bench.load.report import Section, sections_of
from pulse_ai.bench.load.slo import judge, latency_limit_s, parse_slo


def section(codes: dict[int, int], latency_s: float = 0.1) -> Section:
    ledger = Ledger(LoadPlan(steps=(Step(1.0, 10.0),), within_s=0.25))
    for code, count in codes.items():
        for _ in range(count):
            ledger.finish(1.0, 1.0, 1.0, 1.0 + latency_s, code)
    ledger.fold()
    return sections_of(ledger)[0]


@pytest.mark.parametrize(
    ("slo", "holds"),
    [
        ("p99<250ms", True),
        ("p99<100ms", False),
        ("max<=0.2s", True),
        ("p50<50us", False),
        ("errors<2%", False),
        ("errors<=2%", True),
        ("refused<8.5%", True),
        ("refused<8%", False),
        ("unanswered<=0%", False),
        ("goodput>89%", True),
        ("goodput>=90%", True),
        ("goodput>90%", False),
        ("rate>8/s", True),
        ("rate>9.1", False),
    ],
)
def test_rules_on_ninety_good_eight_refused_one_failed_and_one_lost(slo: str, holds: bool):
    (rule,) = parse_slo(slo)
    verdict = judge(rule, section({200: 90, 429: 5, 503: 3, 500: 1, -2: 1}))
    assert verdict.holds is holds
    assert verdict.text.startswith(slo)


def test_a_percentile_of_no_answers_does_not_hold():
    (rule,) = parse_slo("p99<1s")
    assert not judge(rule, section({429: 10})).holds


def test_requests_given_up_count_in_the_percentiles_and_as_errors():
    counted = section({200: 9, -1: 1}, latency_s=5.0)
    assert counted.latency is not None
    assert counted.latency.count == 10
    assert (counted.errors, counted.unanswered, counted.sent, counted.late) == (1, 1, 10, 9)


def test_several_rules_and_their_limit():
    rules = parse_slo(" p50<10ms , p99.9<1.5s,errors<0.1% ")
    assert [rule.metric for rule in rules] == ["p50", "p99.9", "errors"]
    assert latency_limit_s(rules) == 1.5
    assert latency_limit_s(parse_slo("errors<1%")) == math.inf


@pytest.mark.parametrize(
    "text", ["", "p98<1s", "p99<250", "p99=1s", "errors<1ms", "rate>5%", "p99<ms", "p99<1s,"]
)
def test_a_text_that_is_no_objective_is_refused(text: str):
    with pytest.raises(ValueError, match=r"is not an objective|needs the unit"):
        parse_slo(text)
