"""The metrics of a load run, as `docs/metrics.md` defines them: names, units, and how each is worked out. Pure."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from math import inf
from typing import TYPE_CHECKING

from harness.errors import ThresholdError
from harness.frozen import dataclass
from harness.load.latency import PERCENTILES
from harness.model import Measurement, Unit
from harness.threshold import AnyRule, BaselineRule, Threshold

if TYPE_CHECKING:
    from harness.load.result import LoadResult

_NANO = 1_000_000_000


@dataclass(frozen=True)
class Metric:
    """One metric: its unit, what it means in a line, and value and sample of a run; ``None``: nothing to measure."""

    unit: Unit
    meaning: str
    value: "Callable[[LoadResult], tuple[Fraction | None, int]]"


def _share(part: int, whole: int) -> tuple[Fraction | None, int]:
    return (Fraction(part, whole) if whole else None), whole


def _per_second(number: int, result: "LoadResult") -> tuple[Fraction | None, int]:
    return (Fraction(number * _NANO, result.elapsed) if result.sent else None), result.sent


def _seconds(value: int | None, sample: int) -> tuple[Fraction | None, int]:
    return (None if value is None else Fraction(value, _NANO)), sample


def _mean(result: "LoadResult") -> tuple[Fraction | None, int]:
    series = result.latency
    return (Fraction(series.total, series.count * _NANO) if series.count else None), series.count


def _percentile(name: str) -> Metric:
    return Metric(
        Unit.SECONDS,
        f"{name[1:]} % of the responses took at most this long",
        lambda result: _seconds(result.latency.percentiles.get(name), result.latency.count),
    )


METRICS: dict[str, Metric] = {
    "requests": Metric(Unit.COUNT, "requests sent", lambda r: (Fraction(r.sent), r.sent)),
    "success_rate": Metric(
        Unit.RATIO, "successes among the requests sent", lambda r: _share(r.succeeded, r.sent)
    ),
    "error_rate": Metric(
        Unit.RATIO, "failures among the requests sent", lambda r: _share(r.sent - r.succeeded, r.sent)
    ),
    "avg_response_time": Metric(Unit.SECONDS, "mean response time", _mean),
    **{f"p{percent}": _percentile(f"p{percent}") for percent in PERCENTILES},
    "max_response_time": Metric(
        Unit.SECONDS, "longest response time", lambda r: _seconds(r.latency.most, r.latency.count)
    ),
    "rate": Metric(Unit.PER_SECOND, "successes a second", lambda r: _per_second(r.succeeded, r)),
    "request_rate": Metric(Unit.PER_SECOND, "requests sent a second", lambda r: _per_second(r.sent, r)),
}
"""Every metric that a load threshold may name."""
_MORE_IS_BETTER = frozenset({"requests", "success_rate", "rate", "request_rate"})


def measurements(result: "LoadResult") -> tuple[Measurement, ...]:
    """All metrics of a run, exact."""
    found = []
    for name, metric in METRICS.items():
        value, sample = metric.value(result)
        found.append(Measurement.of(name, value, metric.unit, sample=sample))
    return tuple(found)


def require_judgeable(thresholds: Iterable[AnyRule]) -> None:
    """Each rule names a metric of a load run, in its unit, over the whole run.

    Raises:
        ThresholdError: one does not; the message says which and why.
    """
    for threshold in thresholds:
        metric = METRICS.get(threshold.metric)
        if metric is None:
            from difflib import get_close_matches

            near = get_close_matches(threshold.metric, METRICS, n=1)
            raise ThresholdError(
                f"threshold {threshold.text!r}: {threshold.metric!r} is no metric of a load run"
                + (f"; did you mean {near[0]!r}?" if near else ""),
                hint=f"the metrics are {', '.join(METRICS)}",
            )
        if isinstance(threshold, BaselineRule):
            threshold.require_unit(metric.unit)
            _require_direction(threshold)
            continue
        if (unit := threshold.limit.unit) is not metric.unit:
            raise ThresholdError(
                f"threshold {threshold.text!r}: {threshold.metric} is measured in {_written(metric.unit)}, "
                + ("the limit has no unit" if unit is Unit.COUNT else f"the limit is in {_written(unit)}"),
                hint=f"write the limit in {_written(metric.unit)}",
            )
        if threshold.window is not None:
            raise ThresholdError(
                f"threshold {threshold.text!r}: a load rule holds over the whole run, not for a window",
                hint="leave `for …` out; the scenario's duration is the window",
            )


def require_possible(rules: Iterable[Threshold], arrivals: int, seconds: float) -> None:
    """No rule asks for more than a schedule of so many arrivals in so many seconds sends.

    Raises:
        ThresholdError: one does, and would fail whatever the service does.
    """
    most = {"requests": arrivals, **dict.fromkeys(("rate", "request_rate"), arrivals / seconds)}
    for rule in rules:
        if rule.op in (">", ">=") and float(rule.limit.value) > most.get(rule.metric, inf) * (1 + 1e-9):
            raise ThresholdError(
                f"threshold {rule.text!r} can never hold: the schedule sends {arrivals} requests, "
                f"{arrivals / seconds:g} a second on average",
                hint="send more, or ask for less",
            )


def _require_direction(rule: BaselineRule) -> None:
    """A rule on a baseline bounds what gets worse; the other way round it would let every regression pass."""
    less = rule.metric not in _MORE_IS_BETTER
    if (rule.op in ("<", "<=")) != less:
        raise ThresholdError(
            f"threshold {rule.text!r} would let every regression pass: {rule.metric} gets worse as it "
            + ("grows" if less else "falls"),
            hint=f"write {rule.metric} {'<=' if less else '>='} baseline …",
        )


def latency_limit(thresholds: Iterable[AnyRule]) -> Fraction | None:
    """The shortest time that a rule names, in seconds; ``None`` where no rule names one."""
    fixed = (rule.limit for rule in thresholds if isinstance(rule, Threshold))
    return min((limit.value for limit in fixed if limit.unit is Unit.SECONDS), default=None)


def _written(unit: Unit) -> str:
    match unit:
        case Unit.SECONDS:
            return "seconds (500ms, 2s)"
        case Unit.RATIO:
            return "percent (95%)"
        case Unit.PER_SECOND:
            return "a rate (50/s)"
        case Unit.BYTES:
            return "bytes (10MB)"
        case Unit.COUNT:
            return "a plain number (500)"
