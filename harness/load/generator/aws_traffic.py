"""What one arrival does to AWS: a probe message through a queue, or a topic and its queues; a hosted zone.

botocore is the client; its sockets wait cooperatively because Locust has patched the standard library. A message that is
sent may be received by whichever greenlet asks next, so receivers of their own hand probes to the arrivals they belong to.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Group

from harness.aws import traffic, traffic_messages, traffic_zones
from harness.aws.faults import Fault
from harness.aws.session import Aws
from harness.aws.traffic_messages import Box, QueueInUse, Taken
from harness.errors import GonogoError, ToolError
from harness.load.generator.client import now
from harness.load.generator.recorder import Answer, Step
from harness.load.plan import Plan
from harness.load.result import Kind
from harness.masking import mask

_OK = 200
_WAIT = 1
"""Seconds that one receive waits for a message."""
_AGAIN = 0.2
"""Seconds after which a queue that did not answer is asked again."""
_TIDY = 10.0
"""Seconds that cleaning up may take after the last arrival."""
log = logging.getLogger("harness.load")


class AwsSender(ABC):
    """What the kinds have in common: the guarded session, time-outs, and how a fault counts."""

    extra = 0
    """Connections beside those of the arrivals."""

    def __init__(self, plan: Plan) -> None:
        if plan.nodes > 1:
            raise ToolError(
                f"scenario {plan.scenario!r}: traffic of kind {plan.kind!r} cannot be shared by {plan.nodes} processes",
                hint="one process is enough for what AWS takes: leave processes and workers out",
            )
        self._plan, self._given, self._run = plan, plan.traffic, plan.run
        slots = plan.slots + self.extra
        self._aws: Aws = traffic.session(self._given["session"], slots=slots, timeout=plan.timeout)
        self._numbers = count()

    def prime(self) -> None:
        """Find out who we are, and make clients and connections.

        Raises:
            Fault: AWS does not answer, or not to this account.
        """
        self._aws.identity()

    def send(self) -> Answer:
        """One arrival."""
        held_back = self._aws.held_back
        steps: list[Step] = []
        try:
            with gevent.Timeout(self._plan.timeout):
                retried = self._send(steps)
            answer = Answer(None, _OK, retried=retried, steps=tuple(steps))
        except gevent.Timeout:
            answer = Answer(Kind.TIMEOUT, detail=self._not_in_time(), steps=tuple(steps))
        except QueueInUse as fault:
            answer = Answer(Kind.GENERATOR, detail=fault.message, steps=tuple(steps))
        except Fault as fault:
            told = traffic.failure(fault)
            answer = Answer(Kind(told.kind), told.status, told.detail, steps=tuple(steps))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this arrival's failure and is counted
            answer = Answer(Kind.OTHER, detail=f"{type(error).__name__}: {error}"[:300], steps=tuple(steps))
        if (waited := self._aws.held_back - held_back) > 0:
            return Answer(Kind.GENERATOR, answer.status, f"held back by [aws] calls for {waited:.2f} s")
        return answer

    def close(self) -> None:
        """Remove what is left; what cannot be removed is told in Locust's log, and found by the next run."""
        try:
            with gevent.Timeout(_TIDY):
                self._tidy()
        except gevent.Timeout:
            log.warning("%s: cleaning up took longer than %.0f s and was ended", self._plan.scenario, _TIDY)
        except GonogoError as error:
            log.warning("%s: not all could be cleaned up: %s", self._plan.scenario, mask(error.message))

    @abstractmethod
    def _send(self, steps: list[Step]) -> bool:
        """Do it; returns whether something was asked again on the way.

        Raises:
            Fault: it failed.
        """

    def _not_in_time(self) -> str:
        return f"not done within {self._plan.timeout:g} s"

    @abstractmethod
    def _tidy(self) -> None:
        """Remove what is left.

        Raises:
            Fault: not all could be removed.
        """


@contextmanager
def _step(steps: list[Step], name: str) -> Iterator[None]:
    """Note one request of an arrival, however it ends."""
    begun = now()
    kind: Kind | None = None
    try:
        yield
    except gevent.Timeout:
        kind = Kind.TIMEOUT
        raise
    except Fault as fault:
        kind = Kind(traffic.failure(fault).kind)
        raise
    finally:
        steps.append(Step(name, kind, now() - begun))


class _Waiting:
    """A probe on its way to one or more queues."""

    def __init__(self, boxes: int) -> None:
        self._boxes = boxes
        self._seen: set[str] = set()
        self._there = Event()
        self.taken: dict[str, Taken] = {}
        """What was received and is not deleted yet, by queue."""
        self.retried = False
        self.dead = 0
        """How many were found among dead letters."""
        self.fault: Fault | None = None
        """What ended it: nothing will come any more."""

    def arrived(self, taken: Taken) -> bool:
        """It was received from a queue; ``False`` for a second copy."""
        if taken.queue in self._seen:
            return False
        self._seen.add(taken.queue)
        self.taken[taken.queue] = taken
        self.dead += taken.dead
        if len(self._seen) == self._boxes:
            self._there.set()
        return True

    def ended(self, fault: Fault) -> None:
        """It cannot be received."""
        self.fault = fault
        self._there.set()

    def wait(self) -> None:
        """Until it was received from each queue.

        Raises:
            Fault: it cannot be.
        """
        self._there.wait()
        if self.fault is not None:
            raise self.fault


def _forget(taken: Taken) -> None:
    """Remove a probe that nobody waits for any more; where that fails it comes again, and is removed then."""
    with suppress(Fault):
        taken.delete()


class _Messages(AwsSender):
    """A probe is sent and comes back from each of the queues."""

    def __init__(self, plan: Plan) -> None:
        self._names: Sequence[str] = plan.traffic["queues"]
        self._receivers = int(plan.traffic["receivers"])
        self.extra = (self._receivers + 1) * len(self._names)
        super().__init__(plan)
        self._boxes: list[Box] = []
        self._dead: tuple[Box, ...] = ()
        self._waiting: dict[str, _Waiting] = {}
        self._over = Event()
        self._fault: Fault | None = None
        self._group: list[Any] = []
        self._late = Group()

    def prime(self) -> None:
        """Open the queues, and begin to receive."""
        super().prime()
        self._boxes = [
            traffic_messages.open_box(self._aws, name, run=self._run, timeout=self._plan.timeout)
            for name in self._names
        ]
        self._group = [
            gevent.spawn(self._receive, box) for box in self._boxes for _ in range(self._receivers)
        ]
        self._dead = traffic_messages.dead_letter_boxes(self._boxes)
        self._group += [gevent.spawn(self._receive, box) for box in self._dead]

    def _send(self, steps: list[Step]) -> bool:
        if self._fault is not None:
            raise self._fault
        id_ = f"{traffic_messages.LOAD_PROBE}{self._run}-{next(self._numbers)}"
        waiting = self._waiting[id_] = _Waiting(len(self._boxes))
        try:
            with _step(steps, self._first):
                self._announce(id_)
            with _step(steps, "receive"):
                waiting.wait()
            if waiting.dead:
                steps.append(Step("dead letter", None, steps[-1].took))
            with _step(steps, "delete"):
                while waiting.taken:
                    waiting.taken.popitem()[1].delete()
        finally:
            del self._waiting[id_]
            for taken in waiting.taken.values():  # it did not come everywhere in time
                self._late.spawn(_forget, taken)
        return waiting.retried

    _first = "send"

    def _announce(self, id_: str) -> None:
        traffic_messages.send(self._boxes[0], id_)

    def _not_in_time(self) -> str:
        return (
            f"the probe did not come back within {self._plan.timeout:g} s: a consumer may have taken it; consumers "
            "should give messages with the attribute gonogo-probe back at once"
        )

    def _receive(self, box: Box) -> None:
        """Receive until the end, and hand each probe to whoever waits for it."""
        while not self._over.is_set():
            try:
                for taken in box.receive(wait=_WAIT):
                    waiting = self._waiting.get(taken.id)
                    if waiting is None or not waiting.arrived(taken):
                        self._late.spawn(_forget, taken)  # or a second copy
            except QueueInUse as fault:
                if box in self._boxes:
                    self._end(fault)
                return  # among many dead letters of others ours are not looked for
            except Fault as fault:
                log.warning("%s: %s", self._plan.scenario, mask(fault.message))
                for waiting in list(self._waiting.values()):
                    waiting.retried = True
                self._over.wait(_AGAIN)

    def _end(self, fault: Fault) -> None:
        """Nothing more is received: all that wait, and all that come, fail for this."""
        self._fault = fault
        self._over.set()
        for waiting in list(self._waiting.values()):
            waiting.ended(fault)

    def _tidy(self) -> None:
        self._over.set()
        gevent.joinall(self._group)
        self._late.join()
        for box in self._dead:
            box.give_back()
        for box in self._boxes:
            traffic_messages.clean_up(box)


class Queue(_Messages):
    """A probe message to an SQS queue and back."""


class FanOut(_Messages):
    """A probe message to an SNS topic, and back from each of its queues."""

    _first = "publish"

    def prime(self) -> None:
        """As for a queue; the topic by its ARN."""
        self._topic = traffic_messages.topic_arn(self._aws, self._given["topic"])
        super().prime()

    def _announce(self, id_: str) -> None:
        traffic_messages.publish(self._aws, self._topic, id_)


class Zones(AwsSender):
    """A hosted zone is made and removed."""

    _left = 0
    """How many zones may be left: something failed on the way."""

    def _send(self, steps: list[Step]) -> bool:
        number = f"{self._run[:12]}-{next(self._numbers)}"
        self._left += 1
        with _step(steps, "create"):
            id_ = traffic_zones.create(self._aws, self._given["suffix"], run=self._run, number=number)
        with _step(steps, "delete"):
            traffic_zones.delete(self._aws, id_)
        self._left -= 1
        return False

    def _tidy(self) -> None:
        if not self._left:
            return
        fault = traffic_zones.sweep_soon(self._aws, self._given["suffix"], run=self._run, timeout=_TIDY / 2)
        if fault is not None:
            raise fault
