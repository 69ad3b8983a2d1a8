"""SNS: topics and the queues behind them; `harness.aws.fan_out` sends a probe message through one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from harness.aws import queue_policy, queues, sqs
from harness.aws.census import Told
from harness.aws.faults import Absent, Broken, Fault
from harness.aws.operations import Operation
from harness.aws.queues import Encryption, QueueState
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Phase
from harness.shapes import Field, model_validator

OPERATIONS = (
    Operation("sns", "GetTopicAttributes"),
    Operation("sns", "ListSubscriptionsByTopic"),
    Operation("sns", "GetSubscriptionAttributes"),
    Operation("sns", "Publish", mutating=True),
)
_PENDING = ("pendingconfirmation", "pending confirmation")
"""What stands for the ARN of a subscription that nobody has confirmed."""


class SnsTopic(AwsResource):
    """``[[sns.topics]]``."""

    fixture: ClassVar[str] = "sns_topic"
    uses: ClassVar[tuple[str, ...]] = (
        "sns:GetTopicAttributes",
        "sns:ListSubscriptionsByTopic",
        "sns:GetSubscriptionAttributes",
        "sns:Publish",
        *sqs.USES,
        *sqs.PROBING,
    )

    topic: str
    """Its name; that of a FIFO topic ends in ``.fifo``."""
    queues: list[str] = Field(default_factory=list)
    """The SQS queues that each of its messages must reach, by name."""
    filtered: list[str] = Field(default_factory=list)
    """Those of `queues` that are meant to get only what their filter policy lets through."""
    raw_delivery: bool = False
    """Demand that its messages come to the queues as they were sent, attributes included, and not wrapped into JSON."""
    encryption: Literal["kms", "none"] | None = None
    """At rest: with a KMS key, or not."""
    kms_key: str = ""
    """The KMS key's id, ARN or alias (``alias/…``), for ``encryption = "kms"``."""
    deduplication: Literal["content", "id"] | None = None
    """How a FIFO topic knows a message again: by its content's digest, or by the id that its publisher gives."""
    probe: bool = False
    """Publish a probe message and take it back from every queue, where the profile allows writing. Only where the queues'
    consumers give back messages that carry the attribute ``gonogo-probe``."""

    @model_validator(mode="after")
    def _fits(self) -> "SnsTopic":
        if extra := set(self.filtered) - set(self.queues):
            raise ValueError(f"filtered names {', '.join(sorted(extra))}, which is not among its queues")
        if self.kms_key and self.encryption != "kms":
            raise ValueError('kms_key is judged with encryption = "kms" only')
        if self.deduplication and not self.fifo:
            raise ValueError("deduplication is that of a FIFO topic, whose name ends in .fifo")
        if self.probe and not self.probed:
            raise ValueError("a probe needs queues that it must arrive on")
        return self

    @property
    def id(self) -> str:
        """The topic's name."""
        return self.topic

    @property
    def home(self) -> str:
        """The topic."""
        return f"SNS topic {self.topic}"

    @property
    def fifo(self) -> bool:
        """Whether it is a FIFO topic, which its name must say."""
        return self.topic.endswith(".fifo")

    @property
    def probed(self) -> tuple[str, ...]:
        """The queues that a probe must arrive on."""
        return tuple(name for name in dict.fromkeys(self.queues) if name not in self.filtered)

    def arn(self, account: str, region: str) -> str:
        """The topic's ARN."""
        return f"arn:aws:sns:{region}:{account}:{self.topic}"

    def arns(self, account: str, region: str) -> tuple[str, ...]:
        """Its queues' too: they are read with it."""
        behind = (f"arn:aws:sqs:{region}:{account}:{name}" for name in self.queues)
        return (self.arn(account, region), *behind)

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """Kind and subscriptions always; the rest where the profile declares it, the probe where it may be sent."""
        declared = (
            (self.queues, "sns.delivers_to_its_queues"),
            (self.queues, "sns.may_send_to_its_queues"),
            (self.queues, "sns.filters_nothing_out"),
            (self.raw_delivery, "sns.delivers_raw"),
            (self.encryption, "sns.is_encrypted_as_declared"),
            (self.deduplication, "sns.deduplicates_as_declared"),
            (self.probe and profile.aws.access == "read-write", "sns.reaches_every_queue_once"),
        )
        return (
            "sns.is_of_its_kind",
            "sns.has_no_pending_subscription",
            "sns.has_no_dead_subscription",
            *(check for value, check in declared if value),
        )

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["SnsTopic"]) -> Read:
        """Each topic by its ARN, its subscriptions, and the queues behind them."""
        account = aws.profile.aws.account or aws.identity().account
        names = {name for item in declared for name in item.queues}
        behind = queues.states(aws, sorted(names)) if names else {}
        reader = _Reader(aws, account, behind)
        found = zip(declared, aws.each(reader.topic, declared), strict=True)
        return {item.id: state for item, state in found if not isinstance(state, Absent)}


@dataclass(frozen=True)
class Subscription:
    """One subscription. `queue` is the ARN of the queue it delivers to; other endpoints are not kept: they may be addresses
    of people. Settings are read for the declared queues. `alive` is ``None`` where it is not known."""

    protocol: str
    arn: str = ""
    queue: str = ""
    pending: bool = False
    alive: bool | None = None
    raw: bool = False
    filter_policy: str = ""


@dataclass(frozen=True)
class Target:
    """A declared queue as SNS meets it."""

    queue: str
    arn: str
    exists: bool
    policy: str = ""
    encryption: Encryption = "none"
    kms_key: str = ""
    fault: Told | None = None


@dataclass(frozen=True)
class TopicState:
    """A topic, its subscriptions and the declared queues. `pending` counts subscriptions that nobody has confirmed."""

    name: str
    arn: str
    fifo: bool
    deduplication: str
    kms_key: str
    pending: int
    subscriptions: tuple[Subscription, ...]
    targets: tuple[Target, ...]

    def to(self, queue: str) -> Subscription | None:
        """The subscription that delivers to a declared queue."""
        arns = {target.arn for target in self.targets if target.queue == queue}
        return next((item for item in self.subscriptions if item.queue in arns), None)


SnsTopic.state_type = TopicState


@dataclass(frozen=True)
class _Reader:
    """Reads topics of one account; `behind` are the states of all declared queues."""

    aws: Aws
    account: str
    behind: Mapping[str, QueueState | Fault]

    def topic(self, topic: SnsTopic) -> TopicState:
        arn, key = topic.arn(self.account, self.aws.region), "sns:GetTopicAttributes"
        attributes = need(self.aws.call(key, topic.home, TopicArn=arn), "Attributes", key, topic.home)
        listed = self.aws.items("sns:ListSubscriptionsByTopic", topic.home, "Subscriptions", TopicArn=arn)
        targets = tuple(self._target(name) for name in topic.queues)
        declared = {target.arn for target in targets}
        found = self.aws.each(lambda item: self._subscription(item, declared, topic.home), listed)
        content = attributes.get("ContentBasedDeduplication") == "true"
        fifo = attributes.get("FifoTopic") == "true"
        subscriptions = tuple(_answered(found))
        return TopicState(
            name=topic.topic,
            arn=str(need(attributes, "TopicArn", key, topic.home)),
            fifo=fifo,
            deduplication=("content" if content else "id") if fifo else "",
            kms_key=attributes.get("KmsMasterKeyId", ""),
            pending=max(_pending(attributes, topic.home), sum(item.pending for item in subscriptions)),
            subscriptions=subscriptions,
            targets=targets,
        )

    def _target(self, name: str) -> Target:
        state = self.behind[name]
        arn = f"arn:aws:sqs:{self.aws.region}:{self.account}:{name}"
        if isinstance(state, QueueState):
            return Target(name, arn, True, state.policy, state.encryption, state.kms_key)
        return Target(name, arn, False, fault=None if isinstance(state, Absent) else Told.of(state))

    def _subscription(self, item: Mapping[str, Any], declared: set[str], about: str) -> Subscription:
        protocol, arn = str(item.get("Protocol", "")), str(item.get("SubscriptionArn", ""))
        queue = str(item.get("Endpoint", "")) if protocol == "sqs" else ""
        pending = arn.lower() in _PENDING
        settings: Mapping[str, Any] = {}
        if queue in declared and arn.startswith("arn:"):
            key = "sns:GetSubscriptionAttributes"
            settings = need(self.aws.call(key, about, SubscriptionArn=arn), "Attributes", key, about)
            pending = pending or settings.get("PendingConfirmation") == "true"
        policy = str(settings.get("FilterPolicy", ""))
        return Subscription(
            protocol,
            arn,
            queue,
            pending,
            alive=self._alive(queue) if queue else None,
            raw=settings.get("RawMessageDelivery") == "true",
            filter_policy="" if policy.replace(" ", "") == "{}" else policy,
        )

    def _alive(self, queue: str) -> bool | None:
        """Whether a queue exists; not known of another account's or region's."""
        parts = queue.split(":")
        if parts[:5] != f"arn:aws:sqs:{self.aws.region}:{self.account}".split(":"):
            return None
        name = parts[-1]
        match self.behind.get(name):
            case None:
                return queues.exists(self.aws, name)
            case QueueState():
                return True
            case Absent():
                return False
        return None


def _answered(found: "Iterable[Subscription | Fault]") -> Iterable[Subscription]:
    """What was read; a subscription that went away meanwhile is none.

    Raises:
        Fault: one could not be read.
    """
    for item in found:
        if isinstance(item, Subscription):
            yield item
        elif not isinstance(item, Absent):
            raise item


def _pending(attributes: Mapping[str, Any], about: str) -> int:
    text = str(attributes.get("SubscriptionsPending", "0"))
    if not text.isdecimal():
        raise Broken(f"{about}: its SubscriptionsPending is {text!r}", hint="what answers is not SNS")
    return int(text)


def encryption_problem(topic: SnsTopic, state: TopicState) -> str:
    """How its encryption differs from what is declared; empty where it does not."""
    if topic.encryption == "none":
        return f"it is encrypted with the KMS key {state.kms_key}, declared is none" if state.kms_key else ""
    if not state.kms_key:
        return f"it is not encrypted, declared is {topic.kms_key or 'a KMS key'}"
    if topic.kms_key and not sqs.same_key(topic.kms_key, state.kms_key):
        return f"it is encrypted with the KMS key {state.kms_key}, declared is {topic.kms_key}"
    return ""


def not_subscribed(state: TopicState) -> tuple[str, ...]:
    """The declared queues that have no confirmed subscription."""
    found = ((target.queue, state.to(target.queue)) for target in state.targets)
    return tuple(queue for queue, item in found if item is None or item.pending)


def not_raw(state: TopicState) -> tuple[str, ...]:
    """The subscribed queues that get its messages wrapped."""
    found = ((target.queue, state.to(target.queue)) for target in state.targets)
    return tuple(queue for queue, item in found if item is not None and not item.raw)


def filtered(topic: SnsTopic, state: TopicState) -> tuple[str, ...]:
    """The queues that a filter policy keeps messages from, though the profile does not say so; each with the policy."""
    found = ((queue, state.to(queue)) for queue in topic.probed)
    return tuple(
        f"{queue} ({item.filter_policy})" for queue, item in found if item is not None and item.filter_policy
    )


def dead(state: TopicState) -> tuple[str, ...]:
    """The queues that are subscribed and do not exist."""
    return tuple(item.queue.rpartition(":")[2] for item in state.subscriptions if item.alive is False)


def barred(target: Target, topic: str) -> str:
    """Why SNS may not put a topic's messages into a queue; empty where it may, or where that cannot be told.

    Raises:
        Fault: the queue could not be read, or its policy.
    """
    if target.fault is not None:
        raise target.fault.again()
    if not target.exists:
        return ""
    if target.kms_key.endswith("alias/aws/sqs"):
        return f"{target.queue} is encrypted with the AWS managed key alias/aws/sqs, which SNS may not use"
    if not target.policy:
        return f"{target.queue} has no policy, so nobody but its own account may send to it"
    if queue_policy.admits(target.policy, target.arn, topic, f"SQS queue {target.queue}") == "no":
        return f"the policy of {target.queue} does not let SNS send for this topic"
    return ""


def why_not(topic: SnsTopic, state: TopicState, queue: str) -> tuple[str, ...]:
    """What keeps its messages from a queue, as far as settings show it."""
    target = next(item for item in state.targets if item.queue == queue)
    if not target.exists and target.fault is None:
        return (f"{queue} does not exist",)
    reasons: list[str] = []
    if queue in not_subscribed(state):
        reasons.append(f"{queue} has no confirmed subscription to {topic.topic}")
    if (item := state.to(queue)) is not None and item.filter_policy:
        reasons.append(
            f"the filter policy of its subscription, {item.filter_policy}, keeps messages from {queue}"
        )
    try:
        reasons += [reason for reason in (barred(target, state.arn),) if reason]
    except Fault as fault:
        reasons.append(f"whether SNS may send to {queue} could not be read: {fault.message}")
    return tuple(reasons)
