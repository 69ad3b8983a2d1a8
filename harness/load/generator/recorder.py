"""Records every counted request in memory, exactly; one result at the end."""

import heapq
from collections import Counter
from datetime import UTC, datetime
from itertools import count

from harness.frozen import dataclass
from harness.load.latency import Latencies, bucket
from harness.load.plan import Plan, nanoseconds
from harness.load.result import SCHEMA, Kind, LoadResult, Seen, StepResult
from harness.load.windows import Timeline
from harness.masking import mask

SHOWN = 5
"""How many of the slowest and of the first failing requests are kept."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a journey: its name, how it ended (``None``: a success), and how long it took, in nanoseconds."""

    name: str
    kind: Kind | None
    took: int


@dataclass(frozen=True, slots=True)
class Answer:
    """How one arrival ended; `kind` is ``None`` for a success. `status` is 0 where there was no answer.

    A journey is one arrival of several requests: its `steps`.
    """

    kind: Kind | None
    status: int = 0
    detail: str = ""
    size: int = 0
    retried: bool = False
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts so far, all from the start. `ours` failed for want of the generator's own resources."""

    sent: int
    completed: int
    timed_out: int
    succeeded: int
    dropped: int
    ours: int


class _Steps:
    """The requests of one step of a journey."""

    def __init__(self) -> None:
        self._sent = self._failed = 0
        self._latency = Latencies()

    def add(self, step: Step) -> None:
        self._sent += 1
        if step.kind is None:
            self._latency.add(step.took)
        else:
            self._failed += 1

    def summary(self) -> StepResult:
        return StepResult(self._sent, self._failed, self._latency.summary())


class Recorder:
    """What has happened so far. Times are monotonic nanoseconds."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.started = datetime.now(UTC)
        self.sent = self.completed = self.timed_out = self.succeeded = 0
        self.dropped = self.late = self.retried = self.warm_up = 0
        self.failures: Counter[Kind] = Counter()
        self.statuses: Counter[int] = Counter()
        self._latency, self._service_time, self._lag = Latencies(), Latencies(), Latencies()
        self._timeline = Timeline(nanoseconds(plan.duration), planned=plan.open)
        self._timeout = nanoseconds(plan.timeout)
        self._late_after = nanoseconds(plan.late_after)
        self._slowest: list[tuple[int, int, Seen]] = []
        self._first_failures: list[Seen] = []
        self._steps: dict[str, _Steps] = {}
        self._slow = -1
        """A request is kept only if it took longer."""
        self._order = count()
        self._origin = self._last = 0
        self._length = nanoseconds(plan.duration)

    def open(self, origin: int) -> None:
        """The counted stretch starts at `origin`."""
        self._origin = self._last = origin
        self.started = datetime.now(UTC)

    def cut(self, end: int) -> None:
        """The counted stretch ends at `end`, before its time."""
        self._length = min(self._length, max(1, end - self._origin))

    def start(self, intended: int, actual: int) -> None:
        """A counted request is about to be sent."""
        self.sent += 1
        lag = actual - intended
        self._lag.add(lag)
        if lag > self._late_after:
            self.late += 1
        if actual > self._last:
            self._last = actual
        self._timeline.due(intended - self._origin, actual - self._origin)

    def drop(self, intended: int) -> None:
        """A counted arrival found no free slot."""
        self.dropped += 1
        self._timeline.dropped(intended - self._origin)

    def finish(self, intended: int, actual: int, ended: int, answer: Answer) -> None:
        """A counted request is over."""
        kind, due = answer.kind, intended - self._origin
        timed_out = kind is Kind.TIMEOUT
        took = self._timed_out(ended - actual) if timed_out else ended - actual
        latency = took + actual - intended if actual > intended else took
        if answer.status:
            self.statuses[answer.status] += 1
        if answer.retried:
            self.retried += 1
        for step in answer.steps:
            self._steps.setdefault(step.name, _Steps()).add(step)
        if timed_out:
            self.timed_out += 1
        else:
            self.completed += 1
        if kind is None:
            self.succeeded += 1
        else:
            self.failures[kind] += 1
            if len(self._first_failures) < SHOWN:
                self._first_failures.append(_seen(due, latency, answer))
        if kind is None or timed_out:
            self._latency.add(latency)
            self._service_time.add(took)
            index = bucket(max(took, 1))
            later = index if latency == took else bucket(max(latency, 1))
            self._timeline.timed(due, later, index, timed_out=timed_out)
        else:
            self._timeline.failed(due)
        if latency > self._slow:
            self._keep(latency, _seen(due, latency, answer))

    def _timed_out(self, took: int) -> int:
        """A time-out counts as long as it had time: in a journey after the steps before it, in a locustfile as it says."""
        own = self.plan.kind in {"journeys", "locustfile"}
        return min(took, self._timeout) if own else self._timeout

    def _keep(self, latency: int, seen: Seen) -> None:
        """One of the slowest so far; of equal ones the first."""
        entry = (latency, -next(self._order), seen)
        if len(self._slowest) < SHOWN:
            heapq.heappush(self._slowest, entry)
        else:
            heapq.heapreplace(self._slowest, entry)
        if len(self._slowest) == SHOWN:
            self._slow = self._slowest[0][0]

    def tally(self) -> Tally:
        """What has been counted so far."""
        return Tally(
            self.sent,
            self.completed,
            self.timed_out,
            self.succeeded,
            self.dropped,
            self.failures[Kind.GENERATOR],
        )

    def latency_buckets(self) -> dict[str, int]:
        """The latencies so far, from the intended start."""
        return self._latency.buckets()

    def lag_buckets(self) -> dict[str, int]:
        """The schedule lag so far."""
        return self._lag.buckets()

    def result(self, *, cpu: float) -> LoadResult:
        """Everything, once it is over. `cpu` is the share of one core that the generator used."""
        return LoadResult(
            schema=SCHEMA,
            run=self.plan.run,
            scenario=self.plan.scenario,
            complete=True,
            model="open" if self.plan.open else "closed",
            started=self.started.isoformat(),
            planned=self.plan.arrivals,
            sent=self.sent,
            completed=self.completed,
            timed_out=self.timed_out,
            succeeded=self.succeeded,
            dropped=self.dropped,
            late=self.late,
            retried=self.retried,
            warm_up=self.warm_up,
            duration=nanoseconds(self.plan.duration),
            elapsed=max(self._length, self._last - self._origin),
            cpu=round(cpu, 4),
            latency=self._latency.summary(),
            service_time=self._service_time.summary(),
            lag=self._lag.summary(),
            failures=dict(self.failures),
            statuses={str(status): number for status, number in sorted(self.statuses.items())},
            slowest=tuple(
                seen for _, _, seen in sorted(self._slowest, key=lambda entry: entry[:2], reverse=True)
            ),
            first_failures=tuple(self._first_failures),
            windows=self._timeline.windows(),
            steps={name: steps.summary() for name, steps in self._steps.items()},
        )


def _seen(due: int, latency: int, answer: Answer) -> Seen:
    return Seen(round(due / 1e9, 3), latency, answer.status, answer.kind, mask(answer.detail))
