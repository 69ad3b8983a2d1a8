"""Why an ECS service is not as it should be: what one would look up next."""

from collections.abc import Callable, Iterable

from harness.aws import cloudformation, logs
from harness.aws.diagnosis import gather
from harness.aws.ecs import EcsService, describe_tasks, task_arns
from harness.aws.ecs_state import ServiceState
from harness.aws.session import Aws

_SHOWN = 5


def diagnose(aws: Aws, service: EcsService, state: ServiceState) -> tuple[str, ...]:
    """Service events, stopped tasks, the stack's failures, the last log lines."""
    parts: list[tuple[str, Callable[[], Iterable[str]]]] = [
        ("events", lambda: (f"event: {event}" for event in state.events[:_SHOWN])),
        ("stopped tasks", lambda: _stopped(aws, service)),
    ]
    if state.stack:
        parts.append(("stack events", lambda: cloudformation.failures(aws, state.stack)))
    if service.log_group:
        parts.append(("log lines", lambda: logs.last_lines(aws, service.log_group)))
    return gather(*parts)


def _stopped(aws: Aws, service: EcsService) -> Iterable[str]:
    arns = task_arns(aws, service, "STOPPED")[:_SHOWN]
    for task in describe_tasks(aws, service.cluster, arns, service.home) if arns else ():
        name = str(task.get("taskArn", "")).rpartition("/")[2]
        yield f"task {name} stopped: {task.get('stoppedReason') or 'no reason given'}"
        for container in task.get("containers", ()):
            if container.get("exitCode") or container.get("reason"):
                yield (
                    f"task {name}, container {container.get('name')}: exit code "
                    f"{container.get('exitCode', 'none')}, {container.get('reason') or 'no reason given'}"
                )
