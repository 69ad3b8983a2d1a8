from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.aws import ecs
from harness.aws.ecs import Deployment, EcsService, Services, ServiceState
from harness.aws.faults import Absent, Broken, Fault, NotEmulated
from harness.aws.session import Aws
from harness.model import Phase

Owner = Callable[[str], Any]
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
DONE = Deployment("PRIMARY", "COMPLETED", "", 2, 2, 0, 0, "t:1")
GOOD = ServiceState("s", "c", "ACTIVE", 2, 2, 0, "t:1", (DONE,))
SERVICE = EcsService(cluster="c", service="s", image="api")


def deploy(owner: Owner, *names: str, count: int = 2, image: str = f"r.example.com/api:v1@{DIGEST}") -> None:
    client = owner("ecs")
    client.create_cluster(clusterName="c")
    for name in names:
        client.register_task_definition(
            family=name, containerDefinitions=[{"name": "main", "image": image, "memory": 64}]
        )
        client.create_service(
            cluster="c",
            serviceName=name,
            taskDefinition=name,
            desiredCount=count,
            tags=[{"key": "aws:cloudformation:stack-name", "value": "TheStack"}],
        )


class Counting:
    """An `Aws` that counts its calls."""

    def __init__(self, aws: Any) -> None:
        self._aws, self.calls = aws, list[dict[str, Any]]()

    def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
        self.calls.append(parameters)
        answer: dict[str, Any] = self._aws.call(key, about, **parameters)
        return answer


class Canned:
    """Answers that the emulator never gives."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
        answer = self._answers[key.partition(":")[2]]
        if isinstance(answer, Fault):
            raise answer
        return dict(answer)

    def items(self, key: str, about: str, field: str, /, **parameters: Any) -> list[Any]:
        return list(self.call(key, about, **parameters)[field])


def canned(**answers: Any) -> Any:
    return Canned(**answers)


def test_services_are_read_ten_a_call_and_once(aws: Aws, owner: Owner) -> None:
    names = [f"s{number:02}" for number in range(12)]
    deploy(owner, *names, count=0)
    declared = [EcsService(cluster="c", service=name) for name in names]
    counting: Any = Counting(aws)
    now = 0.0
    services = Services(counting, declared, clock=lambda: now)
    assert all(services.state(service).status == "ACTIVE" for service in declared)
    assert [len(call["services"]) for call in counting.calls] == [10, 2]
    services.state(declared[0], fresh=True)
    assert counting.calls[-1]["services"] == ["s00"]
    now = 60.0
    services.state(declared[0])
    assert len(counting.calls) == 5, "what is old is read again"


def test_what_exists(aws: Aws, owner: Owner) -> None:
    deploy(owner, "s", "gone", count=1)
    owner("ecs").delete_service(cluster="c", service="gone", force=True)
    declared = [
        SERVICE,
        EcsService(cluster="c", service="gone"),
        EcsService(cluster="c", service="never"),
        EcsService(cluster="nowhere", service="other"),
    ]
    assert EcsService.existing(aws, declared) == {"s"}
    services = Services(aws, declared)
    with pytest.raises(Absent, match=r"ECS service never \(cluster c\) does not exist"):
        services.state(declared[2])


def test_the_state_of_a_real_service(aws: Aws, owner: Owner) -> None:
    deploy(owner, "s")
    services = Services(aws, [SERVICE])
    state = services.state(SERVICE)
    while state.running < 2 or ecs.rollout_problem(state):
        state = services.state(SERVICE, fresh=True)
    assert (state.desired, state.running, state.stack) == (2, 2, "TheStack")
    assert not ecs.count_problem(state, 2)
    assert not ecs.rollout_problem(state)
    running = ecs.running_digest(aws, SERVICE, "api")
    assert running.digests == (DIGEST,)
    assert (running.containers, running.source) == (2, "inferred from the task definition")
    none = ecs.running_digest(aws, SERVICE, "web")
    assert (none.digests, none.containers) == ((), 0)
    assert "no running task has a container of repository web" in none.source


def test_a_tag_alone_shows_no_digest(aws: Aws, owner: Owner) -> None:
    deploy(owner, "s", image="api:v1")
    services = Services(aws, [SERVICE])
    while services.state(SERVICE, fresh=True).running < 2:
        pass
    with pytest.raises(NotEmulated, match="names only a tag"):
        ecs.running_digest(aws, SERVICE, "api")


def tasks(*containers: dict[str, Any], status: str = "RUNNING") -> Any:
    listed = [{"taskArn": "arn:x/1", "lastStatus": status, "containers": [item]} for item in containers]
    return canned(ListTasks={"taskArns": ["arn:x/1"]}, DescribeTasks={"tasks": listed})


def test_the_reported_digest_counts_before_the_written_one() -> None:
    aws = tasks({"image": f"h.example/api:v1@{DIGEST}", "imageDigest": OTHER})
    assert ecs.running_digest(aws, SERVICE, "api") == ecs.RunningDigest((OTHER,), 1, "reported by ECS")
    mixed = tasks({"image": "api:v1", "imageDigest": OTHER}, {"image": f"api@{DIGEST}"})
    assert ecs.running_digest(mixed, SERVICE, "api").digests == (DIGEST, OTHER)
    assert ecs.running_digest(mixed, SERVICE, "api").source == "inferred from the task definition"


def test_a_task_that_does_not_run_yet_shows_nothing() -> None:
    aws = tasks({"image": f"api@{DIGEST}"}, status="PENDING")
    assert ecs.running_digest(aws, SERVICE, "api").digests == ()


def test_other_failures_than_missing_are_errors() -> None:
    aws = canned(DescribeServices={"services": [], "failures": [{"reason": "SERVER_BUSY"}]})
    with pytest.raises(Broken, match="SERVER_BUSY"):
        Services(aws, []).state(SERVICE)


@pytest.mark.parametrize("missing", ["serviceName", "status", "desiredCount", "runningCount", "deployments"])
def test_an_answer_with_something_missing_is_an_error(missing: str) -> None:
    data = {
        "serviceName": "s",
        "status": "ACTIVE",
        "desiredCount": 1,
        "runningCount": 1,
        "pendingCount": 0,
        "taskDefinition": "t",
        "deployments": [],
    }
    del data[missing]
    with pytest.raises(Broken, match=missing):
        Services(canned(DescribeServices={"services": [data]}), []).state(SERVICE)


@pytest.mark.parametrize(
    ("state", "least", "problem"),
    [
        (GOOD, 2, ""),
        (GOOD, 1, ""),
        (GOOD, 3, "2 tasks are desired, the profile wants at least 3"),
        (replace(GOOD, running=1, pending=1), 1, "1 of 2 desired tasks run (1 pending)"),
        (replace(GOOD, running=3), 2, "3 of 2 desired tasks run (0 pending)"),
        (replace(GOOD, desired=0, running=0), 1, "0 tasks are desired, the profile wants at least 1"),
    ],
)
def test_counts(state: ServiceState, least: int, problem: str) -> None:
    assert ecs.count_problem(state, least) == problem


@pytest.mark.parametrize(
    ("deployments", "problem"),
    [
        ([DONE], ""),
        ([], "there are 0 PRIMARY deployments"),
        ([DONE, DONE], "there are 2 PRIMARY deployments"),
        ([replace(DONE, rollout="IN_PROGRESS")], "the rollout is IN_PROGRESS (0 tasks failed)"),
        (
            [replace(DONE, rollout="FAILED", reason="tasks failed to start", failed=3)],
            "the rollout is FAILED: tasks failed to start (3 tasks failed)",
        ),
        ([replace(DONE, rollout="")], "the rollout is in no state that ECS tells (0 tasks failed)"),
        (
            [DONE, replace(DONE, status="ACTIVE", running=1)],
            "another deployment is still there: ACTIVE with 1 running tasks",
        ),
        ([replace(DONE, running=1)], "the rollout is COMPLETED, but 1 of its 2 tasks run"),
    ],
)
def test_rollouts(deployments: Sequence[Deployment], problem: str) -> None:
    assert ecs.rollout_problem(replace(GOOD, deployments=tuple(deployments))) == problem


def test_a_stopped_task_explains_itself(aws: Aws, owner: Owner) -> None:
    deploy(owner, "s")
    client = owner("ecs")
    services = Services(aws, [SERVICE])
    while services.state(SERVICE, fresh=True).running < 2:
        pass
    arn = client.list_tasks(cluster="c", serviceName="s")["taskArns"][0]
    client.stop_task(cluster="c", task=arn, reason="out of memory")
    logs = owner("logs")
    logs.create_log_group(logGroupName="/s")
    logs.create_log_stream(logGroupName="/s", logStreamName="main/1")
    logs.put_log_events(
        logGroupName="/s",
        logStreamName="main/1",
        logEvents=[{"timestamp": 1_700_000_000_000, "message": "Traceback: it broke\n"}],
    )
    service = EcsService(cluster="c", service="s", log_group="/s")
    lines = ecs.diagnose(aws, service, services.state(service, fresh=True))
    assert any("stopped: out of memory" in line for line in lines)
    assert "main/1: Traceback: it broke" in lines
    assert any("TheStack" in line for line in lines)


def test_a_diagnosis_never_fails() -> None:
    denied = Broken("denied", hint="")
    aws = canned(ListTasks=denied, DescribeLogStreams=denied, DescribeStackEvents=denied)
    service = EcsService(cluster="c", service="s", log_group="/s")
    assert ecs.diagnose(aws, service, replace(GOOD, stack="S", events=("steady",))) == (
        "event: steady",
        "stopped tasks could not be read: denied",
        "stack events could not be read: denied",
        "log lines could not be read: denied",
    )


def test_the_stacks_failures_are_told() -> None:
    events = [
        {"LogicalResourceId": "Fine", "ResourceStatus": "CREATE_COMPLETE"},
        {
            "LogicalResourceId": "Bad",
            "ResourceStatus": "CREATE_FAILED",
            "ResourceStatusReason": "no capacity",
        },
        {"LogicalResourceId": "Bad", "ResourceStatus": "ROLLBACK_IN_PROGRESS"},
    ]
    aws = canned(ListTasks={"taskArns": []}, DescribeStackEvents={"StackEvents": events})
    assert ecs.diagnose(aws, SERVICE, replace(GOOD, stack="S")) == (
        "stack S: Bad CREATE_FAILED: no capacity",
        "stack S: Bad ROLLBACK_IN_PROGRESS: no reason given",
    )


def test_a_container_that_failed_is_named() -> None:
    task = {
        "taskArn": "arn:x/abc",
        "stoppedReason": "",
        "containers": [
            {"name": "main", "exitCode": 137, "reason": "OutOfMemory"},
            {"name": "ok", "exitCode": 0},
        ],
    }
    aws = canned(ListTasks={"taskArns": ["arn:x/abc"]}, DescribeTasks={"tasks": [task]})
    assert ecs.diagnose(aws, SERVICE) == (
        "task abc stopped: no reason given",
        "task abc, container main: exit code 137, OutOfMemory",
    )


def test_what_must_report(make_profile: Callable[..., Any]) -> None:
    profile = make_profile()
    assert "ecs.running_digest" in SERVICE.mandatory(profile, Phase.PRE_DEPLOY)
    plain = EcsService(cluster="c", service="s")
    assert plain.mandatory(profile, Phase.PRE_DEPLOY) == (
        "ecs.is_active",
        "ecs.running_count",
        "ecs.rollout_is_complete",
    )
