"""A load run's progress in words, and which of them are worth a line where lines stay for ever."""

from fractions import Fraction

from harness.load.progress import Line, Progress, Waiting
from harness.model import Unit
from harness.report.text import one_line, seconds
from harness.threshold import show

_EVERY = 10.0
"""Seconds between two lines of a scenario; more in a long run, so that it has about `_LINES`."""
_LINES = 20
_DOUBT = 0.1
"""The share of the evidence that ends a run from which it is worth a line."""
_MOST = 1e300
CERTAIN = "certain"
_MILLION = 1e6


def told(progress: Progress) -> str:
    """One line, what matters most first."""
    line, scenario = progress.line, one_line(progress.scenario, 40)
    if isinstance(line, Waiting):
        of = f"{line.come} of {line.expected}"
        if not line.start:
            return f"{scenario}  its processes start, {of} are ready"
        return f"{scenario}  waits for workers, {of} are ready · start each with: {one_line(line.start, 120)}"
    left = f"{seconds(line.left)} left" if line.left > 0 else "waiting for the last answers"
    if line.warming_up:
        parts = ["warming up, nothing is counted yet", left]
    else:
        sent = f"{line.sent:,} sent" if line.planned is None else f"{line.sent:,}/{line.planned:,}"
        parts = [sent, *_figures(line, progress.rate), left, *_evidence(line)]
    return f"{scenario}  {' · '.join(parts)}"


class Teller:
    """Chooses: a scenario's first line, then one every ten seconds or more, and what is new about it."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._news: dict[str, frozenset[str]] = {}

    def line(self, progress: Progress) -> str:
        """What to say now; empty for nothing."""
        name, line = progress.scenario, progress.line
        if isinstance(line, Waiting):
            known, news = self._news.get(name, frozenset()), frozenset({f"{line.come} have come"})
            self._news[name] = known | news
            return told(progress) if line.start and news - known else ""
        known, news = self._news.get(name, frozenset()), _news(line)
        if line.second < self._next.get(name, 0.0) and news <= known:
            return ""
        self._next[name] = line.second + max(_EVERY, (line.second + line.left) / _LINES)
        self._news[name] = known | news
        return told(progress)


def _news(line: Line) -> frozenset[str]:
    """What is said at once when it comes up, and once only."""
    doubt = any(each.e >= _DOUBT * each.enough for each in line.evidence)
    found = {
        "counting": not line.warming_up,
        "failing": line.succeeded < line.ended,
        "dropping": line.dropped > 0,
        "doubt": doubt,
    }
    return frozenset(name for name, met in found.items() if met)


def _figures(line: Line, rate: float | None) -> list[str]:
    parts = [] if rate is None else [f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"]
    if line.ended:
        parts.append(f"success {show(Fraction(line.succeeded, line.ended), Unit.RATIO)}")
    if line.p95 is not None:
        parts.append(f"p95 {_time(line.p95)}")
    parts += [f"{line.timed_out:,} timed out"] if line.timed_out else []
    parts += [f"{line.dropped:,} dropped"] if line.dropped else []
    return parts


def _evidence(line: Line) -> list[str]:
    """The strongest, which is what would end the run; a closed loop has no plan that it could be weighed by."""
    known = [each for each in line.evidence if line.planned is not None or each.e]
    if not known:
        return []
    most = max(known, key=lambda each: each.e / each.enough)
    rule = one_line(most.rule, 60)
    if most.e >= _MOST:
        return [f"{rule} cannot be kept any more"]
    return [f"evidence against {rule}: {strength(most.e)} of {most.enough:,.0f}"]


def strength(e: float) -> str:
    """An e-value: how many times likelier a run that breaks its rule is to look like this than one that keeps it."""
    if e >= _MOST:
        return CERTAIN
    if e >= _MILLION:
        return "over a million"
    return f"{e:,.0f}" if e >= 10 else f"{e:.2g}"


def _time(nanoseconds: int) -> str:
    """Three digits are enough for what is gone in a second."""
    return f"{nanoseconds / 1e6:.3g} ms" if nanoseconds < 999_500_000 else f"{nanoseconds / 1e9:.3g} s"
