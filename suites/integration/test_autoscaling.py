"""Each declared scalable target keeps the service's number of tasks within its limits, and really scales."""

from harness.aws import autoscaling
from harness.aws.autoscaling import ScalableTarget, TargetState
from harness.aws.survey import Survey
from harness.fixtures import Check
from harness.model import Unit


def test_limits_are_as_declared(scalable_target: ScalableTarget, survey: Survey, check: Check) -> None:
    """Its minimum and maximum number of tasks are the declared ones."""
    state = survey.state(scalable_target, TargetState)
    check.snapshot("scalable-target", state)
    check.measure("min_capacity", state.minimum, Unit.COUNT)
    check.measure("max_capacity", state.maximum, Unit.COUNT)
    if problems := autoscaling.limit_problems(scalable_target, state):
        check.fail(
            f"{scalable_target.home}: {'; '.join(problems)}",
            hint="deploy the stack that declares it, or correct the profile where the change is meant",
        )


def test_is_not_suspended(scalable_target: ScalableTarget, survey: Survey, check: Check) -> None:
    """Nothing of its scaling is suspended."""
    state = survey.state(scalable_target, TargetState)
    check.snapshot("scalable-target", state)
    if state.suspended:
        check.fail(
            f"{scalable_target.home}: suspended: {', '.join(state.suspended)}",
            hint="resume it (aws application-autoscaling register-scalable-target --suspended-state): whoever "
            "suspended it for an incident has left it so",
        )


def test_has_its_policies(scalable_target: ScalableTarget, survey: Survey, check: Check) -> None:
    """It has a scaling policy, and each that is declared."""
    state = survey.state(scalable_target, TargetState)
    check.snapshot("scalable-target", state)
    check.measure("scaling_policies", len(state.policies), Unit.COUNT)
    if problem := autoscaling.policy_problem(scalable_target, state):
        check.fail(
            f"{scalable_target.home}: {problem}",
            hint="deploy the stack that declares the policy, or correct `policies` in the profile",
        )
