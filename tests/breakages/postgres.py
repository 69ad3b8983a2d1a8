"""What can be wrong with the PostgreSQL behind an instance; broken for real."""

import json
import socket
import threading
import time
from dataclasses import replace
from typing import Any

import psycopg

from breakages.parts import Breakage, World
from harness.local import resources
from harness.local.resources import Credentials, Emulator

INSTANCE = "rds-staging"
_CHECK = f"[{INSTANCE}]"
_DECLARED = "rds.instances[0]"
_DELAY = 0.15
"""Seconds that the slow network adds to an answer; the rule is 100 ms."""
_SERVER = tuple(f"postgres.{name}{_CHECK}" for name in ("answers_in_time", "has_connections_left"))


def _secret(world: World, **changes: Any) -> None:
    held = {**json.loads(world.database.secret()), **changes}
    world.owner("secretsmanager").put_secret_value(SecretId=world.plan.secret, SecretString=json.dumps(held))


def _password_was_rotated(world: World) -> None:
    _secret(world, password="half-rotated-password")


def _secret_points_elsewhere(world: World) -> None:
    _secret(world, port=9)


def _owner(world: World) -> "psycopg.Connection[Any]":
    given: Credentials = world.database
    return world.later.enter_context(
        psycopg.connect(
            host=given.host,
            port=given.port,
            dbname=given.database,
            user=given.username,
            password=given.password,
            autocommit=True,
        )
    )


def _many_connections(world: World) -> None:
    for _ in range(81):
        _owner(world)


def _another_revision(world: World) -> None:
    connection = _owner(world)
    connection.execute("CREATE TABLE alembic_version (version_num varchar(32))")
    world.later.callback(connection.execute, "DROP TABLE alembic_version")
    connection.execute("INSERT INTO alembic_version VALUES ('0042_old')")


def _nothing(world: World) -> None:
    """The rule is what is wrong: there never was a table, or a standby."""


def _slow_network(world: World) -> None:
    """Put what delays every answer between the gate and the server."""
    listener = socket.create_server((world.database.host, 0))
    threads: list[threading.Thread] = []

    def pump(source: socket.socket, target: socket.socket, delay: float) -> None:
        try:
            while data := source.recv(65536):
                time.sleep(delay)  # this is the breakage: a network that is slow
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side has gone

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection((world.database.host, world.database.port)) as server:
            back = threading.Thread(target=pump, args=(server, client, _DELAY))
            back.start()
            pump(client, server, 0)
            back.join()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(client,)))
            threads[-1].start()

    def end() -> None:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (acceptor, *threads):
            thread.join(15)

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    world.later.callback(end)
    port = listener.getsockname()[1]
    world.owner("rds").delete_db_instance(DBInstanceIdentifier=INSTANCE, SkipFinalSnapshot=True)
    world.owner("rds").delete_db_parameter_group(DBParameterGroupName=f"{INSTANCE}-parameters")
    (declared,) = world.plan.instances
    aws = Emulator(world.url, world.plan.region, world.account)
    resources.instance(aws, declared, replace(world.database, port=port))
    _secret(world, port=port)


BREAKAGES = (
    Breakage(
        "the database's password is not the secret's",
        f"rds.accepts_a_login{_CHECK}",
        _password_was_rotated,
        ("the server refuses the credentials",),
        also=_SERVER,  # without a login nothing can be asked
    ),
    Breakage(
        "the database's secret points at another port",
        f"rds.accepts_a_login{_CHECK}",
        _secret_points_elsewhere,
        ("127.0.0.1:9/", "the database does not answer"),
    ),
    Breakage(
        "the database answers slowly",
        f"postgres.answers_in_time{_CHECK}",
        _slow_network,
        ("query_time is ", "the rule is query_time < 100ms"),
    ),
    Breakage(
        "most of the database's connections are taken",
        f"postgres.has_connections_left{_CHECK}",
        _many_connections,
        ("of 100 connections", "the rule is connection_usage <= 80%"),
    ),
    Breakage(
        "the database's schema is at another revision",
        f"postgres.is_at_its_revision{_CHECK}",
        _another_revision,
        ("its schema is at revision 0042_old, wanted is 0043_new",),
        overrides=(f'{_DECLARED}.migrations={{revision="0043_new"}}',),
    ),
    Breakage(
        "the database has no migrations table",
        f"postgres.is_at_its_revision{_CHECK}",
        _nothing,
        ("its migrations table schema_migrations cannot be read", "does not exist"),
        overrides=(f'{_DECLARED}.migrations={{table="schema_migrations", revision="7"}}',),
    ),
    Breakage(
        "the database's standby is gone",
        f"postgres.replicates{_CHECK}",
        _nothing,
        ("it is no standby, and none replicates from it",),
        overrides=(f'{_DECLARED}.replication_lag="< 30s"',),
    ),
)
