"""SQS: queues and their dead letters; `harness.aws.probe` sends a probe message through one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from harness.aws.faults import Absent, Broken
from harness.aws.operations import Operation
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.model import Phase
from harness.profile.schema import Duration

OPERATIONS = (
    Operation("sqs", "GetQueueUrl"),
    Operation("sqs", "GetQueueAttributes"),
    Operation("sqs", "SendMessage", mutating=True),
    Operation("sqs", "ReceiveMessage", mutating=True),
    Operation("sqs", "DeleteMessage", mutating=True),
    Operation("sqs", "ChangeMessageVisibility", mutating=True),
)


class SqsQueue(AwsResource):
    """``[[sqs.queues]]``."""

    fixture: ClassVar[str] = "sqs_queue"
    uses: ClassVar[tuple[str, ...]] = (
        "sqs:GetQueueUrl",
        "sqs:GetQueueAttributes",
        "sqs:SendMessage",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
    )

    queue: str
    dead_letter_queue: str = ""
    max_receives: int = Field(default=3, ge=1)
    """Receives after which a message goes to the dead-letter queue."""
    max_dead_letters: int = Field(default=0, ge=0)
    visibility: Duration = 30.0
    """The visibility time-out; judged where the profile sets it."""
    probe: bool = False
    """Send, receive and delete a probe message, where the profile allows writing."""

    @property
    def id(self) -> str:
        """The queue's name."""
        return self.queue

    @property
    def home(self) -> str:
        """The queue."""
        return f"SQS queue {self.queue}"

    @property
    def fifo(self) -> bool:
        """Whether it is a FIFO queue, which its name must say."""
        return self.queue.endswith(".fifo")

    def arn(self, account: str, region: str) -> str:
        """The queue's ARN."""
        return f"arn:aws:sqs:{region}:{account}:{self.queue}"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """Kind, dead letters where it has a queue for them, and the probe where it may be sent."""
        dead = (
            ("sqs.redrives_to_its_dead_letter_queue", "sqs.has_no_dead_letters")
            if self.dead_letter_queue
            else ()
        )
        probe = ("sqs.carries_a_message",) if self.probe and profile.aws.access == "read-write" else ()
        return ("sqs.is_of_its_kind", *dead, *probe)

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["SqsQueue"]) -> Read:
        """Each queue's attributes."""
        found = zip(declared, aws.each(lambda item: describe(aws, item.queue), declared), strict=True)
        return {item.id: state for item, state in found if not isinstance(state, Absent)}


@dataclass(frozen=True)
class QueueState:
    """A queue as SQS describes it. Counts are approximate, as SQS gives them."""

    name: str
    url: str
    arn: str
    fifo: bool
    visibility: int
    visible: int
    in_flight: int
    delayed: int
    dead_letter_arn: str = ""
    max_receives: int = 0

    @property
    def messages(self) -> int:
        """All that it holds."""
        return self.visible + self.in_flight + self.delayed

    @property
    def dead_letter_queue(self) -> str:
        """The name of the queue it redrives to; empty where it does not."""
        return self.dead_letter_arn.rpartition(":")[2]


SqsQueue.state_type = QueueState


def describe(aws: Aws, name: str) -> QueueState:
    """The queue's state.

    Raises:
        Absent: it does not exist.
        Fault: it cannot be found out.
    """
    about, key = f"SQS queue {name}", "sqs:GetQueueAttributes"
    url = str(need(aws.call("sqs:GetQueueUrl", about, QueueName=name), "QueueUrl", "sqs:GetQueueUrl", about))
    attributes = need(aws.call(key, about, QueueUrl=url, AttributeNames=["All"]), "Attributes", key, about)
    return _state(name, url, attributes, about)


def _state(name: str, url: str, attributes: Mapping[str, str], about: str) -> QueueState:
    def number(field: str) -> int:
        text = str(need(attributes, field, "sqs:GetQueueAttributes", about))
        if not text.isdecimal():
            raise Broken(f"{about}: its {field} is {text!r}", hint="what answers is not SQS")
        return int(text)

    arn, receives = _redrive(attributes.get("RedrivePolicy", ""), about)
    return QueueState(
        name=name,
        url=url,
        arn=str(need(attributes, "QueueArn", "sqs:GetQueueAttributes", about)),
        fifo=attributes.get("FifoQueue") == "true",
        visibility=number("VisibilityTimeout"),
        visible=number("ApproximateNumberOfMessages"),
        in_flight=number("ApproximateNumberOfMessagesNotVisible"),
        delayed=number("ApproximateNumberOfMessagesDelayed"),
        dead_letter_arn=arn,
        max_receives=receives,
    )


def _redrive(text: str, about: str) -> tuple[str, int]:
    """Where it redrives to and after how many receives: SQS gives the number as a number or as text."""
    if not text:
        return "", 0
    try:
        policy = json.loads(text)
        return str(policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"])
    except (ValueError, KeyError, TypeError):
        raise Broken(
            f"{about}: its RedrivePolicy cannot be read", hint="set the redrive policy again"
        ) from None


def kind_problems(queue: SqsQueue, state: QueueState) -> tuple[str, ...]:
    """What about the queue is not as its name and the profile say."""
    problems: list[str] = []
    if state.fifo != queue.fifo:
        problems.append(f"it is {'a FIFO' if state.fifo else 'a standard'} queue, its name says otherwise")
    if "visibility" in queue.model_fields_set and state.visibility != queue.visibility:
        problems.append(f"its visibility time-out is {state.visibility} s, declared {queue.visibility:g} s")
    return tuple(problems)


def redrive_problems(queue: SqsQueue, state: QueueState) -> tuple[str, ...]:
    """How its redrive policy differs from what is declared."""
    if not state.dead_letter_arn:
        return (f"it has no redrive policy, declared is {queue.dead_letter_queue}",)
    problems: list[str] = []
    if state.dead_letter_queue != queue.dead_letter_queue:
        problems.append(f"it redrives to {state.dead_letter_queue}, declared is {queue.dead_letter_queue}")
    if state.max_receives != queue.max_receives:
        problems.append(f"it redrives after {state.max_receives} receives, declared are {queue.max_receives}")
    return tuple(problems)
