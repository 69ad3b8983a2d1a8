"""What a PostgreSQL server says of itself: its answer time, its connections, its standbys, its schema's revision."""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from harness.aws.postgres import said
from harness.frozen import dataclass, field

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.sql import Composed

    from harness.aws.rds import Migrations

QUERIES = 5
"""How often ``SELECT 1`` is asked; the one in the middle counts, so that a single slow one does not."""
_REVISIONS = 10
"""How many revisions are read from a table that should hold one."""
_CONNECTIONS = """
SELECT (SELECT coalesce(sum(numbackends), 0)::int FROM pg_stat_database WHERE datname IS NOT NULL),
       current_setting('max_connections')::int
"""
_STANDBY_LAG = """
SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
                 AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8
"""
"""A standby that has replayed all it received, and still receives, is not behind, however long ago the last change was."""
_REPLICAS = """
SELECT coalesce(nullif(application_name, ''), client_addr::text, 'unnamed'),
       coalesce(state, ''),
       extract(epoch FROM replay_lag)::float8,
       pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8
FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'
"""


@dataclass(frozen=True)
class Replica:
    """A standby that replicates from the server: how long (seconds) and how much (bytes) it is behind.

    Without the role ``pg_monitor`` PostgreSQL shows that there is one, and nothing else: `state` is empty then.
    """

    name: str
    state: str
    lag: float | None
    behind: float | None

    @property
    def seconds(self) -> float | None:
        """How far it is behind; PostgreSQL shows no lag for one that has caught up and has nothing to do."""
        return 0.0 if self.lag is None and self.behind == 0 else self.lag


@dataclass(frozen=True)
class Server:
    """A server as it describes itself.

    `query_seconds` is the middle of `QUERIES`; `encrypted` whether this very session used TLS. `standby_lag` is in
    seconds. `revisions` are what the migrations table holds. `unread` has, by part (``connections``, ``replication``,
    ``migrations``), what the server said instead.
    """

    version: str
    query_seconds: float
    encrypted: bool
    connections: int = 0
    max_connections: int = 0
    standby: bool = False
    standby_lag: float | None = None
    replicas: tuple[Replica, ...] = ()
    revisions: tuple[str, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)


def read(connection: "Connection[Any]", migrations: "Migrations | None") -> Server:
    """Ask a server everything that is judged; a part that it does not answer is noted, the others go on.

    Raises:
        psycopg.Error: the connection broke.
    """
    found: dict[str, Any] = {}
    unread: dict[str, str] = {}
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "connections": lambda: _connections(connection),
        "replication": lambda: _replication(connection),
    }
    if migrations is not None:
        parts["migrations"] = lambda: {"revisions": _revisions(connection, migrations)}
    query_seconds = median(_timed(connection) for _ in range(QUERIES))
    for name, ask in parts.items():
        _try(connection, name, ask, found, unread)
    return Server(
        version=str(connection.info.parameter_status("server_version") or ""),
        query_seconds=query_seconds,
        encrypted=bool(connection.pgconn.ssl_in_use),
        unread=unread,
        **found,
    )


def _try(
    connection: "Connection[Any]",
    name: str,
    ask: Callable[[], dict[str, Any]],
    found: dict[str, Any],
    unread: dict[str, str],
) -> None:
    import psycopg

    try:
        found.update(ask())
    except psycopg.Error as error:
        if connection.closed:
            raise
        unread[name] = said(error)


def _timed(connection: "Connection[Any]") -> float:
    started = time.monotonic()
    connection.execute("SELECT 1").fetchone()
    return time.monotonic() - started


def _connections(connection: "Connection[Any]") -> dict[str, Any]:
    used, most = _row(connection, _CONNECTIONS)
    return {"connections": used, "max_connections": most}


def _replication(connection: "Connection[Any]") -> dict[str, Any]:
    (standby,) = _row(connection, "SELECT pg_is_in_recovery()")
    if standby:
        (lag,) = _row(connection, _STANDBY_LAG)
        return {"standby": True, "standby_lag": lag}
    return {"replicas": tuple(Replica(*row) for row in connection.execute(_REPLICAS).fetchall())}


def _row(connection: "Connection[Any]", query: str) -> Sequence[Any]:
    row: Sequence[Any] | None = connection.execute(query.encode()).fetchone()
    return row or ()


def _revisions(connection: "Connection[Any]", migrations: "Migrations") -> tuple[str, ...]:
    rows = connection.execute(revisions_query(migrations)).fetchall()
    return tuple(sorted(str(value) for (value,) in rows))


def revisions_query(migrations: "Migrations") -> "Composed":
    """The query for what a migrations table holds; every name in it quoted as an identifier."""
    from psycopg.sql import SQL, Identifier, Literal

    table, column = Identifier(*migrations.table.split(".")), Identifier(migrations.column)
    query = SQL("SELECT DISTINCT {}::text FROM {} LIMIT {}").format(column, table, Literal(_REVISIONS))
    if migrations.latest_by:
        newest = Identifier(migrations.latest_by)
        query = SQL("SELECT {}::text FROM {} ORDER BY {} DESC NULLS LAST LIMIT 1").format(
            column, table, newest
        )
    return query


def revision_problem(server: Server, migrations: "Migrations") -> str:
    """Why the schema is not at the wanted revision; empty where it is."""
    if "migrations" in server.unread:
        return f"its migrations table {migrations.table} cannot be read ({server.unread['migrations']})"
    if not server.revisions:
        return f"its migrations table {migrations.table} is empty: no migration was ever run"
    if server.revisions != (migrations.revision,):
        return f"its schema is at revision {', '.join(server.revisions)}, wanted is {migrations.revision}"
    return ""


def replication(server: Server) -> tuple[str, float | None]:
    """How it replicates, in words, and how far the standby that is last is behind (seconds); empty where it does not.

    No number where PostgreSQL does not show it for each of them.
    """
    if server.standby:
        return "it is a standby", server.standby_lag
    if not server.replicas:
        return "", None
    lags = [replica.seconds for replica in server.replicas]
    known = [lag for lag in lags if lag is not None]
    told = ", ".join(f"{replica.name} ({replica.state or 'not shown'})" for replica in server.replicas)
    return f"replicates to {told}", max(known) if len(known) == len(lags) else None
