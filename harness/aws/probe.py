"""A probe message through a queue: sent, received, deleted, and nobody else's message harmed.

Receiving a message that is another's hides it and counts towards its redrive, so the probe waits until nothing is
waiting in the queue, takes one message at a time, takes no message of another's twice, and gives them back.

A consumer of the queue may be quicker and take the probe. It recognises one by the message attribute `ATTRIBUTE` and
should give it back (or delete it unprocessed). A probe that SQS accepted and that has then left the queue was received
by a consumer: nothing else takes a message out. That shows as much, and is told apart in what the check records.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from harness.aws.faults import Fault
from harness.aws.session import Aws, need
from harness.aws.sqs import QueueState, SqsQueue, describe
from harness.frozen import dataclass
from harness.model import Outcome
from harness.polling import poll

ATTRIBUTE = "gonogo-probe"
"""The message attribute that marks a probe; its value is the probe's id."""
MAX_HELD = 10
"""Messages of others that may be held at once; more means that the queue is in use."""
MARGIN = 5
"""Seconds that a message stays hidden beyond the time that the probe may take."""
_GONE = 2
"""Looks in a row that find the queue empty before a probe counts as taken by a consumer."""
_SWEEP = 20


class ProbeLost(Fault):
    """The queue accepted the probe, holds something, and delivered nothing in time."""

    outcome = Outcome.FAILED


@dataclass(frozen=True)
class Carried:
    """How a probe fared.

    `by` is ``gate`` where this check received it, ``consumer`` where another took it, ``nobody`` where the queue was
    in use and the probe was not tried or not waited for. `seconds` is from sending to then.
    """

    by: Literal["gate", "consumer", "nobody"]
    id: str
    seconds: float
    others: int = 0
    """Messages of others that were received on the way and given back."""
    dead_lettered: int = 0
    """Probes found in the dead-letter queue, and removed: consumers had rejected them."""
    waiting: int = 0
    """Messages that were waiting in the queue, for ``nobody``."""


class Mail:
    """Receiving from one queue without harm to what is not ours."""

    def __init__(self, aws: Aws, about: str, url: str, *, hide: int) -> None:
        self._aws, self._about, self._url, self._hide = aws, about, url, hide
        self.held: list[str] = []

    def receive(self, *, wait: int) -> dict[str, Any] | None:
        """The next message, waiting for one up to so many seconds."""
        answer = self._aws.call(
            "sqs:ReceiveMessage",
            self._about,
            QueueUrl=self._url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=wait,
            VisibilityTimeout=self._hide,
            MessageAttributeNames=[ATTRIBUTE],
            MessageSystemAttributeNames=["DeadLetterQueueSourceArn"],
        )
        messages = answer.get("Messages") or [None]
        message: dict[str, Any] | None = messages[0]
        return message

    def delete(self, message: dict[str, Any]) -> None:
        """Remove a message of ours."""
        self._aws.call(
            "sqs:DeleteMessage", self._about, QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"]
        )

    def hold(self, message: dict[str, Any]) -> None:
        """Keep a message of another's hidden until `give_back`, so that it is not received twice."""
        self.held.append(message["ReceiptHandle"])

    def give_back(self) -> None:
        """Show all messages that are held again."""
        for receipt in self.held:
            self._aws.call(
                "sqs:ChangeMessageVisibility",
                self._about,
                QueueUrl=self._url,
                ReceiptHandle=receipt,
                VisibilityTimeout=0,
            )


def carry(
    aws: Aws,
    queue: SqsQueue,
    *,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Carried:
    """Send a probe and take it back, within `timeout` seconds.

    Raises:
        ProbeLost: it was accepted and did not come back.
        Fault: the queue cannot be asked.
    """
    import uuid

    probe, deadline = str(uuid.uuid4()), clock() + timeout
    state = poll(
        lambda: describe(aws, queue.queue),
        lambda seen: not seen.visible,
        timeout=timeout,
        clock=clock,
        sleep=sleep,
    )
    if state.visible:
        return Carried("nobody", probe, 0.0, waiting=state.visible)
    _send(aws, queue, state, probe)
    sent = clock()
    mail = Mail(aws, queue.home, state.url, hide=int(timeout) + MARGIN)
    try:
        by = _take_back(aws, queue, mail, probe, deadline=max(deadline, sent + 2.0), clock=clock)
    finally:
        mail.give_back()
    seconds = clock() - sent
    swept = sweep(aws, queue.dead_letter_queue) if by == "consumer" else []
    return Carried(by, probe, seconds, others=len(mail.held), dead_lettered=len(swept))


def _take_back(
    aws: Aws, queue: SqsQueue, mail: Mail, probe: str, *, deadline: float, clock: Callable[[], float]
) -> Literal["gate", "consumer", "nobody"]:
    gone = 0
    while True:
        message = mail.receive(wait=1)
        if message is not None:
            if probe_of(message) == probe:
                mail.delete(message)
                return "gate"
            mail.hold(message)
            if len(mail.held) >= MAX_HELD:
                return "nobody"
            continue
        state = describe(aws, queue.queue)
        gone = gone + 1 if state.messages <= len(mail.held) else 0
        if gone >= _GONE:
            return "consumer"
        if clock() >= deadline:
            if not state.visible and not state.delayed:
                return "consumer"
            raise _lost(queue, state, probe)


def _lost(queue: SqsQueue, state: QueueState, probe: str) -> ProbeLost:
    return ProbeLost(
        f"{queue.home} accepted probe {probe} and did not deliver it in time: {state.visible} messages are waiting, "
        f"{state.delayed} are delayed, {state.in_flight} are with consumers",
        hint="see whether the queue has a delivery delay or a policy that hides messages; the probe is still in it",
    )


def _send(aws: Aws, queue: SqsQueue, state: QueueState, probe: str) -> None:
    ordered = (
        {"MessageGroupId": f"{ATTRIBUTE}-{probe}", "MessageDeduplicationId": probe} if state.fifo else {}
    )
    answer = aws.call(
        "sqs:SendMessage",
        queue.home,
        QueueUrl=state.url,
        MessageBody=json.dumps({ATTRIBUTE: probe}),
        MessageAttributes={ATTRIBUTE: {"DataType": "String", "StringValue": probe}},
        **ordered,
    )
    need(answer, "MessageId", "sqs:SendMessage", queue.home)


def sweep(aws: Aws, dead_letter_queue: str) -> list[tuple[str, str]]:
    """Remove probes from a dead-letter queue: a consumer that rejects them puts them there.

    Returns their ids, each with the name of the queue it comes from.
    """
    if not dead_letter_queue:
        return []
    state = describe(aws, dead_letter_queue)
    mail = Mail(aws, f"SQS queue {dead_letter_queue}", state.url, hide=MARGIN)
    removed: list[tuple[str, str]] = []
    try:
        for _ in range(min(state.visible, _SWEEP)):
            if (message := mail.receive(wait=0)) is None:
                break
            if probe := probe_of(message):
                mail.delete(message)
                source = str(message.get("Attributes", {}).get("DeadLetterQueueSourceArn", ""))
                removed.append((probe, source.rpartition(":")[2]))
            else:
                mail.hold(message)
    finally:
        mail.give_back()
    return removed


def probe_of(message: dict[str, Any]) -> str:
    """The id of the probe that a message is; empty where it is none. SNS without raw delivery wraps it into its own."""
    value = message.get("MessageAttributes", {}).get(ATTRIBUTE, {}).get("StringValue", "")
    if not value and ATTRIBUTE in message.get("Body", ""):
        try:
            value = json.loads(message["Body"])["MessageAttributes"][ATTRIBUTE]["Value"]
        except (ValueError, KeyError, TypeError):
            return ""
    return str(value)


@contextmanager
def alone(folder: Path, *names: str) -> Iterator[None]:
    """Keep other probes of this run, in whatever process, away from these queues: they would take each other's."""
    import fcntl

    with ExitStack() as stack:
        for name in sorted(set(names)):
            file = stack.enter_context((folder / f"probe-{name}.lock").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
