"""The `Bus` on SNS FIFO, and the inbox on SQS FIFO that a worker reads."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apps.domains import Change, Unavailable

Client = Any
"""A client of boto3; the application does without its type stubs."""
PROBE = "gonogo-probe"
"""Messages with an attribute of this name test the way and mean nothing; their sender takes them back."""


class SnsBus:
    """Announces changes on the topic; changes of one domain stay in order."""

    def __init__(self, topic: Client, arn: str) -> None:
        self._topic = topic
        self._arn = arn

    def announce(self, change: Change) -> None:
        """Tell everyone; raises `Unavailable` when the topic does not take it.

        Each announcement has an id of its own: the topic drops equal ones for five minutes, and a domain that was
        purged and asked for again begins with the same revision. Workers do not mind hearing a wish twice.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._topic.publish(
                TopicArn=self._arn,
                Message=change.dumps(),
                MessageGroupId=change.name,
                MessageDeduplicationId=str(uuid.uuid4()),
            )
        except (BotoCoreError, ClientError) as error:
            msg = f"the topic does not answer: {type(error).__name__}"
            raise Unavailable(msg) from error


@dataclass(frozen=True)
class Message:
    """One received message; `receipt` is needed to delete it."""

    body: str
    receipt: str
    probe: bool = False


class SqsInbox:
    """Reads one queue."""

    def __init__(self, queue: Client, url: str, *, wait: int = 5) -> None:
        self._queue = queue
        self._url = url
        self._wait = wait

    def receive(self) -> Iterator[Message]:
        """The next messages, waiting for them a while; none is normal."""
        answer = self._queue.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=self._wait,
            MessageAttributeNames=["All"],
        )
        for message in answer.get("Messages", []):
            probe = PROBE in message.get("MessageAttributes", {})
            yield Message(message["Body"], message["ReceiptHandle"], probe)

    def delete(self, message: Message) -> None:
        """The message is done with."""
        self._queue.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)

    def give_back(self, message: Message) -> None:
        """Make the message visible to others at once."""
        self._queue.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=message.receipt, VisibilityTimeout=0
        )
