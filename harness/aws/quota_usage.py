"""How much of a service quota is used, and how much more a deploy takes for a while.

What other kinds read is asked with their very questions, so that it is asked once a run.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from harness.aws import alb, ecs, metrics, queues
from harness.aws.alb import LoadBalancer
from harness.aws.ecs import EcsService
from harness.aws.faults import Absent, Broken, Fault, Misconfigured
from harness.aws.metrics import Query
from harness.aws.rds import RdsInstance
from harness.aws.resource import AwsResource
from harness.aws.route53 import HostedZone
from harness.aws.session import Aws, need
from harness.aws.sqs import SqsQueue
from harness.aws.target_groups import TargetGroup
from harness.frozen import dataclass

K = TypeVar("K", bound=AwsResource)
FARGATE_VCPU = Query(
    "AWS/Usage",
    "ResourceCount",
    {"Service": "Fargate", "Type": "Resource", "Resource": "vCPU", "Class": "Standard/OnDemand"},
    "Maximum",
)
"""The on-demand vCPU that the account runs, as the ECS Developer Guide documents it ("AWS Fargate usage metrics")."""
FRESH = 3600.0
"""Seconds that a usage sample counts for: Fargate publishes every few minutes while anything runs."""
_UNITS = 1024
"""CPU units of one vCPU."""
_LEAST = 256
"""The CPU units of the smallest Fargate task: what a service whose size nobody declares takes at least."""
_CLUSTERS_A_CALL = 100
_TARGET_GROUPS_A_PAGE = 400
_ZONES = "MAX_HOSTED_ZONES_BY_OWNER"


@dataclass(frozen=True)
class Use:
    """What is used of one limit (``None``: not known), and what a deploy adds for a while or for good.

    `limit` is set where the answer that told the use told the limit too.
    """

    of: str
    used: float | None
    adds: float = 0.0
    limit: float | None = None


def declared(aws: Aws, kind: type[K], within: str = "", key: str = "") -> list[K]:
    """What the profile declares of a kind; with `within`, those whose `key` is that.

    Raises:
        Misconfigured: it declares none, so that nothing could be judged.
    """
    found = [item for group in aws.profile.resources.values() for item in group if isinstance(item, kind)]
    chosen = [item for item in found if not within or getattr(item, key) == within]
    if not chosen:
        which = f" with {key} {within}" if within else ""
        raise Misconfigured(
            f"the profile declares nothing{which} that this quota could be judged by ({kind.fixture})",
            hint="declare it, or take the quota out of the profile",
        )
    return chosen


def fargate_vcpu(aws: Aws, within: str) -> Sequence[Use]:  # noqa: ARG001
    """All that the account runs on demand, and the surge of every declared service at once."""
    (sample,) = metrics.latest(aws, [FARGATE_VCPU], within=FRESH)
    services = declared(aws, EcsService)
    there = _services(aws, services)
    adds = 0.0
    for item in services:
        data = there.get((item.cluster, item.service))
        if data is None:
            adds += (item.desired_tasks or item.min_tasks) * (item.cpu or _LEAST) / _UNITS
        elif surge(data) and _on_demand(data):
            adds += surge(data) * _cpu(aws, data) / _UNITS
    return (Use("the account", None if sample is None else sample.value, adds),)


def surge(data: Mapping[str, Any]) -> int:
    """How many tasks a deploy runs beside the desired ones: up to maximumPercent where it rolls, else all once more."""
    key, about = "ecs:DescribeServices", str(data.get("serviceName", "a service"))
    desired = int(need(data, "desiredCount", key, about))
    rules = data.get("deploymentConfiguration", {})
    rolls = data.get("deploymentController", {}).get("type", "ECS") == "ECS"
    rolls = rolls and rules.get("strategy", "ROLLING") == "ROLLING"
    percent = int(need(rules, "maximumPercent", key, about)) if rolls else 200
    return max(0, desired * percent // 100 - desired)


def tasks_per_service(aws: Aws, within: str) -> Sequence[Use]:
    """The quota counts desired tasks ("the desired count", says the ECS Developer Guide): a surge is not among them."""
    services = declared(aws, EcsService, within, "cluster")
    there = _services(aws, services)
    key = "ecs:DescribeServices"
    return [
        Use(item.home, float(need(data, "desiredCount", key, item.home)))
        if (data := there.get((item.cluster, item.service))) is not None
        else Use(item.home, 0.0, float(item.desired_tasks or item.min_tasks))
        for item in services
    ]


def services_per_cluster(aws: Aws, within: str) -> Sequence[Use]:
    """Each declared cluster's services, and the declared ones that it does not have yet."""
    services = declared(aws, EcsService, within, "cluster")
    there = _services(aws, services)
    names = sorted({item.cluster for item in services})
    counts: dict[str, float] = {}
    for start in range(0, len(names), _CLUSTERS_A_CALL):
        counts |= _clusters(aws, names[start : start + _CLUSTERS_A_CALL])
    new = [item.cluster for item in services if (item.cluster, item.service) not in there]
    return [
        Use(f"ECS cluster {name}", counts.get(name, 0.0), float(sum(one == name for one in new)))
        for name in names
    ]


def listeners(aws: Aws, within: str) -> Sequence[Use]:
    """Each declared application load balancer's listeners, and the declared ones that it does not have yet."""
    balancers = [item for item in declared(aws, LoadBalancer, within, "name") if item.type == "application"]
    if not balancers:
        raise Misconfigured(
            "the quota on listeners is that of application load balancers, and the profile declares none such",
            hint="take the quota out of the profile",
        )
    # All that are declared, as their own kind asks: it is the same question.
    found = alb.load_balancers(aws, [item.name for item in declared(aws, LoadBalancer)])
    uses = aws.each(lambda item: _listeners(aws, item, found.get(item.name)), balancers)
    return [_known(use) for use in uses]


def target_groups(aws: Aws, within: str) -> Sequence[Use]:  # noqa: ARG001
    """All of the region's, and the declared ones that are not among them."""
    key, about = "elbv2:DescribeTargetGroups", "all target groups"
    found = aws.items(key, about, "TargetGroups", PaginationConfig={"PageSize": _TARGET_GROUPS_A_PAGE})
    names = {str(need(item, "TargetGroupName", key, about)) for item in found}
    return (_count("the region", names, (item.name for item in _any(aws, TargetGroup)), len(found)),)


def instances(aws: Aws, within: str) -> Sequence[Use]:  # noqa: ARG001
    """All of the region's, and the declared ones that are not among them."""
    key, about = "rds:DescribeDBInstances", "all RDS instances"
    found = aws.items(key, about, "DBInstances")
    names = {str(need(item, "DBInstanceIdentifier", key, about)).lower() for item in found}
    new = (item.identifier.lower() for item in _any(aws, RdsInstance))
    return (_count("the region", names, new, len(found)),)


def hosted_zones(aws: Aws, within: str) -> Sequence[Use]:  # noqa: ARG001
    """What Route 53 itself says, in one answer; and the declared ones that come with the release."""
    key, about = "route53:GetAccountLimit", f"{_ZONES} of the account"
    answer = aws.shared_call(key, about, Type=_ZONES)
    limit = need(need(answer, "Limit", key, about), "Value", key, about)
    new = sum(item.expect == "after-deploy" for item in _any(aws, HostedZone))
    return (Use("the account", float(need(answer, "Count", key, about)), float(new), float(limit)),)


def in_flight(aws: Aws, within: str) -> Sequence[Use]:
    """Each declared queue that exists; a deploy adds none of its own."""
    queues_ = declared(aws, SqsQueue, within, "queue")
    # All names, and their dead-letter queues', as their own kind asks: it is the same question.
    names = [
        name for item in declared(aws, SqsQueue) for name in (item.queue, item.dead_letter_queue) if name
    ]
    states = queues.states(aws, names)
    found = [(item.home, states[item.queue]) for item in queues_]
    return [
        Use(home, float(_known(state).in_flight)) for home, state in found if not isinstance(state, Absent)
    ]


T = TypeVar("T")


def _known(seen: "T | Fault") -> T:
    if isinstance(seen, Fault):
        raise seen
    return seen


def _any(aws: Aws, kind: type[K]) -> list[K]:
    """What the profile declares of a kind, if anything."""
    return [item for group in aws.profile.resources.values() for item in group if isinstance(item, kind)]


def _count(of: str, names: set[str], wanted: Iterable[str], count: int) -> Use:
    return Use(of, float(count), float(len(set(wanted) - names)))


def _services(aws: Aws, services: Sequence[EcsService]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Those of the services that exist. All that the profile declares are asked about, as their own kind asks."""
    found = ecs.described(aws, sorted({(item.cluster, item.service) for item in _any(aws, EcsService)}))
    wanted = {(item.cluster, item.service) for item in services}
    return {key: _known(data) for key, data in found.items() if key in wanted}


def _on_demand(data: Mapping[str, Any]) -> bool:
    """Whether its tasks run on Fargate on demand; of a mix with Spot, all may."""
    strategy = data.get("capacityProviderStrategy")
    if strategy:
        return any(item.get("capacityProvider") == "FARGATE" for item in strategy)
    return data.get("launchType") == "FARGATE"


def _cpu(aws: Aws, data: Mapping[str, Any]) -> int:
    """CPU units of one of a service's tasks, those that run now: the release's own are not known before it is there."""
    about = str(data.get("serviceName"))
    arn = str(need(data, "taskDefinition", "ecs:DescribeServices", about))
    primary = {
        item.get("taskDefinition") for item in data.get("deployments", ()) if item.get("status") == "PRIMARY"
    }
    found = ecs.definition_of(aws, str(primary.pop()) if len(primary) == 1 else arn)
    if found.cpu <= 0:
        raise Broken(
            f"{about}: its task definition {ecs.revision(found.arn)} has no CPU size, which Fargate demands",
            hint="what answers is not the service, or not the version that the gate knows",
        )
    return found.cpu


def _clusters(aws: Aws, names: Sequence[str]) -> dict[str, float]:
    key, about = "ecs:DescribeClusters", f"ECS clusters {', '.join(names)}"
    answer = aws.shared_call(key, about, clusters=list(names))
    for failure in answer.get("failures", ()):
        if failure.get("reason") != "MISSING":
            raise Broken(f"{key} on {about}: {failure.get('reason')}", hint="see the reason; run again")
    return {
        str(need(item, "clusterName", key, about)): float(need(item, "activeServicesCount", key, about))
        for item in need(answer, "clusters", key, about)
    }


def _listeners(aws: Aws, balancer: LoadBalancer, data: "Mapping[str, Any] | Fault | None") -> Use:
    wanted = {listener.port for listener in balancer.listeners}
    if data is None:
        return Use(balancer.home, 0.0, float(len(wanted)))
    arn = str(need(_known(data), "LoadBalancerArn", "elbv2:DescribeLoadBalancers", balancer.home))
    found = alb.listeners_of(aws, arn, balancer.home)
    ports = {need(item, "Port", "elbv2:DescribeListeners", balancer.home) for item in found}
    return Use(balancer.home, float(len(found)), float(len(wanted - ports)))
