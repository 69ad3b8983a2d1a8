"""What would change a decision: the policy asked again, with a gate imagined to pass. Pure."""

from collections.abc import Iterator

from harness.frozen import dataclass, replace
from harness.model import (
    CheckResult,
    Decided,
    Decision,
    GateOutcome,
    GateRun,
    Outcome,
    Record,
    SessionEnd,
)
from harness.policy import decide

_FOLLOWERS = (SessionEnd.BLOCKED, SessionEnd.DEPENDENCY)


@dataclass(frozen=True)
class Change:
    """If `gates` passed (and, with `whole`, the run were whole and steady), the decision would be `decision`.

    `then` are gates that would still have to run.
    """

    gates: tuple[str, ...]
    decision: Decision
    then: tuple[str, ...] = ()
    whole: bool = False

    def __str__(self) -> str:
        what = []
        if self.whole:
            what.append("the run were whole and no check flaky")
        if self.gates:
            what.append(f"{_list(self.gates)} passed")
        after = f", and {_list(self.then)} would have to run" if self.then else ""
        return f"if {', and '.join(what)}: {self.decision}{after}"


def changes(record: Record, decided: Decided) -> tuple[Change, ...]:
    """What would change the decision: each blocking gate alone, then all that are needed for GO together."""
    if decided.decision is Decision.GO:
        return ()
    blocking = [gate for gate in decided.gates if gate.decision is not Decision.GO]
    waiting = {run.gate for run in record.runs if run.end in _FOLLOWERS}
    waiting |= {gate.gate for gate in blocking if gate.outcome is GateOutcome.NOT_RUN}
    roots = tuple(gate.gate for gate in blocking if gate.gate not in waiting)
    every = tuple(gate.gate for gate in blocking)
    whole = steady(record) != record
    wanted: list[tuple[tuple[str, ...], bool]] = [((root,), False) for root in roots]
    wanted += [(roots, False)] if len(roots) > 1 else []
    wanted += [(every, False)] if every not in (roots, ()) else []
    wanted += [(every, True)] if whole else []
    return tuple(_change(record, gates, whole=whole) for gates, whole in wanted)


def _change(record: Record, gates: tuple[str, ...], *, whole: bool) -> Change:
    imagined = steady(record) if whole else record
    for gate in gates:
        imagined = passing(imagined, gate)
    after = decide(imagined)
    then = tuple(gate.gate for gate in after.gates if gate.outcome is GateOutcome.NOT_RUN)
    return Change(gates, after.decision, then, whole=whole)


def passing(record: Record, gate: str) -> Record:
    """The record as if one gate had run and passed; gates that waited for it have yet to run."""
    others = tuple(result for result in record.results if result.gate != gate)
    return replace(
        record,
        results=(*others, *_passes(record, gate)),
        runs=(
            *(_released(run, gate) for run in record.runs if run.gate != gate),
            GateRun(gate, SessionEnd.COMPLETED),
        ),
    )


def steady(record: Record) -> Record:
    """The record as if the whole run had been asked for, nothing had been tried twice and nobody else had reported."""
    known = {gate.name for gate in record.gates}
    return replace(
        record,
        partial=False,
        results=tuple(
            replace(result, flaky=False, attempts=()) for result in record.results if result.gate in known
        ),
    )


def _passes(record: Record, gate: str) -> Iterator[CheckResult]:
    """A pass for every check that was expected, announced or reported, and as many more as the floor wants."""
    expected = [check.id for check in record.checks if check.gate == gate]
    announced = [check for run in record.runs if run.gate == gate for check in run.collected]
    reported = [result.id for result in record.results if result.gate == gate]
    names = list(dict.fromkeys([*expected, *announced, *reported]))
    floor = max((each.min_checks for each in record.gates if each.name == gate), default=0)
    names += [f"{gate}.imagined[{number}]" for number in range(floor - len(names))]
    return (CheckResult(name, gate, Outcome.PASSED) for name in names)


def _released(run: GateRun, gate: str) -> GateRun:
    return GateRun(run.gate, SessionEnd.NOT_STARTED) if run.root == gate and run.end in _FOLLOWERS else run


def _list(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
