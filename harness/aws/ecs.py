"""ECS: services, their rollouts and tasks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from harness.aws import cloudformation, logs
from harness.aws.diagnosis import gather
from harness.aws.ecr import is_digest, parse_reference
from harness.aws.faults import Absent, Broken, Fault, NotEmulated
from harness.aws.operations import Operation
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.model import Phase
from harness.profile.schema import IMAGE

OPERATIONS = (
    Operation("ecs", "DescribeServices"),
    Operation("ecs", "DescribeTasks"),
    Operation("ecs", "ListTasks"),
)
_SERVICES_A_CALL = 10
_TASKS_A_CALL = 100


class EcsService(AwsResource):
    """``[[ecs.services]]``."""

    fixture: ClassVar[str] = "ecs_service"
    uses: ClassVar[tuple[str, ...]] = (
        "ecs:DescribeServices",
        "ecs:DescribeTasks",
        "ecs:ListTasks",
        "ecr:DescribeImages",
        *cloudformation.DIAGNOSIS,
        *logs.DIAGNOSIS,
    )

    cluster: str
    service: str
    image: Annotated[str, IMAGE] = ""
    """The image (a key of ``[app] images``) that its tasks run."""
    min_tasks: int = Field(default=1, ge=1)
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

    def arn(self, account: str, region: str) -> str:
        """The service's ARN."""
        return f"arn:aws:ecs:{region}:{account}:service/{self.cluster}/{self.service}"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """State, counts, rollout; and the running digest where the image is ours."""
        digest = ("ecs.running_digest",) if self.image else ()
        return ("ecs.is_active", "ecs.running_count", "ecs.rollout_is_complete", *digest)

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["EcsService"]) -> Read:
        """Cluster by cluster, ten a call. A deleted service is described, INACTIVE, for a while: it does not exist."""
        chunks = [
            (cluster, names[start : start + _SERVICES_A_CALL])
            for cluster in sorted({service.cluster for service in declared})
            for names in [sorted({item.service for item in declared if item.cluster == cluster})]
            for start in range(0, len(names), _SERVICES_A_CALL)
        ]
        found: dict[tuple[str, str], ServiceState | Fault] = {}
        for (cluster, names), seen in zip(chunks, aws.each(lambda it: _ask(aws, *it), chunks), strict=True):
            for name in names:
                state = seen if isinstance(seen, Fault) else seen.get(name)
                if state is not None and not (isinstance(state, ServiceState) and state.status == "INACTIVE"):
                    found[cluster, name] = state
        return {
            item.id: found[item.cluster, item.service]
            for item in declared
            if (item.cluster, item.service) in found
        }


@dataclass(frozen=True)
class Deployment:
    """One deployment of a service; more than one means that a rollout is on its way, or was."""

    status: str
    rollout: str
    reason: str
    desired: int
    running: int
    pending: int
    failed: int
    task_definition: str


@dataclass(frozen=True)
class ServiceState:
    """A service as ECS describes it, trimmed to what is judged or diagnosed."""

    service: str
    cluster: str
    status: str
    desired: int
    running: int
    pending: int
    task_definition: str
    deployments: tuple[Deployment, ...]
    events: tuple[str, ...] = ()
    stack: str = ""


EcsService.state_type = ServiceState


@dataclass(frozen=True)
class RunningDigest:
    """The image digests that a service's running tasks show, and how they were found; none where no task runs."""

    digests: tuple[str, ...]
    containers: int
    source: str


def _ask(aws: Aws, cluster: str, names: Sequence[str]) -> dict[str, ServiceState]:
    """The services of these names, at most ten, that the cluster has."""
    key, about = "ecs:DescribeServices", f"{', '.join(names)} in cluster {cluster}"
    try:
        answer = aws.call(key, about, cluster=cluster, services=list(names), include=["TAGS"])
    except Absent:
        return {}
    for failure in answer.get("failures", ()):
        if failure.get("reason") != "MISSING":
            raise Broken(f"{key} on {about}: {failure.get('reason')}", hint="see the reason; run again")
    states = (_state(cluster, data, key) for data in need(answer, "services", key, about))
    return {state.service: state for state in states}


def _state(cluster: str, data: Mapping[str, Any], key: str) -> ServiceState:
    about = str(data.get("serviceName", "a service"))

    def get(field_: str) -> Any:  # noqa: ANN401 - JSON is what it is
        return need(data, field_, key, about)

    return ServiceState(
        service=get("serviceName"),
        cluster=cluster,
        status=get("status"),
        desired=get("desiredCount"),
        running=get("runningCount"),
        pending=get("pendingCount"),
        task_definition=get("taskDefinition"),
        deployments=tuple(_deployment(item) for item in get("deployments")),
        events=tuple(str(event.get("message", "")) for event in data.get("events", ())[:10]),
        stack=cloudformation.stack_of(data.get("tags", ())),
    )


def _deployment(data: Mapping[str, Any]) -> Deployment:
    return Deployment(
        status=str(data.get("status", "")),
        rollout=str(data.get("rolloutState", "")),
        reason=str(data.get("rolloutStateReason", "")),
        desired=int(data.get("desiredCount", 0)),
        running=int(data.get("runningCount", 0)),
        pending=int(data.get("pendingCount", 0)),
        failed=int(data.get("failedTasks", 0)),
        task_definition=str(data.get("taskDefinition", "")),
    )


def count_problem(state: ServiceState, min_tasks: int) -> str:
    """What is wrong with the number of tasks; empty where nothing is."""
    if state.desired < min_tasks:
        return f"{state.desired} tasks are desired, the profile wants at least {min_tasks}"
    if state.running != state.desired:
        return f"{state.running} of {state.desired} desired tasks run ({state.pending} pending)"
    return ""


def rollout_problem(state: ServiceState) -> str:
    """Why the rollout is not complete; empty where it is.

    Counts are compared too: a rollout stays COMPLETED when a task dies afterwards. A service whose circuit breaker
    rolled back is complete again with the old tasks: only the digest tells (`running_digest`).
    """
    primary = [item for item in state.deployments if item.status == "PRIMARY"]
    others = [item for item in state.deployments if item.status != "PRIMARY"]
    if len(primary) != 1:
        return f"there are {len(primary)} PRIMARY deployments"
    (main,) = primary
    if main.rollout != "COMPLETED":
        said = f": {main.reason}" if main.reason else ""
        return f"the rollout is {main.rollout or 'in no state that ECS tells'}{said} ({main.failed} tasks failed)"
    if others:
        return "another deployment is still there: " + ", ".join(
            f"{item.status} with {item.running} running tasks" for item in others
        )
    if main.running != main.desired:
        return f"the rollout is COMPLETED, but {main.running} of its {main.desired} tasks run"
    return ""


def running_digest(aws: Aws, service: EcsService, repository: str) -> RunningDigest:
    """The digests of the containers of `repository` in all tasks that run and are meant to go on running.

    What ECS reports for a container (``imageDigest``) counts. Where it reports none, the digest in the container's
    image string, which comes from the task definition, is taken and labelled so.

    Raises:
        NotEmulated: containers run, and neither shows their digest.
        Fault: it cannot be found out.
    """
    containers = [
        container
        for task in _tasks(aws, service, "RUNNING")
        if task.get("lastStatus") == "RUNNING"
        for container in task.get("containers", ())
        if parse_reference(str(container.get("image", ""))).repository == repository
    ]
    if not containers:
        return RunningDigest((), 0, f"no running task has a container of repository {repository}")
    reported = [str(container.get("imageDigest") or "") for container in containers]
    written = [parse_reference(str(container["image"])).digest for container in containers]
    for digests, source in (
        (reported, "reported by ECS"),
        (
            [new or old for new, old in zip(reported, written, strict=True)],
            "inferred from the task definition",
        ),
    ):
        if all(is_digest(digest) for digest in digests):
            return RunningDigest(tuple(sorted(set(digests))), len(containers), source)
    raise NotEmulated(
        f"{service.home}: ECS reports no image digest, and the task definition names only a tag",
        hint="pin the image by digest in the task definition: repository:tag@sha256:…",
    )


def diagnose(aws: Aws, service: EcsService, state: ServiceState | None = None) -> tuple[str, ...]:
    """Why it is not as it should be: service events, stopped tasks, the stack's failures, the last log lines."""
    parts: list[tuple[str, Callable[[], Iterable[str]]]] = [
        ("events", lambda: (f"event: {event}" for event in state.events[:5]) if state else ()),
        ("stopped tasks", lambda: _stopped(aws, service)),
    ]
    if state and state.stack:
        parts.append(("stack events", lambda: cloudformation.failures(aws, state.stack)))
    if service.log_group:
        parts.append(("log lines", lambda: logs.last_lines(aws, service.log_group)))
    return gather(*parts)


def _stopped(aws: Aws, service: EcsService) -> Iterable[str]:
    for task in _tasks(aws, service, "STOPPED")[:5]:
        name = str(task.get("taskArn", "")).rpartition("/")[2]
        yield f"task {name} stopped: {task.get('stoppedReason') or 'no reason given'}"
        for container in task.get("containers", ()):
            if container.get("exitCode") or container.get("reason"):
                yield (
                    f"task {name}, container {container.get('name')}: exit code "
                    f"{container.get('exitCode', 'none')}, {container.get('reason') or 'no reason given'}"
                )


def _tasks(aws: Aws, service: EcsService, desired: str) -> list[Mapping[str, Any]]:
    arns = aws.items(
        "ecs:ListTasks",
        service.home,
        "taskArns",
        cluster=service.cluster,
        serviceName=service.service,
        desiredStatus=desired,
    )
    found: list[Mapping[str, Any]] = []
    for start in range(0, len(arns), _TASKS_A_CALL):
        chunk = arns[start : start + _TASKS_A_CALL]
        answer = aws.call("ecs:DescribeTasks", service.home, cluster=service.cluster, tasks=chunk)
        found += need(answer, "tasks", "ecs:DescribeTasks", service.home)
    return found
