"""Target groups: what a load balancer takes for healthy, and how much of it is."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from harness.aws import alb
from harness.aws.faults import Broken, Fault
from harness.aws.operations import Operation
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Phase
from harness.profile.schema import Duration
from harness.shapes import Field, field_validator

OPERATIONS = (Operation("elbv2", "DescribeTargetGroups"), Operation("elbv2", "DescribeTargetHealth"))
HEALTHY = "healthy"
_CODES = re.compile(r"^\d{1,3}(-\d{1,3})?(,\d{1,3}(-\d{1,3})?)*$")


class TargetGroup(AwsResource):
    """``[[alb.target_groups]]``."""

    fixture: ClassVar[str] = "target_group"
    uses: ClassVar[tuple[str, ...]] = tuple(operation.key for operation in OPERATIONS)
    # What asking its service takes is among what that uses: it is declared as well.

    name: str = Field(min_length=1)
    load_balancer: str = ""
    """The load balancer, by its name, one of whose listeners forwards to it; empty: not judged."""
    service: str = ""
    """The ECS service, declared in this profile, whose desired count the number of healthy targets must equal."""
    min_healthy: int = Field(default=1, ge=1)
    """The healthy targets there must be at least."""
    protocol: Literal["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE"] = "HTTP"
    port: int = Field(default=0, ge=0, le=65535)
    """The port of its targets, judged together with `protocol`; 0: not judged."""
    matcher: str = "200"
    """The status codes, as ``200``, ``200,302`` or ``200-299``, of which it may take any for healthy, and no others.
    Empty: not judged (its health check looks at no status)."""
    health_path: str = ""
    """The path that its health check asks. This and what follows is judged where it is set."""
    interval: Duration = 0.0
    """The time between two health checks of a target."""
    timeout: Duration = 0.0
    """How long a health check waits for an answer."""
    healthy_threshold: int = Field(default=0, ge=0, le=10)
    """Good health checks in a row after which a target is healthy."""
    unhealthy_threshold: int = Field(default=0, ge=0, le=10)
    """Failed health checks in a row after which a target is unhealthy."""

    @field_validator("matcher")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        if value:
            codes(value)
        return value

    @property
    def id(self) -> str:
        """The target group's name."""
        return self.name

    @property
    def home(self) -> str:
        """The target group."""
        return f"target group {self.name}"

    @property
    def health_check(self) -> bool:
        """Whether anything is declared of its health check beside the matcher."""
        return any(
            (self.health_path, self.interval, self.timeout, self.healthy_threshold, self.unhealthy_threshold)
        )

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """Healthy targets; and what is declared of its place and health check."""
        declared = {
            "target_groups.is_behind_its_load_balancer": bool(self.load_balancer),
            "target_groups.forwards_as_declared": bool(self.port),
            "target_groups.matcher_is_not_laxer": bool(self.matcher),
            "target_groups.health_check_is_as_declared": self.health_check,
        }
        judged = (name for name, applies in declared.items() if applies)
        return ("target_groups.targets_are_healthy", *judged)

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["TargetGroup"]) -> Read:
        """By name, twenty a call; then each one's targets."""
        key = "elbv2:DescribeTargetGroups"
        found = alb.by_name(
            aws,
            [item.name for item in declared],
            lambda names: {
                str(need(data, "TargetGroupName", key, ", ".join(names))): data
                for data in aws.items(
                    key, f"target groups {', '.join(names)}", "TargetGroups", Names=list(names)
                )
            },
        )
        described = {name: data for name, data in found.items() if not isinstance(data, Fault)}
        states = aws.each(lambda data: _state(aws, data), described.values())
        return alb.existing({**found, **dict(zip(described, states, strict=True))})


@dataclass(frozen=True)
class Target:
    """A registered target; `state` is ``healthy``, ``unhealthy``, ``initial``, ``draining``, ``unused``…, with why."""

    id: str
    port: int
    state: str
    reason: str = ""
    description: str = ""

    def __str__(self) -> str:
        why = ": ".join(text for text in (self.reason, self.description) if text)
        return f"{self.id}:{self.port} is {self.state}{f' ({why})' if why else ''}"


@dataclass(frozen=True)
class TargetGroupState:
    """A target group as ELB describes it, with its targets. Times in seconds."""

    name: str
    arn: str
    protocol: str
    port: int
    load_balancers: tuple[str, ...]
    health_protocol: str
    health_path: str
    matcher: str
    interval: int
    timeout: int
    healthy_threshold: int
    unhealthy_threshold: int
    targets: tuple[Target, ...]

    @property
    def healthy(self) -> int:
        """How many of its targets are healthy."""
        return sum(target.state == HEALTHY for target in self.targets)


TargetGroup.state_type = TargetGroupState


def _state(aws: Aws, data: Mapping[str, Any]) -> TargetGroupState:
    key, about = "elbv2:DescribeTargetGroups", f"target group {data['TargetGroupName']}"

    def get(field: str) -> Any:  # noqa: ANN401 - JSON is what it is
        return need(data, field, key, about)

    matcher = data.get("Matcher") or {}
    state = TargetGroupState(
        name=get("TargetGroupName"),
        arn=get("TargetGroupArn"),
        protocol=str(data.get("Protocol", "")),  # a Lambda function's has neither protocol nor port
        port=int(data.get("Port", 0)),
        load_balancers=tuple(sorted({_load_balancer(arn, key, about) for arn in get("LoadBalancerArns")})),
        health_protocol=str(data.get("HealthCheckProtocol", ""))
        if data.get("HealthCheckEnabled", True)
        else "",
        health_path=str(data.get("HealthCheckPath", "")),
        matcher=str(matcher.get("HttpCode") or matcher.get("GrpcCode") or ""),
        interval=get("HealthCheckIntervalSeconds"),
        timeout=get("HealthCheckTimeoutSeconds"),
        healthy_threshold=get("HealthyThresholdCount"),
        unhealthy_threshold=get("UnhealthyThresholdCount"),
        targets=_targets(aws, str(get("TargetGroupArn")), about),
    )
    try:
        codes(state.matcher or "200")
    except ValueError as error:
        raise Broken(f"{key} on {about}: its matcher: {error}", hint="look at it in the console") from None
    return state


def _load_balancer(arn: str, key: str, about: str) -> str:
    """The name in a load balancer's ARN (``…:loadbalancer/app/NAME/ID``)."""
    match str(arn).rpartition(":")[2].split("/"):
        case ["loadbalancer", _, name, _]:
            return name
    raise Broken(f"{key} on {about}: {arn!r} is no load balancer's ARN", hint="look at it in the console")


def _targets(aws: Aws, arn: str, about: str) -> tuple[Target, ...]:
    key = "elbv2:DescribeTargetHealth"
    answer = aws.call(key, about, TargetGroupArn=arn)
    found: list[Target] = []
    for item in need(answer, "TargetHealthDescriptions", key, about):
        target, health = need(item, "Target", key, about), need(item, "TargetHealth", key, about)
        found.append(
            Target(
                id=need(target, "Id", key, about),
                port=int(target.get("Port", 0)),
                state=need(health, "State", key, about),
                reason=str(health.get("Reason", "")),
                description=str(health.get("Description", "")),
            )
        )
    return tuple(sorted(found, key=lambda target: (target.id, target.port)))


def codes(text: str) -> frozenset[int]:
    """The status codes that a matcher takes: ``200``, ``200,302``, ``200-299``.

    Raises:
        ValueError: it is no matcher.
    """
    found: set[int] = set()
    if _CODES.match(text) is None:
        msg = f"{text!r} is no list of status codes; write 200, 200,302 or 200-299"
        raise ValueError(msg)
    for part in text.split(","):
        first, _, last = part.partition("-")
        if int(last or first) < int(first):
            msg = f"{text!r}: {part} is empty"
            raise ValueError(msg)
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def ranges(found: Iterable[int]) -> str:
    """Status codes as a matcher writes them: ``201-499``."""
    runs: list[list[int]] = []
    for code in sorted(found):
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def traffic_problems(declared: TargetGroup, state: TargetGroupState) -> tuple[str, ...]:
    """What is wrong with the protocol and port that it forwards to."""
    rows = (("protocol", state.protocol, declared.protocol), ("port", state.port, declared.port))
    return tuple(
        f"its {name} is {found or 'not set'}, declared {wanted}"
        for name, found, wanted in rows
        if found != wanted
    )


def matcher_problem(declared: TargetGroup, state: TargetGroupState) -> str:
    """How its health check takes more for healthy than the profile allows; empty where it does not."""
    if not state.matcher:
        return f"its health check ({state.health_protocol or 'off'}) looks at no status code"
    laxer = codes(state.matcher) - codes(declared.matcher)
    if not laxer:
        return ""
    return (
        f"it takes {state.matcher} for healthy, the profile allows {declared.matcher}: "
        f"what answers {ranges(laxer)} counts as healthy"
    )


def health_check_problems(declared: TargetGroup, state: TargetGroupState) -> tuple[str, ...]:
    """What of its health check is not as declared."""
    rows: tuple[tuple[str, float | str, float | str, str], ...] = (
        ("path", state.health_path, declared.health_path, ""),
        ("interval", state.interval, declared.interval, " s"),
        ("time-out", state.timeout, declared.timeout, " s"),
        ("healthy threshold", state.healthy_threshold, declared.healthy_threshold, ""),
        ("unhealthy threshold", state.unhealthy_threshold, declared.unhealthy_threshold, ""),
    )
    return tuple(
        f"its {name} is {_show(found)}{unit}, declared {_show(wanted)}{unit}"
        for name, found, wanted, unit in rows
        if wanted and found != wanted
    )


def target_problems(state: TargetGroupState, min_healthy: int, desired: int | None = None) -> tuple[str, ...]:
    """What is wrong with its targets: too few, another number than the service's desired tasks, or not healthy."""
    found: list[str] = []
    if desired is not None and state.healthy != desired:
        found.append(f"{state.healthy} targets are healthy, {desired} tasks are desired")
    if state.healthy < min_healthy:
        found.append(f"{state.healthy} targets are healthy, the profile wants at least {min_healthy}")
    found.extend(str(target) for target in state.targets if target.state != HEALTHY)
    return tuple(found)


def _show(value: float | str) -> str:
    return (value or "not set") if isinstance(value, str) else f"{value:g}"
