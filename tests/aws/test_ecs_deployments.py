"""How the last deployment of a service ended: from recorded answers, since the emulator remembers none."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.aws.ecs import EcsService
from harness.aws.ecs_deployments import (
    REMEMBERED,
    LastDeployment,
    last_deployment,
    must_be_listed,
    rollback_problem,
)
from harness.aws.ecs_state import Deployment, ServiceState
from harness.aws.faults import Broken, Denied, NotEmulated
from harness.aws.session import Aws
from harness.model import Phase
from harness.profile import Profile
from harness.profile.schema import LocalConfig

Recorded = Callable[..., Aws]
SERVICE = EcsService(cluster="c", service="s")
ARN = "arn:aws:ecs:us-east-1:111122223333:service-deployment/c/s/"
NOW = 1_700_000_000.0


def listed(name: str, status: str, created: float, **more: Any) -> dict[str, Any]:
    """As AWS lists one; times on the wire are epoch seconds."""
    return {
        "serviceDeploymentArn": ARN + name,
        "serviceArn": "arn:aws:ecs:us-east-1:111122223333:service/c/s",
        "clusterArn": "arn:aws:ecs:us-east-1:111122223333:cluster/c",
        "startedAt": created + 1,
        "createdAt": created,
        "finishedAt": created + 60,
        "targetServiceRevisionArn": "arn:aws:ecs:us-east-1:111122223333:service-revision/c/s/1",
        "status": status,
        **more,
    }


def test_the_newest_counts_whatever_page_it_is_on(recorded: Recorded) -> None:
    asked: list[Any] = []

    def pages(request: Any) -> dict[str, Any]:
        asked.append(request)
        if request.get("nextToken") == "more":
            reason = "Service deployment rolled back because of circuit breaker"
            newest = listed("b", "ROLLBACK_SUCCESSFUL", NOW, statusReason=reason)
            return {"serviceDeployments": [newest, listed("c", "SUCCESSFUL", NOW - 2)]}
        return {"serviceDeployments": [listed("a", "SUCCESSFUL", NOW - 1)], "nextToken": "more"}

    last = last_deployment(recorded(ListServiceDeployments=pages), SERVICE)
    assert last == LastDeployment(
        f"{ARN}b", "ROLLBACK_SUCCESSFUL", "Service deployment rolled back because of circuit breaker", NOW
    )
    assert [(request["cluster"], request["service"]) for request in asked] == [("c", "s")] * 2


def test_none_is_listed(recorded: Recorded) -> None:
    assert last_deployment(recorded(ListServiceDeployments={"serviceDeployments": []}), SERVICE) is None


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({}, "no serviceDeployments"),
        ({"serviceDeployments": [{"status": "SUCCESSFUL", "createdAt": NOW}]}, "no serviceDeploymentArn"),
        ({"serviceDeployments": [{"serviceDeploymentArn": ARN, "createdAt": NOW}]}, "no status"),
        ({"serviceDeployments": [{"serviceDeploymentArn": ARN, "status": "PENDING"}]}, "no createdAt"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error(
    recorded: Recorded, answer: dict[str, Any], says: str
) -> None:
    with pytest.raises(Broken, match=says):
        last_deployment(recorded(ListServiceDeployments=answer), SERVICE)


def test_who_may_not_ask_is_told_the_action(recorded: Recorded) -> None:
    denied = {"__type": "AccessDeniedException", "message": "no"}
    with pytest.raises(Denied, match="ecs:ListServiceDeployments"):
        last_deployment(recorded(ListServiceDeployments=denied), SERVICE)


def test_nothing_is_claimed_in_the_stand_in(make_profile: Callable[..., Profile]) -> None:
    profile = replace(make_profile("http://127.0.0.1:9"), local=LocalConfig(stand_in=True))
    with pytest.raises(NotEmulated):
        last_deployment(Aws(profile), SERVICE)


@pytest.mark.parametrize(
    ("status", "before", "after"),
    [
        ("PENDING", "", ""),
        ("IN_PROGRESS", "", ""),
        ("SUCCESSFUL", "", ""),
        ("ROLLBACK_SUCCESSFUL", "", "rolled back"),
        ("STOPPED", "", "stopped"),
        ("STOP_REQUESTED", "stopped", "stopped"),
        ("ROLLBACK_REQUESTED", "rolled back", "rolled back"),
        ("ROLLBACK_IN_PROGRESS", "rolled back", "rolled back"),
        ("ROLLBACK_FAILED", "rolled back", "rolled back"),
    ],
)
def test_endings(status: str, before: str, after: str) -> None:
    last = LastDeployment(ARN, status, "", NOW)
    for phase, how in ((Phase.PRE_DEPLOY, before), (Phase.POST_DEPLOY, after)):
        wanted = f"its last deployment was {how}: {status}" if how else ""
        assert rollback_problem(last, phase) == wanted
    told = rollback_problem(replace(last, reason="tasks failed"), Phase.POST_DEPLOY)
    assert told.endswith("(tasks failed)") == bool(after)


@pytest.mark.parametrize(("age", "listed"), [(0.0, True), (REMEMBERED - 1, True), (REMEMBERED, False)])
def test_what_ecs_must_remember(age: float, listed: bool) -> None:
    deployment = Deployment("1", "PRIMARY", "COMPLETED", "", 1, 1, 0, 0, "s:1", NOW - age)
    state = ServiceState("s", "c", "ACTIVE", 1, 1, 0, "s:1", True, True, (deployment,), at=NOW)
    assert must_be_listed(state) == listed
