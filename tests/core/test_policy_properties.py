"""What must be true of every decision, whatever the record: properties, held against thousands of records."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from operator import eq, ge, gt, le, lt
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from harness.model import (
    Attempt,
    Cause,
    CheckResult,
    Decision,
    ExpectedCheck,
    ExpectedGate,
    Outcome,
    Record,
    SessionEnd,
    ThresholdResult,
)
from harness.policy import SEVERITY, decide
from strategies import OVER, WAIVERS, planned_records, records, results, spoilt_records, wild_records

DEPTHS = (50, pytest.param(600, marks=pytest.mark.slow))
each_depth = pytest.mark.parametrize("examples", DEPTHS)


def hold(examples: int, prop: Callable[..., None], *arguments: st.SearchStrategy[Any]) -> None:
    """Run a property as deep as asked."""
    rules = settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    rules(given(*arguments)(prop))()


def severity(record: Record) -> int:
    decision = decide(record).decision
    event(str(decision))
    return SEVERITY[decision]


def without(record: Record, result: CheckResult) -> Record:
    return replace(record, results=tuple(each for each in record.results if each is not result))


# --- GO means what it says, by an oracle that shares no code with the policy -----------------------------------

_UNITS = {"%": Fraction(1, 100), "s": Fraction(1), "/s": Fraction(1), "MB": Fraction(10**6), "": Fraction(1)}
_OPERATORS = {">=": ge, "<=": le, "<": lt, ">": gt, "==": eq}


def keeps_exactly(rule: ThresholdResult, result: CheckResult) -> bool:
    match = re.fullmatch(r"(\S+) (\S+) ([\d.]+)(\D*?)( for \w+)?", rule.threshold)
    if match is None or rule.actual is None:
        return False
    metric, op, number, unit, _ = match.groups()
    seen = [m for m in result.measurements if m.metric == metric and m.value == rule.actual and m.sample > 0]
    return bool(seen) and _OPERATORS[op](rule.actual, Fraction(number) * _UNITS[unit])


def proves(result: CheckResult, record: Record) -> bool:
    """Whether one result, on its own, stands for something that was shown or excused by name."""
    match result.outcome:
        case Outcome.PASSED:
            return all(keeps_exactly(rule, result) for rule in result.thresholds)
        case Outcome.FAILED:
            named = [each for each in record.policy.waivers if each.id == result.waiver]
            in_time = all(
                record.at is not None and each.created <= record.at < each.expires for each in named
            )
            return bool(named) and in_time and result.gate != "subject"
        case Outcome.SKIPPED:
            return True
        case _:
            return False


def allowed(result: CheckResult, record: Record, gate: ExpectedGate) -> bool:
    if result.cause is Cause.DEPENDENCY_NOT_PROVEN:
        return any(run.gate in gate.depends for run in record.runs)
    return result.cause is not None and record.policy.skips.get(result.cause) is Decision.GO


def impossible(result: CheckResult, record: Record) -> bool:
    """A cause that the table calls an error, or does not know."""
    if result.cause is None or result.cause is Cause.DEPENDENCY_NOT_PROVEN:
        return result.cause is None
    return record.policy.skips.get(result.cause, Decision.ERROR) is Decision.ERROR


def gate_accounts(record: Record, name: str) -> bool:
    """Whether a gate reported everything it owes."""
    (gate,) = [each for each in record.gates if each.name == name]
    runs = [run for run in record.runs if run.gate == name]
    if len(runs) != 1:
        return False
    (run,) = runs
    mine = [result for result in record.results if result.gate == name]
    if run.end is SessionEnd.DEPENDENCY:
        roots = [result for result in record.results if result.gate == run.root]
        root = next(each for each in record.runs if each.gate == run.root)
        proven_skip = root.end is SessionEnd.DEPENDENCY or (
            bool(roots) and all(r.outcome is Outcome.SKIPPED and allowed(r, record, gate) for r in roots)
        )
        return not mine and run.root in gate.depends and proven_skip
    if run.end is not SessionEnd.COMPLETED or run.deselected or run.exit_code not in (None, 0, 1):
        return False
    times = Counter(result.id for result in mine)
    owed = {check.id for check in record.checks if check.gate == name} | set(run.collected)
    if owed - set(times) or any(number > 1 for number in times.values()):
        return False
    mandatory = {check.id for check in record.checks if check.gate == name and check.mandatory}
    skips = [result for result in mine if result.outcome is Outcome.SKIPPED]
    if skips and len(skips) == len(mine):
        return all(allowed(result, record, gate) for result in skips)
    excused = all(allowed(result, record, gate) for result in skips if result.id in mandatory)
    possible = all(not impossible(result, record) for result in skips)
    enough = len(mine) - len(skips) >= max(1, gate.min_checks)
    return excused and possible and enough and all(proves(result, record) for result in mine)


def accounts(record: Record) -> bool:
    names = [gate.name for gate in record.gates]
    flaky = {result.id for result in record.results if result.flaky}
    return (
        bool(names)
        and len(set(names)) == len(names)
        and not record.partial
        and {result.gate for result in record.results} <= set(names)
        and {run.gate for run in record.runs} <= set(names)
        and {check.gate for check in record.checks} <= set(names)
        and len(flaky) <= record.policy.max_flaky
        and all(gate_accounts(record, name) for name in names)
    )


@each_depth
def test_go_means_that_everything_expected_reported_and_holds(examples: int) -> None:
    def prop(record: Record) -> None:
        if severity(record) == 0:
            assert accounts(record)

    hold(examples, prop, records())
    hold(examples * 3, prop, spoilt_records())


def test_the_records_that_are_drawn_hold_go_and_every_other_decision() -> None:
    seen: Counter[Decision] = Counter()

    def prop(record: Record) -> None:
        seen[decide(record).decision] += 1

    hold(150, prop, records())
    assert {Decision.GO, Decision.INCONCLUSIVE, Decision.NO_GO, Decision.ERROR} <= set(seen)
    assert seen[Decision.GO] >= 5


# --- Nothing bad makes it better -----------------------------------------------------------------------------


@each_depth
@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.ERROR])
def test_a_further_check_that_did_not_pass_never_improves(examples: int, outcome: Outcome) -> None:
    def prop(record: Record, data: st.DataObject) -> None:
        gate = data.draw(st.sampled_from([gate.name for gate in record.gates]))
        bad = replace(data.draw(results(gate, f"{gate}.suite.added", (outcome,))), waiver="")
        worse = replace(record, results=(*record.results, bad))
        assert severity(worse) >= severity(record)
        assert decide(worse).decision in (Decision.NO_GO, Decision.ERROR)

    hold(examples, prop, planned_records(), st.data())


@each_depth
@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.ERROR])
def test_a_check_that_turns_bad_never_improves(examples: int, outcome: Outcome) -> None:
    def prop(record: Record, data: st.DataObject) -> None:
        assume(record.results)
        place = data.draw(st.integers(0, len(record.results) - 1))
        turned = list(record.results)
        assume(turned[place].outcome in (Outcome.PASSED, Outcome.FAILED))
        turned[place] = replace(turned[place], outcome=outcome, reason="it broke", waiver="")
        assume(not record.results[place].flaky)
        assert severity(replace(record, results=tuple(turned))) >= severity(record)

    hold(examples, prop, planned_records(), st.data())


# --- What is lost never helps --------------------------------------------------------------------------------


@each_depth
def test_losing_a_clean_pass_never_improves(examples: int) -> None:
    def prop(record: Record, data: st.DataObject) -> None:
        clean = [r for r in record.results if r.outcome is Outcome.PASSED and not r.flaky]
        assume(clean)
        lost = data.draw(st.sampled_from(clean))
        assert severity(without(record, lost)) >= severity(record)

    hold(examples, prop, planned_records(), st.data())


@each_depth
def test_losing_any_result_never_makes_it_go(examples: int) -> None:
    def prop(record: Record, data: st.DataObject) -> None:
        assume(record.results)
        lost = data.draw(st.sampled_from(record.results))
        assert severity(without(record, lost)) > 0

    hold(examples, prop, planned_records(), st.data())


@each_depth
def test_losing_any_announced_result_of_a_wild_record_never_makes_it_go(examples: int) -> None:
    def prop(record: Record, lost: CheckResult) -> None:
        names = {gate.name for gate in record.gates}
        whole = replace(
            record,
            gates=record.gates if lost.gate in names else (*record.gates, ExpectedGate(lost.gate, 0)),
            checks=(*record.checks, ExpectedCheck(lost.id, lost.gate)),
            results=(*(each for each in record.results if each.id != lost.id), lost),
        )
        assert severity(without(whole, lost)) > 0

    hold(examples, prop, wild_records(), results("unit", "unit.suite.a", honest=False))


@each_depth
def test_losing_a_measurement_never_improves(examples: int) -> None:
    def prop(record: Record, data: st.DataObject) -> None:
        measured = [place for place, result in enumerate(record.results) if result.measurements]
        assume(measured)
        place = data.draw(st.sampled_from(measured))
        result = record.results[place]
        gone = data.draw(st.integers(0, len(result.measurements) - 1))
        kept = (*result.measurements[:gone], *result.measurements[gone + 1 :])
        changed = list(record.results)
        changed[place] = replace(result, measurements=kept)
        assert severity(replace(record, results=tuple(changed))) >= severity(record)

    hold(examples, prop, planned_records(), st.data())


@each_depth
def test_losing_a_session_never_improves_and_never_makes_it_go(examples: int) -> None:
    def prop(record: Record, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(record.runs))
        less = replace(record, runs=tuple(run for run in record.runs if run is not gone))
        assert severity(less) > 0
        if gone.end is SessionEnd.COMPLETED:
            assert severity(less) >= severity(record)

    hold(examples, prop, planned_records(), st.data())


@each_depth
def test_expecting_more_never_improves(examples: int) -> None:
    def prop(record: Record, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(record.gates) - 1))
        gates = list(record.gates)
        gates[place] = replace(gates[place], min_checks=gates[place].min_checks + 1)
        assert severity(replace(record, gates=tuple(gates))) >= severity(record)
        assert severity(replace(record, partial=True)) >= SEVERITY[Decision.INCONCLUSIVE]

    hold(examples, prop, planned_records(), st.data())


# --- The decision is a function of the record ----------------------------------------------------------------


@each_depth
def test_the_order_of_results_and_sessions_changes_nothing(examples: int) -> None:
    def prop(record: Record, data: st.DataObject) -> None:
        mixed = replace(
            record,
            results=tuple(data.draw(st.permutations(record.results))),
            runs=tuple(data.draw(st.permutations(record.runs))),
        )
        assert decide(mixed).decision is decide(record).decision
        if len({run.gate for run in record.runs}) == len(record.runs):
            assert decide(mixed).gates == decide(record).gates
        assert decide(record) == decide(record)

    hold(examples, prop, records(), st.data())


@each_depth
def test_the_decision_is_the_gravest_of_its_reasons_and_of_its_gates(examples: int) -> None:
    def prop(record: Record) -> None:
        decided = decide(record)
        assert all(SEVERITY[gate.decision] <= SEVERITY[decided.decision] for gate in decided.gates)
        graver = [SEVERITY[reason.decision] for reason in decided.reasons]
        assert graver == sorted(graver, reverse=True)
        assert max(graver, default=0) == SEVERITY[decided.decision]
        assert decided.decision is Decision.GO or decided.reasons
        assert {gate.gate for gate in decided.gates} == {gate.name for gate in record.gates}

    hold(examples, prop, records())


# --- Waivers and retries only ever excuse what they name -------------------------------------------------------


@each_depth
def test_a_waiver_more_changes_only_what_it_covers(examples: int) -> None:
    def prop(record: Record, data: st.DataObject) -> None:
        added = data.draw(st.sampled_from(WAIVERS))
        fewer = tuple(each for each in record.policy.waivers if each.id != added.id)
        less = replace(record, policy=replace(record.policy, waivers=fewer))
        more = replace(record, policy=replace(record.policy, waivers=(*fewer, added)))
        excused = [
            reason for reason in decide(less).reasons if reason not in decide(more).reasons and reason.check
        ]
        assert {reason.check for reason in excused} <= {added.check}
        assert all(reason.code == "failed" for reason in excused)

    hold(examples, prop, planned_records(), st.data())


@each_depth
def test_a_waiver_that_is_over_changes_no_decision(examples: int) -> None:
    def prop(record: Record, data: st.DataObject) -> None:
        over = data.draw(st.lists(st.sampled_from(OVER), unique=True))
        none = replace(record, policy=replace(record.policy, waivers=()))
        assert severity(replace(record, policy=replace(record.policy, waivers=tuple(over)))) == severity(none)
        assert severity(replace(record, at=None)) == severity(none)

    hold(examples, prop, planned_records(), st.data())


@each_depth
def test_a_malformed_file_of_waivers_is_an_error_whatever_ran(examples: int) -> None:
    def prop(record: Record) -> None:
        broken = replace(
            record, policy=replace(record.policy, waivers_problem="waivers.toml:3: id: is missing")
        )
        assert decide(broken).decision is Decision.ERROR

    hold(examples, prop, records())


@each_depth
def test_flakes_beyond_their_budget_are_never_go(examples: int) -> None:
    def prop(record: Record, data: st.DataObject) -> None:
        passes = [r for r in record.results if r.outcome is Outcome.PASSED]
        assume(passes)
        tried = {r.id for r in data.draw(st.lists(st.sampled_from(passes), min_size=1, max_size=3))}
        attempts = (Attempt(Outcome.FAILED, "not yet", 1.0), Attempt(Outcome.PASSED, "", 1.0))
        flaky = tuple(replace(r, attempts=attempts) if r.id in tried else r for r in record.results)
        budget = data.draw(st.integers(0, len(tried) - 1))
        policy = replace(record.policy, max_flaky=budget)
        assert severity(replace(record, results=flaky, policy=policy)) >= SEVERITY[Decision.NO_GO]

    hold(examples, prop, planned_records(), st.data())


@each_depth
def test_what_was_not_a_failure_is_never_tried_into_a_pass(examples: int) -> None:
    def prop(record: Record, data: st.DataObject) -> None:
        assume(record.results)
        place = data.draw(st.integers(0, len(record.results) - 1))
        outcome = data.draw(st.sampled_from((Outcome.SKIPPED, Outcome.INCONCLUSIVE, Outcome.PASSED)))
        last = data.draw(st.sampled_from(Outcome))
        tried = (Attempt(outcome, "gone", 1.0), Attempt(last, "", 1.0))
        changed = list(record.results)
        changed[place] = replace(changed[place], attempts=tried)
        policy = replace(record.policy, max_flaky=99)
        assert decide(replace(record, results=tuple(changed), policy=policy)).decision is Decision.ERROR

    hold(examples, prop, planned_records(), st.data())


@each_depth
def test_a_failure_is_never_tried_into_a_skip(examples: int) -> None:
    def prop(record: Record, data: st.DataObject) -> None:
        soft = [
            n for n, r in enumerate(record.results) if r.outcome in (Outcome.SKIPPED, Outcome.INCONCLUSIVE)
        ]
        assume(soft)
        place = data.draw(st.sampled_from(soft))
        result = record.results[place]
        tried = (Attempt(Outcome.FAILED, "broken", 1.0), Attempt(result.outcome, "gone", 1.0))
        changed = list(record.results)
        changed[place] = replace(result, attempts=tried)
        assert decide(replace(record, results=tuple(changed))).decision is Decision.ERROR

    hold(examples, prop, planned_records(), st.data())
