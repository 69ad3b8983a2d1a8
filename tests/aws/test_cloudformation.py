import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.aws import cloudformation as cfn
from harness.aws.cloudformation import (
    CloudFormationStack,
    LeftoversState,
    StackLeftovers,
    StackState,
    failures,
    stack_of,
)
from harness.aws.faults import Broken, Denied, Fault
from harness.aws.session import Aws
from harness.aws.survey import read_one
from harness.model import Phase

Owner = Callable[[str], Any]
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
GOOD = StackState("s", "UPDATE_COMPLETE", "", "2026-11-01T12:00:00+00:00", False)
IMPOSSIBLE = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q", "VisibilityTimeout": 99999999}}


def make(owner: Owner, name: str, *, resources: Mapping[str, Any] | None = None, **settings: Any) -> None:
    body = {
        "Parameters": {"Size": {"Type": "String", "Default": "small"}},
        "Resources": resources or {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"Colour": {"Value": "blue"}, "Password": {"Value": "hunter2"}},
    }
    owner("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(body), **settings)


class Canned:
    """Answers in turn, and keeps what was asked."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
        self.asked.append({"key": key, "about": about, **parameters})
        return self.answers.pop(0)

    def shared_items(self, key: str, about: str, field: str, /, **parameters: Any) -> list[Any]:
        return list(self.call(key, about, **parameters)[field])


def canned(*answers: dict[str, Any]) -> Any:
    return Canned(*answers)


def test_the_states_of_real_stacks(aws: Aws, owner: Owner) -> None:
    make(owner, "one", EnableTerminationProtection=True)
    make(owner, "two", Parameters=[{"ParameterKey": "Size", "ParameterValue": "large"}])
    one = CloudFormationStack(stack="one", outputs={"Colour": ""})
    two = CloudFormationStack(stack="two", parameters={"Size": ""})
    missing = CloudFormationStack(stack="nosuch")
    found = CloudFormationStack.read(aws, [one, two, missing])
    assert set(found) == {"one", "two"}
    state = found["one"]
    assert isinstance(state, StackState)
    assert (state.status, state.protected, state.parameters) == ("CREATE_COMPLETE", True, ())
    assert state.outputs == (("Colour", "blue"),), "an output that nobody declared may be a secret"
    assert datetime.fromisoformat(state.updated).tzinfo is not None
    assert read_one(aws, two, StackState).parameters == (("Size", "large"),)
    assert CloudFormationStack.read(aws, [missing]) == {}


def test_many_stacks_are_read_by_pages(aws: Aws, owner: Owner) -> None:
    for number in range(105):
        make(owner, f"stack-{number:03}")
    declared = [CloudFormationStack(stack=f"stack-{number:03}") for number in range(105)]
    leftovers = [StackLeftovers(pattern="stack-0*"), StackLeftovers(pattern="*")]
    assert len(CloudFormationStack.read(aws, declared)) == 105
    found = StackLeftovers.read(aws, leftovers)
    assert [len(found[item.id].stacks) for item in leftovers] == [100, 105]  # type: ignore[union-attr]
    assert aws.calls["cloudformation:DescribeStacks"] == 2, "two pages, asked for once, whoever asks"


def test_denied_passes_through(
    guarded_url: str, credentials: str, make_profile: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    owner = boto3.Session(credentials, "test", region_name="us-east-1")
    iam = owner.client("iam", endpoint_url=guarded_url)
    iam.create_user(UserName="gate")
    other = {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [other]}
    iam.put_user_policy(UserName="gate", PolicyName="p", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName="gate")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    aws = Aws(make_profile(guarded_url))
    for declared in ([CloudFormationStack(stack="a")], [CloudFormationStack(stack=name) for name in "ab"]):
        with pytest.raises(Denied, match="cloudformation:DescribeStacks"):
            CloudFormationStack.read(aws, declared)


@pytest.mark.parametrize("lacks", ["StackName", "StackStatus", "CreationTime"])
def test_an_answer_with_something_missing_is_an_error(lacks: str) -> None:
    row = {"StackName": "s", "StackStatus": "CREATE_COMPLETE", "CreationTime": NOW}
    del row[lacks]
    with pytest.raises(Broken, match=lacks):
        CloudFormationStack.read(canned({"Stacks": [row]}), [CloudFormationStack(stack="s")])
    with pytest.raises(Broken, match="Stacks"):
        CloudFormationStack.read(canned({}), [CloudFormationStack(stack="s")])


def test_an_update_is_newer_than_the_creation() -> None:
    row = {"StackName": "s", "StackStatus": "X", "CreationTime": NOW, "LastUpdatedTime": NOW.replace(hour=13)}
    found = CloudFormationStack.read(
        canned({"Stacks": [row | {"ParentId": "p"}]}), [CloudFormationStack(stack="s")]
    )
    state = found["s"]
    assert isinstance(state, StackState)
    assert (state.updated, state.parent) == ("2026-11-01T13:00:00+00:00", "p")


def _statuses() -> list[str]:
    import botocore.session

    model = botocore.session.get_session().get_service_model("cloudformation")
    return list(model.shape_for("StackStatus").enum)  # type: ignore[attr-defined]


def test_every_status_that_there_is_is_judged() -> None:
    problems = {status: cfn.status_problem(replace(GOOD, status=status)) for status in _statuses()}
    assert {status for status, problem in problems.items() if not problem} == set(cfn.COMPLETE)
    assert all(f"is {status}: " in problem for status, problem in problems.items() if problem)
    waits = {status for status in problems if cfn.under_way(replace(GOOD, status=status))}
    assert waits == {
        "CREATE_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "IMPORT_IN_PROGRESS",
    }


def test_a_status_says_its_reason() -> None:
    state = replace(GOOD, status="CREATE_FAILED", reason="no room")
    assert cfn.status_problem(state).endswith("(no room)")
    assert "not complete" in cfn.status_problem(replace(GOOD, status="SOMETHING_NEW"))


def test_values() -> None:
    stack = CloudFormationStack(stack="s", parameters={"A": "1", "B": ""}, outputs={"C": "3"})
    good = replace(GOOD, parameters=(("A", "1"), ("B", "x")), outputs=(("C", "3"),))
    assert cfn.value_problems(stack, good) == ()
    assert cfn.value_problems(stack, replace(good, parameters=(("A", "2"),), outputs=())) == (
        "parameter A is '2', declared '1'",
        "it has no parameter B",
        "it has no output C",
    )


def test_leftovers_are_those_that_failed_and_nobody_else_judges() -> None:
    stacks = tuple(
        replace(GOOD, name=name, status=status, parent=parent)
        for name, status, parent in [
            ("declared", "ROLLBACK_COMPLETE", ""),
            ("good", "CREATE_COMPLETE", ""),
            ("busy", "CREATE_IN_PROGRESS", ""),
            ("inner", "CREATE_FAILED", "outer"),
            ("wreck", "DELETE_FAILED", ""),
            ("empty", "REVIEW_IN_PROGRESS", ""),
        ]
    )
    failed = LeftoversState(stacks).failed(["declared"])
    assert [seen.name for seen in failed] == ["wreck", "empty"]


def test_what_must_report(make_profile: Callable[..., Any]) -> None:
    profile = make_profile()
    plain = CloudFormationStack(stack="s")
    full = CloudFormationStack(stack="s", drift=True, termination_protection=False, outputs={"A": ""})
    assert plain.mandatory(profile, Phase.PRE_DEPLOY) == ("cloudformation.is_complete",)
    assert full.mandatory(profile, Phase.PRE_DEPLOY) == (
        "cloudformation.is_complete",
        "cloudformation.termination_protection_is_as_declared",
        "cloudformation.values_are_as_declared",
        "cloudformation.has_not_drifted",
    )
    assert (full.judges_protection, plain.judges_protection, plain.judges_values) == (True, False, False)
    assert (plain.id, plain.home) == ("s", "stack s")
    left = StackLeftovers(pattern="*-dev")
    assert (left.id, left.home, left.scope) == ("*-dev", "stacks named *-dev", "shared")
    assert left.mandatory(profile, Phase.PRE_DEPLOY) == ("cloudformation.nothing_failed_is_left",)


def test_a_tag_says_the_stack() -> None:
    assert stack_of([{"key": cfn.STACK_TAG, "value": "a"}]) == "a"
    assert stack_of([{"Key": "x", "Value": "b"}, {"Key": cfn.STACK_TAG, "Value": "c"}]) == "c"
    assert stack_of([]) == ""


def test_a_real_rollback_is_explained(aws: Aws, owner: Owner) -> None:
    make(owner, "s", resources={"Impossible": IMPOSSIBLE})
    assert read_one(aws, CloudFormationStack(stack="s"), StackState).status == "ROLLBACK_COMPLETE"
    lines = failures(aws, "s")
    assert "stack s: Impossible CREATE_FAILED: " in lines[0]
    assert any("ROLLBACK" in line for line in lines[1:])
    with pytest.raises(Fault, match="does not exist"):
        failures(aws, "nosuch")


def event(name: str, status: str, reason: str = "", **more: str) -> dict[str, Any]:
    own = "arn:stack/outer" if name == "outer" else f"physical-{name}"
    return {
        "StackId": "arn:stack/outer",
        "LogicalResourceId": name,
        "PhysicalResourceId": own,
        "ResourceType": "AWS::CloudFormation::Stack" if name in ("outer", "Nested") else "AWS::SQS::Queue",
        "ResourceStatus": status,
        **({"ResourceStatusReason": reason} if reason else {}),
        **more,
    }


def test_failures_of_the_last_failed_operation_only_the_cause_first() -> None:
    first = [
        event("outer", "UPDATE_ROLLBACK_COMPLETE"),
        event("B", "UPDATE_FAILED", "Resource update cancelled"),
    ]
    second = [
        event("A", "UPDATE_FAILED", "no permission"),
        event("outer", "UPDATE_IN_PROGRESS", "User Initiated"),
        event("C", "CREATE_FAILED", "a year ago"),
    ]
    aws = canned({"StackEvents": first, "NextToken": "2"}, {"StackEvents": second, "NextToken": "3"})
    assert failures(aws, "outer") == (
        "stack outer: A UPDATE_FAILED: no permission",
        "stack outer: outer UPDATE_ROLLBACK_COMPLETE: no reason given",
    )
    assert [asked.get("NextToken") for asked in aws.asked] == [None, "2"], "the third page is not needed"


def test_a_nested_stack_explains_itself() -> None:
    outer = [event("Nested", "CREATE_FAILED", "Embedded stack was not created")]
    inner = [
        event("Deep", "CREATE_FAILED", "the real reason"),
        event("Nested", "DELETE_FAILED", "deeper still"),
    ]
    aws = canned({"StackEvents": outer}, {"StackEvents": inner})
    lines = failures(aws, "outer")
    assert lines[0] == "stack physical-Nested: Deep CREATE_FAILED: the real reason"
    assert lines[-1] == "stack outer: Nested CREATE_FAILED: Embedded stack was not created"
    assert [asked["StackName"] for asked in aws.asked] == ["outer", "physical-Nested"]


def test_events_are_not_read_for_ever() -> None:
    answers = [{"StackEvents": [event("A", "UPDATE_COMPLETE")], "NextToken": str(n)} for n in range(9)]
    aws = canned(*answers)
    assert failures(aws, "outer") == ()
    assert len(aws.asked) == 5


def test_the_same_page_again_is_an_error() -> None:
    aws = canned(*[{"StackEvents": [], "NextToken": "again"}] * 3)
    with pytest.raises(Broken, match="read already"):
        failures(aws, "outer")
