"""A run against the baseline: the same scenario in an earlier run that led to a GO. Pure.

The tolerance of each rule decides. Whether the whole distribution of response times moved or only its tail is told
beside it: a small shift of everything and a few slow responses ask for different work.
"""

import hashlib
from collections.abc import Iterable, Mapping
from fractions import Fraction
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from harness.codec import canonical
from harness.errors import ProfileError
from harness.frozen import dataclass
from harness.load.metrics import METRICS, measurements
from harness.load.result import LoadResult
from harness.load.scenario import ADDRESSES, Scenario
from harness.load.statistics.series import design_effect
from harness.load.statistics.shift import Shift, compare, midranks
from harness.masking import mask
from harness.model import Measurement, ThresholdResult, Unit
from harness.threshold import BaselineRule, baseline_metric, show

_JUDGES = {"name", "thresholds", "confidence", "min_requests", "stop_early", "early_pass"}
"""Keys of a scenario that say how it is judged; all others say what is sent, and must be alike."""
_CONTENT = ("headers", "body", "journeys")
"""Keys whose values are recorded by their digest, as is the content of a `locustfile`."""
_TIMES = ("avg_response_time", "p50", "p90", "p95", "p99", "max_response_time")
HINT = (
    "see what this release changed since the baseline's; where it must cost this much, widen the tolerance for one "
    "release: its GO is the next baseline"
)


def traffic(scenario: Scenario) -> dict[str, Any]:
    """What a scenario sends, as plain JSON: figures of two runs can be compared where this is the same.

    What is empty is left out. So is a port on the loopback, as a stand-in has another one each time.
    """
    found = {key: value for key, value in scenario.model_dump().items() if key not in _JUDGES}
    for key in _CONTENT:
        if found[key]:
            found[key] = hashlib.sha256(canonical(found[key])).hexdigest()
    if scenario.locustfile:
        found["locustfile"] = _digest(Path(scenario.locustfile))
    found["header_variables"] = sorted(found["header_variables"])
    found.update({key: mask(_without_loopback_port(found[key])) for key in ADDRESSES})
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ProfileError(
            f"{path} cannot be read: {error}", hint="correct the scenario's locustfile"
        ) from error


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """In which keys two scenarios' traffic differs, with plain values beside them."""
    told = []
    for key in sorted({*then, *now}):
        before, after = then.get(key), now.get(key)
        if before == after:
            continue
        plain = key not in (*_CONTENT, "locustfile") and not any(
            isinstance(each, dict | list) for each in (before, after)
        )
        told.append(f"{key} was {_said(before)} and is {_said(after)}" if plain else f"{key} differs")
    return tuple(told)


@dataclass(frozen=True)
class Comparison:
    """What the rules on the baseline came to.

    `measurements` are this run's figures and, as ``baseline_…``, those that limits come from; `broken` says which rules are
    not kept, `unmeasured` which metrics one of the runs does not have. `lines` set the two runs side by side.
    """

    measurements: tuple[Measurement, ...]
    results: tuple[ThresholdResult, ...]
    broken: str
    unmeasured: tuple[str, ...]
    facts: Mapping[str, str]
    lines: tuple[str, ...]


def compared(rules: Iterable[BaselineRule], now: LoadResult, then: LoadResult) -> Comparison:
    """Judge a valid run by the rules on its baseline, which must be of the same traffic."""
    mine = {found.metric: found for found in measurements(now)}
    theirs = {found.metric: found for found in measurements(then)}
    results, broken, unmeasured = [], [], []
    limiting: dict[str, Measurement] = {}
    for rule in rules:
        before = theirs[rule.metric]
        if before.value is None:
            unmeasured.append(rule.metric)
            continue
        name = baseline_metric(rule.metric)
        limiting[name] = Measurement(name, before.value, before.unit, before.sample)
        judged = rule.against(before).judge(mine[rule.metric])
        results.append(judged)
        if judged.held is None:
            unmeasured.append(rule.metric)
        elif not judged.held:
            broken.append(_broken(judged, before))
    shift = _shift(now, then)
    slower = any(judged.held is False and METRICS[judged.metric].unit is Unit.SECONDS for judged in results)
    told = {name: _change(theirs[name], mine[name]) for name in METRICS if name in theirs}
    return Comparison(
        measurements=(*mine.values(), *limiting.values()),
        results=tuple(results),
        broken="; ".join(broken),
        unmeasured=tuple(unmeasured),
        facts={"shift": words(shift, slower=slower)} if shift else {},
        lines=tuple(f"{name}: {told[name]}" for name in ("success_rate", "rate", *_TIMES)),
    )


def words(shift: Shift, *, slower: bool = False) -> str:
    """What a shift says to a person. `slower`: a rule on response times is broken."""
    word, chance = ("slower", shift.probability) if shift.delta >= 0 else ("faster", 1 - shift.probability)
    p_value = "p < 0.001" if shift.p_value < 0.001 else f"p = {shift.p_value:.3f}"
    if shift.moved:
        meaning = "the whole distribution moved"
    else:
        meaning = "the distribution as a whole " + ("hardly moved" if shift.significant else "did not move")
        meaning += "; what got worse is a part of it, such as its tail" if slower else ""
    return (
        f"a request is {word} than one of the baseline with a probability of {chance:.0%} ({p_value}; "
        f"{shift.effective[0]:,.0f} and {shift.effective[1]:,.0f} effective responses): {meaning}"
    )


def _shift(now: LoadResult, then: LoadResult) -> Shift | None:
    one, other = _counts(now), _counts(then)
    if not one or not other:
        return None
    ranks = midranks(one, other)
    effects = [
        design_effect([row.latency for row in run.windows.rows], ranks.__getitem__) for run in (now, then)
    ]
    return compare(one, other, (effects[0], effects[1]))


def _counts(result: LoadResult) -> dict[int, int]:
    return {int(index): count for index, count in result.latency.buckets.items()}


def _broken(judged: ThresholdResult, before: Measurement) -> str:
    return (
        f"{judged.metric} is {show(judged.actual, judged.unit, beside=judged.limit)}, the rule is {judged.threshold}: "
        f"{_short(judged.limit, judged.unit)} (it was {_short(before.value, before.unit)})"
    )


def _change(then: Measurement, now: Measurement) -> str:
    told = f"{_short(then.value, then.unit)} → {_short(now.value, now.unit)}"
    if then.value is None or now.value is None:
        return told
    if then.unit is Unit.RATIO:
        return f"{told} ({float(now.value - then.value) * 100:+.2f} points)"
    return f"{told} ({float(now.value / then.value - 1):+.1%})" if then.value else told


def _short(value: Fraction | None, unit: Unit) -> str:
    """At most five digits of a time or a rate."""
    if value is None or unit is Unit.RATIO:
        return show(value, unit)
    return show(Fraction(f"{float(value):.5g}"), unit)


def _said(value: object) -> str:
    return "not set" if value in (None, "") else f"{value:g}" if isinstance(value, float) else str(value)


def _without_loopback_port(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return urlunsplit(parts._replace(netloc=f"[{host}]" if ":" in host else host)) if loopback else url
