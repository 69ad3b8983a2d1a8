"""Reading ECS services: against the emulator, and from recorded answers for what it does not show."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from harness.aws import ecs_rules as rules
from harness.aws.ecs import EcsService
from harness.aws.ecs_state import Container, HealthCheck, ServiceState
from harness.aws.faults import Broken, Denied, Fault
from harness.aws.session import Aws
from harness.aws.survey import read_one
from harness.model import Phase

Owner = Callable[[str], Any]
Recorded = Callable[..., Aws]
DIGEST = "sha256:" + "a" * 64
IMAGE = f"r.example.com/api:v1@{DIGEST}"
SERVICE = EcsService(cluster="c", service="s", image="api")
NOW = 1_700_000_000.25
TASKS = "arn:aws:ecs:us-east-1:111122223333:task/c/"
DEFINITION = "arn:aws:ecs:us-east-1:111122223333:task-definition/s:7"


def deploy(owner: Owner, *names: str, count: int = 2, **settings: Any) -> None:
    client = owner("ecs")
    client.create_cluster(clusterName="c")
    for name in names:
        main = {
            "name": "main",
            "image": IMAGE,
            "cpu": 128,
            "memory": 64,
            "healthCheck": {"command": ["CMD", "x"]},
        }
        client.register_task_definition(family=name, containerDefinitions=[main, {**main, "name": "side"}])
        client.create_service(
            cluster="c",
            serviceName=name,
            taskDefinition=name,
            desiredCount=count,
            tags=[{"key": "aws:cloudformation:stack-name", "value": "TheStack"}],
            **settings,
        )


def rolled_out(aws: Aws, service: EcsService = SERVICE) -> ServiceState:
    deadline = time.monotonic() + 10
    state = read_one(aws, service, ServiceState)
    while rules.rollout_problem(service, state) or len(state.tasks) < state.desired:
        assert time.monotonic() < deadline, state
        state = read_one(aws, service, ServiceState)
    return state


def service(name: str = "s", **changes: Any) -> dict[str, Any]:
    """A service as AWS describes it."""
    deployment = {
        "id": "ecs-svc/1",
        "status": "PRIMARY",
        "rolloutState": "COMPLETED",
        "taskDefinition": DEFINITION,
        "desiredCount": 1,
        "runningCount": 1,
        "createdAt": NOW,
    }
    whole = {
        "serviceName": name,
        "status": "ACTIVE",
        "desiredCount": 1,
        "runningCount": 1,
        "pendingCount": 0,
        "taskDefinition": DEFINITION,
        "deployments": [deployment],
    }
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


def task(name: str = "1", **changes: Any) -> dict[str, Any]:
    """A task as AWS describes it."""
    whole = {
        "taskArn": TASKS + name,
        "lastStatus": "RUNNING",
        "healthStatus": "HEALTHY",
        "taskDefinitionArn": DEFINITION,
        "startedBy": "ecs-svc/1",
        "createdAt": NOW + 1,
        "containers": [{"name": "main", "image": "r.io/api:v1", "imageDigest": DIGEST}],
    }
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


def definition(**changes: Any) -> dict[str, Any]:
    """A task definition as AWS describes it."""
    main = {"name": "main", "image": "r.io/api:v1", "healthCheck": {"command": ["CMD", "check"]}}
    whole = {
        "taskDefinitionArn": DEFINITION,
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [main],
        **changes,
    }
    return {"taskDefinition": {key: value for key, value in whole.items() if value is not None}}


def answers(**changes: Any) -> dict[str, Any]:
    return {
        "DescribeServices": {"services": [service()]},
        "ListTasks": {"taskArns": [f"{TASKS}1"]},
        "DescribeTasks": {"tasks": [task()]},
        "DescribeTaskDefinition": definition(),
        **changes,
    }


def test_a_real_service_is_read_whole(aws: Aws, owner: Owner) -> None:
    breaker = {"enable": True, "rollback": True}
    deploy(owner, "s", deploymentConfiguration={"deploymentCircuitBreaker": breaker})
    state = rolled_out(aws)
    assert (state.desired, state.running, state.stack, state.status) == (2, 2, "TheStack", "ACTIVE")
    assert (state.circuit_breaker, state.rolls_back) == (True, True)
    assert (state.definition.cpu, state.definition.memory) == (256, 128), "of both containers together"
    assert state.definition.arn == state.task_definition
    assert state.definition.health_checks == (
        HealthCheck("main", ("CMD", "x")),
        HealthCheck("side", ("CMD", "x")),
    )
    assert len(state.tasks) == 2
    assert all(
        item.containers == (Container("main", IMAGE), Container("side", IMAGE)) for item in state.tasks
    )
    assert abs(time.time() - state.at) < 60
    assert state.primary
    assert abs(state.at - state.primary.created) < 60
    assert not rules.count_problem(SERVICE, state)
    assert not rules.task_problems(state)
    assert not rules.old_tasks(state)
    running = rules.running_digest(SERVICE, state, "api")
    assert (running.digests, running.containers) == ((DIGEST,), 4)
    assert running.source == "inferred from the task definition"


def test_what_exists(aws: Aws, owner: Owner) -> None:
    deploy(owner, "s", "gone", count=1)
    owner("ecs").delete_service(cluster="c", service="gone", force=True)
    declared = [
        SERVICE,
        EcsService(cluster="c", service="gone"),
        EcsService(cluster="c", service="never"),
        EcsService(cluster="nowhere", service="other"),
    ]
    assert set(EcsService.read(aws, declared)) == {"s"}


def test_services_are_read_ten_a_call_and_their_tasks_together(aws: Aws, owner: Owner) -> None:
    names = [f"s{number:02}" for number in range(12)]
    deploy(owner, *names, count=1)
    found = EcsService.read(aws, [EcsService(cluster="c", service=name) for name in names])
    assert set(found) == set(names)
    assert all(isinstance(state, ServiceState) for state in found.values())
    assert aws.calls["ecs:DescribeServices"] == 2
    assert aws.calls["ecs:DescribeTasks"] == 1
    assert aws.calls["ecs:DescribeTaskDefinition"] == 12


def test_a_service_without_tasks_asks_for_none(aws: Aws, owner: Owner) -> None:
    deploy(owner, "s", count=0)
    state = read_one(aws, SERVICE, ServiceState)
    assert state.tasks == ()
    assert aws.calls["ecs:DescribeTasks"] == 0


def test_every_page_of_tasks_is_read_a_hundred_a_call(recorded: Recorded) -> None:
    arns = [f"{TASKS}{number}" for number in range(130)]
    asked: list[int] = []

    def pages(request: Any) -> dict[str, Any]:
        return (
            {"taskArns": arns[100:]}
            if request.get("nextToken")
            else {"taskArns": arns[:100], "nextToken": "t"}
        )

    def described(request: Any) -> dict[str, Any]:
        asked.append(len(request["tasks"]))
        return {"tasks": [task(arn.removeprefix(TASKS)) for arn in request["tasks"]]}

    aws = recorded(**answers(ListTasks=pages, DescribeTasks=described))
    state = read_one(aws, SERVICE, ServiceState)
    assert [item.id for item in state.tasks] == [str(number) for number in range(130)]
    assert sorted(asked) == [30, 100]
    assert aws.calls["ecs:ListTasks"] == 2


def test_recorded_answers_of_aws(recorded: Recorded) -> None:
    state = read_one(recorded(**answers()), SERVICE, ServiceState)
    assert (state.circuit_breaker, state.rolls_back) == (False, False), "what is not told is off"
    assert (state.definition.cpu, state.definition.memory) == (256, 512)
    (seen,) = state.tasks
    assert (seen.id, seen.health, seen.started_by, seen.created) == ("1", "HEALTHY", "ecs-svc/1", NOW + 1)
    assert rules.running_digest(SERVICE, state, "api").source == "reported by ECS"


def test_a_health_check_of_none_is_none(recorded: Recorded) -> None:
    off = [{"name": "main", "healthCheck": {"command": ["NONE"]}}, {"name": "side"}]
    aws = recorded(**answers(DescribeTaskDefinition=definition(containerDefinitions=off)))
    assert read_one(aws, SERVICE, ServiceState).definition.health_checks == ()


def test_a_task_that_has_ended_meanwhile_is_left_out(recorded: Recorded) -> None:
    gone = {"arn": f"{TASKS}2", "reason": "MISSING"}
    both = {"taskArns": [f"{TASKS}1", f"{TASKS}2"]}
    aws = recorded(**answers(ListTasks=both, DescribeTasks={"tasks": [task()], "failures": [gone]}))
    assert [item.id for item in read_one(aws, SERVICE, ServiceState).tasks] == ["1"]


@pytest.mark.parametrize(
    ("stability", "rollout"), [("STEADY_STATE", "COMPLETED"), ("STABILIZING", "IN_PROGRESS"), ("", "")]
)
def test_task_sets_of_another_controller_are_its_deployments(
    recorded: Recorded, stability: str, rollout: str
) -> None:
    task_set = {
        "id": "ecs-svc/9",
        "status": "PRIMARY",
        "taskDefinition": DEFINITION,
        "computedDesiredCount": 1,
        "runningCount": 1,
        "stabilityStatus": stability,
        "createdAt": NOW,
    }
    described = service(deployments=[], taskSets=[task_set], taskDefinition=None)
    aws = recorded(**answers(DescribeServices={"services": [described]}))
    state = read_one(aws, SERVICE, ServiceState)
    assert state.primary
    assert (state.primary.id, state.primary.rollout, state.primary.desired) == ("ecs-svc/9", rollout, 1)
    assert state.task_definition == DEFINITION


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"DescribeServices": {"services": [], "failures": [{"reason": "SERVER_BUSY"}]}}, "SERVER_BUSY"),
        ({"DescribeServices": {"services": [service(status=None)]}}, "no status"),
        ({"DescribeServices": {"services": [service(desiredCount=None)]}}, "no desiredCount"),
        ({"DescribeServices": {"services": [service(runningCount=None)]}}, "no runningCount"),
        ({"DescribeServices": {"services": [service(serviceName=None)]}}, "no serviceName"),
        ({"DescribeServices": {"services": [service(deployments=None)]}}, "no deployments"),
        ({"DescribeServices": {"services": [service(deployments=[{"id": "1"}])]}}, "no createdAt"),
        (
            {"DescribeServices": {"services": [service(deployments=[], taskDefinition=None)]}},
            "no taskDefinition",
        ),
        ({"ListTasks": {}}, "no taskArns"),
        ({"DescribeTasks": {}}, "no tasks"),
        ({"DescribeTasks": {"tasks": [], "failures": [{"reason": "SERVER_BUSY"}]}}, "SERVER_BUSY"),
        ({"DescribeTasks": {"tasks": [task(taskArn=None)]}}, "no taskArn"),
        ({"DescribeTasks": {"tasks": [task(lastStatus=None)]}}, "no lastStatus"),
        ({"DescribeTasks": {"tasks": [task(taskDefinitionArn=None)]}}, "no taskDefinitionArn"),
        ({"DescribeTasks": {"tasks": [task(createdAt=None)]}}, "no createdAt"),
        ({"DescribeTaskDefinition": {}}, "no taskDefinition"),
        ({"DescribeTaskDefinition": definition(containerDefinitions=None)}, "no containerDefinitions"),
        ({"DescribeTaskDefinition": definition(taskDefinitionArn=None)}, "no taskDefinitionArn"),
        ({"DescribeTaskDefinition": definition(cpu="much")}, "its cpu is no whole number"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error(
    recorded: Recorded, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(Broken, match=says):
        read_one(recorded(**answers(**change)), SERVICE, ServiceState)


@pytest.mark.parametrize(
    "operation", ["DescribeServices", "ListTasks", "DescribeTasks", "DescribeTaskDefinition"]
)
def test_what_is_denied_is_told_with_its_action(recorded: Recorded, operation: str) -> None:
    aws = recorded(**answers(**{operation: {"__type": "AccessDeniedException", "message": "no"}}))
    seen = EcsService.read(aws, [SERVICE])["s"]
    assert isinstance(seen, Denied)
    assert f"ecs:{operation}" in seen.hint


def test_one_service_that_cannot_be_read_leaves_the_others(recorded: Recorded) -> None:
    other = "arn:aws:ecs:us-east-1:111122223333:task-definition/o:1"
    described = [service(), service("o", taskDefinition=other, deployments=[])]
    aws = recorded(
        **answers(
            DescribeServices={"services": described},
            ListTasks=lambda request: (
                {"taskArns": [f"{TASKS}1"]} if request["serviceName"] == "s" else {"taskArns": []}
            ),
            DescribeTaskDefinition=lambda request: (
                definition()
                if request["taskDefinition"] == DEFINITION
                else {"__type": "ClientException", "message": "Unable to describe task definition"}
            ),
        )
    )
    found = EcsService.read(aws, [SERVICE, EcsService(cluster="c", service="o")])
    assert isinstance(found["s"], ServiceState)
    assert isinstance(found["o"], Fault)


def test_what_must_report(make_profile: Callable[..., Any]) -> None:
    profile = make_profile()
    plain = EcsService(cluster="c", service="s", circuit_breaker=False)
    always = {
        "ecs.is_active",
        "ecs.running_count",
        "ecs.rollout_is_complete",
        "ecs.last_deployment_was_not_rolled_back",
        "ecs.tasks_run_the_expected_revision",
        "ecs.container_health_check_means_something",
    }
    assert set(plain.mandatory(profile, Phase.PRE_DEPLOY)) == always
    later = {"ecs.no_task_is_older_than_the_deployment"}
    assert set(plain.mandatory(profile, Phase.POST_DEPLOY)) == always | later
    full = EcsService(cluster="c", service="s", image="api", memory=512)
    declared = {"ecs.running_digest", "ecs.circuit_breaker_rolls_back", "ecs.tasks_have_the_declared_size"}
    assert set(full.mandatory(profile, Phase.PRE_DEPLOY)) == always | declared
    assert full.arn("1" * 12, "r") == "arn:aws:ecs:r:111111111111:service/c/s"
