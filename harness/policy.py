"""Results plus policy give the decision and its reasons. Pure: no I/O, no clock, nothing but the record.

The tables of ``docs/architecture.md`` ("From outcome to decision") are this module. Every gate collects reasons,
each with the decision it leads to; the gate's decision is the worst of them and the run's decision the worst of
the gates'. So a further failing check can only make a decision worse, and what is missing can never make it GO.
Where several rows of the table match one gate, its outcome is the first of them and its decision the gravest: a
floor that is not met does not soften a mandatory check whose skip is NO_GO.

What contradicts itself (two sessions, results of a gate that was never started, a rule judged by a number that was
not measured) is an ERROR: a record that cannot be right is no proof.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from harness.judgement import is_flaky, judge
from harness.model import (
    Cause,
    CheckResult,
    Decided,
    Decision,
    ExpectedGate,
    GateOutcome,
    GateRun,
    GateVerdict,
    Outcome,
    Reason,
    Record,
    SessionEnd,
    Waiver,
)
from harness.waivers import breadth, is_over, is_unused, told

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
_NO_CHECKS = 5
"""pytest's exit code where it collected nothing."""
NOTES = frozenset({"waiver_expired", "waiver_unused", "waiver_broad"})
"""Codes of reasons that are told and that nothing rests on."""


def worst(decisions: Iterable[Decision]) -> Decision:
    """The gravest of several decisions; GO where there are none."""
    return max(decisions, key=SEVERITY.__getitem__, default=Decision.GO)


def decide(record: Record) -> Decided:
    """Derive the decision from everything that was expected and everything that reported.

    The order of the results does not matter, so that side-by-side workers change nothing.
    """
    verdicts: dict[str, GateVerdict] = {}
    missing: list[str] = []
    for gate in record.gates:
        if gate.name not in verdicts:
            verdict, absent = _Gate(record, gate, verdicts).decide()
            verdicts[gate.name] = verdict
            missing.extend(absent)
    reasons = [
        *_of_the_plan(record),
        *_of_flakes(record),
        *_of_waivers(record),
        *(reason for verdict in verdicts.values() for reason in verdict.reasons),
    ]
    reasons.sort(key=lambda reason: -SEVERITY[reason.decision])
    return Decided(
        worst(reason.decision for reason in reasons), tuple(reasons), tuple(verdicts.values()), tuple(missing)
    )


def _of_the_plan(record: Record) -> Iterable[Reason]:
    """What was expected, against who reported: a plan without gates, half a plan, a gate outside the plan."""
    if not record.gates:
        yield Reason("nothing_expected", "no gate was expected to run", Decision.INCONCLUSIVE)
    if record.partial:
        yield Reason(
            "partial",
            "only some gates were asked to run",
            Decision.INCONCLUSIVE,
            hint="run without --gate for a decision",
        )
    names = Counter(gate.name for gate in record.gates)
    for name in sorted(name for name, times in names.items() if times > 1):
        text = f"the gate {name} is expected more than once"
        yield Reason("expected_twice", text, Decision.ERROR, name, hint="name it in one layer of the phase")
    reporting = {result.gate for result in record.results} | {run.gate for run in record.runs}
    for name in sorted(reporting - set(names)):
        text = f"results came from a gate nobody expected: {name}"
        yield Reason("unexpected_gate", text, Decision.ERROR, name)
    for check in sorted({check.id for check in record.checks if check.gate not in names}):
        text = f"{check} is expected of a gate that is not"
        yield Reason("orphan_check", text, Decision.ERROR, check=check)


def _of_flakes(record: Record) -> Iterable[Reason]:
    """Checks that passed only when tried again, against the profile's budget; told within it as well."""
    flaky = sorted({result.id for result in record.results if is_flaky(result)})
    if flaky:
        over = len(flaky) > record.policy.max_flaky
        yield Reason(
            "flaky",
            f"{len(flaky)} check{'' if len(flaky) == 1 else 's'} passed only when tried again ({', '.join(flaky)}); "
            f"the profile allows {record.policy.max_flaky}",
            Decision.NO_GO if over else Decision.GO,
            hint="make them reliable, or raise policy.max_flaky" if over else "make them reliable",
        )


def _of_waivers(record: Record) -> Iterable[Reason]:
    """Waivers that could not be read, that are over, that nothing needed, or that cover more than was meant."""
    policy = record.policy
    if policy.waivers_problem:
        hint = "correct it; `gonogo waivers check` names everything that is wrong"
        yield Reason("waivers_malformed", policy.waivers_problem, Decision.ERROR, hint=hint)
    for waiver in policy.waivers:
        if is_over(waiver, record.at):
            yield _note("waiver_expired", waiver, "does not hold", "correct what it waived, and remove it")
            continue
        if is_unused(waiver, record):
            hint = "remove it, or correct what it names"
            yield _note("waiver_unused", waiver, "covered nothing in this run", hint)
        if wide := breadth(waiver):
            yield _note("waiver_broad", waiver, f"is broad: {wide}", "narrow it")


def _note(code: str, waiver: Waiver, what: str, hint: str) -> Reason:
    return Reason(code, f"waiver {told(waiver)} {what}", Decision.GO, hint=hint)


class _Gate:
    """One gate on its way to a verdict: collects reasons, then names the outcome."""

    def __init__(self, record: Record, gate: ExpectedGate, earlier: Mapping[str, GateVerdict]) -> None:
        self._policy = record.policy
        self._record = record
        self._gate = gate
        self._earlier = earlier
        self._runs = [run for run in record.runs if run.gate == gate.name]
        self._results = sorted(
            (result for result in record.results if result.gate == gate.name),
            key=lambda result: (result.id, result.outcome, result.reason),
        )
        self._mandatory = {c.id for c in record.checks if c.gate == gate.name and c.mandatory}
        expected = [check.id for check in record.checks if check.gate == gate.name]
        collected = [check for run in self._runs for check in run.collected]
        reported = {result.id for result in self._results}
        self._missing = [check for check in dict.fromkeys([*expected, *collected]) if check not in reported]
        self._reasons: list[Reason] = []
        self._cause: Cause | None = None

    def decide(self) -> tuple[GateVerdict, list[str]]:
        outcome = self._outcome()
        decision = self._worst()
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
            self._cause if outcome is GateOutcome.SKIPPED else None,
            run.duration if run else 0.0,
            self._gate.budget,
            tuple(self._reasons),
        )
        return verdict, self._missing

    def _add(self, code: str, text: str, decision: Decision, check: str = "", hint: str = "") -> None:
        self._reasons.append(Reason(code, text, decision, self._gate.name, check, hint))

    def _worst(self) -> Decision:
        return worst(reason.decision for reason in self._reasons)

    def _outcome(self) -> GateOutcome:
        match self._runs:
            case []:
                return self._never_reported()
            case [run]:
                return self._never_started(run) or self._ran(run)
            case _:
                self._add("ran_twice", "the gate reported more than one session", Decision.ERROR)
                return GateOutcome.ERROR

    def _never_reported(self) -> GateOutcome:
        """A gate whose session nobody told of. What its checks said before is not lost: it can only worsen this."""
        self._add("not_run", "the gate did not run", Decision.INCONCLUSIVE)
        self._judge_results()
        self._judge_skips()
        decision = self._worst()
        return GateOutcome.NOT_RUN if decision is Decision.INCONCLUSIVE else _OF_DECISION[decision]

    def _never_started(self, run: GateRun) -> GateOutcome | None:
        """A gate that was not started, with the reason; ``None`` where it ran."""
        root = self._earlier.get(run.root)
        match run.end:
            case SessionEnd.NOT_STARTED | SessionEnd.BLOCKED | SessionEnd.DEPENDENCY if self._results:
                text = f"{len(self._results)} checks reported, yet the gate was never started"
                self._add("results_without_run", text, Decision.ERROR)
                return GateOutcome.ERROR
            case SessionEnd.NOT_STARTED:
                self._add("not_run", "the gate did not run", Decision.INCONCLUSIVE, hint=run.detail)
                return GateOutcome.NOT_RUN
            case SessionEnd.BLOCKED if root is not None and self._is_blocked_by(root):
                self._add("blocked", f"not started, because {run.root} came to {root.outcome}", root.decision)
                return GateOutcome.BLOCKED
            case SessionEnd.DEPENDENCY if root is not None and self._builds_on_skipped(root):
                self._cause = Cause.DEPENDENCY_NOT_PROVEN
                text = f"skipped (dependency_not_proven): it builds on {run.root}, which was skipped ({root.cause})"
                self._add("skipped", text, root.decision)
                return GateOutcome.SKIPPED
            case SessionEnd.BLOCKED | SessionEnd.DEPENDENCY:
                text = f"not started because of {run.root!r}, which does not say so"
                self._add("bad_root", text, Decision.ERROR)
                return GateOutcome.ERROR
            case _:
                return None

    def _is_blocked_by(self, root: GateVerdict) -> bool:
        return root.outcome in (GateOutcome.FAIL, GateOutcome.ERROR) and root.layer < self._gate.layer

    def _builds_on_skipped(self, root: GateVerdict) -> bool:
        return root.outcome is GateOutcome.SKIPPED and root.gate in self._gate.depends

    def _ran(self, run: GateRun) -> GateOutcome:
        """The outcome of a gate that ran: the table's first match, each facet with its reasons."""
        if run.end is SessionEnd.COMPLETED:
            self._judge_exit_code(run.exit_code)
        else:
            how = _BROKEN_ENDS.get(run.end, f"ended in no known way ({run.end})")
            text = f"the gate {how}" + (f": {run.detail}" if run.detail else "")
            self._add(str(run.end), text, Decision.ERROR, hint="see the gate's log in the run's folder")
        self._judge_results()
        self._judge_completeness(run)
        self._judge_skips()
        if not self._all_skipped:
            self._judge_floor()
        if self._all_skipped and all(reason.code == "skipped" for reason in self._reasons):
            return GateOutcome.SKIPPED
        return _OF_DECISION[self._worst()]

    def _judge_exit_code(self, code: int | None) -> None:
        """A session's exit code can only worsen what its checks said; ``None`` is a session without one."""
        if code not in (None, 0, 1, _NO_CHECKS):
            self._add("exit_code", f"its session ended with exit code {code}", Decision.ERROR)
        elif code == _NO_CHECKS:
            self._add("exit_code", "its session found no checks (exit code 5)", Decision.INCONCLUSIVE)
        elif code == 1 and all(r.outcome is Outcome.PASSED and not is_flaky(r) for r in self._results):
            text = "its session ended with exit code 1, and no check tells why"
            self._add("exit_code", text, Decision.NO_GO, hint="see the gate's log in the run's folder")

    def _judge_results(self) -> None:
        seen = Counter(result.id for result in self._results)
        for check in (check for check, times in seen.items() if times > 1):
            self._add("reported_twice", f"{check} reported {seen[check]} times", Decision.ERROR, check)
        for result in self._results:
            reason = judge(result, self._record)
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

    @property
    def _all_skipped(self) -> bool:
        return bool(self._results) and all(r.outcome is Outcome.SKIPPED for r in self._results)

    def _judge_skips(self) -> None:
        """Skips by the profile's table, each cause once; the gravest names the gate's cause.

        Beside checks that ran, a skip counts where a mandatory check is among them, or where the table says ERROR:
        that cause cannot occur in this environment, so something broke.
        """
        by_cause: dict[Cause, list[CheckResult]] = {}
        for result in self._results:
            if result.outcome is Outcome.SKIPPED and result.cause is not None:
                by_cause.setdefault(result.cause, []).append(result)
        gravest = -1
        for cause, results in by_cause.items():
            decision = self._of_cause(cause)
            mandatory = any(result.id in self._mandatory for result in results)
            counts = self._all_skipped or mandatory or decision is Decision.ERROR
            number = "all" if len(results) == len(self._results) else ""
            text = f"{number} {len(results)} checks skipped ({cause}): {results[0].reason}".strip()
            self._add("skipped", text, decision if counts else Decision.GO, hint=results[0].hint)
            if SEVERITY[decision] > gravest:
                gravest, self._cause = SEVERITY[decision], cause

    def _of_cause(self, cause: Cause) -> Decision:
        """What a skip for this cause leads to. What builds on a skipped gate is judged as that gate was."""
        if cause is Cause.DEPENDENCY_NOT_PROVEN:
            roots = [self._earlier[name] for name in self._gate.depends if name in self._earlier]
            skipped = [root.decision for root in roots if root.outcome is GateOutcome.SKIPPED]
            return worst(skipped) if skipped else Decision.ERROR
        decision = self._policy.skips.get(cause, Decision.ERROR)
        return decision if decision in _OF_DECISION else Decision.ERROR

    def _judge_floor(self) -> None:
        # One that is inconclusive ran, and says for itself that it proved nothing.
        ran = sum(result.outcome is not Outcome.SKIPPED for result in self._results)
        floor = max(self._gate.min_checks, 1)
        if ran < floor:
            self._add(
                "floor",
                f"{ran} checks ran, the floor is {floor}",
                Decision.INCONCLUSIVE,
                hint="nothing checked is never a pass",
            )
