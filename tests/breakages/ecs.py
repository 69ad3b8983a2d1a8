"""What can be wrong with an ECS service."""

import json
import time
from typing import Any

from breakages.parts import TAG, Breakage, World
from harness.model import Phase

CLUSTER, SERVICE = "storefront-cluster-staging", "api-service-staging"
OTHERS = (("web-service-staging", "web"), ("control-plane-service-staging", ""))
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-00000001"], "assignPublicIp": "DISABLED"}}
_KEPT = ("family", "cpu", "memory", "networkMode", "requiresCompatibilities", "containerDefinitions")


def _declared(**settings: str) -> str:
    """The declared services, the API's with further settings; as ``--set`` takes it."""

    def service(name: str, image: str, more: dict[str, str]) -> str:
        table = {
            "cluster": f'"{CLUSTER}"',
            "service": f'"{name}"',
            "image": f'"{image}"',
            "min_tasks": "2",
            **more,
        }
        return f"{{{', '.join(f'{key} = {value}' for key, value in table.items())}}}"

    services = [service(SERVICE, "api", settings), *(service(name, image, {}) for name, image in OTHERS)]
    return f"ecs.services=[{', '.join(services)}]"


def _described(ecs: Any) -> Any:
    return ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]


def _tasks(ecs: Any) -> list[str]:
    deadline = time.monotonic() + 10
    while len(tasks := ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]) < 2:
        assert time.monotonic() < deadline, tasks
    return list(tasks)


def _definition(ecs: Any) -> dict[str, Any]:
    """The task definition of the service, as another revision of it would be registered."""
    whole = ecs.describe_task_definition(taskDefinition=_described(ecs)["taskDefinition"])["taskDefinition"]
    return {key: whole[key] for key in _KEPT}


def _another_revision(ecs: Any, **changes: Any) -> str:
    made = ecs.register_task_definition(**{**_definition(ecs), **changes})
    return str(made["taskDefinition"]["taskDefinitionArn"])


def _deploy(ecs: Any, **changes: Any) -> None:
    """Another revision, and the service on it with all its tasks."""
    arn = _another_revision(ecs, **changes)
    ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=arn)
    deadline = time.monotonic() + 10
    while _described(ecs)["runningCount"] < 2 or len(_described(ecs)["deployments"]) > 1:
        assert time.monotonic() < deadline


def _stray(ecs: Any, arn: str) -> None:
    """A task that counts as the service's, and that its deployments do not know."""
    ecs.run_task(
        cluster=CLUSTER,
        taskDefinition=arn,
        launchType="FARGATE",
        networkConfiguration=NETWORK,
        startedBy=SERVICE,
    )


def _is_deleted(world: World) -> None:
    world.owner("ecs").delete_service(cluster=CLUSTER, service=SERVICE, force=True)


def _stop_a_task(world: World) -> None:
    ecs = world.owner("ecs")
    ecs.stop_task(cluster=CLUSTER, task=_tasks(ecs)[0], reason="stopped by the test")


def _scale_in(world: World) -> None:
    world.owner("ecs").update_service(cluster=CLUSTER, service=SERVICE, desiredCount=1)


def _deployment_hangs(world: World) -> None:
    """A deployment of a revision that is registered too late never gets on."""
    ecs = world.owner("ecs")
    definition = _definition(ecs)
    family, _, number = _described(ecs)["taskDefinition"].rpartition(":")
    late = f"{family}:{int(number) + 1}"
    ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=late)
    made = ecs.register_task_definition(**definition)
    assert made["taskDefinition"]["taskDefinitionArn"] == late


def _stray_of_another_revision(world: World) -> None:
    ecs = world.owner("ecs")
    _tasks(ecs)
    _stray(ecs, _another_revision(ecs))


def _stray_of_the_deployment_before(world: World) -> None:
    ecs = world.owner("ecs")
    _tasks(ecs)
    _stray(ecs, _described(ecs)["taskDefinition"])
    since = time.time()
    deadline = time.monotonic() + 10
    while _described(ecs)["deployments"][0]["createdAt"].timestamp() < int(since) + 2:
        assert time.monotonic() < deadline
        ecs.update_service(cluster=CLUSTER, service=SERVICE, forceNewDeployment=True)


def _circuit_breaker_does_not_roll_back(world: World) -> None:
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    world.owner("ecs").update_service(
        cluster=CLUSTER,
        service=SERVICE,
        deploymentConfiguration={**breaker, "maximumPercent": 200, "minimumHealthyPercent": 100},
    )


def _health_check_is_exit_0(world: World) -> None:
    ecs = world.owner("ecs")
    (container,) = _definition(ecs)["containerDefinitions"]
    check = {**container.get("healthCheck", {}), "command": ["CMD-SHELL", "exit 0"]}
    _deploy(ecs, containerDefinitions=[{**container, "healthCheck": check}])


def _tasks_have_another_size(world: World) -> None:
    _deploy(world.owner("ecs"), cpu="512", memory="1024")


def _another_image_is_released(world: World) -> None:
    """The release is there, and what runs is still the image before."""
    manifest = {"schemaVersion": 2, "config": {"size": 1, "digest": "sha256:" + "0" * 64}, "layers": []}
    ecr = world.owner("ecr")
    ecr.put_image(repositoryName="api", imageManifest=json.dumps(manifest), imageTag="v9.9.9")


_CHECK = f"[{SERVICE}]"
_ALL = tuple(
    f"ecs.{name}{_CHECK}"
    for name in (
        "running_count",
        "rollout_is_complete",
        "last_deployment_was_not_rolled_back",
        "tasks_run_the_expected_revision",
        "circuit_breaker_rolls_back",
        "container_health_check_means_something",
        "tasks_have_the_declared_size",
        "running_digest",
    )
)
_TARGETS = "target_groups.targets_are_healthy[storefront-staging-api]"
BREAKAGES = (
    Breakage(
        "a service was deleted",
        f"ecs.is_active{_CHECK}",
        _is_deleted,
        ("half deployed", "does not exist"),
        also=(*_ALL, _TARGETS),  # nothing can be said of what is not there
    ),
    Breakage(
        "a task has stopped and was not replaced",
        f"ecs.running_count{_CHECK}",
        _stop_a_task,
        ("1 of 2 desired tasks run", "stopped by the test"),
        also=(f"ecs.rollout_is_complete{_CHECK}",),  # a rollout is complete only while all its tasks run
    ),
    Breakage(
        "a service was scaled in below the table",
        f"ecs.running_count{_CHECK}",
        _scale_in,
        ("1 tasks are desired, the profile wants at least 2",),
        also=(_TARGETS,),  # it holds the targets against the tasks desired
    ),
    Breakage(
        "a deployment does not get on",
        f"ecs.rollout_is_complete{_CHECK}",
        _deployment_hangs,
        ("IN_PROGRESS",),
        also=(f"ecs.tasks_run_the_expected_revision{_CHECK}",),  # its tasks are the old ones for as long
    ),
    Breakage(
        "a deployment is stuck for longer than it may take",
        f"ecs.rollout_is_complete{_CHECK}",
        _deployment_hangs,
        ("longer than the 1ms that it may take: it is stuck",),
        also=(f"ecs.tasks_run_the_expected_revision{_CHECK}",),  # its tasks are the old ones for as long
        overrides=(_declared(rollout_limit='"1ms"'),),
    ),
    Breakage(
        "a task of another revision runs beside the others",
        f"ecs.tasks_run_the_expected_revision{_CHECK}",
        _stray_of_another_revision,
        ("runs api-service-staging:2, not api-service-staging:1",),
    ),
    Breakage(
        "a task from before the deploy still runs",
        f"ecs.no_task_is_older_than_the_deployment{_CHECK}",
        _stray_of_the_deployment_before,
        ("s older than it",),
        phase=Phase.POST_DEPLOY,
        images=(("api", TAG), ("web", TAG)),
    ),
    Breakage(
        "a deployment that fails is not rolled back",
        f"ecs.circuit_breaker_rolls_back{_CHECK}",
        _circuit_breaker_does_not_roll_back,
        ("does not roll back",),
    ),
    Breakage(
        "a container health check cannot fail",
        f"ecs.container_health_check_means_something{_CHECK}",
        _health_check_is_exit_0,
        ("container api-service-staging: CMD-SHELL exit 0",),
    ),
    Breakage(
        "tasks have another size than declared",
        f"ecs.tasks_have_the_declared_size{_CHECK}",
        _tasks_have_another_size,
        ("512 CPU units, declared 256", "1024 MiB of memory, declared 512"),
    ),
    Breakage(
        "the release does not run after the deploy",
        f"ecs.running_digest{_CHECK}",
        _another_image_is_released,
        ("released is sha256:",),
        phase=Phase.POST_DEPLOY,
        images=(("api", "v9.9.9"), ("web", TAG)),
    ),
)
