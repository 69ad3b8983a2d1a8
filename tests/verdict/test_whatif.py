"""What would change a decision is asked of the policy, not guessed."""

from dataclasses import replace
from typing import Any

from harness.model import CheckResult, Decision, ExpectedGate, GateRun, Outcome, SessionEnd
from harness.policy import decide
from harness.verdict.whatif import Change, changes


def told(case: Any) -> list[str]:
    return [str(change) for change in changes(case.record, case.decided)]


def test_a_go_needs_nothing(case: Any) -> None:
    assert told(case) == []


def test_one_failed_gate(case: Any) -> None:
    case.result("unit.tests.all_pass", outcome=Outcome.FAILED, reason="2 failed")
    assert told(case) == ["if unit passed: GO"]


def test_a_threshold_that_does_not_hold(case: Any) -> None:
    result = case.record.results[-1]
    case.result(result.id, thresholds=(replace(result.thresholds[0], held=False),))
    assert case.decided.decision is Decision.NO_GO
    assert told(case) == ["if load passed: GO"]


def test_two_failed_gates_and_one_that_waits(case: Any) -> None:
    case.result("unit.tests.all_pass", outcome=Outcome.FAILED, reason="2 failed")
    case.result("subject.source.committed", outcome=Outcome.ERROR, reason="no git")
    case.record = replace(
        case.record,
        runs=(*case.record.runs[:2], GateRun("load", SessionEnd.BLOCKED, root="subject")),
        results=case.record.results[:-1],
    )
    case.decided = decide(case.record)
    assert told(case) == [
        "if subject passed: NO_GO, and load would have to run",
        "if unit passed: ERROR",
        "if subject and unit passed: INCONCLUSIVE, and load would have to run",
        "if subject, unit and load passed: GO",
    ]


def test_checks_that_did_not_report_and_a_floor(case: Any) -> None:
    case.record = replace(
        case.record,
        gates=(*case.record.gates[:2], ExpectedGate("load", 1, min_checks=3)),
        results=case.record.results[:-1],
    )
    case.decided = decide(case.record)
    assert case.decided.decision is Decision.INCONCLUSIVE
    assert told(case) == ["if load passed: GO"]


def test_a_partial_run_must_be_made_whole(case: Any) -> None:
    case.record = replace(
        case.record, partial=True, runs=case.record.runs[:2], results=case.record.results[:-1]
    )
    case.decided = decide(case.record)
    assert told(case) == [
        "if load passed: INCONCLUSIVE",
        "if the run were whole and no check flaky, and load passed: GO",
    ]


def test_flaky_checks_and_results_from_nowhere_belong_to_no_gate(case: Any) -> None:
    case.result("unit.tests.all_pass", flaky=True)
    assert told(case) == ["if the run were whole and no check flaky: GO"]
    case.record = replace(
        case.record, results=(*case.record.results, CheckResult("x.y", "x", Outcome.PASSED))
    )
    assert changes(case.record, decide(case.record)) == (Change((), Decision.GO, whole=True),)
