"""Reads one queue and carries out its step of each change.

The same topic feeds three queues: database-operations, route53-operations (hosted zones) and github-workflow. A message
that cannot be read is left where it is: after three receives it is a dead letter.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Protocol

from apps.domains import STEPS, Change, Status, Store, Unavailable
from apps.messaging import Message

DATABASE, ROUTE53, GITHUB = STEPS
log = logging.getLogger("storefront.worker")


class Inbox(Protocol):
    """The port to the queue."""

    def receive(self) -> Iterator[Message]:
        """The next messages."""

    def delete(self, message: Message) -> None:
        """The message is done with."""

    def give_back(self, message: Message) -> None:
        """Make the message visible to others at once."""


class Zones(Protocol):
    """The port to Route 53. Both raise `Unavailable`, and asking again is harmless."""

    def make(self, name: str) -> None:
        """Make the hosted zone and wait until it is known everywhere."""

    def remove(self, name: str) -> None:
        """Remove the hosted zone."""


class Act(Protocol):
    """What a step does in the world beside being noted."""

    def carry_out(self, change: Change) -> None:
        """Make it so; doing it again is harmless. Raises `Unavailable`."""

    def undo(self, change: Change) -> None:
        """The domain was purged meanwhile: leave nothing behind. Raises `Unavailable`."""


class Note:
    """A step that is done once it is noted: the row itself, and the workflow's dispatch, which stays on paper here."""

    def carry_out(self, change: Change) -> None:
        """Nothing beside the note."""

    def undo(self, change: Change) -> None:
        """The note went with the row."""


class HostedZone:
    """An active domain has a hosted zone, an inactive one has none."""

    def __init__(self, zones: Zones) -> None:
        self._zones = zones

    def carry_out(self, change: Change) -> None:
        """Make or remove the zone."""
        if change.wanted is Status.ACTIVE:
            self._zones.make(change.name)
        else:
            self._zones.remove(change.name)

    def undo(self, change: Change) -> None:
        """Remove the zone."""
        self._zones.remove(change.name)


class Worker:
    """Handles the messages of one queue one by one."""

    def __init__(
        self,
        inbox: Inbox,
        store: Store,
        step: str,
        act: Act | None = None,
        *,
        pause: Callable[[], object] = lambda: None,
    ) -> None:
        self._inbox = inbox
        self._store = store
        self._step = step
        self._act = act or Note()
        self._pause = pause

    def step(self) -> int:
        """Handle what is there now; returns how many messages were carried out."""
        done = 0
        for message in self._inbox.receive():
            if message.probe:
                self._inbox.give_back(message)
                self._pause()
            elif self._handled(message):
                self._inbox.delete(message)
                done += 1
        return done

    def _handled(self, message: Message) -> bool:
        try:
            change = Change.loads(message.body)
            applied = self._carry_out(change)
        except ValueError as error:
            log.warning("%s: left for the dead-letter queue: %s", self._step, error)
            return False
        except Unavailable as error:
            log.warning("%s: left for another try: %s", self._step, error)
            return False
        log.info(
            "%s: %s %s%s", self._step, change.name, change.wanted, "" if applied else ": no longer wanted"
        )
        return True

    def _carry_out(self, change: Change) -> bool:
        """Do this step of a change; a stale change is left alone and ``False``."""
        if not self._store.received(change, self._step):
            return False
        self._act.carry_out(change)
        if self._store.done(change, self._step):
            return True
        if self._store.get(change.name) is None:
            self._act.undo(change)
        return False
