"""Who may let a GO deploy, and from when on."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from approval_parts import ALICE, BOB, CAROL, CI, HOUR, MINUTE, STRANGER, People
from harness.model import Phase
from harness.profile.schema import ApprovalConfig, OverrideConfig
from harness.verdict.approval import Starters
from harness.verdict.record_format import Approval
from harness.verdict.refusal import Refusal, RefusedError


@pytest.fixture
def people(case: Any) -> People:
    return People(case).profile().write()


def refused(people: People, code: Refusal, exit_code: int, says: str, **how: Any) -> None:
    with pytest.raises(RefusedError) as caught:
        people.verify(**how)
    assert caught.value.code == code.value, caught.value
    assert caught.value.exit_code == exit_code
    assert says in caught.value.message
    assert caught.value.hint


def test_approved_by_another(people: People) -> None:
    people.approve(BOB, comment="looks well")
    verified = people.verify()
    assert [(each.by, each.comment) for each in verified.permission.approvals] == [("bob", "looks well")]
    assert verified.permission.standing is None


def test_approval_missing(people: People) -> None:
    refused(people, Refusal.APPROVAL_MISSING, 13, "0 of 1 approvals by alice, bob")


def test_approval_missing_of_two_people(people: People) -> None:
    people.profile(required=2)
    people.approve(BOB)
    people.approve(BOB, after=MINUTE)
    refused(people, Refusal.APPROVAL_MISSING, 13, "1 of 2 approvals")
    people.approve(ALICE)
    assert len(people.verify().permission.approvals) == 2


def test_too_early_however_early_the_approval_came(people: People) -> None:
    people.profile(wait=300.0)
    people.approve(BOB)
    refused(people, Refusal.TOO_EARLY, 13, "4m 00s left; 1 of 1 approvals")
    people.approve(ALICE)
    refused(people, Refusal.TOO_EARLY, 13, "4m 00s left; 1 of 1 approvals")
    last = timedelta(minutes=5) - timedelta(microseconds=1)
    refused(people, Refusal.TOO_EARLY, 13, "0m 01s left", after=last)
    assert people.verify(after=timedelta(minutes=5)).permission.approvals


def test_too_early_without_approvals(people: People) -> None:
    people.profile(required=0, wait=90.0)
    refused(people, Refusal.TOO_EARLY, 13, "0m 30s left")
    assert people.verify(after=2 * MINUTE).permission.approvals == ()


def test_denied(people: People) -> None:
    people.approve(BOB)
    people.deny(ALICE)
    refused(people, Refusal.DENIED, 13, "alice denied it at 2026-11-02 11:59:30 UTC: the database is busy")


def test_denied_comes_before_the_timer_and_outlives_approvals(people: People) -> None:
    people.profile(wait=300.0, max_age=60.0)
    people.deny(ALICE)
    refused(people, Refusal.DENIED, 13, "alice denied")
    refused(people, Refusal.DENIED, 13, "alice denied", after=10 * HOUR)


def test_the_last_word_of_a_person_counts(people: People) -> None:
    people.deny(BOB, after=MINUTE / 4)
    people.approve(BOB, after=MINUTE / 2)
    assert people.verify().permission.approvals
    people.deny(BOB, after=MINUTE / 2)
    refused(people, Refusal.DENIED, 13, "bob denied")


def test_denied_by_who_started_it(people: People) -> None:
    people.write(ALICE)
    people.approve(BOB)
    people.deny(ALICE)
    refused(people, Refusal.DENIED, 13, "alice denied")


def test_self_approved(people: People) -> None:
    people.write(ALICE)
    people.approve(ALICE)
    refused(people, Refusal.SELF_APPROVED, 13, "alice started the run or overrode it")
    people.approve(BOB)
    assert [each.by for each in people.verify().permission.approvals] == ["bob"]


def test_self_approved_under_another_name_of_the_same_key(case: Any) -> None:
    people = People(case).profile(signers=[CI])
    signing = people.case.profile.policy.signing
    again = signing.signers[0].model_copy(update={"name": "robot", "key": BOB.config.key})
    policy = people.case.profile.policy.model_copy(
        update={"signing": signing.model_copy(update={"signers": [again]})}
    )
    people.case.profile = replace(people.case.profile, policy=policy)
    people.write(BOB, known_as="robot")
    assert "bob" not in Starters.of(people.verdict, ["robot"]).names
    people.approve(BOB)
    refused(people, Refusal.SELF_APPROVED, 13, "bob started the run")


def test_self_approved_by_the_name_that_the_environment_claims(people: People) -> None:
    """It proves nothing, but who goes by the name of an approver must not need more than to be believed."""
    people.write(CI, claimed="Bob")
    people.approve(BOB)
    refused(people, Refusal.SELF_APPROVED, 13, "bob started the run")


def test_starter_unproven(people: People) -> None:
    people.profile(signers=[]).write(None)
    people.approve(BOB)
    refused(people, Refusal.STARTER_UNPROVEN, 14, "no signature says who started the run")


def test_approval_expired(people: People) -> None:
    people.profile(max_age=3600.0)
    people.approve(BOB)
    assert people.verify(after=HOUR).expires == people.made + HOUR + MINUTE / 2
    refused(
        people,
        Refusal.APPROVAL_EXPIRED,
        13,
        "the one by bob is from 2026-11-02 11:59:30",
        after=HOUR + MINUTE,
    )


def test_what_is_accepted_lasts_as_long_as_enough_approvals_do(people: People) -> None:
    people.profile(max_age=3600.0)
    people.approve(BOB)
    people.approve(ALICE, after=MINUTE)
    assert people.verify(after=2 * MINUTE).expires == people.made + HOUR + MINUTE
    people.profile(required=2, max_age=3600.0)
    assert people.verify(after=2 * MINUTE).expires == people.made + HOUR + MINUTE / 2


def test_another_run_needs_its_own_approval(people: People) -> None:
    """The same release, run again: another payload."""
    people.approve(BOB)
    people.case.info = replace(people.case.info, attempt=2)
    people.write()
    refused(people, Refusal.RECORD_SUBJECT, 14, "not about run")
    people.case.info = replace(people.case.info, attempt=1, run_id="another")
    people.write()
    refused(people, Refusal.APPROVAL_MISSING, 13, "0 of 1")


def test_what_comes_after_the_deploy_needs_no_approval(people: People) -> None:
    people.profile(wait=300.0)
    people.case.phase = Phase.POST_DEPLOY
    people.case.info = replace(people.case.info, phase=Phase.POST_DEPLOY)
    people.write()
    assert people.verify().permission.approvals == ()


def test_where_the_profile_demands_none_records_are_not_looked_at(people: People) -> None:
    people.approve(STRANGER)
    people.case.profile = replace(people.case.profile, approval=ApprovalConfig(), override=OverrideConfig())
    assert people.verify().attached == ()


def test_a_name_of_an_unproven_starter_is_among_the_starters(people: People) -> None:
    approval = people.approve(BOB)
    assert approval.name == "approval-1.intoto.json"
    starters = Starters.of(people.verdict, ["ci"])
    assert starters == Starters(frozenset({CI.key.keyid}), frozenset({"ci", "dana"}), proven=True)


@pytest.mark.parametrize("name", ["approver", "bob@example.com"])
def test_names_that_an_approval_may_have(people: People, name: str) -> None:
    assert Approval(people.about, name, people.made).by == name


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"approvers": [ALICE.config]}, "none is required"),
        ({"required": 2, "approvers": [ALICE.config]}, "cannot be met by 1 approvers"),
        ({"required": 1}, "cannot be met by 0 approvers"),
        (
            {"required": 1, "approvers": [ALICE.config, ALICE.config.model_copy(update={"name": "again"})]},
            "have the same key",
        ),
    ],
)
def test_a_table_that_cannot_be_meant(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ApprovalConfig(**values)


def test_two_names_of_one_who_overrides() -> None:
    with pytest.raises(ValueError, match="have the same key"):
        OverrideConfig(signers=[CAROL.config, CAROL.config.model_copy(update={"name": "again"})])
