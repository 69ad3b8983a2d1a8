"""Service quotas: limits over the wire from recorded answers, use from canned ones, and messages in flight for real."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from harness.aws import quotas
from harness.aws.alb import Listener, LoadBalancer
from harness.aws.ecs import EcsService
from harness.aws.faults import Absent, Broken, Denied, Fault, Misconfigured, NotEmulated
from harness.aws.quotas import QUOTAS, QuotaLimit, QuotaState
from harness.aws.rds import RdsInstance
from harness.aws.resource import AwsResource
from harness.aws.route53 import HostedZone
from harness.aws.session import Aws
from harness.aws.sqs import SqsQueue
from harness.aws.survey import read_one
from harness.aws.target_groups import TargetGroup
from harness.model import Phase
from harness.profile import Profile
from harness.profile.schema import LocalConfig
from harness.shapes import ValidationError

Make = Callable[..., Profile]
APPLIED, DEFAULTS = "service-quotas:ListServiceQuotas", "service-quotas:ListAWSDefaultServiceQuotas"
API = EcsService(cluster="main", service="api", cpu=512)
WEB = EcsService(cluster="main", service="web")
INSTANCE: dict[str, Any] = {
    "instance_class": "db.t3.small",
    "engine_version": "17",
    "multi_az": False,
    "deletion_protection": False,
    "encrypted": True,
    "backup_days": 7,
    "database": "x",
    "secret": "x",
}


class Canned(Aws):
    """Answers in their real shape, by operation: an answer, a fault, or a function of the request's parameters."""

    def __init__(self, profile: Profile, answers: Mapping[str, Any]) -> None:
        super().__init__(profile)
        self._answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
        self.calls[key] += 1
        self.asked.append((key, parameters))
        said = self._answers[key]
        found = said(parameters) if callable(said) else said
        if isinstance(found, Fault):
            raise found
        assert isinstance(found, dict), key
        return found

    def items(self, key: str, about: str, field: str, /, **parameters: Any) -> list[Any]:
        answer = self.call(key, about, **parameters)
        if field not in answer:
            raise Broken(f"no {field}", hint="x")
        return list(answer[field])


@pytest.fixture
def canned(make_profile: Make) -> Callable[..., Canned]:
    def make(*resources: AwsResource, **answers: Any) -> Canned:
        keys = {key.replace("__", ":").replace("_", "-"): said for key, said in answers.items()}
        return Canned(make_profile("", *resources), keys)

    return make


def listed(**values: Any) -> dict[str, Any]:
    """An answer of Service Quotas with the rows of `QUOTAS` that are named."""
    rows = [(QUOTAS[name.replace("_", "-")], value) for name, value in values.items()]
    return {"Quotas": [quota(row.code or "L-12345678", row.title, value) for row, value in rows]}


def quota(code: str, title: str, value: Any) -> dict[str, Any]:
    return {
        "ServiceCode": "ecs",
        "ServiceName": "Amazon Elastic Container Service (Amazon ECS)",
        "QuotaArn": f"arn:aws:servicequotas:us-east-1:111122223333:ecs/{code}",
        "QuotaCode": code,
        "QuotaName": title,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
        "QuotaAppliedAtLevel": "ACCOUNT",
    }


def service(name: str = "api", **changes: Any) -> dict[str, Any]:
    return {
        "serviceName": name,
        "status": "ACTIVE",
        "desiredCount": 4,
        "launchType": "FARGATE",
        "taskDefinition": "x/api:7",
        "deployments": [{"status": "PRIMARY", "taskDefinition": "x/api:7"}],
        "deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100},
        "deploymentController": {"type": "ECS"},
        **changes,
    }


def metric(*values: float) -> dict[str, Any]:
    from datetime import UTC, datetime

    at = [datetime.now(UTC)] * len(values)
    return {
        "MetricDataResults": [
            {"Id": "m0", "StatusCode": "Complete", "Values": list(values), "Timestamps": at}
        ]
    }


DEFINITION = {"taskDefinition": {"taskDefinitionArn": "x/api:7", "cpu": "512", "containerDefinitions": []}}


def fargate(canned: Callable[..., Canned], *services: dict[str, Any], **changes: Any) -> Canned:
    said = {
        "service_quotas__ListServiceQuotas": listed(fargate_vcpu=6.0),
        "ecs__DescribeServices": {"services": list(services)},
        "ecs__DescribeTaskDefinition": DEFINITION,
        "cloudwatch__GetMetricData": metric(2.0),
        **changes,
    }
    return canned(API, WEB, **said)


def state(aws: Aws, **declared: Any) -> QuotaState:
    return read_one(aws, QuotaLimit(**declared), QuotaState)


# The limit


def test_the_limit_is_on_whichever_page_it_is(recorded: Callable[..., Aws], make_profile: Make) -> None:
    asked: list[Any] = []

    def page(request: Any) -> dict[str, Any]:
        asked.append(request)
        if "NextToken" in request:
            return listed(ecs_services_per_cluster=5000.0)
        return {"Quotas": [quota("L-1", "Other", 1.0)], "NextToken": "more"}

    found = quotas.applied(recorded(ListServiceQuotas=page), QUOTAS["ecs-services-per-cluster"])
    assert found == (5000.0, "L-9EF96962")
    assert asked == [
        {"ServiceCode": "ecs", "MaxResults": 100},
        {"ServiceCode": "ecs", "MaxResults": 100, "NextToken": "more"},
    ]


def test_a_quota_without_a_code_is_found_by_its_name(recorded: Callable[..., Aws]) -> None:
    aws = recorded(ListServiceQuotas=listed(ecs_services_per_cluster=1.0, ecs_tasks_per_service=5000.0))
    assert quotas.applied(aws, QUOTAS["ecs-tasks-per-service"]) == (5000.0, "L-12345678")


@pytest.mark.parametrize("applied", [{"Quotas": []}, {"__type": "NoSuchResourceException", "message": "x"}])
def test_where_no_value_is_applied_the_default_counts(
    recorded: Callable[..., Aws], applied: dict[str, Any]
) -> None:
    aws = recorded(ListServiceQuotas=applied, ListAWSDefaultServiceQuotas=listed(rds_instances=40.0))
    assert quotas.applied(aws, QUOTAS["rds-instances"]) == (40.0, "L-7B6409FD")
    assert aws.calls[DEFAULTS] == 1


def test_all_quotas_of_a_service_are_listed_once(canned: Callable[..., Canned]) -> None:
    aws = canned(
        API,
        WEB,
        service_quotas__ListServiceQuotas=listed(ecs_tasks_per_service=10.0, ecs_services_per_cluster=10.0),
        ecs__DescribeServices={"services": [service()]},
        ecs__DescribeClusters={"clusters": [{"clusterName": "main", "activeServicesCount": 3}]},
    )
    rows = [QuotaLimit(name="ecs-tasks-per-service"), QuotaLimit(name="ecs-services-per-cluster")]
    assert set(QuotaLimit.read(aws, rows)) == {"ecs-tasks-per-service", "ecs-services-per-cluster"}
    assert (aws.calls[APPLIED], aws.calls["ecs:DescribeServices"]) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        ({"Quotas": []}, Broken, 'lists no quota "DB instances" (L-7B6409FD) of rds'),
        ({"__type": "NoSuchResourceException", "message": "x"}, Broken, "lists no quota"),
        ({}, Broken, "no Quotas"),
        ({"__type": "AccessDeniedException", "message": "no"}, Denied, "servicequotas:ListServiceQuotas"),
        ({"Quotas": [{"QuotaCode": "L-7B6409FD"}]}, Broken, "no Value"),
        (
            {
                "Quotas": [
                    {
                        **quota("L-7B6409FD", "DB instances", 40.0),
                        "ErrorReason": {
                            "ErrorCode": "DEPENDENCY_ACCESS_DENIED_ERROR",
                            "ErrorMessage": "role",
                        },
                    }
                ]
            },
            Broken,
            "DEPENDENCY_ACCESS_DENIED_ERROR: role",
        ),
    ],
)
def test_what_is_no_limit_is_told(
    recorded: Callable[..., Aws], answer: dict[str, Any], kind: type[Fault], says: str
) -> None:
    aws = recorded(ListServiceQuotas=answer, ListAWSDefaultServiceQuotas=answer)
    seen = QuotaLimit.read(aws, [QuotaLimit(name="rds-instances")])["rds-instances"]
    assert isinstance(seen, kind)
    assert says in seen.message


@pytest.mark.parametrize("limit", [0.0, -1.0, 0.5, float("nan"), float("inf")])
def test_a_limit_that_cannot_be_is_no_pass(canned: Callable[..., Canned], limit: float) -> None:
    aws = fargate(canned, service(), service_quotas__ListServiceQuotas=listed(fargate_vcpu=limit))
    with pytest.raises(Broken, match="its limit is said to be"):
        state(aws, name="fargate-vcpu")


@pytest.mark.parametrize("used", [-1.0, float("nan"), float("inf")])
def test_a_use_that_cannot_be_is_no_pass(canned: Callable[..., Canned], used: float) -> None:
    with pytest.raises(Broken, match="its use is said to be"):
        state(fargate(canned, service(), cloudwatch__GetMetricData=metric(used)), name="fargate-vcpu")


def test_nothing_is_claimed_in_the_stand_in(make_profile: Make) -> None:
    profile = replace(make_profile("http://127.0.0.1:9", API), local=LocalConfig(stand_in=True))
    asked = [name for name, row in QUOTAS.items() if not row.documented]
    found = QuotaLimit.read(Aws(profile), [QuotaLimit(name=name) for name in asked])
    assert {name: type(seen) for name, seen in found.items()} == dict.fromkeys(asked, NotEmulated)


# The use


def test_a_rolling_deploy_doubles_the_tasks_of_every_service(canned: Callable[..., Canned]) -> None:
    aws = fargate(canned, service(), service("web", desiredCount=1))
    assert state(aws, name="fargate-vcpu") == QuotaState("the account", 6.0, 2.0, 2.5, "L-3032A538")
    (asked,) = [parameters for key, parameters in aws.asked if key == "cloudwatch:GetMetricData"]
    seen = asked["MetricDataQueries"][0]["MetricStat"]["Metric"]
    assert (seen["Namespace"], seen["MetricName"]) == ("AWS/Usage", "ResourceCount")
    assert {"Name": "Class", "Value": "Standard/OnDemand"} in seen["Dimensions"]


@pytest.mark.parametrize(
    ("changes", "adds"),
    [
        ({}, 2.0),
        ({"desiredCount": 0}, 0.0),
        ({"deploymentConfiguration": {"maximumPercent": 100}}, 0.0),
        ({"deploymentConfiguration": {"maximumPercent": 50}}, 0.0),
        ({"deploymentConfiguration": {"maximumPercent": 137}}, 0.5),  # 5.48 tasks, rounded down, are one more
        ({"deploymentConfiguration": {"maximumPercent": 100, "strategy": "BLUE_GREEN"}}, 2.0),
        ({"deploymentConfiguration": {}, "deploymentController": {"type": "CODE_DEPLOY"}}, 2.0),
        ({"launchType": "EC2"}, 0.0),
        ({"launchType": None, "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]}, 0.0),
        (
            {
                "capacityProviderStrategy": [
                    {"capacityProvider": "FARGATE_SPOT"},
                    {"capacityProvider": "FARGATE"},
                ]
            },
            2.0,
        ),
        ({"deployments": []}, 2.0),
    ],
)
def test_what_a_deploy_adds(canned: Callable[..., Canned], changes: dict[str, Any], adds: float) -> None:
    aws = fargate(canned, service(**changes), service("web", desiredCount=0))
    assert state(aws, name="fargate-vcpu").adds == adds


def test_a_service_that_comes_with_the_release_adds_its_declared_tasks(
    canned: Callable[..., Canned],
) -> None:
    aws = canned(
        API.model_copy(update={"desired_tasks": 3}),
        WEB.model_copy(update={"min_tasks": 2}),
        service_quotas__ListServiceQuotas=listed(fargate_vcpu=6.0),
        ecs__DescribeServices={"services": [service(status="INACTIVE")]},
        cloudwatch__GetMetricData=metric(1.0),
    )
    assert state(aws, name="fargate-vcpu").adds == 3 * 0.5 + 2 * 0.25


def test_without_a_sample_the_use_is_not_known(canned: Callable[..., Canned]) -> None:
    found = state(fargate(canned, service(), cloudwatch__GetMetricData=metric()), name="fargate-vcpu")
    assert (found.used, found.room) == (None, None)
    assert "an unknown number of 6 vCPU" in quotas.words(QuotaLimit(name="fargate-vcpu"), found)
    assert "--desired-value VALUE" in quotas.how_to_raise(QuotaLimit(name="fargate-vcpu"), found)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ecs__DescribeServices": {"services": [service(desiredCount=None)]}}, "no desiredCount"),
        (
            {"ecs__DescribeServices": {"services": [service(deploymentConfiguration={})]}},
            "no maximumPercent",
        ),
        (
            {"ecs__DescribeTaskDefinition": {"taskDefinition": {**DEFINITION["taskDefinition"], "cpu": "0"}}},
            "api:7 has no CPU size",
        ),
        ({"ecs__DescribeServices": {"failures": [{"reason": "ACCESS"}]}}, "ACCESS"),
    ],
)
def test_half_an_answer_is_broken(canned: Callable[..., Canned], change: dict[str, Any], says: str) -> None:
    with pytest.raises(Broken, match=says):
        state(fargate(canned, service(), **change), name="fargate-vcpu")


def test_tasks_per_service_counts_the_desired_ones(canned: Callable[..., Canned]) -> None:
    aws = canned(
        API,
        WEB,
        EcsService(cluster="other", service="api", min_tasks=9),
        service_quotas__ListServiceQuotas=listed(ecs_tasks_per_service=10.0),
        ecs__DescribeServices=lambda asked: {
            "services": [service(), service("web", desiredCount=7)] if asked["cluster"] == "main" else []
        },
    )
    found = state(aws, name="ecs-tasks-per-service", cluster="main")
    assert (found.of, found.used, found.adds, found.others) == (WEB.home, 7.0, 0.0, 1)
    found = state(aws, name="ecs-tasks-per-service")  # the one that is not there yet leaves least
    assert (found.used, found.adds, found.others) == (0.0, 9.0, 2)


def clusters(canned: Callable[..., Canned], answer: dict[str, Any]) -> Canned:
    return canned(
        API,
        WEB,
        EcsService(cluster="gone", service="api"),
        service_quotas__ListServiceQuotas=listed(ecs_services_per_cluster=10.0),
        ecs__DescribeServices=lambda asked: {"services": [service()] if asked["cluster"] == "main" else []},
        ecs__DescribeClusters=answer,
    )


def test_services_of_a_cluster_and_those_that_it_gets(canned: Callable[..., Canned]) -> None:
    missing = {"arn": "x", "reason": "MISSING"}
    answer = {"clusters": [{"clusterName": "main", "activeServicesCount": 8}], "failures": [missing]}
    found = state(clusters(canned, answer), name="ecs-services-per-cluster")
    assert found == QuotaState("ECS cluster main", 10.0, 8.0, 1.0, "L-9EF96962", others=1)
    assert found.room == Fraction(1, 10)
    found = state(clusters(canned, answer), name="ecs-services-per-cluster", cluster="gone")
    assert (found.used, found.adds) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"clusters": [{"clusterName": "main"}]}, "no activeServicesCount"),
        ({}, "no clusters"),
        ({"clusters": [], "failures": [{"reason": "ACCESS"}]}, "ACCESS"),
    ],
)
def test_a_cluster_that_is_not_told(canned: Callable[..., Canned], answer: dict[str, Any], says: str) -> None:
    with pytest.raises(Broken, match=says):
        state(clusters(canned, answer), name="ecs-services-per-cluster")


BALANCERS = (
    LoadBalancer(name="web", listeners=[Listener(port=443), Listener(port=8443)]),
    LoadBalancer(name="new", listeners=[Listener(port=443)]),
    LoadBalancer(name="net", type="network"),
)


def balancers(canned: Callable[..., Canned], *declared: AwsResource, **changes: Any) -> Canned:
    answers = {
        "service_quotas__ListServiceQuotas": listed(alb_listeners=50.0, alb_target_groups=10.0),
        "elbv2__DescribeLoadBalancers": lambda asked: (
            Absent("one is missing", hint="x")
            if "new" in asked["Names"]
            else {
                "LoadBalancers": [
                    {"LoadBalancerName": name, "LoadBalancerArn": name} for name in asked["Names"]
                ]
            }
        ),
        "elbv2__DescribeListeners": {"Listeners": [{"Port": 443}, {"Port": 80}]},
        **changes,
    }
    return canned(*declared, **answers)


def test_listeners_of_application_load_balancers(canned: Callable[..., Canned]) -> None:
    found = state(balancers(canned, *BALANCERS), name="alb-listeners")
    assert found == QuotaState("load balancer web", 50.0, 2.0, 1.0, "L-B6DF7632", others=1)
    found = state(balancers(canned, *BALANCERS), name="alb-listeners", load_balancer="new")
    assert (found.of, found.used, found.adds) == ("load balancer new", 0.0, 1.0)


def test_a_load_balancer_that_cannot_be_read_proves_nothing(canned: Callable[..., Canned]) -> None:
    aws = balancers(canned, *BALANCERS, elbv2__DescribeListeners=Denied("not you", hint="x"))
    with pytest.raises(Denied, match="not you"):
        state(aws, name="alb-listeners")
    aws = balancers(canned, *BALANCERS, elbv2__DescribeLoadBalancers=Denied("nor you", hint="x"))
    with pytest.raises(Denied, match="nor you"):
        state(aws, name="alb-listeners")


@pytest.mark.parametrize(
    ("declared", "row"),
    [
        ((), {"name": "alb-listeners"}),
        ((BALANCERS[2],), {"name": "alb-listeners"}),
        (BALANCERS, {"name": "alb-listeners", "load_balancer": "other"}),
        ((), {"name": "sqs-in-flight"}),
        ((API,), {"name": "ecs-services-per-cluster", "cluster": "other"}),
    ],
)
def test_a_quota_that_nothing_declared_comes_under_is_misconfigured(
    canned: Callable[..., Canned], declared: tuple[AwsResource, ...], row: dict[str, Any]
) -> None:
    listing = listed(alb_listeners=50.0, ecs_services_per_cluster=10.0)
    with pytest.raises(Misconfigured, match="the profile declares no"):
        state(balancers(canned, *declared, service_quotas__ListServiceQuotas=listing), **row)


def test_target_groups_and_those_that_come(canned: Callable[..., Canned]) -> None:
    groups = [{"TargetGroupName": name} for name in ("web", "a", "b")]
    declared = (TargetGroup(name="web"), TargetGroup(name="new"))
    aws = balancers(canned, *declared, elbv2__DescribeTargetGroups={"TargetGroups": groups})
    found = state(aws, name="alb-target-groups")
    assert found == QuotaState("the region", 10.0, 3.0, 1.0, "L-B22855CB")


def test_instances_and_those_that_come(canned: Callable[..., Canned]) -> None:
    aws = canned(
        RdsInstance(identifier="Main", **INSTANCE),
        RdsInstance(identifier="new", **INSTANCE),
        service_quotas__ListServiceQuotas=listed(rds_instances=40.0),
        rds__DescribeDBInstances={"DBInstances": [{"DBInstanceIdentifier": name} for name in ("main", "x")]},
    )
    assert state(aws, name="rds-instances") == QuotaState("the region", 40.0, 2.0, 1.0, "L-7B6409FD")


def test_route53_tells_limit_and_count_itself(
    stub: Callable[..., Any], http: Callable[..., bytes], make_profile: Make, credentials: str
) -> None:
    body = (
        '<?xml version="1.0"?><GetAccountLimitResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">'
        "<Limit><Type>MAX_HOSTED_ZONES_BY_OWNER</Type><Value>500</Value></Limit><Count>499</Count>"
        "</GetAccountLimitResponse>"
    )
    server = stub(lambda _: http("200 OK", body, "text/xml"))
    zone = HostedZone(name="new.example.com", expect="after-deploy")
    aws = Aws(make_profile(server.url, zone, HostedZone(name="example.com")))
    found = state(aws, name="route53-hosted-zones")
    assert found == QuotaState("the account", 500.0, 499.0, 1.0, "L-4EA4796A")
    assert found.room == 0
    assert b"/2013-04-01/accountlimit/MAX_HOSTED_ZONES_BY_OWNER" in server.requests[0]
    assert "--region us-east-1" in quotas.how_to_raise(QuotaLimit(name="route53-hosted-zones"), found)


def test_messages_in_flight_for_real(
    owner: Callable[[str], Any], stack_url: str, credentials: str, make_profile: Make
) -> None:
    sqs = owner("sqs")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("busy", "quiet")}
    for url in urls.values():
        sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.receive_message(QueueUrl=urls["busy"])
    queues = [SqsQueue(queue=name) for name in ("busy", "quiet", "gone")]
    aws = Aws(make_profile(stack_url, *queues, account=credentials))
    found = state(aws, name="sqs-in-flight")
    assert found == QuotaState("SQS queue busy", 120_000.0, 1.0, 0.0, "", others=1)
    assert found.room == Fraction(119_999, 120_000)
    assert state(aws, name="sqs-in-flight", queue="quiet").used == 0
    assert state(aws, name="sqs-in-flight", limit=4).room == Fraction(3, 4)
    with pytest.raises(Absent, match=r"sqs-in-flight-gone .* does not exist"):
        state(aws, name="sqs-in-flight", queue="gone")


def test_queues_are_asked_about_once_with_their_own_kind(
    owner: Callable[[str], Any], stack_url: str, credentials: str, make_profile: Make
) -> None:
    for name in ("one", "two", "dead"):
        owner("sqs").create_queue(QueueName=name)
    queues = [SqsQueue(queue="one", dead_letter_queue="dead"), SqsQueue(queue="two")]
    aws = Aws(make_profile(stack_url, *queues, account=credentials))
    SqsQueue.read(aws, queues)
    before = dict(aws.calls)
    assert QuotaLimit.read(aws, [QuotaLimit(name="sqs-in-flight")])
    assert dict(aws.calls) == before


# The rule


@pytest.mark.parametrize(
    ("used", "adds", "room", "wanted"),
    [
        (6.0, 2.0, Fraction(1, 5), "10"),
        (6.0, 2.25, Fraction(7, 40), "11"),
        (9.0, 3.0, Fraction(-1, 5), "15"),
        (0.0, 0.0, Fraction(1), "0"),
    ],
)
def test_room_is_exact_and_more_is_asked_for_as_needed(
    used: float, adds: float, room: Fraction, wanted: str
) -> None:
    declared, seen = (
        QuotaLimit(name="fargate-vcpu"),
        QuotaState("the account", 10.0, used, adds, "L-3032A538"),
    )
    assert seen.room == room
    hint = quotas.how_to_raise(declared, seen)
    assert f"--service-code fargate --quota-code L-3032A538 --desired-value {wanted} (console" in hint


@pytest.mark.parametrize(("rule", "wanted"), [("> 20%", "11"), (">= 100%", "VALUE"), ("== 20%", "VALUE")])
def test_what_to_ask_for_with_other_rules(rule: str, wanted: str) -> None:
    declared = QuotaLimit.model_validate({"name": "fargate-vcpu", "room": rule})
    seen = QuotaState("the account", 10.0, 6.0, 2.0, "L-3032A538")
    assert f"--desired-value {wanted} (" in quotas.how_to_raise(declared, seen)


def test_what_is_said(canned: Callable[..., Canned]) -> None:
    flight = QuotaLimit(name="sqs-in-flight")
    seen = QuotaState("SQS queue a", 120_000.0, 110_000.0)
    assert quotas.words(flight, seen) == (
        'service quota sqs-in-flight (sqs: "Messages per queue (in flight)"): '
        "110,000 of 120,000 messages in flight (SQS queue a) in use, "
        "a deploy adds none"
    )
    assert "AWS Support" in quotas.how_to_raise(flight, seen)
    vcpu = QuotaState("the account", 6.0, 5.25, 0.5, "L-3032A538")
    assert "5.25 of 6 vCPU (the account) in use, a deploy adds 0.5" in quotas.words(
        QuotaLimit(name="fargate-vcpu"), vcpu
    )


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"name": "fargate-cpu"}, "did you mean fargate-vcpu. There are alb-listeners, "),
        ({"name": "x"}, "no quota is called 'x'"),
        ({"name": "fargate-vcpu", "cluster": "main"}, "is no quota of one cluster"),
        ({"name": "ecs-tasks-per-service", "queue": "q"}, "is no quota of one queue"),
        ({"name": "fargate-vcpu", "limit": 4}, "AWS itself tells the limit"),
        ({"name": "fargate-vcpu", "room": ">= 20"}, "room is a share"),
        ({"name": "fargate-vcpu", "room": "free >= 20%"}, "quota_room"),
        ({"name": "sqs-in-flight", "limit": -1}, "limit"),
    ],
)
def test_what_is_no_declaration(declared: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        QuotaLimit.model_validate(declared)


def test_what_must_report(make_profile: Make) -> None:
    row = QuotaLimit(name="sqs-in-flight", queue="q")
    assert (row.id, row.scope) == ("sqs-in-flight-q", "shared")
    assert row.mandatory(make_profile(), Phase.PRE_DEPLOY) == ("quotas.leaves_room",)
    assert row.mandatory(make_profile(), Phase.POST_DEPLOY) == ()
    assert {key for quota in QUOTAS.values() for key in quota.uses} == set(QuotaLimit.uses)
