"""When requests start: on a fixed schedule (open model), or each when the one before it is over (closed model)."""

import time
from collections.abc import Callable
from contextlib import suppress

import gevent
from gevent.event import Event
from gevent.pool import Pool

from harness.load.generator.client import now
from harness.load.generator.recorder import Recorder
from harness.load.generator.traffic import Sender
from harness.load.plan import Plan, nanoseconds
from harness.load.schedule import Schedule as Arrivals

_LEAD = 50_000_000
"""Nanoseconds between deciding on the schedule and its first arrival."""
_DRAIN = 2.0
"""Seconds beyond the time-out that open requests get to end."""
_PAUSE = 0.1
"""Seconds that a user waits at least after a request without an answer: nobody hammers a closed door."""


class CpuMeter:
    """The share of one core that this process uses between `start` and `stop`."""

    def __init__(self) -> None:
        self.share = 0.0
        self._cpu = self._wall = 0

    def start(self) -> None:
        """From now on."""
        self._cpu, self._wall = time.process_time_ns(), now()

    def stop(self) -> None:
        """Up to now."""
        if (wall := now() - self._wall) > 0:
            self.share = (time.process_time_ns() - self._cpu) / wall


class Schedule:
    """The open model: this node's share of the arrivals, each started when it is due, whatever the service does.

    A stall is met by every request that was due in it (no coordinated omission: G. Tene, "How NOT to Measure Latency").
    Of n nodes, the k-th sends every n-th arrival, from the k-th on. Where no slot is free an arrival is dropped, and counted.
    """

    def __init__(self, plan: Plan, node: int, sender: Sender, recorder: Recorder, meter: CpuMeter) -> None:
        self._plan, self._node, self._sender, self._recorder, self._meter = (
            plan,
            node,
            sender,
            recorder,
            meter,
        )
        self._over = Event()
        self._slots = Pool(-(-plan.slots // plan.nodes))
        self.origin = 0
        """When the counted stretch began."""
        self.due = 0
        """How many counted arrivals of this share have come due."""

    def stop(self) -> None:
        """Start no more requests; those that are open may end."""
        self._recorder.cut(now())
        self._over.set()

    def conduct(self) -> None:
        """Warm up, count, wait for what is open."""
        begin = now() + _LEAD
        self.origin = begin + nanoseconds(self._plan.warm_up)
        self._recorder.open(self.origin)
        self._send(self._plan.warm_up_schedule, begin, self._warm)
        self._over.wait(max(0.0, (self.origin - now()) / 1e9))
        self._meter.start()
        self._send(self._plan.schedule, self.origin, self._counted)
        self._over.wait(max(0.0, (self.origin + nanoseconds(self._plan.duration) - now()) / 1e9))
        self._meter.stop()
        self._slots.join(timeout=self._plan.timeout + _DRAIN)
        self._slots.kill()

    def _send(self, schedule: Arrivals, begin: int, start: Callable[[int], None]) -> None:
        over, when = self._over, schedule.due
        for index in range(self._node, schedule.arrivals, self._plan.nodes):
            due = begin + round(when(index) * 1e9)
            # Sleeping 0 s when behind lets the requests that are due take their turn.
            gevent.sleep(max(0.0, (due - now()) / 1e9))
            if over.is_set():
                return
            start(due)

    def _warm(self, _due: int) -> None:
        if self._slots.free_count() > 0:
            self._recorder.warm_up += 1
            self._slots.spawn(self._sender.send)

    def _counted(self, due: int) -> None:
        self.due += 1
        if self._slots.free_count() > 0:
            self._slots.spawn(self._one, due)
        else:
            self._recorder.drop(due)

    def _one(self, due: int) -> None:
        started = now()
        self._recorder.start(due, started)
        answer = self._sender.send()
        self._recorder.finish(due, started, now(), answer)


class Loop:
    """The closed model: users that send, wait for the answer, think, and send again."""

    def __init__(self, plan: Plan, sender: Sender, recorder: Recorder, meter: CpuMeter) -> None:
        self._plan, self._sender, self._recorder, self._meter = plan, sender, recorder, meter
        self.origin = self._until = 0
        self._over = Event()
        self._open = 0
        self._ended = Event()

    def stop(self) -> None:
        """Start no more requests; those that are open may end."""
        self._recorder.cut(now())
        self._over.set()

    def user(self) -> None:
        """What one user does until the end; requests before the counted stretch are warm-up."""
        while not self._over.is_set():
            started = now()
            if self._until and started >= self._until:
                return
            counted = 0 < self.origin <= started
            if counted:
                self._recorder.start(started, started)
                self._open += 1
            else:
                self._recorder.warm_up += 1
            answer = self._sender.send()
            if counted:
                self._recorder.finish(started, started, now(), answer)
                self._open -= 1
                self._ended.set()
            pause = self._plan.think_time if answer.status else max(self._plan.think_time, _PAUSE)
            self._over.wait(pause) if pause else gevent.sleep(0)

    def conduct(self) -> None:
        """All users are there: warm up, count, wait for what is open."""
        start = now() + nanoseconds(self._plan.warm_up)
        self.origin, self._until = start, start + nanoseconds(self._plan.duration)
        self._recorder.open(start)
        self._over.wait(self._plan.warm_up)
        self._meter.start()
        self._over.wait(max(0.0, (self._until - now()) / 1e9))
        self._meter.stop()
        self._over.set()
        with suppress(gevent.Timeout), gevent.Timeout(self._plan.timeout + _DRAIN):
            while self._open:
                self._ended.clear()
                self._ended.wait()
