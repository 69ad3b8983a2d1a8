"""A probe message through a queue: sent, received, deleted, and nobody else's message harmed.

Receiving a message that is another's hides it and counts towards its redrive, so the probe waits until nothing is
waiting in the queue, takes one message at a time, takes no message of another's twice, and gives them back.

A consumer of the queue may be quicker and take the probe. It recognises one by the message attribute `ATTRIBUTE` and
should give it back (or delete it unprocessed). A probe that SQS accepted and that has then left the queue was received
by a consumer: nothing else takes a message out. That shows as much, and is told apart in what the check records.
"""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from harness.aws.faults import Fault
from harness.aws.session import Aws, need
from harness.aws.sqs import QueueState, SqsQueue, describe
from harness.model import Outcome

ATTRIBUTE = "gonogo-probe"
"""The message attribute that marks a probe; its value is the probe's id."""
_MAX_HELD = 10
"""Messages of others that may be held at once; more means that the queue is in use."""
_MARGIN = 5
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


class _Mail:
    """Receiving from one queue without harm to what is not ours."""

    def __init__(self, aws: Aws, about: str, url: str, *, hide: int) -> None:
        self._aws, self._about, self._url, self._hide = aws, about, url, hide
        self.held: list[str] = []

    def receive(self, *, wait: int) -> dict[str, Any] | None:
        answer = self._aws.call(
            "sqs:ReceiveMessage",
            self._about,
            QueueUrl=self._url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=wait,
            VisibilityTimeout=self._hide,
            MessageAttributeNames=[ATTRIBUTE],
        )
        messages = answer.get("Messages") or [None]
        message: dict[str, Any] | None = messages[0]
        return message

    def delete(self, message: dict[str, Any]) -> None:
        self._aws.call(
            "sqs:DeleteMessage", self._about, QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"]
        )

    def hold(self, message: dict[str, Any]) -> None:
        self.held.append(message["ReceiptHandle"])

    def give_back(self) -> None:
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
    probe, deadline = str(uuid.uuid4()), clock() + timeout
    state = describe(aws, queue.queue)
    while state.visible and clock() < deadline:
        sleep(min(0.5, max(0.0, deadline - clock())))
        state = describe(aws, queue.queue)
    if state.visible:
        return Carried("nobody", probe, 0.0, waiting=state.visible)
    _send(aws, queue, state, probe)
    sent = clock()
    mail = _Mail(aws, queue.home, state.url, hide=int(timeout) + _MARGIN)
    try:
        by = _take_back(aws, queue, mail, probe, deadline=max(deadline, sent + 2.0), clock=clock)
    finally:
        mail.give_back()
    seconds = clock() - sent
    swept = _sweep(aws, queue) if by == "consumer" else 0
    return Carried(by, probe, seconds, others=len(mail.held), dead_lettered=swept)


def _take_back(
    aws: Aws, queue: SqsQueue, mail: _Mail, probe: str, *, deadline: float, clock: Callable[[], float]
) -> Literal["gate", "consumer", "nobody"]:
    gone = 0
    while True:
        message = mail.receive(wait=1)
        if message is not None:
            if _probe_of(message) == probe:
                mail.delete(message)
                return "gate"
            mail.hold(message)
            if len(mail.held) >= _MAX_HELD:
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


def _sweep(aws: Aws, queue: SqsQueue) -> int:
    """Remove probes from the dead-letter queue: a consumer that rejects them puts them there. Returns how many."""
    if not queue.dead_letter_queue:
        return 0
    state = describe(aws, queue.dead_letter_queue)
    mail = _Mail(aws, f"SQS queue {queue.dead_letter_queue}", state.url, hide=_MARGIN)
    removed = 0
    try:
        for _ in range(min(state.visible, _SWEEP)):
            if (message := mail.receive(wait=0)) is None:
                break
            if _probe_of(message):
                mail.delete(message)
                removed += 1
            else:
                mail.hold(message)
    finally:
        mail.give_back()
    return removed


def _probe_of(message: dict[str, Any]) -> str:
    return str(message.get("MessageAttributes", {}).get(ATTRIBUTE, {}).get("StringValue", ""))
