"""Where all nodes' snapshots come together: the decision while the load runs, progress, and the one result at the end.

Knows nothing of Locust, of greenlets or of the network.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from harness.errors import ToolError
from harness.load.generator.recorder import Tally
from harness.load.generator.snapshot import Rhythm, Snapshot
from harness.load.merge import merged
from harness.load.plan import Plan, nanoseconds
from harness.load.result import Judged, LoadResult
from harness.load.statistics.sequential import Ground, Look, RateDecision, RateRule, State, Terms
from harness.load.validity import MAX_CPU, MIN_RATE
from harness.load.windows import add_up, percentile
from harness.threshold import parse

SILENCE = 5.0
"""Seconds without a word after which a node counts as lost."""
_EARLY = (Ground.CURTAILMENT, Ground.EVIDENCE, Ground.EARLY_PASS)


class Collector:
    """Takes snapshots; says when the load should end, and what it came to."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rhythm = Rhythm.of(plan)
        self._latest: dict[int, Snapshot] = {}
        self._heard: dict[int, float] = {}
        self._pending: dict[int, dict[int, Tally]] = {}
        self._window = 0
        terms = Terms(confidence=plan.confidence, early_pass=plan.early_pass)
        rules = [rule for rule in (RateRule.of(parse(text)) for text in plan.rules) if rule]
        self._decisions = [RateDecision(rule, plan.arrivals, terms) for rule in rules]
        self._fed = (0, 0)
        self._early: dict[str, Look] = {}
        self.ended_early = False

    def begin(self, clock: float) -> None:
        """The nodes have been told to start, at this moment of a monotonic clock in seconds."""
        self._heard = dict.fromkeys(range(self._plan.nodes), clock)

    def add(self, snapshot: Snapshot, clock: float) -> None:
        """Take the next snapshot of a node, heard at this moment.

        Raises:
            ToolError: one was lost, or counts went down: nothing that follows could be trusted.
        """
        node = snapshot.node
        before = self._latest.get(node)
        expected = before.number + 1 if before else 1
        went_down = before is not None and _went_down(before.tally, snapshot.tally)
        if not 0 <= node < self._plan.nodes or snapshot.number != expected or went_down:
            wrong = (
                "counts that went down" if went_down else f"report {snapshot.number} instead of {expected}"
            )
            raise ToolError(
                f"worker {node + 1} of {self._plan.nodes} sent {wrong}",
                hint="run again; its requests cannot be counted",
            )
        self._latest[node], self._heard[node] = snapshot, clock
        if snapshot.result is None and snapshot.number % self._rhythm.per_window == 0:
            self._pending.setdefault(snapshot.number // self._rhythm.per_window, {})[node] = snapshot.tally
        self._decide()

    def silent(self, clock: float) -> tuple[int, ...]:
        """The nodes that have said nothing for too long and have not ended."""
        return tuple(
            node
            for node, heard in sorted(self._heard.items())
            if clock - heard > SILENCE + self._rhythm.tick and not self._over(node)
        )

    @property
    def complete(self) -> bool:
        """Whether every node has handed in its result."""
        return all(self._over(node) for node in range(self._plan.nodes))

    @property
    def tally(self) -> Tally:
        """The counts of all nodes."""
        return _total(snapshot.tally for snapshot in self._latest.values())

    def result(self) -> LoadResult:
        """Everything, once it is `complete`.

        Raises:
            ToolError: a node's result is missing or not of this run.
        """
        results = [snapshot.result for _, snapshot in sorted(self._latest.items())]
        known = [
            replace(result, due=snapshot.due)
            for result, (_, snapshot) in zip(results, sorted(self._latest.items()), strict=True)
            if result
        ]
        if len(known) != self._plan.nodes:
            raise ToolError(
                f"{self._plan.nodes - len(known)} of {self._plan.nodes} workers left no result",
                hint="run again",
            )
        try:
            found = merged(known)
        except ValueError as error:
            raise ToolError(
                f"the workers' results do not belong together: {error}", hint="run again"
            ) from error
        return replace(found, judged=tuple(self._judged(found)))

    def progress(self, since: float) -> Mapping[str, Any]:
        """How far the run is, `since` seconds after its start: one line for whoever watches."""
        tally = self.tally
        buckets = add_up(snapshot.latency for snapshot in self._latest.values())
        ended = tally.completed + tally.timed_out
        return {
            "second": round(since, 1),
            "left": round(max(0.0, self._plan.warm_up + self._plan.duration - since), 1),
            "warming_up": since < self._plan.warm_up,
            "planned": self._plan.arrivals,
            "sent": tally.sent,
            "completed": tally.completed,
            "timed_out": tally.timed_out,
            "succeeded": tally.succeeded,
            "dropped": tally.dropped,
            "success": round(tally.succeeded / ended, 6) if ended else None,
            "p95": percentile(buckets, 95),
            "evidence": [
                {
                    "rule": decision.rule.threshold.text,
                    "e": min(look.evidence, 1e300),
                    "enough": 1 / decision.terms.alpha,
                }
                for decision in self._decisions
                for look in [decision.look()]
            ],
        }

    def _over(self, node: int) -> bool:
        latest = self._latest.get(node)
        return latest is not None and latest.result is not None

    def _decide(self) -> None:
        """Feed the windows that every node has told of, and look after each."""
        while len(self._pending.get(self._window + 1, {})) == self._plan.nodes:
            self._window += 1
            self._feed(_total(self._pending.pop(self._window).values()))
            if self._plan.stop_early and not self.ended_early:
                self._look()

    def _feed(self, tally: Tally) -> None:
        self._fed = (tally.completed + tally.timed_out, tally.completed + tally.timed_out - tally.succeeded)
        for decision in self._decisions:
            decision.feed(*self._fed)

    def _look(self) -> None:
        """End the load where a rule is broken for certain, or all may pass early; only if what was seen is valid."""
        looks = {decision.rule.threshold.text: decision.look() for decision in self._decisions}
        failing = {rule: look for rule, look in looks.items() if look.state is State.FAIL}
        passing = {
            rule: look for rule, look in looks.items() if look.state is State.PASS and look.ground in _EARLY
        }
        found = failing or (passing if len(passing) == len(looks) else {})
        if found and self._valid_so_far():
            self._early, self.ended_early = found, True

    def _valid_so_far(self) -> bool:
        """Whether the figures speak of the service: an early end must not rest on the generator's own trouble."""
        tally = self.tally
        lag = max((snapshot.lag for snapshot in self._latest.values()), default=0)
        cpu = max((snapshot.cpu for snapshot in self._latest.values()), default=0.0)
        arrived = tally.sent + tally.dropped
        return (
            tally.ours == 0
            and cpu <= MAX_CPU
            and (not self._plan.open or lag <= nanoseconds(self._plan.late_after))
            and tally.sent >= MIN_RATE * arrived
        )

    def _judged(self, result: LoadResult) -> list[Judged]:
        requests = result.completed + result.timed_out
        failures = requests - result.succeeded
        if (requests, failures) != self._fed and requests >= self._fed[0]:
            for decision in self._decisions:
                decision.feed(requests, failures)
        return [
            _told(self._early.get(decision.rule.threshold.text) or decision.look(over=True))
            for decision in self._decisions
        ]


def _told(look: Look) -> Judged:
    return Judged(
        rule=look.rule.threshold.text,
        state=look.state.value,
        early=look.ground.value if look.ground in _EARLY else "",
        reason=look.reason,
        requests=look.requests,
        failures=look.failures,
        estimate=None if look.estimate is None else float(look.estimate),
        low=look.interval.low,
        high=look.interval.high,
        confidence=look.confidence,
        effective=look.effective,
        evidence=min(look.evidence, 1e300),
    )


def _total(tallies: Iterable[Tally]) -> Tally:
    parts = list(tallies)
    return Tally(
        sum(part.sent for part in parts),
        sum(part.completed for part in parts),
        sum(part.timed_out for part in parts),
        sum(part.succeeded for part in parts),
        sum(part.dropped for part in parts),
        sum(part.ours for part in parts),
    )


def _went_down(before: Tally, after: Tally) -> bool:
    """Whether a count that can only grow has shrunk."""
    return any(getattr(after, name) < getattr(before, name) for name in Tally.__slots__)
