"""Each declared stack is what its template says, and no failed one is left lying about."""

import pytest

from harness.aws import cloudformation as cfn
from harness.aws.cloudformation import CloudFormationStack, LeftoversState, StackLeftovers, StackState
from harness.aws.diagnosis import gather
from harness.aws.drift import Drift, detect
from harness.aws.session import Aws
from harness.aws.survey import Survey
from harness.fixtures import Check, Patience, SideBySide
from harness.model import Cause, Unit
from harness.profile import Profile

_LEFTOVERS_EXPLAINED = 3


@pytest.fixture(scope="session")
def drifts(request: pytest.FixtureRequest, aws: Aws) -> SideBySide[CloudFormationStack, Drift]:
    """Drift detection of the stacks whose drift is judged, all at once: it takes minutes each."""
    return SideBySide(request, CloudFormationStack.fixture, lambda stack: detect(aws, stack))


def test_is_complete(
    cloudformation_stack: CloudFormationStack, survey: Survey, aws: Aws, patience: Patience, check: Check
) -> None:
    """The stack's last operation is complete: not failed, not rolled back, not under way."""
    state = check.eventually(
        survey.live(aws, cloudformation_stack, StackState),
        lambda seen: not cfn.under_way(seen),
        timeout=patience.left,
    )
    check.snapshot("stack", state)
    check.fact("status", state.status)
    check.fact("last_updated", state.updated)
    if problem := cfn.status_problem(state):
        check.diagnose(gather(("stack events", lambda: cfn.failures(aws, cloudformation_stack.stack))))
        check.fail(
            f"{cloudformation_stack.home} {problem}",
            hint="see in the diagnosis which resource failed and why, mend that, then deploy the stack again",
        )


@pytest.mark.when("judges_protection")
def test_termination_protection_is_as_declared(
    cloudformation_stack: CloudFormationStack, survey: Survey, check: Check
) -> None:
    """The stack is protected from deletion, or not, as declared."""
    state = survey.state(cloudformation_stack, StackState)
    check.snapshot("stack", state)
    if state.protected != cloudformation_stack.termination_protection:
        found, wanted = ("on", "off") if state.protected else ("off", "on")
        check.fail(
            f"the termination protection of {cloudformation_stack.home} is {found}, declared {wanted}",
            hint=f"turn it {wanted} (aws cloudformation update-termination-protection), or correct the profile",
        )


@pytest.mark.when("judges_values")
def test_values_are_as_declared(
    cloudformation_stack: CloudFormationStack, survey: Survey, check: Check
) -> None:
    """The declared parameters and outputs are there, with the declared values."""
    state = survey.state(cloudformation_stack, StackState)
    check.snapshot("stack", state)
    if problems := cfn.value_problems(cloudformation_stack, state):
        check.fail(
            f"{cloudformation_stack.home}: {'; '.join(problems)}",
            hint="deploy the stack from the right template and parameters, or correct the profile",
        )


@pytest.mark.when("drift")
def test_has_not_drifted(
    cloudformation_stack: CloudFormationStack, drifts: SideBySide[CloudFormationStack, Drift], check: Check
) -> None:
    """What runs is what the stack's template says: nobody changed it by hand."""
    home, drift = cloudformation_stack.home, drifts.of(cloudformation_stack)
    check.snapshot("drift", drift)
    check.measure("compared_resources", drift.compared, Unit.COUNT)
    check.measure("drifted_resources", len(drift.drifted), Unit.COUNT)
    if drift.drifted:
        check.diagnose(resource.line for resource in drift.drifted)
        check.fail(
            f"{home} has drifted: {len(drift.drifted)} of {drift.compared} compared resources are not as its "
            f"template says: {', '.join(resource.name for resource in drift.drifted)}",
            hint="see in the diagnosis what differs; undo the change, or bring it into the template and deploy that",
        )
    if not drift.finished:
        check.inconclusive(
            Cause.NOTHING_CHECKED,
            f"detecting the drift of {home} took longer than {cloudformation_stack.drift_timeout:g} s",
            hint="run again, or allow it more time with `drift_timeout`",
        )
    if drift.unknown or drift.status != "IN_SYNC":
        check.diagnose(drift.unknown)
        check.error(
            f"the drift of {home} could not be found out whole: {drift.reason or drift.status}",
            hint="CloudFormation compares with the gate's own permissions: allow it to read the stack's resources",
        )
    if not drift.compared:
        check.inconclusive(
            Cause.NOTHING_CHECKED,
            f"{home} has no resource whose drift CloudFormation can detect",
            hint="leave `drift` out for this stack",
        )


def test_nothing_failed_is_left(
    stack_leftovers: StackLeftovers, survey: Survey, aws: Aws, profile: Profile, check: Check
) -> None:
    """No stack of such a name has failed, beside the declared ones."""
    state = survey.state(stack_leftovers, LeftoversState)
    check.snapshot("stacks", state)
    check.measure("stacks", len(state.stacks), Unit.COUNT)
    if failed := state.failed(item.stack for item in profile.of(CloudFormationStack)):
        check.diagnose(
            gather(
                *(
                    (f"events of {seen.name}", lambda name=seen.name: cfn.failures(aws, name, limit=2))
                    for seen in failed[:_LEFTOVERS_EXPLAINED]
                )
            )
        )
        check.fail(
            f"{len(failed)} of the {stack_leftovers.home} failed and are still there: "
            + "; ".join(f"{seen.name} {cfn.status_problem(seen)}" for seen in failed),
            hint="delete them, or repair them: what they hold is paid for and in the way of the next deploy",
        )
