"""Reads the database-operations queue and marks domains.

The same topic feeds two more queues, each with a consumer of its own: route53-operations (hosted zones) and
github-workflow. A message that cannot be read is left where it is: after three receives it is a dead letter.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Protocol

from apps.domains import Change, Store, Unavailable, carry_out
from apps.messaging import Message

QUEUE = "database-operations"
log = logging.getLogger("storefront.worker")


class Inbox(Protocol):
    """The port to the queue."""

    def receive(self) -> Iterator[Message]:
        """The next messages."""

    def delete(self, message: Message) -> None:
        """The message is done with."""

    def give_back(self, message: Message) -> None:
        """Make the message visible to others at once."""


class Worker:
    """Handles messages one by one."""

    def __init__(self, inbox: Inbox, store: Store, *, pause: Callable[[], object] = lambda: None) -> None:
        self._inbox = inbox
        self._store = store
        self._pause = pause

    def step(self) -> int:
        """Handle what is there now; returns how many messages were carried out."""
        done = 0
        for message in self._inbox.receive():
            if message.probe:
                self._inbox.give_back(message)
                self._pause()
            elif self._carried_out(message):
                self._inbox.delete(message)
                done += 1
        return done

    def _carried_out(self, message: Message) -> bool:
        try:
            change = Change.loads(message.body)
            applied = carry_out(change, self._store)
        except ValueError as error:
            log.warning("left for the dead-letter queue: %s", error)
            return False
        except Unavailable as error:
            log.warning("left for another try: %s", error)
            return False
        log.info("%s is %s%s", change.name, change.wanted, "" if applied else " already or no longer wanted")
        return True
