"""What a load check left behind, for reports: its result, its charts, and the tables of its decision.

The result must be the very file that the check left.
"""

import hashlib
from collections.abc import Sequence
from math import ceil, floor
from pathlib import Path

from harness.errors import ToolError
from harness.frozen import dataclass
from harness.load.ending import decision, ending
from harness.load.result import Judged, LoadResult, read
from harness.load.statistics.sequential import RateRule, Terms
from harness.model import Cause, Unit
from harness.report.captions import time
from harness.report.charts import Chart, charts
from harness.report.files import inside
from harness.report.progress import CERTAIN, strength
from harness.report.text import plural
from harness.report.view import Case
from harness.threshold import Threshold, parse, show

GATE, EVIDENCE = "load", "result.json"
RULES = ("Rule", "Decision", "Estimate", "Interval", "Effective requests", "Evidence against it")
"""The columns of `rules`."""
STEPS = ("Step", "Requests", "Failed", "p50", "p95", "p99", "Longest")
"""The columns of `steps`."""
_ENOUGH = 1 / Terms().alpha


@dataclass(frozen=True)
class Loaded:
    """A load check's result and the path it has in the run's folder, or else why there is none."""

    path: str = ""
    result: LoadResult | None = None
    why: str = ""


def loaded(folder: Path, case: Case) -> Loaded | None:
    """What a check left; ``None`` for one that left no load run behind."""
    if case.result is None or case.gate != GATE:
        return None
    file = next((file for file in case.result.evidence if file.name == EVIDENCE), None)
    if file is None:
        return None
    path = inside(folder, file.path)
    if path is None:
        return Loaded(file.path, why=f"{file.path} is not there any more")
    if hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
        why = f"{file.path} is not the file that the check left: its sha256 is another"
        return Loaded(file.path, why=why)
    try:
        return Loaded(file.path, read(path))
    except ToolError as error:
        return Loaded(file.path, why=error.message)


def drawn(found: Loaded, case: Case, identity: str) -> tuple[Chart, ...]:
    """The charts of a run; none where there is no result. `identity` is its alone on a page."""
    if found.result is None or case.result is None:
        return ()
    return charts(found.result, case.result.thresholds, identity)


def ended(result: LoadResult) -> str:
    """A sentence or two: how it ended, and who sent it."""
    nodes = f" Sent by {plural(result.nodes, 'process', 'processes')}." if result.nodes > 1 else ""
    return f"Ended {ending(result)}.{nodes}"


def rules(result: LoadResult, case: Case) -> list[tuple[str, ...]]:
    """Each rule on a rate, as it was decided: the columns `RULES`. Nothing is decided on an invalid run."""
    invalid = case.result is not None and case.result.cause is Cause.INVALID_RUN
    return [
        (
            judged.rule,
            "not judged: the run is invalid" if invalid else decision(result, judged),
            _estimate(judged, parse(judged.rule)),
            _interval(judged),
            f"{judged.effective:,.0f} of {judged.requests:,}",
            _evidence(judged),
        )
        for judged in result.judged
    ]


def steps(result: LoadResult) -> list[tuple[str, ...]]:
    """Each step of a journey: the columns `STEPS`; times are those of its successes."""
    return [
        (
            name,
            f"{step.sent:,}",
            f"{step.failed:,}",
            *(time(step.latency.percentiles.get(key)) for key in ("p50", "p95", "p99")),
            time(step.latency.most),
        )
        for name, step in result.steps.items()
    ]


def lines(result: LoadResult, case: Case) -> list[str]:
    """All of it as plain text."""
    told = [ended(result)]
    tables: Sequence[tuple[Sequence[str], Sequence[Sequence[str]]]] = (
        (RULES, rules(result, case)),
        (STEPS, steps(result)),
    )
    for head, rows in tables:
        for row in rows:
            told += [
                "",
                row[0],
                *(f"  {name}: {value}" for name, value in zip(head[1:], row[1:], strict=True)),
            ]
    return told


def _estimate(judged: Judged, rule: Threshold) -> str:
    if not judged.requests:
        return "no data"
    known = RateRule.of(rule)
    value = known.estimate(judged.requests, judged.failures) if known else None
    return show(value, Unit.RATIO, beside=rule.limit.value)


def _evidence(judged: Judged) -> str:
    """As an e-value, beside the one that ends a run."""
    found = strength(judged.evidence)
    return found if found == CERTAIN else f"{found} of {_ENOUGH:,.0f}"


def _interval(judged: Judged) -> str:
    """Rounded outwards."""
    low, high = floor(judged.low * 10_000), ceil(judged.high * 10_000)
    between = f"{max(low, 0) / 100:g} % to {min(high, 10_000) / 100:g} %"
    return f"{between} ({judged.confidence * 100:g} % confidence)"
