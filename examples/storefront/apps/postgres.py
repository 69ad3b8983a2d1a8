"""The `Store` on PostgreSQL: domains and the steps of their revisions, behind a few connections that are kept open."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import LifoQueue
from typing import Any

import psycopg

from apps.config import Database
from apps.domains import NEEDED, Change, Domain, Progress, Status, Unavailable

_TABLES = (
    """
CREATE TABLE IF NOT EXISTS domains (
    name text PRIMARY KEY,
    status text NOT NULL,
    revision integer NOT NULL,
    changed timestamptz NOT NULL DEFAULT now()
)""",
    """
CREATE TABLE IF NOT EXISTS domain_steps (
    name text NOT NULL REFERENCES domains ON DELETE CASCADE,
    revision integer NOT NULL,
    step text NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    done timestamptz,
    PRIMARY KEY (name, revision, step)
)""",
)
_PUT = """
INSERT INTO domains (name, status, revision) VALUES (%s, %s, %s)
ON CONFLICT (name) DO UPDATE SET status = EXCLUDED.status, revision = EXCLUDED.revision, changed = now()"""
_RECEIVED = """
INSERT INTO domain_steps (name, revision, step)
SELECT name, revision, %s FROM domains WHERE name = %s AND revision = %s FOR KEY SHARE
ON CONFLICT (name, revision, step) DO UPDATE SET step = EXCLUDED.step"""
_TAKE = "SELECT 1 FROM domains WHERE name = %s AND revision = %s FOR UPDATE"
_DONE = """
INSERT INTO domain_steps (name, revision, step, done) VALUES (%s, %s, %s, now())
ON CONFLICT (name, revision, step) DO UPDATE SET done = now()"""
_COUNT = """
SELECT count(*) FROM domain_steps
WHERE name = %s AND revision = %s AND done IS NOT NULL AND step = ANY(%s)"""
_MARK = "UPDATE domains SET status = %s, changed = now() WHERE name = %s"
_STEPS = "SELECT step, done IS NOT NULL FROM domain_steps WHERE name = %s AND revision = %s"
_PURGE = "DELETE FROM domains WHERE name = %s AND status = ANY(%s)"
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
        """Make the tables if they are not there; several programs may do so at once."""
        with self._connection() as connection, connection.transaction():
            connection.execute(_LOCK)
            for table in _TABLES:
                connection.execute(table)

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

    def steps(self, domain: Domain) -> dict[str, Progress]:
        """How far the steps of the domain's revision are."""
        with self._connection() as connection:
            rows = connection.execute(_STEPS, (domain.name, domain.revision)).fetchall()
        return {step: Progress.DONE if done else Progress.RECEIVED for step, done in rows}

    def received(self, change: Change, step: str) -> bool:
        """Note that a step's worker has the message; ``False`` if the row no longer has this revision."""
        with self._connection() as connection:
            return connection.execute(_RECEIVED, (step, change.name, change.revision)).rowcount == 1

    def done(self, change: Change, step: str) -> bool:
        """Note that a step is done, and set the status once all that matter are. Workers take turns at the row."""
        revision = (change.name, change.revision)
        with self._connection() as connection, connection.transaction():
            if connection.execute(_TAKE, revision).fetchone() is None:
                return False
            connection.execute(_DONE, (*revision, step))
            if connection.execute(_COUNT, (*revision, list(NEEDED))).fetchone() == (len(NEEDED),):
                connection.execute(_MARK, (str(change.wanted), change.name))
        return True

    def purge(self, name: str, statuses: Iterable[Status]) -> bool:
        """Forget a domain and its steps, if it has one of these statuses; say whether it did."""
        with self._connection() as connection:
            return connection.execute(_PURGE, (name, [str(one) for one in statuses])).rowcount == 1

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
