"""Many probe messages through a queue, or through a topic and its queues, at once: for a load run.

A probe's attribute `harness.aws.probe.ATTRIBUTE` holds ``load-<run>-<number>``. Only probes of this run are deleted, and
such of load runs that wait for them no more. What else is received is somebody's: it is given back at once, and kept hidden
until the end where it comes a second time, so that no message of another's is received again and again into its
dead-letter queue. Where more than a few come, the queue is in use, and nothing more is received from it.

Whoever else reads the queue may take a probe. Consumers should give back at once what carries the attribute; one that a
queue gave up after a consumer had received it too often is found in the dead-letter queue. Only what was received here or
there counts as delivered: that a queue looks empty shows nothing while messages are still being sent to it.
"""

import json
from collections.abc import Mapping, Sequence
from time import time
from typing import Any

from harness.aws.faults import Fault
from harness.aws.probe import ATTRIBUTE, MARGIN, MAX_HELD, probe_of, sweep
from harness.aws.queues import QueueState, describe
from harness.aws.session import Aws, need
from harness.frozen import dataclass, field
from harness.model import Cause, Outcome
from harness.polling import poll

QUEUE_USES = (
    "sqs:GetQueueUrl",
    "sqs:GetQueueAttributes",
    "sqs:SendMessage",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
)
"""What a load through a queue asks."""
TOPIC_USES = ("sns:Publish", *(key for key in QUEUE_USES if key != "sqs:SendMessage"))
"""What a load through a topic asks."""
LOAD_PROBE = "load-"
"""How the ids of a load run's own probes begin; its run follows."""
_BATCH = 10
_ROUNDS = 50
"""How often messages are looked for when a queue is cleared."""


class QueueInUse(Fault):
    """Messages of others are in the queue: a probe would have to receive them, so that nothing can be proven."""

    outcome = Outcome.INCONCLUSIVE
    cause = Cause.NOTHING_CHECKED


@dataclass(frozen=True)
class Taken:
    """A probe of this run that was received and not deleted yet.

    `queue` is the one that it came through: not that of its box where consumers had rejected it into a dead-letter queue.
    """

    box: "Box"
    id: str
    receipt: str
    queue: str

    @property
    def dead(self) -> bool:
        """Whether it was found among the dead letters: consumers received it until the queue gave it up."""
        return self.queue != self.box.name

    def delete(self) -> None:
        """Remove it from the queue: it is delivered."""
        self.box.delete(self.receipt)


@dataclass
class Box:
    """One queue that a load's probes come out of.

    `hide` is for how long a received message stays hidden, in seconds; no run waits longer for a probe, so that an older
    one of another run belongs to nobody any more.
    """

    aws: Aws
    name: str
    url: str
    run: str
    hide: int
    seen: set[str] = field(default_factory=set)
    """Messages of others, by id, that were received and given back."""
    held: dict[str, str] = field(default_factory=dict)
    """Those that came again, with their newest receipts: hidden until `give_back`."""

    @property
    def about(self) -> str:
        """The queue, for messages."""
        return f"SQS queue {self.name}"

    def receive(self, *, wait: int) -> list[Taken]:
        """The next probes of this run, waiting for them up to `wait` seconds; what is not ours is given back.

        Raises:
            QueueInUse: too many messages of others have come.
            Fault: the queue cannot be asked.
        """
        answer = self.aws.call(
            "sqs:ReceiveMessage",
            self.about,
            QueueUrl=self.url,
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=wait,
            VisibilityTimeout=self.hide,
            MessageAttributeNames=[ATTRIBUTE],
            MessageSystemAttributeNames=["SentTimestamp", "DeadLetterQueueSourceArn"],
        )
        mine = []
        for message in answer.get("Messages") or ():
            id_ = probe_of(message)
            if id_.startswith(f"{LOAD_PROBE}{self.run}-"):
                source = str(message.get("Attributes", {}).get("DeadLetterQueueSourceArn", ""))
                queue = source.rpartition(":")[2] or self.name
                mine.append(Taken(self, id_, message["ReceiptHandle"], queue))
            elif id_.startswith(LOAD_PROBE) and _age(message) > self.hide:
                self.delete(message["ReceiptHandle"])
            else:
                self._not_ours(message)
        if len(self.seen) > MAX_HELD:
            raise QueueInUse(
                f"{self.about} is in use: {len(self.seen)} messages of others came between the probes",
                hint="load a queue that nobody else sends to meanwhile, or run again when it is quiet",
            )
        return mine

    def delete(self, receipt: str) -> None:
        """Remove a message of ours."""
        self.aws.call("sqs:DeleteMessage", self.about, QueueUrl=self.url, ReceiptHandle=receipt)

    def give_back(self) -> None:
        """Show the messages of others that are held again."""
        for receipt in self.held.values():
            self._show(receipt)
        self.held.clear()

    def _not_ours(self, message: Mapping[str, Any]) -> None:
        id_ = str(message["MessageId"])
        if id_ in self.seen:
            self.held[id_] = message["ReceiptHandle"]
        else:
            self.seen.add(id_)
            self._show(message["ReceiptHandle"])

    def _show(self, receipt: str) -> None:
        self.aws.call(
            "sqs:ChangeMessageVisibility",
            self.about,
            QueueUrl=self.url,
            ReceiptHandle=receipt,
            VisibilityTimeout=0,
        )


def open_box(aws: Aws, name: str, *, run: str, timeout: float) -> Box:
    """The queue `name`, for the probes of the load run `run` that may take `timeout` seconds each.

    Raises:
        Absent: it does not exist.
        Fault: it cannot be asked.
    """
    about, key = f"SQS queue {name}", "sqs:GetQueueUrl"
    url = str(need(aws.call(key, about, QueueName=name), "QueueUrl", key, about))
    return Box(aws, name, url, run, hide=int(timeout) + MARGIN)


def dead_letter_boxes(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """The dead-letter queues of the boxes' queues, each once.

    Raises:
        Fault: one cannot be asked.
    """
    names = (
        {describe(box.aws, box.name).dead_letter_queue for box in boxes} - {box.name for box in boxes} - {""}
    )
    first = boxes[0]
    return tuple(
        open_box(first.aws, name, run=first.run, timeout=first.hide - MARGIN) for name in sorted(names)
    )


def clear(aws: Aws, name: str, *, timeout: float) -> None:
    """Wait until nothing waits in a queue, and remove what earlier load runs left in it and in its dead-letter queue.

    `timeout` is how long a load's probe may take, in seconds.

    Raises:
        Absent: it does not exist.
        QueueInUse: messages of others are waiting in it, after that time too.
        Fault: it cannot be asked.
    """
    state = _drained(aws, name, timeout)
    if state.visible:
        box = Box(aws, name, state.url, "", hide=int(timeout) + MARGIN)
        try:
            for _ in range(_ROUNDS):
                box.receive(wait=0)
                if box.seen or not describe(aws, name).visible:
                    break
        finally:
            box.give_back()
        if box.seen:
            raise QueueInUse(
                f"{box.about} is in use: {state.visible} messages of others are waiting, and a load would have to "
                "receive them",
                hint="run again when its consumers have caught up, or load another queue",
            )
    remove_dead(aws, state.dead_letter_queue)


def remove_dead(aws: Aws, dead_letter_queue: str) -> int:
    """Remove probes from a dead-letter queue, where consumers that reject them have put them; returns how many.

    Raises:
        Fault: it cannot be asked.
    """
    removed = 0
    for _ in range(_ROUNDS):
        if not (found := len(sweep(aws, dead_letter_queue))):
            break
        removed += found
    return removed


def clean_up(box: Box) -> int:
    """After a run: remove its probes that are still in the queue or among its dead letters, and show what is held.

    Returns how many there were.

    Raises:
        Fault: the queue cannot be asked.
    """
    removed = 0
    try:
        for _ in range(_ROUNDS):
            if not (mine := box.receive(wait=1)):
                break
            for taken in mine:
                taken.delete()
            removed += len(mine)
    except QueueInUse:
        pass  # what is ours among so much of others' is removed by whoever receives it, or the next run
    finally:
        box.give_back()
    return removed + remove_dead(box.aws, describe(box.aws, box.name).dead_letter_queue)


def send(box: Box, id_: str) -> None:
    """Send a probe straight to a queue.

    Raises:
        Fault: the queue did not take it.
    """
    answer = box.aws.call(
        "sqs:SendMessage", box.about, QueueUrl=box.url, **_message("MessageBody", box.name, id_)
    )
    need(answer, "MessageId", "sqs:SendMessage", box.about)


def publish(aws: Aws, topic: str, id_: str) -> None:
    """Publish a probe to a topic (an ARN).

    Raises:
        Fault: the topic did not take it.
    """
    about = f"SNS topic {topic.rpartition(':')[2]}"
    answer = aws.call("sns:Publish", about, TopicArn=topic, **_message("Message", topic, id_))
    need(answer, "MessageId", "sns:Publish", about)


def topic_arn(aws: Aws, name: str) -> str:
    """The ARN of a topic of this account.

    Raises:
        Fault: the account cannot be found out.
    """
    account = aws.profile.aws.account or aws.identity().account
    return f"arn:aws:sns:{aws.region}:{account}:{name}"


def _message(body: str, name: str, id_: str) -> dict[str, Any]:
    """A probe's parameters. Each has a message group of its own: a FIFO queue holds a group's next message back while one
    of it is in flight."""
    ordered = {"MessageGroupId": id_, "MessageDeduplicationId": id_} if name.endswith(".fifo") else {}
    attributes = {ATTRIBUTE: {"DataType": "String", "StringValue": id_}}
    return {body: json.dumps({ATTRIBUTE: id_}), "MessageAttributes": attributes, **ordered}


def _age(message: Mapping[str, Any]) -> float:
    """Seconds since a message was sent; 0 where it does not say so."""
    sent = str(message.get("Attributes", {}).get("SentTimestamp", ""))
    return time() - int(sent) / 1000 if sent.isdecimal() else 0.0


def _drained(aws: Aws, name: str, timeout: float) -> QueueState:
    return poll(lambda: describe(aws, name), lambda seen: not seen.visible, timeout=timeout)
