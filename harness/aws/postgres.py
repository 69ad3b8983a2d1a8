"""Logins to a PostgreSQL server, in sessions that cannot write."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from harness.aws.faults import Fault
from harness.aws.secrets import Credentials
from harness.frozen import dataclass
from harness.model import Outcome

if TYPE_CHECKING:
    from psycopg import Connection

CONNECT_SECONDS = 5
"""How long the server may take to accept a connection; libpq waits at least 2."""
_STATEMENT_MS = 5000
_OPTIONS = f"-c statement_timeout={_STATEMENT_MS} -c default_transaction_read_only=on"
_WANTS_TLS = re.compile(
    r"no pg_hba\.conf entry .*(no encryption|ssl off)|requires? (tls|ssl)|(tls|ssl) .*required"
)


class LoginFailed(Fault):
    """The database did not let the application's credentials in. A failure: RDS says that the instance is there."""

    outcome = Outcome.FAILED


class WantsTls(LoginFailed):
    """The server refuses connections without TLS, and this was one."""


@dataclass(frozen=True)
class Login:
    """A login that worked: seconds from connecting to the query's answer, and what the server says it is."""

    seconds: float
    version: str


@contextmanager
def session(
    credentials: Credentials,
    host: str,
    port: int,
    database: str,
    *,
    tls: Literal["prefer", "disable"] = "prefer",
) -> "Iterator[Connection[Any]]":
    """A connection in which every statement is a transaction of its own that cannot write, of 5 seconds at most.

    Raises:
        LoginFailed: the server does not answer, refuses the credentials or the database, or a query failed.
    """
    import psycopg

    where = f"{credentials.username}@{host}:{port}/{database}"
    try:
        with psycopg.connect(
            host=host,
            port=port,
            dbname=database,
            user=credentials.username,
            password=credentials.password,
            connect_timeout=CONNECT_SECONDS,
            application_name="gonogo",
            options=_OPTIONS,
            sslmode=tls,
            autocommit=True,
        ) as connection:
            yield connection
    except psycopg.Error as error:
        raise _failure(where, said(error)) from None


def login(credentials: Credentials, host: str, port: int, database: str) -> Login:
    """Log in and run ``SELECT 1``.

    Raises:
        LoginFailed: the server does not answer, refuses the credentials or the database, or cannot run the query.
    """
    started = time.monotonic()
    with session(credentials, host, port, database) as connection:
        row = connection.execute("SELECT 1").fetchone()
        version = str(connection.info.parameter_status("server_version") or "")
    if row != (1,):
        where = f"{credentials.username}@{host}:{port}/{database}"
        raise LoginFailed(f"login as {where}: SELECT 1 answered {row!r}", hint="look at what answers there")
    return Login(time.monotonic() - started, version)


def select(credentials: Credentials, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Log in where the secret points to and read rows, in a transaction that cannot write.

    Raises:
        LoginFailed: the secret does not say where; or the server does not answer, refuses, or cannot run the query.
    """
    if not credentials.host or not credentials.database:
        raise LoginFailed(
            "the database's secret does not say where it is", hint="complete it: host, port, dbname"
        )
    with session(credentials, credentials.host, credentials.port or 5432, credentials.database) as connection:
        return connection.execute(query.encode(), parameters).fetchall()


def refuses_plain(credentials: Credentials, host: str, port: int, database: str) -> bool:
    """Whether the server refuses a connection without TLS; a password is never sent in the clear unless it asks so.

    Raises:
        LoginFailed: it refuses for another reason, so nothing is known.
    """
    try:
        with session(credentials, host, port, database, tls="disable"):
            return False
    except WantsTls:
        return True


def said(error: Exception) -> str:
    """What PostgreSQL, or libpq, said, in one line."""
    return " ".join(str(error).split())


def _failure(where: str, message: str) -> LoginFailed:
    """Tell apart what psycopg says; a connection that failed has no SQLSTATE, so the text is all there is."""
    text = message.lower()
    if _WANTS_TLS.search(text):
        return WantsTls(
            f"login as {where}: the server takes no connection without TLS ({message})",
            hint="see why no TLS connection comes about: the client's libpq, a proxy in between",
        )
    if "password authentication failed" in text or "no pg_hba.conf entry" in text:
        return LoginFailed(
            f"login as {where}: the server refuses the credentials ({message})",
            hint="compare the secret with the database's password; a rotation may have stopped half way",
        )
    if "does not exist" in text:
        return LoginFailed(f"login as {where}: {message}", hint="create it, or correct the secret")
    return LoginFailed(
        f"login as {where}: the database does not answer ({message})",
        hint="see whether it runs, and whether the machine of the gate has a route to it (security groups, subnets)",
    )
