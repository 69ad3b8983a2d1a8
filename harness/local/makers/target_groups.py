"""Target groups, with as many registered targets as their service has tasks."""

from collections.abc import Sequence

from harness.aws.target_groups import TargetGroup
from harness.local.plan import Plan
from harness.local.resources import Emulator

_INTERVAL, _TIMEOUT, _HEALTHY, _UNHEALTHY = 30, 5, 5, 2
"""What AWS sets where nothing is said."""


def make(aws: Emulator, declared: Sequence[TargetGroup], plan: Plan) -> None:
    """Create each, and register its targets: the emulator's ECS does not, and takes each for healthy."""
    client = aws.client("elbv2")
    desired = {service.name: service.desired for service in plan.services}
    for number, item in enumerate(declared, start=1):
        arn = client.create_target_group(
            Name=item.name,
            Protocol=item.protocol,
            Port=item.port or 80,
            TargetType="ip",
            VpcId="vpc-00000001",
            HealthCheckPath=item.health_path or "/",
            HealthCheckIntervalSeconds=int(item.interval) or _INTERVAL,
            HealthCheckTimeoutSeconds=int(item.timeout) or _TIMEOUT,
            HealthyThresholdCount=item.healthy_threshold or _HEALTHY,
            UnhealthyThresholdCount=item.unhealthy_threshold or _UNHEALTHY,
            Matcher={"HttpCode": item.matcher or "200"},
        )["TargetGroups"][0]["TargetGroupArn"]
        count = max(desired.get(item.service, 0), item.min_healthy)
        targets = [{"Id": f"10.0.{number}.{host}"} for host in range(1, count + 1)]
        client.register_targets(TargetGroupArn=arn, Targets=targets)
