"""Run as ``python -m harness.local.provision`` by the supervisor: fills the emulator and the database, then ends.

It reads JSON lines (`Order` first, then where PostgreSQL is) and writes JSON lines: ``step`` for people, ``apps`` when
the application's programs may start, ``done``, or ``error``. A process of its own, so that what boto3 takes in
memory is given back, and so that the supervisor has one thread.
"""

import http.client
import json
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness import codec
from harness.errors import GonogoError, ToolError
from harness.local import application, resources
from harness.local.plan import Plan
from harness.local.postgres import SUPERUSER
from harness.local.resources import Credentials, Emulator

USER = "storefront"
DEADLINE = 20.0
"""Seconds that a part of the stand-in may take to answer."""


@dataclass(frozen=True)
class Order:
    """What is to be provisioned, and where."""

    plan: Plan
    endpoint_url: str
    app: str
    web_url: str
    api_url: str


@dataclass(frozen=True)
class DatabaseReady:
    """PostgreSQL runs on this port; `password` is its superuser's."""

    port: int
    password: str


def main() -> int:
    """Provision; returns the exit code."""
    order = codec.load(Order, _read())
    try:
        provision(order, lambda: codec.load(DatabaseReady, _read()), _say)
    except GonogoError as error:
        _say("error", {"message": error.message, "hint": error.hint})
        return 1
    return 0


def provision(order: Order, database: Callable[[], DatabaseReady], say: Callable[[str, Any], None]) -> None:
    """Make everything in the plan.

    Args:
        order: what, and where.
        database: waits until PostgreSQL runs and says where.
        say: tells the supervisor how far it is.

    Raises:
        GonogoError: a part does not answer, or refuses.
    """
    plan, app = order.plan, Path(order.app)
    aws = Emulator(order.endpoint_url, plan.region, plan.account)
    application.copy(app, plan.source_faults)
    resources.warm_up(aws)
    _answers(f"{order.endpoint_url}/_ministack/health", "the AWS emulator")
    say("step", "the AWS emulator answers")
    resources.messaging(aws, plan)
    if not plan.running:
        say("done", None)
        return
    credentials = _database(database(), plan)
    resources.database(aws, plan, credentials)
    say("apps", None)
    say("step", "queues, topic, parameters, secret and database are there")
    _compute(aws, plan, app)
    for instance in plan.instances:
        resources.instance(aws, instance, credentials)
    say("step", "repositories, services and instances are there")
    _answers(f"{order.web_url}/health", "the example's web")
    _answers(f"{order.api_url}/v1/api/health", "the example's API")
    say("done", None)


def _compute(aws: Emulator, plan: Plan, app: Path) -> None:
    manifests = {image.name: application.manifest(app, image.name) for image in plan.images}
    references = resources.images(aws, plan, manifests)
    for name in sorted({service.cluster for service in plan.services}):
        resources.cluster(aws, name)
    for service in plan.services:
        resources.service(aws, service, references)
        resources.logs(aws, service, application.log_lines(service.name, service.reason))
    for service in plan.services:
        _until(lambda service=service: resources.rolled_out(aws, service), f"ECS service {service.name}")  # type: ignore[misc]
        if service.stopped:
            resources.stop_tasks(aws, service)


def _database(ready: DatabaseReady, plan: Plan) -> Credentials:
    """Make the application's role and database, with a password that nobody has seen."""
    import psycopg
    from psycopg import sql

    name = next((instance.database for instance in plan.instances if instance.database), "")
    credentials = Credentials(
        "127.0.0.1", ready.port, name or f"storefront_{plan.environment}", USER, secrets.token_urlsafe(18)
    )
    with psycopg.connect(
        host="127.0.0.1",
        port=ready.port,
        user=SUPERUSER,
        password=ready.password,
        dbname="postgres",
        autocommit=True,
        connect_timeout=5,
    ) as connection:
        role, database = sql.Identifier(USER), sql.Identifier(credentials.database)
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(credentials.password))
        )
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
    return credentials


def _answers(url: str, what: str) -> None:
    """Wait until a URL answers, with whatever status."""
    parts = urlsplit(url)

    def ask() -> bool:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
        try:
            connection.request("GET", parts.path)
            connection.getresponse().read()
        except OSError:
            return False
        finally:
            connection.close()
        return True

    _until(ask, what)


def _until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not true():
        if time.monotonic() > deadline:
            raise ToolError(f"{what} did not come up within {DEADLINE:g} s", hint="look into the stand-in's logs")
        time.sleep(0.02)


def _read() -> object:
    line = sys.stdin.readline()
    if not line:
        raise SystemExit(1)  # the supervisor is gone
    return json.loads(line)


def _say(kind: str, value: Any) -> None:  # noqa: ANN401 - JSON is what it is
    sys.stdout.write(json.dumps({kind: value}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
