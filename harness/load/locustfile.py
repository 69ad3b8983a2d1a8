"""The locustfile that the load gate gives to Locust: its user sends what the plan says and records it.

Locust makes the users, runs them, keeps its own statistics for its log, and ends the process; the schedule, the recording and
the result are ours. The exit code is 0 only where a whole result was written.
"""

import atexit
import gc
import os
import resource
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import gevent
from locust import User, events, task
from locust.env import Environment
from locust.stats import RequestStats

from harness.load.arrivals import CpuMeter, Loop, run_open
from harness.load.client import Client, now
from harness.load.plan import VARIABLE, Plan, register_secrets
from harness.load.progress import follow
from harness.load.recorder import Answer, Recorder
from harness.load.result import write

BROKEN = 3
"""The exit code of a run without a result."""

plan = Plan.from_json(os.environ.get(VARIABLE, ""))
register_secrets(plan.url, plan.headers)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(
    resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else max(soft, 65536), hard)
)
client = Client(plan)
recorder = Recorder(plan)
meter = CpuMeter()
rate = plan.rate or 0.0


class Told:
    """Sends through the client and tells Locust's own statistics, so that its summary shows the same run."""

    def __init__(self, stats: RequestStats) -> None:
        self._stats = stats

    def send(self) -> Answer:
        """Send once."""
        started = now()
        answer = client.send()
        self._stats.log_request(plan.method, plan.scenario, (now() - started) / 1e6, answer.size)
        if answer.kind is not None:
            self._stats.log_error(plan.method, plan.scenario, str(answer.kind))
        return answer


def conclude(environment: Environment, drive: Callable[[], None]) -> None:
    """Drive the run to its end, write its result, and end Locust; without a whole result, with `BROKEN`."""
    environment.process_exit_code = BROKEN
    try:
        client.prime()
        gc.collect()
        gc.freeze()
        watcher = gevent.spawn(follow, Path(plan.progress), recorder)
        drive()
        watcher.kill()
        write(Path(plan.result), recorder.result(cpu=meter.share))
        environment.process_exit_code = 0
    except Exception:  # noqa: BLE001 - Locust would log it and go on for ever
        atexit.register(sys.stderr.write, traceback.format_exc())  # last, below Locust's own summary
    finally:
        client.close()
        gevent.spawn(environment.runner.quit)


if rate:

    class Schedule(User):  # type: ignore[misc] # Locust is not followed
        """One user, who starts every request of the schedule."""

        @task  # type: ignore[untyped-decorator]
        def keep(self) -> None:
            """The whole schedule."""
            stats = self.environment.stats
            conclude(self.environment, partial(run_open, plan, rate, Told(stats), recorder, meter))
            gevent.sleep(60)

else:
    loops: list[Loop] = []

    @events.init.add_listener  # type: ignore[untyped-decorator]
    def prepare(environment: Environment, **_: object) -> None:
        """Count from the moment when all users are there."""
        loops.append(Loop(plan, Told(environment.stats), recorder, meter))
        environment.events.spawning_complete.add_listener(
            lambda **_: gevent.spawn(conclude, environment, loops[0].conduct)
        )

    class Visitor(User):  # type: ignore[misc] # Locust is not followed
        """One user of a closed loop."""

        @task  # type: ignore[untyped-decorator]
        def visit(self) -> None:
            """Send, wait, think, again."""
            loops[0].user()
            gevent.sleep(60)
