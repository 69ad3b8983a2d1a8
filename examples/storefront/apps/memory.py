"""The ports in memory, for tests: a database and a bus that can be told to be gone."""

from collections.abc import Iterable
from dataclasses import replace

from apps.domains import NEEDED, Change, Domain, Progress, Status, Unavailable


class MemoryStore:
    """A `Store` in memory; `down` makes it fail like a database that is gone."""

    def __init__(self) -> None:
        self.rows: dict[str, Domain] = {}
        self.progress: dict[tuple[str, int], dict[str, Progress]] = {}
        self.down = False

    def ping(self) -> None:
        """Raise `Unavailable` while `down`, as every method does."""
        if self.down:
            msg = "the database does not answer"
            raise Unavailable(msg)

    def get(self, name: str) -> Domain | None:
        """One domain, if it is known."""
        self.ping()
        return self.rows.get(name)

    def all(self) -> list[Domain]:
        """All domains by name."""
        self.ping()
        return [self.rows[name] for name in sorted(self.rows)]

    def put(self, domain: Domain) -> None:
        """Write a domain, new or known."""
        self.ping()
        self.rows[domain.name] = domain

    def steps(self, domain: Domain) -> dict[str, Progress]:
        """How far the steps of the domain's revision are."""
        self.ping()
        return dict(self.progress.get((domain.name, domain.revision), {}))

    def received(self, change: Change, step: str) -> bool:
        """Note that a step's worker has the message."""
        return self._note(change, step, Progress.RECEIVED)

    def done(self, change: Change, step: str) -> bool:
        """Note that a step is done, and set the status once all that matter are."""
        if not self._note(change, step, Progress.DONE):
            return False
        steps = self.progress[change.name, change.revision]
        if all(steps.get(needed) is Progress.DONE for needed in NEEDED):
            self.rows[change.name] = replace(self.rows[change.name], status=change.wanted)
        return True

    def purge(self, name: str, statuses: Iterable[Status]) -> bool:
        """Forget a domain and its steps, if it has one of these statuses."""
        self.ping()
        row = self.rows.get(name)
        if row is None or row.status not in set(statuses):
            return False
        del self.rows[name]
        self.progress = {key: steps for key, steps in self.progress.items() if key[0] != name}
        return True

    def _note(self, change: Change, step: str, progress: Progress) -> bool:
        self.ping()
        row = self.rows.get(change.name)
        if row is None or row.revision != change.revision:
            return False
        self.progress.setdefault((change.name, change.revision), {})[step] = progress
        return True


class MemoryBus:
    """A `Bus` that remembers what was announced; `down` makes it fail like a topic that is gone."""

    def __init__(self) -> None:
        self.announced: list[Change] = []
        self.down = False

    def announce(self, change: Change) -> None:
        """Remember a change."""
        if self.down:
            msg = "the topic does not answer"
            raise Unavailable(msg)
        self.announced.append(change)


class MemoryZones:
    """Hosted zones in memory; `down` makes it fail like a Route 53 that is gone."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.down = False

    def make(self, name: str) -> None:
        """Make the zone, if it is not there."""
        self._answer()
        self.names.add(name)

    def remove(self, name: str) -> None:
        """Remove the zone, if it is there."""
        self._answer()
        self.names.discard(name)

    def _answer(self) -> None:
        if self.down:
            msg = "Route 53 does not answer"
            raise Unavailable(msg)
