"""The ``SQSStack-<environment>``: one FIFO topic, three FIFO queues behind it, and their dead letters."""

from dataclasses import dataclass
from typing import Any

RETENTION = 14 * 24 * 3600
"""Seconds that a message is kept: 14 days."""
MAX_RECEIVES = 3


@dataclass(frozen=True)
class QueueSpec:
    """One queue behind the topic; `visibility` is how long its consumer may take, in seconds."""

    name: str
    visibility: int


QUEUES = (
    QueueSpec("database-operations", 120),
    QueueSpec("route53-operations", 300),
    QueueSpec("github-workflow", 180),
)


def template(environment: str) -> dict[str, Any]:
    """The CloudFormation template of one environment's messaging."""
    prefix = f"storefront-{environment}"
    resources: dict[str, Any] = {
        "Topic": _fifo("AWS::SNS::Topic", "TopicName", f"{prefix}-domain-changes.fifo"),
        "DeadLetters": _queue(f"{prefix}-fifo-dlq.fifo", 30),
        "TopicParameter": _parameter(f"/{prefix}/sns/domain-changes-topic-arn", {"Ref": "Topic"}),
        "DeadLettersParameter": _parameter(f"/{prefix}/sqs/fifo-dlq-url", {"Ref": "DeadLetters"}),
    }
    for spec in QUEUES:
        resources |= _behind_topic(prefix, spec)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Storefront messaging, {environment}",
        "Resources": resources,
    }


def _behind_topic(prefix: str, spec: QueueSpec) -> dict[str, Any]:
    key = "".join(part.capitalize() for part in spec.name.split("-"))
    queue = _queue(f"{prefix}-{spec.name}-queue.fifo", spec.visibility)
    queue["Properties"]["RedrivePolicy"] = {
        "deadLetterTargetArn": _arn("DeadLetters"),
        "maxReceiveCount": MAX_RECEIVES,
    }
    return {
        f"{key}Queue": queue,
        f"{key}Policy": _policy(f"{key}Queue"),
        f"{key}Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Topic"},
                "Protocol": "sqs",
                "Endpoint": _arn(f"{key}Queue"),
                "RawMessageDelivery": True,
            },
        },
        f"{key}Parameter": _parameter(f"/{prefix}/sqs/{spec.name}-queue-url", {"Ref": f"{key}Queue"}),
    }


def _queue(name: str, visibility: int) -> dict[str, Any]:
    queue = _fifo("AWS::SQS::Queue", "QueueName", name)
    queue["Properties"] |= {"VisibilityTimeout": visibility, "MessageRetentionPeriod": RETENTION}
    return queue


def _fifo(kind: str, name_property: str, name: str) -> dict[str, Any]:
    return {"Type": kind, "Properties": {name_property: name, f"Fifo{kind.rsplit('::', 1)[1]}": True}}


def _policy(queue: str) -> dict[str, Any]:
    """Only this topic may send to the queue."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": _arn(queue),
        "Condition": {"ArnEquals": {"aws:SourceArn": {"Ref": "Topic"}}},
    }
    return {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [{"Ref": queue}],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        },
    }


def _parameter(name: str, value: dict[str, str]) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Name": name, "Type": "String", "Value": value}}


def _arn(resource: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [resource, "Arn"]}
