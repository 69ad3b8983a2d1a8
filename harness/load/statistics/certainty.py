"""What a finished run says about the service beyond itself: an interval around each figure, at the effective sample size.

Rates: Clopper and Pearson's interval. The mean: the empirical Bernstein bound. Percentiles: order statistics, i.e. the values at
those ranks between which the percentile lies with the confidence (W. J. Conover, *Practical Nonparametric Statistics*,
section 3.2; G. J. Hahn, W. Q. Meeker, *Statistical Intervals*, chapter 5), which is Clopper and Pearson's interval of the
share at or below a value, turned round. Counts are divided by the design effect of the run's windows. Other metrics have no
interval: what was counted is all there is to know.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate
from math import ceil, floor, log10

from harness.frozen import dataclass
from harness.load.latency import bucket, upper_end
from harness.load.metrics import METRICS
from harness.load.result import LoadResult
from harness.load.statistics.dependence import Clusters
from harness.load.statistics.interval import Interval, clopper_pearson, empirical_bernstein, incomplete_beta
from harness.load.statistics.series import design_effect, middle, spread
from harness.model import Unit
from harness.threshold import Threshold, show

_NANO = 1_000_000_000


@dataclass(frozen=True)
class Certainty:
    """How well one figure of a run is known; values are in the metric's base unit.

    `sample` responses or requests say as much as `effective` independent ones. `over`, of a percentile, is the share of
    the responses that took longer than the rule's limit.
    """

    metric: str
    unit: Unit
    estimate: Fraction
    low: float
    high: float
    confidence: float
    sample: int
    effective: float
    method: str
    over: Interval | None = None

    def text(self) -> str:
        """For the record, the interval rounded outwards."""
        counted = "requests" if self.unit is Unit.RATIO else "responses"
        return (
            f"{_about(float(self.estimate), self.unit, round)} ({self.confidence * 100:g} % confidence: {self.between()}; "
            f"{self.effective:,.0f} effective of {self.sample:,} {counted})"
        )

    def between(self) -> str:
        """The interval, rounded outwards."""
        return f"{_about(self.low, self.unit, floor)} to {_about(self.high, self.unit, ceil)}"


def certainty(
    threshold: Threshold, result: LoadResult, *, bound: float, confidence: float = 0.95
) -> Certainty | None:
    """How well the figure that a rule judges is known; ``None`` where it has no interval or no sample.

    `bound` is the time-out, in seconds: the longest a response time counts with, unless a late start made it longer.

    Raises:
        ValueError: the confidence is not within 0 and 1.
    """
    match threshold.metric:
        case "success_rate" | "error_rate":
            return _of_rate(threshold.metric, result, confidence)
        case "avg_response_time":
            return _of_mean(threshold.metric, result, _most(result, bound), confidence)
        case name if name.startswith("p") and name in result.latency.percentiles:
            return _of_percentile(threshold, result, _most(result, bound), confidence)
    return None


def straddles(threshold: Threshold, known: Certainty) -> bool:
    """Whether the interval lies on both sides of the limit, so that the truth may be on either."""
    low, high, limit = Fraction(known.low), Fraction(known.high), threshold.limit.value
    match threshold.op:
        case "<" | ">=":
            return low < limit <= high
        case "<=" | ">":
            return low <= limit < high
        case _:
            return low <= limit <= high and low != high


def _of_rate(metric: str, result: LoadResult, confidence: float) -> Certainty | None:
    sent, failed = result.sent, result.sent - result.succeeded
    if not sent:
        return None
    clusters = Clusters()
    for row in result.windows.rows:
        clusters.add(row.ended, row.failed + row.timed_out)
    effect = clusters.design_effect()
    errors = clopper_pearson(failed / effect, sent / effect, confidence)
    low, high, estimate = errors.low, errors.high, Fraction(failed, sent)
    if metric == "success_rate":
        low, high, estimate = 1 - high, 1 - low, 1 - estimate
    return Certainty(
        metric, Unit.RATIO, estimate, low, high, confidence, sent, sent / effect, "Clopper–Pearson"
    )


def _of_mean(metric: str, result: LoadResult, most: float, confidence: float) -> Certainty | None:
    series = result.latency
    if not series.count:
        return None
    effective = series.count / design_effect([row.latency for row in result.windows.rows], middle)
    mean = Fraction(series.total, series.count * _NANO)
    found = empirical_bernstein(
        float(mean), spread(series.buckets), effective, low=0.0, high=most, confidence=confidence
    )
    return Certainty(
        metric, Unit.SECONDS, mean, found.low, found.high, confidence, series.count, effective,
        "empirical Bernstein",
    )  # fmt: skip


def _of_percentile(threshold: Threshold, result: LoadResult, most: float, confidence: float) -> Certainty:
    series, n = result.latency, result.latency.count
    value = series.percentiles[threshold.metric]
    limit = bucket(max(ceil(threshold.limit.value * _NANO), 1))
    windows = [row.latency for row in result.windows.rows]
    # Above a value, and from it on: many responses may share a bucket.
    edges = {edge - below for edge in (bucket(value), limit) for below in (0, 1)}
    effect = max(design_effect(windows, _above(edge)) for edge in edges)
    share = int(threshold.metric.removeprefix("p")) / 100
    low, high = ranks(n, share, effect, confidence)
    ordered = sorted(map(int, series.buckets))
    totals = list(accumulate(series.buckets[str(index)] for index in ordered))

    def at(rank: int) -> int:
        return next(index for index, total in zip(ordered, totals, strict=True) if total >= rank)

    over = sum(count for index, count in series.buckets.items() if int(index) > limit)
    most_over = over + series.buckets.get(str(limit), 0)
    return Certainty(
        metric=threshold.metric,
        unit=METRICS[threshold.metric].unit,
        estimate=Fraction(value, _NANO),
        low=min(upper_end(at(low) - 1), value) / _NANO if low else 0.0,
        high=max(min(upper_end(at(high)), series.most or 0), value) / _NANO if high <= n else most,
        confidence=confidence,
        sample=n,
        effective=n / effect,
        method="order statistics",
        over=Interval(
            clopper_pearson(over / effect, n / effect, confidence).low,
            clopper_pearson(most_over / effect, n / effect, confidence).high,
            confidence,
        ),
    )


def ranks(n: int, share: float, effect: float, confidence: float) -> tuple[int, int]:
    """The ranks (1 to n) of the values between which the `share`-quantile lies; 0 and n + 1 where there is no such value.

        low = 1 + max {k: P(B ≤ k) ≤ α/2}        high = min {k: P(B ≥ k) ≤ α/2}        B binomial with n, share

    by the incomplete beta function at counts divided by the design effect.
    """
    tail = (1 - confidence) / 2

    def few(k: int) -> bool:
        return k < n and incomplete_beta((n - k) / effect, k / effect + 1, 1 - share) <= tail

    def many(k: int) -> bool:
        return k > n or (k > 0 and incomplete_beta(k / effect, (n - k) / effect + 1, share) <= tail)

    below = _first(lambda k: not few(k), 0, n)
    return below, _first(many, 0, n + 1)


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The least whole number from `low` on for which a condition holds that then holds for all up to `high`."""
    while low < high:
        half = (low + high) // 2
        if holds(half):
            high = half
        else:
            low = half + 1
    return low


def _above(edge: int) -> Callable[[int], float]:
    return lambda index: float(index > edge)


def _most(result: LoadResult, bound: float) -> float:
    """The longest time that a response can have counted with, in seconds."""
    return max(bound, (result.latency.most or 0) / _NANO)


def _about(value: float, unit: Unit, towards: Callable[[float], int]) -> str:
    """For people: a tenth of a percent, three digits of a time."""
    step = (
        Fraction(1, 1000) if unit is Unit.RATIO else Fraction(10) ** (floor(log10(value)) - 2 if value else 0)
    )
    return show(towards(Fraction(value) / step) * step, unit)  # type: ignore[arg-type] # rounds a fraction as well
