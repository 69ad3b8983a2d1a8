"""Run as ``python -m harness.local.provision`` by the supervisor: fills the emulator and the database, then ends.

It reads JSON lines (the order first, then where the database is) and writes JSON lines: ``step`` for people, ``apps`` when
the application's programs may start, ``done``, or ``error``. A process of its own, so that what boto3 takes in
memory is given back, and so that the supervisor has one thread.
"""

import http.client
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.errors import GonogoError, ToolError
from harness.frozen import dataclass
from harness.local import application, makers, resources
from harness.local.plan import Plan
from harness.local.resources import Credentials, Emulator

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


def main() -> int:
    """Provision; returns the exit code."""
    data = _read()
    order = Order(**{**data, "plan": Plan.from_json(data["plan"])})
    try:
        provision(order, lambda: Credentials(**_read()), _say)
    except GonogoError as error:
        _say("error", {"message": error.message, "hint": error.hint})
        return 1
    return 0


def provision(order: Order, database: Callable[[], Credentials], say: Callable[[str, Any], None]) -> None:
    """Make everything in the plan.

    Args:
        order: what, and where.
        database: waits until PostgreSQL runs and says where, and who may log in.
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
        _images(aws, plan, app)
        makers.make_all(aws, plan)
        say("done", None)
        return
    credentials = database()
    resources.database(aws, plan, credentials)
    say("apps", None)
    say("step", "queues, topic, parameters, secret and database are there")
    _compute(aws, plan, app)
    for instance in plan.instances:
        resources.instance(aws, instance, credentials)
    makers.make_all(aws, plan)
    say("step", "everything that the profile declares is there")
    _answers(f"{order.web_url}/health", "the example's web")
    _answers(f"{order.api_url}/v1/api/health", "the example's API")
    say("done", None)


def _images(aws: Emulator, plan: Plan, app: Path) -> dict[str, str]:
    """Push every image; returns what a task definition calls it."""
    manifests = {image.name: application.manifest(app, image.name) for image in plan.images}
    return resources.images(aws, plan, manifests)


def _compute(aws: Emulator, plan: Plan, app: Path) -> None:
    references = _images(aws, plan, app)
    for name in sorted({service.cluster for service in plan.services}):
        resources.cluster(aws, name)
    for service in plan.services:
        resources.service(aws, service, references)
        resources.logs(aws, service, application.log_lines(service.name, service.reason))
    for service in plan.services:
        _until(lambda service=service: resources.rolled_out(aws, service), f"ECS service {service.name}")  # type: ignore[misc]
        if service.stopped:
            resources.stop_tasks(aws, service)


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
            raise ToolError(
                f"{what} did not come up within {DEADLINE:g} s", hint="look into the stand-in's logs"
            )
        time.sleep(0.02)  # a server that starts tells nobody: asking again is all there is


def _read() -> dict[str, Any]:
    line = sys.stdin.readline()
    if not line:
        raise SystemExit(1)  # the supervisor is gone
    data: dict[str, Any] = json.loads(line)
    return data


def _say(kind: str, value: Any) -> None:  # noqa: ANN401 - JSON is what it is
    sys.stdout.write(json.dumps({kind: value}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
