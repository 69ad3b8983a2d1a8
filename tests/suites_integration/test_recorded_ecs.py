"""What the emulator cannot show of ECS services and their scaling, judged by the suites from recorded answers."""

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from harness.model import Cause, CheckResult, Outcome, Phase

RunGate = Callable[..., dict[str, CheckResult]]
ARN = "arn:aws:ecs:us-east-1:111122223333:"
DEFINITION = f"{ARN}task-definition/api:7"
IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::ACCOUNT:user/gate</Arn><UserId>AIDA</UserId><Account>ACCOUNT</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
TARGETS = """
[[autoscaling.targets]]
cluster = "main"
service = "api"
min_capacity = 2
max_capacity = 6
policies = ["cpu"]
"""


def answers(**changes: Any) -> dict[str, Any]:
    """A service that is as it should be, as AWS describes it."""
    now = time.time() - 600
    deployment = {
        "id": "ecs-svc/1",
        "status": "PRIMARY",
        "rolloutState": "COMPLETED",
        "taskDefinition": DEFINITION,
        "desiredCount": 2,
        "runningCount": 2,
        "createdAt": now,
        **changes.get("deployment", {}),
    }
    service = {
        "serviceName": "api",
        "status": "ACTIVE",
        "desiredCount": 2,
        "runningCount": 2,
        "pendingCount": 0,
        "taskDefinition": DEFINITION,
        "deployments": [deployment],
        "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        **changes.get("service", {}),
    }
    container = {"name": "api", "image": "r.io/api:v1", "imageDigest": "sha256:" + "a" * 64}
    task = {
        "lastStatus": "RUNNING",
        "healthStatus": "HEALTHY",
        "taskDefinitionArn": DEFINITION,
        "startedBy": "ecs-svc/1",
        "createdAt": now + 5,
        "containers": [container],
        **changes.get("task", {}),
    }
    names = [f"{ARN}task/main/{number}" for number in (1, 2)]
    definition = {
        "taskDefinitionArn": DEFINITION,
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [{"name": "api"}],
    }
    last = {
        "serviceDeploymentArn": f"{ARN}service-deployment/main/api/1",
        "status": "SUCCESSFUL",
        "createdAt": now,
        **changes.get("last", {}),
    }
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/main/api",
        "ScalableDimension": "ecs:service:DesiredCount",
        "MinCapacity": 2,
        "MaxCapacity": 6,
        "RoleARN": "arn:aws:iam::111122223333:role/x",
        "CreationTime": now,
        **changes.get("target", {}),
    }
    return {
        "DescribeServices": {"services": [service]},
        "ListTasks": {"taskArns": names},
        "DescribeTasks": {"tasks": [{**task, "taskArn": name} for name in names]},
        "DescribeTaskDefinition": {"taskDefinition": definition},
        "ListServiceDeployments": {"serviceDeployments": changes.get("listed", [last])},
        "DescribeScalableTargets": {"ScalableTargets": [target]},
        "DescribeScalingPolicies": {"ScalingPolicies": changes.get("policies", [{"PolicyName": "cpu"}])},
    }


@pytest.fixture
def judge(
    run_gate: RunGate, stub: Callable[..., Any], http: Callable[..., bytes], credentials: str
) -> Callable[..., dict[str, CheckResult]]:
    """Run the gate on these answers; gives what the checks of ECS and scaling came to. All else is denied."""

    def run(given: Mapping[str, Any], phase: Phase = Phase.PRE_DEPLOY) -> dict[str, CheckResult]:
        def answer(request: bytes) -> bytes:
            if b"GetCallerIdentity" in request:
                return http("200 OK", IDENTITY.replace("ACCOUNT", credentials), "text/xml")
            target = re.search(rb"(?i)x-amz-target: *[\w.]*\.(\w+)", request)
            name = target[1].decode() if target else ""
            if name not in given:
                denied = {"__type": "AccessDeniedException", "message": "no"}
                return http("400 Bad Request", json.dumps(denied), "application/x-amz-json-1.1")
            return http("200 OK", json.dumps(given[name]), "application/x-amz-json-1.1")

        results = run_gate(
            "integration",
            "local.stand_in=false",
            account=credentials,
            url=stub(answer).url,
            phase=phase,
            more=TARGETS,
        )
        return {name: it for name, it in results.items() if name.startswith(("ecs.", "autoscaling."))}

    return run


@pytest.mark.parametrize(
    ("changes", "phase", "failed"),
    [
        ({}, Phase.PRE_DEPLOY, {}),
        ({}, Phase.POST_DEPLOY, {}),
        ({"service": {"status": "DRAINING"}}, Phase.PRE_DEPLOY, {"ecs.is_active": "DRAINING, not ACTIVE"}),
        (
            {"deployment": {"rolloutState": "FAILED", "rolloutStateReason": "tasks failed to start"}},
            Phase.PRE_DEPLOY,
            {"ecs.rollout_is_complete": "the rollout is FAILED: tasks failed to start"},
        ),
        (
            {"last": {"status": "ROLLBACK_SUCCESSFUL", "statusReason": "circuit breaker"}},
            Phase.POST_DEPLOY,
            {
                "ecs.last_deployment_was_not_rolled_back": "was rolled back: ROLLBACK_SUCCESSFUL (circuit breaker)"
            },
        ),
        ({"last": {"status": "ROLLBACK_SUCCESSFUL"}}, Phase.PRE_DEPLOY, {}),
        (
            {"task": {"healthStatus": "UNHEALTHY"}},
            Phase.PRE_DEPLOY,
            {"ecs.tasks_run_the_expected_revision": "task 1 is UNHEALTHY"},
        ),
        (
            {"target": {"MinCapacity": 1}},
            Phase.PRE_DEPLOY,
            {"autoscaling.limits_are_as_declared": "its min capacity is 1, declared 2"},
        ),
        (
            {"target": {"SuspendedState": {"DynamicScalingOutSuspended": True}}},
            Phase.PRE_DEPLOY,
            {"autoscaling.is_not_suspended": "suspended: scaling out"},
        ),
        (
            {"policies": []},
            Phase.PRE_DEPLOY,
            {"autoscaling.has_its_policies": "it has no scaling policy"},
        ),
    ],
)
def test_exactly_this_check_fails(
    judge: Callable[..., dict[str, CheckResult]],
    changes: dict[str, Any],
    phase: Phase,
    failed: dict[str, str],
) -> None:
    results = judge(answers(**changes), phase)
    assert len(results) == 11 + (phase is Phase.POST_DEPLOY)
    wrong = {name.partition("[")[0]: it for name, it in results.items() if it.outcome is not Outcome.PASSED}
    assert {name: it.outcome for name, it in wrong.items()} == dict.fromkeys(failed, Outcome.FAILED)
    for name, says in failed.items():
        assert says in wrong[name].reason
        assert "api" in wrong[name].reason
        assert wrong[name].hint


def test_a_deployment_that_ecs_does_not_list_proves_nothing(
    judge: Callable[..., dict[str, CheckResult]],
) -> None:
    result = judge(answers(listed=[]))["ecs.last_deployment_was_not_rolled_back[api]"]
    assert (result.outcome, result.cause) == (Outcome.INCONCLUSIVE, Cause.NOTHING_CHECKED)


def test_a_deployment_that_ecs_has_forgotten_is_none_to_list(
    judge: Callable[..., dict[str, CheckResult]],
) -> None:
    old = {"createdAt": time.time() - 91 * 86400}
    result = judge(answers(listed=[], deployment=old))["ecs.last_deployment_was_not_rolled_back[api]"]
    assert result.outcome is Outcome.PASSED
    assert result.facts["last_deployment"] == "none in the 90 days that ECS remembers"
