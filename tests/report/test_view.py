"""Cases: what each check is shown as."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness.model import (
    Cause,
    CheckResult,
    Decision,
    ExpectedCheck,
    ExpectedGate,
    GateRun,
    Outcome,
    Record,
    SessionEnd,
)
from harness.report.view import Case, SkipGroup, State, View, view

Decide = Callable[[Record], Any]


def shown(run: Any) -> View:
    return view(run.record, run.decided)


def test_states_of_a_bad_run(bad: Any) -> None:
    seen = shown(bad)
    states = {case.id: case.state for case in seen.cases}
    assert states == {
        "subject.source.clean": State.PASSED,
        "unit.unit.tests": State.FAILED,
        "unit.unit.coverage": State.FAILED,
        "security.bandit.findings": State.WAIVED,
        "security.safety.advisories": State.INCONCLUSIVE,
        "security.safety.retried": State.PASSED,
        "integration": State.INCONCLUSIVE,
        "integration.ecs.active[api-service-staging]": State.SKIPPED,
        "integration.sqs.redrive[orders.fifo]": State.SKIPPED,
        "integration.rds.login[rds-staging]": State.ERROR,
        "integration.rds.encrypted[rds-staging]": State.NOT_RUN,
        "load": State.BLOCKED,
        "load.load.thresholds[api-health]": State.BLOCKED,
    }
    assert [(case.cause, case.allowed) for case in seen.skips] == [
        (Cause.NO_CREDENTIALS, False),
        (Cause.ABSENT, True),
    ]
    assert [case.state for case in seen.failures] == [
        State.ERROR, State.FAILED, State.FAILED, State.NOT_RUN, State.INCONCLUSIVE
    ]  # fmt: skip
    assert [gate.remark for gate in seen.gates] == ["", "", "", "", "by unit"]
    assert [case.id for case in seen.flaky] == ["security.safety.retried"]
    assert len(seen.evidence) == 2


def test_a_pass_whose_threshold_does_not_hold_is_shown_as_what_it_is(good: Any, of_record: Decide) -> None:
    lying = [
        replace(result, thresholds=tuple(replace(t, actual=t.limit * 2) for t in result.thresholds))
        for result in good.record.results
    ]
    seen = shown(of_record(replace(good.record, results=tuple(lying))))
    assert {case.id for case in seen.failures} == {"unit.unit.coverage", "load.load.thresholds[api-health]"}
    assert all("was not measured" in case.reason for case in seen.failures)


def test_a_waiver_that_the_policy_does_not_know_waives_nothing(bad: Any, of_record: Decide) -> None:
    policy = replace(bad.record.policy, waivers=())
    seen = shown(of_record(replace(bad.record, policy=policy)))
    assert seen.of(State.WAIVED) == []
    assert "security.bandit.findings" in {case.id for case in seen.failures}


def test_checks_of_a_gate_that_was_skipped_with_its_dependency(of_record: Decide, good: Any) -> None:
    gates = (ExpectedGate("integration", 0), ExpectedGate("load", 1, depends=("integration",)))
    record = Record(
        good.record.policy,
        gates,
        (ExpectedCheck("load.thresholds[api]", "load"),),
        (
            GateRun("integration", SessionEnd.COMPLETED),
            GateRun("load", SessionEnd.DEPENDENCY, root="integration"),
        ),
        (
            CheckResult(
                "integration.ecs.active",
                "integration",
                Outcome.SKIPPED,
                reason="not there",
                cause=Cause.ABSENT,
            ),
        ),
    )
    run = of_record(record)
    seen = shown(run)
    assert run.decided.decision is Decision.GO
    assert [(case.state, case.cause, case.ok) for case in seen.cases] == [
        (State.SKIPPED, Cause.ABSENT, True),
        (State.SKIPPED, Cause.DEPENDENCY_NOT_PROVEN, True),
    ]
    assert seen.gates[1].remark == "needs integration"
    assert seen.gates[0].remark == "absent"


def test_results_of_a_gate_nobody_expected_are_shown(good: Any, of_record: Decide) -> None:
    stray = CheckResult("surprise.a.b", "surprise", Outcome.PASSED)
    run = of_record(replace(good.record, results=(*good.record.results, stray)))
    gate = shown(run).gates[-1]
    assert (gate.name, gate.outcome, gate.decision, gate.remark) == (
        "surprise", "unexpected", Decision.ERROR, "no gate of this run"
    )  # fmt: skip
    assert [case.state for case in gate.cases] == [State.ERROR, State.PASSED]


def test_a_gate_that_did_not_run_is_told_once(good: Any, of_record: Decide) -> None:
    run = of_record(replace(good.record, runs=(), results=(), partial=True))
    seen = shown(run)
    assert {gate.outcome for gate in seen.gates} == {"not run"}
    assert seen.failures == []
    assert [reason.code for reason in seen.general] == ["partial", *["not_run"] * 5]


def test_a_gate_that_nobody_decided_on_says_so(good: Any) -> None:
    """A decision without a verdict for a gate: told, whatever made it."""
    seen = view(replace(good.record, results=()), replace(good.decided, gates=(), reasons=()))
    first = seen.gates[0].cases[0]
    assert (first.state, first.reason) == (State.ERROR, "results came from a gate nobody expected")


def test_a_gate_whose_checks_say_why_they_were_skipped_does_not_say_it_again() -> None:
    def group(reason: str, *, gate: bool = False, cause: str = "no_credentials") -> SkipGroup:
        case = Case("load" if gate else "load.x.y", "load", "", State.SKIPPED, reason, is_gate=gate)
        return SkipGroup("load", cause, False, reason, "configure them", (case,))

    checks = group("none are configured")
    own = group("all 2 checks skipped (no_credentials): none are configured", gate=True)
    assert own.repeats(checks)
    assert not checks.repeats(own)
    assert not own.repeats(own)
    assert not own.repeats(group("none are configured", cause="unreachable"))
    assert not group("integration was not proven", gate=True).repeats(checks)
    assert not own.repeats(group(""))
