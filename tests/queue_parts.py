"""Queues in the emulator, and messages of others in them."""

import json
from collections.abc import Callable
from typing import Any

Owner = Callable[[str], Any]


def work_and_dead(owner: Owner, account: str) -> dict[str, str]:
    """A FIFO queue, which redrives after three receives to its dead-letter queue; their URLs."""
    client = owner("sqs")
    dead = client.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{account}:dead.fifo"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "3"})
    work = client.create_queue(
        QueueName="work.fifo",
        Attributes={"FifoQueue": "true", "RedrivePolicy": policy, "VisibilityTimeout": "30"},
    )["QueueUrl"]
    return {"work": work, "dead": dead}


def send(owner: Owner, url: str, body: str, **more: Any) -> None:
    """Somebody else's message."""
    owner("sqs").send_message(
        QueueUrl=url, MessageBody=body, MessageGroupId=body, MessageDeduplicationId=body, **more
    )


def bodies(owner: Owner, url: str) -> list[str]:
    """What can be received now."""
    answer = owner("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [message["Body"] for message in answer.get("Messages", [])]
