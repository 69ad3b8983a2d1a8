"""The adapters to AWS, against clients whose answers are scripted by botocore's own stubber, and the configuration."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from apps import config
from apps.domains import Change, Status, Unavailable
from apps.messaging import SnsBus, SqsInbox
from apps.postgres import PostgresStore

ARN = "arn:aws:sns:us-east-1:000000000000:storefront-test-domain-changes.fifo"
URL = "http://127.0.0.1/000000000000/storefront-test-database-operations-queue.fifo"
CHANGE = Change("example.com", Status.ACTIVE, 2)


Stubs = Callable[[str], tuple[Any, Stubber]]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Stubs:
    """Makes stubbed clients; nothing is ever sent."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    def client(service: str) -> tuple[Any, Stubber]:
        made = config.client(service)
        return made, Stubber(made)

    return client


def test_a_change_is_published_in_order_and_once(aws: Stubs) -> None:
    sns, stub = aws("sns")
    expected = {
        "TopicArn": ARN,
        "Message": CHANGE.dumps(),
        "MessageGroupId": "example.com",
        "MessageDeduplicationId": ANY,
    }
    stub.add_response("publish", {"MessageId": "1"}, expected)
    with stub:
        SnsBus(sns, ARN).announce(CHANGE)
    stub.assert_no_pending_responses()


def test_a_topic_that_refuses_is_unavailable(aws: Stubs) -> None:
    sns, stub = aws("sns")
    stub.add_client_error("publish", "NotFound")
    with stub, pytest.raises(Unavailable, match="NotFound"):
        SnsBus(sns, ARN).announce(CHANGE)


def test_messages_are_received_given_back_and_deleted(aws: Stubs) -> None:
    sqs, stub = aws("sqs")
    attributes = {"gonogo-probe": {"DataType": "String", "StringValue": "1"}}
    messages = [
        {"Body": "one", "ReceiptHandle": "r1"},
        {"Body": "two", "ReceiptHandle": "r2", "MessageAttributes": attributes},
    ]
    stub.add_response("receive_message", {"Messages": messages})
    stub.add_response("delete_message", {}, {"QueueUrl": URL, "ReceiptHandle": "r1"})
    back = {"QueueUrl": URL, "ReceiptHandle": "r2", "VisibilityTimeout": 0}
    stub.add_response("change_message_visibility", {}, back)
    stub.add_response("receive_message", {})
    inbox = SqsInbox(sqs, URL, wait=0)
    with stub:
        one, two = inbox.receive()
        assert (one.body, one.probe, two.probe) == ("one", False, True)
        inbox.delete(one)
        inbox.give_back(two)
        assert list(inbox.receive()) == []


def test_names_follow_from_the_environment() -> None:
    names = config.names({"ENVIRONMENT": "staging"})
    assert names.database_secret == "storefront/staging/rds-credentials"
    assert config.names({}).environment == "dev"


def test_the_database_is_found_through_its_secret(aws: Stubs) -> None:
    manager, stub = aws("secretsmanager")
    secret = {"host": "db", "port": "5432", "dbname": "d", "username": "u", "password": "p"}
    stub.add_response("get_secret_value", {"SecretString": json.dumps(secret)}, {"SecretId": "s"})
    with stub:
        found = config.database(manager, "s")
    assert found.connection() == {
        "host": "db",
        "port": 5432,
        "dbname": "d",
        "user": "u",
        "password": "p",
        "connect_timeout": 2,
    }


def test_a_parameter_is_read(aws: Stubs) -> None:
    ssm, stub = aws("ssm")
    stub.add_response("get_parameter", {"Parameter": {"Value": ARN}}, {"Name": "/p"})
    with stub:
        assert config.parameter(ssm, "/p") == ARN


def test_a_database_that_refuses_is_unavailable() -> None:
    store = PostgresStore(config.Database("127.0.0.1", 1, "d", "u", "p"), connections=1)
    for _ in range(2):
        with pytest.raises(Unavailable, match="OperationalError"):
            store.ping()
