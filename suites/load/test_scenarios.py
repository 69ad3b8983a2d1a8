"""Load: under the traffic that the profile describes, the service keeps the profile's rules."""

from harness.aws.session import Aws
from harness.errors import ToolError
from harness.fixtures import Check
from harness.gates.context import GateContext
from harness.gates.load import LoadConfig
from harness.load.diagnosis import hint, lines
from harness.load.diagnosis import summary as summary_of
from harness.load.ecs_workers import gathered
from harness.load.ending import ENDED, ending
from harness.load.judging import HINT as LONGER
from harness.load.judging import judge
from harness.load.metrics import measurements
from harness.load.plan import Plan
from harness.load.result import LoadResult
from harness.load.runner import load_time, run_scenario
from harness.load.scenario import Scenario
from harness.load.statistics.sequential import State
from harness.load.validity import HINT, invalid_reasons
from harness.load.workers import Meeting
from harness.model import Cause
from harness.threshold import Threshold


def test_keeps_its_rules(scenario: Scenario, context: GateContext, check: Check) -> None:
    """The service keeps its rules under load."""
    config = context.profile.gate(context.gate, LoadConfig)
    plan = scenario.prepare(context.profile, config.allowed_hosts)
    gathering = gathered(
        scenario.workers,
        config.master,
        count=plan.nodes,
        longest=load_time(plan),
        name=f"{context.run_id}/{context.attempt}/{scenario.name}",
        aws=lambda: Aws(context.profile),
    )
    with gathering as meeting:
        result = _run(plan, meeting, context, check)
    rules = [rule for rule in scenario.thresholds if isinstance(rule, Threshold)]
    judged = judge(rules, result, bound=scenario.patience, confidence=scenario.confidence)
    check.measurements.extend(measurements(result))
    for name, text in {**summary_of(result), **judged.facts}.items():
        check.fact(name, text)
    check.fact(ENDED, ending(result))
    check.diagnose(lines(result))
    if result.sent < scenario.min_requests and not result.ended_early:
        check.inconclusive(
            Cause.NOTHING_CHECKED,
            f"{result.sent} requests were sent, fewer than min_requests ({scenario.min_requests})",
            hint="let the scenario run longer or with more users, or lower its floor",
        )
    if reasons := invalid_reasons(result, limit=scenario.limit):
        check.inconclusive(Cause.INVALID_RUN, "; ".join(reasons), hint=HINT)
    if judged.undecided:
        check.thresholds.extend(judged.results)
        check.inconclusive(Cause.UNCERTAIN, judged.undecided, hint=LONGER)
    unkept = {rule.metric for rule in judged.results if not rule.held}
    check.judge(*rules, about=result.ended_early, hint=hint(result, unkept))
    if broken := [judged for judged in result.judged if judged.early and judged.state == State.FAIL.value]:
        # What was still open when the load ended may have mended the figure; the run was not kept to its end all the same.
        check.fail(f"{result.ended_early}: {broken[0].reason}", hint=hint(result))


def _run(plan: Plan, meeting: Meeting | None, context: GateContext, check: Check) -> LoadResult:
    """Run it, and keep what Locust left: its result, or what it said when it broke."""
    work = context.work / "scenarios" / plan.scenario
    try:
        result = run_scenario(plan, work=work, meeting=meeting)
    except ToolError:
        if (said := work / "locust.err").is_file():
            check.evidence("locust.err", said)
        raise
    check.evidence("result.json", work / "result.json", "application/json")
    return result
