"""Workers on Fargate: started, waited for, stopped whatever happens, and swept where a run was killed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.aws.fargate import PREFIX, TaskSpec, WorkersNotStarted, sweep, tasks
from harness.aws.faults import Absent, Broken, Denied
from harness.aws.operations import Refused
from harness.aws.session import Aws

SPEC = TaskSpec("load", "worker", "worker", ("subnet-1",), ("sg-1",), count=2)
MINE = f"{PREFIX}run-1"
ARN = "arn:aws:ecs:us-east-1:111122223333:task/load/"


@pytest.fixture
def cluster(owner: Callable[[str], Any]) -> Any:
    ecs = owner("ecs")
    ecs.create_cluster(clusterName="load")
    for family in ("worker", "another"):
        ecs.register_task_definition(
            family=family,
            containerDefinitions=[{"name": "worker", "image": "worker:1", "memory": 512}],
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
        )
    return ecs


def begin(aws: Aws, spec: TaskSpec = SPEC, *, started_by: str = MINE, wait: float = 10.0, **more: Any) -> Any:
    command = ["gonogo", "load-worker", "--at-most", "60"]
    return tasks(aws, spec, command=command, environment={"A": "1"}, started_by=started_by, wait=wait, **more)


def statuses(ecs: Any, arns: tuple[str, ...]) -> list[str]:
    return [task["lastStatus"] for task in ecs.describe_tasks(cluster="load", tasks=list(arns))["tasks"]]


def test_tasks_run_for_the_length_of_the_block(aws: Aws, cluster: Any) -> None:
    with begin(aws) as arns:
        assert len(arns) == 2
        found = cluster.describe_tasks(cluster="load", tasks=list(arns), include=["TAGS"])["tasks"]
        assert [task["lastStatus"] for task in found] == ["RUNNING"] * 2
        assert {task["startedBy"] for task in found} == {MINE}
        assert {task["launchType"] for task in found} == {"FARGATE"}
        assert [task["tags"] for task in found] == [[{"key": "gonogo-load-run", "value": MINE}]] * 2
        override = found[0]["overrides"]["containerOverrides"][0]
        assert override["command"] == ["gonogo", "load-worker", "--at-most", "60"]
        assert override["environment"] == [{"name": "A", "value": "1"}]
    assert statuses(cluster, arns) == ["STOPPED"] * 2


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_they_are_stopped_after_an_error_too(aws: Aws, cluster: Any, error: type[BaseException]) -> None:
    seen: tuple[str, ...] = ()
    with pytest.raises(error), begin(aws) as arns:  # noqa: PT012 - the block is what raises
        seen = arns
        raise error
    assert statuses(cluster, seen) == ["STOPPED"] * 2


def test_more_than_ten_take_several_calls(aws: Aws, cluster: Any) -> None:
    spec = TaskSpec("load", "worker", "worker", ("subnet-1",), count=12, assign_public_ip=True)
    with begin(aws, spec) as arns:
        assert len(set(arns)) == 12
        assert aws.calls["ecs:RunTask"] == 2
    assert cluster.list_tasks(cluster="load", desiredStatus="RUNNING")["taskArns"] == []


def test_what_a_killed_run_left_is_stopped_and_nothing_else(aws: Aws, cluster: Any) -> None:
    def start(family: str, by: str) -> str:
        answer = cluster.run_task(cluster="load", taskDefinition=family, startedBy=by, launchType="FARGATE")
        return str(answer["tasks"][0]["taskArn"])

    left = start("worker", f"{PREFIX}killed")
    others = [start("worker", "somebody"), start("another", f"{PREFIX}killed"), start("worker", MINE)]
    assert sweep(aws, SPEC, but=MINE) == (left,)
    assert statuses(cluster, (left,)) == ["STOPPED"]
    assert statuses(cluster, tuple(others)) == ["RUNNING"] * 3
    assert sweep(aws, SPEC) == (others[2],)
    assert sweep(aws, SPEC) == ()


def test_a_cluster_that_is_missing_is_named(aws: Aws, cluster: Any) -> None:
    with (
        pytest.raises((Absent, Broken), match="task definition nothing in ECS cluster load"),
        begin(aws, TaskSpec("load", "nothing", "worker", ("subnet-1",))),
    ):
        pytest.fail("it began")


def test_read_only_access_starts_nothing(
    stack_url: str, credentials: str, make_profile: Callable[..., Any], cluster: Any
) -> None:
    aws = Aws(make_profile(stack_url, account=credentials))
    with pytest.raises(Refused, match="ecs:RunTask"), begin(aws):
        pytest.fail("it began")
    assert cluster.list_tasks(cluster="load")["taskArns"] == []


@pytest.mark.parametrize("name", ["run-1", f"{PREFIX}{'x' * 40}"])
def test_whose_tasks_they_are_must_fit_into_ecs(aws: Aws, name: str) -> None:
    with pytest.raises(ValueError, match="at most 36"), begin(aws, started_by=name):
        pytest.fail("it began")


DENIED = {"__type": "AccessDeniedException", "message": "no"}


class Ecs:
    """What ECS would answer, for what the emulator cannot do: tasks that pend, fail and stop by themselves."""

    def __init__(
        self, looks: list[list[dict[str, Any]]], failures: list[dict[str, str]] | None = None
    ) -> None:
        self.looks, self.failures = looks, failures or []
        self.stopped: list[str] = []
        self.run: list[dict[str, Any]] = []

    def answers(self) -> dict[str, Any]:
        return {
            "RunTask": self._run,
            "DescribeTasks": self._describe,
            "StopTask": self._stop,
            "ListTasks": self._list,
        }

    def _run(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.run.append(asked)
        started = [{"taskArn": f"{ARN}{number}"} for number in range(asked["count"] - len(self.failures))]
        return {"tasks": started, "failures": self.failures}

    def _describe(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"tasks": self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]}

    def _stop(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.stopped.append(asked["task"])
        return {"task": {"taskArn": asked["task"]}}

    def _list(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"taskArns": [f"{ARN}0"]}


@pytest.fixture
def writing(recorded: Callable[..., Aws], make_profile: Callable[..., Any]) -> Callable[[Ecs], Aws]:
    def make(ecs: Ecs, **more: Any) -> Aws:
        url = recorded(**{**ecs.answers(), **more}).profile.aws.endpoint_url
        return Aws(make_profile(url, access="read-write"))

    return make


def task(number: int, status: str, **more: Any) -> dict[str, Any]:
    return {"taskArn": f"{ARN}{number}", "lastStatus": status, "desiredStatus": "RUNNING", **more}


def ticking(step: float = 1.0) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += step


def test_the_block_begins_when_all_run(writing: Any) -> None:
    ecs = Ecs(
        [
            [],
            [task(0, "PROVISIONING")],
            [task(0, "RUNNING"), task(1, "PENDING")],
            [task(0, "RUNNING"), task(1, "RUNNING")],
        ]
    )
    pauses: list[float] = []
    with begin(writing(ecs), sleep=pauses.append) as arns:
        assert arns == (f"{ARN}0", f"{ARN}1")
        assert len(pauses) == 3
        assert ecs.stopped == []
    assert ecs.stopped == [f"{ARN}0", f"{ARN}1"]
    network = ecs.run[0]["networkConfiguration"]["awsvpcConfiguration"]
    assert network == {"subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}


def test_a_task_that_stops_says_why(writing: Any) -> None:
    reason = "CannotPullContainerError: pull image manifest has been retried 5 time(s)"
    containers = [{"name": "worker", "exitCode": 2, "reason": "OutOfMemoryError"}]
    ecs = Ecs([[task(0, "RUNNING"), task(1, "STOPPED", stoppedReason=reason, containers=containers)]])
    with pytest.raises(WorkersNotStarted) as caught, begin(writing(ecs)):
        pytest.fail("it began")
    assert caught.value.message == (
        "task definition worker in ECS cluster load: 1 of 2 tasks stopped instead of working: "
        f"{reason}, OutOfMemoryError, worker ended with exit code 2"
    )
    assert ecs.stopped == [f"{ARN}0", f"{ARN}1"]


def test_a_task_that_gives_no_reason_says_that(writing: Any) -> None:
    ecs = Ecs([[task(0, "RUNNING"), task(1, "DEPROVISIONING", desiredStatus="STOPPED")]])
    with pytest.raises(WorkersNotStarted, match="ECS gives no reason"), begin(writing(ecs)):
        pytest.fail("it began")


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ([task(0, "RUNNING"), task(1, "PENDING")], "1 of 2 tasks run after 5 s, the others are PENDING"),
        ([task(0, "RUNNING")], "1 of 2 tasks run after 5 s, the others are not listed yet"),
    ],
)
def test_tasks_that_take_too_long_are_stopped(writing: Any, seen: list[dict[str, Any]], told: str) -> None:
    ecs, clock = Ecs([seen]), ticking()
    with (
        pytest.raises(WorkersNotStarted, match=told),
        begin(writing(ecs), wait=5.0, clock=lambda: next(clock), sleep=lambda _: None),
    ):
        pytest.fail("it began")
    assert ecs.stopped == [f"{ARN}0", f"{ARN}1"]


def test_a_placement_that_fails_names_the_reason_and_stops_the_others(writing: Any) -> None:
    ecs = Ecs([[]], failures=[{"arn": ARN, "reason": "Capacity is unavailable at this time"}])
    told = "could not start 1 of 2 tasks: Capacity is unavailable at this time"
    with pytest.raises(WorkersNotStarted, match=told), begin(writing(ecs)):
        pytest.fail("it began")
    assert ecs.stopped == [f"{ARN}0"]


def test_an_answer_without_tasks_is_no_loop(writing: Any) -> None:
    ecs = Ecs([[]])
    with (
        pytest.raises(Broken, match="named no task"),
        begin(writing(ecs, RunTask={"tasks": [], "failures": []})),
    ):
        pytest.fail("it began")


def test_a_task_whose_answer_got_lost_is_stopped_as_well(writing: Any) -> None:
    """ECS lists it by who started it."""
    ecs = Ecs([[task(0, "RUNNING"), task(1, "RUNNING")]])
    lost = f"{ARN}lost"
    with begin(writing(ecs, ListTasks={"taskArns": [f"{ARN}1", lost]})):
        pass
    assert ecs.stopped == [f"{ARN}0", f"{ARN}1", lost]


def test_one_that_cannot_be_stopped_is_told_and_the_others_are(writing: Any) -> None:
    ecs = Ecs([[task(0, "RUNNING"), task(1, "RUNNING")]])
    stop = [DENIED, ecs._stop]
    with pytest.raises(Denied, match="ecs:StopTask"), begin(writing(ecs, StopTask=stop)):
        pass
    assert ecs.stopped == [f"{ARN}1"]


def test_what_went_wrong_in_the_block_is_not_hidden_by_what_goes_wrong_after_it(writing: Any) -> None:
    ecs = Ecs([[task(0, "RUNNING"), task(1, "RUNNING")]])
    with (
        pytest.raises(RuntimeError, match="the load") as caught,
        begin(writing(ecs, ListTasks=DENIED, StopTask=DENIED)),
    ):
        raise RuntimeError("the load")
    assert len(caught.value.__notes__) == 3
    assert "ecs:StopTask" in caught.value.__notes__[2]
