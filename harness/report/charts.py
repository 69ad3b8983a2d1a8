"""A load run as charts: its figures as drawings, each with a caption that tells them in words. Pure: data to text."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import ceil, log10

from harness.frozen import dataclass
from harness.load.latency import bucket, upper_end
from harness.load.result import Kind, LoadResult
from harness.load.windows import Window, percentile
from harness.model import ThresholdResult
from harness.report import captions as say
from harness.report.html import Html
from harness.report.load_run import NANO, Run, near
from harness.report.svg import Axis, Plot, empty, linear_axis, log_axis, time_axis
from harness.report.text import clean, plural

_SHOWN = dict(zip(say.PERCENTILES, ("first", "second", "third"), strict=True))
"""The percentiles that are drawn, and how."""
_BARS = 64
_ABOVE = 2.0
"""Room above a limit, for its words."""
_TIMES = ("avg_response_time", "max_response_time", "p50", "p90", "p95", "p99")
_SOME = "time since counting began"


@dataclass(frozen=True)
class Chart:
    """One chart. `name` is its own among those of a run; `svg` stands in a page as it is."""

    name: str
    title: str
    svg: Html
    caption: str


def charts(result: LoadResult, rules: Sequence[ThresholdResult], identity: str) -> tuple[Chart, ...]:
    """The charts of a run with the rules that it was judged by; `identity` begins the ids of their elements."""
    run = Run.of(result, rules, identity)
    return (_over_time(run), _rate(run), _distribution(run), _starts(run))


def _over_time(run: Run) -> Chart:
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
    limits = near(run.limits(*_TIMES), min(seen), max(seen))
    plot = Plot(
        time_axis(run.shown() / NANO, title=_SOME),
        log_axis([*seen, *(float(at) * _ABOVE for at, _ in limits)], say.tick),
        tuple((kind, f"p{percent}") for percent, kind in _SHOWN.items()),
    )
    plot.levels([(float(at), text) for at, text in limits])
    for percent, kind in _SHOWN.items():
        middles = [(start + end) / 2 for start, end, _ in spans]
        plot.line(kind, list(zip(middles, lines[percent], strict=True)), dots=len(spans) <= 24)
    _mark_end(run, plot)
    worst = max(range(len(spans)), key=lambda index: lines[95][index] or 0)
    start, end, row = spans[worst]
    caption = (
        f"{say.whole(run)}. Windows of {run.windows.width / NANO:g} s; the slowest, from {say.at(start)} to {say.at(end)}, "
        f"has p95 {say.time(lines[95][worst])} over {say.responses(row.succeeded + row.timed_out)}."
        f"{say.ruled(run, *_TIMES)}"
    )
    return _chart(run, name, title, plot, "percentiles of each window, on a logarithmic axis", caption)


def _rate(run: Run) -> Chart:
    name, title, result = "rate", "Rate and errors over time", run.result
    if not result.sent and not result.planned:
        return _nothing(run, name, title, "no request was sent")
    spans = run.spans()
    lengths = [Fraction(end) - Fraction(start) for start, end, _ in spans]

    def per_second(count: Callable[[Window], int]) -> list[float]:
        return [float(count(row) / length) for (*_, row), length in zip(spans, lengths, strict=True)]

    sent, planned = per_second(lambda row: row.sent), per_second(lambda row: row.planned or 0)
    failed, errors = per_second(lambda row: row.failed), per_second(lambda row: row.failed + row.timed_out)
    with_dropped = per_second(lambda row: row.sent + row.dropped)
    limits, absorbed = run.limits("rate", "request_rate"), run.absorbed()
    plot = Plot(
        time_axis(run.shown() / NANO, title=_SOME),
        linear_axis(
            [*with_dropped, *planned, *errors, *(float(rule.limit) for rule in limits)], lambda v: f"{v:g}/s"
        ),
        (
            *((("plan", "planned"),) if result.planned is not None else ()),
            *(("first", "sent"), ("failed", "failed"), ("late", "timed out")),
            *((("dropped", "dropped"),) if result.dropped else ()),
            *(("most", f"failures allowed by {text}") for _, text in absorbed),
        ),
    )
    plot.steps("first", _stretches(spans, sent), filled=True)
    for index, (start, end, _) in enumerate(spans):
        plot.bar("failed", start, end, 0, failed[index])
        plot.bar("late", start, end, failed[index], errors[index])
        plot.bar("dropped", start, end, sent[index], with_dropped[index])
    if result.planned is not None:
        plot.steps("plan", _stretches(spans, planned))
    ended = per_second(lambda row: row.ended)
    for share, _ in absorbed:
        most = _stretches(spans, [value * float(share) for value in ended])
        plot.steps("halo", most)
        plot.steps("most", most)
    plot.levels([(float(rule.limit), rule.threshold) for rule in limits])
    _mark_end(run, plot)
    caption = (
        f"{say.over(result)}{say.sent(result)}. {say.errors(result, spans)}"
        f"{say.ruled(run, 'rate', 'request_rate', 'success_rate', 'error_rate')}"
    )
    return _chart(run, name, title, plot, "requests a second in each window, errors as bars", caption)


def _distribution(run: Run) -> Chart:
    name, title, series = "distribution", "Latency distribution", run.result.latency
    if not series.count:
        return _nothing(run, name, title)
    limits = near(run.limits(*_TIMES), series.least or 1, series.most or 1)
    groups = _groups(series.buckets, [bucket(max(1, int(at))) for at, _ in limits])
    seen = [edge for start, end, _ in groups for edge in (start, end)]
    plot = Plot(
        log_axis([*seen, *(float(at) for at, _ in limits)], say.tick, title="latency, logarithmic"),
        linear_axis([count for *_, count in groups], say.count),
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
        f"{say.responses(series.count)} from {say.time(series.least)} to {say.time(series.most)}, mean {say.time(Fraction(series.total, series.count))}, "
        f"{say.percentiles(series.percentiles)}.{tail}"
    )
    return _chart(run, name, title, plot, "how many responses took how long, on a logarithmic axis", caption)


def _starts(run: Run) -> Chart:
    name, title, result = "starts", "Latency from the intended and the actual start", run.result
    if not result.latency.count:
        return _nothing(run, name, title)
    intended, actual = (_ranks(series.buckets) for series in (result.latency, result.service_time))
    seen = [value for _, value in (*intended, *actual)]
    limits = near(run.limits("p50", "p90", "p95", "p99"), min(seen), max(seen))
    y = log_axis([*seen, *(float(at) * _ABOVE for at, _ in limits)], say.tick)
    lines = [("first", "intended start", intended)] if result.planned is not None else []
    lines.append(("second", "actual start", actual))
    plot = Plot(_rank_axis(result.latency.count), y, tuple((kind, text) for kind, text, _ in lines))
    plot.levels([(float(at), text) for at, text in limits])
    for kind, _, points in lines:
        plot.line(kind, points)
    if result.planned is None:
        said = f"A closed loop has no intended start. From the actual one: {say.percentiles(result.service_time.percentiles)}."
    else:
        rows = [
            f"p{percent} {say.time(result.latency.percentiles[f'p{percent}'])} and "
            f"{say.time(result.service_time.percentiles[f'p{percent}'])}"
            for percent in _SHOWN
        ]
        lag = result.lag.percentiles.get("p99")
        said = f"From the intended and from the actual start: {', '.join(rows)}. "
        said += f"Between them lies the wait to be sent: p99 {say.time(lag)}, {say.time(result.lag.most)} at most."
    return _chart(
        run,
        name,
        title,
        plot,
        "how long each share of the responses took at most, both axes logarithmic",
        said,
    )


def _mark_end(run: Run, plot: Plot) -> None:
    """Where the load of a run ended early."""
    if run.result.ended_early:
        plot.mark("end", run.length() / NANO, "ended early")


def _chart(run: Run, name: str, title: str, plot: Plot, drawn: str, caption: str) -> Chart:
    identity = f"{run.identity}-{name}"
    caption = say.unbroken(clean(caption))
    described = f"{title} of scenario {run.result.scenario}: {drawn}. {caption}"
    return Chart(name, title, plot.svg(identity, title, described), caption)


def _nothing(run: Run, name: str, title: str, why: str = "no response has a time") -> Chart:
    caption = clean(f"No data: {why}. {say.sent(run.result)}.")
    return Chart(name, title, empty(f"{run.identity}-{name}", title, caption, why), caption)


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
