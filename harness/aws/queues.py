"""The state of SQS queues, read many at once: one list of their names, then the attributes of each."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from harness.aws.census import Told
from harness.aws.faults import Broken, Fault
from harness.aws.metrics import Sample
from harness.aws.session import Aws, need
from harness.frozen import dataclass

Encryption = Literal["sqs", "kms", "none"]
_PAGE = 1000
_KEY = "sqs:GetQueueAttributes"


@dataclass(frozen=True)
class DeadLetters:
    """A dead-letter queue: how long it keeps messages (seconds), and how many it holds."""

    queue: str
    retention: int
    messages: int


@dataclass(frozen=True)
class QueueState:
    """A queue as SQS describes it. Times are in seconds; counts are approximate, as SQS gives them.

    `dead_letters` is the state of the dead-letter queue that the profile declares for it (``None`` where there is none,
    or it does not exist), `oldest` the newest sample of its oldest message's age; their faults are what was met instead.
    `policy` is the queue's policy, as JSON text.
    """

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
    retention: int = 0
    encryption: Encryption = "none"
    kms_key: str = ""
    policy: str = ""
    deduplication: str = ""
    throughput: str = ""
    dead_letters: DeadLetters | None = None
    dead_letters_fault: Told | None = None
    oldest: Sample | None = None
    oldest_fault: Told | None = None

    @property
    def messages(self) -> int:
        """All that it holds."""
        return self.visible + self.in_flight + self.delayed

    @property
    def dead_letter_queue(self) -> str:
        """The name of the queue it redrives to; empty where it does not."""
        return self.dead_letter_arn.rpartition(":")[2]


def describe(aws: Aws, name: str) -> QueueState:
    """The queue's state now.

    Raises:
        Absent: it does not exist.
        Fault: it cannot be found out.
    """
    return _describe(aws.call, name, _url(aws.call, name))


def states(aws: Aws, names: Sequence[str]) -> dict[str, QueueState | Fault]:
    """The states of queues, each asked once a run whoever asks; `Absent` for one that does not exist.

    Raises:
        Fault: nothing can be found out about any of them.
    """
    urls = _listed(aws, sorted(set(names)))

    def ask(name: str) -> QueueState:
        url = urls.get(name) or _url(aws.shared_call, name)
        return _describe(aws.shared_call, name, url)

    wanted = sorted(set(names))
    return dict(zip(wanted, aws.each(ask, wanted), strict=True))


def exists(aws: Aws, name: str) -> bool | None:
    """Whether a queue of this account exists, as SQS's list has it (up to a minute late); ``None``: it does not tell.

    Unlike a question about the queue itself, this one needs no permission on that queue.

    Raises:
        Fault: the list cannot be had.
    """
    answer = aws.shared_call("sqs:ListQueues", f"SQS queue {name}", QueueNamePrefix=name, MaxResults=_PAGE)
    if name in _by_name(answer):
        return True
    return None if answer.get("NextToken") else False


def _listed(aws: Aws, names: Sequence[str]) -> dict[str, str]:
    """The URLs of those that the account's list has: a page of a thousand costs one call, a URL by name one each.

    The list is read only while it needs fewer calls than asking for the rest by name. What it does not have is asked for
    by name: it trails behind by up to a minute.
    """
    if len(names) < 2:
        return {}
    prefix = _common(names[0], names[-1])
    parameters: dict[str, Any] = {"QueueNamePrefix": prefix} if prefix else {}
    about, found, pages = f"SQS queues {prefix}*", dict[str, str](), 0
    while True:
        answer = aws.shared_call("sqs:ListQueues", about, MaxResults=_PAGE, **parameters)
        found |= _by_name(answer)
        pages += 1
        missing = sum(name not in found for name in names)
        if not (token := answer.get("NextToken")) or missing <= pages:
            return found
        parameters["NextToken"] = token


def _common(one: str, other: str) -> str:
    """What both begin with; of the first and the last of sorted names, what all begin with."""
    length = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    return one[:length] if length is not None else min(one, other, key=len)


def _by_name(answer: Mapping[str, Any]) -> dict[str, str]:
    return {str(url).rpartition("/")[2]: str(url) for url in answer.get("QueueUrls") or ()}


def _url(ask: Callable[..., dict[str, Any]], name: str) -> str:
    about, key = f"SQS queue {name}", "sqs:GetQueueUrl"
    return str(need(ask(key, about, QueueName=name), "QueueUrl", key, about))


def _describe(ask: Callable[..., dict[str, Any]], name: str, url: str) -> QueueState:
    about = f"SQS queue {name}"
    answer = ask(_KEY, about, QueueUrl=url, AttributeNames=["All"])
    return _state(name, url, need(answer, "Attributes", _KEY, about), about)


def _state(name: str, url: str, attributes: Mapping[str, str], about: str) -> QueueState:
    def number(field: str) -> int:
        text = str(need(attributes, field, _KEY, about))
        if not text.isdecimal():
            raise Broken(f"{about}: its {field} is {text!r}", hint="what answers is not SQS")
        return int(text)

    arn, receives = _redrive(attributes.get("RedrivePolicy", ""), about)
    kms_key = attributes.get("KmsMasterKeyId", "")
    managed = attributes.get("SqsManagedSseEnabled") == "true"
    fifo = attributes.get("FifoQueue") == "true"
    return QueueState(
        name=name,
        url=url,
        arn=str(need(attributes, "QueueArn", _KEY, about)),
        fifo=fifo,
        visibility=number("VisibilityTimeout"),
        visible=number("ApproximateNumberOfMessages"),
        in_flight=number("ApproximateNumberOfMessagesNotVisible"),
        delayed=number("ApproximateNumberOfMessagesDelayed"),
        dead_letter_arn=arn,
        max_receives=receives,
        retention=number("MessageRetentionPeriod"),
        encryption="kms" if kms_key else "sqs" if managed else "none",
        kms_key=kms_key,
        policy=attributes.get("Policy", ""),
        deduplication=_deduplication(attributes) if fifo else "",
        throughput=_throughput(attributes) if fifo else "",
    )


def _deduplication(attributes: Mapping[str, str]) -> str:
    return "content" if attributes.get("ContentBasedDeduplication") == "true" else "id"


def _throughput(attributes: Mapping[str, str]) -> str:
    """``high`` as SQS defines it: both scopes are the message group."""
    scopes = attributes.get("DeduplicationScope"), attributes.get("FifoThroughputLimit")
    return "high" if scopes == ("messageGroup", "perMessageGroupId") else "standard"


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
