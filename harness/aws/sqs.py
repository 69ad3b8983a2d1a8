"""SQS: queues and their dead letters; `harness.aws.probe` sends a probe message through one."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from harness.aws import metrics, queue_policy, queues
from harness.aws.census import Told
from harness.aws.faults import Absent, Fault
from harness.aws.metrics import Query, Sample
from harness.aws.operations import Operation
from harness.aws.queues import DeadLetters, Encryption, QueueState, describe
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws
from harness.frozen import replace
from harness.model import Phase
from harness.profile.schema import Duration, rule
from harness.shapes import Field, model_validator
from harness.threshold import Threshold

__all__ = ["OPERATIONS", "USES", "QueueState", "SqsQueue", "describe"]

OPERATIONS = (
    Operation("sqs", "ListQueues"),
    Operation("sqs", "GetQueueUrl"),
    Operation("sqs", "GetQueueAttributes"),
    Operation("sqs", "SendMessage", mutating=True),
    Operation("sqs", "ReceiveMessage", mutating=True),
    Operation("sqs", "DeleteMessage", mutating=True),
    Operation("sqs", "ChangeMessageVisibility", mutating=True),
)
USES = ("sqs:ListQueues", "sqs:GetQueueUrl", "sqs:GetQueueAttributes")
"""What reading queues asks."""
PROBING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
"""What taking a probe back asks."""
FRESH = 900.0
"""Seconds that a metric's sample counts for: SQS publishes every minute, after a quiet time up to a quarter hour late."""


class SqsQueue(AwsResource):
    """``[[sqs.queues]]``."""

    parity: ClassVar[Mapping[str, str]] = {
        "fifo": "",
        "visibility": "visibility",
        "retention": "retention",
        "encryption": "encryption",
        "max_receives": "max_receives",
        "deduplication": "deduplication",
        "throughput": "throughput",
    }
    fixture: ClassVar[str] = "sqs_queue"
    uses: ClassVar[tuple[str, ...]] = (*USES, *metrics.USES, "sqs:SendMessage", *PROBING)

    queue: str
    """Its name; that of a FIFO queue ends in ``.fifo``."""
    dead_letter_queue: str = ""
    """Where messages go that nobody could handle."""
    max_receives: int = Field(default=3, ge=1)
    """Receives after which a message goes to the dead-letter queue."""
    max_dead_letters: int = Field(default=0, ge=0)
    """How many messages may lie in the dead-letter queue."""
    visibility: Annotated[Duration, Field(gt=0, le=43200)] | None = None
    """The visibility time-out: how long a message that was received is hidden from other consumers."""
    retention: Annotated[Duration, Field(ge=60, le=1209600)] | None = None
    """How long it keeps a message that nobody deletes."""
    encryption: Encryption | None = None
    """At rest: with a key of SQS's own (``sqs``), with a KMS key (``kms``), or not (``none``)."""
    kms_key: str = ""
    """The KMS key's id, ARN or alias (``alias/…``), for ``encryption = "kms"``."""
    deduplication: Literal["content", "id"] | None = None
    """How a FIFO queue knows a message again: by its content's digest, or by the id that its sender gives."""
    throughput: Literal["standard", "high"] | None = None
    """Of a FIFO queue: ``high`` counts for each message group instead of the whole queue."""
    backlog: Annotated[Threshold, rule("backlog")] | None = None
    """A rule on the messages that wait to be received: ``<= 100``."""
    oldest_message: Annotated[Threshold, rule("oldest_message")] | None = None
    """A rule on the age of the oldest message that nobody deleted: ``< 15m``."""
    probe: bool = False
    """Send, receive and delete a probe message, where the profile allows writing."""

    @model_validator(mode="after")
    def _fits(self) -> "SqsQueue":
        if self.kms_key and self.encryption != "kms":
            raise ValueError('kms_key is judged with encryption = "kms" only')
        if not self.fifo and (self.deduplication or self.throughput):
            raise ValueError(
                "deduplication and throughput are those of a FIFO queue, whose name ends in .fifo"
            )
        return self

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

    def arns(self, account: str, region: str) -> tuple[str, ...]:
        """Its dead-letter queue's too: that one is read with it."""
        names = [self.queue, *([self.dead_letter_queue] if self.dead_letter_queue else [])]
        return tuple(f"arn:aws:sqs:{region}:{account}:{name}" for name in names)

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """Kind and policy always; the rest where the profile declares it, the probe where it may be sent."""
        declared = (
            (self.visibility, "sqs.hides_messages_as_long_as_declared"),
            (self.retention, "sqs.keeps_messages_as_long_as_declared"),
            (self.encryption, "sqs.is_encrypted_as_declared"),
            (self.deduplication, "sqs.deduplicates_as_declared"),
            (self.throughput, "sqs.has_the_declared_throughput"),
            (self.dead_letter_queue, "sqs.redrives_to_its_dead_letter_queue"),
            (self.dead_letter_queue, "sqs.dead_letters_are_kept_as_long"),
            (self.dead_letter_queue, "sqs.has_no_dead_letters"),
            (self.backlog, "sqs.backlog_is_small"),
            (self.oldest_message, "sqs.oldest_message_is_young"),
            (self.probe and profile.aws.access == "read-write", "sqs.carries_a_message"),
        )
        return (
            "sqs.is_of_its_kind",
            "sqs.is_not_open_to_everybody",
            *(check for value, check in declared if value),
        )

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["SqsQueue"]) -> Read:
        """Attributes of each queue and of the dead-letter queues, and the age of the oldest messages in one question."""
        dead = {item.dead_letter_queue for item in declared} - {""}
        states = queues.states(aws, [*(item.queue for item in declared), *dead])
        there = [item for item in declared if not isinstance(states[item.queue], Absent)]
        aged = [item.queue for item in there if item.oldest_message is not None]
        ages = _ages(aws, aged)
        return {item.id: _with_more(item, states, ages.get(item.queue)) for item in there}


SqsQueue.state_type = QueueState


def _with_more(
    queue: SqsQueue, states: "dict[str, QueueState | Fault]", oldest: "Sample | Fault | None"
) -> "QueueState | Fault":
    """The queue's state with what is read beside its own attributes."""
    state, dead = states[queue.queue], states.get(queue.dead_letter_queue)
    if isinstance(state, Fault):
        return state
    if isinstance(dead, QueueState):
        state = replace(state, dead_letters=DeadLetters(dead.name, dead.retention, dead.messages))
    elif dead is not None and not isinstance(dead, Absent):
        state = replace(state, dead_letters_fault=Told.of(dead))
    if isinstance(oldest, Fault):
        return replace(state, oldest_fault=Told.of(oldest))
    return replace(state, oldest=oldest)


def _ages(aws: Aws, names: Sequence[str]) -> "dict[str, Sample | Fault | None]":
    """The newest sample of each queue's oldest message's age, or what was met instead."""
    questions = [
        Query("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": name}, "Maximum") for name in names
    ]
    try:
        return dict(zip(names, metrics.latest(aws, questions, within=FRESH), strict=True))
    except Fault as fault:
        return dict.fromkeys(names, fault)


def dead_letters(queue: SqsQueue, state: QueueState) -> DeadLetters:
    """The state of the declared dead-letter queue.

    Raises:
        Absent: it does not exist.
        Fault: it could not be read.
    """
    if state.dead_letters_fault is not None:
        raise state.dead_letters_fault.again()
    if state.dead_letters is None:
        raise Absent(
            f"SQS queue {queue.dead_letter_queue}, the dead-letter queue of {queue.queue}, does not exist",
            hint="deploy it: without it a message that cannot be handled comes back until it expires",
        )
    return state.dead_letters


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


def encryption_problem(queue: SqsQueue, state: QueueState) -> str:
    """How its encryption differs from what is declared; empty where it does not."""
    words = {
        "sqs": "with a key of SQS's own",
        "kms": f"with the KMS key {state.kms_key}",
        "none": "not at all",
    }
    if state.encryption != queue.encryption:
        wanted = {"sqs": "with a key of SQS's own", "kms": "with a KMS key", "none": "not to be"}
        return f"it is encrypted {words[state.encryption]}, declared is {wanted[queue.encryption or 'none']}"
    if queue.kms_key and not same_key(queue.kms_key, state.kms_key):
        return f"it is encrypted {words['kms']}, declared is {queue.kms_key}"
    return ""


def same_key(one: str, other: str) -> bool:
    """Whether two names of KMS keys (id, alias or the ARN of either) are of one key, as far as names tell."""
    if one.startswith("arn:") and other.startswith("arn:"):
        return one == other
    return _short(one) == _short(other)


def _short(key: str) -> str:
    return key.rpartition(":")[2].removeprefix("key/")


def open_statements(state: QueueState) -> tuple[str, ...]:
    """What the queue's policy allows to everybody.

    Raises:
        Broken: the policy cannot be read.
    """
    return queue_policy.open_to_everybody(state.policy, f"SQS queue {state.name}")


def oldest_message(state: QueueState) -> tuple[float | None, str]:
    """The age of its oldest message in seconds (``None``: not known), and where it was taken from.

    Raises:
        Fault: it could not be asked.
    """
    if state.oldest_fault is not None:
        raise state.oldest_fault.again()
    if state.oldest is not None:
        return state.oldest.value, "CloudWatch ApproximateAgeOfOldestMessage"
    if not state.messages:
        return 0.0, "the queue is empty"
    return None, ""
