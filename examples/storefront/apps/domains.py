"""Domains and what may happen to them: the rules, and the ports to the database and the bus.

The API writes the wish (``activating``) and announces it; a worker behind each queue carries out its step of it. Once
the steps that matter are done, the row is as wanted (``active``). Every wish raises the row's revision, so that a
message that arrives late or twice changes nothing. A domain that is inactive can be purged: then nothing is left.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

STEPS = ("database-operations", "route53-operations", "github-workflow")
"""The steps of every change, by the names of the queues that their workers read."""
NEEDED = frozenset(STEPS[:2])
"""Those that must be done before a domain is as wanted; nobody waits for the workflow."""

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?:{_LABEL}\.)+(?!\d+$){_LABEL}")


class Status(StrEnum):
    """Where a domain is on its way."""

    ACTIVATING = "activating"
    ACTIVE = "active"
    DEACTIVATING = "deactivating"
    INACTIVE = "inactive"


class Progress(StrEnum):
    """How far a step is."""

    WAITING = "waiting"
    RECEIVED = "received"
    """Its worker has the message."""
    DONE = "done"


class InvalidName(ValueError):
    """The text is no domain name."""


class Unavailable(Exception):
    """The database, the bus or a service does not answer."""


class Unfinished(Exception):
    """The domain cannot be purged: it is not inactive."""


@dataclass(frozen=True)
class Domain:
    """One row: the domain, where it is on its way, and how often that was asked for."""

    name: str
    status: Status
    revision: int = 1


@dataclass(frozen=True)
class Change:
    """What is announced when a domain is to change."""

    name: str
    wanted: Status
    revision: int

    def dumps(self) -> str:
        """As a message body."""
        return json.dumps({"name": self.name, "wanted": self.wanted, "revision": self.revision})

    @classmethod
    def loads(cls, body: str) -> "Change":
        """From a message body; anything else is a `ValueError`."""
        try:
            data = json.loads(body)
            return cls(str(data["name"]), Status(data["wanted"]), int(data["revision"]))
        except (KeyError, TypeError, ValueError) as error:
            msg = f"not a domain change: {error}"
            raise ValueError(msg) from error


class Store(Protocol):
    """The port to the database."""

    def ping(self) -> None:
        """Raise `Unavailable` unless the database answers."""

    def get(self, name: str) -> Domain | None:
        """One domain, if it is known."""

    def all(self) -> list[Domain]:
        """All domains by name."""

    def put(self, domain: Domain) -> None:
        """Write a domain, new or known."""

    def steps(self, domain: Domain) -> Mapping[str, Progress]:
        """How far the steps of the domain's revision are; those nobody has received are not in it."""

    def received(self, change: Change, step: str) -> bool:
        """Note that a step's worker has the message; ``False`` if the row no longer has this revision."""

    def done(self, change: Change, step: str) -> bool:
        """Note that a step is done, and set the status once all that matter are.

        ``False`` if the row no longer has this revision.
        """

    def purge(self, name: str, statuses: Iterable[Status]) -> bool:
        """Forget a domain and its steps, if it has one of these statuses; say whether it did."""


class Bus(Protocol):
    """The port to the topic."""

    def announce(self, change: Change) -> None:
        """Tell everyone; raises `Unavailable` when the topic does not answer."""


_WISHES = {Status.ACTIVE: Status.ACTIVATING, Status.INACTIVE: Status.DEACTIVATING}


class Domains:
    """What can be done with domains."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._bus = bus

    def activate(self, name: str) -> Domain:
        """Ask for a domain to become active. Asking again is harmless."""
        return self._ask(check_name(name), Status.ACTIVE)

    def deactivate(self, name: str) -> Domain | None:
        """Ask for a domain to become inactive; ``None`` when nobody knows it."""
        known = self._store.get(check_name(name))
        return self._ask(known.name, Status.INACTIVE) if known else None

    def purge(self, name: str, *, anyway: bool = False) -> bool:
        """Forget an inactive domain; ``False`` when nobody knows it.

        With `anyway` its status does not count. Steps on their way then find no row and undo what they did.

        Raises:
            Unfinished: it is not inactive.
        """
        name = check_name(name)
        if self._store.purge(name, Status if anyway else (Status.INACTIVE,)):
            return True
        if known := self._store.get(name):
            msg = f"{known.name} is {known.status}: only an inactive domain can be purged"
            raise Unfinished(msg)
        return False

    def progress(self, domain: Domain) -> dict[str, Progress]:
        """How far each step of the domain's revision is."""
        known = self._store.steps(domain)
        return {step: known.get(step, Progress.WAITING) for step in STEPS}

    def _ask(self, name: str, wanted: Status) -> Domain:
        known = self._store.get(name)
        if known and known.status is wanted:
            return known
        wish = _WISHES[wanted]
        if known and known.status is wish:
            domain = known  # announced again: the first announcement may have been lost
        elif known:
            domain = replace(known, status=wish, revision=known.revision + 1)
        else:
            domain = Domain(name, wish)
        self._store.put(domain)
        self._bus.announce(Change(name, wanted, domain.revision))
        return domain


def check_name(text: str) -> str:
    """The name in lower case; raises `InvalidName` for anything that is no domain name."""
    name = text.strip().rstrip(".").lower()
    if len(name) > 253 or not _NAME.fullmatch(name):
        msg = f"{text!r} is not a domain name"
        raise InvalidName(msg)
    return name
