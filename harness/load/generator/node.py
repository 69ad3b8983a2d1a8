"""One process's share of the load: what it sends, what it records, and what it tells about it."""

import gc
import time
from collections.abc import Callable

import gevent
from gevent.event import Event

from harness.load.generator.arrivals import CpuMeter, Loop, Schedule
from harness.load.generator.client import now
from harness.load.generator.recorder import Recorder
from harness.load.generator.snapshot import Rhythm, Snapshot
from harness.load.generator.traffic import Sender
from harness.load.plan import Plan


class Node:
    """The share `number` (from 0) of the plan's `nodes`. `tell` gets its snapshots, in order; the last one has the result."""

    def __init__(self, plan: Plan, number: int, sender: Sender, tell: Callable[[Snapshot], None]) -> None:
        self._plan, self._number, self._sender, self._tell = plan, number, sender, tell
        self.recorder = Recorder(plan)
        self._meter = CpuMeter()
        self._count = 0
        self._rhythm = Rhythm.of(plan)
        self._since = (now(), time.process_time_ns())
        self._go = Event()
        self._drive: Schedule | Loop = (
            Schedule(plan, number, sender, self.recorder, self._meter)
            if plan.open
            else Loop(plan, sender, self.recorder, self._meter)
        )

    def stop(self) -> None:
        """Start no more requests; those that are open may end."""
        self._drive.stop()

    def user(self) -> None:
        """What one of Locust's users does: in a closed loop its visits; a schedule is kept by `conduct` alone."""
        self._go.wait()
        if isinstance(self._drive, Loop):
            self._drive.user()

    def prepare(self) -> None:
        """Do what the first arrival must not be billed for; may take its time.

        Raises:
            GonogoError: it could not be prepared.
        """
        self._sender.prime()

    def conduct(self) -> None:
        """All users are there: run the share to its end, telling all the time."""
        gc.collect()
        gc.freeze()
        teller = gevent.spawn(self._tell_on)
        try:
            self._go.set()
            self._drive.conduct()
        finally:
            teller.kill()
            self._sender.close()
        due = self._drive.due if isinstance(self._drive, Schedule) else None
        self._tell(self._snapshot(due, last=True))

    def _tell_on(self) -> None:
        rhythm, self._since = self._rhythm, (now(), time.process_time_ns())
        while not self._drive.origin:
            gevent.sleep(0)
        while True:
            due = self._drive.origin + round((self._count + 1 - rhythm.warm) * rhythm.tick * 1e9)
            gevent.sleep(max(0.0, (due - now()) / 1e9))
            self._tell(self._snapshot())
            if self._count == rhythm.warm:
                self._since = (now(), time.process_time_ns())

    def _snapshot(self, due: int | None = None, *, last: bool = False) -> Snapshot:
        self._count += 1
        recorder = self.recorder
        return Snapshot(
            node=self._number,
            number=self._count,
            tally=recorder.tally(),
            late=recorder.late,
            cpu=self._cpu(),
            latency=recorder.latency_buckets(),
            due=due,
            result=recorder.result(cpu=self._meter.share) if last else None,
        )

    def _cpu(self) -> float:
        """The share of a core since the counted stretch began."""
        wall, cpu = self._since
        return (time.process_time_ns() - cpu) / max(now() - wall, 1)
