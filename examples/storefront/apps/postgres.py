"""The `Store` on PostgreSQL: a table of domains behind a few connections that are kept open."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import LifoQueue
from typing import Any

import psycopg

from apps.config import Database
from apps.domains import Domain, Status, Unavailable

_TABLE = """
CREATE TABLE IF NOT EXISTS domains (
    name text PRIMARY KEY,
    status text NOT NULL,
    revision integer NOT NULL,
    changed timestamptz NOT NULL DEFAULT now()
)"""
_PUT = """
INSERT INTO domains (name, status, revision) VALUES (%s, %s, %s)
ON CONFLICT (name) DO UPDATE SET status = EXCLUDED.status, revision = EXCLUDED.revision, changed = now()"""
_MARK = "UPDATE domains SET status = %s, changed = now() WHERE name = %s AND revision = %s"
_GET = "SELECT name, status, revision FROM domains WHERE name = %s"
_ALL = "SELECT name, status, revision FROM domains ORDER BY name"
_LOCK = "SELECT pg_advisory_xact_lock(7073)"


class PostgresStore:
    """Domains in PostgreSQL. Safe to use from several threads, up to `connections` of them at once."""

    def __init__(self, database: Database, *, connections: int = 8) -> None:
        self._arguments: dict[str, Any] = database.connection()
        self._idle: LifoQueue[psycopg.Connection | None] = LifoQueue()
        for _ in range(connections):
            self._idle.put(None)

    def create(self) -> None:
        """Make the table if it is not there; several programs may do so at once."""
        with self._connection() as connection, connection.transaction():
            connection.execute(_LOCK)
            connection.execute(_TABLE)

    def ping(self) -> None:
        """Raise `Unavailable` unless the database answers."""
        with self._connection() as connection:
            connection.execute("SELECT 1")

    def get(self, name: str) -> Domain | None:
        """One domain, if it is known."""
        with self._connection() as connection:
            row = connection.execute(_GET, (name,)).fetchone()
        return _domain(row) if row else None

    def all(self) -> list[Domain]:
        """All domains by name."""
        with self._connection() as connection:
            return [_domain(row) for row in connection.execute(_ALL).fetchall()]

    def put(self, domain: Domain) -> None:
        """Write a domain, new or known."""
        with self._connection() as connection:
            connection.execute(_PUT, (domain.name, str(domain.status), domain.revision))

    def mark(self, name: str, revision: int, status: Status) -> bool:
        """Set the status if the row still has this revision; say whether it had."""
        with self._connection() as connection:
            return connection.execute(_MARK, (str(status), name, revision)).rowcount == 1

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        connection = self._idle.get()
        try:
            if connection is None or connection.closed:
                connection = psycopg.connect(autocommit=True, **self._arguments)
            yield connection
        except psycopg.OperationalError as error:
            if connection is not None:
                connection.close()
            msg = f"the database does not answer: {type(error).__name__}"
            raise Unavailable(msg) from error
        finally:
            self._idle.put(connection)


def _domain(row: tuple[Any, ...]) -> Domain:
    name, status, revision = row
    return Domain(name, Status(status), revision)
