"""What a survey keeps of an ECS service: its deployments, its task definition and its tasks, as AWS describes them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from harness.aws import cloudformation
from harness.aws.faults import Broken
from harness.aws.session import need
from harness.frozen import dataclass

_EVENTS = 10


@dataclass(frozen=True)
class Deployment:
    """One deployment of a service; more than one means that a rollout is on its way, or was. Times are epoch seconds."""

    id: str
    status: str
    rollout: str
    reason: str
    desired: int
    running: int
    pending: int
    failed: int
    task_definition: str
    created: float


@dataclass(frozen=True)
class Container:
    """A container of a task; `digest` is empty where ECS does not report what it runs."""

    name: str
    image: str
    digest: str = ""


@dataclass(frozen=True)
class Task:
    """A task that is meant to run; `created` in epoch seconds."""

    id: str
    status: str
    health: str
    task_definition: str
    started_by: str
    created: float
    containers: tuple[Container, ...] = ()


@dataclass(frozen=True)
class HealthCheck:
    """The command by which a container is found healthy."""

    container: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Definition:
    """A task definition: CPU in units (1024 are one vCPU) and memory in MiB, of the whole task."""

    arn: str
    cpu: int
    memory: int
    health_checks: tuple[HealthCheck, ...] = ()


@dataclass(frozen=True)
class Described:
    """A service as ECS describes it, without what has to be asked for separately."""

    service: str
    cluster: str
    status: str
    desired: int
    running: int
    pending: int
    task_definition: str
    circuit_breaker: bool
    rolls_back: bool
    deployments: tuple[Deployment, ...]
    events: tuple[str, ...] = ()
    stack: str = ""


@dataclass(frozen=True)
class ServiceState(Described):
    """A service with its task definition and its tasks; `at` is when it was read, in epoch seconds."""

    definition: Definition = Definition("", 0, 0)
    tasks: tuple[Task, ...] = ()
    at: float = 0.0

    @property
    def primary(self) -> Deployment | None:
        """The deployment that is to serve, where there is exactly one."""
        found = [item for item in self.deployments if item.status == "PRIMARY"]
        return found[0] if len(found) == 1 else None


def described(cluster: str, data: Mapping[str, Any]) -> Described:
    """A service of an answer to ``DescribeServices``.

    Raises:
        Broken: something is missing in it.
    """
    key, about = "ecs:DescribeServices", str(data.get("serviceName", "a service"))

    def get(field: str) -> Any:  # noqa: ANN401 - JSON is what it is
        return need(data, field, key, about)

    deployments = _deployments(data, about)
    breaker = data.get("deploymentConfiguration", {}).get("deploymentCircuitBreaker", {})
    primary = [item.task_definition for item in deployments if item.status == "PRIMARY"]
    return Described(
        service=get("serviceName"),
        cluster=cluster,
        status=get("status"),
        desired=get("desiredCount"),
        running=get("runningCount"),
        pending=get("pendingCount"),
        task_definition=primary[0] if len(primary) == 1 else get("taskDefinition"),
        circuit_breaker=bool(breaker.get("enable", False)),
        rolls_back=bool(breaker.get("rollback", False)),
        deployments=deployments,
        events=tuple(str(event.get("message", "")) for event in data.get("events", ())[:_EVENTS]),
        stack=cloudformation.stack_of(data.get("tags", ())),
    )


def _deployments(data: Mapping[str, Any], about: str) -> tuple[Deployment, ...]:
    """The deployments; of a service that CodeDeploy or another controller deploys, its task sets."""
    listed = need(data, "deployments", "ecs:DescribeServices", about)
    if listed or not data.get("taskSets"):
        return tuple(_deployment(item, about) for item in listed)
    settled = {"STEADY_STATE": "COMPLETED", "STABILIZING": "IN_PROGRESS"}
    return tuple(
        _deployment(
            {
                **item,
                "rolloutState": settled.get(item.get("stabilityStatus", ""), ""),
                "desiredCount": item.get("computedDesiredCount", 0),
            },
            about,
        )
        for item in data["taskSets"]
    )


def _deployment(data: Mapping[str, Any], about: str) -> Deployment:
    return Deployment(
        id=str(data.get("id", "")),
        status=str(data.get("status", "")),
        rollout=str(data.get("rolloutState", "")),
        reason=str(data.get("rolloutStateReason", "")),
        desired=int(data.get("desiredCount", 0)),
        running=int(data.get("runningCount", 0)),
        pending=int(data.get("pendingCount", 0)),
        failed=int(data.get("failedTasks", 0)),
        task_definition=str(data.get("taskDefinition", "")),
        created=epoch(data, "createdAt", "ecs:DescribeServices", about),
    )


def task(data: Mapping[str, Any]) -> Task:
    """A task of an answer to ``DescribeTasks``.

    Raises:
        Broken: something is missing in it.
    """
    key = "ecs:DescribeTasks"
    arn = str(need(data, "taskArn", key, "a task"))
    return Task(
        id=arn.rpartition("/")[2],
        status=need(data, "lastStatus", key, arn),
        health=str(data.get("healthStatus", "UNKNOWN")),
        task_definition=need(data, "taskDefinitionArn", key, arn),
        started_by=str(data.get("startedBy", "")),
        created=epoch(data, "createdAt", key, arn),
        containers=tuple(
            Container(
                str(item.get("name", "")), str(item.get("image", "")), str(item.get("imageDigest") or "")
            )
            for item in data.get("containers", ())
        ),
    )


def definition(data: Mapping[str, Any], about: str) -> Definition:
    """The ``taskDefinition`` of an answer to ``DescribeTaskDefinition``.

    Raises:
        Broken: something is missing in it, or a size is no number.
    """
    key = "ecs:DescribeTaskDefinition"
    containers: Sequence[Mapping[str, Any]] = need(data, "containerDefinitions", key, about)
    checks = (HealthCheck(str(item.get("name", "")), tuple(_command(item))) for item in containers)
    return Definition(
        arn=str(need(data, "taskDefinitionArn", key, about)),
        cpu=_size(data, containers, "cpu", about),
        memory=_size(data, containers, "memory", about),
        health_checks=tuple(item for item in checks if item.command),
    )


def _command(container: Mapping[str, Any]) -> Sequence[str]:
    """``NONE`` switches off the health check that the image itself may bring, so it is none."""
    command: Sequence[str] = container.get("healthCheck", {}).get("command", ())
    return () if list(command[:1]) == ["NONE"] else command


def _size(data: Mapping[str, Any], containers: Sequence[Mapping[str, Any]], field: str, about: str) -> int:
    """The task's own; where it has none (tasks on EC2 need not), what its containers have together."""
    try:
        return int(data[field]) if data.get(field) else sum(int(item.get(field) or 0) for item in containers)
    except ValueError:
        raise Broken(
            f"ecs:DescribeTaskDefinition on {about}: its {field} is no whole number",
            hint="what answers is not the service, or not the version that the gate knows",
        ) from None


def epoch(data: Mapping[str, Any], field: str, key: str, about: str) -> float:
    """A time of an answer, in epoch seconds.

    Raises:
        Broken: it has none.
    """
    value = need(data, field, key, about)
    if not isinstance(value, datetime):
        raise Broken(
            f"{key} on {about}: its {field} is {value!r}, not a time",
            hint="what answers is not the service, or not the version that the gate knows",
        )
    return value.timestamp()
