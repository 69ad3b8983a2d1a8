"""The tables of the design, row by row: what was met, what it reads as, and what each environment makes of it."""

from dataclasses import replace

import pytest

from harness.model import (
    Cause,
    CheckResult,
    Decision,
    ExpectedCheck,
    ExpectedGate,
    GateOutcome,
    Outcome,
    Policy,
    Record,
    SessionEnd,
)
from harness.policy import decide, worst
from records import (
    ABSENT,
    BROKE,
    COLUMNS,
    EMPTY,
    ERROR,
    FAILED,
    GO,
    INCONCLUSIVE,
    NO_GO,
    PENDING,
    SKIPPED,
    check,
    codes,
    gate_of,
    one_gate,
    ran,
)

# --- The table of skip causes, each column ---------------------------------------------------------------------

ROWS = [
    (Cause.ABSENT, {"local": GO, "dev": GO, "staging": GO, "prod": NO_GO}),
    (
        Cause.NO_CREDENTIALS,
        {"local": ERROR, "dev": GO, "staging": INCONCLUSIVE, "prod": INCONCLUSIVE},
    ),
    (Cause.UNREACHABLE, {"local": ERROR, "dev": GO, "staging": INCONCLUSIVE, "prod": INCONCLUSIVE}),
    (Cause.NOT_EMULATED, {"local": GO, "dev": ERROR, "staging": ERROR, "prod": ERROR}),
    (Cause.NO_BASELINE, {"local": GO, "dev": GO, "staging": GO, "prod": GO}),
]
CELLS = [(cause, name, expected) for cause, row in ROWS for name, expected in row.items()]


@pytest.mark.parametrize(("cause", "column", "expected"), CELLS)
def test_a_gate_whose_checks_were_all_skipped_is_judged_by_the_table(
    cause: Cause, column: str, expected: Decision
) -> None:
    record = one_gate(check("a", SKIPPED, cause), check("b", SKIPPED, cause), policy=COLUMNS[column], floor=5)
    decided = decide(record)
    verdict = gate_of(record)
    assert (decided.decision, verdict.outcome, verdict.cause) == (expected, GateOutcome.SKIPPED, cause)
    assert [(r.code, r.decision) for r in decided.reasons] == [("skipped", expected)]
    assert f"all 2 checks skipped ({cause})" in decided.reasons[0].text


@pytest.mark.parametrize(("cause", "column", "expected"), CELLS)
def test_a_mandatory_check_skipped_beside_others_is_judged_by_the_table(
    cause: Cause, column: str, expected: Decision
) -> None:
    record = one_gate(check("a"), check("b", SKIPPED, cause), policy=COLUMNS[column], mandatory=["b"])
    verdict = gate_of(record)
    outcomes = {
        GO: GateOutcome.PASS,
        INCONCLUSIVE: GateOutcome.INCONCLUSIVE,
        NO_GO: GateOutcome.FAIL,
        ERROR: GateOutcome.ERROR,
    }
    assert (verdict.decision, verdict.outcome, verdict.cause) == (expected, outcomes[expected], None)
    assert "1 checks skipped" in verdict.reasons[0].text


@pytest.mark.parametrize(("cause", "column", "expected"), CELLS)
def test_another_check_skipped_beside_others_is_told_and_counts_only_where_it_cannot_be(
    cause: Cause, column: str, expected: Decision
) -> None:
    record = one_gate(check("a"), check("b", SKIPPED, cause), policy=COLUMNS[column], mandatory=["a"])
    decided = decide(record)
    assert decided.decision is (ERROR if expected is ERROR else GO)
    assert codes(decided) == ["skipped"]


@pytest.mark.parametrize(("cause", "column", "expected"), CELLS)
def test_what_builds_on_a_skipped_gate_is_judged_by_that_ones_cause(
    cause: Cause, column: str, expected: Decision
) -> None:
    record = replace(
        one_gate(check("a", SKIPPED, cause), policy=COLUMNS[column]),
        gates=(ExpectedGate("integration", 1), ExpectedGate("load", 2, depends=("integration",))),
        checks=(ExpectedCheck("load.scenarios.keeps_its_rules[api]", "load"),),
        runs=(ran(), ran("load", SessionEnd.DEPENDENCY, root="integration")),
    )
    load = gate_of(record, "load")
    assert (load.decision, load.outcome, load.cause) == (
        expected,
        GateOutcome.SKIPPED,
        Cause.DEPENDENCY_NOT_PROVEN,
    )
    assert f"which was skipped ({cause})" in load.reasons[0].text
    assert decide(record).decision is expected
    assert decide(record).missing == ("load.scenarios.keeps_its_rules[api]",)


@pytest.mark.parametrize(("cause", "column", "expected"), CELLS)
def test_a_check_that_builds_on_a_skipped_gate_is_judged_by_that_ones_cause(
    cause: Cause, column: str, expected: Decision
) -> None:
    record = Record(
        COLUMNS[column],
        (ExpectedGate("integration", 1), ExpectedGate("load", 2, depends=("integration",))),
        (),
        (ran(), ran("load")),
        (check("a", SKIPPED, cause), check("b", SKIPPED, Cause.DEPENDENCY_NOT_PROVEN, "load")),
    )
    assert gate_of(record, "load").decision is expected


@pytest.mark.parametrize("column", COLUMNS)
def test_a_check_that_builds_on_nothing_skipped_is_an_error(column: str) -> None:
    record = one_gate(check("a", SKIPPED, Cause.DEPENDENCY_NOT_PROVEN), policy=COLUMNS[column])
    assert decide(record).decision is ERROR


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        pytest.param(check("b", FAILED), NO_GO, id="half deployed"),
        pytest.param(check("b", BROKE), ERROR, id="credentials broken or access denied"),
        pytest.param(check("b", EMPTY, Cause.INVALID_RUN), INCONCLUSIVE, id="invalid load run"),
        pytest.param(check("b", EMPTY, Cause.NOTHING_CHECKED), INCONCLUSIVE, id="nothing checked"),
    ],
)
def test_rows_that_are_the_same_in_every_environment(
    column: str, bad: CheckResult, expected: Decision
) -> None:
    assert decide(one_gate(check("a"), bad, policy=COLUMNS[column])).decision is expected


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize(("outcome", "expected"), [(FAILED, NO_GO), (BROKE, ERROR)])
def test_a_blocked_gate_is_judged_as_the_earlier_one(
    column: str, outcome: Outcome, expected: Decision
) -> None:
    record = Record(
        COLUMNS[column],
        (ExpectedGate("unit", 0), ExpectedGate("integration", 1)),
        (),
        (ran("unit"), ran(end=SessionEnd.BLOCKED, root="unit")),
        (check("a", outcome, gate="unit"),),
    )
    verdict = gate_of(record)
    assert (verdict.outcome, verdict.decision) == (GateOutcome.BLOCKED, expected)
    assert decide(record).decision is expected


# --- "A gate's outcome, first match" ---------------------------------------------------------------------------

FORBIDDEN = check("forbidden", SKIPPED, Cause.NOT_EMULATED)


@pytest.mark.parametrize(
    ("results", "floor", "mandatory", "outcome", "decision"),
    [
        pytest.param([check("a"), check("f", FAILED), check("e", BROKE)], 1, "", "error", ERROR, id="error"),
        pytest.param([ABSENT, check("e", BROKE)], 1, "", "error", ERROR, id="error over skips"),
        pytest.param(
            [check("f", FAILED), check("i", EMPTY, Cause.INVALID_RUN)], 9, "", "fail", NO_GO, id="fail"
        ),
        pytest.param([check("f", FAILED), ABSENT], 9, "", "fail", NO_GO, id="fail over floor and skips"),
        pytest.param(
            [check("a"), check("i", EMPTY, Cause.INVALID_RUN)],
            1,
            "",
            "inconclusive",
            INCONCLUSIVE,
            id="invalid",
        ),
        pytest.param([ABSENT], 9, "skip", "skipped", GO, id="all skipped over floor"),
        pytest.param([ABSENT, FORBIDDEN], 1, "", "skipped", ERROR, id="the worst cause"),
        pytest.param([check("a")], 2, "", "inconclusive", INCONCLUSIVE, id="floor"),
        pytest.param([check("a"), ABSENT], 2, "", "inconclusive", INCONCLUSIVE, id="skips are no evidence"),
        pytest.param(
            [check("a"), check("i", EMPTY, Cause.UNAVAILABLE)],
            2,
            "",
            "inconclusive",
            INCONCLUSIVE,
            id="nor empties",
        ),
        pytest.param([check("a"), ABSENT], 1, "skip", "pass", GO, id="mandatory skip, allowed"),
        pytest.param([check("a"), check("f", FAILED)], 2, "", "fail", NO_GO, id="failures are evidence"),
        pytest.param([check("a")], 1, "a", "pass", GO, id="pass"),
        pytest.param([], 0, "", "inconclusive", INCONCLUSIVE, id="nothing, and no floor"),
        pytest.param([], 1, "", "inconclusive", INCONCLUSIVE, id="nothing"),
    ],
)
def test_the_outcome_of_a_gate_is_the_first_that_matches(
    results: list[CheckResult], floor: int, mandatory: str, outcome: str, decision: Decision
) -> None:
    record = one_gate(*results, floor=floor, mandatory=[mandatory] if mandatory else [])
    verdict = gate_of(record)
    assert (verdict.outcome, verdict.decision) == (GateOutcome(outcome), decision)
    assert decide(record).decision is decision


def test_the_worst_cause_of_a_skipped_gate_is_its_cause() -> None:
    for results in ([ABSENT, FORBIDDEN], [FORBIDDEN, ABSENT]):
        assert gate_of(one_gate(*results)).cause is Cause.NOT_EMULATED


def test_a_gate_that_did_not_meet_its_floor_is_not_softer_than_its_skips() -> None:
    record = one_gate(
        check("a"), check("skip", SKIPPED, Cause.ABSENT), policy=COLUMNS["prod"], floor=2, mandatory=["skip"]
    )
    assert decide(record).decision is NO_GO
    assert sorted(codes(decide(record))) == ["floor", "skipped"]


def test_a_gate_that_lost_a_check_is_not_merely_skipped() -> None:
    record = one_gate(ABSENT, mandatory=["lost"])
    assert gate_of(record).outcome is GateOutcome.INCONCLUSIVE
    left_out = one_gate(ABSENT, run=ran(deselected=("integration.suite.x",)))
    assert gate_of(left_out).outcome is GateOutcome.INCONCLUSIVE
    twice = one_gate(ABSENT, ABSENT)
    assert gate_of(twice).outcome is GateOutcome.ERROR


@pytest.mark.parametrize(
    "policy",
    [Policy({}), Policy({Cause.ABSENT: PENDING})],
    ids=["a cause without a rule", "a rule that is no answer"],
)
def test_unknown_values_read_as_error(policy: Policy) -> None:
    assert decide(one_gate(ABSENT, policy=policy)).decision is ERROR
    assert decide(one_gate(check("a"), ABSENT, policy=policy)).decision is ERROR


def test_precedence() -> None:
    assert worst([GO, PENDING, INCONCLUSIVE, NO_GO, ERROR]) is ERROR
    assert worst([NO_GO, INCONCLUSIVE, PENDING]) is NO_GO
    assert worst([PENDING, INCONCLUSIVE]) is INCONCLUSIVE
    assert worst([PENDING, GO]) is PENDING
    assert worst([]) is GO
