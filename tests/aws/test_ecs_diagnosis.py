"""What one would look up of a service that is not as it should be."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness.aws.ecs import EcsService
from harness.aws.ecs_diagnosis import diagnose
from harness.aws.ecs_state import ServiceState
from harness.aws.faults import Broken
from harness.aws.session import Aws

Owner = Callable[[str], Any]
SERVICE = EcsService(cluster="c", service="s")
STATE = ServiceState("s", "c", "ACTIVE", 1, 1, 0, "s:1", True, True, ())


def test_a_stopped_task_explains_itself(aws: Aws, owner: Owner) -> None:
    ecs, logs = owner("ecs"), owner("logs")
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(
        family="s", containerDefinitions=[{"name": "main", "image": "i", "memory": 64}]
    )
    ecs.create_service(cluster="c", serviceName="s", taskDefinition="s", desiredCount=1)
    deadline = time.monotonic() + 10
    while not (arns := ecs.list_tasks(cluster="c", serviceName="s")["taskArns"]):
        assert time.monotonic() < deadline
    ecs.stop_task(cluster="c", task=arns[0], reason="out of memory")
    logs.create_log_group(logGroupName="/s")
    logs.create_log_stream(logGroupName="/s", logStreamName="main/1")
    logs.put_log_events(
        logGroupName="/s",
        logStreamName="main/1",
        logEvents=[{"timestamp": 1_700_000_000_000, "message": "Traceback: it broke\n"}],
    )
    service = EcsService(cluster="c", service="s", log_group="/s")
    lines = diagnose(aws, service, replace(STATE, stack="TheStack", events=("e",)))
    assert lines[0] == "event: e"
    assert any("stopped: out of memory" in line for line in lines)
    assert "main/1: Traceback: it broke" in lines
    assert any("TheStack" in line for line in lines)


def test_nothing_stopped_says_nothing(aws: Aws, owner: Owner) -> None:
    owner("ecs").create_cluster(clusterName="c")
    assert diagnose(aws, SERVICE, STATE) == ()


def test_a_container_that_failed_is_named(recorded: Callable[..., Aws]) -> None:
    task = {
        "taskArn": "arn:x/abc",
        "stoppedReason": "",
        "containers": [
            {"name": "main", "exitCode": 137, "reason": "OutOfMemory"},
            {"name": "ok", "exitCode": 0},
            {"name": "never", "reason": "CannotPullContainerError"},
        ],
    }
    aws = recorded(ListTasks={"taskArns": ["arn:x/abc"]}, DescribeTasks={"tasks": [task]})
    assert diagnose(aws, SERVICE, STATE) == (
        "task abc stopped: no reason given",
        "task abc, container main: exit code 137, OutOfMemory",
        "task abc, container never: exit code none, CannotPullContainerError",
    )


def test_a_diagnosis_never_fails() -> None:
    class Refusing:
        def call(self, *_: object, **__: object) -> None:
            raise Broken("denied", hint="")

        items = call

    refusing: Any = Refusing()
    service = EcsService(cluster="c", service="s", log_group="/s")
    assert diagnose(refusing, service, replace(STATE, stack="S", events=("steady",))) == (
        "event: steady",
        "stopped tasks could not be read: denied",
        "stack events could not be read: denied",
        "log lines could not be read: denied",
    )
