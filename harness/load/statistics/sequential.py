"""The decision on a success or error rate while the load runs: go on, or stop because the end is known well enough.

In order, at each look:

1. *Curtailment*, exact (A. Wald, *Sequential Analysis*, 1947, truncated tests; D. W. Alling, JASA 58, 1963): more failures
   than the whole planned run may have. Nothing is assumed, and no run that would have passed is stopped.
2. *Evidence*: the e-process of `harness.load.statistics.evidence`, tempered by the design effects of `harness.load.statistics.dependence`, has
   reached 1/α; from six windows on, and not before an outage so far would be more than a burst that the limit absorbs.
3. PASS and INCONCLUSIVE come at the horizon only. An early pass must be asked for and says what it assumes.
"""

from enum import Enum
from fractions import Fraction
from functools import cached_property
from math import ceil, exp, floor, inf, log

from harness.frozen import dataclass, field
from harness.load.statistics import evidence
from harness.load.statistics.dependence import MIN_WINDOWS, Clusters
from harness.load.statistics.interval import Interval, clopper_pearson
from harness.threshold import Threshold, show

_MOST_WINDOWS = 240
_LEAST_REQUESTS = 10


class State(Enum):
    """What a look came to."""

    GO_ON = "go on"
    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Ground(Enum):
    """What a decision rests on."""

    CURTAILMENT = "curtailment"
    EVIDENCE = "evidence"
    EARLY_PASS = "early pass"  # noqa: S105 - a ground, not a password
    HORIZON = "horizon"


@dataclass(frozen=True)
class RateRule:
    """A rule that bounds failures from above: at most `limit` of the requests, fewer than that where `strict`."""

    threshold: Threshold
    limit: Fraction
    strict: bool

    @classmethod
    def of(cls, threshold: Threshold) -> "RateRule | None":
        """From ``success_rate >= p``, ``> p``, ``error_rate <= q`` or ``< q``; ``== 100%`` and ``== 0%`` are such bounds too.

        ``None`` for any other rule: on another metric, or one that more failures do not break. Those are judged at the
        horizon alone.
        """
        limit = threshold.limit.value
        match threshold.metric, threshold.op:
            case "success_rate", ">=" | ">" | "==":
                limit = 1 - limit
            case "error_rate", "<=" | "<" | "==":
                pass
            case _:
                return None
        if threshold.op == "==" and limit != 0:
            return None
        return cls(threshold, limit, threshold.op in "<>")

    @classmethod
    def may_be(cls, rule: object) -> bool:
        """Whether `of` makes one of this rule, of whatever kind it is."""
        return isinstance(rule, Threshold) and cls.of(rule) is not None

    def most(self, requests: int) -> int:
        """The most failures of so many requests that keep the rule; -1 where not even none does."""
        bound = self.limit * requests
        return max(-1, min(ceil(bound) - 1 if self.strict else floor(bound), requests))

    def held(self, rate: Fraction | float) -> bool:
        """Does a failure rate keep the rule? Compared exactly, a float too."""
        return Fraction(rate) < self.limit if self.strict else Fraction(rate) <= self.limit

    def estimate(self, requests: int, failures: int) -> Fraction | None:
        """The metric's own value; ``None`` without requests."""
        if not requests:
            return None
        rate = Fraction(failures, requests)
        return 1 - rate if self.threshold.metric == "success_rate" else rate


@dataclass(frozen=True)
class Terms:
    """On what terms to decide.

    `alpha`: the risk of stopping, by evidence, a run of exchangeable requests that would have passed. `confidence`: where
    given, the interval must lie on one side of the limit, else the run is inconclusive. `early_pass`: pass before the
    horizon, on the same evidence; it assumes that the rest of the run is like what has been seen (stationarity), which
    no rule can know.
    """

    alpha: float = 0.001
    confidence: float | None = None
    early_pass: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha {self.alpha} is not between 0 and 1")
        if self.confidence is not None and not 0 < self.confidence < 1:
            raise ValueError(f"a confidence of {self.confidence} is not between 0 and 1")


@dataclass(frozen=True)
class Look:
    """What is known at one moment.

    `evidence` is the tempered e-value that the run will break its rule (0 as long as too little is seen; `inf`: it will for certain);
    `design_effect` is the one that `effective` and `interval` are computed with. `ground` is ``None`` while it goes on.
    """

    rule: RateRule
    state: State
    ground: Ground | None
    reason: str
    requests: int
    failures: int
    planned: int | None
    windows: int
    design_effect: float
    evidence: float
    confidence: float

    @property
    def estimate(self) -> Fraction | None:
        """The metric's value so far, e.g. the success rate; ``None`` without requests."""
        return self.rule.estimate(self.requests, self.failures)

    @property
    def effective(self) -> float:
        """The effective sample size: as many independent requests would say as much."""
        return self.requests / self.design_effect

    @property
    def saved(self) -> int:
        """Planned requests that need not be sent."""
        early = self.ground not in (None, Ground.HORIZON)
        return self.planned - self.requests if early and self.planned is not None else 0

    @cached_property
    def interval(self) -> Interval:
        """Of the metric's true value, at the effective sample size (Clopper and Pearson, Korn and Graubard)."""
        rates = self._failure_rate
        if self.rule.threshold.metric == "error_rate":
            return rates
        return Interval(1 - rates.high, 1 - rates.low, rates.confidence)

    @cached_property
    def _failure_rate(self) -> Interval:
        return clopper_pearson(self.failures / self.design_effect, self.effective, self.confidence)

    @property
    def clear(self) -> bool:
        """Does the whole interval lie on one side of the limit?"""
        return self.rule.held(self._failure_rate.low) == self.rule.held(self._failure_rate.high)


def window_length(duration: float, planned: int) -> float:
    """How long windows should be, in seconds: 240 in a run, or fewer so that each has ten requests on average.

    A fixed share of the run: six windows are 2.5 % of it, so the first look at the evidence scales with what the limit
    may absorb.
    """
    return duration / max(1, min(_MOST_WINDOWS, planned // _LEAST_REQUESTS))


@dataclass
class RateDecision:
    """Fed with cumulative counts, one window of time after the other; says at any time what is known.

    `planned` is the number of requests of the schedule; ``None`` for a closed loop, which has no plan: it is judged at
    its end, and early only where the rule allows no failure at all.
    """

    rule: RateRule
    planned: int | None
    terms: Terms = Terms()
    _windows: Clusters = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.planned is not None and self.planned < 1:
            raise ValueError(f"a run of {self.planned} requests has no horizon")
        self._patience = 0
        if self.planned is None:
            self._most = self.rule.most(1) if self.rule.limit <= 0 else None
        else:
            self._most = self.rule.most(self.planned)
            self._failing = evidence.failing(self.planned, self._most)
            self._keeping = evidence.keeping(self._most)
            self._patience = evidence.patience(self.planned, self._most, -log(self.terms.alpha))
        self._windows = Clusters(self._patience)

    def feed(self, requests: int, failures: int) -> None:
        """The requests completed by the end of the next window and the failures among them, from the start.

        Raises:
            ValueError: counts went down, contradict each other, or are more than planned.
        """
        if self.planned is not None and requests > self.planned:
            raise ValueError(f"{requests} requests of a run of {self.planned}")
        self._windows.add(requests - self._windows.requests, failures - self._windows.failures)

    def look(self, *, over: bool = False) -> Look:
        """What is known now. `over`: the run has ended; so it has, too, when all planned requests are in."""
        seen = self._windows
        strength = self._evidence()
        held = self.rule.held(Fraction(seen.failures, seen.requests)) if seen.requests else None
        if over or (self.planned is not None and seen.requests == self.planned):
            return self._at_horizon(held, strength)
        if strength == inf:
            return self._stop(State.FAIL, Ground.CURTAILMENT, self._too_many(), inf)
        if strength >= 1 / self.terms.alpha:
            reason = (
                f"{self._so_far()}: {strength:.3g} times likelier in a run that breaks the rule than in one that keeps it "
                f"({1 / self.terms.alpha:,.0f} are enough)"
            )
            return self._stop(State.FAIL, Ground.EVIDENCE, reason, strength)
        if self.terms.early_pass and held and self._passing() >= 1 / self.terms.alpha:
            reason = f"{self._so_far()}; passed early, which assumes that the rest of the run is like this (stationarity)"
            return self._stop(State.PASS, Ground.EARLY_PASS, reason, strength)
        return self._say(State.GO_ON, None, "", strength)

    def _at_horizon(self, held: bool | None, strength: float) -> Look:
        if held is None:
            return self._say(State.INCONCLUSIVE, Ground.HORIZON, "no request was completed", 0.0)
        state = State.PASS if held else State.FAIL
        found = self._say(state, Ground.HORIZON, self._so_far(), strength)
        if self.terms.confidence is None or found.clear:
            return found
        reason = (
            f"{self._so_far()}; with a confidence of {self.terms.confidence:.4g} it is within "
            f"{self._show(Fraction(found.interval.low))} and {self._show(Fraction(found.interval.high))}, on both sides "
            f"of the limit ({found.effective:.0f} effective requests)"
        )
        return self._say(State.INCONCLUSIVE, Ground.HORIZON, reason, strength)

    def _stop(self, state: State, ground: Ground, reason: str, strength: float) -> Look:
        """An early end, unless confidence is asked for and not there yet."""
        found = self._say(state, ground, reason, strength)
        if self.terms.confidence is None or found.clear:
            return found
        return self._say(State.GO_ON, None, "", strength)

    def _say(self, state: State, ground: Ground | None, reason: str, strength: float) -> Look:
        seen = self._windows
        confidence = 0.95 if self.terms.confidence is None else self.terms.confidence
        counts = (seen.requests, seen.failures, self.planned, seen.count)
        return Look(self.rule, state, ground, reason, *counts, seen.design_effect(), strength, confidence)

    @property
    def _enough_seen(self) -> bool:
        return self._windows.count >= MIN_WINDOWS and self._windows.requests >= self._patience

    def _evidence(self) -> float:
        """The tempered e-value against "the run will keep its rule"."""
        seen = self._windows
        if self._most is not None and seen.requests and seen.failures > self._most:
            return inf
        if self.planned is None or self._most is None or not self._enough_seen:
            return 0.0
        found = evidence.log_evidence(seen.requests, seen.failures, self.planned, self._most, self._failing)
        if found <= 0:
            return exp(found)
        met = seen.design_effect_if_met(self._most / self.planned, self.planned)
        effect = max(seen.cautious_design_effect(), met)
        return exp(min(found / effect, 700.0))

    def _passing(self) -> float:
        """The tempered e-value against "the run will break its rule"."""
        seen = self._windows
        if self.planned is None or self._most is None or not self._enough_seen:
            return 0.0
        found = evidence.log_evidence(
            seen.requests, seen.failures, self.planned, self._most + 1, self._keeping
        )
        return exp(min(found / seen.cautious_design_effect(), 700.0))

    def _so_far(self) -> str:
        value = self.rule.estimate(self._windows.requests, self._windows.failures)
        return f"{self.rule.threshold.metric} {self._show(value)} of {self._windows.requests} requests"

    def _too_many(self) -> str:
        if self.rule.most(1) < 0:
            return "no run can keep this rule"
        run = "a run" if self.planned is None else f"all of the {self.planned} planned requests"
        return f"{self._windows.failures} failures so far; the rule allows {self._most} in {run}"

    def _show(self, value: Fraction | None) -> str:
        limit = self.rule.threshold.limit
        return show(value, limit.unit, beside=limit.value)
