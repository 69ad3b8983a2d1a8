"""Where all nodes' snapshots come together: the decision while the load runs, progress, and the one result at the end.

Knows nothing of Locust, of greenlets or of the network.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from harness.errors import ToolError
from harness.frozen import replace
from harness.load.generator.recorder import Tally
from harness.load.generator.snapshot import Rhythm, Snapshot
from harness.load.latency import rank_of
from harness.load.merge import merged
from harness.load.plan import Plan
from harness.load.result import Judged, LoadResult
from harness.load.statistics.sequential import Ground, Look, RateDecision, RateRule, State, Terms
from harness.load.validity import MAX_CPU, MIN_RATE
from harness.load.windows import add_up, percentile
from harness.threshold import parse

_EARLY = (Ground.CURTAILMENT, Ground.EVIDENCE, Ground.EARLY_PASS)


class _Decision:
    """One rule's decision, on two counts.

    `known` is fed with the requests that have ended. That count alone is not to be trusted before the end: where the
    service fails faster than it succeeds, what has ended is mostly failures. So the load ends early only where `cautious`
    agrees, which takes a request that is still open, one that the generator started late, and one that it could not
    send, for a success.
    """

    def __init__(self, rule: RateRule, arrivals: int | None, terms: Terms) -> None:
        self.rule = rule
        self.known = RateDecision(rule, arrivals, terms)
        self._cautious = RateDecision(rule, arrivals, terms)
        self._sent = self._failed = 0
        self._blamed = self._open_failures = 0

    def feed(self, tally: Tally, late: int) -> None:
        """The counts by the end of the next window."""
        ended, failed = _ended(tally), _failed(tally)
        self.known.feed(ended, failed)
        self._blamed = max(0, failed - late - tally.ours)
        self._open_failures = tally.sent - tally.succeeded
        # A window cannot have more failures than requests: those of earlier requests are counted in the windows to come.
        self._failed = max(self._failed, min(self._blamed, self._failed + tally.sent - self._sent))
        self._sent = tally.sent
        self._cautious.feed(self._sent, self._failed)

    def look(self) -> Look:
        """What is known; an early end only where it holds whatever becomes of the open requests."""
        found = self.known.look()
        match found.state:
            case State.FAIL if found.ground in _EARLY:
                cautious = self._cautious.look()
                sure = (
                    cautious.state is State.FAIL
                    and cautious.ground in _EARLY
                    and self._failed <= self._blamed
                )
            case State.PASS if found.ground in _EARLY:
                sure = self._sent > 0 and self.rule.held(Fraction(self._open_failures, self._sent))
            case _:
                return found
        return found if sure else replace(found, state=State.GO_ON, ground=None, reason="")


class Collector:
    """Takes snapshots; says when the load should end, and what it came to."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rhythm = Rhythm.of(plan)
        self._latest: dict[int, Snapshot] = {}
        self._heard: dict[int, float] = {}
        self._pending: dict[int, dict[int, Snapshot]] = {}
        self._window = 0
        terms = Terms(confidence=plan.confidence, early_pass=plan.early_pass)
        rules = [rule for rule in (RateRule.of(parse(text)) for text in plan.rules) if rule]
        self._decisions = [_Decision(rule, plan.arrivals, terms) for rule in rules]
        self._fed = (0, 0)
        self._early: dict[str, Look] = {}
        self.ended_early = False

    def begin(self, clock: float) -> None:
        """The nodes have been told to start, at this moment of a monotonic clock in seconds."""
        self._heard = dict.fromkeys(range(self._plan.nodes), clock)

    def add(self, snapshot: Snapshot, clock: float) -> None:
        """Take the next snapshot of a node, heard at this moment.

        Raises:
            ToolError: one was lost or repeated, or contradicts itself or what came before: nothing that follows could
                be trusted.
        """
        node = snapshot.node
        if wrong := self._wrong(snapshot):
            raise ToolError(
                f"worker {node + 1} of {self._plan.nodes} sent {wrong}",
                hint="run again; its requests cannot be counted",
            )
        self._latest[node], self._heard[node] = snapshot, clock
        if snapshot.result is None and (window := self._rhythm.window(snapshot.number)):
            self._pending.setdefault(window, {})[node] = snapshot
        self._decide()

    def _wrong(self, snapshot: Snapshot) -> str:
        """What is wrong with a snapshot; empty where nothing is."""
        if not 0 <= snapshot.node < self._plan.nodes:
            return "a report, but there is no such worker"
        before = self._latest.get(snapshot.node)
        expected = before.number + 1 if before else 1
        if before and before.result is not None:
            return f"report {snapshot.number} after its last one"
        if snapshot.number != expected:
            return f"report {snapshot.number} instead of {expected}"
        if before and _went_down(before.tally, snapshot.tally):
            return "counts that went down"
        if not _possible(snapshot.tally):
            return "counts that contradict each other"
        if snapshot.result and (snapshot.result.run != self._plan.run):
            return "the result of another run"
        if snapshot.result and _counts(snapshot.result) != _counts(snapshot.tally):
            return "a result that is not what it counted"
        return ""

    def silent(self, clock: float) -> tuple[int, ...]:
        """The nodes that have said nothing for too long and have not ended."""
        return tuple(
            node
            for node, heard in sorted(self._heard.items())
            if clock - heard > self._plan.silence + self._rhythm.tick and not self._over(node)
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
        ended = _ended(tally)
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
                    "enough": 1 / decision.known.terms.alpha,
                }
                for decision in self._decisions
                for look in [decision.known.look()]
            ],
        }

    def _over(self, node: int) -> bool:
        latest = self._latest.get(node)
        return latest is not None and latest.result is not None

    def _decide(self) -> None:
        """Feed the windows that every node has told of, and look after each."""
        while len(self._pending.get(self._window + 1, {})) == self._plan.nodes:
            self._window += 1
            parts = tuple(self._pending.pop(self._window).values())
            self._feed(_total(part.tally for part in parts), sum(part.late for part in parts))
            if self._plan.stop_early and not self.ended_early:
                self._look(parts)

    def _feed(self, tally: Tally, late: int) -> None:
        self._fed = (_ended(tally), _failed(tally))
        for decision in self._decisions:
            decision.feed(tally, late)

    def _look(self, parts: Sequence[Snapshot]) -> None:
        """End the load where a rule is broken for certain, or all may pass early; only if what was seen is valid.

        Only the window's own snapshots are looked at: what comes of it does not depend on which node was heard first.
        """
        looks = {decision.rule.threshold.text: decision.look() for decision in self._decisions}
        early = {rule: look for rule, look in looks.items() if look.ground in _EARLY}
        failing = {rule: look for rule, look in early.items() if look.state is State.FAIL}
        passing = early if len(early) == len(looks) else {}
        if (found := failing or passing) and self._valid_so_far(parts, punctual=not failing):
            self._early, self.ended_early = found, True

    def _valid_so_far(self, parts: Sequence[Snapshot], *, punctual: bool) -> bool:
        """Whether a run that ended here would be valid, by the rules of `harness.load.validity`.

        A schedule that was not kept does not shake a failure: the decision took all late requests for successes.
        """
        tally, late = _total(part.tally for part in parts), sum(part.late for part in parts)
        return (
            tally.ours == 0
            and max(part.cpu for part in parts) <= MAX_CPU
            and tally.sent >= MIN_RATE * (tally.sent + tally.dropped)
            and not (punctual and self._plan.open and late > tally.sent - rank_of(tally.sent, 99))
        )

    def _judged(self, result: LoadResult) -> list[Judged]:
        requests = result.completed + result.timed_out
        counts = (requests, requests - result.succeeded)
        if counts != self._fed:
            for decision in self._decisions:
                decision.known.feed(*counts)
        return [
            _told(self._early.get(decision.rule.threshold.text) or decision.known.look(over=True))
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


def _ended(tally: Tally) -> int:
    return tally.completed + tally.timed_out


def _failed(tally: Tally) -> int:
    return tally.completed + tally.timed_out - tally.succeeded


def _counts(of: Tally | LoadResult) -> tuple[int, ...]:
    return (of.sent, of.completed, of.timed_out, of.succeeded, of.dropped)


def _possible(tally: Tally) -> bool:
    """Whether counts can have been recorded."""
    return (
        min(*_counts(tally), tally.ours) >= 0
        and tally.succeeded + tally.ours <= tally.completed
        and _ended(tally) <= tally.sent
    )


def _went_down(before: Tally, after: Tally) -> bool:
    """Whether a count that can only grow has shrunk."""
    return _failed(after) < _failed(before) or any(
        getattr(after, name) < getattr(before, name) for name in Tally.__slots__
    )
