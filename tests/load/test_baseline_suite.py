"""The baseline check itself, called as the session calls it: what it says where there is nothing to compare."""

import hashlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness import codec
from harness.errors import ToolError
from harness.fixtures import Check, Ended
from harness.gates.baselines import KEY, copy_of
from harness.gates.context import GateContext
from harness.load.result import Judged, LoadResult, write
from harness.load.scenario import Scenario
from harness.model import Cause, CheckResult, Outcome, Phase
from harness.profile import Profile
from harness.profile.schema import (
    AppConfig,
    AwsConfig,
    LocalConfig,
    PolicyConfig,
    ReportsConfig,
    SuitesConfig,
)
from harness.resources import shipped
from harness.run import ledger
from harness.threshold import parse_any
from load_parts import MS, run_of

RUN = run_of([([10 * MS] * 10, 0)] * 10)
EARLY = Judged(
    rule="success_rate >= 95%", state="fail", early="curtailment", reason="too many", requests=10, failures=9,
    estimate=0.1, low=0.0, high=0.4, confidence=0.95, effective=10.0, evidence=1.0,
)  # fmt: skip


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., tuple[Outcome, Any, str, Check]]:
    """Run the check on a run and a baseline; either may be missing."""
    empty = Profile(
        "test", "", AppConfig(), AwsConfig(), LocalConfig(), PolicyConfig(), ReportsConfig(), SuitesConfig(), {}, {}, {}, {}
    )  # fmt: skip
    context = GateContext("run", "load", Phase.PRE_DEPLOY, empty, tmp_path, tmp_path / "run", {})
    function = _suite().test_keeps_its_baseline

    def go(
        now: LoadResult | None,
        then: LoadResult | None = RUN,
        found: Mapping[str, str] | None = None,
        **values: Any,
    ) -> tuple[Outcome, Any, str, Check]:
        rules = [parse_any("success_rate >= 95%"), parse_any("p95 <= baseline + 10%")]
        given = {"name": "api", "url": "http://127.0.0.1/", "rate": 40.0, "thresholds": rules}
        scenario = Scenario(**{**given, **values})
        check = Check("load.baseline.keeps_its_baseline[api]", context.folder, "load", resource="api")
        own = context.work / "scenarios/api/result.json"
        own.parent.mkdir(parents=True, exist_ok=True)
        if now is not None:
            write(own, now)
        if then is not None:
            copy = copy_of(context, "api")
            copy.parent.mkdir(parents=True, exist_ok=True)
            write(copy, then)
            digest = hashlib.sha256(copy.read_bytes()).hexdigest()
            found = found or {"run": "r0", "finished": "2026-11-02 12:11 UTC", "sha256": digest}
        try:
            function(scenario, context, {KEY: {"api": found}}, check)
        except Ended as ended:
            return ended.outcome, ended.cause, ended.reason, check
        return Outcome.PASSED, None, "", check

    go.context = context  # type: ignore[attr-defined]
    return go


def test_keeps_it(judge: Any) -> None:
    outcome, _, _, check = judge(RUN)
    assert outcome is Outcome.PASSED
    assert check.facts["baseline"] == "run r0, finished 2026-11-02 12:11 UTC"
    assert [file.name for file in check.files] == ["scenario.json", "baseline.json"]
    assert "  p95: 10 ms → 10 ms (+0.0%)" in check.notes


def test_does_not_keep_it(judge: Any) -> None:
    outcome, _, reason, check = judge(run_of([([20 * MS] * 10, 0)] * 10))
    assert (outcome, reason) == (
        Outcome.FAILED,
        "p95 is 20 ms, the rule is p95 <= baseline + 10%: 11 ms (it was 10 ms)",
    )
    assert [result.held for result in check.thresholds] == [False]


def test_without_a_baseline_it_is_skipped_and_leaves_what_was_sent(judge: Any) -> None:
    outcome, cause, reason, check = judge(RUN, None, {"missing": "no earlier GO", "hint": "wait"})
    assert (outcome, cause) == (Outcome.SKIPPED, Cause.NO_BASELINE)
    assert reason == "nothing to hold p95 <= baseline + 10% against: no earlier GO"
    assert [file.name for file in check.files] == ["scenario.json"]


@pytest.mark.parametrize("baseline", [True, False])
@pytest.mark.parametrize(
    ("now", "values", "cause", "said"),
    [
        (replace(RUN, cpu=0.95), {}, Cause.INVALID_RUN, "95% of its core"),
        (RUN, {"min_requests": 200}, Cause.NOTHING_CHECKED, "fewer than min_requests (200)"),
        (replace(RUN, judged=(EARLY,)), {}, Cause.UNCERTAIN, "part of a run is not compared with a whole one: ended after"),
    ],
)  # fmt: skip
def test_a_run_that_proves_nothing_proves_nothing_here(
    judge: Any, now: LoadResult, values: dict[str, Any], cause: Cause, said: str, baseline: bool
) -> None:
    then = (RUN,) if baseline else (None, {"missing": "none", "hint": ""})
    outcome, found, reason, _ = judge(now, *then, **values)
    assert (outcome, found) == (Outcome.INCONCLUSIVE, cause)
    assert said in reason


def test_what_neither_run_measured(judge: Any) -> None:
    failing = run_of([([], 10)] * 10)
    outcome, cause, reason, _ = judge(RUN, failing)
    assert (outcome, cause) == (Outcome.INCONCLUSIVE, Cause.NOTHING_CHECKED)
    assert "nothing was measured for p95" in reason


def test_a_scenario_without_a_result_is_an_error(judge: Any) -> None:
    with pytest.raises(ToolError):
        judge(None)
    judge.context.folder.mkdir(exist_ok=True)
    ledger.append(judge.context.ledger, "check", gate="load", result=codec.dump(_own(Outcome.ERROR)))
    outcome, _, reason, _ = judge(None)
    assert (outcome, reason) == (Outcome.ERROR, f"{_own(Outcome.ERROR).id} left no result to compare")


def test_a_scenario_that_was_skipped_takes_its_baseline_with_it(judge: Any) -> None:
    judge.context.folder.mkdir(exist_ok=True)
    skipped = _own(Outcome.SKIPPED, Cause.UNREACHABLE)
    ledger.append(judge.context.ledger, "check", gate="load", result=codec.dump(skipped))
    assert judge(None)[:3] == (Outcome.SKIPPED, Cause.UNREACHABLE, "it says so")


def test_a_baseline_that_changes_under_way_is_an_error(judge: Any) -> None:
    outcome, _, reason, _ = judge(RUN, RUN, {"run": "r0", "finished": "then", "sha256": "0" * 64})
    assert outcome is Outcome.ERROR
    assert "was changed while this gate ran" in reason


def _suite() -> ModuleType:
    path = Path(str(shipped("suites"))) / "load" / "test_baseline.py"
    spec = importlib.util.spec_from_file_location("shipped_load_baseline", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _own(outcome: Outcome, cause: Cause | None = None) -> CheckResult:
    name = "load.scenarios.keeps_its_rules[api]"
    return CheckResult(name, "load", outcome, reason="it says so", cause=cause)
