from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from harness.aws import tags
from harness.aws.census import Found
from harness.aws.ecs import EcsService
from harness.aws.faults import Denied, Fault
from harness.aws.rds import RdsInstance
from harness.aws.secrets import Secret
from harness.aws.session import Aws, Identity
from harness.aws.sqs import SqsQueue
from harness.aws.ssm import SsmParameter
from harness.aws.tags import Tagged, TagRule, TagsState
from harness.model import Phase
from harness.profile.schema import LocalConfig, Resource
from harness.shapes import ValidationError

Owner = Callable[[str], Any]
RULE = TagRule(name="cost", required={"Environment": "staging", "Owner": ""})
ACCOUNT = "123456789012"


class Canned(Aws):
    """The tagging API as AWS has it: what was never tagged is not in the answer; lists of a type have pages."""

    PAGE: ClassVar[int] = 50

    def __init__(self, profile: Any, known: dict[str, dict[str, str]]) -> None:
        super().__init__(profile)
        self.known = known

    def identity(self) -> Identity:
        return Identity(ACCOUNT, "arn")

    def items(self, key: str, about: str, field: str, /, **parameters: Any) -> list[Any]:
        assert (key, field) == ("resourcegroupstaggingapi:GetResources", "ResourceTagMappingList")
        if arns := parameters.get("ResourceARNList"):
            assert len(arns) <= 100
            chosen = [arn for arn in arns if arn in self.known]
        else:
            types = [f":{kind}:" for kind in parameters["ResourceTypeFilters"]]
            chosen = [arn for arn in self.known if any(kind.split(":")[2] in arn for kind in types)]
        self.calls[key] += 1
        return [
            {"ResourceARN": arn, "Tags": [{"Key": k, "Value": v} for k, v in self.known[arn].items()]}
            for arn in chosen
        ]


def profile_of(make_profile: Callable[..., Any], *resources: Resource, stand_in: bool = False) -> Any:
    return replace(make_profile("", *resources), local=LocalConfig(stand_in=stand_in))


def read(aws: Aws, rule: TagRule = RULE) -> TagsState:
    state = TagRule.read(aws, [rule])[rule.id]
    assert isinstance(state, TagsState)
    return state


def test_real_tags(stack_url: str, credentials: str, make_profile: Callable[..., Any], owner: Owner) -> None:
    sqs, ecs = owner("sqs"), owner("ecs")
    good = {"Environment": "staging", "Owner": "team"}
    sqs.create_queue(QueueName="good", tags=good)
    sqs.create_queue(QueueName="half", tags={"Environment": "dev"})
    sqs.create_queue(QueueName="bare")
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(family="t", containerDefinitions=[{"name": "c", "image": "i", "memory": 64}])
    ecs.create_service(
        cluster="c",
        serviceName="api",
        taskDefinition="t",
        desiredCount=0,
        tags=[{"key": key, "value": value} for key, value in good.items()],
    )
    resources = [
        *(SqsQueue(queue=name) for name in ("good", "half", "bare")),
        SqsQueue(queue="of-all", scope="shared"),
        EcsService(cluster="c", service="api"),
        SsmParameter(name="/p"),
    ]
    profile = make_profile(stack_url, *resources, account=credentials)
    aws = Aws(replace(profile, local=LocalConfig(stand_in=True)))
    state = read(aws)
    assert state.hidden == ("SSM parameter /p (not shown by the stand-in)",)
    assert {item.id for item in state.seen} == {"good", "half", "bare", "api"}
    assert aws.calls["resourcegroupstaggingapi:GetResources"] == 1
    exist = [Found(item.kind, item.id, item.home, True, True, False) for item in state.seen]
    told = tags.problems(RULE, tags.judged(state, exist))
    assert told == (
        "SQS queue half (it has no Owner, its Environment is 'dev' instead of 'staging')",
        "SQS queue bare (it has no Environment and no Owner)",
    )


def test_calls_grow_by_hundreds(make_profile: Callable[..., Any]) -> None:
    queues = [SqsQueue(queue=f"q{number}") for number in range(201)]
    aws = Canned(profile_of(make_profile, *queues), {})
    rules = [RULE, TagRule(name="other", required={"X": ""}, kinds=["sqs.queues"])]
    found = TagRule.read(aws, rules)
    assert aws.calls["resourcegroupstaggingapi:GetResources"] == 3, "the rules share the answers"
    assert {rule: len(state.seen) for rule, state in found.items() if isinstance(state, TagsState)} == {
        "cost": 201,
        "other": 201,
    }


def test_an_arn_whose_end_aws_chose_is_found_by_its_type(make_profile: Callable[..., Any]) -> None:
    prefix = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret"
    known = {
        f"{prefix}:app/db-AbCdEf": {"Owner": "x"},
        f"{prefix}:app/db-old-AbCdEf": {"Owner": "not this"},
        f"{prefix}:app/other-AbCdEf": {"Owner": "not this"},
    }
    aws = Canned(profile_of(make_profile, Secret(name="app/db"), Secret(name="app/bare")), known)
    state = read(aws)
    assert [(item.id, item.tags) for item in state.seen] == [("app/db", (("Owner", "x"),)), ("app/bare", ())]
    assert aws.calls["resourcegroupstaggingapi:GetResources"] == 1


@pytest.mark.parametrize(
    ("pattern", "arn", "matches"),
    [
        ("arn:aws:x:r:1:lb/app/name/*", "arn:aws:x:r:1:lb/app/name/50dc6c495c0c9188", True),
        ("arn:aws:x:r:1:lb/app/name/*", "arn:aws:x:r:1:lb/app/name-2/50dc6c495c0c9188", False),
        ("arn:aws:x:r:1:lb/app/name/*", "arn:aws:x:r:1:lb/app/name/50dc/listener", False),
        ("arn:aws:x:r:1:secret:a.b-??????", "arn:aws:x:r:1:secret:a.b-AbCdEf", True),
        ("arn:aws:x:r:1:secret:a.b-??????", "arn:aws:x:r:1:secret:axb-AbCdEf", False),
        ("arn:aws:x:r:1:secret:a.b-??????", "arn:aws:x:r:1:secret:a.b-AbCdEfG", False),
    ],
)
def test_what_aws_chose_in_an_arn(pattern: str, arn: str, matches: bool) -> None:
    assert bool(tags._expression(pattern).fullmatch(arn)) is matches


@pytest.mark.parametrize(
    ("arn", "type_"),
    [
        ("arn:aws:secretsmanager:r:1:secret:x-??????", "secretsmanager:secret"),
        ("arn:aws:elasticloadbalancing:r:1:loadbalancer/app/x/*", "elasticloadbalancing:loadbalancer"),
        ("arn:aws:logs:r:1:log-group:/x/*", "logs:log-group"),
    ],
)
def test_types_as_the_tagging_api_filters_by_them(arn: str, type_: str) -> None:
    assert tags._type(arn) == type_


def test_what_cannot_be_seen_is_left_out_and_told(make_profile: Callable[..., Any]) -> None:
    class Global(SqsQueue):
        def arn(self, account: str, region: str) -> str:
            return f"arn:aws:route53:::hostedzone/{self.queue}"

    abroad = replace(
        profile_of(make_profile, Global(queue="Z1")),
        aws=make_profile(region="eu-west-1").aws,
    )
    state = read(Canned(abroad, {}))
    assert state.hidden == ("SQS queue Z1 (shown in us-east-1 only)",)
    assert read(Canned(profile_of(make_profile, Global(queue="Z1")), {})).hidden == ()


def test_kinds_choose_what_a_rule_is_about(make_profile: Callable[..., Any]) -> None:
    resources = [SqsQueue(queue="q"), RdsInstance(identifier="db", instance_class="db.t3.micro")]
    aws = Canned(profile_of(make_profile, *resources), {})
    rule = RULE.model_copy(update={"kinds": ["rds.instances"]})
    assert [item.id for item in read(aws, rule).seen] == ["db"]


def test_denied_passes_through(make_profile: Callable[..., Any]) -> None:
    class Refused(Canned):
        def items(self, key: str, about: str, field: str, /, **_: Any) -> list[Any]:
            raise Denied("no", hint="")

    with pytest.raises(Fault):
        TagRule.read(Refused(profile_of(make_profile, SqsQueue(queue="q")), {}), [RULE])


def test_what_does_not_exist_is_not_judged_twice() -> None:
    seen = (
        Tagged("sqs_queue", "there", "SQS queue there", ()),
        Tagged("sqs_queue", "missing", "SQS queue missing", ()),
        Tagged("sqs_queue", "unread", "SQS queue unread", (("Owner", "x"),)),
        Tagged("sqs_queue", "unknown", "SQS queue unknown", ()),
    )
    found = [
        Found("sqs_queue", "there", "", True, True, False),
        Found("sqs_queue", "missing", "", False, True, False),
        Found("sqs_queue", "unread", "", False, True, False),
    ]
    assert [item.id for item in tags.judged(TagsState(seen, ()), found)] == ["there", "unread"]


@pytest.mark.parametrize(
    ("has", "told"),
    [
        ({"Environment": "staging", "Owner": "x"}, ""),
        ({"Environment": "staging", "Owner": ""}, ""),
        ({"Environment": "Staging", "Owner": "x"}, "its Environment is 'Staging' instead of 'staging'"),
        ({"environment": "staging", "Owner": "x"}, "it has no Environment"),
    ],
)
def test_how_tags_are_judged(has: dict[str, str], told: str) -> None:
    problems = tags.problems(RULE, [Tagged("k", "i", "thing i", tuple(has.items()))])
    assert problems == ((f"thing i ({told})",) if told else ())


def test_a_rule_is_nothing_that_is_deployed(make_profile: Callable[..., Any]) -> None:
    assert RULE.scope == "shared"
    assert RULE.mandatory(make_profile(), Phase.PRE_DEPLOY) == ("tags.are_complete",)
    assert RULE.home == "tag rule cost"
    for wrong in (
        {"name": "x", "required": {}},
        {"name": "X Y", "required": {"a": ""}},
        {"name": "x", "required": {"a": ""}, "kinds": ["sqs.queue"]},
        {"name": "x", "required": {"a": ""}, "scope": "environment"},
    ):
        with pytest.raises(ValidationError):
            TagRule.model_validate(wrong)
