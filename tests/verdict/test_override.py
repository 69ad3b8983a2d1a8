"""What lets a release go that is not GO, for a while."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from approval_parts import ALICE, BOB, CAROL, CI, HOUR, MINUTE, STRANGER, People
from harness.model import Decision, Outcome
from harness.profile.schema import OverrideConfig
from harness.verdict.override import OverriddenError, bypassed
from harness.verdict.record_format import Bypassed
from harness.verdict.refusal import NotGoError, Refusal, RefusedError

FAILED = Bypassed("unit", "unit.tests.all_pass", Decision.NO_GO)


@pytest.fixture
def people(case: Any) -> People:
    """A NO_GO of a moment ago."""
    case.result("unit.tests.all_pass", outcome=Outcome.FAILED, reason="2 tests failed")
    found = People(case).profile(required=0).write()
    assert found.verdict.decision is Decision.NO_GO
    return found


def refused(people: People, code: Refusal, exit_code: int, says: str, **how: Any) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        people.verify(**how)
    assert caught.value.code == code.value, caught.value
    assert caught.value.exit_code == exit_code
    assert says in caught.value.message
    assert caught.value.hint
    return caught.value


def test_overridden(people: People) -> None:
    people.add(people.overriding(), CAROL)
    error = refused(
        people,
        Refusal.OVERRIDDEN,
        15,
        "the verdict is NO_GO, and an emergency override exists: by carol for INC-7 (checkout is down), "
        "until 2026-11-02 15:59:30 UTC, of unit.tests.all_pass",
    )
    assert isinstance(error, OverriddenError)
    assert "--accept-override" in error.hint
    verified = people.verify(accept_override=True)
    assert verified.verdict.decision is Decision.NO_GO
    assert verified.permission.standing is not None
    assert verified.permission.standing.override.bypassed[0] == FAILED
    assert verified.expires == people.made + MINUTE / 2 + 4 * HOUR


def test_without_an_override_accepting_one_changes_nothing(people: People) -> None:
    refused(people, Refusal.NO_GO, 10, "2 tests failed", accept_override=True)


def test_a_go_is_a_go_beside_an_override(case: Any) -> None:
    people = People(case).profile(required=0).write()
    assert bypassed(people.verdict) == ()
    with pytest.raises(ValueError, match="bypasses nothing"):
        people.overriding()


def test_an_override_that_is_over_is_ignored_and_said(people: People) -> None:
    people.add(people.overriding(lasts=HOUR), CAROL)
    for accept in (True, False):
        refused(
            people,
            Refusal.NO_GO,
            10,
            "2 tests failed; the override by carol for INC-7 (checkout is down), expired 2026-11-02 12:59:30 UTC",
            accept_override=accept,
            after=HOUR + MINUTE / 2,
        )
    assert people.verify(accept_override=True, after=HOUR).permission.standing


def test_an_override_lasts_no_longer_than_the_consumers_profile_allows(people: People) -> None:
    people.profile(required=0, override_max=3600.0)
    people.add(people.overriding(lasts=timedelta(days=300)), CAROL)
    assert people.verify(accept_override=True, after=HOUR).expires == people.made + HOUR + MINUTE / 2
    refused(people, Refusal.NO_GO, 10, "expired", accept_override=True, after=2 * HOUR)


def test_of_two_overrides_the_longer_one_stands(people: People) -> None:
    people.add(people.overriding(lasts=2 * HOUR), CAROL)
    people.add(people.overriding(ALICE, lasts=HOUR), ALICE)
    standing = people.verify(accept_override=True).permission.standing
    assert standing is not None
    assert standing.override.by == "carol"


def test_approval_is_still_demanded_of_somebody_else(people: People) -> None:
    people.profile()
    people.add(people.overriding(ALICE), ALICE)
    refused(people, Refusal.OVERRIDDEN, 15, "by alice")
    refused(people, Refusal.APPROVAL_MISSING, 13, "0 of 1", accept_override=True)
    people.approve(ALICE)
    refused(people, Refusal.SELF_APPROVED, 13, "alice started the run or overrode it", accept_override=True)
    people.approve(BOB)
    assert people.verify(accept_override=True).permission.approvals[0].by == "bob"


def test_one_key_does_not_override_and_approve_by_two_names(people: People) -> None:
    people.profile()
    profile = people.case.profile
    robert = BOB.config.model_copy(update={"name": "robert"})
    people.case.profile = replace(profile, override=OverrideConfig(signers=[robert]))
    people.add(people.overriding(replace(BOB, name="robert")), BOB)
    people.approve(BOB)
    refused(people, Refusal.SELF_APPROVED, 13, "bob started the run or overrode it", accept_override=True)
    people.approve(ALICE)
    assert [each.by for each in people.verify(accept_override=True).permission.approvals] == ["alice"]


def test_the_timer_is_still_waited_for(people: People) -> None:
    people.profile(required=0, wait=300.0)
    people.add(people.overriding(), CAROL)
    refused(people, Refusal.TOO_EARLY, 13, "4m 00s left", accept_override=True)


def test_a_pending_verdict_cannot_be_overridden(people: People) -> None:
    from harness.verdict.reading import encode
    from harness.verdict.statement import placeholder

    override = people.overriding()
    people.case.path.write_bytes(encode(placeholder(people.case.info)))
    from harness.verdict.records import attach, sign

    attach(people.home, sign(override, CAROL))
    with pytest.raises(NotGoError) as caught:
        people.case.verify()
    assert (caught.value.code, caught.value.exit_code) == ("pending", 13)


def test_what_cannot_be_used_cannot_be_overridden(people: People) -> None:
    people.add(people.overriding(), CAROL)
    people.case.policy_digest = "e" * 64
    refused(people, Refusal.POLICY, 14, "decided by policy", accept_override=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"bypassed": (FAILED, Bypassed("load", "", Decision.ERROR))},
        {"bypassed": (replace(FAILED, decision=Decision.ERROR),)},
        {"subjects": {"source": {"gitCommit": "c" * 40}, "api": {"sha256": "b" * 64}}},
    ],
)
def test_an_override_of_other_checks_or_bytes_is_refused(people: People, changes: dict[str, Any]) -> None:
    people.add(people.overriding(**changes), CAROL)
    refused(people, Refusal.RECORD_SUBJECT, 14, "other bytes or checks", accept_override=True)


@pytest.mark.parametrize("by", [STRANGER, BOB, CI])
def test_who_may_approve_may_not_override(people: People, by: Any) -> None:
    people.profile()
    people.add(people.overriding(by), by)
    refused(people, Refusal.RECORD_SIGNER_UNKNOWN, 14, by.key.keyid, accept_override=True)


def test_where_nobody_may_override_there_is_no_override(people: People) -> None:
    people.add(people.overriding(), CAROL)
    people.case.profile = replace(people.case.profile, override=OverrideConfig())
    refused(people, Refusal.NO_GO, 10, "2 tests failed", accept_override=True)


def test_what_is_bypassed_is_each_thing_that_is_not_go_once() -> None:
    assert [each.name for each in (FAILED, replace(FAILED, check=""), Bypassed("", "", Decision.ERROR))] == [
        "unit.tests.all_pass",
        "unit",
        "the run",
    ]
