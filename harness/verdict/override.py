"""Emergency overrides: what lets a release go that is not GO, for a while, by a named person's signature.

The decision stays what it is. An override is of one verdict and its bytes; it lists what it bypasses, worked out from the
verdict by both sides, and it ends.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar

from harness.errors import ExitCode
from harness.frozen import dataclass
from harness.model import Decision
from harness.profile.schema import OverrideConfig
from harness.verdict.record_format import Bypassed, EmergencyOverride
from harness.verdict.records import Attached
from harness.verdict.refusal import NotGoError, Refusal, RefusedError, not_go
from harness.verdict.statement import Verdict


class OverriddenError(NotGoError):
    """The verdict is not GO, and an override stands that the consumer did not say it accepts."""

    exit_code: ClassVar[ExitCode] = ExitCode.OVERRIDDEN

    def __init__(self, verdict: Verdict, override: EmergencyOverride, expires: datetime) -> None:
        super().__init__(
            Refusal.OVERRIDDEN,
            f"the verdict is {verdict.decision}, and an emergency override exists: {told(override, expires)}",
            verdict,
            hint="to deploy all the same: --accept-override",
        )
        self.override = override
        self.expires = expires


@dataclass(frozen=True)
class Standing:
    """An override that counts now, and when it ends."""

    override: EmergencyOverride
    expires: datetime

    def among(self, attached: Iterable[Attached]) -> Attached:
        """Its record, which tells whose key signed it."""
        return next(each for each in attached if each.record is self.override)


def bypassed(verdict: Verdict) -> tuple[Bypassed, ...]:
    """What is not GO in a verdict, each once, in the order of its reasons."""
    found = (
        Bypassed(reason.gate, reason.check, reason.decision)
        for reason in verdict.decided.reasons
        if reason.decision is not Decision.GO
    )
    return tuple(dict.fromkeys(found))


def digests(verdict: Verdict) -> dict[str, dict[str, str]]:
    """What a verdict is about, by its bytes."""
    return {subject.name: dict(subject.digest) for subject in verdict.info.subjects}


def hold(attached: Iterable[Attached], verdict: Verdict) -> tuple[EmergencyOverride, ...]:
    """The overrides among records that were held, each of exactly what this verdict says.

    Raises:
        RefusedError: ``record_subject``.
    """
    found: list[EmergencyOverride] = []
    for each in attached:
        if not isinstance(override := each.record, EmergencyOverride):
            continue
        same = override.bypassed == bypassed(verdict) and override.subjects == digests(verdict)
        if not same:
            raise RefusedError(
                Refusal.RECORD_SUBJECT,
                f"{each.name}: the override by {override.by} is of other bytes or checks than the verdict's",
                verdict,
                hint="remove it; `gonogo override` writes down what the verdict says",
            )
        found.append(override)
    return tuple(found)


def require_standing(
    verdict: Verdict,
    overrides: Iterable[EmergencyOverride],
    config: OverrideConfig,
    *,
    now: datetime,
    accept: bool,
) -> Standing:
    """The override that lets a verdict go which is not GO: of those that stand, the one that lasts longest.

    Raises:
        OverriddenError: there is one, and it is not accepted.
        NotGoError: there is none, or none any more.
    """
    known = sorted(((ends(each, config), each) for each in overrides), key=lambda pair: pair[0])
    if not known:
        raise not_go(verdict)
    expires, override = known[-1]
    if now >= expires:
        raise not_go(verdict, f"; {told(override, expires, over=True)}")
    if not accept:
        raise OverriddenError(verdict, override, expires)
    return Standing(override, expires)


def ends(override: EmergencyOverride, config: OverrideConfig) -> datetime:
    """When an override ends: when it says, and no later than the consumer's profile allows."""
    return min(override.expires, override.at + timedelta(seconds=config.max))


def told(override: EmergencyOverride, expires: datetime, *, over: bool = False) -> str:
    """An override in one line."""
    ended = "expired" if over else "until"
    return (
        f"{'the override ' if over else ''}by {override.by} for {override.incident} ({override.reason}), "
        f"{ended} {expires:%Y-%m-%d %H:%M:%S} UTC, of {', '.join(each.name for each in override.bypassed)}"
    )
