"""What every report shows, worked out once: one case for each check that was expected or that reported.

A case's state is the worse of what its check said and what the decision says about it, so that no report can be
greener than the verdict: a check that calls itself passed while its threshold does not hold is a failure here too.
"""

from collections.abc import Iterable
from enum import StrEnum

from harness.frozen import dataclass
from harness.judgement import is_flaky, waived
from harness.model import (
    Cause,
    CheckResult,
    Decided,
    Decision,
    Evidence,
    GateOutcome,
    GateRun,
    GateVerdict,
    Outcome,
    Reason,
    Record,
    ThresholdResult,
)
from harness.policy import NOTES, SEVERITY, worst
from harness.report.text import EXIT_TEXT, plural
from harness.waivers import told


class State(StrEnum):
    """How a case is shown."""

    PASSED = "passed"
    WAIVED = "waived"
    SKIPPED = "skipped"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not run"
    BLOCKED = "blocked"
    FAILED = "failed"
    ERROR = "error"


_OF_OUTCOME = {
    Outcome.PASSED: State.PASSED,
    Outcome.FAILED: State.FAILED,
    Outcome.ERROR: State.ERROR,
    Outcome.SKIPPED: State.SKIPPED,
    Outcome.INCONCLUSIVE: State.INCONCLUSIVE,
}
_OF_GATE = {
    GateOutcome.PASS: State.PASSED,
    GateOutcome.SKIPPED: State.SKIPPED,
    GateOutcome.INCONCLUSIVE: State.INCONCLUSIVE,
    GateOutcome.NOT_RUN: State.NOT_RUN,
    GateOutcome.BLOCKED: State.BLOCKED,
    GateOutcome.FAIL: State.FAILED,
    GateOutcome.ERROR: State.ERROR,
}
_OF_DECISION = {
    Decision.ERROR: State.ERROR,
    Decision.NO_GO: State.FAILED,
    Decision.INCONCLUSIVE: State.INCONCLUSIVE,
    Decision.PENDING: State.INCONCLUSIVE,
}
_GRAVITY = list(State)
PROBLEMS = frozenset({State.FAILED, State.ERROR, State.INCONCLUSIVE, State.NOT_RUN, State.BLOCKED})
"""The states that stand in the way of a release, whatever the profile allows."""


@dataclass(frozen=True)
class Case:
    """One line of a report: a check, or a gate itself where it is the gate that did not pass.

    `allowed` says of a skip that the profile lets it be. `result` is missing where nothing reported.
    """

    id: str
    gate: str
    title: str
    state: State
    reason: str = ""
    hint: str = ""
    cause: Cause | None = None
    allowed: bool = False
    result: CheckResult | None = None
    is_gate: bool = False

    @property
    def ok(self) -> bool:
        """Whether a release could go with this."""
        return self.state not in PROBLEMS and (self.state is not State.SKIPPED or self.allowed)

    @property
    def tries(self) -> str:
        """How often it was tried, and what the first try met; empty where it was tried once."""
        attempts = self.result.attempts if self.result else ()
        if not attempts:
            return ""
        first = attempts[0]
        return f"passed after {len(attempts)} attempts; first {first.outcome}: {first.reason or 'no reason given'}"


@dataclass(frozen=True)
class GateView:
    """One gate with its cases; `verdict` is missing for a gate that nobody expected."""

    name: str
    verdict: GateVerdict | None
    run: GateRun | None
    cases: tuple[Case, ...]

    @property
    def outcome(self) -> str:
        """What it came to, as one word."""
        return str(self.verdict.outcome).replace("_", " ") if self.verdict else "unexpected"

    @property
    def decision(self) -> Decision:
        """What it means for the release."""
        return self.verdict.decision if self.verdict else Decision.ERROR

    @property
    def remark(self) -> str:
        """What its name alone does not say: by whom it was blocked, why it was skipped."""
        if self.verdict is None:
            return "no gate of this run"
        if self.run is not None and self.run.root:
            return (
                f"by {self.run.root}"
                if self.verdict.outcome is GateOutcome.BLOCKED
                else f"needs {self.run.root}"
            )
        return str(self.verdict.cause) if self.verdict.cause else ""


@dataclass(frozen=True)
class SkipGroup:
    """Skips of one gate with the same cause and reason: told once, with the checks they are."""

    gate: str
    cause: str
    allowed: bool
    reason: str
    hint: str
    cases: tuple[Case, ...]

    def repeats(self, other: "SkipGroup") -> bool:
        """Whether it is the gate itself, saying what `other`, its checks, say."""
        same = (self.gate, self.cause, self.allowed) == (other.gate, other.cause, other.allowed)
        own = all(case.is_gate for case in self.cases) and not any(case.is_gate for case in other.cases)
        return same and own and bool(other.reason) and self.reason.endswith(other.reason)


@dataclass(frozen=True)
class FailureGroup:
    """Checks of one gate that ended alike for the very same reason (one missing resource, say): told by the first."""

    case: Case
    also: tuple[Case, ...] = ()


@dataclass(frozen=True)
class View:
    """A whole run as reports show it. `general` are the reasons that no single check stands for."""

    decision: Decision
    gates: tuple[GateView, ...]
    general: tuple[Reason, ...]
    notes: tuple[Reason, ...] = ()
    """What is told of the profile's waivers: those that are over, unused, broad."""

    @property
    def cases(self) -> Iterable[Case]:
        """Every case of every gate, in order."""
        return (case for gate in self.gates for case in gate.cases)

    def of(self, *states: State) -> list[Case]:
        """The cases in one of these states, the gravest first."""
        found = [case for case in self.cases if case.state in states]
        return sorted(found, key=lambda case: -_GRAVITY.index(case.state))

    @property
    def unproven(self) -> list[str]:
        """The gates with a check that was skipped: what this decision does not speak of."""
        return [gate.name for gate in self.gates if any(case.state is State.SKIPPED for case in gate.cases)]

    @property
    def meaning(self) -> str:
        """The decision in a sentence; a GO names what was skipped or waived, so that neither passes for a proof."""
        said = EXIT_TEXT[self.decision]
        if self.decision is Decision.GO and self.unproven:
            said += f" Not proven, as the profile allows: {', '.join(self.unproven)}."
        if self.decision is Decision.GO and (excused := self.of(State.WAIVED)):
            gates = ", ".join(dict.fromkeys(case.gate for case in excused))
            said += f" {plural(len(excused), 'failure')} waived: {gates}."
        return said

    @property
    def problems(self) -> list[Case]:
        """The cases that stand in the way, the gravest first; skips are not among them."""
        return self.of(*PROBLEMS)

    @property
    def failures(self) -> list[Case]:
        """The problems worth telling one by one: not a gate itself (`general` tells it), nor what never started."""
        never = {gate.name for gate in self.gates if gate.verdict and gate.outcome in ("blocked", "not run")}
        return [
            case
            for case in self.problems
            if not case.is_gate and (case.gate not in never or case.result is not None)
        ]

    @property
    def failure_groups(self) -> list[FailureGroup]:
        """The failures, told once for each gate, state and reason."""
        groups: dict[tuple[str, ...], list[Case]] = {}
        for case in self.failures:
            alone = () if case.reason else (case.id,)
            groups.setdefault((case.gate, case.state, case.reason, case.hint, *alone), []).append(case)
        return [FailureGroup(cases[0], tuple(cases[1:])) for cases in groups.values()]

    @property
    def skips(self) -> list[Case]:
        """The skipped cases, those that are not allowed first."""
        return sorted(self.of(State.SKIPPED), key=lambda case: case.allowed)

    @property
    def skip_groups(self) -> list[SkipGroup]:
        """The skipped cases, told once for each gate, cause and reason; of a gate, only what its checks do not tell."""
        groups: dict[tuple[str, str, bool, str, str], list[Case]] = {}
        for case in self.skips:
            key = (case.gate, str(case.cause or ""), case.allowed, case.reason, case.hint)
            groups.setdefault(key, []).append(case)
        found = [SkipGroup(*key, tuple(cases)) for key, cases in groups.items()]
        return [group for group in found if not any(group.repeats(other) for other in found)]

    @property
    def thresholds(self) -> list[tuple[Case, ThresholdResult]]:
        """Every threshold with its case, in order."""
        return [(case, each) for case in self.cases if case.result for each in case.result.thresholds]

    @property
    def evidence(self) -> list[tuple[Case, Evidence]]:
        """Every file that a check left behind, with its case."""
        return [(case, each) for case in self.cases if case.result for each in case.result.evidence]

    @property
    def flaky(self) -> list[Case]:
        """The cases that passed only when tried again."""
        return [case for case in self.cases if case.result is not None and is_flaky(case.result)]


def view(record: Record, decided: Decided) -> View:
    """Bring what was expected, what reported and what was decided together."""
    verdicts = {verdict.gate: verdict for verdict in decided.gates}
    names = dict.fromkeys(
        [
            *verdicts,
            *(gate.name for gate in record.gates),
            *(run.gate for run in record.runs),
            *(result.gate for result in record.results),
        ]
    )
    reported = {result.id for result in record.results}
    gates = tuple(_Gate(record, decided, verdicts.get(name), name).view() for name in names)
    known = reported | {case.id for gate in gates for case in gate.cases}
    general = tuple(
        reason
        for reason in decided.reasons
        if reason.decision is not Decision.GO and reason.check not in known
    )
    notes = tuple(reason for reason in decided.reasons if reason.code in NOTES)
    return View(decided.decision, gates, general, notes)


class _Gate:
    """Works out the cases of one gate."""

    def __init__(self, record: Record, decided: Decided, verdict: GateVerdict | None, name: str) -> None:
        self._name = name
        self._verdict = verdict
        self._policy = record.policy
        self._record = record
        self._run = next((run for run in record.runs if run.gate == name), None)
        self._results = [result for result in record.results if result.gate == name]
        self._reasons: dict[str, list[Reason]] = {}
        for reason in decided.reasons:
            if reason.gate == name:
                self._reasons.setdefault(reason.check, []).append(reason)
        reported = {result.id for result in self._results}
        expected = [check.id for check in record.checks if check.gate == name]
        runs = [run for run in record.runs if run.gate == name]
        announced = [check for run in runs for check in (*run.collected, *run.deselected)]
        self._missing = [check for check in dict.fromkeys([*expected, *announced]) if check not in reported]

    def view(self) -> GateView:
        cases = [self._reported(result) for result in self._results]
        cases += [self._absent(check) for check in self._missing]
        own = self._itself(alone=not cases)
        return GateView(self._name, self._verdict, self._run, tuple([own, *cases] if own else cases))

    def _reported(self, result: CheckResult) -> Case:
        state, reason, hint = _OF_OUTCOME[result.outcome], result.reason, result.hint
        if held := waived(result, self._record):
            state, reason = State.WAIVED, f"by {' and '.join(map(told, held))}: {reason}"
        for found in self._reasons.get(result.id, ()):
            said = _OF_DECISION.get(found.decision)
            if said is not None and _GRAVITY.index(said) > _GRAVITY.index(state):
                state, reason, hint = said, found.text, found.hint or hint
        title = result.title or result.id
        return Case(
            result.id, self._name, title, state, reason, hint, result.cause, self._allows(result), result
        )

    def _allows(self, result: CheckResult) -> bool:
        """Whether the profile lets this skip be; where that cannot be told, it does not."""
        if result.outcome is not Outcome.SKIPPED or self._verdict is None:
            return False
        by_table = result.cause is not None and self._policy.skips.get(result.cause) is Decision.GO
        return by_table or self._verdict.decision is Decision.GO

    def _absent(self, check: str) -> Case:
        """A check that did not report: as its gate was blocked or skipped, else not run."""
        verdict = self._verdict
        if verdict is not None and verdict.outcome in (GateOutcome.BLOCKED, GateOutcome.SKIPPED):
            return Case(
                check,
                self._name,
                check,
                _OF_GATE[verdict.outcome],
                verdict.reasons[0].text if verdict.reasons else str(verdict.outcome),
                cause=verdict.cause,
                allowed=verdict.decision is Decision.GO,
            )
        said = self._reasons.get(check, [])
        reason = said[0].text if said else f"{check} did not report"
        return Case(check, self._name, check, State.NOT_RUN, reason, said[0].hint if said else "")

    def _itself(self, *, alone: bool) -> Case | None:
        """The gate as a case of its own: where its own reasons are no GO, or where it has nothing else to show."""
        own = [r for r in self._reasons.get("", ()) if r.decision is not Decision.GO]
        if not own and not alone and self._verdict is not None:
            return None
        verdict = self._verdict
        state = _OF_GATE[verdict.outcome] if verdict else State.ERROR
        if own and state not in (State.NOT_RUN, State.BLOCKED, State.SKIPPED):
            state = _OF_DECISION[worst(reason.decision for reason in own)]
        own.sort(key=lambda reason: -SEVERITY[reason.decision])
        told = own or list(self._reasons.get("", ()))
        return Case(
            self._name,
            self._name,
            f"Gate {self._name}",
            state,
            "; ".join(reason.text for reason in told) or self._fallback(),
            next((reason.hint for reason in told if reason.hint), ""),
            verdict.cause if verdict else None,
            allowed=verdict is not None and verdict.decision is Decision.GO,
            is_gate=True,
        )

    def _fallback(self) -> str:
        return "nothing reported" if self._verdict else "results came from a gate nobody expected"
