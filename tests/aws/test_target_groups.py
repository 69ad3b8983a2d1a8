from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.aws import target_groups
from harness.aws.alb import Listener, LoadBalancer
from harness.aws.faults import Absent, Broken, Denied, Fault
from harness.aws.session import Aws
from harness.aws.target_groups import Target, TargetGroup, TargetGroupState, codes, ranges
from harness.local import makers
from harness.local.plan import Plan, Service
from harness.local.resources import Emulator
from harness.model import Phase
from harness.shapes import ValidationError

WEB = TargetGroup(
    name="web",
    load_balancer="web",
    service="web-service",
    port=3000,
    health_path="/health",
    interval=20.0,
    timeout=4.0,
    healthy_threshold=3,
    unhealthy_threshold=4,
)
ONE = Target("10.0.0.1", 3000, "healthy")
TWO = Target("10.0.0.2", 3000, "healthy")
GOOD = TargetGroupState(
    "web", "arn", "HTTP", 3000, ("web",), "HTTP", "/health", "200", 20, 4, 3, 4, (ONE, TWO)
)
DESCRIBED = {
    "TargetGroupName": "web",
    "TargetGroupArn": "arn:web",
    "Protocol": "HTTP",
    "Port": 3000,
    "HealthCheckProtocol": "HTTP",
    "HealthCheckPath": "/health",
    "HealthCheckEnabled": True,
    "HealthCheckIntervalSeconds": 20,
    "HealthCheckTimeoutSeconds": 4,
    "HealthyThresholdCount": 3,
    "UnhealthyThresholdCount": 4,
    "Matcher": {"HttpCode": "200"},
    "LoadBalancerArns": [
        "arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/app/web/50dc6c495c0c9188"
    ],
    "TargetType": "ip",
}
HEALTH = {
    "TargetHealthDescriptions": [
        {"Target": {"Id": "10.0.0.2", "Port": 3000}, "TargetHealth": {"State": "healthy"}},
        {
            "Target": {"Id": "10.0.0.1", "Port": 3000, "AvailabilityZone": "us-east-1a"},
            "HealthCheckPort": "3000",
            "TargetHealth": {
                "State": "unhealthy",
                "Reason": "Target.ResponseCodeMismatch",
                "Description": "Health checks failed with these codes: [404]",
            },
        },
        {
            "Target": {"Id": "10.0.0.3", "Port": 3000},
            "TargetHealth": {
                "State": "draining",
                "Reason": "Target.DeregistrationInProgress",
                "Description": "Target deregistration is in progress",
            },
        },
    ]
}


class Canned:
    """Answers in the shape of AWS's own, which the emulator never gives."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def call(self, key: str, about: str, /, **parameters: Any) -> Any:
        answer = self.answers[key.partition(":")[2]]
        if isinstance(answer, Fault):
            raise answer
        return answer

    def items(self, key: str, about: str, field: str, /, **parameters: Any) -> list[Any]:
        return list(self.call(key, about, **parameters)[field])

    def each(self, question: Callable[[Any], Any], about: Any) -> list[Any]:
        found: list[Any] = []
        for thing in about:
            try:
                found.append(question(thing))
            except Fault as fault:
                found.append(fault)
        return found


def read(health: Any = HEALTH, **changed: Any) -> Any:
    stub: Any = Canned(
        DescribeTargetGroups={"TargetGroups": [DESCRIBED | changed]}, DescribeTargetHealth=health
    )
    return TargetGroup.read(stub, [WEB]).get("web")


def test_what_the_stand_in_makes_is_what_is_declared(aws: Aws, stack_url: str, credentials: str) -> None:
    api = TargetGroup(name="api", load_balancer="web", min_healthy=3, matcher="200,302")
    front = LoadBalancer(name="web", listeners=[Listener(port=80, protocol="HTTP")])
    plan = Plan(
        "test",
        credentials,
        "us-east-1",
        services=(Service("c", "web-service", 2),),
        declared={
            "alb.target_groups": tuple(item.model_dump(exclude_unset=True) for item in (WEB, api)),
            "alb.load_balancers": (front.model_dump(exclude_unset=True),),
        },
    )
    makers.make_all(Emulator(stack_url, "us-east-1", credentials), plan)
    found = TargetGroup.read(aws, [WEB, api, TargetGroup(name="nosuch")])
    assert set(found) == {"web", "api"}
    for declared, targets in ((WEB, 2), (api, 3)):
        state = found[declared.id]
        assert isinstance(state, TargetGroupState)
        assert state.load_balancers == ("web",)
        assert target_groups.target_problems(state, declared.min_healthy, targets) == ()
        assert target_groups.matcher_problem(declared, state) == ""
        assert target_groups.health_check_problems(declared, state) == ()
    web = found["web"]
    assert isinstance(web, TargetGroupState)
    assert target_groups.traffic_problems(WEB, web) == ()


def test_what_aws_says_of_targets_is_in_the_reason() -> None:
    state = read()
    assert state.healthy == 1
    assert target_groups.target_problems(state, 1, 2) == (
        "1 targets are healthy, 2 tasks are desired",
        "10.0.0.1:3000 is unhealthy (Target.ResponseCodeMismatch: Health checks failed with these codes: [404])",
        "10.0.0.3:3000 is draining (Target.DeregistrationInProgress: Target deregistration is in progress)",
    )


@pytest.mark.parametrize(
    ("targets", "min_healthy", "desired", "problems"),
    [
        ((ONE, TWO), 1, 2, ()),
        ((ONE, TWO), 2, None, ()),
        ((ONE, TWO), 1, None, ()),
        ((ONE, TWO), 3, None, ("2 targets are healthy, the profile wants at least 3",)),
        ((ONE, TWO), 1, 1, ("2 targets are healthy, 1 tasks are desired",)),
        ((), 1, 0, ("0 targets are healthy, the profile wants at least 1",)),
        ((ONE, replace(TWO, state="initial")), 1, None, ("10.0.0.2:3000 is initial",)),
    ],
)
def test_targets(
    targets: tuple[Target, ...], min_healthy: int, desired: int | None, problems: tuple[str, ...]
) -> None:
    assert target_groups.target_problems(replace(GOOD, targets=targets), min_healthy, desired) == problems


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("200", {200}),
        ("200,302", {200, 302}),
        ("200-202,204", {200, 201, 202, 204}),
        ("299-299", {299}),
        ("0", {0}),
    ],
)
def test_matchers(text: str, found: set[int]) -> None:
    assert codes(text) == found
    assert codes(ranges(found)) == found


@pytest.mark.parametrize("text", ["", "2xx", "200,", "200-", "-200", "200 302", "300-200", "2000"])
def test_what_is_no_matcher(text: str) -> None:
    with pytest.raises(ValueError, match=r"200|empty"):
        codes(text)
    if text:
        with pytest.raises(ValidationError):
            TargetGroup(name="x", matcher=text)


@pytest.mark.parametrize(
    ("declared", "found", "problem"),
    [
        ("200", "200", ""),
        ("200-299", "200", ""),
        ("200-299", "200-299", ""),
        ("200,302", "200,302", ""),
        ("200-302", "302,200", ""),
        (
            "200",
            "200-201",
            "it takes 200-201 for healthy, the profile allows 200: what answers 201 counts as healthy",
        ),
        (
            "200",
            "200-499",
            "it takes 200-499 for healthy, the profile allows 200: what answers 201-499 counts as healthy",
        ),
        (
            "200,302",
            "200-302,404",
            "it takes 200-302,404 for healthy, the profile allows 200,302: what answers 201-301,404 counts as healthy",
        ),
        ("200", "", "its health check (HTTP) looks at no status code"),
    ],
)
def test_a_matcher_may_be_stricter_but_not_laxer(declared: str, found: str, problem: str) -> None:
    group = TargetGroup(name="web", matcher=declared)
    assert target_groups.matcher_problem(group, replace(GOOD, matcher=found)) == problem


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({}, ()),
        ({"health_path": "/"}, ("its path is /, declared /health",)),
        ({"health_path": ""}, ("its path is not set, declared /health",)),
        ({"interval": 30}, ("its interval is 30 s, declared 20 s",)),
        ({"timeout": 5}, ("its time-out is 5 s, declared 4 s",)),
        (
            {"healthy_threshold": 2, "unhealthy_threshold": 5},
            ("its healthy threshold is 2, declared 3", "its unhealthy threshold is 5, declared 4"),
        ),
    ],
)
def test_health_checks(change: dict[str, Any], problems: tuple[str, ...]) -> None:
    assert target_groups.health_check_problems(WEB, replace(GOOD, **change)) == problems
    assert target_groups.health_check_problems(TargetGroup(name="web"), replace(GOOD, **change)) == ()


def test_ports_and_protocols() -> None:
    assert target_groups.traffic_problems(WEB, replace(GOOD, port=0, protocol="HTTPS")) == (
        "its protocol is HTTPS, declared HTTP",
        "its port is not set, declared 3000",
    )


def test_health_checks_without_http() -> None:
    tcp = read(Matcher=None, HealthCheckProtocol="TCP", HealthCheckPath=None)
    assert target_groups.matcher_problem(WEB, tcp) == "its health check (TCP) looks at no status code"
    off = read(Matcher=None, HealthCheckEnabled=False)
    assert target_groups.matcher_problem(WEB, off) == "its health check (off) looks at no status code"
    grpc = read(Matcher={"GrpcCode": "0-99"})
    assert grpc.matcher == "0-99"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"TargetGroupArn": None}, "has no TargetGroupArn"),
        ({"HealthCheckIntervalSeconds": None}, "has no HealthCheckIntervalSeconds"),
        ({"LoadBalancerArns": ["nonsense"]}, "'nonsense' is no load balancer's ARN"),
        ({"Matcher": {"HttpCode": "2xx"}}, "its matcher: '2xx' is no list of status codes"),
        ({"Matcher": {"HttpCode": "300-200"}}, "its matcher: '300-200': 300-200 is empty"),
        ({"health": {}}, "has no TargetHealthDescriptions"),
        ({"health": {"TargetHealthDescriptions": [{"Target": {"Id": "x"}}]}}, "has no TargetHealth"),
        (
            {"health": {"TargetHealthDescriptions": [{"Target": {"Id": "x"}, "TargetHealth": {}}]}},
            "has no State",
        ),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error(change: dict[str, Any], reason: str) -> None:
    fault = read(**change)
    assert isinstance(fault, Broken)
    assert reason in fault.message


def test_faults_and_absence() -> None:
    denied: Any = Denied("no", hint="")
    stub: Any = Canned(DescribeTargetGroups=denied)
    assert TargetGroup.read(stub, [WEB]) == {"web": denied}
    assert read(health=denied) is denied
    assert read(health=Absent("gone", hint="")) is None


def test_what_must_report() -> None:
    assert TargetGroup(name="x").mandatory(None, Phase.PRE_DEPLOY) == (
        "target_groups.targets_are_healthy",
        "target_groups.matcher_is_not_laxer",
    )
    assert TargetGroup(name="x", matcher="").mandatory(None, Phase.PRE_DEPLOY) == (
        "target_groups.targets_are_healthy",
    )
    assert len(WEB.mandatory(None, Phase.PRE_DEPLOY)) == 5
    assert WEB.home == "target group web"
