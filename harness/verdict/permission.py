"""What lets a usable verdict go: GO, or an override that stands; the wait timer; and the approvals of others.

The records are read and held before anything rests on them (`held`), and weighed last (`permit`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.errors import VerdictError
from harness.model import Decision
from harness.profile import Profile
from harness.verdict import approval, override, records
from harness.verdict.override import Standing
from harness.verdict.record_format import Approval, EmergencyOverride
from harness.verdict.records import Attached
from harness.verdict.refusal import Refusal, RefusedError
from harness.verdict.statement import Verdict


@dataclass(frozen=True)
class Permission:
    """What a verdict goes by: the approvals that count, and the override where it is not GO."""

    expires: datetime
    approvals: tuple[Approval, ...] = ()
    standing: Standing | None = None


def held(path: Path, verdict: Verdict, profile: Profile, now: datetime) -> tuple[Attached, ...]:
    """The records beside the verdict at `path`, those of approvers and those who may override, and of nobody else.

    Records of a kind that the profile knows nothing of are left out: nothing rests on them.

    Raises:
        RefusedError: with a code that begins with ``record_``.
    """
    signers = {Approval: profile.approval.approvers, EmergencyOverride: profile.override.signers}
    if not any(signers.values()):
        return ()
    found: list[Attached] = []
    try:
        attached = records.read_records(records.run_home(path, verdict.info.run_id))
        for overrides in (False, True):
            ours = [each for each in attached if isinstance(each.record, EmergencyOverride) == overrides]
            trusted = signers[EmergencyOverride if overrides else Approval]
            if trusted:
                records.hold(ours, verdict, trusted, now=now)
                found += ours
    except VerdictError as error:
        raise RefusedError(Refusal(error.code), error.message, verdict, hint=error.hint) from None
    override.hold(found, verdict)
    return tuple(found)


def permit(
    verdict: Verdict,
    attached: Sequence[Attached],
    profile: Profile,
    *,
    signers: Sequence[str],
    expires: datetime,
    now: datetime,
    accept_override: bool,
) -> Permission:
    """What a verdict that can be relied on goes by, here and now.

    Args:
        verdict: GO or not; not PENDING.
        attached: what `held` gave.
        profile: the consumer's.
        signers: whose signatures of the verdict were found to hold.
        expires: when the verdict itself does.
        now: UTC.
        accept_override: whether the consumer deploys what is not GO, where an override stands.

    Raises:
        RefusedError: it may not go.
    """
    standing = None
    if verdict.decision is not Decision.GO:
        overrides = override.hold(attached, verdict)
        standing = override.require_standing(
            verdict, overrides, profile.override, now=now, accept=accept_override
        )
        expires = min(expires, standing.expires)
    approvals = approval.demand(
        verdict,
        attached,
        profile.approval,
        starters=approval.Starters.of(verdict, signers),
        override=standing.override if standing else None,
        now=now,
    )
    return Permission(approval.until(approvals, profile.approval, expires), approvals, standing)
