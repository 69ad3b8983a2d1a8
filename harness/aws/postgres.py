"""A real login to a PostgreSQL server, and one query."""

import time
from dataclasses import dataclass
from typing import Any

from harness.aws.faults import Fault
from harness.aws.secrets import Credentials
from harness.model import Outcome

CONNECT_SECONDS = 5
"""How long the server may take to accept a connection; libpq waits at least 2."""
_STATEMENT_MS = 5000
_OPTIONS = f"-c statement_timeout={_STATEMENT_MS} -c default_transaction_read_only=on"


class LoginFailed(Fault):
    """The database did not let the application's credentials in. A failure: RDS says that the instance is there."""

    outcome = Outcome.FAILED


@dataclass(frozen=True)
class Login:
    """A login that worked: seconds from connecting to the query's answer, and what the server says it is."""

    seconds: float
    version: str


def login(credentials: Credentials, host: str, port: int, database: str) -> Login:
    """Log in and run ``SELECT 1``.

    Raises:
        LoginFailed: the server does not answer, refuses the credentials or the database, or cannot run the query.
    """
    import psycopg

    where = f"{credentials.username}@{host}:{port}/{database}"
    started = time.monotonic()
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
        ) as connection:
            row = connection.execute("SELECT 1").fetchone()
            version = str(connection.info.parameter_status("server_version") or "")
    except psycopg.Error as error:
        raise _failure(where, " ".join(str(error).split())) from None
    if row != (1,):
        raise LoginFailed(f"login as {where}: SELECT 1 answered {row!r}", hint="look at what answers there")
    return Login(time.monotonic() - started, version)


def select(credentials: Credentials, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Log in where the secret points to and read rows, in a transaction that cannot write.

    Raises:
        LoginFailed: the secret does not say where; or the server does not answer, refuses, or cannot run the query.
    """
    import psycopg

    where = f"{credentials.username}@{credentials.host}:{credentials.port or 5432}/{credentials.database}"
    if not credentials.host or not credentials.database:
        raise LoginFailed(
            "the database's secret does not say where it is", hint="complete it: host, port, dbname"
        )
    try:
        with psycopg.connect(
            host=credentials.host,
            port=credentials.port or 5432,
            dbname=credentials.database,
            user=credentials.username,
            password=credentials.password,
            connect_timeout=CONNECT_SECONDS,
            application_name="gonogo",
            options=_OPTIONS,
        ) as connection:
            return connection.execute(query.encode(), parameters).fetchall()
    except psycopg.Error as error:
        raise _failure(where, " ".join(str(error).split())) from None


def _failure(where: str, said: str) -> LoginFailed:
    """Tell apart what psycopg says; a connection that failed has no SQLSTATE, so the text is all there is."""
    text = said.lower()
    if "password authentication failed" in text or "no pg_hba.conf entry" in text:
        return LoginFailed(
            f"login as {where}: the server refuses the credentials ({said})",
            hint="compare the secret with the database's password; a rotation may have stopped half way",
        )
    if "does not exist" in text:
        return LoginFailed(f"login as {where}: {said}", hint="create it, or correct the secret")
    return LoginFailed(
        f"login as {where}: the database does not answer ({said})",
        hint="see whether it runs, and whether the machine of the gate has a route to it (security groups, subnets)",
    )
