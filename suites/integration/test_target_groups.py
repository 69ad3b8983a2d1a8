"""Behind each load balancer stand as many healthy targets as there are tasks, and healthy means healthy."""

from collections.abc import Callable

import pytest

from harness.aws import target_groups
from harness.aws.ecs import EcsService
from harness.aws.ecs_state import ServiceState
from harness.aws.session import Aws
from harness.aws.survey import Survey
from harness.aws.target_groups import TargetGroup, TargetGroupState
from harness.fixtures import Check, Patience
from harness.model import Unit
from harness.profile import Profile

_DEPLOY = "deploy the stack that declares it, or correct the profile where the change is meant"
_EVENTS = 5


def test_targets_are_healthy(
    target_group: TargetGroup, survey: Survey, aws: Aws, profile: Profile, patience: Patience, check: Check
) -> None:
    """As many targets are healthy as the service has desired tasks, at least the declared number, and none is not."""
    look = survey.live(aws, target_group, TargetGroupState)
    service = _service(target_group, profile, check) if target_group.service else None
    ask = survey.live(aws, service, ServiceState) if service else None

    def problems(seen: tuple[TargetGroupState, ServiceState | None]) -> tuple[str, ...]:
        group, tasks = seen
        return target_groups.target_problems(
            group, target_group.min_healthy, tasks.desired if tasks else None
        )

    group, tasks = check.eventually(_both(look, ask), lambda seen: not problems(seen), timeout=patience.left)
    check.snapshot("target-group", group)
    check.measure("healthy_targets", group.healthy, Unit.COUNT)
    check.measure("registered_targets", len(group.targets), Unit.COUNT)
    if tasks:
        check.measure("desired_tasks", tasks.desired, Unit.COUNT)
    if found := problems((group, tasks)):
        if tasks:
            check.diagnose(f"event of {tasks.service}: {event}" for event in tasks.events[:_EVENTS])
        check.fail(
            f"{target_group.home}: {'; '.join(found)}",
            hint="see each target's reason and the tasks' logs; a draining one is gone after the deregistration delay, "
            "targets that are missing were never registered by the service",
        )


@pytest.mark.when("load_balancer")
def test_is_behind_its_load_balancer(target_group: TargetGroup, survey: Survey, check: Check) -> None:
    """A listener of the declared load balancer forwards to it."""
    state = survey.state(target_group, TargetGroupState)
    check.snapshot("target-group", state)
    if target_group.load_balancer not in state.load_balancers:
        others = (
            f"those of {', '.join(state.load_balancers)} do" if state.load_balancers else "none at all does"
        )
        check.fail(
            f"no listener of load balancer {target_group.load_balancer} forwards to {target_group.home}; {others}",
            hint="its targets get no requests: add it to a listener's actions or rules",
        )


@pytest.mark.when("port")
def test_forwards_as_declared(target_group: TargetGroup, survey: Survey, check: Check) -> None:
    """It forwards to the declared port, with the declared protocol."""
    state = survey.state(target_group, TargetGroupState)
    check.snapshot("target-group", state)
    if problems := target_groups.traffic_problems(target_group, state):
        check.fail(f"{target_group.home}: {'; '.join(problems)}", hint=_DEPLOY)


@pytest.mark.when("matcher")
def test_matcher_is_not_laxer(target_group: TargetGroup, survey: Survey, check: Check) -> None:
    """Its health check takes no more status codes for healthy than the profile allows."""
    state = survey.state(target_group, TargetGroupState)
    check.snapshot("target-group", state)
    check.fact("matcher", state.matcher or "none")
    if problem := target_groups.matcher_problem(target_group, state):
        check.fail(
            f"{target_group.home}: {problem}",
            hint="with 200-499 a service that answers 404 is healthy: narrow the health check's matcher",
        )


@pytest.mark.when("health_check")
def test_health_check_is_as_declared(target_group: TargetGroup, survey: Survey, check: Check) -> None:
    """Its health check asks the declared path, as often and as patiently as declared."""
    state = survey.state(target_group, TargetGroupState)
    check.snapshot("target-group", state)
    if problems := target_groups.health_check_problems(target_group, state):
        check.fail(f"{target_group.home}: {'; '.join(problems)}", hint=_DEPLOY)


def _service(target_group: TargetGroup, profile: Profile, check: Check) -> EcsService:
    found = [item for item in profile.of(EcsService) if item.service == target_group.service]
    if not found:
        check.error(
            f"{target_group.home}: its service {target_group.service} is not declared in this profile",
            hint="declare it under [[ecs.services]], or set `min_healthy` instead of `service`",
        )
    return found[0]


def _both(
    group: Callable[[], TargetGroupState], tasks: Callable[[], ServiceState] | None
) -> Callable[[], tuple[TargetGroupState, ServiceState | None]]:
    return lambda: (group(), tasks() if tasks else None)
