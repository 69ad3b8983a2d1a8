"""Which earlier run a scenario is compared with: the last GO, whole and of the same traffic, or none and why."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.gates import GATES, resolve
from harness.gates.baselines import KEY, copy_of
from harness.gates.context import GateContext
from harness.gates.load import LoadConfig
from harness.load.baseline import traffic
from harness.load.result import read, write
from harness.load.scenario import Scenario
from harness.model import (
    Cause,
    CheckResult,
    Evidence,
    ExpectedGate,
    GateRun,
    Outcome,
    Phase,
    Record,
    SessionEnd,
    Subject,
)
from harness.policy import decide
from harness.profile import Profile
from harness.profile.schema import (
    AppConfig,
    AwsConfig,
    LocalConfig,
    PolicyConfig,
    ReportsConfig,
    SuitesConfig,
)
from harness.shapes import ValidationError
from harness.threshold import parse_any
from harness.verdict.info import Override, RunInfo, policy_uri, resource_uri, rules
from harness.verdict.reading import encode
from harness.verdict.statement import build
from harness.verdict.store import FILE, folder_of, run_folder, write_atomic
from load_parts import MS, run_of
from records import waiver

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
OWN = "load.scenarios.keeps_its_rules[api]"
AGAINST = "load.baseline.keeps_its_baseline[api]"

HOSTS = ["example.com", "127.0.0.1"]


def scenario(**values: Any) -> Scenario:
    given = {
        "name": "api",
        "url": "https://example.com/health",
        "rate": 40.0,
        "thresholds": [parse_any("success_rate >= 95%"), parse_any("p95 <= baseline + 10%")],
    }
    return Scenario(**{**given, **values})


def profile(*scenarios: Scenario, name: str = "staging", **parts: Any) -> Profile:
    made = Profile(
        name=name,
        description="",
        app=AppConfig(),
        aws=AwsConfig(account="123456789012"),
        local=LocalConfig(),
        policy=PolicyConfig(),
        reports=ReportsConfig(),
        suites=SuitesConfig(),
        phases={Phase.PRE_DEPLOY: (("load",),)},
        gates={"load": LoadConfig(allowed_hosts=HOSTS, scenarios=list(scenarios))},
        resources={},
        resolved={},
    )
    return replace(made, **parts)


@dataclass
class Store:
    """A reports folder with earlier runs."""

    root: Path

    def add(
        self,
        run_id: str,
        *,
        minutes: int = 0,
        sent: Scenario | None = None,
        own: Mapping[str, Any] | None = None,
        against: Mapping[str, Any] | None = None,
        of: Profile | None = None,
        lists_scenario: bool = True,
        **info: Any,
    ) -> Path:
        """One more run, with the results of both its checks; everything is as it should be unless told otherwise."""
        where = of or profile(scenario())
        folder = run_folder(folder_of(self.root / "reports", "staging", Phase.PRE_DEPLOY), run_id)
        (folder / "load/scenarios/api").mkdir(parents=True)
        write(folder / "load/scenarios/api/result.json", run_of([([10 * MS] * 10, 0)]))
        said = json.dumps(traffic(sent or scenario()))
        write_atomic(folder / "load/scenario.json", said.encode())
        listed = {
            name: Evidence(name, path, hashlib.sha256((folder / path).read_bytes()).hexdigest(), 1)
            for name, path in (("result.json", "load/scenarios/api/result.json"), ("scenario.json", "load/scenario.json"))
        }  # fmt: skip
        results = (
            CheckResult(**{"id": OWN, "gate": "load", "outcome": Outcome.PASSED, "evidence": (listed["result.json"],), **(own or {})}),
            CheckResult(**{"id": AGAINST, "gate": "load", "outcome": Outcome.PASSED, "evidence": (listed["scenario.json"],) if lists_scenario else (), **(against or {})}),
        )  # fmt: skip
        given = {
            "run_id": run_id,
            "profile": where.name,
            "phase": Phase.PRE_DEPLOY,
            "resource_uri": resource_uri(where),
            "subjects": (Subject("source", {"gitCommit": "c" * 40}),),
            "started": NOW + timedelta(minutes=minutes),
            "policy_digest": "d" * 64,
            "policy_uri": policy_uri(where),
            "version": "0.1.0",
        }
        known = RunInfo(**{**given, **info}).ended(NOW + timedelta(minutes=minutes + 1), 86400.0)
        record = Record(
            replace(
                rules(where),
                waivers=(
                    waiver(
                        "w1",
                        "load.baseline.keeps_its_baseline[api]",
                        created=NOW - timedelta(days=3),
                        expires=NOW + timedelta(days=3),
                    ),
                ),
            ),
            (ExpectedGate("load", 1),),
            (),
            (GateRun("load", SessionEnd.COMPLETED),),
            results,
            partial=known.partial,
            at=known.started,
        )
        write_atomic(folder / FILE, encode(build(known, record, decide(record))))
        return folder

    def find(self, *scenarios: Scenario, of: Profile | None = None) -> dict[str, Mapping[str, str]]:
        """What the gate's prepare step, found as the session finds it, says."""
        self.context = GateContext(
            "now", "load", Phase.PRE_DEPLOY, of or profile(*(scenarios or (scenario(),))), self.root, self.root / "now", {}
        )  # fmt: skip
        found: dict[str, Mapping[str, str]] = resolve(GATES["load"].prepare)(self.context).get(KEY, {})
        return found

    def missing(self, *scenarios: Scenario, of: Profile | None = None) -> str:
        found = self.find(*scenarios, of=of)["api"]
        assert set(found) == {"missing", "hint"}, found
        assert "becomes the baseline" in found["hint"]
        return found["missing"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_the_last_go_is_the_baseline_and_is_kept(store: Store) -> None:
    store.add("new", minutes=10)
    store.add("old")
    found = store.find()["api"]
    assert (found["run"], found["finished"]) == ("new", "2026-11-02 12:11 UTC")
    copy = copy_of(store.context, "api")
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == found["sha256"]
    assert read(copy).sent == 10


def test_without_rules_on_a_baseline_nothing_is_looked_for(store: Store) -> None:
    store.add("old")
    assert store.find(scenario(thresholds=[parse_any("p95 < 5s")])) == {}


def test_the_first_run_has_none(store: Store) -> None:
    assert store.missing() == "no earlier GO of staging pre-deploy with this scenario"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"overrides": {"gates.load.budget": Override("1h", "--set")}}, "overridden (gates.load.budget)"),
        ({"of": profile(scenario(), aws=AwsConfig(account="999999999999"))}, "another environment (aws://999999999999/"),
        ({"stand_in": True}, "another environment"),
        ({"own": {"outcome": Outcome.SKIPPED, "reason": "no", "cause": Cause.ABSENT}}, "the scenario did not pass"),
        ({"own": {"id": "load.scenarios.keeps_its_rules[web]"}}, "the scenario did not pass"),
        ({"against": {"outcome": Outcome.FAILED, "reason": "slow", "waiver": "w1"}}, "did not keep the baseline of its time"),
    ],
)  # fmt: skip
def test_some_runs_do_not_count_and_an_earlier_one_does(
    store: Store, values: dict[str, Any], why: str
) -> None:
    store.add("new", minutes=10, **values)
    said = store.missing()
    assert said.startswith("no earlier GO of staging pre-deploy with this scenario; run new does not count: ")
    assert why in said
    store.add("old")
    assert store.find()["api"]["run"] == "old"


@pytest.mark.parametrize(
    "values",
    [
        {"own": {"outcome": Outcome.FAILED, "reason": "slow"}},
        {"partial": True},
    ],
)
def test_what_is_no_go_is_not_spoken_of(store: Store, values: dict[str, Any]) -> None:
    store.add("new", minutes=10, **values)
    store.add("old")
    assert store.find()["api"]["run"] == "old"


def test_verdicts_that_cannot_be_read_or_are_another_runs_are_no_go(store: Store) -> None:
    damaged, moved = store.add("a", minutes=10), store.add("b", minutes=20)
    raw = (damaged / FILE).read_bytes()
    (damaged / FILE).write_bytes(raw.replace(b"PASSED", b"FAILED", 1))
    moved.rename(moved.with_name("c"))
    (moved.parent / "empty").mkdir()
    store.add("old")
    assert store.find()["api"]["run"] == "old"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"rate": 50.0}, "rate was 50 and is 40"),
        ({"url": "https://example.com/other"}, "url was https://example.com/other and is https://example.com/health"),
        ({"method": "HEAD", "timeout": 5.0}, "method was HEAD and is GET; timeout was 5 and is 10"),
        ({"headers": {"X-A": "hush"}}, "headers differs"),
        ({"body": "hush", "method": "POST"}, "body differs; method was POST and is GET"),
        ({"rate": None, "users": 3}, "rate was not set and is 40; users was 3 and is not set"),
    ],
)  # fmt: skip
def test_other_traffic_is_no_baseline_and_no_older_run_takes_its_place(
    store: Store, values: dict[str, Any], why: str
) -> None:
    store.add("old")
    store.add("new", minutes=10, sent=scenario(**values))
    said = store.missing()
    assert said == f"run new, the last GO, sent something else: {why}"
    assert "hush" not in said


def test_rules_may_change_between_runs(store: Store) -> None:
    store.add("old", sent=scenario(thresholds=[parse_any("p95 < 1s")], min_requests=7, confidence=0.9))
    assert store.find()["api"]["run"] == "old"


def test_what_is_not_what_the_verdict_lists_is_no_baseline_nor_is_an_older_run(store: Store) -> None:
    store.add("old")
    folder = store.add("new", minutes=10)
    result = folder / "load/scenarios/api/result.json"
    raw = result.read_bytes()
    result.write_bytes(raw + b"\n")
    assert store.missing() == (
        "load/scenarios/api/result.json of run new, the last GO, is not the file that its verdict lists: it was changed "
        "afterwards"
    )
    result.unlink()
    assert store.missing() == "run new, the last GO, has lost its load/scenarios/api/result.json"
    (store.root / "elsewhere.json").write_bytes(raw)
    result.symlink_to(store.root / "elsewhere.json")
    assert "has lost its" in store.missing(), "what lies outside the run is not its evidence"


def test_a_run_that_does_not_say_what_it_sent_is_no_baseline(store: Store) -> None:
    folder = store.add("new", lists_scenario=False)
    assert store.missing() == "run new, the last GO, does not say what it sent"
    assert folder.is_dir()


def test_a_run_without_a_result_is_no_baseline(store: Store) -> None:
    store.add("new", own={"evidence": ()})
    assert store.missing() == "run new, the last GO, lists no result.json of this scenario"


@pytest.mark.parametrize("said", [b"{", b"[]", b"\xff"])
def test_what_was_sent_must_be_readable(store: Store, said: bytes) -> None:
    listed = Evidence("scenario.json", "load/said", hashlib.sha256(said).hexdigest(), len(said))
    folder = store.add("new", against={"evidence": (listed,)})
    (folder / "load/said").write_bytes(said)
    assert store.missing() == "what run new, the last GO, sent cannot be read"


def test_each_scenario_has_its_own(store: Store) -> None:
    store.add("old")
    found = store.find(scenario(), scenario(name="web"))
    assert set(found) == {"api", "web"}
    assert found["api"]["run"] == "old"
    assert "the scenario did not pass in it" in found["web"]["missing"]


# The gate's table


def test_a_scenario_with_such_rules_has_one_more_check() -> None:
    config = LoadConfig(
        allowed_hosts=HOSTS, scenarios=[scenario(), scenario(name="web", thresholds=[parse_any("p95 < 5s")])]
    )
    given = profile(gates={"load": config})
    assert [check.id for check in config.expected("load", given, Phase.PRE_DEPLOY)] == [
        "load.scenarios.keeps_its_rules[api]",
        "load.baseline.keeps_its_baseline[api]",
        "load.scenarios.keeps_its_rules[web]",
    ]
    compared = config.parameters(given, Phase.PRE_DEPLOY)["baseline_scenario"]
    assert [name for name, _ in compared] == ["api"]


def test_scenarios_with_such_rules_are_not_shared_by_workers() -> None:
    with pytest.raises(ValidationError, match="leave workers at 0"):
        LoadConfig(allowed_hosts=HOSTS, scenarios=[scenario()], workers=2)
    LoadConfig(allowed_hosts=HOSTS, scenarios=[scenario(thresholds=[parse_any("p95 < 5s")])], workers=2)


def test_a_scenario_needs_a_rule_that_a_first_run_can_keep() -> None:
    with pytest.raises(ValidationError, match="all of its thresholds name the baseline"):
        scenario(thresholds=[parse_any("p95 <= baseline")])
    with pytest.raises(ValidationError, match=r"early_pass .*'p95 <= baseline \+ 10%' is not one"):
        scenario(early_pass=True)
