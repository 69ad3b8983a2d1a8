"""Domains and what may happen to them: the rules, and the ports to the database and the bus.

A domain is activated or deactivated in two steps. The API writes the wish (``activating``) and announces it; the
worker carries it out and marks the row (``active``). Every wish raises the row's revision, so that a message that
arrives late or twice changes nothing.
"""

import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?:{_LABEL}\.)+(?!\d+$){_LABEL}")


class Status(StrEnum):
    """Where a domain is on its way."""

    ACTIVATING = "activating"
    ACTIVE = "active"
    DEACTIVATING = "deactivating"
    INACTIVE = "inactive"


class InvalidName(ValueError):
    """The text is no domain name."""


class Unavailable(Exception):
    """The database or the bus does not answer."""


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

    @property
    def deduplication_id(self) -> str:
        """Equal for the same wish, so that announcing it again is harmless."""
        return f"{self.name}-{self.revision}"

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

    def mark(self, name: str, revision: int, status: Status) -> bool:
        """Set the status if the row still has this revision; say whether it had."""


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


def carry_out(change: Change, store: Store) -> bool:
    """Do what was announced; a stale change is left alone and ``False``."""
    return store.mark(change.name, change.revision, change.wanted)


def check_name(text: str) -> str:
    """The name in lower case; raises `InvalidName` for anything that is no domain name."""
    name = text.strip().rstrip(".").lower()
    if len(name) > 253 or not _NAME.fullmatch(name):
        msg = f"{text!r} is not a domain name"
        raise InvalidName(msg)
    return name
