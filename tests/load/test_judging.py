"""The rules of a scenario with their certainty: what is broken, what holds, what nobody can say."""

from fractions import Fraction

import pytest

from harness.load.judging import judge
from harness.threshold import parse
from load_parts import MS, run_of

FINE = [([10 * MS] * 49, 1)] * 20
RULES = ("success_rate >= 95%", "avg_response_time < 2s", "p95 < 5s", "rate > 2/s")


def test_without_a_confidence_the_figures_decide_and_the_certainty_is_told() -> None:
    found = judge([parse(rule) for rule in RULES], run_of(FINE), bound=10.0)
    assert [result.held for result in found.results] == [True] * 4
    assert (found.broken, found.uncertain, found.undecided) == ((), (), "")
    assert found.facts["success_rate"] == (
        "98 % (95 % confidence: 96.9 % to 98.8 %; 1,000 effective of 1,000 requests)"
    )
    assert set(found.facts) == {"success_rate", "avg_response_time", "p95"}
    assert found.results[0].actual == Fraction(98, 100)


@pytest.mark.parametrize(
    ("rule", "broken", "undecided"),
    [
        ("success_rate >= 95%", False, False),
        ("success_rate >= 97.5%", False, True),
        ("success_rate >= 98.5%", False, True),
        ("success_rate >= 99.5%", True, False),
        ("success_rate == 100%", True, False),
        ("rate > 1000/s", True, False),
        ("rate > 2/s", False, False),
    ],
)
def test_with_a_confidence_a_rule_holds_breaks_or_is_undecided(
    rule: str, broken: bool, undecided: bool
) -> None:
    found = judge([parse(rule)], run_of(FINE), bound=10.0, confidence=0.95)
    assert (bool(found.broken), bool(found.undecided)) == (broken, undecided)


def test_what_is_broken_for_certain_outweighs_what_is_uncertain() -> None:
    rules = [parse("success_rate >= 97.5%"), parse("p95 < 5ms")]
    found = judge(rules, run_of(FINE), bound=10.0, confidence=0.95)
    assert [result.metric for result in found.broken] == ["p95"]
    assert found.undecided == ""
    (why,) = found.uncertain
    assert why == (
        "success_rate is 98 %, but with 95 % confidence 96.9 % to 98.8 %, on both sides of success_rate >= 97.5% "
        "(1,000 effective of 1,000 samples)"
    )


def test_two_rules_on_a_metric_tell_the_lesser_certainty() -> None:
    slow = [([10 * MS] * 99 + [300 * MS], 0)] * 19 + [([10 * MS] * 50 + [300 * MS] * 50, 0)]
    found = judge([parse("p95 < 100ms"), parse("p95 < 200ms")], run_of(slow), bound=10.0)
    assert "effective of 2,000 responses" in found.facts["p95"]
    assert "2,000 effective" not in found.facts["p95"]


def test_nothing_measured_is_neither_broken_nor_held() -> None:
    found = judge([parse("p95 < 5s")], run_of([([], 10)]), bound=10.0, confidence=0.99)
    assert [result.held for result in found.results] == [None]
    assert (found.broken, found.uncertain, found.facts) == ((), (), {})
