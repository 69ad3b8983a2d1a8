"""A user's own locustfile as the traffic of a closed loop: its users run unchanged, what they send is recorded here.

Requests are heard of through Locust's ``request`` event when they are over, tasks that raise through ``user_error``.
"""

import math
import sys
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent import GreenletExit
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.env import Environment
from locust.exception import CatchResponseError

from harness.errors import ToolError
from harness.load.generator.arrivals import CpuMeter, Loop
from harness.load.generator.channel import BROKEN
from harness.load.generator.client import now, say
from harness.load.generator.failures import failure, status_of
from harness.load.generator.node import Node
from harness.load.generator.own_file import OwnFile
from harness.load.generator.recorder import Answer, Recorder, Step
from harness.load.generator.snapshot import Snapshot
from harness.load.plan import Plan, nanoseconds
from harness.load.result import Kind

_ENDING = 4.0
"""Seconds that the listeners of the end may take."""
_TICK = 0.2
_SPAWN = 30.0
"""Seconds in which all users must have been made."""
_HOPELESS = 20
"""Tasks that raised, without any request, after which no more is expected."""
_NAMES = 200
"""Names of requests that are told apart; the rest are counted as one."""
_REST = "(all other names)"
_ROWS = 1000
"""Rows of Locust's own tables from which these are emptied."""


class OwnUsers(Loop):
    """The closed model, with users that are not ours: hears of their requests, and ends them."""

    def __init__(
        self, plan: Plan, file: OwnFile, environment: Environment, recorder: Recorder, meter: CpuMeter
    ) -> None:
        super().__init__(plan, _Nobody(), recorder, meter)
        self._file, self._environment, self._runner = file, environment, environment.runner
        self._names: set[str] = set()
        self._spawned = self._ended = False
        self._requests = self._raises = 0
        self._first = self._failure = ""
        environment.events.spawning_complete.add_listener(self._all_there)

    def heard(
        self,
        request_type: object = "",
        name: object = "",
        response_time: float | None = 0.0,
        response_length: int | None = 0,
        exception: object = None,
        start_time: float | None = None,
        response: object = None,
        **_: object,
    ) -> None:
        """A request is over. `response_time` is in milliseconds, `start_time` in seconds since the epoch."""
        try:
            ended = now()
            took = _nanoseconds(response_time)
            age = nanoseconds(max(0.0, time.time() - start_time)) if start_time else took
            began = ended - max(took, age)
            self._requests += 1
            if not self._counts(began):
                self.uncounted(1)
                return
            label = self._label(f"{request_type} {name}".strip())
            kind, detail = self._judge(took, exception, response)
            size = response_length if isinstance(response_length, int) else 0
            step = Step(label, kind, took)
            answer = Answer(
                kind, status_of(response), f"{label}: {detail}" if detail else "", size, steps=(step,)
            )
            self._recorder.start(began, began)
            self._recorder.finish(began, began, began + took, answer)
        except Exception as error:  # noqa: BLE001 - Locust would log it, and the request would be missing
            self._fail(f"a request of {self._file.name} cannot be counted: {say(error)}")

    def raised(self, exception: BaseException, *, starting: bool) -> None:
        """A task, or a user on its start, has raised."""
        told = self._file.told(exception)
        self._first = self._first or told
        self._raises += 1
        at = now()
        if starting:
            self._fail(f"a user of {self._file.name} could not start: {told}")
        elif not self._requests and self._raises >= _HOPELESS:
            self._fail(
                f"{self._file.name} makes no request, and its tasks raise ({self._raises} so far); the first: {told}"
            )
        elif self._counts(at):
            self._recorder.start(at, at)
            self._recorder.finish(at, at, at, Answer(Kind.TASK, detail=told))

    def interrupted(self, began: int, *, timed_out: bool) -> None:
        """A request was ended from outside: by a time limit of the user's code, or with the user itself."""
        if not self._counts(began):
            self.uncounted(1)
            return
        self._recorder.start(began, began)
        if timed_out:
            answer = Answer(Kind.TIMEOUT, detail="ended by a time limit of the locustfile")
            self._recorder.finish(began, began, now(), answer)

    def uncounted(self, requests: int) -> None:
        """So many requests were sent outside of the counted stretch."""
        self._recorder.warm_up += requests

    def conduct(self) -> None:
        """All users are there: warm up, count, end the users.

        Raises:
            ToolError: there is nothing to judge, and the locustfile is why.
        """
        start = now() + nanoseconds(self._plan.warm_up)
        self.origin, self._until = start, start + nanoseconds(self._plan.duration)
        self._recorder.open(start)
        self._over.wait(self._plan.warm_up)
        self._meter.start()
        self._over.wait(max(0.0, (self._until - now()) / 1e9))
        self._meter.stop()
        self._until = min(self._until, now())
        self._over.set()
        if not self._failure:
            self._end_users()
        self._ended = True
        self._failure = self._failure or self._file.reach.refused
        if not self._failure and not self._requests and self._first:
            self._failure = (
                f"{self._file.name} made no request, and its tasks raised ({self._raises} times); the first: "
                f"{self._first}"
            )
        if self._failure:
            self._environment.stop_timeout = 0
            raise ToolError(self._failure, hint="correct the locustfile")

    def look_after(self) -> None:
        """Beside the users: are they made, is any left, do they keep to the allowed hosts."""
        deadline = time.monotonic() + _SPAWN
        while not self._ended:
            gevent.sleep(_TICK)
            self._file.watchdog.beat()
            self._trim()
            if self._file.reach.refused:
                self._fail(self._file.reach.refused)
            elif not self._spawned:
                self._making(deadline)
            elif self._runner.user_count == 0 and not self._over.is_set():
                why = f"; the first error: {self._first}" if self._first else ""
                self._fail(f"all users of {self._file.name} have ended before the scenario has{why}")
        self._file.watchdog.stop()

    def _making(self, deadline: float) -> None:
        making = self._runner.spawning_greenlet
        if making is not None and making.ready() and making.exception is not None:
            self._fail(f"a user of {self._file.name} cannot be made: {self._file.told(making.exception)}")
        elif time.monotonic() > deadline:
            self._fail(f"{self._file.name}: not all users were made within {_SPAWN:.0f} s")

    def _all_there(self, **_: object) -> None:
        self._spawned = True

    def _fail(self, message: str) -> None:
        """The run proves nothing: end it, and say why."""
        if self._failure:
            return
        self._failure = message
        self._over.set()
        if not self._spawned:  # nobody conducts yet
            self._ended = True
            sys.stderr.write(f"gonogo: {message}\n")
            self._environment.process_exit_code = BROKEN
            self._environment.stop_timeout = 0
            gevent.spawn(self._runner.quit)

    def _end_users(self) -> None:
        """Let each finish its task within the time-out; then end it. What it had open is lost."""
        stopping = gevent.spawn(self._runner.stop)
        stopping.join(self._plan.timeout)
        if stopping.ready():
            return
        for greenlet in list(self._runner.user_greenlets):
            user = next(iter(greenlet.args or ()), None)
            if user is not None and not isinstance(
                getattr(user, "client", None), HttpSession | FastHttpSession
            ):
                # What another client has open nobody knows: at least this.
                self._recorder.start(self._until - 1, self._until - 1)
        stopping.join(_ENDING)

    def _counts(self, began: int) -> bool:
        return 0 < self.origin <= began < self._until

    def _label(self, name: str) -> str:
        if name in self._names or len(self._names) < _NAMES:
            self._names.add(name)
            return name
        return _REST

    def _judge(self, took: int, exception: object, response: object) -> tuple[Kind | None, str]:
        limit = nanoseconds(self._plan.timeout)
        if took >= limit:
            return (
                Kind.TIMEOUT,
                f"took {took / 1e9:.1f} s; the scenario's timeout is {self._plan.timeout:g} s",
            )
        if exception is None:
            return None, ""
        told = say(exception) if isinstance(exception, Exception) else str(exception)
        return failure(exception, response, said=CatchResponseError), told[:300]

    def _trim(self) -> None:
        """Keep Locust's own tables small: they have a row for each name and for each text of an error."""
        stats, runner = self._environment.stats, self._runner
        if max(len(stats.entries), len(stats.errors)) > _ROWS:
            stats.clear_all()
        if len(runner.exceptions) > _ROWS:
            runner.exceptions.clear()


class _OwnNode(Node):
    def __init__(
        self, plan: Plan, file: OwnFile, tell: Callable[[Snapshot], None], environment: Environment
    ) -> None:
        super().__init__(plan, 0, _Nobody(), tell)
        self._drive = self.drive = OwnUsers(plan, file, environment, self.recorder, self._meter)


class _Nobody:
    """Sends nothing: the users do."""

    def prime(self) -> None:
        """See `harness.load.generator.traffic.Sender`."""

    def close(self) -> None:
        """See `harness.load.generator.traffic.Sender`."""

    def send(self) -> Answer:
        """Never called: a node of own users starts no arrivals."""
        raise AssertionError("the users of a locustfile send for themselves")


def own_node(plan: Plan, file: OwnFile, tell: Callable[[Snapshot], None], environment: Environment) -> Node:
    """What takes part in the run: Locust's users from now on, recorded."""
    file.settle()
    environment.host = plan.url.rstrip("/")
    environment.stop_timeout = plan.timeout + 1.0  # we look after `timeout` who is left
    node = _OwnNode(plan, file, tell, environment)
    file.ears = node.drive
    node.drive.uncounted(file.early)
    gevent.spawn(node.drive.look_after)
    for session in (HttpSession, FastHttpSession):
        session.request = _overseen(session.request, node.drive)
    return node


def _overseen(request: Callable[..., Any], drive: OwnUsers) -> Callable[..., Any]:
    """A session's `request`, that also tells of what never comes to its end."""

    def overseen(*args: Any, **values: Any) -> Any:  # noqa: ANN401 - as the session's
        began = now()
        try:
            return request(*args, **values)
        except GreenletExit:
            drive.interrupted(began, timed_out=False)
            raise
        except gevent.Timeout:
            drive.interrupted(began, timed_out=True)
            raise

    return overseen


def _nanoseconds(milliseconds: float | None) -> int:
    """A time as an event tells it; raises ValueError where it is none."""
    if milliseconds is None:
        return 0
    if not math.isfinite(milliseconds) or milliseconds < 0:
        msg = f"its response_time is {milliseconds}"
        raise ValueError(msg)
    return round(milliseconds * 1e6)
