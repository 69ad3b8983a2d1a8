"""A verdict that rests on waivers: they must be the consumer's own, and hold at the run and now."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from harness.errors import VerdictError
from harness.model import Decision, Finding, Outcome, Subject
from harness.verdict.on_file import read_verdict
from harness.verdict.refusal import RefusedError
from harness.verdict.waived import hold_waivers
from records import waiver

CHECK = "unit.tests.all_pass"


@pytest.fixture
def waived(case: Any) -> Any:
    """A GO with one waived failure."""
    case.result(CHECK, outcome=Outcome.FAILED, reason="1 failed", waiver="W-7")
    case.waive(waiver("W-7", CHECK, reason="fixed in 1.4"))
    assert case.decided.decision is Decision.GO
    return case


def refusal(case: Any) -> str:
    with pytest.raises(VerdictError) as caught:
        case.write().verify()
    return f"{caught.value.code}: {caught.value.message}"


def test_a_waived_failure_is_accepted_and_told(waived: Any) -> None:
    verified = waived.write().verify()
    (reason,) = verified.reasons
    assert (reason.code, reason.check) == ("waived", CHECK)
    assert reason.text == "waived by W-7 (ana, until 2026-11-03 11:55 UTC: fixed in 1.4): 1 failed"


def test_a_verdict_is_usable_no_longer_than_its_waivers(waived: Any) -> None:
    until = waived.now + timedelta(minutes=10)
    waived.waive(replace(waived.profile.waivers[0], expires=until))
    assert waived.write().verify().expires == until


def test_waiver_that_is_over_by_now(waived: Any) -> None:
    waived.waive(replace(waived.profile.waivers[0], expires=waived.now))
    assert waived.decided.decision is Decision.GO
    assert refusal(waived) == (
        f"waiver: {CHECK}: waiver W-7 (ana, until 2026-11-02 12:00 UTC: fixed in 1.4) is over"
    )


def test_waivers_that_the_consumer_cannot_read(waived: Any) -> None:
    waived.write()
    waived.profile = replace(waived.profile, waivers=(), waivers_problem="waivers.toml:3: id: is missing")
    with pytest.raises(VerdictError) as caught:
        waived.verify()
    assert (caught.value.code, caught.value.message) == ("waiver", "waivers.toml:3: id: is missing")


@pytest.mark.parametrize("changes", [{"id": "W-8"}, {"reason": "another"}, {"check": "unit.a.b"}])
def test_other_waivers_are_another_policy(waived: Any, changes: dict[str, str]) -> None:
    waived.write()
    waived.profile = replace(waived.profile, waivers=(replace(waived.profile.waivers[0], **changes),))
    assert refusal_of(waived) == "policy"


def refusal_of(case: Any) -> str:
    with pytest.raises(VerdictError) as caught:
        case.verify()
    return caught.value.code


def test_a_waiver_that_is_over_at_the_run_waives_nothing(waived: Any) -> None:
    waived.waive(replace(waived.profile.waivers[0], expires=waived.info.started))
    assert waived.decided.decision is Decision.NO_GO
    assert "waiver W-7" in (said := refusal(waived))
    assert said.endswith("did not hold when the run started")


def test_a_go_that_hides_what_it_waives_does_not_follow_from_its_record(waived: Any) -> None:
    gates = tuple(replace(gate, reasons=()) for gate in waived.decided.gates)
    waived.decided = replace(waived.decided, reasons=(), gates=gates)
    assert refusal(waived) == "not_derivable: the stated GO does not follow from the verdict's own record"


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ((), "staging has no waiver W-7 here"),
        ((waiver("W-7", CHECK, image="web"),), "is for web, which the verdict does not speak of"),
        ((waiver("W-7", CHECK, image="api@sha256:" + "b" * 64),), "which the verdict does not speak of"),
    ],
)
def test_each_waiver_of_a_verdict_must_be_known_and_in_scope(waived: Any, known: Any, said: str) -> None:
    verdict = read_verdict(waived.write().path)
    with pytest.raises(RefusedError, match=said):
        hold_waivers(verdict, replace(waived.profile, waivers=known), waived.now)


def test_a_waiver_for_the_bytes_of_an_image_is_in_scope_where_they_are_judged(waived: Any) -> None:
    waived.waive(waiver("W-7", CHECK, image="api@sha256:" + "a" * 64))
    assert waived.write().verify().verdict.decision is Decision.GO
    resolved = "subject.images.resolve[api]"
    waived.result(resolved, subjects=(Subject("api", {"sha256": "b" * 64}),))
    assert waived.decided.decision is Decision.NO_GO


def test_a_record_of_another_moment_is_no_verdict(waived: Any) -> None:
    waived.record = replace(waived.record, at=waived.info.started - timedelta(days=1))
    with pytest.raises(ValueError, match="disagree on when it started"):
        waived.statement()


def test_the_mark_of_a_waived_finding_outlives_the_cut(waived: Any) -> None:
    many = tuple(Finding(f"E{n}", "a problem") for n in range(80))
    last = (Finding("B324", "md5", waiver="W-8"), Finding("B324", "md5 again", waiver="W-8"))
    waived.result("unit.coverage.reaches_the_bar", findings=(*many, *last))
    waived.waive(*waived.profile.waivers, waiver("W-8", finding="B324", path="app.py"))
    assert [each.code for each in waived.decided.reasons] == ["waived"]
    verified = waived.write().verify()
    (cut,) = [r for r in verified.verdict.record.results if r.id == "unit.coverage.reaches_the_bar"]
    assert [each.rule for each in cut.findings][49:] == ["E49", "B324"]
    assert verified.verdict.findings[cut.id] == 82
    assert hashlib.sha256(waived.path.read_bytes()).hexdigest() == verified.verdict.sha256
