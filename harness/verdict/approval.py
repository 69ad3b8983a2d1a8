"""Approvals: who may let a GO deploy, and from when on. The decision about records that `harness.verdict.records` held.

A person's last word counts. A denial stands until the one who denied approves; an approval ends after the profile's
``max_age``. Nobody approves a run of their own, and nobody an override of their own.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, NoReturn

from harness.errors import ExitCode
from harness.frozen import dataclass
from harness.profile.schema import ApprovalConfig
from harness.verdict.record_format import Approval, Denial
from harness.verdict.records import Attached
from harness.verdict.refusal import Refusal, RefusedError
from harness.verdict.statement import Verdict


@dataclass(frozen=True)
class Waits:
    """What a deploy waits for: a moment (UTC), and how many approvals count of those that are required."""

    not_before: datetime
    approvals: int
    required: int

    def __str__(self) -> str:
        return f"{min(self.approvals, self.required)} of {self.required} approvals"


class WaitingError(RefusedError):
    """Nothing is wrong with the verdict, but it may not be deployed, or not yet; `waits` says for what, where that ends."""

    exit_code: ClassVar[ExitCode] = ExitCode.PENDING

    def __init__(
        self, code: Refusal, message: str, verdict: Verdict, *, hint: str, waits: Waits | None = None
    ) -> None:
        super().__init__(code, message, verdict, hint=hint)
        self.waits = waits


@dataclass(frozen=True)
class Starters:
    """Who started a run: the keys that signed its verdict, and every name that it goes by, lower case.

    `proven` says that a signature was held against the profile's keys. A name that only the environment claims is
    among `names` too: it cannot prove who started a run, but it may well say who must not approve it.
    """

    keyids: frozenset[str]
    names: frozenset[str]
    proven: bool

    @classmethod
    def of(cls, verdict: Verdict, signers: Sequence[str]) -> "Starters":
        """Those of a verdict whose signatures were found to be those of `signers`."""
        envelope, info = verdict.envelope, verdict.info
        keyids = {each.keyid for each in envelope.signatures} if envelope else set()
        names = {*signers, info.started_by, info.starter.name if info.starter else ""} - {""}
        return cls(frozenset(keyids), frozenset(name.casefold() for name in names), bool(signers))

    def __contains__(self, attached: Attached) -> bool:
        return attached.keyid in self.keyids or attached.record.by.casefold() in self.names


def demand(
    verdict: Verdict,
    attached: Iterable[Attached],
    config: ApprovalConfig,
    *,
    starters: Starters,
    override: Attached | None,
    now: datetime,
) -> tuple[Approval, ...]:
    """The approvals that let a verdict deploy, or the reason why it may not.

    Args:
        verdict: what is to be deployed; GO, or overridden.
        attached: its records, each held.
        config: what the consumer's profile demands of a verdict of this phase.
        starters: who started the run.
        override: what lets it go where it is not GO.
        now: UTC.

    Raises:
        RefusedError: denied, too early, or not approved by enough others.
    """
    last = _last_words(attached)
    for each in last:
        if isinstance(each.record, Denial):
            raise WaitingError(
                Refusal.DENIED,
                f"{each.record.by} denied it at {each.record.at:%Y-%m-%d %H:%M:%S} UTC: {each.record.reason}",
                verdict,
                hint="the denial stands until the one who denied approves, or run the gates on another release",
            )
    said = [each for each in last if isinstance(each.record, Approval)]
    age = timedelta(seconds=config.max_age)
    fresh = [each for each in said if now < each.record.at + age]
    counted = [
        each for each in fresh if each not in starters and not overrode(override, each.record.by, each.keyid)
    ]
    waits = Waits(not_before(verdict, config), len(counted), config.required)
    _hold_timer(verdict, waits, now)
    if config.required and not starters.proven:
        raise RefusedError(
            Refusal.STARTER_UNPROVEN,
            "no signature says who started the run, and so who must not approve it",
            verdict,
            hint="name who signs in [policy.signing] signers",
        )
    if len(counted) < config.required:
        _refuse(verdict, config, waits, said=said, fresh=fresh, counted=counted)
    return tuple(each.record for each in counted if isinstance(each.record, Approval))


def not_before(verdict: Verdict, config: ApprovalConfig) -> datetime:
    """The moment from which on it may deploy, by the verifier's clock; a fast one only waits less than its skew."""
    return (verdict.info.finished or verdict.info.started) + timedelta(seconds=config.wait)


def until(approvals: Iterable[Approval], config: ApprovalConfig, expires: datetime) -> datetime:
    """When what was accepted by these approvals is over; `expires` where nothing ends before."""
    age = timedelta(seconds=config.max_age)
    ends = sorted((each.at + age for each in approvals), reverse=True)
    return min(expires, ends[config.required - 1]) if ends else expires


def _last_words(attached: Iterable[Attached]) -> list[Attached]:
    """Each person's last approval or denial; of two at the same moment, the denial."""
    last: dict[str, Attached] = {}
    for each in attached:
        if not isinstance(each.record, Approval | Denial):
            continue
        other = last.get(each.record.by)
        if other is None or _order(each) > _order(other):
            last[each.record.by] = each
    return [last[name] for name in sorted(last)]


def _order(attached: Attached) -> tuple[datetime, bool]:
    return attached.record.at, isinstance(attached.record, Denial)


def overrode(override: Attached | None, name: str, keyid: str) -> bool:
    """Whether an override is of a person: by the key, whatever lists of a profile call it, or by the name."""
    if override is None:
        return False
    return override.keyid == keyid or override.record.by.casefold() == name.casefold()


def _hold_timer(verdict: Verdict, waits: Waits, now: datetime) -> None:
    begins = waits.not_before
    if now >= begins:
        return
    left = math.ceil((begins - now).total_seconds())
    approved = f"; {waits}" if waits.required else ""
    raise WaitingError(
        Refusal.TOO_EARLY,
        f"nothing deploys before {begins:%Y-%m-%d %H:%M:%S} UTC: {left // 60}m {left % 60:02}s left{approved}",
        verdict,
        hint="wait, and verify again",
        waits=waits,
    )


def _refuse(
    verdict: Verdict,
    config: ApprovalConfig,
    waits: Waits,
    *,
    said: Sequence[Attached],
    fresh: Sequence[Attached],
    counted: Sequence[Attached],
) -> NoReturn:
    """Why there are too few: the approvals that are there and do not count come before those that are not."""
    wanted = ", ".join(approver.name for approver in config.approvers)
    own = [each.record.by for each in fresh if each not in counted]
    old = [each.record for each in said if each not in fresh]
    if own:
        why = f"{waits}: {', '.join(own)} started the run or overrode it, and so does not count"
        code, hint = Refusal.SELF_APPROVED, f"another of {wanted} must approve it"
    elif old:
        first = old[0]
        why = f"{waits}: the one by {first.by} is from {first.at:%Y-%m-%d %H:%M:%S} UTC and counts no more"
        code, hint = (
            Refusal.APPROVAL_EXPIRED,
            f"approve it again: gonogo approve --profile {verdict.info.profile}",
        )
    else:
        code, why = Refusal.APPROVAL_MISSING, f"{waits} by {wanted}"
        hint = f"gonogo approve --profile {verdict.info.profile} --as NAME --sign-with KEY"
    raise WaitingError(code, why, verdict, hint=hint, waits=waits)
