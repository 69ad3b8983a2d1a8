"""A real PostgreSQL: logins, what it says of itself, a standby of it, and TLS in front of it."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from aws_parts import NOBODY, Database, until, until_true
from harness import masking
from harness.aws import databases, postgres, postgres_server
from harness.aws.databases import Attempt, Examined
from harness.aws.postgres import LoginFailed, WantsTls
from harness.aws.postgres_server import Replica, Server
from harness.aws.rds import Migrations, RdsInstance
from harness.aws.rds_state import InstanceState
from harness.aws.secrets import Credentials
from harness.model import Outcome
from harness.polling import poll

GOOD = Server("17.4", 0.001, encrypted=True)
HEADS = Migrations(revision="abc")


@pytest.fixture(autouse=True)
def forget_secrets() -> Iterator[None]:
    known = set(masking._known)
    yield
    masking._known.clear()
    masking._known.update(known)
    masking._registered.cache_clear()


def known(database: Database, **changes: Any) -> Credentials:
    return replace(
        Credentials(database.user, database.password, database.host, database.port, database.database),
        **changes,
    )


def place(database: Database) -> tuple[str, int, str]:
    return database.host, database.port, database.database


def owner(database: Database) -> "psycopg.Connection[Any]":
    """A session that may write."""
    return psycopg.connect(
        host=database.host,
        port=database.port,
        user=database.user,
        password=database.password,
        dbname=database.database,
        autocommit=True,
    )


# Logins


def test_a_real_login(database: Database) -> None:
    done = postgres.login(known(database), *place(database))
    assert 0 < done.seconds < 5
    assert done.version[0].isdigit()


@pytest.mark.parametrize(
    ("password", "name", "reason"),
    [
        ("wrong-password", "postgres", "the server refuses the credentials"),
        ("correct-horse-battery", "nosuch", "does not exist"),
    ],
)
def test_a_login_that_is_refused(database: Database, password: str, name: str, reason: str) -> None:
    with pytest.raises(LoginFailed, match=reason) as caught:
        postgres.login(known(database, password=password), database.host, database.port, name)
    assert caught.value.outcome is Outcome.FAILED
    assert password not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_database_that_does_not_answer(stub: Callable[..., Any]) -> None:
    credentials = Credentials("app", "x")
    closed = stub(lambda _: b"")
    for port in (9, int(closed.url.rpartition(":")[2])):
        with pytest.raises(LoginFailed, match="the database does not answer"):
            postgres.login(credentials, "127.0.0.1", port, "app")


def test_a_database_that_says_nothing(stub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "CONNECT_SECONDS", 2)
    silent = stub(lambda _: None)
    with pytest.raises(LoginFailed, match="the database does not answer"):
        postgres.login(Credentials("app", "x"), "127.0.0.1", int(silent.url.rpartition(":")[2]), "app")


def test_a_database_that_answers_something_else(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd:
        def fetchone(self) -> tuple[int]:
            return (2,)

    monkeypatch.setattr(psycopg.Connection, "execute", lambda *_: Odd())
    with pytest.raises(LoginFailed, match=r"SELECT 1 answered \(2,\)"):
        postgres.login(known(database), *place(database))


def test_nothing_can_be_written(database: Database) -> None:
    with (
        pytest.raises(LoginFailed, match="read-only transaction"),
        postgres.session(known(database), *place(database)) as connection,
    ):
        connection.execute("CREATE TABLE canary (x int)")


def test_rows_where_the_secret_points(database: Database) -> None:
    assert postgres.select(known(database), "SELECT %s::int", 7) == [(7,)]
    with pytest.raises(LoginFailed, match="does not say where it is"):
        postgres.select(known(database, host=""), "SELECT 1")


# What a server says


def read(database: Database, migrations: Migrations | None = None) -> Server:
    with postgres.session(known(database), *place(database)) as connection:
        return postgres_server.read(connection, migrations)


def test_a_server_describes_itself(database: Database) -> None:
    server = read(database)
    assert 0 < server.query_seconds < 1
    assert 1 <= server.connections < server.max_connections == 100
    assert (server.encrypted, server.standby, server.replicas, server.unread) == (False, False, (), {})
    assert postgres_server.replication(server) == ("", None)


def test_connections_are_counted(database: Database) -> None:
    # Those that earlier tests closed take the server a moment to forget.
    before = poll(
        lambda: [read(database).connections for _ in range(3)], lambda seen: len(set(seen)) == 1, timeout=10
    )[0]
    with owner(database), owner(database):
        assert read(database).connections == before + 2


@pytest.fixture
def table(database: Database) -> Iterator[Callable[[str], None]]:
    """Runs SQL in a schema that is gone afterwards."""
    with owner(database) as connection:
        connection.execute('CREATE SCHEMA "od;d"')

        def run(query: str) -> None:
            connection.execute(query.encode())

        yield run
        connection.execute('DROP SCHEMA "od;d" CASCADE')


def test_the_schemas_revision(database: Database, table: Callable[[str], None]) -> None:
    heads = Migrations(table="od;d.alembic_version", revision="abc")
    problem = postgres_server.revision_problem(read(database, heads), heads)
    assert problem.startswith("its migrations table od;d.alembic_version cannot be read (relation ")
    table('CREATE TABLE "od;d".alembic_version (version_num varchar(32))')
    server = read(database, heads)
    assert postgres_server.revision_problem(server, heads).endswith("is empty: no migration was ever run")
    table("""INSERT INTO "od;d".alembic_version VALUES ('abc')""")
    server = read(database, heads)
    assert server.revisions == ("abc",)
    assert postgres_server.revision_problem(server, heads) == ""
    table("""INSERT INTO "od;d".alembic_version VALUES ('diverged')""")
    problem = postgres_server.revision_problem(read(database, heads), heads)
    assert problem == "its schema is at revision abc, diverged, wanted is abc"


def test_the_newest_row_of_a_history(database: Database, table: Callable[[str], None]) -> None:
    table("""CREATE TABLE "od;d"."his""tory" ("vers ion" int, rank int)""")
    table("""INSERT INTO "od;d"."his""tory" VALUES (7, 2), (5, 1), (9, NULL)""")
    history = Migrations(table='od;d.his"tory', column="vers ion", latest_by="rank", revision="7")
    server = read(database, history)
    assert (server.revisions, postgres_server.revision_problem(server, history)) == (("7",), "")


def test_names_are_quoted_and_never_run(database: Database) -> None:
    evil = Migrations(table='x"; DROP SCHEMA public; --', column='y" FROM z; --', revision="r")
    query = postgres_server.revisions_query(evil).as_string()
    assert query == 'SELECT DISTINCT "y"" FROM z; --"::text FROM "x""; DROP SCHEMA public; --" LIMIT 10'
    server = read(database, evil)
    assert "does not exist" in server.unread["migrations"]
    assert server.max_connections, "the other parts are there"


def test_a_connection_that_breaks_is_no_answer(database: Database) -> None:
    class Cut:
        """A session that the administrator ends after the first question."""

        def __init__(self, connection: "psycopg.Connection[Any]") -> None:
            self.connection, self.asked = connection, 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self.connection, name)

        def execute(self, query: Any) -> Any:
            self.asked += 1
            if self.asked == postgres_server.QUERIES + 1:
                with owner(database) as other:
                    other.execute("SELECT pg_terminate_backend(%s, 5000)", [self.connection.info.backend_pid])
            return self.connection.execute(query)

    def ask() -> None:
        with postgres.session(known(database), *place(database)) as connection:
            cut: Any = Cut(connection)
            postgres_server.read(cut, HEADS)

    with pytest.raises(LoginFailed, match="the database does not answer"):
        ask()


@pytest.mark.parametrize(
    ("replicas", "lag"),
    [
        ([Replica("a", "streaming", 2.5, 10.0)], 2.5),
        ([Replica("a", "streaming", None, 0.0)], 0.0),
        ([Replica("a", "streaming", 1.0, 0.0), Replica("b", "streaming", 3.0, 5.0)], 3.0),
        ([Replica("a", "streaming", None, 10.0)], None),
        ([Replica("a", "streaming", 1.0, 0.0), Replica("b", "", None, None)], None),
    ],
)
def test_the_standby_that_is_last_counts(replicas: list[Replica], lag: float | None) -> None:
    how, seconds = postgres_server.replication(replace(GOOD, replicas=tuple(replicas)))
    assert seconds == lag
    assert how.startswith("replicates to a (streaming)")
    assert replicas[-1].state or how.endswith("b (not shown)")


def test_a_standby_says_itself_how_far_it_is_behind() -> None:
    assert postgres_server.replication(replace(GOOD, standby=True, standby_lag=4.0)) == (
        "it is a standby",
        4.0,
    )


# A real standby


@pytest.fixture
def standby(database: Database) -> Iterator[Database]:
    """A server that streams from `database`, made of its files and run by its user."""
    with owner(database) as connection:
        ((folder,),) = connection.execute("SELECT current_setting('data_directory')").fetchall()
    home = Path(folder).parent
    (programs,) = home.glob("*/pginstall18/bin")
    data = home / "standby"
    user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": home, **user}
    source = f"host={database.host} port={database.port} user={database.user} application_name=standby"
    subprocess.run(
        [
            f"{programs}/pg_basebackup",
            "-d",
            source,
            "-D",
            data,
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "--no-sync",
        ],
        check=True,
        env={"PGPASSWORD": database.password},
        **quiet,
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = ("fsync=off", "unix_socket_directories=", "dynamic_shared_memory_type=mmap", f"port={port}")
    server = subprocess.Popen(
        [f"{programs}/postgres", "-D", data, *(f"-c{item}" for item in settings)], env={}, **quiet
    )
    found = replace(database, port=port)
    try:
        until(lambda: _lets_in(found), server)
        yield found
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait(20)
        shutil.rmtree(data, ignore_errors=True)


def _lets_in(database: Database) -> bool:
    try:
        postgres.login(known(database), *place(database))
    except LoginFailed:
        return False
    return True


def test_a_standby_and_the_server_it_streams_from(database: Database, standby: Database) -> None:
    with owner(database) as connection:
        connection.execute("CREATE TABLE streamed (x int)")
        until_true(lambda: postgres_server.replication(read(database))[1] is not None)
        how, lag = postgres_server.replication(read(database))
        assert (how, lag is not None and lag < 5) == ("replicates to standby (streaming)", True)
        server = poll(lambda: read(standby), lambda seen: seen.standby_lag is not None, timeout=30)
        assert server.standby
        assert server.standby_lag is not None
        assert server.standby_lag < 5
        with owner(standby) as paused:
            paused.execute("SELECT pg_wal_replay_pause()")
            until_true(
                lambda: paused.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() == ("paused",)
            )
            connection.execute("DROP TABLE streamed")
            until_true(lambda: (read(standby).standby_lag or 0) > 0)
            paused.execute("SELECT pg_wal_replay_resume()")
        until_true(lambda: read(standby).standby_lag == 0)


def test_without_the_role_that_may_see_it_the_lag_is_not_known(database: Database, standby: Database) -> None:
    with owner(database) as connection:
        connection.execute("CREATE ROLE visitor LOGIN PASSWORD 'visitor-password'")
        visitor = replace(database, user="visitor", password="visitor-password")
        try:
            until_true(lambda: bool(read(visitor).replicas))
            server = read(visitor)
            assert server.replicas == (Replica("standby", "", None, None),)
            assert postgres_server.replication(server) == ("replicates to standby (not shown)", None)
            assert server.connections >= 1
            assert server.unread == {}
        finally:
            connection.execute("DROP ROLE visitor")


# TLS in front of it


@contextmanager
def tls_in_front(database: Database, folder: Path, *, forced: bool) -> Iterator[Database]:
    """What a server with TLS looks like to a client: the TLS ends here, and goes on in the clear to the real one."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem", "-subj", "/CN=localhost"]
    subprocess.run([*command, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
    text = b'no pg_hba.conf entry for host "127.0.0.1", user "app", database "postgres", no encryption'
    refusal = b"SFATAL\0VFATAL\0C28000\0M" + text + b"\0\0"
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side has gone

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection((database.host, database.port)) as server:
            head = client.recv(8)
            if head == b"\0\0\0\x08\x04\xd2\x16\x2f":  # SSLRequest
                client.sendall(b"S")
                with context.wrap_socket(client, server_side=True) as secure:
                    carry(secure, server)
            elif forced:
                client.recv(65536)
                client.sendall(b"E" + (len(refusal) + 4).to_bytes(4, "big") + refusal)
            else:
                server.sendall(head)
                carry(client, server)

    def carry(client: socket.socket, server: socket.socket) -> None:
        back = threading.Thread(target=pump, args=(server, client))
        back.start()
        pump(client, server)
        back.join(10)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.settimeout(10)
            threads.append(threading.Thread(target=serve, args=(client,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield replace(database, port=listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (acceptor, *threads):
            thread.join(15)


def test_a_server_that_forces_tls(database: Database, tmp_path: Path) -> None:
    with tls_in_front(database, tmp_path, forced=True) as secure:
        assert read(secure).encrypted
        assert postgres.refuses_plain(known(secure), *place(secure))
        with (
            pytest.raises(WantsTls, match="takes no connection without TLS"),
            postgres.session(known(secure), *place(secure), tls="disable"),
        ):
            pass


def test_a_server_that_offers_tls_and_forces_none(database: Database, tmp_path: Path) -> None:
    with tls_in_front(database, tmp_path, forced=False) as secure:
        assert read(secure).encrypted
        assert not postgres.refuses_plain(known(secure), *place(secure))


def test_a_refusal_for_another_reason_says_nothing_about_tls(database: Database) -> None:
    with pytest.raises(LoginFailed, match="refuses the credentials"):
        postgres.refuses_plain(known(database, password="wrong-password"), *place(database))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('FATAL: no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", no encryption', WantsTls),
        ('FATAL: no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", SSL off', WantsTls),
        ("FATAL: This RDS Proxy requires TLS connections", WantsTls),
        (
            'FATAL: no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", SSL encryption',
            LoginFailed,
        ),
        ('FATAL: password authentication failed for user "u"', LoginFailed),
    ],
)
def test_what_a_server_says_that_wants_tls(text: str, kind: type[LoginFailed]) -> None:
    assert type(postgres._failure("there", text)) is kind


# The examination


STATE = InstanceState(
    "db", "available", "postgres", "17.4", "db.t3.micro", False, False, True, 7, "app", "127.0.0.1", 5432,
    False, 20 * 1024**3,
)  # fmt: skip
INSTANCE = RdsInstance(identifier="db", instance_class="x", secret="s")


class Vault:
    """An account that holds one secret."""

    def __init__(self, database: Database, **changes: Any) -> None:
        secret = {"username": database.user, "password": database.password, "dbname": database.database}
        self.text = json.dumps({**secret, **changes})

    def call(self, *_: object, **__: object) -> dict[str, str]:
        return {"SecretString": self.text}


def examine(database: Database, instance: RdsInstance = INSTANCE, **changes: Any) -> Examined:
    vault: Any = Vault(database, **changes)
    return databases.examine(vault, instance, replace(STATE, host=database.host, port=database.port))


def test_one_login_where_endpoint_and_secret_are_the_same(database: Database) -> None:
    found = examine(database, host=database.host, port=database.port)
    (attempt,) = found.logins
    assert attempt.where == f"127.0.0.1:{database.port}/postgres"
    assert attempt.refused is None
    assert (found.server is not None, found.plain) == (True, "")


def test_a_secret_that_points_elsewhere_is_seen_and_the_server_is_asked_all_the_same(
    database: Database,
) -> None:
    found = examine(database, host="127.0.0.1", port=9)
    good, bad = found.logins
    assert good.refused is None
    assert bad.refused is not None
    assert "127.0.0.1:9/postgres: the database does not answer" in bad.refused.message
    assert found.server is not None


def test_without_a_login_there_is_no_server(database: Database) -> None:
    found = examine(database, password="Zq7xCanary")
    assert found.server is None
    assert all(attempt.refused is not None for attempt in found.logins)
    assert "Zq7xCanary" not in repr(found)


def test_without_an_endpoint_there_is_nothing_to_log_in_at(database: Database) -> None:
    vault: Any = Vault(database)
    with pytest.raises(LoginFailed, match="has no endpoint yet"):
        databases.examine(vault, INSTANCE, replace(STATE, host="", status="creating"))


def test_where_tls_is_demanded_a_plain_login_is_tried(database: Database, tmp_path: Path) -> None:
    forced = INSTANCE.model_copy(update={"force_ssl": True})
    assert examine(database, forced).plain == "let in"
    with tls_in_front(database, tmp_path, forced=True) as secure:
        assert examine(secure, forced).plain == "refused"
    assert databases._plain(known(database, password="wrong"), *place(database)).endswith('"app")')
    assert Attempt("w").refused is None
