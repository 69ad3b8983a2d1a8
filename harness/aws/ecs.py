"""ECS: services with their deployments, task definitions and tasks. What is judged of them is in `harness.aws.ecs_rules`."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from harness.aws import cloudformation, ecs_state, logs
from harness.aws.ecs_state import Definition, Described, ServiceState, Task
from harness.aws.faults import Absent, Broken, Fault
from harness.aws.operations import Operation
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.model import Phase
from harness.profile.schema import IMAGE, Duration
from harness.shapes import Field

OPERATIONS = (
    Operation("ecs", "DescribeServices"),
    Operation("ecs", "DescribeTaskDefinition"),
    Operation("ecs", "DescribeTasks"),
    Operation("ecs", "ListServiceDeployments", emulated=False),
    Operation("ecs", "ListTasks"),
)
_SERVICES_A_CALL = 10
_TASKS_A_CALL = 100
_CHECKS = (
    "is_active",
    "running_count",
    "rollout_is_complete",
    "last_deployment_was_not_rolled_back",
    "tasks_run_the_expected_revision",
    "container_health_check_means_something",
)


class EcsService(AwsResource):
    """``[[ecs.services]]``."""

    parity: ClassVar[Mapping[str, str]] = {
        "circuit_breaker": "circuit_breaker",
        "rolls_back": "circuit_breaker",
        "definition.cpu": "cpu",
        "definition.memory": "memory",
        "definition.health_checks": "",
    }
    fixture: ClassVar[str] = "ecs_service"
    state_type: ClassVar[type] = ServiceState
    uses: ClassVar[tuple[str, ...]] = (
        *(row.key for row in OPERATIONS),
        "ecr:DescribeImages",
        *cloudformation.DIAGNOSIS,
        *logs.DIAGNOSIS,
    )

    cluster: str
    service: str
    image: Annotated[str, IMAGE] = ""
    """The image (a key of ``[app] images``) that its tasks run."""
    min_tasks: int = Field(default=1, ge=1)
    """How many tasks must at least be desired."""
    desired_tasks: int | None = Field(default=None, ge=1)
    """How many tasks must be desired, exactly; left out where the number follows the load."""
    cpu: int | None = Field(default=None, gt=0)
    """CPU units of a task, as in its task definition: 1024 are one vCPU."""
    memory: int | None = Field(default=None, gt=0)
    """Memory of a task in MiB, as in its task definition."""
    circuit_breaker: bool = True
    """Whether the deployment circuit breaker must be on and roll back. Off where another controller deploys
    (blue/green by CodeDeploy)."""
    rollout_limit: Duration = Field(default=1800.0, gt=0)
    """A deployment that has been under way for longer is stuck."""
    log_group: str = ""
    """Where its tasks log, for a diagnosis."""

    @property
    def id(self) -> str:
        """The service's name."""
        return self.service

    @property
    def home(self) -> str:
        """Service and cluster."""
        return f"ECS service {self.service} (cluster {self.cluster})"

    @property
    def sized(self) -> bool:
        """Whether CPU or memory is declared."""
        return bool(self.cpu or self.memory)

    def arn(self, account: str, region: str) -> str:
        """The service's ARN."""
        return f"arn:aws:ecs:{region}:{account}:service/{self.cluster}/{self.service}"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """What is asked of every service; and what is declared, or makes sense after a deploy only."""
        further = {
            "running_digest": bool(self.image),
            "circuit_breaker_rolls_back": self.circuit_breaker,
            "tasks_have_the_declared_size": self.sized,
            "no_task_is_older_than_the_deployment": phase is Phase.POST_DEPLOY,
        }
        wanted = (*_CHECKS, *(name for name, asked in further.items() if asked))
        return tuple(f"ecs.{name}" for name in wanted)

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["EcsService"]) -> Read:
        """Services ten a call, their tasks a hundred a call, each task definition once.

        A deleted service is described, INACTIVE, for a while: it does not exist.
        """
        at = time.time()
        asked = {(item.cluster, item.service): item for item in declared}
        described = _services(aws, sorted(asked))
        exist = [key for key, seen in described.items() if isinstance(seen, Described)]
        tasks = _running(aws, [asked[key] for key in exist])
        arns = sorted({seen.task_definition for seen in described.values() if isinstance(seen, Described)})
        definitions = dict(zip(arns, aws.each(lambda arn: definition_of(aws, arn), arns), strict=True))
        found: dict[str, ServiceState | Fault] = {}
        for key, seen in described.items():
            found[asked[key].id] = (
                seen if isinstance(seen, Fault) else _whole(seen, definitions, tasks[key], at)
            )
        return found


def _whole(
    seen: Described,
    definitions: Mapping[str, Definition | Fault],
    tasks: tuple[Task, ...] | Fault,
    at: float,
) -> ServiceState | Fault:
    definition = definitions[seen.task_definition]
    if isinstance(definition, Fault):
        return definition
    if isinstance(tasks, Fault):
        return tasks
    fields = {name: getattr(seen, name) for name in seen.__dataclass_fields__}
    return ServiceState(**fields, definition=definition, tasks=tasks, at=at)


def described(aws: Aws, asked: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Mapping[str, Any] | Fault]:
    """Those of the services (cluster, name) that exist, as ECS describes them; cluster by cluster, ten a call.

    The same services are asked about once, whoever asks.
    """
    chunks = [
        (cluster, chunk)
        for cluster in sorted({cluster for cluster, _ in asked})
        for chunk in _chunks([name for other, name in asked if other == cluster], _SERVICES_A_CALL)
    ]
    found: dict[tuple[str, str], Mapping[str, Any] | Fault] = {}
    for (cluster, names), seen in zip(chunks, aws.each(lambda it: _describe(aws, *it), chunks), strict=True):
        for name in names:
            if (data := seen if isinstance(seen, Fault) else seen.get(name)) is not None:
                found[cluster, name] = data
    return found


def _services(aws: Aws, asked: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Described | Fault]:
    found = described(aws, asked)
    states = aws.each(lambda key: _understood(key[0], found[key]), found)
    return dict(zip(found, states, strict=True))


def _understood(cluster: str, data: Mapping[str, Any] | Fault) -> Described:
    if isinstance(data, Fault):
        raise data
    return ecs_state.described(cluster, data)


def _describe(aws: Aws, cluster: str, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The services of these names, at most ten, that the cluster has."""
    key, about = "ecs:DescribeServices", f"{', '.join(names)} in cluster {cluster}"
    try:
        answer = aws.shared_call(key, about, cluster=cluster, services=list(names), include=["TAGS"])
    except Absent:
        return {}
    for failure in answer.get("failures", ()):
        if failure.get("reason") != "MISSING":
            raise Broken(f"{key} on {about}: {failure.get('reason')}", hint="see the reason; run again")
    return {
        str(need(data, "serviceName", key, about)): data
        for data in need(answer, "services", key, about)
        if need(data, "status", key, about) != "INACTIVE"
    }


def _running(aws: Aws, services: Sequence[EcsService]) -> dict[tuple[str, str], tuple[Task, ...] | Fault]:
    """The tasks of each service that are meant to run; those of one cluster are described together."""
    listed = dict(
        zip(
            ((item.cluster, item.service) for item in services),
            aws.each(lambda item: task_arns(aws, item, "RUNNING"), services),
            strict=True,
        )
    )
    chunks = [
        (cluster, chunk)
        for cluster in sorted({cluster for cluster, _ in listed})
        for chunk in _chunks(
            [
                arn
                for (other, _), arns in listed.items()
                if other == cluster and not isinstance(arns, Fault)
                for arn in arns
            ],
            _TASKS_A_CALL,
        )
    ]
    described: dict[str, Task | Fault] = {}
    for (_, arns), seen in zip(chunks, aws.each(lambda it: _tasks(aws, *it), chunks), strict=True):
        described |= dict.fromkeys(arns, seen) if isinstance(seen, Fault) else seen
    return {
        key: arns if isinstance(arns, Fault) else _whole_or_fault(described, arns)
        for key, arns in listed.items()
    }


def _whole_or_fault(described: Mapping[str, Task | Fault], arns: Iterable[str]) -> tuple[Task, ...] | Fault:
    """The tasks of these ARNs; one that has ended since it was listed is not among them."""
    found: list[Task] = []
    for arn in arns:
        seen = described.get(arn)
        if isinstance(seen, Fault):
            return seen
        if seen is not None:
            found.append(seen)
    return tuple(found)


def _tasks(aws: Aws, cluster: str, arns: Sequence[str]) -> dict[str, Task]:
    found = describe_tasks(aws, cluster, arns, f"tasks in cluster {cluster}")
    tasks = [(data, ecs_state.task(data)) for data in found]
    return {str(data["taskArn"]): task for data, task in tasks}


def definition_of(aws: Aws, arn: str) -> Definition:
    """A task definition, asked for once a run.

    Raises:
        Fault: it cannot be described.
    """
    key, about = "ecs:DescribeTaskDefinition", f"task definition {revision(arn)}"
    answer = aws.shared_call(key, about, taskDefinition=arn)
    return ecs_state.definition(need(answer, "taskDefinition", key, about), about)


def task_arns(aws: Aws, service: EcsService, desired: str) -> list[str]:
    """The ARNs of a service's tasks that are meant to be in this state: RUNNING or STOPPED.

    Raises:
        Fault: they cannot be listed.
    """
    return aws.items(
        "ecs:ListTasks",
        service.home,
        "taskArns",
        cluster=service.cluster,
        serviceName=service.service,
        desiredStatus=desired,
    )


def describe_tasks(aws: Aws, cluster: str, arns: Sequence[str], about: str) -> list[Mapping[str, Any]]:
    """At most a hundred tasks as ECS describes them; those that are gone are left out.

    Raises:
        Fault: they cannot be described.
    """
    key = "ecs:DescribeTasks"
    answer = aws.call(key, about, cluster=cluster, tasks=list(arns))
    for failure in answer.get("failures", ()):
        if failure.get("reason") != "MISSING":
            raise Broken(f"{key} on {about}: {failure.get('reason')}", hint="see the reason; run again")
    found: list[Mapping[str, Any]] = need(answer, "tasks", key, about)
    return found


def revision(arn: str) -> str:
    """A task definition's family and revision: ``api:7``."""
    return arn.rpartition("/")[2]


def _chunks(names: Sequence[str], size: int) -> list[Sequence[str]]:
    return [names[start : start + size] for start in range(0, len(names), size)]
