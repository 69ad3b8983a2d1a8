"""What can be wrong with an SNS topic and the queues behind it."""

import json
from collections.abc import Callable
from typing import Any

from breakages.parts import Breakage, World
from breakages.sqs import DATABASE, GITHUB, ROUTE53, set_attributes

TOPIC = "storefront-staging-domain-changes.fifo"
STRICTER = (
    f"sns.topics=[{{ topic = '{TOPIC}', queues = ['{GITHUB}'], encryption = 'kms', deduplication = 'id' }}]",
)
"""With what staging leaves undeclared."""
FAN_OUT = f"sns.reaches_every_queue_once[{TOPIC}]"


def _arn(world: World) -> str:
    return f"arn:aws:sns:{world.plan.region}:{world.account}:{TOPIC}"


def _subscription(world: World, queue: str) -> str:
    found: list[dict[str, Any]] = world.owner("sns").list_subscriptions_by_topic(TopicArn=_arn(world))[
        "Subscriptions"
    ]
    (arn,) = (item["SubscriptionArn"] for item in found if item["Endpoint"].endswith(f":{queue}"))
    return str(arn)


def _set(queue: str, name: str, value: str) -> Callable[[World], None]:
    def breaks(world: World) -> None:
        world.owner("sns").set_subscription_attributes(
            SubscriptionArn=_subscription(world, queue), AttributeName=name, AttributeValue=value
        )

    return breaks


def _unsubscribe(world: World) -> None:
    world.owner("sns").unsubscribe(SubscriptionArn=_subscription(world, GITHUB))


def _set_topic(name: str, value: str) -> Callable[[World], None]:
    def breaks(world: World) -> None:
        world.owner("sns").set_topic_attributes(
            TopicArn=_arn(world), AttributeName=name, AttributeValue=value
        )

    return breaks


def _subscribe(protocol: str, endpoint: str) -> Callable[[World], None]:
    def breaks(world: World) -> None:
        where = endpoint.format(region=world.plan.region, account=world.account)
        world.owner("sns").subscribe(TopicArn=_arn(world), Protocol=protocol, Endpoint=where)

    return breaks


BREAKAGES = (
    Breakage(
        "a topic is of the other kind",
        f"sns.is_of_its_kind[{TOPIC}]",
        _set_topic("FifoTopic", "false"),
        ("a standard topic",),
    ),
    Breakage(
        "a queue is not subscribed",
        f"sns.delivers_to_its_queues[{TOPIC}]",
        _unsubscribe,
        (GITHUB, "no confirmed subscription"),
        also=(FAN_OUT,),  # nothing reaches the queue
    ),
    Breakage(
        "a queue lets nobody send",
        f"sns.may_send_to_its_queues[{TOPIC}]",
        set_attributes(ROUTE53, Policy=""),
        (f"{ROUTE53} has no policy",),
    ),
    Breakage(
        "a filter policy keeps messages away",
        f"sns.filters_nothing_out[{TOPIC}]",
        _set(DATABASE, "FilterPolicy", json.dumps({"gonogo-probe": [{"exists": True}]})),
        (DATABASE, "filter policy"),
    ),
    Breakage(
        "a queue gets its messages wrapped",
        f"sns.delivers_raw[{TOPIC}]",
        _set(ROUTE53, "RawMessageDelivery", "false"),
        (ROUTE53, "raw delivery is off"),
    ),
    Breakage(
        "a subscription is not confirmed",
        f"sns.has_no_pending_subscription[{TOPIC}]",
        _subscribe("https", "https://127.0.0.1:9/"),
        ("1 subscriptions",),
    ),
    Breakage(
        "a subscribed queue does not exist",
        f"sns.has_no_dead_subscription[{TOPIC}]",
        _subscribe("sqs", "arn:aws:sqs:{region}:{account}:gone.fifo"),
        ("queues that do not exist: gone.fifo",),
    ),
    Breakage(
        "a queue does not hand out what was published",
        FAN_OUT,
        set_attributes(DATABASE, DelaySeconds="900"),
        (DATABASE, "1 are delayed"),
    ),
    Breakage(
        "a topic is not encrypted",
        f"sns.is_encrypted_as_declared[{TOPIC}]",
        _set_topic("KmsMasterKeyId", ""),
        ("not encrypted, declared is a KMS key",),
        overrides=STRICTER,
    ),
    Breakage(
        "a topic drops messages that are alike",
        f"sns.deduplicates_as_declared[{TOPIC}]",
        _set_topic("ContentBasedDeduplication", "true"),
        ("deduplicates by content, declared is by the publisher's id",),
        overrides=STRICTER,
    ),
)
