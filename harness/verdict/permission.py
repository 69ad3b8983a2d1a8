"""What lets a usable verdict go: GO, or an override that stands; the wait timer; and the approvals of others.

The records are read and held before anything rests on them (`held`), and weighed last (`permit`). What weighs them is
imported only where a profile demands something: every deploy step verifies, and not every one needs approval.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import VerdictError
from harness.frozen import dataclass
from harness.model import Decision, Phase
from harness.profile import Profile
from harness.profile.schema import ApprovalConfig
from harness.verdict.evidence import run_home
from harness.verdict.refusal import Refusal, RefusedError
from harness.verdict.statement import Verdict

if TYPE_CHECKING:
    from harness.verdict.override import Standing
    from harness.verdict.record_format import Approval
    from harness.verdict.records import Attached


@dataclass(frozen=True)
class Permission:
    """What a verdict goes by, until `expires`: the approvals that count, and the override where it is not GO."""

    expires: datetime
    approvals: tuple["Approval", ...] = ()
    standing: "Standing | None" = None


def applies(config: ApprovalConfig, phase: Phase) -> bool:
    """Whether anything must be waited for: an approval is of a deploy, and so of what is asked before one."""
    return phase is Phase.PRE_DEPLOY and bool(config.required or config.wait)


def held(
    path: Path, verdict: Verdict, profile: Profile, now: datetime, kept: Path | None = None
) -> tuple["Attached", ...]:
    """The records beside the verdict at `path`, and those in the run's folder `kept` of a store, each of whom the profile
    names for its kind.

    Records of a kind for which the profile names nobody are left out: nothing rests on them.

    Raises:
        RefusedError: with a code that begins with ``record_``.
    """
    if not (profile.approval.approvers or profile.override.signers):
        return ()
    from harness.verdict import override, records
    from harness.verdict.record_format import EmergencyOverride

    found: list[Attached] = []
    try:
        attached = records.read_records(run_home(path, verdict.info.run_id), *([kept] if kept else []))
        for overrides, trusted in ((False, profile.approval.approvers), (True, profile.override.signers)):
            ours = [each for each in attached if isinstance(each.record, EmergencyOverride) == overrides]
            if trusted:
                records.hold(ours, verdict, trusted, now=now)
                found += ours
    except VerdictError as error:
        raise RefusedError(Refusal(error.code), error.message, verdict, hint=error.hint) from None
    override.hold(found, verdict)
    return tuple(found)


def permit(
    verdict: Verdict,
    attached: Sequence["Attached"],
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
    if verdict.decision is Decision.GO and not applies(profile.approval, verdict.info.phase):
        return Permission(expires)
    from harness.verdict import approval, override

    standing = None
    if verdict.decision is not Decision.GO:
        overrides = override.hold(attached, verdict)
        standing = override.require_standing(
            verdict, overrides, profile.override, now=now, accept=accept_override
        )
        expires = min(expires, standing.expires)
    approvals: tuple[Approval, ...] = ()
    if applies(profile.approval, verdict.info.phase):
        approvals = approval.demand(
            verdict,
            attached,
            profile.approval,
            starters=approval.Starters.of(verdict, signers),
            override=standing.among(attached) if standing else None,
            now=now,
        )
    return Permission(approval.until(approvals, profile.approval, expires), approvals, standing)
