"""Complete to the check: what is missing, broken or contradicts itself is never GO."""

from dataclasses import replace

import pytest

from harness.model import (
    Cause,
    CheckResult,
    Decision,
    ExpectedCheck,
    ExpectedGate,
    GateOutcome,
    GateRun,
    Record,
    SessionEnd,
)
from harness.policy import decide
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
    SKIPPED,
    STAGING,
    check,
    codes,
    gate_of,
    one_gate,
    ran,
    waiver,
)

# --- Completeness ----------------------------------------------------------------------------------------------


def test_a_complete_gate_is_go_with_nothing_to_say() -> None:
    record = one_gate(check("a"), check("b"), mandatory=["a", "b"], run=ran(duration=2.5, exit_code=0))
    decided = decide(replace(record, gates=(ExpectedGate("integration", 1, budget=60.0),)))
    (verdict,) = decided.gates
    assert (decided.decision, decided.reasons, decided.missing) == (GO, (), ())
    assert (verdict.layer, verdict.duration, verdict.budget) == (1, 2.5, 60.0)
    assert verdict.counts == {
        "passed": 2, "failed": 0, "error": 0, "skipped": 0, "inconclusive": 0, "missing": 0
    }  # fmt: skip


@pytest.mark.parametrize("mandatory", [True, False])
def test_an_expected_check_that_did_not_report_is_not_go(mandatory: bool) -> None:
    lost = ExpectedCheck("integration.suite.lost", "integration", mandatory=mandatory)
    decided = decide(replace(one_gate(check("a")), checks=(lost,)))
    assert (decided.decision, decided.missing) == (INCONCLUSIVE, ("integration.suite.lost",))
    assert codes(decided) == ["check_not_run"]
    assert decided.reasons[0].check == "integration.suite.lost"
    assert decided.gates[0].counts["missing"] == 1


def test_a_check_that_was_announced_and_never_reported_is_not_go() -> None:
    run = ran(collected=("integration.suite.a", "integration.suite.gone"))
    assert decide(one_gate(check("a"), run=run)).decision is INCONCLUSIVE


def test_a_check_reported_under_another_gate_is_still_missing() -> None:
    record = one_gate(check("a"), mandatory=["a", "b"])
    record = replace(
        record,
        gates=(*record.gates, ExpectedGate("unit", 0)),
        runs=(*record.runs, ran("unit")),
        results=(*record.results, replace(check("b"), gate="unit")),
    )
    assert decide(record).missing == ("integration.suite.b",)


def test_a_deselected_check_is_listed_and_not_go() -> None:
    decided = decide(one_gate(check("a"), run=ran(deselected=("integration.suite.b",))))
    assert decided.decision is INCONCLUSIVE
    assert [(r.code, r.check) for r in decided.reasons] == [("deselected", "integration.suite.b")]
    assert "gates.integration.exclude_markers" in decided.reasons[0].hint


def test_a_gate_without_a_session_did_not_run() -> None:
    for runs in ((), (ran(end=SessionEnd.NOT_STARTED, detail="left out by --gate"),)):
        record = replace(one_gate(mandatory=["a"]), runs=runs)
        verdict = gate_of(record)
        assert (verdict.outcome, verdict.decision) == (GateOutcome.NOT_RUN, INCONCLUSIVE)
        assert codes(verdict) == ["not_run"]
        assert decide(record).missing == ("integration.suite.a",)


@pytest.mark.parametrize(
    ("result", "decision", "outcome"),
    [
        (check("a"), INCONCLUSIVE, GateOutcome.NOT_RUN),
        (check("a", FAILED), NO_GO, GateOutcome.FAIL),
        (check("a", BROKE), ERROR, GateOutcome.ERROR),
        (check("a", SKIPPED, Cause.NOT_EMULATED), ERROR, GateOutcome.ERROR),
    ],
)
def test_results_whose_session_is_lost_can_only_worsen(
    result: CheckResult, decision: Decision, outcome: GateOutcome
) -> None:
    verdict = gate_of(replace(one_gate(result), runs=()))
    assert (verdict.decision, verdict.outcome) == (decision, outcome)


def test_a_partial_run_is_at_best_inconclusive() -> None:
    assert decide(replace(one_gate(check("a")), partial=True)).decision is INCONCLUSIVE
    assert decide(replace(one_gate(check("a", FAILED)), partial=True)).decision is NO_GO


def test_expecting_nothing_proves_nothing() -> None:
    assert decide(Record(STAGING, (), ())).decision is INCONCLUSIVE


# --- Sessions that broke, and records that contradict themselves -----------------------------------------------


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (SessionEnd.CRASHED, "the gate crashed: killed by signal 9"),
        (SessionEnd.BUDGET, "the gate ran out of its budget: killed by signal 9"),
        (SessionEnd.MEMORY, "the gate ran out of its memory bound: killed by signal 9"),
        (SessionEnd.INTERRUPTED, "the gate was interrupted: killed by signal 9"),
    ],
)
def test_a_session_that_did_not_end_well_is_an_error(end: SessionEnd, said: str) -> None:
    record = one_gate(check("a"), run=ran(end=end, detail="killed by signal 9"))
    verdict = gate_of(record)
    assert (verdict.outcome, verdict.decision) == (GateOutcome.ERROR, ERROR)
    assert [(r.code, r.text) for r in verdict.reasons] == [(end.value, said)]
    assert gate_of(one_gate(ABSENT, run=ran(end=end))).outcome is GateOutcome.ERROR


def test_values_that_no_type_knows_read_as_error() -> None:
    """Reading refuses them; whoever builds a record by hand is no better off."""
    vanished = GateRun("integration", "vanished")  # type: ignore[arg-type]
    great = CheckResult("integration.suite.a", "integration", "great", reason="why not")  # type: ignore[arg-type]
    assert decide(one_gate(check("a"), run=vanished)).decision is ERROR
    assert decide(one_gate(great)).decision is ERROR


@pytest.mark.parametrize(
    ("code", "results", "expected"),
    [
        (None, [check("a")], GO),
        (0, [check("a")], GO),
        (1, [check("a")], NO_GO),
        (1, [], NO_GO),
        (1, [check("a"), ABSENT], GO),
        (1, [check("a"), check("b", FAILED, waiver="W-1")], GO),
        (1, [check("a", flaky=True)], GO),
        (5, [check("a")], INCONCLUSIVE),
        (5, [], INCONCLUSIVE),
        (2, [check("a")], ERROR),
        (3, [check("a")], ERROR),
        (4, [check("a")], ERROR),
        (-9, [check("a")], ERROR),
        (0, [check("a", FAILED)], NO_GO),
    ],
)
def test_the_exit_code_of_a_session_can_only_worsen(
    code: int | None, results: list[CheckResult], expected: Decision
) -> None:
    policy = replace(STAGING, max_flaky=1, waivers=(waiver("W-1", check("b").id),))
    assert decide(one_gate(*results, policy=policy, run=ran(exit_code=code))).decision is expected


def test_two_sessions_of_one_gate_are_an_error() -> None:
    record = one_gate(check("a"))
    decided = decide(replace(record, runs=record.runs * 2))
    assert (decided.decision, codes(decided)) == (ERROR, ["ran_twice"])


def test_a_check_that_reported_twice_is_an_error() -> None:
    decided = decide(one_gate(check("a"), check("a")))
    assert (decided.decision, codes(decided)) == (ERROR, ["reported_twice"])


@pytest.mark.parametrize("end", [SessionEnd.NOT_STARTED, SessionEnd.BLOCKED, SessionEnd.DEPENDENCY])
def test_results_of_a_gate_that_was_never_started_are_an_error(end: SessionEnd) -> None:
    decided = decide(one_gate(check("a"), run=ran(end=end)))
    assert (decided.decision, codes(decided)) == (ERROR, ["results_without_run"])


def test_a_gate_nobody_expected_is_an_error() -> None:
    record = one_gate(check("a"))
    for stranger in (
        replace(record, results=(*record.results, check("x", gate="ghost"))),
        replace(record, runs=(*record.runs, ran("ghost"))),
    ):
        decided = decide(stranger)
        assert (decided.decision, codes(decided)) == (ERROR, ["unexpected_gate"])


def test_a_gate_expected_twice_is_an_error_and_keeps_its_higher_floor_in_sight() -> None:
    record = one_gate(check("a"))
    decided = decide(replace(record, gates=(*record.gates, *record.gates)))
    assert (decided.decision, codes(decided)) == (ERROR, ["expected_twice"])
    assert len(decided.gates) == 1


def test_a_check_expected_of_no_gate_is_an_error() -> None:
    decided = decide(replace(one_gate(check("a")), checks=(ExpectedCheck("load.x", "load"),)))
    assert (decided.decision, codes(decided)) == (ERROR, ["orphan_check"])


def chain(
    first: CheckResult, end: SessionEnd, *, root: str = "unit", layer: int = 1, depends: str = "unit"
) -> Record:
    """A gate beside, or after, another that it names as the reason for not having been started."""
    return Record(
        STAGING,
        (ExpectedGate("unit", 0), ExpectedGate("integration", layer, depends=(depends,))),
        (),
        (ran("unit"), ran(end=end, root=root)),
        (first,),
    )


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(chain(check("a", gate="unit"), SessionEnd.BLOCKED), id="blocked by a pass"),
        pytest.param(chain(check("a", FAILED, gate="unit"), SessionEnd.BLOCKED, root="lint"), id="by nobody"),
        pytest.param(
            chain(check("a", FAILED, gate="unit"), SessionEnd.BLOCKED, layer=0), id="by its own layer"
        ),
        pytest.param(
            chain(check("a", SKIPPED, Cause.ABSENT, "unit"), SessionEnd.BLOCKED), id="blocked by a skip"
        ),
        pytest.param(
            chain(check("a", EMPTY, Cause.INVALID_RUN, "unit"), SessionEnd.BLOCKED),
            id="blocked by inconclusive",
        ),
        pytest.param(chain(check("a", gate="unit"), SessionEnd.DEPENDENCY), id="builds on a pass"),
        pytest.param(
            chain(check("a", SKIPPED, Cause.ABSENT, "unit"), SessionEnd.DEPENDENCY, depends="lint"),
            id="builds on what it does not depend on",
        ),
    ],
)
def test_a_gate_that_names_a_reason_which_is_none_is_an_error(record: Record) -> None:
    assert codes(gate_of(record)) == ["bad_root"]
    assert decide(record).decision is ERROR


def test_dependencies_pass_a_skip_on() -> None:
    record = Record(
        STAGING,
        (ExpectedGate("integration", 1), ExpectedGate("load", 2, depends=("integration",)),
         ExpectedGate("soak", 3, depends=("load",))),
        (),
        (ran(), ran("load", SessionEnd.DEPENDENCY, root="integration"), ran("soak", SessionEnd.DEPENDENCY, root="load")),
        (check("a", SKIPPED, Cause.NO_CREDENTIALS),),
    )  # fmt: skip
    assert [gate.decision for gate in decide(record).gates] == [INCONCLUSIVE] * 3
    assert {gate.outcome for gate in decide(record).gates} == {GateOutcome.SKIPPED}


def test_skipped_and_inconclusive_gates_do_not_block() -> None:
    record = Record(
        COLUMNS["prod"],
        (ExpectedGate("unit", 0), ExpectedGate("integration", 1)),
        (),
        (ran("unit"), ran()),
        (check("a", SKIPPED, Cause.ABSENT, "unit"), check("b")),
    )
    assert [gate.outcome for gate in decide(record).gates] == [GateOutcome.SKIPPED, GateOutcome.PASS]
    assert decide(record).decision is NO_GO


# --- Order -----------------------------------------------------------------------------------------------------


def test_reasons_come_gravest_first_and_checks_by_name() -> None:
    results = [check("c", FAILED), check("a", FAILED), check("b", BROKE), ABSENT]
    decided = decide(one_gate(*results))
    assert [reason.check.rpartition(".")[2] for reason in decided.reasons] == ["b", "a", "c", ""]
    assert decided.reasons == decide(one_gate(*reversed(results))).reasons
