"""The environments stay alike: they differ where their profiles say so, and nowhere else."""

from dataclasses import replace

from harness.aws.census import require
from harness.aws.parity import Side, compare, uncompared
from harness.aws.survey import Survey, take
from harness.fixtures import Check
from harness.gates.context import GateContext
from harness.model import Cause, Unit
from harness.profile import Profile

_SHOWN = 8


def test_is_like(counterpart: str, survey: Survey, context: GateContext, check: Check) -> None:
    """What both environments have is alike, but for what their profiles declare differently."""
    other = _profile(context, counterpart)
    found = take(other, context.phase)
    require(found.census)
    here, there = Side(context.profile, survey), Side(other, found)
    result = compare(here, there)
    check.snapshot("comparison", result)
    check.measure("compared_attributes", result.compared, Unit.COUNT)
    check.measure("drifted_attributes", len(result.drifts), Unit.COUNT, sample=max(1, result.compared))
    check.fact("compared_resources", result.resources)
    check.diagnose([str(drift) for drift in result.drifts])
    check.diagnose(uncompared(here, there))
    if result.drifts:
        shown = "; ".join(str(drift) for drift in result.drifts[:_SHOWN])
        more = len(result.drifts) - _SHOWN
        check.fail(
            f"{context.profile.name} and {other.name} have drifted apart in {len(result.drifts)} attributes: {shown}"
            + (f"; and {more} more" if more > 0 else ""),
            hint="deploy the same infrastructure code to both, or declare the difference in their profiles",
        )
    if not result.compared:
        check.inconclusive(
            Cause.NOTHING_CHECKED,
            f"{context.profile.name} and {other.name} have nothing in common that could be compared",
            hint="correct [gates.integration] parity, or the names of the resources in one of the profiles",
        )


def _profile(context: GateContext, name: str) -> Profile:
    """The other environment's profile, read-only: nothing of it is ever changed from here."""
    (profile,) = (other for other in context.counterparts if other.name == name)
    return replace(profile, aws=profile.aws.model_copy(update={"access": "read-only"}))
