"""Topics: their subscriptions and the queues behind them, read and judged one thing at a time."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.aws import sns
from harness.aws.census import Told
from harness.aws.faults import Absent, Broken, Denied, Fault
from harness.aws.session import Aws
from harness.aws.sns import SnsTopic, Subscription, Target, TopicState
from harness.model import Outcome, Phase
from harness.profile import Profile
from queue_parts import Owner

TOPIC = SnsTopic(topic="changes.fifo", queues=["a.fifo", "b.fifo"], raw_delivery=True, probe=True)
ARN = "arn:aws:sns:us-east-1:1:changes.fifo"
QUEUE = "arn:aws:sqs:us-east-1:1:"
POLICY = json.dumps(
    {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": "*",
                "Condition": {"ArnEquals": {"aws:SourceArn": ARN}},
            }
        ]
    }
)


def subscription(queue: str, **more: Any) -> Subscription:
    return Subscription(**{"protocol": "sqs", "arn": f"{ARN}:{queue}", "queue": QUEUE + queue, "alive": True, "raw": True, **more})  # fmt: skip


GOOD = TopicState(
    "changes.fifo",
    ARN,
    True,
    "id",
    "",
    0,
    (subscription("a.fifo"), subscription("b.fifo")),
    (Target("a.fifo", QUEUE + "a.fifo", True, POLICY), Target("b.fifo", QUEUE + "b.fifo", True, POLICY)),
)


@pytest.fixture
def topic(owner: Owner, credentials: str) -> str:
    """A topic with two queues behind it, for real; its ARN."""
    for name in ("a.fifo", "b.fifo"):
        owner("sqs").create_queue(QueueName=name, Attributes={"FifoQueue": "true"})
    arn: str = owner("sns").create_topic(Name="changes.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    for name in ("a.fifo", "b.fifo"):
        subscribe(owner, arn, f"arn:aws:sqs:us-east-1:{credentials}:{name}")
    return arn


def subscribe(owner: Owner, topic: str, endpoint: str, protocol: str = "sqs", **attributes: str) -> None:
    wanted = {"RawMessageDelivery": "true", **attributes} if protocol == "sqs" else {}
    owner("sns").subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=wanted)


# Reading


def test_a_topic_is_read_with_its_subscriptions_and_queues(
    aws: Aws, owner: Owner, credentials: str, topic: str
) -> None:
    mine, others = f"arn:aws:sqs:us-east-1:{credentials}:", "arn:aws:sqs:us-east-1:999999999999:"
    owner("sqs").create_queue(QueueName="undeclared.fifo", Attributes={"FifoQueue": "true"})
    subscribe(owner, topic, mine + "gone.fifo")
    subscribe(owner, topic, mine + "undeclared.fifo")
    subscribe(owner, topic, others + "theirs.fifo")
    subscribe(owner, topic, "somebody@example.com", "email")
    found = SnsTopic.read(aws, [TOPIC, SnsTopic(topic="nosuch")])
    assert set(found) == {"changes.fifo"}
    state = found["changes.fifo"]
    assert isinstance(state, TopicState)
    assert (state.arn, state.fifo, state.deduplication, state.kms_key) == (topic, True, "id", "")
    alive = {item.queue.rpartition(":")[2]: item.alive for item in state.subscriptions}
    assert alive == {
        "a.fifo": True,
        "b.fifo": True,
        "gone.fifo": False,
        "undeclared.fifo": True,
        "theirs.fifo": None,
        "": None,
    }
    assert sns.dead(state) == ("gone.fifo",)
    assert sns.not_subscribed(state) == sns.not_raw(state) == ()
    assert "somebody" not in str(state), "endpoints that are no queues are not kept"
    assert [target.exists for target in state.targets] == [True, True]
    assert aws.calls["sns:GetSubscriptionAttributes"] == 2, "of the declared queues only"


def test_pending_and_filtering_subscriptions_are_seen(
    aws: Aws, owner: Owner, credentials: str, topic: str
) -> None:
    subscribe(owner, topic, "https://127.0.0.1:9/", "https")
    listed = owner("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    for item, policy in zip(listed, ('{"kind": ["x"]}', "{}"), strict=False):
        owner("sns").set_subscription_attributes(
            SubscriptionArn=item["SubscriptionArn"], AttributeName="FilterPolicy", AttributeValue=policy
        )
    (state,) = SnsTopic.read(aws, [TOPIC]).values()
    assert isinstance(state, TopicState)
    assert state.pending == 1
    assert sns.filtered(TOPIC, state) == ('a.fifo ({"kind": ["x"]})',)


def test_without_an_account_in_the_profile_the_session_s_own_is_meant(
    stack_url: str, credentials: str, topic: str, make_profile: Callable[..., Profile]
) -> None:
    found = SnsTopic.read(Aws(make_profile(stack_url)), [TOPIC])
    assert isinstance(found["changes.fifo"], TopicState)


class Canned(Aws):
    """Answers of SNS and SQS in their real shape. `faults`: operation -> what is met instead."""

    def __init__(self, profile: Profile, *listed: dict[str, str], **faults: Fault) -> None:
        super().__init__(profile)
        self._listed, self._faults = list(listed), faults
        self.topic = {"TopicArn": ARN, "FifoTopic": "true", "SubscriptionsPending": "0"}

    def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
        name = key.partition(":")[2]
        if name in self._faults:
            raise self._faults[name]
        if name == "GetTopicAttributes":
            return {"Attributes": self.topic}
        if name == "GetSubscriptionAttributes":
            return {"Attributes": {"RawMessageDelivery": "true", "PendingConfirmation": "true"}}
        if name == "GetQueueUrl":
            raise Absent(f"{about} does not exist", hint="deploy it")
        return {}

    shared_call = call

    def items(self, *_: object, **__: object) -> list[Any]:
        return self._listed


def listed(queue: str, arn: str) -> dict[str, str]:
    return {"Protocol": "sqs", "Endpoint": QUEUE + queue, "SubscriptionArn": arn}


def test_what_waits_for_confirmation_has_no_arn_yet(make_profile: Callable[..., Profile]) -> None:
    profile = make_profile(account="000000000001")
    entries = (listed("a.fifo", "PendingConfirmation"), listed("b.fifo", "pending confirmation"))
    state = SnsTopic.read(Canned(profile, *entries), [TOPIC])["changes.fifo"]
    assert isinstance(state, TopicState)
    assert state.pending == 2


def test_a_subscription_says_itself_that_it_is_pending(make_profile: Callable[..., Profile]) -> None:
    entry = {**listed("a.fifo", f"{ARN}:x"), "Endpoint": "arn:aws:sqs:us-east-1:000000000001:a.fifo"}
    state = SnsTopic.read(Canned(make_profile(account="000000000001"), entry), [TOPIC])["changes.fifo"]
    assert isinstance(state, TopicState)
    assert (state.pending, sns.not_subscribed(state)) == (1, ("a.fifo", "b.fifo"))


def test_a_subscription_that_goes_away_meanwhile_is_none(make_profile: Callable[..., Profile]) -> None:
    entry = {**listed("a.fifo", f"{ARN}:x"), "Endpoint": "arn:aws:sqs:us-east-1:000000000001:a.fifo"}
    gone = Canned(
        make_profile(account="000000000001"), entry, GetSubscriptionAttributes=Absent("gone", hint="-")
    )
    state = SnsTopic.read(gone, [TOPIC])["changes.fifo"]
    assert isinstance(state, TopicState)
    assert state.subscriptions == ()


@pytest.mark.parametrize("operation", ["GetTopicAttributes", "GetSubscriptionAttributes"])
def test_what_may_not_be_read_is_said(operation: str, make_profile: Callable[..., Profile]) -> None:
    entry = {**listed("a.fifo", f"{ARN}:x"), "Endpoint": "arn:aws:sqs:us-east-1:000000000001:a.fifo"}
    denied = Canned(
        make_profile(account="000000000001"), entry, **{operation: Denied("access denied", hint="-")}
    )
    assert isinstance(SnsTopic.read(denied, [TOPIC])["changes.fifo"], Denied)


def test_a_queue_that_may_not_be_read_leaves_the_rest(make_profile: Callable[..., Profile]) -> None:
    entry = {**listed("a.fifo", f"{ARN}:x"), "Endpoint": "arn:aws:sqs:us-east-1:000000000001:a.fifo"}
    denied = Canned(
        make_profile(account="000000000001"), entry, GetQueueUrl=Denied("access denied", hint="-")
    )
    state = SnsTopic.read(denied, [TOPIC])["changes.fifo"]
    assert isinstance(state, TopicState)
    assert state.subscriptions[0].alive is None
    with pytest.raises(Fault, match="access denied"):
        sns.barred(state.targets[0], ARN)


def test_a_count_that_is_none_is_an_error(make_profile: Callable[..., Profile]) -> None:
    odd = Canned(make_profile(account="000000000001"))
    odd.topic = {**odd.topic, "SubscriptionsPending": "some"}
    found = SnsTopic.read(odd, [TOPIC])["changes.fifo"]
    assert isinstance(found, Broken)
    assert "SubscriptionsPending is 'some'" in found.message


# Judging


def test_as_declared_there_is_nothing_to_say() -> None:
    assert sns.not_subscribed(GOOD) == sns.not_raw(GOOD) == sns.filtered(TOPIC, GOOD) == sns.dead(GOOD) == ()
    assert [sns.barred(target, ARN) for target in GOOD.targets] == ["", ""]
    assert sns.why_not(TOPIC, GOOD, "a.fifo") == ()


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"subscriptions": ()}, ("a.fifo has no confirmed subscription to changes.fifo",)),
        (
            {"subscriptions": (subscription("a.fifo", pending=True),)},
            ("a.fifo has no confirmed subscription to changes.fifo",),
        ),
        (
            {"subscriptions": (subscription("a.fifo", filter_policy='{"k": ["v"]}'),)},
            ('the filter policy of its subscription, {"k": ["v"]}, keeps messages from a.fifo',),
        ),
        ({"targets": (Target("a.fifo", QUEUE + "a.fifo", False),)}, ("a.fifo does not exist",)),
        (
            {"targets": (Target("a.fifo", QUEUE + "a.fifo", True),)},
            ("a.fifo has no policy, so nobody but its own account may send to it",),
        ),
        (
            {"targets": (Target("a.fifo", QUEUE + "a.fifo", True, POLICY.replace("changes", "other")),)},
            ("the policy of a.fifo does not let SNS send for this topic",),
        ),
        (
            {"targets": (Target("a.fifo", QUEUE + "a.fifo", True, POLICY, "kms", "alias/aws/sqs"),)},
            ("a.fifo is encrypted with the AWS managed key alias/aws/sqs, which SNS may not use",),
        ),
        (
            {"targets": (Target("a.fifo", QUEUE + "a.fifo", False, fault=Told(Outcome.ERROR, "denied")),)},
            ("whether SNS may send to a.fifo could not be read: denied",),
        ),
    ],
)
def test_why_nothing_arrives(change: dict[str, Any], reasons: tuple[str, ...]) -> None:
    assert sns.why_not(TOPIC, replace(GOOD, **change), "a.fifo") == reasons


def test_a_queue_that_is_meant_to_be_filtered_may_be() -> None:
    chosen = SnsTopic(topic="changes.fifo", queues=["a.fifo", "b.fifo"], filtered=["a.fifo"])
    state = replace(
        GOOD, subscriptions=(subscription("a.fifo", filter_policy="{...}"), subscription("b.fifo"))
    )
    assert sns.filtered(chosen, state) == ()
    assert chosen.probed == ("b.fifo",)
    assert sns.filtered(TOPIC, state) == ("a.fifo ({...})",)


def test_a_missing_queue_bars_nobody() -> None:
    assert sns.barred(Target("a.fifo", QUEUE + "a.fifo", False), ARN) == ""


@pytest.mark.parametrize(
    ("declared", "key", "found", "problem"),
    [
        ("none", "", "", ""),
        ("none", "", "alias/k", "encrypted with the KMS key alias/k, declared is none"),
        ("kms", "", "", "not encrypted, declared is a KMS key"),
        ("kms", "", "alias/k", ""),
        ("kms", "alias/k", "alias/k", ""),
        ("kms", "alias/k", "", "not encrypted, declared is alias/k"),
        ("kms", "alias/k", "alias/other", "the KMS key alias/other, declared is alias/k"),
    ],
)
def test_encryption(declared: Any, key: str, found: str, problem: str) -> None:
    topic = SnsTopic(topic="t", encryption=declared, kms_key=key)
    told = sns.encryption_problem(topic, replace(GOOD, kms_key=found))
    assert problem in told
    assert bool(problem) == bool(told)


# Declaring


def test_what_must_report(make_profile: Callable[..., Any]) -> None:
    reads, writes = make_profile(), make_profile(access="read-write")
    always = ("sns.is_of_its_kind", "sns.has_no_pending_subscription", "sns.has_no_dead_subscription")
    assert SnsTopic(topic="t").mandatory(writes, Phase.PRE_DEPLOY) == always
    full = SnsTopic(
        topic="t.fifo", queues=["q"], raw_delivery=True, encryption="none", deduplication="id", probe=True
    )
    assert len(full.mandatory(writes, Phase.PRE_DEPLOY)) == 10
    assert set(full.mandatory(writes, Phase.PRE_DEPLOY)) - set(full.mandatory(reads, Phase.PRE_DEPLOY)) == {
        "sns.reaches_every_queue_once"
    }
    assert full.arns("1", "r") == ("arn:aws:sns:r:1:t.fifo", "arn:aws:sqs:r:1:q")
    assert (full.fifo, full.home) == (True, "SNS topic t.fifo")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"topic": "t", "queues": ["a"], "filtered": ["b"]}, "filtered names b"),
        ({"topic": "t", "kms_key": "alias/x"}, "encryption = "),
        ({"topic": "t", "deduplication": "id"}, "FIFO topic"),
        ({"topic": "t", "probe": True}, "queues that it must arrive on"),
        ({"topic": "t", "queues": ["a"], "filtered": ["a"], "probe": True}, "must arrive on"),
    ],
)
def test_what_cannot_be_declared(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        SnsTopic.model_validate(settings, strict=True)
