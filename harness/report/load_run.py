"""What every chart of a load run needs: the run, its rules, and windows wide enough to be read. Pure."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil

from harness.frozen import dataclass
from harness.load.result import LoadResult
from harness.load.windows import Window, Windows
from harness.model import ThresholdResult, Unit

NANO = 1_000_000_000
_MOST = 60
"""The most windows that are drawn."""
_FEWEST = 12
_SAMPLE = 20
"""Windows are drawn together until nine of ten hold so many times, but down to `_FEWEST` only."""
_FAR = 1000
"""A limit further than this from what was seen is told in the caption only: drawn, it would flatten the rest."""
_BEYOND = 1.4
"""How much of its own length is shown of a run that ended early, so that one sees where it ended."""


@dataclass(frozen=True)
class Run:
    """A run with the rules that it was judged by. `identity` is the run's alone on the page."""

    identity: str
    result: LoadResult
    rules: Sequence[ThresholdResult]
    windows: Windows

    @classmethod
    def of(cls, result: LoadResult, rules: Sequence[ThresholdResult], identity: str) -> "Run":
        """With windows that hold enough to be read; of a run that ended early, those that it had."""
        if not result.ended_early:
            return cls(identity, result, rules, _readable(result.windows))
        had = max(1, ceil(result.elapsed / result.windows.width))
        windows = _readable(Windows(result.windows.width, result.windows.rows[:had]))
        return cls(identity, result, rules, _without_sliver(windows, result.elapsed))

    def spans(self) -> list[tuple[float, float, Window]]:
        """Each window with its start and end in seconds; the last ends with the run."""
        width, end = self.windows.width, self.length()
        starts = [index * width for index in range(len(self.windows.rows)) if index * width < end]
        ends = [*starts[1:], end if self.result.ended_early else min(starts[-1] + width, end)]
        return [
            (start / NANO, stop / NANO, row)
            for start, stop, row in zip(starts, ends, self.windows.rows, strict=False)
        ]

    def length(self) -> int:
        """Up to where the windows reach, in nanoseconds."""
        if self.result.ended_early:
            return max(1, self.result.elapsed)
        last = len(self.windows.rows) * self.windows.width
        return min(last, max(self.result.duration, self.result.elapsed)) or last

    def shown(self) -> int:
        """How much time a drawing shows: of a run that ended early, some of what was not sent any more."""
        length = self.length()
        return min(round(length * _BEYOND), self.result.duration) if self.result.ended_early else length

    def limits(self, *metrics: str) -> list[ThresholdResult]:
        """The rules on one of these metrics."""
        return [rule for rule in self.rules if rule.metric in metrics]

    def absorbed(self) -> list[tuple[Fraction, str]]:
        """The share of failures that each rule on a rate allows, and the rule; ascending, one for equal shares."""
        found: dict[Fraction, list[str]] = {}
        for rule in self.limits("success_rate", "error_rate"):
            share = rule.limit if rule.metric == "error_rate" else 1 - rule.limit
            found.setdefault(share, []).append(rule.threshold)
        return [(share, ", ".join(found[share])) for share in sorted(found)]


def _readable(windows: Windows) -> Windows:
    """Fewer and wider windows, where single ones hold too little for a percentile."""
    factor = max(1, ceil(len(windows.rows) / _MOST))
    while len(windows.rows) > factor * _FEWEST:
        held = sorted(row.succeeded + row.timed_out for row in windows.coarser(factor).rows)
        if held[len(held) // 10] >= _SAMPLE:
            break
        factor += 1
    return windows.coarser(factor)


def _without_sliver(windows: Windows, end: int) -> Windows:
    """With the last window in the one before it, where it holds too little time for a rate."""
    *rows, last = windows.rows
    if not rows or end - len(rows) * windows.width >= windows.width / 2:
        return windows
    return Windows(windows.width, (*rows[:-1], Windows(windows.width, (rows[-1], last)).total()))


def near(rules: Sequence[ThresholdResult], least: float, most: float) -> list[tuple[Fraction, str]]:
    """The limits that can be drawn beside what was seen, in nanoseconds and ascending; one line for equal ones."""
    found: dict[Fraction, list[str]] = {}
    for rule in rules:
        at = rule.limit * NANO
        if rule.unit is Unit.SECONDS and least / _FAR <= at <= most * _FAR and at > 0:
            found.setdefault(at, []).append(rule.threshold)
    return [(at, ", ".join(found[at])) for at in sorted(found)]
