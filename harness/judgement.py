"""What one result means for a decision: its outcome, its waivers, its attempts, its thresholds held once more. Pure."""

from collections.abc import Callable, Iterable

from harness.errors import ThresholdError
from harness.model import (
    CheckResult,
    Decision,
    Measurement,
    Outcome,
    Reason,
    Record,
    ThresholdResult,
    Waiver,
)
from harness.threshold import applied, show
from harness.waivers import covering, images_of, told

_GRAVER = (Decision.INCONCLUSIVE, Decision.NO_GO, Decision.ERROR)
"""What a threshold may lead to, the gravest last."""
_OUTCOMES = frozenset(Outcome)
_TRIED_AGAIN = (Outcome.FAILED, Outcome.ERROR)
"""What may be tried again: a skip or an empty proof never becomes a pass that way."""


def is_flaky(result: CheckResult) -> bool:
    """A pass after a retry, whether or not the result calls itself so."""
    return result.flaky or (
        result.outcome is Outcome.PASSED
        and any(attempt.outcome is not Outcome.PASSED for attempt in result.attempts)
    )


def judge(result: CheckResult, record: Record) -> Reason | None:
    """What one result means for the decision; ``None`` where it is a pass or a skip (judged together)."""

    def reason(code: str, text: str, decision: Decision) -> Reason:
        return Reason(code, text, decision, result.gate, result.id, result.hint)

    if result.outcome not in _OUTCOMES:
        return reason("error", f"{result.outcome!r} is no outcome", Decision.ERROR)
    if wrong := _contradiction(result):
        return reason("inconsistent", wrong, Decision.ERROR)
    match result.outcome:
        case Outcome.ERROR:
            return reason("error", result.reason, Decision.ERROR)
        case Outcome.FAILED if held := waived(result, record):
            text = f"waived by {' and '.join(map(told, held))}: {result.reason}"
            return reason("waived", text, Decision.GO)
        case Outcome.FAILED:
            return reason("failed", result.reason, Decision.NO_GO)
        case Outcome.INCONCLUSIVE:
            return reason(str(result.cause), result.reason, Decision.INCONCLUSIVE)
        case Outcome.SKIPPED:
            return None
    return _judge_thresholds(result, reason)


def waived(result: CheckResult, record: Record) -> tuple[Waiver, ...]:
    """The waivers that a failure names and that do cover it, by the policy and at the time of the run."""
    known = {waiver.id: waiver for waiver in record.policy.waivers}
    if not result.waivers or not known.keys() >= set(result.waivers):
        return ()
    named = [known[id_] for id_ in result.waivers]
    return covering(result, named, record.at, images_of(record.results))


def _contradiction(result: CheckResult) -> str:
    """What its attempts say against a result: nothing but failures and errors is tried again, and the last try counts.

    Where that one could not be had (a skip), the failure before it stays.
    """
    if not result.attempts:
        return ""
    *earlier, last = result.attempts
    if wrong := [each.outcome for each in earlier if each.outcome not in _TRIED_AGAIN]:
        return f"it was tried again although it was {wrong[0]}"
    stayed = bool(earlier) and result.outcome in _TRIED_AGAIN and last.outcome is not Outcome.PASSED
    if stayed or (last.outcome is result.outcome and (not earlier or last.outcome is Outcome.PASSED)):
        return ""
    return (
        f"it calls itself {result.outcome}, and its last attempt of {len(result.attempts)} was {last.outcome}"
    )


def _judge_thresholds(result: CheckResult, reason: Callable[[str, str, Decision], Reason]) -> Reason | None:
    """Hold the thresholds of a result that calls itself passed against its own measurements once more."""
    found: list[Reason] = []
    for threshold in result.thresholds:
        seen = show(threshold.actual, threshold.unit, beside=threshold.limit)
        if not _was_measured(threshold, result.measurements):
            text = f"{threshold.metric} was judged as {seen}, which was not measured"
            found.append(reason("inconsistent", text, Decision.ERROR))
            continue
        held = _holds(threshold, result.measurements)
        if held is None:
            text = f"nothing was measured for {threshold.metric}"
            found.append(reason("nothing_checked", text, Decision.INCONCLUSIVE))
        elif not held:
            text = f"{threshold.metric} is {seen}, the rule is {threshold.threshold}"
            found.append(reason("failed", text, Decision.NO_GO))
    return max(found, key=lambda each: _GRAVER.index(each.decision), default=None)


def _was_measured(result: ThresholdResult, measurements: Iterable[Measurement]) -> bool:
    """Whether the number that was judged is one that the check saw; "nothing" only where it saw nothing."""
    seen = [each for each in measurements if each.metric == result.metric]
    if result.actual is None:
        return all(each.value is None for each in seen)
    judged = (result.actual, result.unit, result.sample)
    return judged in [(each.value, each.unit, each.sample) for each in seen]


def _holds(result: ThresholdResult, measurements: Iterable[Measurement]) -> bool | None:
    """Judge anew from the rule's text; a rule that does not parse, or another limit than stated, does not hold.

    The limit of a rule on a baseline is worked out again from the baseline's figure among the measurements.
    """
    if result.actual is None or result.sample <= 0:
        return None
    try:
        rule = applied(result.threshold, measurements)
    except ThresholdError:
        return False
    if (rule.metric, rule.limit.value, rule.limit.unit) != (result.metric, result.limit, result.unit):
        return False
    seen = Measurement(result.metric, result.actual, result.unit, result.sample)
    return rule.judge(seen).held and result.held is True
