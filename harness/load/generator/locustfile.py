"""The locustfile that the load gate gives to Locust: its users send what the plan says and record it.

Locust makes the users, connects workers to their master, and ends the processes; the schedule, the recording, the decision and
the result are ours. The exit code is 0 only where a whole result was written.
"""

import os
import resource
import sys
from collections.abc import Callable

import gevent
from locust import User, events, task
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from harness.errors import GonogoError
from harness.load.generator.channel import BROKEN, FORKED, TOKEN
from harness.load.generator.fleet import Local, Master, Worker
from harness.load.generator.node import Node
from harness.load.generator.own_file import own_file
from harness.load.generator.own_users import own_node
from harness.load.generator.snapshot import Snapshot
from harness.load.generator.told import Told
from harness.load.generator.traffic import sender_for
from harness.load.plan import VARIABLE, Plan, register_secrets

plan = Plan.from_json(given) if (given := os.environ.get(VARIABLE, "")) else None
token = os.environ.get(TOKEN, "")
places: list[Local | Worker] = []
own = own_file(plan)
"""The user's own locustfile, where the plan is to run one: its users take the place of `Traffic`."""


def make(environment: Environment) -> Callable[[Plan, int, Callable[[Snapshot], None]], Node]:
    """What makes this process's node."""

    def node(plan: Plan, number: int, tell: Callable[[Snapshot], None]) -> Node:
        register_secrets(plan.url, plan.headers)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = hard if hard != resource.RLIM_INFINITY else max(soft, 65536)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        if own is not None:
            return own_node(plan, own, tell, environment)
        return Node(plan, number, Told(sender_for(plan), plan, environment.stats), tell)

    return node


@events.init.add_listener  # type: ignore[untyped-decorator] # Locust is not followed
def prepare(environment: Environment, **_: object) -> None:
    """Take this process's part in the run."""
    match environment.runner:
        case WorkerRunner():
            places.append(Worker(environment, plan, token, make(environment)))
        case MasterRunner() if plan:
            Master(environment, plan, token, tell_plan=not os.environ.get(FORKED))
        case _ if plan:
            places.append(Local(environment, plan, make(environment)))


class Traffic(User):  # type: ignore[misc] # Locust is not followed
    """One user: a visitor of a closed loop, or the one who stands by while a schedule is kept."""

    abstract = own is not None

    @task  # type: ignore[untyped-decorator]
    def take_part(self) -> None:
        """The whole run."""
        if places:
            places[0].user()
        gevent.sleep(60)


if own is not None:
    try:
        globals().update(own.load())
    except GonogoError as error:
        sys.stderr.write(f"gonogo: {error.message}\n")
        sys.exit(BROKEN)
