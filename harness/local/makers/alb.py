"""Load balancers and their listeners, in front of the target groups."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.aws.alb import Listener, LoadBalancer
from harness.local.plan import Plan
from harness.local.resources import Emulator

_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
_NOT_FOUND = {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": "nothing is here"}


def make(aws: Emulator, declared: Sequence[LoadBalancer], plan: Plan) -> None:
    """Create each with its listeners, which forward to the target groups that name it."""
    client = aws.client("elbv2")
    groups = {
        str(data["TargetGroupName"]): str(data["TargetGroupArn"])
        for page in client.get_paginator("describe_target_groups").paginate()
        for data in page["TargetGroups"]
    }
    for item in declared:
        arn = client.create_load_balancer(
            Name=item.name,
            Type=item.type,
            Scheme=item.scheme,
            Subnets=["subnet-00000001", "subnet-00000002"],
        )["LoadBalancers"][0]["LoadBalancerArn"]
        client.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=_attributes(item))
        behind = [
            groups[group["name"]]
            for group in plan.declared.get("alb.target_groups", ())
            if group.get("load_balancer") == item.name
        ]
        for listener in item.listeners:
            client.create_listener(LoadBalancerArn=arn, **_listener(aws, listener, behind))


def _attributes(item: LoadBalancer) -> list[dict[str, str]]:
    values = {"deletion_protection.enabled": str(item.deletion_protection).lower()}
    if item.access_logs:
        values |= {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": item.access_logs}
    return [{"Key": key, "Value": value} for key, value in values.items()]


def _listener(aws: Emulator, listener: Listener, behind: Sequence[str]) -> Mapping[str, Any]:
    """What AWS would do with rules, a forward for each target group, stands in the default actions: the emulator
    notices only there, and only while a listener is created, that a group is behind a load balancer."""
    wanted: dict[str, Any] = {"Port": listener.port, "Protocol": listener.protocol}
    if listener.protocol in {"HTTPS", "TLS"}:
        certificate = (
            f"arn:aws:acm:{aws.region}:{aws.account}:certificate/00000000-0000-0000-0000-000000000000"
        )
        wanted["Certificates"] = [{"CertificateArn": certificate}]
        wanted["SslPolicy"] = listener.tls_policy or _POLICY
    if listener.redirect_to:
        redirect = {"Protocol": "HTTPS", "Port": str(listener.redirect_to), "StatusCode": "HTTP_301"}
        return wanted | {"DefaultActions": [{"Type": "redirect", "RedirectConfig": redirect}]}
    actions = [{"Type": "forward", "TargetGroupArn": arn, "Order": at} for at, arn in enumerate(behind, 1)]
    return wanted | {
        "DefaultActions": actions or [{"Type": "fixed-response", "FixedResponseConfig": _NOT_FOUND}]
    }
