"""A load run as charts: its figures as drawings, each with a caption that tells them in words. Pure: data to text."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, log10

from harness.load.latency import bucket, upper_end
from harness.load.result import Kind, LoadResult
from harness.load.windows import Window, Windows, percentile
from harness.model import ThresholdResult, Unit
from harness.report.html import Html
from harness.report.svg import Axis, Plot, empty, linear_axis, log_axis, time_axis
from harness.report.text import clean, plural
from harness.threshold import show

_NANO = 1_000_000_000
_SHOWN = {50: "first", 95: "second", 99: "third"}
"""The percentiles that are drawn, and how."""
_MOST = 60
"""The most windows that are drawn."""
_FEWEST = 12
_SAMPLE = 20
"""Windows are drawn together until nine of ten hold so many times, but down to `_FEWEST` only."""
_BARS = 64
_ABOVE = 2.0
"""Room above a limit, for its words."""
_FAR = 1000
"""A limit further than this from what was seen is told in the caption only: drawn, it would flatten the rest."""
_TIMES = ("avg_response_time", "max_response_time", "p50", "p90", "p95", "p99")
_SOME = "time since counting began"


@dataclass(frozen=True)
class Chart:
    """One chart. `name` is its own among those of a run; `svg` stands in a page as it is."""

    name: str
    title: str
    svg: Html
    caption: str


@dataclass(frozen=True)
class _Run:
    """What every chart of a run needs. `identity` is the run's alone on the page."""

    identity: str
    result: LoadResult
    rules: Sequence[ThresholdResult]
    windows: Windows

    def spans(self) -> list[tuple[float, float, Window]]:
        """Each window with its start and end in seconds; the last ends with the run."""
        width, end = self.windows.width, self.length()
        return [
            (index * width / _NANO, min((index + 1) * width, end) / _NANO, row)
            for index, row in enumerate(self.windows.rows)
            if index * width < end
        ]

    def length(self) -> int:
        """Up to where the windows reach, in nanoseconds."""
        last = len(self.windows.rows) * self.windows.width
        return min(last, max(self.result.duration, self.result.elapsed)) or last

    def limits(self, *metrics: str) -> list[ThresholdResult]:
        """The rules on one of these metrics."""
        return [rule for rule in self.rules if rule.metric in metrics]


def charts(result: LoadResult, rules: Sequence[ThresholdResult], identity: str) -> tuple[Chart, ...]:
    """The charts of a run with the rules that it was judged by; `identity` begins the ids of their elements."""
    run = _Run(identity, result, rules, _readable(result.windows))
    return (_over_time(run), _rate(run), _distribution(run), _starts(run))


def _readable(windows: Windows) -> Windows:
    """Fewer and wider windows, where single ones hold too little for a percentile."""
    factor = max(1, ceil(len(windows.rows) / _MOST))
    while len(windows.rows) > factor * _FEWEST:
        held = sorted(row.succeeded + row.timed_out for row in windows.coarser(factor).rows)
        if held[len(held) // 10] >= _SAMPLE:
            break
        factor += 1
    return windows.coarser(factor)


def _over_time(run: _Run) -> Chart:
    name, title = "latency", "Latency over time"
    if not run.result.latency.count:
        return _nothing(run, name, title)
    spans = run.spans()
    most = run.result.latency.most or 0  # the upper end of the last bucket lies above it
    lines = {
        percent: [
            min(value, most) if (value := percentile(row.latency, percent)) else None for *_, row in spans
        ]
        for percent in _SHOWN
    }
    seen = [value for line in lines.values() for value in line if value is not None]
    limits = _near(run.limits(*_TIMES), min(seen), max(seen))
    plot = Plot(
        time_axis(run.length() / _NANO, title=_SOME),
        log_axis([*seen, *(float(at) * _ABOVE for at, _ in limits)], _time),
        tuple((kind, f"p{percent}") for percent, kind in _SHOWN.items()),
    )
    plot.levels([(float(at), text) for at, text in limits])
    for percent, kind in _SHOWN.items():
        middles = [(start + end) / 2 for start, end, _ in spans]
        plot.line(kind, list(zip(middles, lines[percent], strict=True)), dots=len(spans) <= 24)
    worst = max(range(len(spans)), key=lambda index: lines[95][index] or 0)
    start, end, row = spans[worst]
    caption = (
        f"{_whole(run)}. Windows of {_s(run.windows.width)}; the slowest, from {start:g} s to {end:g} s, has "
        f"p95 {_ns(lines[95][worst])} over {_responses(row.succeeded + row.timed_out)}.{_ruled(run, *_TIMES)}"
    )
    return _chart(run, name, title, plot, "percentiles of each window, on a logarithmic axis", caption)


def _rate(run: _Run) -> Chart:
    name, title, result = "rate", "Rate and errors over time", run.result
    if not result.sent and not result.planned:
        return _nothing(run, name, title, "no request was sent")
    spans = run.spans()
    lengths = [Fraction(end) - Fraction(start) for start, end, _ in spans]

    def per_second(count: Callable[[Window], int]) -> list[float]:
        return [float(count(row) / length) for (*_, row), length in zip(spans, lengths, strict=True)]

    sent, planned = per_second(lambda row: row.sent), per_second(lambda row: row.planned or 0)
    failed, errors = per_second(lambda row: row.failed), per_second(lambda row: row.failed + row.timed_out)
    limits = run.limits("rate", "request_rate")
    plot = Plot(
        time_axis(run.length() / _NANO, title=_SOME),
        linear_axis(
            [*sent, *planned, *errors, *(float(rule.limit) for rule in limits)], lambda v: f"{v:g}/s"
        ),
        (
            *((("plan", "planned"),) if result.planned is not None else ()),
            *(("first", "sent"), ("failed", "failed"), ("late", "timed out")),
        ),
    )
    plot.steps("first", _stretches(spans, sent), filled=True)
    for (start, end, _), bad, all_bad in zip(spans, failed, errors, strict=True):
        plot.bar("failed", start, end, 0, bad)
        plot.bar("late", start, end, bad, all_bad)
    if result.planned is not None:
        plot.steps("plan", _stretches(spans, planned))
    plot.levels([(float(rule.limit), rule.threshold) for rule in limits])
    caption = f"{_sent(result)}. {_errors(run, spans)}{_ruled(run, 'rate', 'request_rate', 'success_rate', 'error_rate')}"
    return _chart(run, name, title, plot, "requests a second in each window, errors as bars", caption)


def _distribution(run: _Run) -> Chart:
    name, title, series = "distribution", "Latency distribution", run.result.latency
    if not series.count:
        return _nothing(run, name, title)
    limits = _near(run.limits(*_TIMES), series.least or 1, series.most or 1)
    groups = _groups(series.buckets, [bucket(max(1, int(at))) for at, _ in limits])
    seen = [edge for start, end, _ in groups for edge in (start, end)]
    plot = Plot(
        log_axis([*seen, *(float(at) for at, _ in limits)], _time, title="latency, logarithmic"),
        linear_axis([count for *_, count in groups], _count),
        (
            *((kind, f"p{percent}") for percent, kind in _SHOWN.items()),
            *(("limit", text) for _, text in limits),
        ),
    )
    for start, end, count in groups:
        plot.bar("heap", start, end, 0, count)
    for percent, kind in _SHOWN.items():
        plot.mark(kind, series.percentiles[f"p{percent}"])
    for at, _ in limits:
        plot.mark("limit", float(at))
    late = run.result.timed_out
    tail = (
        f" {plural(late, 'of them is a time-out', 'of them are time-outs')}, at the time-out value."
        if late
        else ""
    )
    other = sum(count for kind, count in run.result.failures.items() if kind is not Kind.TIMEOUT)
    tail += f" {plural(other, 'other failure is', 'other failures are')} not among them." if other else ""
    caption = (
        f"{_responses(series.count)} from {_ns(series.least)} to {_ns(series.most)}, mean {_ns(Fraction(series.total, series.count))}, "
        f"{_percentiles(series.percentiles)}.{tail}"
    )
    return _chart(run, name, title, plot, "how many responses took how long, on a logarithmic axis", caption)


def _starts(run: _Run) -> Chart:
    name, title, result = "starts", "Latency from the intended and the actual start", run.result
    if not result.latency.count:
        return _nothing(run, name, title)
    intended, actual = (_ranks(series.buckets) for series in (result.latency, result.service_time))
    y = log_axis([value for _, value in (*intended, *actual)], _time)
    lines = [("first", "intended start", intended)] if result.planned is not None else []
    lines.append(("second", "actual start", actual))
    plot = Plot(_rank_axis(result.latency.count), y, tuple((kind, text) for kind, text, _ in lines))
    for kind, _, points in lines:
        plot.line(kind, points)
    if result.planned is None:
        said = f"A closed loop has no intended start. From the actual one: {_percentiles(result.service_time.percentiles)}."
    else:
        rows = [
            f"p{percent} {_ns(result.latency.percentiles[f'p{percent}'])} and "
            f"{_ns(result.service_time.percentiles[f'p{percent}'])}"
            for percent in _SHOWN
        ]
        lag = result.lag.percentiles.get("p99")
        said = f"From the intended and from the actual start: {', '.join(rows)}. "
        said += f"Between them lies the wait to be sent: p99 {_ns(lag)}, {_ns(result.lag.most)} at most."
    return _chart(
        run,
        name,
        title,
        plot,
        "how long each share of the responses took at most, both axes logarithmic",
        said,
    )


def _chart(run: _Run, name: str, title: str, plot: Plot, drawn: str, caption: str) -> Chart:
    identity = f"{run.identity}-{name}"
    caption = re.sub(r"(\d) (ms|s|%)(?!\w)", "\\1\u00a0\\2", clean(caption))
    described = f"{title} of scenario {run.result.scenario}: {drawn}. {caption}"
    return Chart(name, title, plot.svg(identity, title, described), caption)


def _nothing(run: _Run, name: str, title: str, why: str = "no response has a time") -> Chart:
    caption = clean(f"No data: {why}. {_sent(run.result)}.")
    return Chart(name, title, empty(f"{run.identity}-{name}", title, caption, why), caption)


def _near(rules: Sequence[ThresholdResult], least: float, most: float) -> list[tuple[Fraction, str]]:
    """The limits that can be drawn beside what was seen, in nanoseconds and ascending; one line for equal ones."""
    found: dict[Fraction, list[str]] = {}
    for rule in rules:
        at = rule.limit * _NANO
        if rule.unit is Unit.SECONDS and least / _FAR <= at <= most * _FAR and at > 0:
            found.setdefault(at, []).append(rule.threshold)
    return [(at, ", ".join(found[at])) for at in sorted(found)]


def _groups(buckets: Mapping[str, int], beside: Sequence[int]) -> list[tuple[float, float, int]]:
    """Buckets in wider ones, at most `_BARS` from end to end of the drawing: from, to (nanoseconds), how many times.

    `beside` are buckets that the drawing shows too.
    """
    indices = sorted(map(int, buckets))
    shown = [*indices, *beside]
    step = max(12, ceil((max(shown) - min(shown) + 1) / _BARS))
    counts: dict[int, int] = {}
    for index in indices:
        place = (index - indices[0]) // step
        counts[place] = counts.get(place, 0) + buckets[str(index)]
    first = indices[0] - 1
    return [
        (1.004 ** (first + place * step), 1.004 ** (first + (place + 1) * step), count)
        for place, count in counts.items()
    ]


def _ranks(buckets: Mapping[str, int]) -> list[tuple[float, float]]:
    """Value by rank, thinned to what a drawing can show; x is log₁₀ of n ÷ (how many take at least as long)."""
    total, before = sum(buckets.values()), 0
    points: list[tuple[float, float]] = []
    last = -1.0
    indices = sorted(map(int, buckets))
    for index in indices:
        x, before = log10(total / (total - before)), before + buckets[str(index)]
        far = log10(total / (total - before + 1))
        if x - last >= 0.02 or index == indices[-1]:
            points.append((x, float(upper_end(index))))
            last = x
        if far - last >= 0.02:
            points.append((far, float(upper_end(index))))
            last = far
    return points


def _rank_axis(count: int) -> Axis:
    end = max(1.0, log10(count))
    shares = [
        *([(0.0, "0 %")] if end < 2.5 else []),
        (log10(2), "50 %"),
        *((float(n), _nines(n)) for n in range(1, int(end + 1e-9) + 1)),
    ]
    return Axis(0.0, end, tuple(shares), title="share of responses up to this time")


def _nines(number: int) -> str:
    """``90 %``, ``99 %``, ``99.9 %``, …"""
    return f"99.{'9' * (number - 2)}".removesuffix(".") + " %" if number > 1 else "90 %"


def _stretches(
    spans: Sequence[tuple[float, float, Window]], values: Sequence[float]
) -> list[tuple[float, float, float]]:
    return [(start, end, value) for (start, end, _), value in zip(spans, values, strict=True)]


def _whole(run: _Run) -> str:
    series = run.result.latency
    return f"Whole run: {_percentiles(series.percentiles)} over {_responses(series.count)}"


def _percentiles(found: Mapping[str, int]) -> str:
    return ", ".join(f"p{percent} {_ns(found[f'p{percent}'])}" for percent in _SHOWN)


def _sent(result: LoadResult) -> str:
    took = f"{show(Fraction(result.elapsed, _NANO), Unit.SECONDS)}"
    if result.planned is None:
        return f"{plural(result.sent, 'request')} sent in {took}; a closed loop plans none"
    dropped = f", {result.dropped:,} dropped" if result.dropped else ""
    late = f", {result.late:,} late" if result.late else ""
    return f"{result.sent:,} of {plural(result.planned, 'planned request')} sent in {took}{dropped}{late}"


def _errors(run: _Run, spans: Sequence[tuple[float, float, Window]]) -> str:
    result = run.result
    failed = sum(count for kind, count in result.failures.items() if kind is not Kind.TIMEOUT)
    if not failed and not result.timed_out:
        return "None failed, none timed out."
    start, end, row = max(spans, key=lambda span: span[2].failed + span[2].timed_out)
    return (
        f"{failed:,} failed, {result.timed_out:,} timed out; most from {start:g} s to {end:g} s, with "
        f"{row.failed + row.timed_out:,} of {row.ended:,}."
    )


def _ruled(run: _Run, *metrics: str) -> str:
    words = {True: "holds", False: "is broken", None: "has no data"}
    told = [
        f"{rule.threshold} {words[rule.held]} with {show(rule.actual, rule.unit, beside=rule.limit)}"
        if rule.held is not None
        else f"{rule.threshold} {words[None]}"
        for rule in run.limits(*metrics)
    ]
    return f" {'; '.join(told)}." if told else ""


def _responses(count: int) -> str:
    return plural(count, "response time")


def _ns(value: Fraction | int | None) -> str:
    """Nanoseconds to three decimals; a value that is judged is shown by its rule, exactly."""
    if value is None:
        return "no data"
    figure, unit = (value / 1e6, "ms") if value < _NANO - 500 else (value / 1e9, "s")
    return f"{figure:.3f}".rstrip("0").rstrip(".") + f" {unit}"


def _s(value: int) -> str:
    return f"{value / _NANO:g} s"


def _time(value: float) -> str:
    return f"{value / 1e6:g} ms" if value < 999_500_000 else f"{value / 1e9:g} s"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"
