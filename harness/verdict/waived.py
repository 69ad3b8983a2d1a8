"""A verdict's waivers, held against the consumer's own: known here, in scope, in time at the run, and in time now."""

from datetime import datetime

from harness.profile import Profile
from harness.verdict.refusal import Refusal, RefusedError
from harness.verdict.statement import Verdict
from harness.waivers import images_of, is_about, is_over, told


def require_readable(verdict: Verdict, profile: Profile) -> None:
    """The consumer's own file of waivers can be read; where it cannot, nobody knows what may be waived.

    Raises:
        RefusedError: it cannot.
    """
    if profile.waivers_problem:
        raise RefusedError(
            Refusal.WAIVER, profile.waivers_problem, verdict, hint="correct it; see `gonogo waivers check`"
        )


def hold_waivers(verdict: Verdict, profile: Profile, now: datetime) -> None:
    """Every waiver that a result of the verdict names is the consumer's as well, and holds.

    Raises:
        RefusedError: one is not, or does not.
    """
    known = {waiver.id: waiver for waiver in profile.waivers}
    images = images_of(verdict.record.results)
    for result in verdict.record.results:
        for name in result.waivers:
            waiver = known.get(name)
            if waiver is None:
                wrong = f"{profile.name} has no waiver {name} here"
            elif not is_about(waiver, images):
                wrong = f"waiver {told(waiver)} is for {waiver.image}, which the verdict does not speak of"
            elif is_over(waiver, verdict.info.started):
                wrong = f"waiver {told(waiver)} did not hold when the run started"
            elif is_over(waiver, now):
                wrong = f"waiver {told(waiver)} is over"
            else:
                continue
            raise RefusedError(
                Refusal.WAIVER,
                f"{result.id}: {wrong}",
                verdict,
                hint="correct what was waived, then run the gates again",
            )


def holds_until(verdict: Verdict, profile: Profile, expires: datetime) -> datetime:
    """When the verdict may be used no more: it expires, or the first of its waivers does."""
    named = {name for result in verdict.record.results for name in result.waivers}
    return min([expires, *(waiver.expires for waiver in profile.waivers if waiver.id in named)])
