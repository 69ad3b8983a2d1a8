"""The ports in memory, for tests: a database and a bus that can be told to be gone."""

from dataclasses import replace

from apps.domains import Change, Domain, Status, Unavailable


class MemoryStore:
    """A `Store` in memory; `down` makes it fail like a database that is gone."""

    def __init__(self) -> None:
        self.rows: dict[str, Domain] = {}
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

    def mark(self, name: str, revision: int, status: Status) -> bool:
        """Set the status if the row still has this revision; say whether it had."""
        self.ping()
        row = self.rows.get(name)
        if row is None or row.revision != revision:
            return False
        self.rows[name] = replace(row, status=status)
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
