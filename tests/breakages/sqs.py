"""What can be wrong with an SQS queue."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from breakages.parts import Breakage, World

ENVIRONMENT = "storefront-staging"
DATABASE = f"{ENVIRONMENT}-database-operations-queue.fifo"
ROUTE53 = f"{ENVIRONMENT}-route53-operations-queue.fifo"
GITHUB = f"{ENVIRONMENT}-github-workflow-queue.fifo"
DEAD = f"{ENVIRONMENT}-fifo-dlq.fifo"
FAN_OUT = f"sns.reaches_every_queue_once[{ENVIRONMENT}-domain-changes.fifo]"
STRICTER = tuple(
    f"sqs.queues=[{', '.join(queues)}]"
    for queues in [
        [
            f"{{ queue = '{name}', deduplication = 'id', throughput = 'high' }}"
            for name in (DATABASE, ROUTE53, GITHUB, DEAD)
        ]
    ]
)
"""With what staging leaves undeclared."""


def _url(world: World, queue: str) -> str:
    url: str = world.owner("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
    return url


def set_attributes(queue: str, **attributes: str) -> Callable[[World], None]:
    """A breakage: attributes of a queue are set."""

    def breaks(world: World) -> None:
        world.owner("sqs").set_queue_attributes(QueueUrl=_url(world, queue), Attributes=attributes)

    return breaks


def _fill(queue: str, count: int) -> Callable[[World], None]:
    def breaks(world: World) -> None:
        sqs, url = world.owner("sqs"), _url(world, queue)
        for number in range(count):
            sqs.send_message(
                QueueUrl=url, MessageBody="x", MessageGroupId="x", MessageDeduplicationId=str(number)
            )

    return breaks


def _open(world: World) -> None:
    sqs, url = world.owner("sqs"), _url(world, DATABASE)
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    policy = json.loads(attributes["Policy"])
    policy["Statement"].append(
        {"Sid": "Everyone", "Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
    )
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})


def _old_message(world: World) -> None:
    metric = {
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": ROUTE53}],
        "Timestamp": datetime.now(UTC),
        "Value": 7200.0,
    }
    world.owner("cloudwatch").put_metric_data(Namespace="AWS/SQS", MetricData=[metric])


def _redrive(world: World) -> None:
    arn = f"arn:aws:sqs:{world.plan.region}:{world.account}:{DEAD}"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "9"})
    set_attributes(GITHUB, RedrivePolicy=policy)(world)


BREAKAGES = (
    Breakage(
        "a queue is of the other kind",
        f"sqs.is_of_its_kind[{DATABASE}]",
        set_attributes(DATABASE, FifoQueue="false"),
        ("a standard queue",),
    ),
    Breakage(
        "a queue hides messages for too short a time",
        f"sqs.hides_messages_as_long_as_declared[{DATABASE}]",
        set_attributes(DATABASE, VisibilityTimeout="119"),
        ("visibility time-out is 119s, declared are 2m",),
    ),
    Breakage(
        "a queue forgets messages too soon",
        f"sqs.keeps_messages_as_long_as_declared[{GITHUB}]",
        set_attributes(GITHUB, MessageRetentionPeriod="345600"),
        ("keeps messages for 4d, declared are 14d",),
    ),
    Breakage(
        "a queue is not encrypted",
        f"sqs.is_encrypted_as_declared[{ROUTE53}]",
        set_attributes(ROUTE53, SqsManagedSseEnabled="false"),
        ("encrypted not at all", "a key of SQS's own"),
    ),
    Breakage(
        "a queue is encrypted with another key",
        f"sqs.is_encrypted_as_declared[{DEAD}]",
        set_attributes(DEAD, KmsMasterKeyId="alias/somebody"),
        ("with the KMS key alias/somebody",),
    ),
    Breakage(
        "a queue is open to everybody",
        f"sqs.is_not_open_to_everybody[{DATABASE}]",
        _open,
        ("statement Everyone allows sqs:* to everybody",),
    ),
    Breakage(
        "a queue has no redrive policy",
        f"sqs.redrives_to_its_dead_letter_queue[{ROUTE53}]",
        set_attributes(ROUTE53, RedrivePolicy=""),
        ("no redrive policy", DEAD),
    ),
    Breakage(
        "a queue redrives too late",
        f"sqs.redrives_to_its_dead_letter_queue[{GITHUB}]",
        _redrive,
        ("after 9 receives, declared are 3",),
    ),
    Breakage(
        "a dead-letter queue forgets sooner than its queues",
        f"sqs.dead_letters_are_kept_as_long[{DATABASE}]",
        set_attributes(DEAD, MessageRetentionPeriod="86400"),
        (DEAD, "for 24h", "for 14d"),
        also=tuple(  # it is the dead-letter queue of all three
            f"sqs.dead_letters_are_kept_as_long[{queue}]" for queue in (ROUTE53, GITHUB)
        ),
    ),
    Breakage(
        "a dead letter lies unread",
        f"sqs.has_no_dead_letters[{DATABASE}]",
        _fill(DEAD, 1),
        (f"1 messages lie in {DEAD}", "allowed are 0"),
        also=tuple(f"sqs.has_no_dead_letters[{queue}]" for queue in (ROUTE53, GITHUB)),  # the same queue
    ),
    Breakage(
        "messages pile up",
        f"sqs.backlog_is_small[{DATABASE}]",
        _fill(DATABASE, 101),
        ("backlog is 101, the rule is backlog <= 100",),
        also=(FAN_OUT,),  # inconclusive: a probe would have to receive them
    ),
    Breakage(
        "a message is not dealt with",
        f"sqs.oldest_message_is_young[{ROUTE53}]",
        _old_message,
        ("oldest_message is 7200 s",),
    ),
    Breakage(
        "a queue holds messages back",
        f"sqs.carries_a_message[{GITHUB}]",
        set_attributes(GITHUB, DelaySeconds="900"),
        ("are delayed",),
        also=(FAN_OUT,),  # it holds the topic's messages back as well
    ),
    Breakage(
        "a queue drops messages that are alike",
        f"sqs.deduplicates_as_declared[{GITHUB}]",
        set_attributes(GITHUB, ContentBasedDeduplication="true"),
        ("deduplicates by content, declared is by the sender's id",),
        overrides=STRICTER,
    ),
    Breakage(
        "a queue has the throughput of one",
        f"sqs.has_the_declared_throughput[{ROUTE53}]",
        set_attributes(ROUTE53, FifoThroughputLimit="perQueue"),
        ("has standard throughput, declared is high",),
        overrides=STRICTER,
    ),
)
