"""Each declared ECS service runs what it should, completely, and gives up on a deployment that fails."""

import pytest

from harness.aws import ecs_rules as rules
from harness.aws.ecr import resolve_image
from harness.aws.ecs import EcsService
from harness.aws.ecs_deployments import LastDeployment, last_deployment, must_be_listed, rollback_problem
from harness.aws.ecs_diagnosis import diagnose
from harness.aws.ecs_state import ServiceState
from harness.aws.session import Aws
from harness.aws.survey import Survey
from harness.fixtures import Check, Patience, SideBySide
from harness.gates.context import GateContext
from harness.model import Cause, Phase, Unit
from harness.profile import Profile


@pytest.fixture(scope="session")
def last_deployments(
    request: pytest.FixtureRequest, aws: Aws
) -> SideBySide[EcsService, LastDeployment | None]:
    """How the last deployment of each service ended."""
    return SideBySide(request, EcsService.fixture, lambda service: last_deployment(aws, service))


def test_is_active(ecs_service: EcsService, survey: Survey, aws: Aws, check: Check) -> None:
    """The service is ACTIVE."""
    state = survey.state(ecs_service, ServiceState)
    check.snapshot("service", state)
    if state.status != "ACTIVE":
        check.diagnose(diagnose(aws, ecs_service, state))
        check.fail(
            f"{ecs_service.home} is {state.status}, not ACTIVE",
            hint="a DRAINING or INACTIVE service was deleted: deploy it again",
        )


def test_running_count(
    ecs_service: EcsService, survey: Survey, aws: Aws, patience: Patience, check: Check
) -> None:
    """As many tasks run as are desired, and as many are desired as the profile wants."""
    state = check.eventually(
        survey.live(aws, ecs_service, ServiceState),
        lambda seen: not rules.count_problem(ecs_service, seen),
        timeout=patience.left,
    )
    check.snapshot("service", state)
    check.measure("running_tasks", state.running, Unit.COUNT)
    check.measure("desired_tasks", state.desired, Unit.COUNT)
    if problem := rules.count_problem(ecs_service, state):
        check.diagnose(diagnose(aws, ecs_service, state))
        check.fail(
            f"{ecs_service.home}: {problem}",
            hint="see why tasks stop in the diagnosis, or correct the service's desired count",
        )


def test_rollout_is_complete(
    ecs_service: EcsService, survey: Survey, aws: Aws, patience: Patience, check: Check
) -> None:
    """The service's one deployment is COMPLETED, neither failed nor stuck, and all its tasks run."""
    state = check.eventually(
        survey.live(aws, ecs_service, ServiceState),
        lambda seen: rules.rollout_is_over(ecs_service, seen),
        timeout=patience.left,
    )
    check.snapshot("service", state)
    if state.primary:
        check.measure("deployment_age", max(0.0, state.at - state.primary.created), Unit.SECONDS)
    if problem := rules.rollout_problem(ecs_service, state):
        check.diagnose(diagnose(aws, ecs_service, state))
        check.fail(
            f"{ecs_service.home}: {problem}",
            hint="wait for the rollout, or see in the diagnosis why its tasks do not start",
        )


def test_last_deployment_was_not_rolled_back(
    ecs_service: EcsService,
    survey: Survey,
    last_deployments: SideBySide[EcsService, LastDeployment | None],
    aws: Aws,
    phase: Phase,
    check: Check,
) -> None:
    """The last deployment that ECS remembers was not rolled back or stopped; before a deploy, it is over."""
    state = survey.state(ecs_service, ServiceState)
    last = last_deployments.of(ecs_service)
    if last is None:
        check.snapshot("service", state)
        check.fact("last_deployment", "none in the 90 days that ECS remembers")
        if must_be_listed(state):
            check.inconclusive(
                Cause.NOTHING_CHECKED,
                f"{ecs_service.home}: ECS lists no deployment of it, though its current one is younger than 90 days",
                hint="run again; if it stays, look at the service's deployments in the console",
            )
        return
    check.snapshot("last-deployment", last)
    check.fact("last_deployment", last.status)
    if problem := rollback_problem(last, phase):
        check.diagnose(diagnose(aws, ecs_service, state))
        check.fail(
            f"{ecs_service.home}: {problem}",
            hint="the release does not run: see why its tasks failed in the diagnosis, mend it and deploy again",
        )


def test_tasks_run_the_expected_revision(
    ecs_service: EcsService, survey: Survey, aws: Aws, patience: Patience, check: Check
) -> None:
    """Every task is RUNNING on the task-definition revision that the service deploys."""
    state = check.eventually(
        survey.live(aws, ecs_service, ServiceState),
        lambda seen: not rules.task_problems(seen),
        timeout=patience.left,
    )
    check.snapshot("service", state)
    check.measure("tasks", len(state.tasks), Unit.COUNT)
    check.fact("task_definition", state.task_definition)
    if problems := rules.task_problems(state):
        check.diagnose(diagnose(aws, ecs_service, state))
        check.fail(
            f"{ecs_service.home}: {'; '.join(problems)}",
            hint="wait for the rollout, stop the tasks that it has left behind, or force a new deployment",
        )


@pytest.mark.phase("post-deploy")
def test_no_task_is_older_than_the_deployment(
    ecs_service: EcsService, survey: Survey, aws: Aws, patience: Patience, check: Check
) -> None:
    """After a deploy every task was started by it: none is left of what ran before."""
    state = check.eventually(
        survey.live(aws, ecs_service, ServiceState),
        lambda seen: not rules.old_tasks(seen),
        timeout=patience.left,
    )
    check.snapshot("service", state)
    check.measure("tasks", len(state.tasks), Unit.COUNT)
    if problems := rules.old_tasks(state):
        check.diagnose(diagnose(aws, ecs_service, state))
        check.fail(
            f"{ecs_service.home}: of its deployment {'; '.join(problems)}",
            hint="stop these tasks, or force a new deployment: what they run is not what was deployed",
        )


@pytest.mark.when("circuit_breaker")
def test_circuit_breaker_rolls_back(ecs_service: EcsService, survey: Survey, check: Check) -> None:
    """The deployment circuit breaker is on, and rolls back."""
    state = survey.state(ecs_service, ServiceState)
    check.snapshot("service", state)
    if problem := rules.breaker_problem(state):
        check.fail(
            f"{ecs_service.home}: {problem}",
            hint="set deploymentCircuitBreaker to enable and rollback (CDK: circuit_breaker=DeploymentCircuitBreaker("
            "rollback=True)), or `circuit_breaker = false` in the profile where another controller deploys",
        )


def test_container_health_check_means_something(
    ecs_service: EcsService, survey: Survey, check: Check
) -> None:
    """No container's health check is a command that cannot fail, such as `exit 0`."""
    state = survey.state(ecs_service, ServiceState)
    check.snapshot("task-definition", state.definition)
    check.measure("container_health_checks", len(state.definition.health_checks), Unit.COUNT)
    if idle := rules.idle_health_checks(state.definition.health_checks):
        check.fail(
            f"{ecs_service.home}: a health check that cannot fail finds every container healthy: {'; '.join(idle)}",
            hint="let it ask the container's health endpoint (`curl -f … || exit 1`), or leave it out",
        )


@pytest.mark.when("sized")
def test_tasks_have_the_declared_size(ecs_service: EcsService, survey: Survey, check: Check) -> None:
    """The task definition has the declared CPU and memory."""
    state = survey.state(ecs_service, ServiceState)
    check.snapshot("task-definition", state.definition)
    check.measure("task_cpu_units", state.definition.cpu, Unit.COUNT)
    check.measure("task_memory", state.definition.memory * 2**20, Unit.BYTES)
    if problems := rules.size_problems(ecs_service, state):
        check.fail(
            f"{ecs_service.home}: its task definition has {' and '.join(problems)}",
            hint="deploy the stack that declares it, or correct the profile where the change is meant",
        )


@pytest.mark.when("image")
def test_running_digest(
    ecs_service: EcsService,
    survey: Survey,
    aws: Aws,
    profile: Profile,
    context: GateContext,
    settle: float,
    check: Check,
) -> None:
    """The tasks run the released image: recorded before a deploy, demanded after it."""
    repository = profile.app.images[ecs_service.image]
    released = _released(context, aws, ecs_service.image, repository)
    state = check.eventually(
        survey.live(aws, ecs_service, ServiceState),
        lambda seen: rules.running_digest(ecs_service, seen, repository).digests == (released,),
        timeout=settle if released else 0,
    )
    running = rules.running_digest(ecs_service, state, repository)
    check.snapshot("running", running)
    check.fact("running_digest", ", ".join(running.digests) or "none")
    check.fact("running_digest_source", running.source)
    if released:
        check.fact("released_digest", released)
    check.measure("running_containers", running.containers, Unit.COUNT)
    if not running.digests:
        check.diagnose(diagnose(aws, ecs_service, state))
        check.fail(
            f"{ecs_service.home}: {running.source}",
            hint="see why no task runs, or correct `image` and [app] images in the profile",
        )
    if released and running.digests != (released,):
        check.diagnose(diagnose(aws, ecs_service, state))
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
