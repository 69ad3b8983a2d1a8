"""Results plus policy give the decision and its reasons. Pure: no I/O, no clock, nothing but the record.

The tables of ``docs/architecture.md`` ("From outcome to decision") are this module. Every gate collects reasons,
each with the decision it leads to; the gate's decision is the worst of them and the run's decision the worst of
the gates'. So a further failing check can only make a decision worse, and what is missing can never make it GO.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from harness.errors import ThresholdError
from harness.model import (
    Cause,
    CheckResult,
    Decided,
    Decision,
    ExpectedGate,
    GateOutcome,
    GateRun,
    GateVerdict,
    Measurement,
    Outcome,
    Policy,
    Reason,
    Record,
    SessionEnd,
    ThresholdResult,
)
from harness.threshold import parse, show

SEVERITY: Mapping[Decision, int] = {
    Decision.GO: 0,
    Decision.PENDING: 1,
    Decision.INCONCLUSIVE: 2,
    Decision.NO_GO: 3,
    Decision.ERROR: 4,
}
"""ERROR > NO_GO > INCONCLUSIVE > PENDING > GO."""

_OF_DECISION = {
    Decision.ERROR: GateOutcome.ERROR,
    Decision.NO_GO: GateOutcome.FAIL,
    Decision.INCONCLUSIVE: GateOutcome.INCONCLUSIVE,
    Decision.GO: GateOutcome.PASS,
}
_BROKEN_ENDS = {
    SessionEnd.BUDGET: "ran out of its budget",
    SessionEnd.MEMORY: "ran out of its memory bound",
    SessionEnd.CRASHED: "crashed",
    SessionEnd.INTERRUPTED: "was interrupted",
}


def worst(decisions: Iterable[Decision]) -> Decision:
    """The gravest of several decisions; GO where there are none."""
    return max(decisions, key=SEVERITY.__getitem__, default=Decision.GO)


def decide(record: Record) -> Decided:
    """Derive the decision from everything that was expected and everything that reported."""
    verdicts: dict[str, GateVerdict] = {}
    missing: list[str] = []
    for gate in record.gates:
        verdict, absent = _Gate(record, gate, verdicts).decide()
        verdicts[gate.name] = verdict
        missing.extend(absent)
    reasons = [
        *_of_the_whole(record),
        *(reason for verdict in verdicts.values() for reason in verdict.reasons),
    ]
    reasons.sort(key=lambda reason: -SEVERITY[reason.decision])
    return Decided(
        worst(reason.decision for reason in reasons), tuple(reasons), tuple(verdicts.values()), tuple(missing)
    )


def _of_the_whole(record: Record) -> Iterable[Reason]:
    """What can be wrong with a run beside its gates."""
    if not record.gates:
        yield Reason("nothing_expected", "no gate was expected to run", Decision.INCONCLUSIVE)
    if record.partial:
        yield Reason(
            "partial",
            "only some gates were asked to run",
            Decision.INCONCLUSIVE,
            hint="run without --gate for a decision",
        )
    known = {gate.name for gate in record.gates}
    for name in sorted({result.gate for result in record.results} - known):
        yield Reason(
            "unexpected_gate", f"results came from a gate nobody expected: {name}", Decision.ERROR, name
        )
    flaky = [result.id for result in record.results if result.flaky]
    if len(flaky) > record.policy.max_flaky:
        yield Reason(
            "flaky",
            f"{len(flaky)} checks passed only when tried again ({', '.join(flaky)}); "
            f"the profile allows {record.policy.max_flaky}",
            Decision.NO_GO,
            hint="make them reliable, or raise policy.max_flaky",
        )


class _Gate:
    """One gate on its way to a verdict: collects reasons, then names the outcome."""

    def __init__(self, record: Record, gate: ExpectedGate, earlier: Mapping[str, GateVerdict]) -> None:
        self._policy = record.policy
        self._gate = gate
        self._earlier = earlier
        self._runs = [run for run in record.runs if run.gate == gate.name]
        self._results = [result for result in record.results if result.gate == gate.name]
        self._mandatory = {c.id for c in record.checks if c.gate == gate.name and c.mandatory}
        expected = [check.id for check in record.checks if check.gate == gate.name]
        collected = [check for run in self._runs for check in run.collected]
        reported = {result.id for result in self._results}
        self._missing = [check for check in dict.fromkeys([*expected, *collected]) if check not in reported]
        self._reasons: list[Reason] = []
        self._cause: Cause | None = None

    def decide(self) -> tuple[GateVerdict, list[str]]:
        outcome = self._never_ran() or self._ran()
        decision = worst(reason.decision for reason in self._reasons)
        counts = Counter({str(outcome): 0 for outcome in Outcome})
        counts.update(str(result.outcome) for result in self._results)
        counts["missing"] = len(self._missing)
        run = self._runs[0] if self._runs else None
        verdict = GateVerdict(
            self._gate.name,
            outcome,
            decision,
            self._gate.layer,
            dict(counts),
            self._cause,
            run.duration if run else 0.0,
            self._gate.budget,
            tuple(self._reasons),
        )
        return verdict, self._missing

    def _add(self, code: str, text: str, decision: Decision, check: str = "", hint: str = "") -> None:
        self._reasons.append(Reason(code, text, decision, self._gate.name, check, hint))

    def _never_ran(self) -> GateOutcome | None:
        """A gate that was not started, with the reason; ``None`` where it ran."""
        if len(self._runs) > 1:
            self._add("ran_twice", "the gate reported more than one session", Decision.ERROR)
            return GateOutcome.ERROR
        run = self._runs[0] if self._runs else GateRun(self._gate.name, SessionEnd.NOT_STARTED)
        root = self._earlier.get(run.root)
        match run.end:
            case SessionEnd.NOT_STARTED:
                self._add("not_run", "the gate did not run", Decision.INCONCLUSIVE, hint=run.detail)
                return GateOutcome.NOT_RUN
            case SessionEnd.BLOCKED if root and root.outcome in (GateOutcome.FAIL, GateOutcome.ERROR):
                self._add("blocked", f"not started, because {run.root} came to {root.outcome}", root.decision)
                return GateOutcome.BLOCKED
            case SessionEnd.DEPENDENCY if root and root.outcome is GateOutcome.SKIPPED:
                self._cause = Cause.DEPENDENCY_NOT_PROVEN
                text = f"skipped (dependency_not_proven): it builds on {run.root}, which was skipped ({root.cause})"
                self._add("skipped", text, root.decision)
                return GateOutcome.SKIPPED
            case SessionEnd.BLOCKED | SessionEnd.DEPENDENCY:
                self._add(
                    "bad_root", f"not started because of {run.root!r}, which does not say so", Decision.ERROR
                )
                return GateOutcome.ERROR
            case _:
                return None

    def _ran(self) -> GateOutcome:
        """The outcome of a gate that ran: the table's first match, each facet with its reasons."""
        run = self._runs[0]
        if run.end is not SessionEnd.COMPLETED:
            text = f"the gate {_BROKEN_ENDS[run.end]}" + (f": {run.detail}" if run.detail else "")
            self._add(run.end.value, text, Decision.ERROR, hint="see the gate's log in the run's folder")
        self._judge_results()
        self._judge_completeness(run)
        all_skipped = bool(self._results) and all(r.outcome is Outcome.SKIPPED for r in self._results)
        self._judge_skips(all_skipped=all_skipped)
        if not all_skipped:
            self._judge_floor()
        decision = worst(reason.decision for reason in self._reasons)
        if all_skipped and not self._missing and run.end is SessionEnd.COMPLETED:
            return GateOutcome.SKIPPED
        return _OF_DECISION[decision]

    def _judge_results(self) -> None:
        seen = Counter(result.id for result in self._results)
        for check in (check for check, times in seen.items() if times > 1):
            self._add("reported_twice", f"{check} reported {seen[check]} times", Decision.ERROR, check)
        for result in self._results:
            reason = _judge(result, self._policy)
            if reason is not None:
                self._reasons.append(reason)

    def _judge_completeness(self, run: GateRun) -> None:
        for check in self._missing:
            self._add(
                "check_not_run",
                f"{check} did not report",
                Decision.INCONCLUSIVE,
                check,
                hint="restore the suite file that proves it, or remove the resource from the profile",
            )
        for check in run.deselected:
            self._add(
                "deselected",
                f"{check} was deselected by something the profile does not declare",
                Decision.INCONCLUSIVE,
                check,
                hint=f"declare it as gates.{run.gate}.exclude_markers, or drop the selection",
            )

    def _judge_skips(self, *, all_skipped: bool) -> None:
        """Skips by the profile's table. Beside checks that ran, only a mandatory one (or an ERROR) counts."""
        skipped = [result for result in self._results if result.outcome is Outcome.SKIPPED]
        by_cause: dict[Cause, list[CheckResult]] = {}
        for result in skipped:
            by_cause.setdefault(result.cause or Cause.DEPENDENCY_NOT_PROVEN, []).append(result)
        gravest = -1
        for cause, results in by_cause.items():
            decision = self._policy.skips.get(cause, Decision.ERROR)
            counts = (
                all_skipped or decision is Decision.ERROR or any(r.id in self._mandatory for r in results)
            )
            effective = decision if counts else Decision.GO
            first = results[0]
            what = (
                f"all {len(results)} checks"
                if len(results) == len(self._results)
                else f"{len(results)} checks"
            )
            self._add("skipped", f"{what} skipped ({cause}): {first.reason}", effective, hint=first.hint)
            if all_skipped and SEVERITY[decision] > gravest:
                gravest, self._cause = SEVERITY[decision], cause

    def _judge_floor(self) -> None:
        ran = sum(result.outcome in (Outcome.PASSED, Outcome.FAILED) for result in self._results)
        if ran < self._gate.min_checks:
            self._add(
                "floor",
                f"{ran} checks ran, the floor is {self._gate.min_checks}",
                Decision.INCONCLUSIVE,
                hint="nothing checked is never a pass",
            )


def _judge(result: CheckResult, policy: Policy) -> Reason | None:
    """What one result means for the decision; ``None`` where it is a pass or a skip (judged together)."""

    def reason(code: str, text: str, decision: Decision) -> Reason:
        return Reason(code, text, decision, result.gate, result.id, result.hint)

    match result.outcome:
        case Outcome.ERROR:
            return reason("error", result.reason, Decision.ERROR)
        case Outcome.FAILED if result.waiver and result.waiver in policy.waivers:
            return reason("waived", f"waived by {result.waiver}: {result.reason}", Decision.GO)
        case Outcome.FAILED:
            return reason("failed", result.reason, Decision.NO_GO)
        case Outcome.INCONCLUSIVE:
            return reason(str(result.cause), result.reason, Decision.INCONCLUSIVE)
        case Outcome.SKIPPED:
            return None
        case Outcome.PASSED:
            return _judge_thresholds(result, reason)


def _judge_thresholds(result: CheckResult, reason: Callable[[str, str, Decision], Reason]) -> Reason | None:
    """Hold the thresholds of a result that calls itself passed against its own measurements once more."""
    measured: dict[str, set[object]] = {}
    for measurement in result.measurements:
        measured.setdefault(measurement.metric, set()).add(measurement.value)
    found: list[Reason] = []
    for threshold in result.thresholds:
        if threshold.actual not in measured.get(threshold.metric, {None}):
            text = f"{threshold.metric} was judged as {show(threshold.actual, threshold.unit)}, which was not measured"
            found.append(reason("inconsistent", text, Decision.ERROR))
            continue
        held = _holds(threshold)
        if held is None:
            found.append(
                reason(
                    "nothing_checked", f"nothing was measured for {threshold.metric}", Decision.INCONCLUSIVE
                )
            )
        elif not held:
            text = f"{threshold.metric} is {show(threshold.actual, threshold.unit)}, the rule is {threshold.threshold}"
            found.append(reason("failed", text, Decision.NO_GO))
    return max(found, key=lambda each: SEVERITY[each.decision], default=None)


def _holds(result: ThresholdResult) -> bool | None:
    """Judge anew from the rule's text; a rule that does not parse, or another limit than stated, does not hold."""
    if result.actual is None or result.sample <= 0:
        return None
    try:
        rule = parse(result.threshold)
    except ThresholdError:
        return False
    if (rule.metric, rule.limit.value, rule.limit.unit) != (result.metric, result.limit, result.unit):
        return False
    seen = Measurement(result.metric, result.actual, result.unit, result.sample)
    return rule.judge(seen).held and result.held is True
