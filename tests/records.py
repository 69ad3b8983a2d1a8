"""Records in a line or two, and the columns of the outcome table: for every test that decides something."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.model import (
    Cause,
    CheckResult,
    Decided,
    Decision,
    ExpectedCheck,
    ExpectedGate,
    GateRun,
    GateVerdict,
    Outcome,
    Policy,
    Record,
    SessionEnd,
    Waiver,
)
from harness.policy import decide

GO, PENDING, INCONCLUSIVE, NO_GO, ERROR = Decision
PASSED, FAILED, BROKE, SKIPPED, EMPTY = Outcome

# The right-hand columns of the design's table, as each profile's [policy.skips] gives them.
COLUMNS = {
    "local": Policy(
        {
            Cause.ABSENT: GO,
            Cause.NO_CREDENTIALS: ERROR,
            Cause.UNREACHABLE: ERROR,
            Cause.NOT_EMULATED: GO,
            Cause.NO_BASELINE: GO,
        }
    ),
    "dev": Policy(
        {
            Cause.ABSENT: GO,
            Cause.NO_CREDENTIALS: GO,
            Cause.UNREACHABLE: GO,
            Cause.NOT_EMULATED: ERROR,
            Cause.NO_BASELINE: GO,
        }
    ),
    "staging": Policy(
        {
            Cause.ABSENT: GO,
            Cause.NO_CREDENTIALS: INCONCLUSIVE,
            Cause.UNREACHABLE: INCONCLUSIVE,
            Cause.NOT_EMULATED: ERROR,
            Cause.NO_BASELINE: GO,
        }
    ),
    "prod": Policy(
        {
            Cause.ABSENT: NO_GO,
            Cause.NO_CREDENTIALS: INCONCLUSIVE,
            Cause.UNREACHABLE: INCONCLUSIVE,
            Cause.NOT_EMULATED: ERROR,
            Cause.NO_BASELINE: GO,
        }
    ),
}
STAGING = COLUMNS["staging"]
RAN = datetime(2026, 11, 2, 11, 55, tzinfo=UTC)
"""When the runs of these records started."""
DAY = timedelta(days=1)


def waiver(id_: str, check: str = "", *, finding: str = "", **rest: Any) -> Waiver:
    """A waiver that holds on the day of `RAN`."""
    made = Waiver(id_, ("staging",), "ana", "it is known", RAN - DAY, RAN + DAY, check=check, finding=finding)
    return replace(made, **rest)


def check(
    name: str,
    outcome: Outcome = PASSED,
    cause: Cause | None = None,
    gate: str = "integration",
    **rest: object,
) -> CheckResult:
    reason = "" if outcome is PASSED else f"{name} says so"
    result = CheckResult(f"{gate}.suite.{name}", gate, outcome, reason=reason, cause=cause)
    return replace(result, **rest)  # type: ignore[arg-type]


def ran(gate: str = "integration", end: SessionEnd = SessionEnd.COMPLETED, **rest: object) -> GateRun:
    return replace(GateRun(gate, end), **rest)  # type: ignore[arg-type]


def one_gate(
    *results: CheckResult,
    policy: Policy = STAGING,
    mandatory: Iterable[str] = (),
    floor: int = 1,
    run: GateRun | None = None,
) -> Record:
    """A record of one gate that ran; `mandatory` names the checks that a verdict must account for."""
    return Record(
        policy,
        (ExpectedGate("integration", 1, floor),),
        tuple(ExpectedCheck(f"integration.suite.{name}", "integration") for name in mandatory),
        (run or ran(collected=tuple(result.id for result in results)),),
        results,
        at=RAN,
    )


def gate_of(record: Record, name: str = "integration") -> GateVerdict:
    return next(verdict for verdict in decide(record).gates if verdict.gate == name)


def codes(decided: Decided | GateVerdict) -> list[str]:
    return [reason.code for reason in decided.reasons]


ABSENT = check("skip", SKIPPED, Cause.ABSENT)
"""One check that was skipped, because nothing is deployed."""
