"""The messaging stack, and that the applications look for things where it puts them."""

import json
from typing import Any

import pytest

from apps.config import Names
from apps.domains import STEPS
from stacks.__main__ import main
from stacks.messaging import MAX_RECEIVES, QUEUES, template


@pytest.fixture
def resources() -> dict[str, Any]:
    found: dict[str, Any] = template("staging")["Resources"]
    return found


def of(resources: dict[str, Any], kind: str) -> list[Any]:
    return [found["Properties"] for found in resources.values() if found["Type"] == f"AWS::{kind}"]


def test_everything_is_fifo_and_says_so(resources: dict[str, Any]) -> None:
    queues = of(resources, "SQS::Queue")
    assert [queue["QueueName"] for queue in queues] == [
        "storefront-staging-fifo-dlq.fifo",
        "storefront-staging-database-operations-queue.fifo",
        "storefront-staging-route53-operations-queue.fifo",
        "storefront-staging-github-workflow-queue.fifo",
    ]
    assert all(queue["FifoQueue"] for queue in queues)
    (topic,) = of(resources, "SNS::Topic")
    assert topic == {"TopicName": "storefront-staging-domain-changes.fifo", "FifoTopic": True}


def test_messages_are_kept_a_fortnight_and_die_after_three_receives(resources: dict[str, Any]) -> None:
    _, *queues = of(resources, "SQS::Queue")
    assert {queue["MessageRetentionPeriod"] for queue in queues} == {1_209_600}
    for queue in queues:
        assert queue["RedrivePolicy"] == {
            "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetters", "Arn"]},
            "maxReceiveCount": MAX_RECEIVES,
        }


def test_visibility_fits_what_each_consumer_may_take(resources: dict[str, Any]) -> None:
    _, *queues = of(resources, "SQS::Queue")
    assert [queue["VisibilityTimeout"] for queue in queues] == [120, 300, 180]


def test_every_queue_is_subscribed_raw_and_open_to_the_topic_alone(resources: dict[str, Any]) -> None:
    subscriptions = of(resources, "SNS::Subscription")
    assert tuple(queue.name for queue in QUEUES) == STEPS
    assert len(subscriptions) == len(of(resources, "SQS::QueuePolicy")) == len(QUEUES)
    assert all(subscription["RawMessageDelivery"] for subscription in subscriptions)
    for policy in of(resources, "SQS::QueuePolicy"):
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "Topic"}}}


def test_the_applications_look_where_the_stack_puts_things(resources: dict[str, Any]) -> None:
    parameters = {found["Name"] for found in of(resources, "SSM::Parameter")}
    names = Names("staging")
    assert {names.topic_parameter, *map(names.queue_parameter, STEPS)} <= parameters


def test_references_lead_somewhere(resources: dict[str, Any]) -> None:
    text = json.dumps(resources)
    for part in text.split('"Ref": "')[1:]:
        assert part.partition('"')[0] in resources


def test_the_command_prints_the_template(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dev"]) == 0
    assert json.loads(capsys.readouterr().out) == template("dev")


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["no/name"]])
def test_the_command_wants_one_environment(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "usage" in capsys.readouterr().err
