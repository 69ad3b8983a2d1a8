"""The fixed rules of a scenario against its run, with how certain each figure is. Pure; the suite says what it means.

With a confidence asked for, a rule whose interval lies on both sides of its limit is uncertain: the run proves
neither that it holds nor that it is broken.
"""

from collections.abc import Iterable, Mapping

from harness.frozen import dataclass
from harness.load.metrics import measurements
from harness.load.result import LoadResult
from harness.load.statistics.certainty import Certainty, certainty, straddles
from harness.model import ThresholdResult
from harness.threshold import Threshold, show

SHOWN = 0.95
"""The confidence of the intervals on record where the profile asks for none."""
HINT = (
    "let the scenario run longer: four times the requests halve the interval of independent ones, while requests that fail or "
    "slow down in bursts say less than their number; a mean is known better with a shorter timeout, too"
)


@dataclass(frozen=True)
class Judgement:
    """What the rules came to. `facts` say how certain each figure is; `uncertain` says why a rule is undecided.

    `results` are all rules judged on their point estimate; `broken` are those of them that are broken for certain, or
    have no interval. A run with one of these fails, whatever else is uncertain.
    """

    results: tuple[ThresholdResult, ...]
    broken: tuple[ThresholdResult, ...]
    uncertain: tuple[str, ...]
    facts: Mapping[str, str]

    @property
    def undecided(self) -> str:
        """Why the run proves neither; empty where it is decided."""
        return "" if self.broken else "; ".join(self.uncertain)


def judge(
    thresholds: Iterable[Threshold], result: LoadResult, *, bound: float, confidence: float | None = None
) -> Judgement:
    """Judge a valid run. `bound` is the time-out in seconds, `confidence` what the profile asks for.

    Raises:
        ValueError: the confidence is not within 0 and 1.
    """
    seen = {found.metric: found for found in measurements(result)}
    results, broken, uncertain = [], [], []
    widest: dict[str, Certainty] = {}
    for threshold in thresholds:
        judged = threshold.judge(seen.get(threshold.metric))
        results.append(judged)
        asked = SHOWN if confidence is None else confidence
        known = certainty(threshold, result, bound=bound, confidence=asked)
        if known is not None:
            before = widest.setdefault(threshold.metric, known)
            widest[threshold.metric] = min(before, known, key=lambda each: each.effective)
        if known is not None and confidence is not None and straddles(threshold, known):
            uncertain.append(_why(threshold, judged, known))
        elif judged.held is False:
            broken.append(judged)
    facts = {metric: known.text() for metric, known in widest.items()}
    return Judgement(tuple(results), tuple(broken), tuple(uncertain), facts)


def _why(threshold: Threshold, judged: ThresholdResult, known: Certainty) -> str:
    seen = show(judged.actual, judged.unit, beside=judged.limit)
    return (
        f"{threshold.metric} is {seen}, but with {known.confidence * 100:g} % confidence {known.between()}, on both sides "
        f"of {threshold.text} ({known.effective:,.0f} effective of {known.sample:,} samples)"
    )
