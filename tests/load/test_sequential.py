"""The decision while the load runs: boundaries, what it never does, and what it says."""

from collections.abc import Sequence
from fractions import Fraction
from math import inf
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load.statistics.sequential import (
    Ground,
    Look,
    RateDecision,
    RateRule,
    State,
    Terms,
    window_length,
)
from harness.model import Measurement, Unit
from harness.threshold import parse

PLANNED = 12_000
WINDOW = 50


def rule(text: str = "success_rate >= 95%") -> RateRule:
    found = RateRule.of(parse(text))
    assert found is not None
    return found


def looks(
    counts: Sequence[tuple[int, int]], *, planned: int | None = PLANNED, text: str = "", **terms: Any
) -> list[Look]:
    """Feed windows until the decision is there."""
    decision = RateDecision(rule(text or "success_rate >= 95%"), planned, Terms(**terms))
    found, n, k = [], 0, 0
    for requests, failures in counts:
        n, k = n + requests, k + failures
        decision.feed(n, k)
        found.append(decision.look())
        if found[-1].state is not State.GO_ON:
            return found
    return [*found, decision.look(over=True)]


def independent(failure: float, seed: int, *, windows: int = PLANNED // WINDOW) -> list[tuple[int, int]]:
    random = Random(seed)
    return [(WINDOW, sum(random.random() < failure for _ in range(WINDOW))) for _ in range(windows)]


TEXTS = [
    "success_rate >= 95%",
    "success_rate > 95%",
    "error_rate <= 5%",
    "error_rate < 5%",
    "success_rate >= 100%",
    "success_rate > 100%",
    "error_rate <= 0%",
    "error_rate <= 33.3%",
    "error_rate <= 100%",
    "success_rate >= 0%",
    "success_rate == 100%",
    "error_rate == 0%",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("requests", [1, 7, 20, 100, 999])
def test_the_most_failures_are_where_the_threshold_turns(text: str, requests: int) -> None:
    found, threshold = rule(text), parse(text)

    def held(failures: int) -> bool | None:
        value = found.estimate(requests, failures)
        return threshold.judge(Measurement(threshold.metric, value, Unit.RATIO, requests)).held

    most = found.most(requests)
    assert -1 <= most <= requests
    for failures in {max(most, 0), min(most + 1, requests), 0, requests}:
        assert held(failures) is (failures <= most)
        assert found.held(Fraction(failures, requests)) is (failures <= most)


@pytest.mark.parametrize(
    "text",
    [
        "p95 < 2s",
        "requests >= 10",
        "success_rate <= 95%",
        "success_rate < 5%",
        "error_rate >= 5%",
        "error_rate > 5%",
        "success_rate == 99%",
        "error_rate == 100%",
        "success_rate == 0%",
    ],
)
def test_rules_that_more_failures_do_not_break_are_not_for_it(text: str) -> None:
    assert RateRule.of(parse(text)) is None


def test_curtailment_comes_with_the_first_failure_too_many() -> None:
    """600 of 12,000 may fail. All windows fail a little more than the limit says, one by one."""
    at = looks([(600, 600)])
    assert (at[0].state, at[-1].state, at[-1].ground) == (State.GO_ON, State.FAIL, Ground.HORIZON)
    over = looks([(601, 601)])[-1]
    assert (over.state, over.ground, over.evidence) == (State.FAIL, Ground.CURTAILMENT, inf)
    assert over.reason == "601 failures so far; the rule allows 600 in all of the 12000 planned requests"
    assert over.saved == 11_399


a_run = st.lists(
    st.integers(0, 12).flatmap(lambda m: st.tuples(st.just(m), st.integers(0, m))), min_size=1, max_size=30
)


@given(a_run, st.sampled_from(TEXTS), st.sampled_from([None, 0.9]))
@settings(max_examples=200)
def test_curtailment_never_contradicts_the_horizon(
    counts: list[tuple[int, int]], text: str, confidence: float | None
) -> None:
    """Whatever the order of the failures: what curtailment fails early would not have passed in the end."""
    planned, failures = sum(m for m, _ in counts), sum(y for _, y in counts)
    if not planned:
        return
    found = looks(counts, planned=planned, text=text, alpha=1e-12, confidence=confidence)[-1]
    kept = failures <= rule(text).most(planned)
    if found.ground is Ground.CURTAILMENT:
        assert not kept
        assert found.state is State.FAIL
    elif found.ground is Ground.HORIZON and confidence is None:
        assert found.state is (State.PASS if kept else State.FAIL)
        assert found.saved == 0
    else:
        assert found.ground is not Ground.EARLY_PASS


@given(st.integers(0, 2**32), st.sampled_from([0.01, 0.04, 0.05]))
@settings(max_examples=8, deadline=None)
def test_runs_that_pass_are_not_stopped(seed: int, failure: float) -> None:
    counts = independent(failure, seed)
    kept = sum(y for _, y in counts) <= 600
    found = looks(counts)[-1]
    if kept:
        assert (found.state, found.ground) == (State.PASS, Ground.HORIZON)
    else:
        assert found.state is State.FAIL


def test_no_evidence_before_six_windows() -> None:
    found = looks([(WINDOW, 25)] * 240)
    assert [look.evidence for look in found[:5]] == [0.0] * 5
    assert (found[-1].windows, found[-1].ground) == (6, Ground.EVIDENCE)
    assert found[-1].reason.startswith("success_rate 50 % of 300 requests: ")
    assert found[-1].reason.endswith(
        "times likelier in a run that breaks the rule than in one that keeps it (1,000 are enough)"
    )


@pytest.mark.parametrize(("failure", "seconds"), [(0.5, 2.0), (0.2, 4.0)])
@pytest.mark.parametrize("seed", range(10))
def test_a_broken_service_fails_fast(failure: float, seconds: float, seed: int) -> None:
    """At 200 a second of 60 s planned, in windows of a quarter of a second."""
    found = looks(independent(failure, seed))[-1]
    assert found.state is State.FAIL
    assert found.requests / 200 < seconds
    assert found.interval.low <= float(found.estimate or 0) <= found.interval.high
    assert found.interval.high < 0.95


@pytest.mark.parametrize("before", [0, 1, 3, 20, 150])
@pytest.mark.parametrize("gap", [0, 1, 3, 6, 40])
@pytest.mark.parametrize("first", [2, 4, 6])
def test_an_outage_that_the_rule_can_absorb_is_waited_out(before: int, gap: int, first: int) -> None:
    """Three seconds of sixty fail whole, at the start or later, at once or in two parts: 600 of 600 allowed failures."""
    healthy, down = (WINDOW, 0), (WINDOW, WINDOW)
    counts = [healthy] * before + [down] * first + [healthy] * gap + [down] * (12 - first)
    found = looks(counts + [healthy] * (240 - len(counts)))[-1]
    assert (found.state, found.ground, found.failures) == (State.PASS, Ground.HORIZON, 600)


@pytest.mark.parametrize("down", [6, 20, 47])
def test_the_first_look_waits_for_what_the_limit_absorbs(down: int) -> None:
    """A rule that allows a fifth of sixty seconds does not end a run for an outage of seconds at its start."""
    counts = [(WINDOW, WINDOW)] * down + [(WINDOW, 0)] * (240 - down)
    found = looks(counts, text="success_rate >= 80%")
    assert (found[-1].state, found[-1].ground) == (State.PASS, Ground.HORIZON)
    assert found[14].evidence == 0.0  # 757 of 12,000 requests are 15.1 windows


def test_an_effect_of_bursts_is_reported() -> None:
    counts = [(WINDOW, WINDOW * (index % 60 == 30)) for index in range(240)]
    found = looks(counts)[-1]
    assert found.state is State.PASS
    assert found.design_effect > 40
    assert found.effective == pytest.approx(PLANNED / found.design_effect)
    assert found.interval.low < 0.98 < found.interval.high


def test_confidence_makes_a_run_near_its_limit_inconclusive() -> None:
    near = looks([(WINDOW, 2)] * 18 + [(WINDOW, 3)] * 18, planned=1800, confidence=0.95)[-1]
    assert (near.state, near.ground) == (State.INCONCLUSIVE, Ground.HORIZON)
    assert near.reason.startswith(
        "success_rate 95 % of 1800 requests; with a confidence of 0.95 it is within "
    )
    assert "on both sides of the limit" in near.reason
    assert looks([(WINDOW, 0)] * 240, confidence=0.95)[-1].state is State.PASS
    assert (
        looks([(WINDOW, 0)] * 240, text="error_rate <= 0%", confidence=0.95)[-1].state is State.INCONCLUSIVE
    )


def test_with_confidence_an_early_fail_waits_for_it() -> None:
    """The 6th failure of 100 planned is one too many, but 6 of 80 may well be 5 %."""
    counts = [(10, 1), (10, 0), (10, 1), (10, 1), (10, 1), (10, 1), (10, 1), (30, 0)]
    assert looks(counts, planned=100)[-1].ground is Ground.CURTAILMENT
    found = looks(counts, planned=100, confidence=0.95)
    assert [look.state for look in found[:-1]] == [State.GO_ON] * 7
    assert (found[-1].state, found[-1].ground) == (State.INCONCLUSIVE, Ground.HORIZON)


def test_an_early_pass_is_asked_for_and_says_what_it_assumes() -> None:
    counts = independent(0.01, 3)
    assert looks(counts)[-1].ground is Ground.HORIZON
    found = looks(counts, early_pass=True)[-1]
    assert (found.state, found.ground) == (State.PASS, Ground.EARLY_PASS)
    assert found.saved > 8_000
    assert "assumes that the rest of the run is like this (stationarity)" in found.reason
    assert looks(independent(0.06, 3), early_pass=True)[-1].state is State.FAIL


def test_an_early_pass_needs_six_windows_and_the_confidence_that_is_asked_for() -> None:
    anything = looks([(WINDOW, 9)] * 10, planned=500, text="error_rate <= 100%", early_pass=True)[-1]
    assert (anything.windows, anything.state) == (6, State.PASS)
    sure = looks(independent(0.04, 3), early_pass=True, confidence=0.9999, alpha=0.4)
    unsure = looks(independent(0.04, 3), early_pass=True, alpha=0.4)
    assert len(sure) > len(unsure)
    assert unsure[-1].ground is Ground.EARLY_PASS


def test_a_closed_loop_is_judged_at_its_end() -> None:
    found = looks([(50, 50)] * 10, planned=None, early_pass=True)
    assert {look.state for look in found[:-1]} == {State.GO_ON}
    assert (found[-1].state, found[-1].ground, found[-1].planned) == (State.FAIL, Ground.HORIZON, None)
    assert looks([(50, 1)] * 10, planned=None, early_pass=True)[-1].state is State.PASS


@pytest.mark.parametrize(
    ("text", "failures", "reason"),
    [
        ("success_rate >= 100%", 1, "1 failures so far; the rule allows 0 in a run"),
        ("success_rate > 100%", 0, "no run can keep this rule"),
        ("error_rate < 0%", 0, "no run can keep this rule"),
        ("success_rate >= 101%", 3, "no run can keep this rule"),
    ],
)
def test_where_no_failure_is_allowed_a_closed_loop_ends_early_too(
    text: str, failures: int, reason: str
) -> None:
    found = looks([(10, failures)], planned=None, text=text)[-1]
    assert (found.state, found.ground, found.reason, found.saved) == (
        State.FAIL,
        Ground.CURTAILMENT,
        reason,
        0,
    )
    planned = looks([(10, failures)], text=text)[-1]
    assert (planned.state, planned.ground, planned.saved) == (State.FAIL, Ground.CURTAILMENT, PLANNED - 10)


@pytest.mark.parametrize("planned", [None, 10])
@pytest.mark.parametrize("text", TEXTS)
def test_nothing_seen_is_never_a_pass(planned: int | None, text: str) -> None:
    found = looks([], planned=planned, text=text)[-1]
    assert (found.state, found.ground) == (State.INCONCLUSIVE, Ground.HORIZON)
    assert found.estimate is None
    assert found.reason == "no request was completed"
    assert (found.interval.low, found.interval.high) == (0.0, 1.0)


def test_a_run_that_ended_short_is_judged_by_what_it_sent() -> None:
    found = looks([(90, 5)], planned=100)[-1]
    assert (found.state, found.ground, found.saved) == (State.FAIL, Ground.HORIZON, 0)


def test_the_estimate_is_the_metric_s_own() -> None:
    assert looks([(100, 3)], planned=100)[-1].estimate == Fraction(97, 100)
    found = looks([(100, 3)], planned=100, text="error_rate <= 5%")[-1]
    assert found.estimate == Fraction(3, 100)
    assert found.interval.low < 0.03 < found.interval.high


@pytest.mark.parametrize("counts", [(11, 0), (2, 3), (-1, 0)])
def test_counts_that_cannot_be(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"requests of a run|cannot have"):
        RateDecision(rule(), 10).feed(*counts)


def test_counts_do_not_go_down() -> None:
    decision = RateDecision(rule(), 10)
    decision.feed(5, 2)
    with pytest.raises(ValueError, match="cannot have"):
        decision.feed(4, 2)
    with pytest.raises(ValueError, match="cannot have"):
        decision.feed(6, 1)


@pytest.mark.parametrize("terms", [{"alpha": 0}, {"alpha": 1}, {"confidence": 0}, {"confidence": 95}])
def test_terms_are_probabilities(terms: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not between 0 and 1"):
        Terms(**terms)


def test_a_plan_of_nothing_has_no_horizon() -> None:
    with pytest.raises(ValueError, match="no horizon"):
        RateDecision(rule(), 0)


@pytest.mark.parametrize(
    ("duration", "planned", "seconds"), [(60, 12_000, 0.25), (30, 150, 2.0), (10, 5, 10.0), (600, 10**6, 2.5)]
)
def test_windows_are_a_share_of_the_run(duration: float, planned: int, seconds: float) -> None:
    assert window_length(duration, planned) == seconds
