"""A probe message through a topic: published once, it must arrive once on every queue behind it.

Each queue is watched side by side with the others, with the care for messages of others that `harness.aws.probe` takes.
An empty queue is no proof that a consumer took the probe: it may never have come. So only what was received counts, by this
gate or as a dead letter; consumers should give messages with the attribute `ATTRIBUTE` back.
"""

import json
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal

from harness.aws.faults import Absent, Fault
from harness.aws.probe import ATTRIBUTE, MARGIN, MAX_HELD, Mail, probe_of, sweep
from harness.aws.queues import QueueState, describe
from harness.aws.session import Aws, need
from harness.frozen import dataclass, field
from harness.polling import poll

_WAIT = 1
"""Seconds that one receive waits for a message, and so how long a second copy is looked out for."""
_LEAST = 2.0
"""Seconds that the probe has at least, however long the queues took to drain."""


@dataclass(frozen=True)
class Arrival:
    """How the probe fared on one queue.

    `by` is ``gate`` where it was received here, ``dead letters`` where consumers had rejected it into the dead-letter queue,
    ``nobody`` where it was not seen. `seconds` is from publishing to receiving.
    """

    queue: str
    by: Literal["gate", "dead letters", "nobody"]
    copies: int = 0
    """Different messages that carried the probe; a message that SQS delivers again is the same one."""
    seconds: float = 0.0
    others: int = 0
    """Messages of others that were received on the way and given back."""
    busy: bool = False
    """Something was in the queue that was not received here: a consumer may have taken the probe."""
    waiting: int = 0
    delayed: int = 0
    in_flight: int = 0
    """What the queue held at the end, for ``nobody``."""


@dataclass(frozen=True)
class FannedOut:
    """How a probe fared. It was not published where `in_use` names queues with messages of others waiting."""

    id: str
    arrivals: tuple[Arrival, ...] = ()
    in_use: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[Arrival, ...]:
        """Where it was not seen."""
        return tuple(item for item in self.arrivals if item.by == "nobody")

    @property
    def doubled(self) -> tuple[Arrival, ...]:
        """Where it came more than once."""
        return tuple(item for item in self.arrivals if item.copies > 1)


@dataclass
class _Box:
    """One queue that is watched."""

    queue: str
    state: QueueState
    mail: Mail
    copies: set[str] = field(default_factory=set)
    seconds: float = 0.0
    busy: bool = False


@dataclass(frozen=True)
class _Probe:
    """The probe under way; `deadline` by `clock`."""

    aws: Aws
    id: str
    sent: float
    deadline: float
    clock: Callable[[], float]

    def take(self, box: _Box) -> None:
        """Receive until the probe is there, too much is held, or the time is over."""
        while not box.copies and len(box.mail.held) < MAX_HELD:
            if not self._receive(box):
                box.state = describe(self.aws, box.queue)
                box.busy = box.busy or box.state.messages > len(box.mail.held)
                if self.clock() >= self.deadline:
                    return
        box.busy = box.busy or not box.copies

    def look_again(self, box: _Box) -> None:
        """Receive until nothing comes any more: a second copy, or one that came late."""
        while len(box.mail.held) < MAX_HELD and self._receive(box):
            pass

    def _receive(self, box: _Box) -> bool:
        message = box.mail.receive(wait=_WAIT)
        if message is None:
            return False
        if probe_of(message) == self.id:
            box.seconds = box.seconds or self.clock() - self.sent
            box.copies.add(message["MessageId"])
            box.mail.delete(message)
        else:
            box.mail.hold(message)
        return True


def fan_out(
    aws: Aws,
    topic: str,
    names: Sequence[str],
    *,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> FannedOut:
    """Publish a probe to a topic (an ARN) and take it back from its queues, within `timeout` seconds.

    A queue that does not exist counts as one where it did not arrive.

    Raises:
        Fault: topic or queues cannot be asked.
    """
    id_, deadline = str(uuid.uuid4()), clock() + timeout
    states = poll(
        lambda: _states(aws, names),
        lambda seen: not any(state.visible for state in seen.values()),
        timeout=timeout,
        clock=clock,
        sleep=sleep,
    )
    if in_use := tuple(name for name, state in states.items() if state.visible):
        return FannedOut(id_, in_use=in_use)
    hide = int(timeout + _LEAST) + MARGIN
    boxes = [
        _Box(name, state, Mail(aws, f"SQS queue {name}", state.url, hide=hide))
        for name, state in states.items()
    ]
    sent = clock()
    _publish(aws, topic, id_)
    probe = _Probe(aws, id_, sent, max(deadline, sent + _LEAST), clock)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max(1, len(boxes)), thread_name_prefix="fan-out") as pool:
        try:
            list(pool.map(probe.take, boxes))
            list(pool.map(probe.look_again, boxes))
        except BaseException:
            for box in boxes:
                with suppress(Fault):
                    probe.look_again(box)
            raise
        finally:
            for box in boxes:
                with suppress(Fault):  # they come back by themselves
                    box.mail.give_back()
    rejected = _rejected(aws, boxes, id_)
    found = {box.queue: _arrival(box, box.queue in rejected) for box in boxes}
    return FannedOut(id_, tuple(found.get(name, Arrival(name, "nobody")) for name in names))


def _states(aws: Aws, names: Sequence[str]) -> dict[str, QueueState]:
    """The states of those queues that exist."""
    states: dict[str, QueueState] = {}
    for name, state in zip(names, aws.each(lambda name: describe(aws, name), names), strict=True):
        if isinstance(state, QueueState):
            states[name] = state
        elif not isinstance(state, Absent):
            raise state
    return states


def _publish(aws: Aws, topic: str, probe: str) -> None:
    ordered = (
        {"MessageGroupId": f"{ATTRIBUTE}-{probe}", "MessageDeduplicationId": probe}
        if topic.endswith(".fifo")
        else {}
    )
    about = f"SNS topic {topic.rpartition(':')[2]}"
    answer = aws.call(
        "sns:Publish",
        about,
        TopicArn=topic,
        Message=json.dumps({ATTRIBUTE: probe}),
        MessageAttributes={ATTRIBUTE: {"DataType": "String", "StringValue": probe}},
        **ordered,
    )
    need(answer, "MessageId", "sns:Publish", about)


def _rejected(aws: Aws, boxes: Sequence[_Box], probe: str) -> set[str]:
    """The queues whose consumers had put the probe among the dead letters; it is removed there."""
    places = {box.state.dead_letter_queue for box in boxes if not box.copies} - {""}
    return {source for place in sorted(places) for found, source in sweep(aws, place) if found == probe}


def _arrival(box: _Box, rejected: bool) -> Arrival:
    state = box.state
    if box.copies:
        return Arrival(box.queue, "gate", len(box.copies), box.seconds, len(box.mail.held))
    return Arrival(
        box.queue,
        "dead letters" if rejected else "nobody",
        copies=int(rejected),
        others=len(box.mail.held),
        busy=box.busy,
        waiting=state.visible,
        delayed=state.delayed,
        in_flight=state.in_flight,
    )
