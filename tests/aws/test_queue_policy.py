"""What queue policies let others do: open to everybody, and open to a topic."""

import json
from typing import Any

import pytest

from harness.aws.faults import Broken
from harness.aws.queue_policy import admits, open_to_everybody

QUEUE = "arn:aws:sqs:us-east-1:123456789012:work.fifo"
TOPIC = "arn:aws:sns:us-east-1:123456789012:changes.fifo"
SNS = {"Service": "sns.amazonaws.com"}
USUAL = {
    "Sid": "FromTopic",
    "Effect": "Allow",
    "Principal": SNS,
    "Action": "sqs:SendMessage",
    "Resource": QUEUE,
    "Condition": {"ArnEquals": {"aws:SourceArn": TOPIC}},
}
TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sqs:*",
    "Resource": QUEUE,
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def text(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(principal: object, **conditions: Any) -> dict[str, Any]:
    condition = {"Condition": conditions} if conditions else {}
    return {"Effect": "Allow", "Principal": principal, "Action": "SQS:*", "Resource": "*", **condition}


@pytest.mark.parametrize(
    "statement",
    [
        allow("*"),
        allow({"AWS": "*"}),
        allow({"AWS": ["123456789012", "*"]}),
        allow("*", StringEquals={"sqs:anything": "x"}),
        allow("*", Bool={"aws:SecureTransport": True}),
        allow("*", StringNotEquals={"aws:SourceAccount": "123456789012"}),
        allow("*", StringEqualsIfExists={"aws:SourceAccount": "123456789012"}),
        allow("*", StringLike={"aws:SourceArn": "*"}),
        allow("*", IpAddress={"aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/0"]}),
        {"Effect": "Allow", "NotPrincipal": {"AWS": "123456789012"}, "Action": "SQS:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": "*", "NotAction": "sqs:DeleteQueue", "Resource": "*"},
    ],
)
def test_open(statement: dict[str, Any]) -> None:
    (told,) = open_to_everybody(text(USUAL, statement), "q")
    assert told.startswith("statement 2 allows ")


@pytest.mark.parametrize(
    "statement",
    [
        USUAL,
        TLS_ONLY,
        allow({"AWS": "123456789012"}),
        allow("*", ArnEquals={"aws:SourceArn": TOPIC}),
        allow("*", StringEquals={"AWS:SourceOwner": "123456789012"}),
        allow("*", StringEquals={"aws:PrincipalTag/team": "storefront"}),
        {"ForAnyValue": 1, **allow("*", **{"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-1/*"}})},
        allow("*", IpAddress={"aws:SourceIp": "10.0.0.0/8"}),
        {**allow("*"), "Effect": "Deny"},
    ],
)
def test_not_open(statement: dict[str, Any]) -> None:
    assert open_to_everybody(text(statement), "q") == ()


def test_no_policy_opens_nothing() -> None:
    assert open_to_everybody("", "q") == ()


@pytest.mark.parametrize(
    ("statements", "answer"),
    [
        ([USUAL], "yes"),
        ([USUAL, TLS_ONLY], "yes"),
        ([{**USUAL, "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:123456789012:*"}}}], "yes"),
        ([{**USUAL, "Condition": {"StringEquals": {"AWS:SourceAccount": ["1", "123456789012"]}}}], "yes"),
        ([{**USUAL, "Action": ["sqs:Receive*", "SQS:Send*"]}], "yes"),
        ([{**USUAL, "Principal": "*"}], "yes"),
        ([{**USUAL, "Resource": "arn:aws:sqs:*:*:work*"}], "yes"),
        ([allow(SNS)], "yes"),
        ([allow("*", Bool={"aws:SecureTransport": True})], "yes"),
        ([{**USUAL, "Condition": {"ArnEquals": {"aws:SourceArn": TOPIC + "x"}}}], "no"),
        ([{**USUAL, "Condition": {"StringEquals": {"aws:SourceAccount": "999999999999"}}}], "no"),
        ([{**USUAL, "Action": "sqs:ReceiveMessage"}], "no"),
        ([{**USUAL, "Resource": QUEUE + "x"}], "no"),
        ([{**USUAL, "Principal": {"Service": "events.amazonaws.com"}}], "no"),
        ([{**USUAL, "Principal": {"AWS": "123456789012"}}], "no"),
        ([USUAL, {**allow("*"), "Effect": "Deny"}], "no"),
        ([USUAL, {**USUAL, "Effect": "Deny"}], "no"),
        ([TLS_ONLY], "no"),
        ([{**USUAL, "Condition": {"StringEquals": {"aws:SourceOrgID": "o-1"}}}], "unknown"),
        ([{**USUAL, "Condition": {"StringNotEquals": {"aws:SourceArn": TOPIC}}}], "unknown"),
        ([USUAL, {**allow("*", StringNotEquals={"aws:PrincipalOrgID": "o-1"}), "Effect": "Deny"}], "unknown"),
        ([{"Effect": "Allow", "Principal": SNS, "NotAction": "sqs:Delete*", "Resource": "*"}], "unknown"),
        (
            [USUAL, {"Effect": "Deny", "NotPrincipal": SNS, "Action": "sqs:*", "Resource": "*"}],
            "yes",
        ),
        (
            [USUAL, {"Effect": "Deny", "NotPrincipal": {"AWS": "1"}, "Action": "sqs:*", "Resource": "*"}],
            "no",
        ),
    ],
)
def test_whether_a_topic_may_send(statements: list[dict[str, Any]], answer: str) -> None:
    assert admits(text(*statements), QUEUE, TOPIC, "q") == answer


@pytest.mark.parametrize(
    "policy", ["x", "[]", "{}", '{"Statement": [1]}', '{"Statement": [{}]}', '{"Statement": [{"Effect": "Allow", "Condition": []}]}']
)  # fmt: skip
def test_what_is_no_policy_is_an_error(policy: str) -> None:
    with pytest.raises(Broken, match="SQS queue q: its policy cannot be read"):
        open_to_everybody(policy, "SQS queue q")
