"""What the charts and tables of a load run say in words. Pure."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

from harness.load.result import Kind, LoadResult
from harness.load.windows import Window
from harness.model import Unit
from harness.report.load_run import NANO, Run
from harness.report.text import plural
from harness.threshold import show

PERCENTILES = (50, 95, 99)
"""Those that are drawn and told."""


def whole(run: Run) -> str:
    """The percentiles of the whole run, and over how much."""
    series = run.result.latency
    return f"{over(run.result)}Whole run: {percentiles(series.percentiles)} over {responses(series.count)}"


def percentiles(found: Mapping[str, int]) -> str:
    """``p50 10 ms, p95 20 ms, p99 25 ms``."""
    return ", ".join(f"p{percent} {time(found[f'p{percent}'])}" for percent in PERCENTILES)


def over(result: LoadResult) -> str:
    """A sentence that says where a run ended early; else nothing."""
    early = result.ended_early
    return f"{early[0].upper()}{early[1:]}, where the upright line is. " if early else ""


def sent(result: LoadResult) -> str:
    """How much of the plan was sent."""
    took = f"{show(Fraction(result.elapsed, NANO), Unit.SECONDS)}"
    if result.planned is None:
        return f"{plural(result.sent, 'request')} sent in {took}; a closed loop plans none"
    dropped = f", {result.dropped:,} dropped" if result.dropped else ""
    late = f", {result.late:,} late" if result.late else ""
    return f"{result.sent:,} of {plural(result.planned, 'planned request')} sent in {took}{dropped}{late}"


def errors(result: LoadResult, spans: Sequence[tuple[float, float, Window]]) -> str:
    """How many failed, and when most did."""
    failed = sum(count for kind, count in result.failures.items() if kind is not Kind.TIMEOUT)
    if not failed and not result.timed_out:
        return "None failed, none timed out."
    start, end, row = max(spans, key=lambda span: span[2].failed + span[2].timed_out)
    return (
        f"{failed:,} failed, {result.timed_out:,} timed out; most from {at(start)} to {at(end)}, with "
        f"{row.failed + row.timed_out:,} of {row.ended:,}."
    )


def ruled(run: Run, *metrics: str) -> str:
    """How the rules on these metrics fared."""
    words = {True: "holds", False: "is broken", None: "has no data"}
    told = [
        f"{rule.threshold} {words[rule.held]} with {show(rule.actual, rule.unit, beside=rule.limit)}"
        if rule.held is not None
        else f"{rule.threshold} {words[None]}"
        for rule in run.limits(*metrics)
    ]
    return f" {'; '.join(told)}." if told else ""


def unbroken(text: str) -> str:
    """With figures that stay on one line with their units."""
    return re.sub(r"(\d) (ms|s|%)(?!\w)", "\\1\u00a0\\2", text)


def responses(number: int) -> str:
    """``1 response time``, ``240 response times``."""
    return plural(number, "response time")


def time(value: Fraction | int | None) -> str:
    """Nanoseconds to three decimals; a value that is judged is shown by its rule, exactly."""
    if value is None:
        return "no data"
    figure, unit = (value / 1e6, "ms") if value < NANO - 500 else (value / 1e9, "s")
    return f"{figure:.3f}".rstrip("0").rstrip(".") + f" {unit}"


def at(seconds: float) -> str:
    """A moment of a run; windows are never narrower than what is shown."""
    return f"{round(seconds, 1):g} s"


def tick(value: float) -> str:
    """Nanoseconds beside an axis."""
    return f"{value / 1e6:g} ms" if value < 999_500_000 else f"{value / 1e9:g} s"


def count(value: float) -> str:
    """A number beside an axis."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"
