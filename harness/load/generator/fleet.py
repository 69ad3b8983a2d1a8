"""Nodes under Locust: one in the same process, or workers that a master starts, hears and ends.

The conversation of a worker with its master: ``hello`` (its nonce and version), ``welcome`` (the master's nonce, the worker's
number, and the plan where it does not know it), ``ready``; when all users are there ``go``; then ``snapshot`` after
``snapshot``, perhaps a ``stop`` from the master, and ``failed`` where something broke.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.runners import MasterRunner

from harness import __version__
from harness.errors import GonogoError, ToolError
from harness.frozen import replace
from harness.load.generator.channel import BROKEN, MESSAGE, Channel, ForgedError, Message, nonce
from harness.load.generator.collector import Collector
from harness.load.generator.node import Node
from harness.load.generator.progress import Progress
from harness.load.generator.recorder import Tally
from harness.load.generator.snapshot import Snapshot
from harness.load.plan import Plan
from harness.load.result import write

_AGAIN = 0.5
_GRACE = 10.0

NodeMaker = Callable[[Plan, int, Callable[[Snapshot], None]], Node]
"""Makes the node of a number (from 0), which tells its snapshots to the function given."""


class Front:
    """The side that decides: collects snapshots, ends the run, writes its result, and sets Locust's exit code."""

    def __init__(self, environment: Environment, plan: Plan) -> None:
        self._environment, self._plan = environment, plan
        self._collector = Collector(plan)
        self._progress = Progress(Path(plan.progress))
        self._began = 0.0
        self._over = self._awaiting = False
        self.stop: Callable[[], None] = lambda: None
        """Tells all nodes to stop; set by who knows them."""
        environment.process_exit_code = BROKEN

    def await_workers(self, come: Callable[[], int]) -> None:
        """Say how many workers have come until the load begins; end the run where they do not."""
        since, self._awaiting = time.monotonic(), True
        while not self._began and not self._over:
            waited = time.monotonic() - since
            if waited > self._plan.wait:
                others = f"; start the others with: {self._plan.start}" if self._plan.start else ""
                self.fail(f"{come()} of {self._plan.nodes} workers came within {self._plan.wait:g} s{others}")
            elif come() < self._plan.nodes:
                self._progress.write(
                    {
                        "waiting": round(waited, 1),
                        "come": come(),
                        "expected": self._plan.nodes,
                        "start": self._plan.start,
                    }
                )
            gevent.sleep(1.0)

    def begin(self) -> None:
        """The nodes have been told to start."""
        self._began = time.monotonic()
        self._collector.begin(self._began)
        gevent.spawn(self._watch)

    def add(self, snapshot: Snapshot) -> None:
        """A node has told something."""
        if self._over:
            return
        try:
            before = self._collector.ended_early
            self._collector.add(snapshot, time.monotonic())
            if self._collector.ended_early and not before:
                self.stop()
            if self._collector.complete:
                self._finish()
        except Exception as error:  # noqa: BLE001 - Locust would log it and go on for ever
            self.fail(reason_of(error))

    def fail(self, message: str) -> None:
        """End the run without a result."""
        if not self._over:
            self._over = True
            self.stop()
            _say_last(message)
            gevent.spawn(self._quit)

    def _quit(self) -> None:
        self._environment.runner.quit()
        if self._awaiting and not self._began:
            # Locust's main greenlet may still wait for workers, and sees nothing else.
            hub = gevent.get_hub()
            hub.loop.run_callback(hub.parent.throw, SystemExit(BROKEN))

    def _finish(self) -> None:
        write(Path(self._plan.result), self._collector.result())
        self._over = True
        self._environment.process_exit_code = 0
        gevent.spawn(self._environment.runner.quit)

    def _watch(self) -> None:
        """Write progress each second; end the run where a node has gone."""
        longest = self._plan.warm_up + self._plan.duration + self._plan.timeout + _GRACE
        while not self._over:
            gevent.sleep(1.0)
            clock = time.monotonic()
            self._progress.write(self._collector.progress(clock - self._began))
            if lost := self._collector.silent(clock):
                numbers = ", ".join(str(node + 1) for node in lost)
                self.fail(
                    f"worker {numbers} of {self._plan.nodes} has gone: no word for {self._plan.silence:g} s and no result"
                )
            elif clock - self._began > longest:
                self.fail(f"the load did not end within {longest:.0f} s")


class Local:
    """One node in Locust's own process."""

    def __init__(self, environment: Environment, plan: Plan, make: NodeMaker) -> None:
        self._front = Front(environment, plan)
        self.node = make(plan, 0, self._front.add)
        self._front.stop = self.node.stop
        environment.events.spawning_complete.add_listener(lambda **_: gevent.spawn(self._conduct))

    def user(self) -> None:
        """What one of Locust's users does."""
        self.node.user()

    def _conduct(self) -> None:
        try:
            self.node.prepare()
            self._front.begin()
            self.node.conduct()
        except Exception as error:  # noqa: BLE001 - Locust would log it and go on for ever
            self._front.fail(reason_of(error))


class Master:
    """The front of several workers."""

    def __init__(self, environment: Environment, plan: Plan, token: str, *, tell_plan: bool) -> None:
        self._runner: MasterRunner = environment.runner
        self._plan, self._token, self._tell_plan = plan, token, tell_plan
        self._front = Front(environment, plan)
        self._front.stop = lambda: self._tell_all("stop", {})
        self._channels: dict[str, Channel] = {}
        self._numbers: dict[str, int] = {}
        self._ready: set[str] = set()
        self._strangers: set[str] = set()
        self._spawned = self._gone = False
        self._runner.register_message(MESSAGE, self._hear)
        environment.events.spawning_complete.add_listener(lambda **_: self._users_are_there())
        environment.events.worker_connect.add_listener(lambda client_id, **_: self._connected(client_id))
        gevent.spawn(self._front.await_workers, lambda: len(self._ready))

    def _hear(self, environment: Environment, msg: Any, **_: object) -> None:  # noqa: ANN401, ARG002
        worker = str(msg.node_id)
        try:
            channel = self._channels.get(worker) or Channel(self._token, "master", worker)
            self._take(worker, channel.open(msg.data))
        except ForgedError as error:
            # A known worker is not ended by what someone else says in its name; a stranger is told of once.
            if worker not in self._numbers and worker not in self._strangers:
                self._strangers.add(worker)
                _say(f"{worker} said {error}: it does not take part; give it the token of this run")
        except Exception as error:  # noqa: BLE001 - Locust would log it and go on for ever
            self._front.fail(reason_of(error))

    def _take(self, worker: str, message: Message) -> None:
        match message.kind:
            case "hello":
                self._welcome(worker, message.body)
            case _ if worker not in self._numbers:
                _say(f"{worker} takes part in no run: its {message.kind!r} is not heard")
            case "ready":
                self._ready.add(worker)
                self._go_if_all()
            case "snapshot":
                self._front.add(_snapshot(message.body, self._numbers[worker]))
            case "failed":
                number = self._numbers[worker] + 1
                self._front.fail(f"worker {number} of {self._plan.nodes}: {message.body.get('reason')}")

    def _welcome(self, worker: str, hello: Mapping[str, Any]) -> None:
        if worker in self._numbers:
            return
        if hello.get("version") != __version__:
            self._front.fail(
                f"worker {worker} runs gonogo {hello.get('version')}, this is {__version__}: install the same"
            )
            return
        if len(self._numbers) == self._plan.nodes:
            self._one_more(worker)
            return
        self._numbers[worker] = len(self._numbers)
        channel = Channel(self._token, "master", worker)
        mine, theirs = nonce(), str(hello.get("nonce"))
        plan = replace(self._plan, headers=_public(self._plan)).to_json() if self._tell_plan else None
        channel.nonces = (theirs, "")
        self._send(
            worker, channel.seal("welcome", {"nonce": mine, "number": self._numbers[worker], "plan": plan})
        )
        channel.nonces = (theirs, mine)
        self._channels[worker] = channel

    def _connected(self, worker: str) -> None:
        if self._gone and worker not in self._numbers:
            self._one_more(worker)

    def _users_are_there(self) -> None:
        self._spawned = True
        self._go_if_all()

    def _go_if_all(self) -> None:
        if not self._spawned or self._gone or len(self._ready) < self._plan.nodes:
            return
        if strangers := set(self._runner.clients) - set(self._numbers):
            self._one_more(", ".join(sorted(strangers)))
        else:
            self._gone = True
            self._front.begin()
            self._tell_all("go", {})

    def _one_more(self, workers: str) -> None:
        """Locust gives every worker that connects a share of the users, and takes it from the others."""
        if self._gone and self._plan.open:
            return  # the users of a schedule only stand by
        self._front.fail(
            f"{workers} came beside the {self._plan.nodes} workers of this run, and would take a share of its users: "
            f"start exactly as many, with the token of this run"
        )

    def _tell_all(self, kind: str, body: Mapping[str, Any]) -> None:
        for worker, channel in self._channels.items():
            self._send(worker, channel.seal(kind, body))

    def _send(self, worker: str, text: str) -> None:
        self._runner.send_message(MESSAGE, text, client_id=worker)


class Worker:
    """One node that a master in another process leads."""

    def __init__(self, environment: Environment, plan: Plan | None, token: str, make: NodeMaker) -> None:
        self._runner = environment.runner
        self._plan, self._make = plan, make
        self._nonce = nonce()
        self._knocking = Channel(token, self._runner.client_id, "master")
        self._channel = Channel(token, self._runner.client_id, "master")
        self._channel.nonces = (self._nonce, "")
        self.node: Node | None = None
        self._welcomed, self._made = Event(), Event()
        self._runner.register_message(MESSAGE, self._hear)
        self._environment = environment
        environment.process_exit_code = BROKEN
        gevent.spawn(self._knock)

    def user(self) -> None:
        """What one of Locust's users does."""
        self._made.wait()
        if self.node is not None:
            self.node.user()

    def _knock(self) -> None:
        """Say hello until it is heard: the master may not be listening yet."""
        while not self._welcomed.wait(_AGAIN):
            hello = self._knocking.seal("hello", {"nonce": self._nonce, "version": __version__})
            self._runner.send_message(MESSAGE, hello)

    def _hear(self, environment: Environment, msg: Any, **_: object) -> None:  # noqa: ANN401, ARG002
        try:
            message = self._channel.open(msg.data)
        except ForgedError as error:
            _say(f"the master said {error}; is the token the same on both sides?")
            return
        match message.kind:
            case "welcome":
                self._channel.nonces = (self._nonce, str(message.body["nonce"]))
                self._welcomed.set()
                gevent.spawn(self._begin, message.body)
            case "go":
                gevent.spawn(self._conduct)
            case "stop" if self.node is not None:
                self.node.stop()

    def _begin(self, welcome: Mapping[str, Any]) -> None:
        try:
            plan = self._plan or _completed(Plan.from_json(str(welcome["plan"])))
            self.node = self._make(plan, int(welcome["number"]), self._tell)
            self.node.prepare()
            _written(Snapshot(0, 0, Tally(0, 0, 0, 0, 0, 0)))  # the first time takes a tenth of a second
        except Exception as error:  # noqa: BLE001 - the master must hear of it, whatever it is
            self._say("failed", {"reason": reason_of(error)})
            return
        self._made.set()
        self._say("ready", {})

    def _conduct(self) -> None:
        if self.node is None:
            return
        try:
            self.node.conduct()
            self._environment.process_exit_code = 0
        except Exception as error:  # noqa: BLE001 - the master must hear of it, whatever it is
            self._say("failed", {"reason": reason_of(error)})

    def _tell(self, snapshot: Snapshot) -> None:
        self._say("snapshot", {"snapshot": _written(snapshot)})

    def _say(self, kind: str, body: Mapping[str, Any]) -> None:
        self._runner.send_message(MESSAGE, self._channel.seal(kind, body))


def reason_of(error: Exception) -> str:
    """What to say of an error; where it was not made for people, with its place."""
    if isinstance(error, GonogoError):
        return error.message
    sys.stderr.write("".join(traceback.format_exception(error)))
    return f"{type(error).__name__}: {error}"


def _written(snapshot: Snapshot) -> Any:  # noqa: ANN401 - JSON is what it is
    from harness import codec

    return codec.dump(snapshot)


def _snapshot(body: Mapping[str, Any], number: int) -> Snapshot:
    from harness import codec
    from harness.shapes import ValidationError

    try:
        snapshot = codec.load(Snapshot, body.get("snapshot"))
    except ValidationError as error:
        raise ToolError(
            f"worker {number + 1} sent a report that cannot be read: {error}", hint="run again"
        ) from error
    if snapshot.node != number:
        raise ToolError(f"worker {number + 1} reports as worker {snapshot.node + 1}", hint="run again")
    return snapshot


def _public(plan: Plan) -> dict[str, str]:
    """The headers that may go over the wire: all but those that each worker reads from its own environment."""
    return {name: value for name, value in plan.headers.items() if name not in plan.header_variables}


def _completed(plan: Plan) -> Plan:
    """The plan with the headers that this worker's environment holds.

    Raises:
        ToolError: a variable is not set here.
    """
    found = {}
    for name, variable in plan.header_variables.items():
        if not (value := os.environ.get(variable, "")):
            raise ToolError(f"{variable} is not set on this worker (header {name})", hint=f"set {variable}")
        found[name] = value
    return replace(plan, headers={**plan.headers, **found})


def _say(message: str) -> None:
    sys.stderr.write(f"gonogo: {message}\n")
    sys.stderr.flush()


def _say_last(message: str) -> None:
    """Below Locust's own summary, where the one who reads only the end finds it."""
    import atexit

    atexit.register(_say, message)
