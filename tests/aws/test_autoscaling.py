"""Scaling limits: from recorded answers of the real shape, since the emulator has no Application Auto Scaling."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.aws import autoscaling
from harness.aws.autoscaling import ScalableTarget, TargetState
from harness.aws.faults import Broken, Denied, Fault, NotEmulated
from harness.aws.session import Aws
from harness.aws.survey import read_one
from harness.model import Phase
from harness.profile import Profile
from harness.profile.schema import LocalConfig
from harness.shapes import ValidationError

Recorded = Callable[..., Aws]
API = ScalableTarget(cluster="main", service="api", min_capacity=2, max_capacity=6)
GOOD = TargetState(2, 6, (), ("cpu",))


def target(name: str = "api", **changes: Any) -> dict[str, Any]:
    whole = {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/main/{name}",
        "ScalableDimension": "ecs:service:DesiredCount",
        "MinCapacity": 2,
        "MaxCapacity": 6,
        "RoleARN": "arn:aws:iam::111122223333:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/R",
        "CreationTime": 1_700_000_000.5,
        "SuspendedState": {
            "DynamicScalingInSuspended": False,
            "DynamicScalingOutSuspended": False,
            "ScheduledScalingSuspended": False,
        },
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def policy(name: str = "cpu") -> dict[str, Any]:
    return {
        "PolicyARN": f"arn:aws:autoscaling:us-east-1:111122223333:scalingPolicy:x:resource/ecs/y:policyName/{name}",
        "PolicyName": name,
        "ServiceNamespace": "ecs",
        "ResourceId": "service/main/api",
        "ScalableDimension": "ecs:service:DesiredCount",
        "PolicyType": "TargetTrackingScaling",
        "Alarms": [],
        "CreationTime": 1_700_000_000.5,
    }


def answers(**changes: Any) -> dict[str, Any]:
    return {
        "DescribeScalableTargets": {"ScalableTargets": [target()]},
        "DescribeScalingPolicies": {"ScalingPolicies": [policy()]},
        **changes,
    }


def test_a_target_is_read_whole(recorded: Recorded) -> None:
    asked: list[Any] = []

    def policies(request: Any) -> dict[str, Any]:
        asked.append(request)
        more = {} if "NextToken" in request else {"NextToken": "more"}
        return {"ScalingPolicies": [policy("cpu" if more else "memory")], **more}

    aws = recorded(**answers(DescribeScalingPolicies=policies))
    assert read_one(aws, API, TargetState) == TargetState(2, 6, (), ("cpu", "memory"))
    assert asked[0] == {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/main/api",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    assert len(asked) == 2


def test_targets_are_read_fifty_a_call_and_only_those_there_are_asked_for_policies(
    recorded: Recorded,
) -> None:
    asked: list[int] = []

    def targets(request: Any) -> dict[str, Any]:
        asked.append(len(request["ResourceIds"]))
        names = [name.rpartition("/")[2] for name in request["ResourceIds"]]
        return {"ScalableTargets": [target(name) for name in names if name in {"s00", "s59"}]}

    aws = recorded(**answers(DescribeScalableTargets=targets))
    declared = [
        ScalableTarget(cluster="main", service=f"s{number:02}", min_capacity=1, max_capacity=2)
        for number in range(60)
    ]
    assert set(ScalableTarget.read(aws, declared)) == {"s00", "s59"}
    assert sorted(asked) == [10, 50]
    assert aws.calls["application-autoscaling:DescribeScalingPolicies"] == 2


@pytest.mark.parametrize(
    ("suspended", "words"),
    [
        (None, ()),
        ({}, ()),
        ({"DynamicScalingInSuspended": True}, ("scaling in",)),
        (
            {"DynamicScalingOutSuspended": True, "ScheduledScalingSuspended": True},
            ("scaling out", "scheduled scaling"),
        ),
    ],
)
def test_what_is_suspended(
    recorded: Recorded, suspended: dict[str, bool] | None, words: tuple[str, ...]
) -> None:
    aws = recorded(**answers(DescribeScalableTargets={"ScalableTargets": [target(SuspendedState=suspended)]}))
    assert read_one(aws, API, TargetState).suspended == words


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"DescribeScalableTargets": {}}, Broken, "no ScalableTargets"),
        (
            {"DescribeScalableTargets": {"ScalableTargets": [target(MinCapacity=None)]}},
            Broken,
            "no MinCapacity",
        ),
        (
            {"DescribeScalableTargets": {"ScalableTargets": [target(MaxCapacity=None)]}},
            Broken,
            "no MaxCapacity",
        ),
        ({"DescribeScalableTargets": {"ScalableTargets": [{}]}}, Broken, "no ResourceId"),
        ({"DescribeScalingPolicies": {}}, Broken, "no ScalingPolicies"),
        ({"DescribeScalingPolicies": {"ScalingPolicies": [{}]}}, Broken, "no PolicyName"),
        (
            {"DescribeScalableTargets": {"__type": "AccessDeniedException", "message": "no"}},
            Denied,
            "application-autoscaling:DescribeScalableTargets",
        ),
        (
            {"DescribeScalingPolicies": {"__type": "AccessDeniedException", "message": "no"}},
            Denied,
            "application-autoscaling:DescribeScalingPolicies",
        ),
    ],
)
def test_what_is_no_answer_is_told(
    recorded: Recorded, change: dict[str, Any], kind: type[Fault], says: str
) -> None:
    seen = ScalableTarget.read(recorded(**answers(**change)), [API])["api"]
    assert isinstance(seen, kind)
    assert says in seen.message


def test_nothing_is_claimed_in_the_stand_in(make_profile: Callable[..., Profile]) -> None:
    profile = replace(make_profile("http://127.0.0.1:9"), local=LocalConfig(stand_in=True))
    assert isinstance(ScalableTarget.read(Aws(profile), [API])["api"], NotEmulated)


@pytest.mark.parametrize(
    ("state", "problems"),
    [
        (GOOD, ()),
        (replace(GOOD, minimum=1), ("its min capacity is 1, declared 2",)),
        (
            replace(GOOD, minimum=3, maximum=5),
            ("its min capacity is 3, declared 2", "its max capacity is 5, declared 6"),
        ),
    ],
)
def test_limits(state: TargetState, problems: tuple[str, ...]) -> None:
    assert autoscaling.limit_problems(API, state) == problems


@pytest.mark.parametrize(
    ("wanted", "has", "says"),
    [
        ([], ("cpu",), ""),
        ([], (), "has no scaling policy:"),
        (["cpu"], (), "has no scaling policy:"),
        (["cpu"], ("cpu", "memory"), ""),
        (["cpu", "queue"], ("cpu",), "has no scaling policy queue, only cpu"),
    ],
)
def test_policies(wanted: list[str], has: tuple[str, ...], says: str) -> None:
    declared = API.model_copy(update={"policies": wanted})
    problem = autoscaling.policy_problem(declared, replace(GOOD, policies=has))
    assert says in problem
    assert bool(problem) == bool(says)


def test_limits_in_the_wrong_order_are_no_declaration() -> None:
    with pytest.raises(ValidationError, match="min_capacity 3 is more than max_capacity 2"):
        ScalableTarget(cluster="c", service="s", min_capacity=3, max_capacity=2)
    assert ScalableTarget(cluster="c", service="s", min_capacity=2, max_capacity=2).id == "s"


def test_what_must_report(make_profile: Callable[..., Profile]) -> None:
    assert set(API.mandatory(make_profile(), Phase.PRE_DEPLOY)) == {
        "autoscaling.limits_are_as_declared",
        "autoscaling.is_not_suspended",
        "autoscaling.has_its_policies",
    }
    assert API.home == "scalable target service/main/api"
