"""Load: no figure is worse than the baseline's, the last GO of this environment, by more than the profile tolerates."""

from collections.abc import Mapping
from typing import Any

from harness.fixtures import Check
from harness.gates.baselines import KEY, SCENARIO, copy_of
from harness.gates.context import GateContext
from harness.load.baseline import HINT, compared, traffic
from harness.load.result import LoadResult, read
from harness.load.scenario import Scenario
from harness.load.validity import HINT as INVALID
from harness.load.validity import invalid_reasons
from harness.model import Cause, CheckResult, Outcome
from harness.run import ledger


def test_keeps_its_baseline(
    baseline_scenario: Scenario, context: GateContext, prepared: Mapping[str, Any], check: Check
) -> None:
    """The service is no slower and fails no more than at the last GO."""
    scenario = baseline_scenario
    check.snapshot(SCENARIO.removesuffix(".json"), traffic(scenario))
    result = _this_run(scenario, context, check)
    found = prepared[KEY][scenario.name]
    if "missing" in found:
        rules = ", ".join(rule.text for rule in scenario.baseline_rules)
        check.skip(
            Cause.NO_BASELINE, f"nothing to hold {rules} against: {found['missing']}", hint=found["hint"]
        )
    check.fact("baseline", f"run {found['run']}, finished {found['finished']}")
    kept = check.evidence("baseline.json", copy_of(context, scenario.name), "application/json")
    if kept.sha256 != found["sha256"]:
        check.error("the baseline's result was changed while this gate ran", hint="run the gates again")
    seen = compared(scenario.baseline_rules, result, read(copy_of(context, scenario.name)))
    check.measurements.extend(seen.measurements)
    check.thresholds.extend(seen.results)
    for name, text in seen.facts.items():
        check.fact(name, text)
    check.diagnose(seen.facts.values())
    check.diagnose([f"run {found['run']}, the baseline → this run:", *(f"  {line}" for line in seen.lines)])
    if seen.broken:
        check.fail(seen.broken, hint=HINT)
    if seen.unmeasured:
        missing = ", ".join(seen.unmeasured)
        check.inconclusive(Cause.NOTHING_CHECKED, f"nothing was measured for {missing} in one of the runs")


def _this_run(scenario: Scenario, context: GateContext, check: Check) -> LoadResult:
    """What the scenario's own check measured, where that proves anything."""
    own = f"{context.gate}.scenarios.keeps_its_rules[{scenario.name}]"
    path = context.work / "scenarios" / scenario.name / "result.json"
    if not path.is_file():
        told = next((each for each in _reported(context) if each.id == own), None)
        if told is not None and told.outcome is Outcome.SKIPPED and told.cause is not None:
            check.skip(told.cause, told.reason, hint=told.hint)
        check.error(f"{own} left no result to compare", hint=f"see why {own} ended without one")
    result = read(path)
    if reasons := invalid_reasons(result, limit=scenario.limit):
        check.inconclusive(Cause.INVALID_RUN, "; ".join(reasons), hint=INVALID)
    if result.sent < scenario.min_requests and not result.ended_early:
        check.inconclusive(
            Cause.NOTHING_CHECKED,
            f"{result.sent} requests were sent, fewer than min_requests ({scenario.min_requests})",
        )
    if result.ended_early:
        check.inconclusive(
            Cause.UNCERTAIN, f"part of a run is not compared with a whole one: {result.ended_early}"
        )
    return result


def _reported(context: GateContext) -> list[CheckResult]:
    return ledger.read(context.folder).results
