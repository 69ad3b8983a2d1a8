"""What can be wrong with a load balancer, and with what stands behind it."""

from collections.abc import Callable
from typing import Any

from breakages.parts import Breakage, World

WEB, API = "storefront-staging-web", "storefront-staging-api"
OLD = "ELBSecurityPolicy-TLS-1-0-2015-04"
_LISTENERS = "[{ port = 443 }, { port = 80, protocol = 'HTTP', redirect_to = 443 }]"
STRICTER = (
    f"alb.load_balancers=[{{ name = '{WEB}', deletion_protection = true, access_logs = 'logs', listeners = {_LISTENERS} }}]",
    f"alb.target_groups=[{{ name = '{WEB}', load_balancer = '{WEB}' }}]",
)
"""With what staging leaves undeclared."""


def _load_balancer(client: Any, name: str) -> Any:
    return client.describe_load_balancers(Names=[name])["LoadBalancers"][0]


def _listener(client: Any, name: str, port: int) -> Any:
    arn = _load_balancer(client, name)["LoadBalancerArn"]
    return next(
        item for item in client.describe_listeners(LoadBalancerArn=arn)["Listeners"] if item["Port"] == port
    )


def _group(client: Any, name: str) -> Any:
    return client.describe_target_groups(Names=[name])["TargetGroups"][0]


def _is_public(world: World) -> None:
    """Made anew: a scheme cannot be changed."""
    elb = world.owner("elbv2")
    old = _load_balancer(elb, API)["LoadBalancerArn"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=old)["Listeners"]
    elb.delete_load_balancer(LoadBalancerArn=old)
    new = elb.create_load_balancer(Name=API, Scheme="internet-facing", Subnets=["subnet-00000001"])
    elb.create_listener(
        LoadBalancerArn=new["LoadBalancers"][0]["LoadBalancerArn"],
        Port=listener["Port"],
        Protocol=listener["Protocol"],
        DefaultActions=[{"Type": "forward", "TargetGroupArn": _group(elb, API)["TargetGroupArn"]}],
    )


def _has_no_listener(world: World) -> None:
    elb = world.owner("elbv2")
    elb.delete_listener(ListenerArn=_listener(elb, API, 80)["ListenerArn"])


def _takes_old_tls(world: World) -> None:
    elb = world.owner("elbv2")
    elb.modify_listener(ListenerArn=_listener(elb, WEB, 443)["ListenerArn"], SslPolicy=OLD)


def _has_no_certificate(world: World) -> None:
    elb = world.owner("elbv2")
    listener = _listener(elb, WEB, 443)
    elb.delete_listener(ListenerArn=listener["ListenerArn"])
    elb.create_listener(
        LoadBalancerArn=listener["LoadBalancerArn"],
        Port=443,
        Protocol="HTTPS",
        SslPolicy=listener["SslPolicy"],
        DefaultActions=[{"Type": "forward", "TargetGroupArn": _group(elb, WEB)["TargetGroupArn"]}],
    )


def _does_not_redirect(world: World) -> None:
    elb = world.owner("elbv2")
    elb.modify_listener(
        ListenerArn=_listener(elb, WEB, 80)["ListenerArn"],
        DefaultActions=[{"Type": "forward", "TargetGroupArn": _group(elb, WEB)["TargetGroupArn"]}],
    )


def _set(key: str, value: str) -> Callable[[World], None]:
    def breaks(world: World) -> None:
        elb = world.owner("elbv2")
        elb.modify_load_balancer_attributes(
            LoadBalancerArn=_load_balancer(elb, WEB)["LoadBalancerArn"],
            Attributes=[{"Key": key, "Value": value}],
        )

    return breaks


def _lost_a_target(world: World) -> None:
    elb = world.owner("elbv2")
    arn = _group(elb, WEB)["TargetGroupArn"]
    target = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"][0]["Target"]
    elb.deregister_targets(TargetGroupArn=arn, Targets=[target])


def _has_a_target_too_many(world: World) -> None:
    elb = world.owner("elbv2")
    elb.register_targets(TargetGroupArn=_group(elb, API)["TargetGroupArn"], Targets=[{"Id": "10.9.9.9"}])


def _made_anew(world: World, name: str, *, forwarded: bool = False, **changed: Any) -> None:
    """The group with other settings and the same targets; behind its load balancer again where `forwarded`."""
    elb = world.owner("elbv2")
    old = _group(elb, name)
    targets = [
        item["Target"]
        for item in elb.describe_target_health(TargetGroupArn=old["TargetGroupArn"])[
            "TargetHealthDescriptions"
        ]
    ]
    kept = ("Protocol", "Port", "VpcId", "HealthCheckPath", "Matcher", "TargetType")
    elb.delete_target_group(TargetGroupArn=old["TargetGroupArn"])
    new = elb.create_target_group(Name=name, **{key: old[key] for key in kept} | changed)["TargetGroups"][0]
    elb.register_targets(TargetGroupArn=new["TargetGroupArn"], Targets=targets)
    if forwarded:
        listener = _listener(elb, name, 80)
        elb.delete_listener(ListenerArn=listener["ListenerArn"])
        elb.create_listener(
            LoadBalancerArn=listener["LoadBalancerArn"],
            Port=80,
            Protocol="HTTP",
            DefaultActions=[{"Type": "forward", "TargetGroupArn": new["TargetGroupArn"]}],
        )


def _modify_group(name: str, **settings: Any) -> Callable[[World], None]:
    def breaks(world: World) -> None:
        elb = world.owner("elbv2")
        elb.modify_target_group(TargetGroupArn=_group(elb, name)["TargetGroupArn"], **settings)

    return breaks


BREAKAGES = (
    Breakage(
        "the internal load balancer faces the internet",
        f"alb.is_of_its_kind[{API}]",
        _is_public,
        ("its scheme is internet-facing, declared internal",),
    ),
    Breakage(
        "a listener is missing",
        f"alb.has_its_listeners[{API}]",
        _has_no_listener,
        ("nothing listens on HTTP:80",),
    ),
    Breakage(
        "a listener takes old TLS versions",
        f"alb.encrypts_with_a_certificate[{WEB}]",
        _takes_old_tls,
        (f"HTTPS:443 takes TLS 1.0 ({OLD}), the oldest allowed is 1.2",),
    ),
    Breakage(
        "an HTTPS listener has no certificate",
        f"alb.encrypts_with_a_certificate[{WEB}]",
        _has_no_certificate,
        ("HTTPS:443 has no certificate",),
    ),
    Breakage(
        "port 80 no longer redirects to HTTPS",
        f"alb.redirects_to_https[{WEB}]",
        _does_not_redirect,
        ("port 80 does forward, declared is a redirect to HTTPS:443",),
    ),
    Breakage(
        "a load balancer can be deleted by accident",
        f"alb.is_protected_from_deletion[{WEB}]",
        _set("deletion_protection.enabled", "false"),
        ("is not protected from deletion",),
        overrides=STRICTER,
    ),
    Breakage(
        "a load balancer writes no access logs",
        f"alb.writes_access_logs[{WEB}]",
        _set("access_logs.s3.enabled", "false"),
        ("writes no access logs, declared is logs",),
        overrides=STRICTER,
    ),
    Breakage(
        "access logs go to another bucket",
        f"alb.writes_access_logs[{WEB}]",
        _set("access_logs.s3.bucket", "theirs"),
        ("writes its access logs to theirs, declared is logs",),
        overrides=STRICTER,
    ),
    Breakage(
        "a target is no longer registered",
        f"target_groups.targets_are_healthy[{WEB}]",
        _lost_a_target,
        ("1 targets are healthy, 2 tasks are desired",),
    ),
    Breakage(
        "more targets are registered than tasks are desired",
        f"target_groups.targets_are_healthy[{API}]",
        _has_a_target_too_many,
        ("3 targets are healthy, 2 tasks are desired",),
    ),
    Breakage(
        "no listener forwards to a target group",
        f"target_groups.is_behind_its_load_balancer[{WEB}]",
        lambda world: _made_anew(world, WEB),
        (f"no listener of load balancer {WEB}", "none at all does"),
    ),
    Breakage(
        "a target group forwards to another port",
        f"target_groups.forwards_as_declared[{API}]",
        lambda world: _made_anew(world, API, forwarded=True, Port=8080),
        ("its port is 8080, declared 3001",),
    ),
    Breakage(
        "the load balancer takes a 404 for healthy",
        f"target_groups.matcher_is_not_laxer[{WEB}]",
        _modify_group(WEB, Matcher={"HttpCode": "200-499"}),
        ("it takes 200-499 for healthy, the profile allows 200", "what answers 201-499 counts as healthy"),
    ),
    Breakage(
        "the health check asks another path",
        f"target_groups.health_check_is_as_declared[{API}]",
        _modify_group(API, HealthCheckPath="/"),
        ("its path is /, declared /v1/api/health",),
    ),
)
