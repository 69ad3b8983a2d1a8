"""Application Auto Scaling: between which limits an ECS service's number of tasks follows its load."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from harness.aws.faults import Fault
from harness.aws.operations import Operation
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Phase
from harness.shapes import Field, model_validator

OPERATIONS = (
    Operation("application-autoscaling", "DescribeScalableTargets", emulated=False),
    Operation("application-autoscaling", "DescribeScalingPolicies", emulated=False),
)
_TARGETS_A_CALL = 50
_OF_ECS = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
_SUSPENSIONS = {
    "DynamicScalingInSuspended": "scaling in",
    "DynamicScalingOutSuspended": "scaling out",
    "ScheduledScalingSuspended": "scheduled scaling",
}


class ScalableTarget(AwsResource):
    """``[[autoscaling.targets]]``: an ECS service whose desired count follows its load."""

    fixture: ClassVar[str] = "scalable_target"
    uses: ClassVar[tuple[str, ...]] = tuple(row.key for row in OPERATIONS)

    cluster: str
    service: str
    min_capacity: int = Field(ge=0)
    """The fewest tasks that it may scale in to."""
    max_capacity: int = Field(ge=1)
    """The most tasks that it may scale out to."""
    policies: list[str] = Field(default_factory=list)
    """Names of scaling policies that it must have; without any, one policy of whatever name."""

    @model_validator(mode="after")
    def _in_order(self) -> "ScalableTarget":
        if self.min_capacity > self.max_capacity:
            msg = f"min_capacity {self.min_capacity} is more than max_capacity {self.max_capacity}"
            raise ValueError(msg)
        return self

    @property
    def id(self) -> str:
        """The service's name."""
        return self.service

    @property
    def target(self) -> str:
        """How Application Auto Scaling names the service."""
        return f"service/{self.cluster}/{self.service}"

    @property
    def home(self) -> str:
        """Service and cluster."""
        return f"scalable target {self.target}"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """Limits, suspension and policies."""
        return (
            "autoscaling.limits_are_as_declared",
            "autoscaling.is_not_suspended",
            "autoscaling.has_its_policies",
        )

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["ScalableTarget"]) -> Read:
        """Targets fifty a call; the policies of those that exist one by one: the API takes one target a call."""
        names = sorted({item.target for item in declared})
        chunks = [names[start : start + _TARGETS_A_CALL] for start in range(0, len(names), _TARGETS_A_CALL)]
        found: dict[str, Mapping[str, Any] | Fault] = {}
        for chunk, seen in zip(chunks, aws.each(lambda it: _targets(aws, it), chunks), strict=True):
            found |= dict.fromkeys(chunk, seen) if isinstance(seen, Fault) else seen
        exist = [item for item in declared if item.target in found]
        states = aws.each(lambda item: _state(aws, item, found[item.target]), exist)
        return {item.id: state for item, state in zip(exist, states, strict=True)}


@dataclass(frozen=True)
class TargetState:
    """A scalable target: its limits in tasks, what of its scaling is suspended, and its policies' names."""

    minimum: int
    maximum: int
    suspended: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()


ScalableTarget.state_type = TargetState


def _targets(aws: Aws, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    key, about = "application-autoscaling:DescribeScalableTargets", ", ".join(names)
    listed = aws.items(key, about, "ScalableTargets", ResourceIds=list(names), **_OF_ECS)
    return {need(item, "ResourceId", key, about): item for item in listed}


def _state(aws: Aws, declared: ScalableTarget, data: Mapping[str, Any] | Fault) -> TargetState:
    if isinstance(data, Fault):
        raise data
    asked = "application-autoscaling:DescribeScalableTargets"
    minimum, maximum = (need(data, field, asked, declared.home) for field in ("MinCapacity", "MaxCapacity"))
    suspended = data.get("SuspendedState", {})
    key = "application-autoscaling:DescribeScalingPolicies"
    policies = aws.items(key, declared.home, "ScalingPolicies", ResourceId=declared.target, **_OF_ECS)
    return TargetState(
        minimum,
        maximum,
        tuple(words for field, words in _SUSPENSIONS.items() if suspended.get(field)),
        tuple(sorted(need(item, "PolicyName", key, declared.home) for item in policies)),
    )


def limit_problems(declared: ScalableTarget, state: TargetState) -> tuple[str, ...]:
    """How its limits differ from what is declared."""
    limits = (
        ("min capacity", state.minimum, declared.min_capacity),
        ("max capacity", state.maximum, declared.max_capacity),
    )
    return tuple(
        f"its {name} is {seen}, declared {wanted}" for name, seen, wanted in limits if seen != wanted
    )


def policy_problem(declared: ScalableTarget, state: TargetState) -> str:
    """Which policy is missing; empty where none is."""
    if not state.policies:
        return "it has no scaling policy: its limits alone scale nothing"
    missing = [name for name in declared.policies if name not in state.policies]
    has = ", ".join(state.policies)
    return f"it has no scaling policy {', '.join(missing)}, only {has}" if missing else ""
