"""Service quotas: how near a release comes to what AWS allows the account, before it is deployed.

Limits come from Service Quotas, whole lists of a service at a time: the values that are applied, and AWS's defaults
for those of which none is. Route 53 says its own; SQS's limit on messages in flight is documented, not told. How much
is used is worked out in `harness.aws.quota_usage`.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal

from harness import threshold
from harness.aws import quota_usage
from harness.aws.faults import Broken, Fault
from harness.aws.operations import Operation
from harness.aws.quota_usage import Use
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Phase, Unit
from harness.profile.schema import rule
from harness.shapes import Field, field_validator, model_validator
from harness.threshold import Threshold

OPERATIONS = (
    Operation("service-quotas", "ListServiceQuotas", emulated=False),
    Operation("service-quotas", "ListAWSDefaultServiceQuotas", emulated=False),
    Operation("route53", "GetAccountLimit", emulated=False),
    Operation("ecs", "DescribeClusters", emulated=False),
)
"""Clusters are asked about for a quota alone, whose limit the stand-in cannot show."""
_APPLIED, _DEFAULTS = "service-quotas:ListServiceQuotas", "service-quotas:ListAWSDefaultServiceQuotas"
_LIMITS = (_APPLIED, _DEFAULTS)
_A_PAGE = 100
_CONSOLE = "https://console.aws.amazon.com/servicequotas/home/services"
Scope = Literal["", "cluster", "load_balancer", "queue"]


@dataclass(frozen=True)
class Quota:
    """One quota: its name in Service Quotas, and how its use is worked out.

    Without a `code` it is found by its `title` in the service's list. `told` and `documented` are for the two kinds
    whose limit Service Quotas is not asked for: `told` by the answer about the use, or `documented` as a number.
    """

    title: str
    service: str
    code: str
    unit: str
    usage: Callable[[Aws, str], Sequence[Use]]
    uses: tuple[str, ...]
    scope: Scope = ""
    told: bool = False
    documented: float = 0.0


_ECS = ("ecs:DescribeServices",)
QUOTAS = {
    "fargate-vcpu": Quota(
        "Fargate On-Demand vCPU resource count",
        "fargate",
        "L-3032A538",
        "vCPU",
        quota_usage.fargate_vcpu,
        (*_LIMITS, *_ECS, "ecs:DescribeTaskDefinition", "cloudwatch:GetMetricData"),
    ),
    "ecs-tasks-per-service": Quota(
        "Tasks per service",
        "ecs",
        "",
        "desired tasks",
        quota_usage.tasks_per_service,
        (*_LIMITS, *_ECS),
        "cluster",
    ),
    "ecs-services-per-cluster": Quota(
        "Services per cluster",
        "ecs",
        "L-9EF96962",
        "services",
        quota_usage.services_per_cluster,
        (*_LIMITS, *_ECS, "ecs:DescribeClusters"),
        "cluster",
    ),
    "alb-listeners": Quota(
        "Listeners per Application Load Balancer",
        "elasticloadbalancing",
        "L-B6DF7632",
        "listeners",
        quota_usage.listeners,
        (*_LIMITS, "elbv2:DescribeLoadBalancers", "elbv2:DescribeListeners"),
        "load_balancer",
    ),
    "alb-target-groups": Quota(
        "Target Groups per Region",
        "elasticloadbalancing",
        "L-B22855CB",
        "target groups",
        quota_usage.target_groups,
        (*_LIMITS, "elbv2:DescribeTargetGroups"),
    ),
    "rds-instances": Quota(
        "DB instances",
        "rds",
        "L-7B6409FD",
        "instances",
        quota_usage.instances,
        (*_LIMITS, "rds:DescribeDBInstances"),
    ),
    "route53-hosted-zones": Quota(
        "Hosted zones",
        "route53",
        "L-4EA4796A",
        "hosted zones",
        quota_usage.hosted_zones,
        ("route53:GetAccountLimit",),
        told=True,
    ),
    "sqs-in-flight": Quota(
        "Messages per queue (in flight)",
        "sqs",
        "",
        "messages in flight",
        quota_usage.in_flight,
        ("sqs:ListQueues", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"),
        "queue",
        documented=120_000.0,
    ),
}
"""Name in a profile -> quota. To add one, add its row.

The codes are those that published lists of Service Quotas and AWS's own documentation sources show, several of them
alike for each code. For "Tasks per service" they differ, so that it is found by its name.
The limit of messages in flight is what the SQS Developer Guide documents: 120,000 for a FIFO queue ("Amazon SQS FIFO
queue quotas"; 20,000 in older editions) and approximately as many for a standard one ("Amazon SQS standard queue
quotas").
"""


class QuotaLimit(AwsResource):
    """``[[quotas.limits]]``: a quota that must leave room, what a deploy takes for a while included."""

    fixture: ClassVar[str] = "quota_limit"
    uses: ClassVar[tuple[str, ...]] = tuple(sorted({key for quota in QUOTAS.values() for key in quota.uses}))

    scope: Literal["shared"] = "shared"
    """A quota is nothing that is deployed, so it does not tell whether the environment is."""
    name: str
    """Which quota: ``fargate-vcpu``."""
    room: Annotated[Threshold, rule("quota_room")] = threshold.parse(">= 20%", metric="quota_room")
    """A rule on the share of the limit that must stay free during a deploy."""
    cluster: str = ""
    """The only ECS cluster that is judged, for quotas of one; empty: each that the profile's services are in."""
    load_balancer: str = ""
    """The only load balancer that is judged, for quotas of one; empty: each that the profile declares."""
    queue: str = ""
    """The only queue that is judged, for quotas of one; empty: each that the profile declares."""
    limit: int = Field(default=0, ge=0)
    """The limit, where AWS Support has raised one that no API tells (``sqs-in-flight``); 0: the documented one."""

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in QUOTAS:
            from difflib import get_close_matches

            near = get_close_matches(name, QUOTAS, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"no quota is called {name!r}{meant} There are {', '.join(sorted(QUOTAS))}")
        return name

    @model_validator(mode="after")
    def _fits(self) -> "QuotaLimit":
        for key in ("cluster", "load_balancer", "queue"):
            if getattr(self, key) and self.quota.scope != key:
                raise ValueError(f"{self.name} is no quota of one {key}: leave {key} out")
        if self.limit and not self.quota.documented:
            raise ValueError(f"limit: AWS itself tells the limit of {self.name}, leave it out")
        if self.room.limit.unit is not Unit.RATIO:
            raise ValueError('room is a share of the limit: write it as ">= 20%"')
        return self

    @property
    def quota(self) -> Quota:
        """Its row."""
        return QUOTAS[self.name]

    @property
    def within(self) -> str:
        """The one cluster, load balancer or queue that is judged; empty: all."""
        return self.cluster or self.load_balancer or self.queue

    @property
    def id(self) -> str:
        """Its name, and the one thing that is judged."""
        return f"{self.name}-{self.within}" if self.within else self.name

    @property
    def home(self) -> str:
        """The quota, and what AWS calls it."""
        return f'service quota {self.id} ({self.quota.service}: "{self.quota.title}")'

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """Before a deploy: after it, what is going away still counts, and it is too late to ask for more."""
        return ("quotas.leaves_room",) if phase is Phase.PRE_DEPLOY else ()

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["QuotaLimit"]) -> Read:
        """Each quota's limit, and what is used of it; those of one service are listed together."""
        states = aws.each(lambda item: _state(aws, item), declared)
        return {item.id: state for item, state in zip(declared, states, strict=True) if state is not None}


@dataclass(frozen=True)
class QuotaState:
    """A quota where least of it is free: `of` says of what (a queue, the account).

    `used` is ``None`` where AWS has no number; `adds` is what a deploy takes beside it, `others` how many were looked at
    that have as much room or more.
    """

    of: str
    limit: float
    used: float | None
    adds: float = 0.0
    code: str = ""
    others: int = 0

    @property
    def room(self) -> Fraction | None:
        """The share of the limit that is free during a deploy, negative where it does not fit; exact."""
        if self.used is None:
            return None
        limit, used, adds = (Fraction(repr(value)) for value in (self.limit, self.used, self.adds))
        return (limit - used - adds) / limit


QuotaLimit.state_type = QuotaState


def _state(aws: Aws, declared: QuotaLimit) -> QuotaState | None:
    """``None`` where nothing exists that it could be used by."""
    quota = declared.quota
    limit, code = float(declared.limit or quota.documented), quota.code
    if not (quota.told or quota.documented):
        limit, code = applied(aws, quota)
    states = [
        QuotaState(
            use.of,
            _number(limit if use.limit is None else use.limit, "limit", declared, least=1),
            None if use.used is None else _number(use.used, "use", declared),
            _number(use.adds, "growth", declared),
            code,
        )
        for use in quota.usage(aws, declared.within)
    ]
    if not states:
        return None
    fullest = min(states, key=lambda state: -1 if state.room is None else state.room)
    return QuotaState(
        fullest.of, fullest.limit, fullest.used, fullest.adds, fullest.code, others=len(states) - 1
    )


def _number(value: float, what: str, declared: QuotaLimit, least: int = 0) -> float:
    if not math.isfinite(value) or value < least:
        raise Broken(
            f"{declared.home}: its {what} is said to be {value:g}, which proves nothing",
            hint="look the quota up in the Service Quotas console; run again",
        )
    return value


def applied(aws: Aws, quota: Quota) -> tuple[float, str]:
    """A quota's limit and code: the account's own value, or AWS's default where it has none.

    Raises:
        Broken: Service Quotas knows no such quota, or has no value for it.
        Fault: it cannot be asked.
    """
    for key in _LIMITS:
        for item in _listed(aws, key, quota.service):
            found = str(item.get("QuotaCode", ""))
            if found == quota.code if quota.code else item.get("QuotaName") == quota.title:
                return _value(item, key, quota), found
    raise Broken(
        f'Service Quotas lists no quota "{quota.title}" ({quota.code or "found by name"}) of {quota.service}',
        hint="look for it in the Service Quotas console: AWS may call it otherwise in this region",
    )


def _listed(aws: Aws, key: str, service: str) -> Sequence[dict[str, Any]]:
    """All quotas of a service; none where Service Quotas has no values of it."""
    about = f"quotas of {service}"
    try:
        return aws.shared_items(
            key, about, "Quotas", ServiceCode=service, PaginationConfig={"PageSize": _A_PAGE}
        )
    except Fault as fault:
        if fault.code != "NoSuchResourceException":
            raise
        return ()


def _value(item: dict[str, Any], key: str, quota: Quota) -> float:
    about = f"{quota.service} {quota.title}"
    if reason := item.get("ErrorReason"):
        said = ": ".join(str(reason[field]) for field in ("ErrorCode", "ErrorMessage") if reason.get(field))
        raise Broken(f"{key} on {about}: {said}", hint="run again; see the quota in its console")
    return float(need(item, "Value", key, about))


def words(declared: QuotaLimit, state: QuotaState) -> str:
    """What is used of what, and what a deploy adds: ``5 of 6 vCPU (the account) in use, a deploy adds 2``."""
    used = "an unknown number" if state.used is None else f"{state.used:,.15g}"
    adds = f"a deploy adds {state.adds:,.15g}" if state.adds else "a deploy adds none"
    return f"{declared.home}: {used} of {state.limit:,.15g} {declared.quota.unit} ({state.of}) in use, {adds}"


def how_to_raise(declared: QuotaLimit, state: QuotaState) -> str:
    """Where and how more can be asked for."""
    quota = declared.quota
    if not state.code:
        return (
            f"delete what has been handled, or look for what stopped doing so; AWS Support can raise it "
            f"({_CONSOLE}/{quota.service}/quotas)"
        )
    region = " --region us-east-1" if quota.told else ""
    return (
        "free some of it, let the deploy run fewer tasks side by side (maximumPercent), or ask for more: "
        f"aws service-quotas request-service-quota-increase --service-code {quota.service} "
        f"--quota-code {state.code} --desired-value {_enough(declared, state)}{region} "
        f"(console: {_CONSOLE}/{quota.service}/quotas/{state.code}); AWS may take days to grant it"
    )


def _enough(declared: QuotaLimit, state: QuotaState) -> str:
    """The least limit with which the rule would hold, where that can be said."""
    share = declared.room.limit.value
    if state.used is None or declared.room.op not in (">", ">=") or share >= 1:
        return "VALUE"
    wanted = (Fraction(repr(state.used)) + Fraction(repr(state.adds))) / (1 - share)
    whole = math.ceil(wanted)
    return str(whole + 1 if declared.room.op == ">" and whole == wanted else whole)
