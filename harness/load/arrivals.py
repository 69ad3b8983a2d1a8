"""When requests start: on a fixed schedule (open model), or each when the one before it is over (closed model)."""

import time
from contextlib import suppress

import gevent
from gevent.event import Event
from gevent.pool import Pool

from harness.load.client import Sender, now
from harness.load.plan import Plan, count, nanoseconds
from harness.load.recorder import Recorder

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


def run_open(plan: Plan, rate: float, sender: Sender, recorder: Recorder, meter: CpuMeter) -> None:
    """Start N = rate × duration requests, the i-th at i / rate, whatever the service does; return when all are over.

    The schedule never waits for the service, so a stall is met by every request that was due in it (no coordinated
    omission: G. Tene, "How NOT to Measure Latency"). Where no slot is free the arrival is dropped, and counted.
    """
    period = 1e9 / rate
    total = plan.warm_up_arrivals + count(rate, plan.duration)
    slots = Pool(plan.slots)
    origin = now() + _LEAD
    recorder.open(origin + round(plan.warm_up_arrivals * period))
    for index in range(total):
        if index == plan.warm_up_arrivals:
            meter.start()
        due = origin + round(index * period)
        # Sleeping 0 s when behind lets the requests that are due take their turn.
        gevent.sleep(max(0.0, (due - now()) / 1e9))
        counted = index >= plan.warm_up_arrivals
        if slots.free_count() > 0:
            slots.spawn(_one, sender, recorder, due, counted)
        elif counted:
            recorder.drop(due)
    gevent.sleep(max(0.0, (origin + round(total * period) - now()) / 1e9))
    meter.stop()
    slots.join(timeout=plan.timeout + _DRAIN)
    slots.kill()


def _one(sender: Sender, recorder: Recorder, due: int, counted: bool) -> None:
    started = now()
    if not counted:
        recorder.warm_up += 1
        sender.send()
        return
    recorder.start(due, started)
    answer = sender.send()
    recorder.finish(due, started, now(), answer)


class Loop:
    """The closed model: users that send, wait for the answer, think, and send again."""

    def __init__(self, plan: Plan, sender: Sender, recorder: Recorder, meter: CpuMeter) -> None:
        self._plan, self._sender, self._recorder, self._meter = plan, sender, recorder, meter
        self._from = self._until = 0
        self._over = Event()
        self._open = 0

    def user(self) -> None:
        """What one user does until the end; requests before the counted stretch are warm-up."""
        while not self._over.is_set():
            started = now()
            if self._until and started >= self._until:
                return
            counted = self._from > 0 and started >= self._from
            if counted:
                self._recorder.start(started, started)
            else:
                self._recorder.warm_up += 1
            self._open += counted
            answer = self._sender.send()
            if counted:
                self._recorder.finish(started, started, now(), answer)
            self._open -= counted
            pause = self._plan.think_time if answer.status else max(self._plan.think_time, _PAUSE)
            self._over.wait(pause) if pause else gevent.sleep(0)

    def conduct(self) -> None:
        """All users are there: warm up, count, wait for what is open."""
        start = now() + nanoseconds(self._plan.warm_up)
        self._from, self._until = start, start + nanoseconds(self._plan.duration)
        self._recorder.open(start)
        gevent.sleep(self._plan.warm_up)
        self._meter.start()
        gevent.sleep(max(0.0, (self._until - now()) / 1e9))
        self._meter.stop()
        self._over.set()
        with suppress(gevent.Timeout), gevent.Timeout(self._plan.timeout + _DRAIN):
            while self._open:
                gevent.sleep(0.005)
