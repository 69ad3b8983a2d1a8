"""Each declared ECS service runs what it should, completely."""

import pytest

from harness.aws import ecs
from harness.aws.ecr import resolve_image
from harness.aws.ecs import EcsService, ServiceState
from harness.aws.session import Aws
from harness.aws.survey import Survey
from harness.fixtures import Check, Patience
from harness.gates.context import GateContext
from harness.model import Phase, Unit
from harness.profile import Profile


def test_is_active(ecs_service: EcsService, survey: Survey, aws: Aws, check: Check) -> None:
    """The service is ACTIVE."""
    state = survey.state(ecs_service, ServiceState)
    check.snapshot("service", state)
    if state.status != "ACTIVE":
        check.diagnose(ecs.diagnose(aws, ecs_service, state))
        check.fail(
            f"{ecs_service.home} is {state.status}, not ACTIVE",
            hint="a DRAINING or INACTIVE service was deleted: deploy it again",
        )


def test_running_count(
    ecs_service: EcsService, survey: Survey, aws: Aws, patience: Patience, check: Check
) -> None:
    """As many tasks run as are desired, and at least as many are desired as the profile wants."""
    state = check.eventually(
        survey.live(aws, ecs_service, ServiceState),
        lambda seen: not ecs.count_problem(seen, ecs_service.min_tasks),
        timeout=patience.left,
    )
    check.snapshot("service", state)
    check.measure("running_tasks", state.running, Unit.COUNT)
    check.measure("desired_tasks", state.desired, Unit.COUNT)
    if problem := ecs.count_problem(state, ecs_service.min_tasks):
        check.diagnose(ecs.diagnose(aws, ecs_service, state))
        check.fail(
            f"{ecs_service.home}: {problem}",
            hint="see why tasks stop in the diagnosis, or correct the service's desired count",
        )


def test_rollout_is_complete(
    ecs_service: EcsService, survey: Survey, aws: Aws, patience: Patience, check: Check
) -> None:
    """The service's one deployment is COMPLETED and all its tasks run."""
    state = check.eventually(
        survey.live(aws, ecs_service, ServiceState),
        lambda seen: not ecs.rollout_problem(seen),
        timeout=patience.left,
    )
    check.snapshot("service", state)
    if problem := ecs.rollout_problem(state):
        check.diagnose(ecs.diagnose(aws, ecs_service, state))
        check.fail(
            f"{ecs_service.home}: {problem}",
            hint="wait for the rollout, or see in the diagnosis why its tasks do not start",
        )


@pytest.mark.when("image")
def test_running_digest(
    ecs_service: EcsService,
    aws: Aws,
    profile: Profile,
    context: GateContext,
    settle: float,
    check: Check,
) -> None:
    """The tasks run the released image: recorded before a deploy, demanded after it."""
    repository = profile.app.images[ecs_service.image]
    released = _released(context, aws, ecs_service.image, repository)
    running = check.eventually(
        lambda: ecs.running_digest(aws, ecs_service, repository),
        lambda seen: seen.digests == (released,) if released else bool(seen.digests),
        timeout=settle,
    )
    check.snapshot("running", running)
    check.fact("running_digest", ", ".join(running.digests) or "none")
    check.fact("running_digest_source", running.source)
    if released:
        check.fact("released_digest", released)
    check.measure("running_containers", running.containers, Unit.COUNT)
    if not running.digests:
        check.diagnose(ecs.diagnose(aws, ecs_service))
        check.fail(
            f"{ecs_service.home}: {running.source}",
            hint="see why no task runs, or correct `image` and [app] images in the profile",
        )
    if released and running.digests != (released,):
        check.diagnose(ecs.diagnose(aws, ecs_service))
        check.fail(
            f"{ecs_service.home} runs {', '.join(running.digests)}, released is {released}",
            hint="a rollout that failed leaves the old image running, a circuit breaker puts it back: "
            "see the service's events",
        )


def _released(context: GateContext, aws: Aws, image: str, repository: str) -> str:
    """The digest that must run now; empty before a deploy, and where the release does not name the image.

    The gate that resolves the release's tags may run beside this one, so what it has not said yet is asked here.
    """
    if context.phase is Phase.PRE_DEPLOY or image not in context.images:
        return ""
    return context.image_digest(image) or resolve_image(aws, repository, context.images[image])
