"""What is judged of an ECS service: every rule at its boundary."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.aws import ecs_rules as rules
from harness.aws.ecs import EcsService
from harness.aws.ecs_state import Container, Definition, Deployment, HealthCheck, ServiceState, Task
from harness.aws.faults import NotEmulated

NOW = 1_700_000_000.75
DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
DONE = Deployment("ecs-svc/1", "PRIMARY", "COMPLETED", "", 2, 2, 0, 0, "x/s:2", NOW - 100)
TASK = Task(
    "t1", "RUNNING", "UNKNOWN", "x/s:2", "ecs-svc/1", NOW - 90, (Container("main", f"r.io/api@{DIGEST}"),)
)
GOOD = ServiceState(
    service="s",
    cluster="c",
    status="ACTIVE",
    desired=2,
    running=2,
    pending=0,
    task_definition="x/s:2",
    circuit_breaker=True,
    rolls_back=True,
    deployments=(DONE,),
    definition=Definition("x/s:2", 256, 512),
    tasks=(TASK, replace(TASK, id="t2")),
    at=NOW,
)
SERVICE = EcsService(cluster="c", service="s", rollout_limit=100.0)


def declared(**settings: Any) -> EcsService:
    return EcsService(cluster="c", service="s", **settings)


@pytest.mark.parametrize(
    ("service", "state", "problem"),
    [
        (declared(min_tasks=2), GOOD, ""),
        (declared(min_tasks=1), GOOD, ""),
        (declared(min_tasks=3), GOOD, "2 tasks are desired, the profile wants at least 3"),
        (declared(desired_tasks=2), GOOD, ""),
        (declared(desired_tasks=1), GOOD, "2 tasks are desired, the profile wants 1"),
        (declared(), replace(GOOD, running=1, pending=1), "1 of 2 desired tasks run (1 pending)"),
        (declared(), replace(GOOD, running=3), "3 of 2 desired tasks run (0 pending)"),
        (
            declared(),
            replace(GOOD, desired=0, running=0),
            "0 tasks are desired, the profile wants at least 1",
        ),
    ],
)
def test_counts(service: EcsService, state: ServiceState, problem: str) -> None:
    assert rules.count_problem(service, state) == problem


IN_PROGRESS = replace(DONE, rollout="IN_PROGRESS")
LATE = replace(IN_PROGRESS, created=NOW - 101)
FAILED = replace(DONE, rollout="FAILED", reason="tasks failed to start", failed=3)


@pytest.mark.parametrize(
    ("deployments", "problem", "over"),
    [
        ([DONE], "", True),
        ([], "there are 0 PRIMARY deployments", False),
        ([DONE, DONE], "there are 2 PRIMARY deployments", False),
        ([IN_PROGRESS], "the rollout is IN_PROGRESS (0 tasks failed)", False),
        (
            [LATE],
            "the rollout is IN_PROGRESS for 101s, longer than the 100s that it may take: it is stuck (0 tasks failed)",
            True,
        ),
        ([FAILED], "the rollout is FAILED: tasks failed to start (3 tasks failed)", True),
        ([replace(DONE, rollout="")], "the rollout is in no state that ECS tells (0 tasks failed)", False),
        (
            [DONE, replace(DONE, status="ACTIVE", running=1)],
            "another deployment is still there: ACTIVE with 1 running tasks",
            False,
        ),
        (
            [DONE, replace(FAILED, status="ACTIVE", running=0)],
            "another deployment is still there: ACTIVE with 0 running tasks, FAILED: tasks failed to start",
            False,
        ),
        ([replace(DONE, running=1)], "the rollout is COMPLETED, but 1 of its 2 tasks run", False),
    ],
)
def test_rollouts(deployments: Sequence[Deployment], problem: str, over: bool) -> None:
    state = replace(GOOD, deployments=tuple(deployments))
    assert rules.rollout_problem(SERVICE, state) == problem
    assert rules.rollout_is_over(SERVICE, state) == over


@pytest.mark.parametrize(
    ("tasks", "problems"),
    [
        (GOOD.tasks, ()),
        ((), ("none of its 2 desired tasks is there",)),
        ((replace(TASK, status="PENDING"),), ("task t1 is PENDING, not RUNNING",)),
        ((TASK, replace(TASK, id="old", task_definition="x/s:1")), ("task old runs s:1, not s:2",)),
        ((replace(TASK, health="UNHEALTHY"),), ("task t1 is UNHEALTHY by its container health check",)),
        ((replace(TASK, health="HEALTHY"),), ()),
        (
            (replace(TASK, status="PENDING"),) * 7,
            (*("task t1 is PENDING, not RUNNING",) * 5, "2 more"),
        ),
    ],
)
def test_tasks(tasks: tuple[Task, ...], problems: tuple[str, ...]) -> None:
    assert rules.task_problems(replace(GOOD, tasks=tasks)) == problems


def test_a_service_that_wants_no_task_misses_none() -> None:
    assert rules.task_problems(replace(GOOD, desired=0, tasks=())) == ()


@pytest.mark.parametrize(
    ("started_by", "created", "problems"),
    [
        ("", DONE.created, ()),
        ("", DONE.created + 1, ()),
        ("", DONE.created - 0.7, ()),  # the same second
        ("", DONE.created - 1, ("task t1 is 1 s older than it",)),
        ("s", DONE.created - 50, ("task t1 is 50 s older than it",)),
        ("ecs-svc/2", DONE.created - 50, ("task t1 is 50 s older than it",)),
        ("ecs-svc/1", DONE.created - 50, ()),  # this very deployment started it
    ],
)
def test_tasks_older_than_the_deployment(started_by: str, created: float, problems: tuple[str, ...]) -> None:
    state = replace(GOOD, tasks=(replace(TASK, started_by=started_by, created=created),))
    assert rules.old_tasks(state) == problems


def test_without_a_deployment_nothing_is_known_to_be_new() -> None:
    assert rules.old_tasks(replace(GOOD, deployments=())) == ("it has no one PRIMARY deployment",)


@pytest.mark.parametrize(
    ("on", "rolls_back", "says"),
    [
        (True, True, ""),
        (False, False, "is off"),
        (False, True, "is off"),
        (True, False, "does not roll back"),
    ],
)
def test_circuit_breakers(on: bool, rolls_back: bool, says: str) -> None:
    problem = rules.breaker_problem(replace(GOOD, circuit_breaker=on, rolls_back=rolls_back))
    assert says in problem
    assert bool(problem) == bool(says)


@pytest.mark.parametrize(
    ("service", "problems"),
    [
        (declared(), ()),
        (declared(cpu=256, memory=512), ()),
        (declared(cpu=512), ("256 CPU units, declared 512",)),
        (declared(cpu=256, memory=1024), ("512 MiB of memory, declared 1024",)),
    ],
)
def test_sizes(service: EcsService, problems: tuple[str, ...]) -> None:
    assert rules.size_problems(service, GOOD) == problems


@pytest.mark.parametrize(
    "command",
    [
        ["CMD-SHELL", "exit 0"],
        ["CMD-SHELL", "  exit   0 ;"],
        ["CMD-SHELL", "exit"],
        ["CMD-SHELL, exit 0"],
        ["CMD-SHELL", "true"],
        ["CMD-SHELL", ":"],
        ["CMD-SHELL", ""],
        ["CMD", "true"],
        ["CMD", "/bin/true"],
        ["CMD", "/usr/bin/true"],
        ["CMD", "sh", "-c", "exit 0"],
        ["CMD", "/bin/bash", "-c", "'exit 0'"],
        ["exit 0"],
        ["CMD-SHELL", "echo ok"],
        ["CMD-SHELL", "curl -f http://localhost/ || true"],
        ["CMD-SHELL", "curl -f http://localhost/ || exit 0"],
        ["CMD-SHELL", "curl -f http://localhost/ ; exit 0"],
        ["CMD-SHELL", "curl -f http://localhost/ || echo failed"],
        [],
    ],
)
def test_health_checks_that_cannot_fail(command: list[str]) -> None:
    assert rules.always_succeeds(command)


@pytest.mark.parametrize(
    "command",
    [
        ["CMD-SHELL", "curl -f http://localhost/ || exit 1"],
        ["CMD-SHELL", "curl -f http://localhost/"],
        ["CMD-SHELL", "curl -f http://localhost/; exit $?"],
        ["CMD-SHELL", "curl -f http://localhost/ || exit"],
        ["CMD-SHELL", "curl -s http://localhost/ | grep -q true"],
        ["CMD-SHELL", "echo ok && curl -f http://localhost/"],
        ["CMD-SHELL", "curl -f http://localhost/ || (echo down; exit 1)"],
        ["CMD", "python", "healthy.py"],
        ["CMD", "sh", "-c", "test -f /tmp/ready"],
    ],
)
def test_health_checks_that_can_fail(command: list[str]) -> None:
    assert not rules.always_succeeds(command)


def test_health_checks_are_named_by_their_container() -> None:
    checks = [HealthCheck("web", ("CMD-SHELL", "exit 0")), HealthCheck("api", ("CMD", "check"))]
    assert rules.idle_health_checks(checks) == ("container web: CMD-SHELL exit 0",)


def running(*containers: Container, status: str = "RUNNING") -> rules.RunningDigest:
    tasks = tuple(replace(TASK, status=status, containers=(item,)) for item in containers)
    return rules.running_digest(SERVICE, replace(GOOD, tasks=tasks), "api")


def test_the_reported_digest_counts_before_the_written_one() -> None:
    seen = running(Container("main", f"h.example/api:v1@{DIGEST}", OTHER))
    assert seen == rules.RunningDigest((OTHER,), 1, "reported by ECS")


def test_what_is_not_reported_is_inferred_and_says_so() -> None:
    mixed = running(Container("main", "api:v1", OTHER), Container("main", f"api@{DIGEST}"))
    assert mixed == rules.RunningDigest((DIGEST, OTHER), 2, "inferred from the task definition")


def test_a_tag_alone_shows_no_digest() -> None:
    with pytest.raises(NotEmulated, match="names only a tag"):
        running(Container("main", "api:v1"))


def test_only_what_runs_of_the_repository_counts() -> None:
    assert running(Container("main", f"api@{DIGEST}"), status="PENDING").digests == ()
    seen = running(Container("main", f"web@{DIGEST}"))
    assert (seen.digests, seen.containers) == ((), 0)
    assert "no running task has a container of repository api" in seen.source
