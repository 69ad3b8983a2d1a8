"""What one result means: waived, flaky, and held once more against its own rules."""

from dataclasses import replace
from fractions import Fraction

import pytest

from harness.model import (
    Attempt,
    Cause,
    Decision,
    Measurement,
    Outcome,
    Record,
    Unit,
)
from harness.policy import decide
from harness.threshold import BaselineRule, parse, parse_any
from records import (
    BROKE,
    EMPTY,
    ERROR,
    FAILED,
    GO,
    INCONCLUSIVE,
    NO_GO,
    PASSED,
    RAN,
    SKIPPED,
    STAGING,
    check,
    codes,
    one_gate,
    waiver,
)

# --- Waivers, flakes -------------------------------------------------------------------------------------------


def test_a_waived_failure_is_shown_and_go_only_where_the_policy_names_the_waiver() -> None:
    failed = check("a", FAILED, waiver="W-7")
    known = waiver("W-7", failed.id)
    assert decide(one_gate(failed)).decision is NO_GO
    assert (
        decide(one_gate(failed, policy=replace(STAGING, waivers=(replace(known, id="W-8"),)))).decision
        is NO_GO
    )
    assert (
        decide(one_gate(failed, policy=replace(STAGING, waivers=(waiver("W-7", "unit.a.b"),)))).decision
        is NO_GO
    )
    decided = decide(one_gate(failed, policy=replace(STAGING, waivers=(known,))))
    assert (decided.decision, codes(decided)) == (GO, ["waived"])
    assert (
        decided.reasons[0].text == "waived by W-7 (ana, until 2026-11-03 11:55 UTC: it is known): a says so"
    )


def test_a_failure_that_names_no_waiver_is_not_waived() -> None:
    known = waiver("W-7", check("a").id)
    assert decide(one_gate(check("a", FAILED), policy=replace(STAGING, waivers=(known,)))).decision is NO_GO


@pytest.mark.parametrize(
    ("outcome", "cause", "expected"),
    [
        (BROKE, None, ERROR),
        (EMPTY, Cause.INVALID_RUN, INCONCLUSIVE),
        (SKIPPED, Cause.UNREACHABLE, INCONCLUSIVE),
    ],
)
def test_only_failures_can_be_waived(outcome: Outcome, cause: Cause | None, expected: Decision) -> None:
    policy = replace(STAGING, waivers=(waiver("W-7", check("a").id),))
    assert decide(one_gate(check("a", outcome, cause, waiver="W-7"), policy=policy)).decision is expected


@pytest.mark.parametrize(("budget", "expected"), [(0, NO_GO), (1, NO_GO), (2, GO)])
def test_flakes_are_told_and_held_to_their_budget(budget: int, expected: Decision) -> None:
    retried = (Attempt(FAILED, "timed out", 1.0), Attempt(PASSED, "", 1.0))
    record = one_gate(
        check("a", flaky=True, attempts=retried),
        check("b", attempts=retried),
        check("c", attempts=(Attempt(PASSED, "", 1.0),)),
        policy=replace(STAGING, max_flaky=budget),
    )
    decided = decide(record)
    assert (decided.decision, codes(decided)) == (expected, ["flaky"])
    assert decided.reasons[0].text.startswith(
        "2 checks passed only when tried again (integration.suite.a, integration.suite.b)"
    )


@pytest.mark.parametrize(
    ("outcome", "attempts", "expected", "code"),
    [
        (PASSED, (FAILED, BROKE, PASSED), GO, "flaky"),
        (FAILED, (FAILED, BROKE), NO_GO, "failed"),
        (BROKE, (BROKE, FAILED), ERROR, "error"),
        (FAILED, (FAILED, SKIPPED), NO_GO, "failed"),
        (FAILED, (FAILED,), NO_GO, "failed"),
        (FAILED, (FAILED, PASSED), ERROR, "inconsistent"),
        (FAILED, (PASSED,), ERROR, "inconsistent"),
        (PASSED, (FAILED, FAILED), ERROR, "inconsistent"),
        (PASSED, (SKIPPED, PASSED), ERROR, "inconsistent"),
        (SKIPPED, (FAILED, SKIPPED), ERROR, "inconsistent"),
        (EMPTY, (BROKE, EMPTY), ERROR, "inconsistent"),
    ],
)
def test_attempts_and_result_must_fit(
    outcome: Outcome, attempts: tuple[Outcome, ...], expected: Decision, code: str
) -> None:
    causes = {SKIPPED: Cause.ABSENT, EMPTY: Cause.INVALID_RUN}
    tried = check(
        "a", outcome, causes.get(outcome), attempts=tuple(Attempt(each, "so", 1.0) for each in attempts)
    )
    decided = decide(one_gate(tried, check("b"), policy=replace(STAGING, max_flaky=1)))
    assert (decided.decision, codes(decided)[0]) == (expected, code)


def test_the_waivers_of_a_profile_are_told_where_somebody_should_look() -> None:
    policy = replace(
        STAGING,
        waivers=(
            waiver("W-1", check("a").id, expires=RAN),
            waiver("W-2", check("a").id),
            waiver("W-3", "integration.suite.c[*]"),
            waiver("W-4", "load.a.b"),
        ),
    )
    decided = decide(one_gate(check("a"), policy=policy))
    told = [(each.code, each.text.split()[1], each.decision) for each in decided.reasons]
    assert told == [
        ("waiver_expired", "W-1", GO),
        ("waiver_unused", "W-2", GO),
        ("waiver_unused", "W-3", GO),
        ("waiver_broad", "W-3", GO),
    ]


# --- Thresholds are held anew ----------------------------------------------------------------------------------

SEEN = Measurement("success_rate", Fraction(95, 100), Unit.RATIO, 300)
RULE = parse("success_rate >= 95%")
HELD = RULE.judge(SEEN)


def judged(*measurements: Measurement, **changes: object) -> Record:
    threshold = replace(HELD, **changes)  # type: ignore[arg-type]
    return one_gate(check("a", measurements=measurements, thresholds=(threshold,)))


def test_a_rule_kept_exactly_is_go() -> None:
    assert decide(judged(SEEN)).decision is GO
    other = Measurement("p95", Fraction(9), Unit.SECONDS, 1)
    assert decide(judged(other, SEEN)).decision is GO


@pytest.mark.parametrize(
    ("changes", "code", "expected"),
    [
        pytest.param({"held": False}, "failed", NO_GO, id="says it did not hold"),
        pytest.param({"held": None}, "failed", NO_GO, id="does not say"),
        pytest.param({"threshold": "success_rate >= 99%"}, "failed", NO_GO, id="another rule than limit"),
        pytest.param({"limit": Fraction(1, 2)}, "failed", NO_GO, id="another limit than rule"),
        pytest.param({"threshold": "gibberish"}, "failed", NO_GO, id="a rule that does not parse"),
        pytest.param({"threshold": "success_rate > 95%"}, "failed", NO_GO, id="a rule that does not hold"),
        pytest.param({"actual": Fraction(1)}, "inconsistent", ERROR, id="a number that was not measured"),
        pytest.param({"sample": 3000}, "inconsistent", ERROR, id="a sample that was not taken"),
        pytest.param({"unit": Unit.COUNT}, "inconsistent", ERROR, id="another unit"),
        pytest.param({"metric": "p95"}, "inconsistent", ERROR, id="another metric"),
        pytest.param({"actual": None}, "inconsistent", ERROR, id="nothing, though it was measured"),
    ],
)
def test_a_pass_whose_rule_does_not_hold_is_no_pass(
    changes: dict[str, object], code: str, expected: Decision
) -> None:
    decided = decide(judged(SEEN, **changes))
    assert (decided.decision, codes(decided)) == (expected, [code])


BEFORE = Measurement.of("baseline_p95", Fraction(20, 1000), Unit.SECONDS, sample=50)
NOW = Measurement.of("p95", Fraction(21, 1000), Unit.SECONDS, sample=60)
BOUND = parse_any("p95 <= baseline + 10%")


@pytest.mark.parametrize(
    ("measurements", "changes", "expected"),
    [
        pytest.param((NOW, BEFORE), {}, GO, id="as it was"),
        pytest.param((NOW,), {}, NO_GO, id="no baseline on record"),
        pytest.param((NOW, BEFORE, replace(BEFORE, value=Fraction(1))), {}, NO_GO, id="two baselines"),
        pytest.param((NOW, replace(BEFORE, value=Fraction(19, 1000))), {}, NO_GO, id="another baseline than limit"),
        pytest.param((NOW, BEFORE), {"threshold": "p95 <= baseline + 4%"}, NO_GO, id="another tolerance"),
        pytest.param((NOW, BEFORE), {"limit": Fraction(1)}, NO_GO, id="another limit"),
        pytest.param((NOW, replace(BEFORE, value=None)), {}, NO_GO, id="a baseline of nothing"),
    ],
)  # fmt: skip
def test_a_rule_on_a_baseline_is_judged_anew_from_what_was_recorded(
    measurements: tuple[Measurement, ...], changes: dict[str, object], expected: Decision
) -> None:
    assert isinstance(BOUND, BaselineRule)
    told = replace(BOUND.against(BEFORE).judge(NOW), **changes)  # type: ignore[arg-type]
    record = one_gate(check("a", measurements=measurements, thresholds=(told,)))
    assert decide(record).decision is expected


def test_a_rule_on_nothing_is_inconclusive() -> None:
    nothing = Measurement.of("success_rate", float("nan"), Unit.RATIO, sample=10)
    for measurements in ((), (nothing,)):
        record = judged(*measurements, actual=None, held=None)
        assert codes(decide(record)) == ["nothing_checked"]
        assert decide(record).decision is INCONCLUSIVE
    unsampled = replace(SEEN, sample=0)
    assert decide(judged(unsampled, sample=0)).decision is INCONCLUSIVE


def test_the_gravest_of_several_rules_is_told() -> None:
    fast = parse("p95 < 5s").judge(None)
    result = check("a", measurements=(SEEN,), thresholds=(fast, replace(HELD, held=False)))
    assert codes(decide(one_gate(result))) == ["failed"]


def test_the_number_beside_a_broken_rule_never_reads_like_its_limit() -> None:
    close = replace(SEEN, value=Fraction("0.9999899999"))
    rule = parse("success_rate >= 99.999%")
    record = one_gate(check("a", measurements=(close,), thresholds=(rule.judge(close),)))
    assert decide(record).reasons[0].text == (
        "success_rate is 99.99899999 %, the rule is success_rate >= 99.999%"
    )
