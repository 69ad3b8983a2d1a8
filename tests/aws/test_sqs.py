"""Queues: read in as few calls as the API allows, and judged one thing at a time."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.aws import queues, sqs
from harness.aws.census import Told
from harness.aws.faults import Absent, Broken, Denied, Fault
from harness.aws.metrics import Sample
from harness.aws.queues import DeadLetters
from harness.aws.session import Aws
from harness.aws.sqs import QueueState, SqsQueue
from harness.model import Outcome, Phase
from queue_parts import Owner, send, work_and_dead

QUEUE = SqsQueue(queue="work.fifo", dead_letter_queue="dead.fifo", max_receives=3, probe=True)
GOOD = QueueState(
    "work.fifo", "u", "arn:aws:sqs:r:1:work.fifo", True, 30, 0, 0, 0, "arn:aws:sqs:r:1:dead.fifo", 3
)
ATTRIBUTES = {
    "QueueArn": "arn:x:work",
    "VisibilityTimeout": "30",
    "MessageRetentionPeriod": "345600",
    "ApproximateNumberOfMessages": "0",
    "ApproximateNumberOfMessagesNotVisible": "0",
    "ApproximateNumberOfMessagesDelayed": "0",
}
URL = "https://sqs/1/"


class Canned(Aws):
    """Answers of SQS in their real shape: `pages` of queue names, and the faults of asking some by name."""

    def __init__(self, *pages: list[str], by_name: Callable[[str], Fault | None] = lambda _: None) -> None:
        self._pages, self._by_name = pages, by_name
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
        self.asked.append((key, parameters))
        if key == "sqs:ListQueues":
            page = int(parameters.get("NextToken", 0))
            names = self._pages[page]
            more = {"NextToken": str(page + 1)} if page + 1 < len(self._pages) else {}
            return {"QueueUrls": [URL + name for name in names], **more} if names else more
        if key == "sqs:GetQueueUrl":
            if fault := self._by_name(parameters["QueueName"]):
                raise fault
            return {"QueueUrl": URL + parameters["QueueName"]}
        return {"Attributes": ATTRIBUTES}

    shared_call = call

    def keys(self, key: str) -> list[dict[str, Any]]:
        return [parameters for asked, parameters in self.asked if asked == key]


@pytest.fixture
def urls(owner: Owner, credentials: str) -> dict[str, str]:
    return work_and_dead(owner, credentials)


# Reading


def test_the_state_of_a_real_queue(aws: Aws, owner: Owner, urls: dict[str, str]) -> None:
    send(owner, urls["work"], "one")
    state = sqs.describe(aws, "work.fifo")
    assert (state.fifo, state.visibility, state.visible, state.messages) == (True, 30, 1, 1)
    assert (state.dead_letter_queue, state.max_receives) == ("dead.fifo", 3)
    assert (state.retention, state.encryption, state.deduplication) == (345600, "none", "id")
    assert state.throughput == "standard"
    assert sqs.redrive_problems(QUEUE, state) == ()
    with pytest.raises(Absent, match="SQS queue nosuch does not exist"):
        sqs.describe(aws, "nosuch")


def test_queues_and_what_is_behind_them_are_read_at_once(
    aws: Aws, owner: Owner, urls: dict[str, str]
) -> None:
    send(owner, urls["dead"], "dead")
    other = SqsQueue(queue="other.fifo", dead_letter_queue="dead.fifo")
    owner("sqs").create_queue(
        QueueName="other.fifo",
        Attributes={
            "FifoQueue": "true",
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
            "ContentBasedDeduplication": "true",
            "SqsManagedSseEnabled": "true",
        },
    )
    found = SqsQueue.read(aws, [QUEUE, other, SqsQueue(queue="nosuch", dead_letter_queue="nowhere")])
    assert set(found) == {"work.fifo", "other.fifo"}
    work, second = found["work.fifo"], found["other.fifo"]
    assert isinstance(work, QueueState)
    assert isinstance(second, QueueState)
    assert work.dead_letters == second.dead_letters == DeadLetters("dead.fifo", 345600, 1)
    assert (second.encryption, second.deduplication, second.throughput) == ("sqs", "content", "high")
    assert aws.calls["sqs:ListQueues"] == 1
    assert aws.calls["sqs:GetQueueAttributes"] == 3, "the shared dead-letter queue once"
    assert aws.calls["sqs:GetQueueUrl"] == 2, "what the list does not have is asked for by name"
    assert aws.calls["cloudwatch:GetMetricData"] == 0


def test_the_age_of_the_oldest_message_comes_from_its_metric(
    aws: Aws, owner: Owner, urls: dict[str, str]
) -> None:
    queue = SqsQueue.model_validate({"queue": "work.fifo", "oldest_message": "< 5m"})
    (state,) = SqsQueue.read(aws, [queue]).values()
    assert isinstance(state, QueueState)
    assert state.oldest is None
    assert sqs.oldest_message(state) == (0.0, "the queue is empty")
    metric = {
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": "work.fifo"}],
        "Timestamp": datetime.now(UTC),
        "Value": 77.0,
    }
    owner("cloudwatch").put_metric_data(Namespace="AWS/SQS", MetricData=[metric])
    (state,) = SqsQueue.read(aws.anew(), [queue]).values()
    assert isinstance(state, QueueState)
    assert sqs.oldest_message(state) == (77.0, "CloudWatch ApproximateAgeOfOldestMessage")


def test_an_age_that_nobody_knows_is_none_and_one_that_could_not_be_asked_says_so() -> None:
    assert sqs.oldest_message(replace(GOOD, visible=1)) == (None, "")
    assert sqs.oldest_message(replace(GOOD, visible=1, oldest=Sample(3.0, 0.0)))[0] == 3.0
    with pytest.raises(Fault, match="denied") as caught:
        sqs.oldest_message(replace(GOOD, oldest_fault=Told(Outcome.ERROR, "denied")))
    assert caught.value.outcome is Outcome.ERROR


def test_what_cannot_be_asked_is_kept_as_what_it_is() -> None:
    def denied(name: str) -> Fault | None:
        return None if name == "q" else Denied(f"access denied to {name}", hint="allow it")

    class Silent(Canned):
        def items(self, *_: object, **__: object) -> list[Any]:
            raise Denied("cloudwatch:GetMetricData: access denied", hint="allow it")

    aws = Silent([], by_name=denied)
    old = SqsQueue.model_validate({"queue": "q", "dead_letter_queue": "dead", "oldest_message": "< 5m"})
    found = SqsQueue.read(aws, [old, SqsQueue(queue="work")])
    assert isinstance(found["work"], Denied)
    state = found["q"]
    assert isinstance(state, QueueState)
    with pytest.raises(Fault, match="access denied to dead"):
        sqs.dead_letters(old, state)
    with pytest.raises(Fault, match="GetMetricData: access denied"):
        sqs.oldest_message(state)


def test_a_list_is_read_to_its_last_page() -> None:
    aws = Canned(["a-1", "a-x"], ["a-2", "a-3"], ["a-4", "a-5", "a-6"])
    names = [f"a-{number}" for number in range(1, 7)]
    found = queues.states(aws, names)
    assert all(isinstance(state, QueueState) for state in found.values())
    listed = aws.keys("sqs:ListQueues")
    assert [page.get("NextToken") for page in listed] == [None, "1", "2"]
    assert {page["QueueNamePrefix"] for page in listed} == {"a-"}
    assert {page["MaxResults"] for page in listed} == {1000}
    assert not aws.keys("sqs:GetQueueUrl")
    assert len(aws.keys("sqs:GetQueueAttributes")) == 6


def test_a_list_that_costs_more_than_asking_by_name_is_left() -> None:
    aws = Canned(["x"], ["a"], ["b"], ["c"], ["z"])
    found = queues.states(aws, ["a", "b", "z"])
    assert len(aws.keys("sqs:ListQueues")) == 2, "two pages, and two are missing"
    assert "QueueNamePrefix" not in aws.keys("sqs:ListQueues")[0], "the names have nothing in common"
    assert [asked["QueueName"] for asked in sorted(aws.keys("sqs:GetQueueUrl"), key=str)] == ["b", "z"]
    assert all(isinstance(state, QueueState) for state in found.values())


def test_one_queue_is_asked_for_by_name() -> None:
    aws = Canned([])
    queues.states(aws, ["a"])
    assert not aws.keys("sqs:ListQueues")
    assert queues.states(aws, []) == {}


def test_two_hundred_queues_cost_a_page_and_a_question_each() -> None:
    names = [f"team-{number:03}" for number in range(200)]
    aws = Canned(names)
    SqsQueue.read(aws, [SqsQueue(queue=name, dead_letter_queue="team-000") for name in names])
    assert len(aws.asked) == 201


@pytest.mark.parametrize(
    ("pages", "there"), [(([["q", "q2"]]), True), ([["q2"]], False), ([["q2"], ["q"]], None), ([[]], False)]
)
def test_whether_a_queue_exists_as_the_list_has_it(pages: list[list[str]], there: bool | None) -> None:
    aws = Canned(*pages)
    assert queues.exists(aws, "q") is there
    assert aws.asked == [("sqs:ListQueues", {"QueueNamePrefix": "q", "MaxResults": 1000})]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"RedrivePolicy": "not json"}, "RedrivePolicy cannot be read"),
        ({"RedrivePolicy": "{}"}, "RedrivePolicy cannot be read"),
        ({"RedrivePolicy": "[]"}, "RedrivePolicy cannot be read"),
        ({"VisibilityTimeout": "soon"}, "its VisibilityTimeout is 'soon'"),
        ({"MessageRetentionPeriod": None}, "has no MessageRetentionPeriod"),
        ({"ApproximateNumberOfMessages": None}, "has no ApproximateNumberOfMessages"),
        ({"QueueArn": None}, "has no QueueArn"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error(change: dict[str, str | None], reason: str) -> None:
    class Odd:
        def call(self, *_: object, **__: object) -> dict[str, Any]:
            return {"QueueUrl": "u", "Attributes": {**ATTRIBUTES, **change}}

    odd: Any = Odd()
    with pytest.raises(Broken, match=reason):
        sqs.describe(odd, "work")


# Judging


@pytest.mark.parametrize(
    ("state", "problems"),
    [
        (GOOD, ()),
        (replace(GOOD, dead_letter_arn=""), ("it has no redrive policy, declared is dead.fifo",)),
        (
            replace(GOOD, dead_letter_arn="arn:x:other", max_receives=9),
            (
                "it redrives to other, declared is dead.fifo",
                "it redrives after 9 receives, declared are 3",
            ),
        ),
    ],
)
def test_redrives(state: QueueState, problems: tuple[str, ...]) -> None:
    assert sqs.redrive_problems(QUEUE, state) == problems


def test_a_dead_letter_queue_that_does_not_exist_is_missed_by_name() -> None:
    with pytest.raises(Absent, match=r"dead.fifo, the dead-letter queue of work.fifo, does not exist"):
        sqs.dead_letters(QUEUE, GOOD)
    there = DeadLetters("dead.fifo", 60, 0)
    assert sqs.dead_letters(QUEUE, replace(GOOD, dead_letters=there)) == there


KEY = "arn:aws:kms:us-east-1:1:key/0123"


@pytest.mark.parametrize(
    ("declared", "key", "state", "problem"),
    [
        ("sqs", "", ("sqs", ""), ""),
        ("sqs", "", ("none", ""), "encrypted not at all, declared is with a key of SQS's own"),
        ("none", "", ("sqs", ""), "encrypted with a key of SQS's own, declared is not to be"),
        ("none", "", ("none", ""), ""),
        ("kms", "", ("kms", "alias/any"), ""),
        ("kms", "", ("sqs", ""), "declared is with a KMS key"),
        ("kms", "alias/ours", ("kms", "alias/ours"), ""),
        ("kms", "alias/ours", ("kms", "arn:aws:kms:us-east-1:1:alias/ours"), ""),
        ("kms", "alias/ours", ("kms", "alias/theirs"), "the KMS key alias/theirs, declared is alias/ours"),
        ("kms", "0123", ("kms", KEY), ""),
        ("kms", KEY, ("kms", "0123"), ""),
        ("kms", KEY, ("kms", KEY), ""),
        ("kms", KEY, ("kms", KEY.replace("us-east-1", "us-west-2")), "declared is arn"),
    ],
)
def test_encryption(declared: Any, key: str, state: tuple[Any, str], problem: str) -> None:
    queue = SqsQueue(queue="q", encryption=declared, kms_key=key)
    found = sqs.encryption_problem(queue, replace(GOOD, encryption=state[0], kms_key=state[1]))
    assert problem in found
    assert bool(problem) == bool(found)


@pytest.mark.parametrize(
    ("attributes", "encryption"),
    [
        ({}, "none"),
        ({"SqsManagedSseEnabled": "true"}, "sqs"),
        ({"SqsManagedSseEnabled": "false"}, "none"),
        ({"SqsManagedSseEnabled": "false", "KmsMasterKeyId": "alias/k"}, "kms"),
        ({"SqsManagedSseEnabled": "true", "KmsMasterKeyId": ""}, "sqs"),
    ],
)
def test_how_a_queue_is_encrypted(attributes: dict[str, str], encryption: str) -> None:
    class Given:
        def call(self, *_: object, **__: object) -> dict[str, Any]:
            return {"QueueUrl": "u", "Attributes": {**ATTRIBUTES, **attributes}}

    given: Any = Given()
    assert sqs.describe(given, "q").encryption == encryption


def test_open_statements_are_named() -> None:
    policy = {"Statement": {"Effect": "Allow", "Principal": "*", "Action": ["sqs:SendMessage", "sqs:Get*"]}}
    assert sqs.open_statements(replace(GOOD, policy=json.dumps(policy))) == (
        "statement 1 allows sqs:sendmessage, sqs:get* to everybody",
    )


# Declaring


def test_what_must_report(make_profile: Callable[..., Any]) -> None:
    reads, writes = make_profile(), make_profile(access="read-write")
    assert "sqs.carries_a_message" not in QUEUE.mandatory(reads, Phase.PRE_DEPLOY)
    assert "sqs.carries_a_message" in QUEUE.mandatory(writes, Phase.PRE_DEPLOY)
    plain = SqsQueue(queue="q")
    assert plain.mandatory(writes, Phase.PRE_DEPLOY) == ("sqs.is_of_its_kind", "sqs.is_not_open_to_everybody")
    full = SqsQueue.model_validate(
        {
            "queue": "q.fifo",
            "dead_letter_queue": "d.fifo",
            "visibility": "1m",
            "retention": "14d",
            "encryption": "kms",
            "kms_key": "alias/ours",
            "deduplication": "id",
            "throughput": "high",
            "backlog": "<= 10",
            "oldest_message": "< 5m",
            "probe": True,
        },
        strict=True,
    )
    assert len(full.mandatory(writes, Phase.PRE_DEPLOY)) == 13
    assert full.arns("1", "r") == ("arn:aws:sqs:r:1:q.fifo", "arn:aws:sqs:r:1:d.fifo")
    assert (plain.arns("1", "r"), plain.fifo, full.fifo) == (("arn:aws:sqs:r:1:q",), False, True)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"queue": "q", "kms_key": "alias/x"}, "encryption = "),
        ({"queue": "q", "deduplication": "id"}, "FIFO queue"),
        ({"queue": "q", "throughput": "high"}, "FIFO queue"),
        ({"queue": "q", "visibility": "0s"}, "greater than 0"),
        ({"queue": "q", "visibility": "13h"}, "less than or equal to 43200"),
        ({"queue": "q", "retention": "15d"}, "less than or equal to 1209600"),
        ({"queue": "q", "retention": "59s"}, "greater than or equal to 60"),
        ({"queue": "q", "backlog": "oldest_message < 3"}, "judges backlog"),
    ],
)
def test_what_cannot_be_declared(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        SqsQueue.model_validate(settings, strict=True)
