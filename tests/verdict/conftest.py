"""One environment, one GO of it, and the means to bend either."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from harness.codec import canonical
from harness.model import (
    CheckResult,
    Decided,
    Decision,
    Evidence,
    ExpectedCheck,
    ExpectedGate,
    Finding,
    GateRun,
    Measurement,
    Outcome,
    Phase,
    Record,
    SessionEnd,
    Subject,
    Unit,
    Waiver,
)
from harness.policy import decide
from harness.profile import Profile
from harness.profile.schema import (
    AppConfig,
    AwsConfig,
    GateConfig,
    LocalConfig,
    PolicyConfig,
    ReportsConfig,
    SuitesConfig,
)
from harness.threshold import parse as parse_threshold
from harness.verdict.format import EXTENSION
from harness.verdict.info import Override, RunInfo, image_check, policy_uri, resource_uri, rules
from harness.verdict.reading import encode
from harness.verdict.statement import build
from harness.verdict.verify import Question, Verified, verify

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
API = "sha256:" + "a" * 64
COMMIT = "c" * 40
RUN = "20261102T115500Z-4f1c"
POLICY = "d" * 64
EVIDENCE = b"12 passed\n"


def make_profile(name: str = "staging", **changes: Any) -> Profile:
    profile = Profile(
        name=name,
        description="",
        app=AppConfig(images={"api": "api", "web": "web"}),
        aws=AwsConfig(account="123456789012"),
        local=LocalConfig(),
        policy=PolicyConfig(),
        reports=ReportsConfig(),
        suites=SuitesConfig(),
        phases={Phase.PRE_DEPLOY: (("unit",), ("load",))},
        gates={"subject": GateConfig(), "unit": GateConfig(), "load": GateConfig()},
        resources={},
        resolved={},
    )
    return replace(profile, **changes)


def gate_plan() -> tuple[tuple[ExpectedGate, ...], tuple[ExpectedCheck, ...]]:
    gates = (ExpectedGate("subject", 0), ExpectedGate("unit", 0, budget=300.0), ExpectedGate("load", 1))
    checks = (
        ExpectedCheck("subject.source.committed", "subject"),
        ExpectedCheck("unit.tests.all_pass", "unit"),
        ExpectedCheck("unit.coverage.reaches_the_bar", "unit"),
        ExpectedCheck("load.scenarios.keeps_its_rules[api-health]", "load", "api-health"),
    )
    return gates, checks


def all_passed() -> tuple[CheckResult, ...]:
    response_time = Measurement.of("avg_response_time", 0.118, Unit.SECONDS, sample=3000)
    rule = parse_threshold("avg_response_time < 2s")
    evidence = Evidence(
        "pytest.txt", "unit/evidence/pytest.txt", hashlib.sha256(EVIDENCE).hexdigest(), len(EVIDENCE)
    )
    return (
        CheckResult("subject.source.committed", "subject", Outcome.PASSED, title="The tree is clean"),
        CheckResult(
            "subject.images.resolve[api]",
            "subject",
            Outcome.PASSED,
            resource="api",
            subjects=(Subject("api", {"sha256": "a" * 64}),),
        ),
        CheckResult(
            "unit.tests.all_pass",
            "unit",
            Outcome.PASSED,
            evidence=(evidence,),
            findings=(Finding("W1", "a warning", "low", "app.py", 3),),
            facts={"pytest": "9.2"},
            started=NOW - timedelta(minutes=4),
            duration=2.5,
        ),
        CheckResult("unit.coverage.reaches_the_bar", "unit", Outcome.PASSED),
        CheckResult(
            "load.scenarios.keeps_its_rules[api-health]",
            "load",
            Outcome.PASSED,
            resource="api-health",
            measurements=(response_time, Measurement("p95", Fraction(1, 3), Unit.SECONDS, 3000)),
            thresholds=(rule.judge(response_time),),
        ),
    )


@dataclass
class Case:
    """A verdict on disk, with the consumer's side of the question; both are changed before asking."""

    folder: Path
    profile: Profile = field(default_factory=make_profile)
    phase: Phase = Phase.PRE_DEPLOY
    subjects: Mapping[str, str] = field(default_factory=lambda: {"api": API})
    source: str = ""
    policy_digest: str = POLICY
    now: datetime = NOW
    require_evidence: bool = False
    info: RunInfo = field(init=False)
    record: Record = field(init=False)
    decided: Decided = field(init=False)

    def __post_init__(self) -> None:
        self.gates, self.checks = gate_plan()
        self.info = RunInfo(
            run_id=RUN,
            profile="staging",
            phase=Phase.PRE_DEPLOY,
            resource_uri=resource_uri(self.profile),
            subjects=(Subject("source", {"gitCommit": COMMIT}), Subject("api", {"sha256": "a" * 64})),
            started=NOW - timedelta(minutes=5),
            policy_digest=POLICY,
            policy_uri=policy_uri(self.profile),
            version="0.1.0",
            started_by="ci",
            images={"api": "v1.2.3"},
            overrides={"app.path": Override("../app", "--set")},
        ).ended(NOW - timedelta(minutes=1), 86400.0)
        self.record = Record(
            rules(self.profile),
            self.gates,
            (*self.checks, image_check("api")),
            tuple(GateRun(gate.name, SessionEnd.COMPLETED, duration=1.5) for gate in self.gates),
            all_passed(),
            at=self.info.started,
        )
        self.decided = decide(self.record)

    @property
    def path(self) -> Path:
        return self.folder / "verdict.intoto.json"

    @property
    def evidence(self) -> Path:
        return self.folder / "runs" / self.info.run_id / "unit" / "evidence" / "pytest.txt"

    def result(self, check: str, **changes: Any) -> None:
        """Change what one check reported, and decide again."""
        results = tuple(
            replace(result, **changes) if result.id == check else result for result in self.record.results
        )
        self.record = replace(self.record, results=results)
        self.decided = decide(self.record)

    def waive(self, *waivers: Waiver) -> None:
        """Let the profile and the run know these waivers."""
        self.profile = replace(self.profile, waivers=waivers)
        self.record = replace(self.record, policy=rules(self.profile))
        self.decided = decide(self.record)

    def statement(self) -> dict[str, Any]:
        return build(self.info, self.record, self.decided)

    def write(self) -> "Case":
        self.path.write_bytes(encode(self.statement()))
        return self

    def write_evidence(self, content: bytes = EVIDENCE) -> "Case":
        self.evidence.parent.mkdir(parents=True, exist_ok=True)
        self.evidence.write_bytes(content)
        return self

    def verify(self, path: Path | None = None) -> Verified:
        asked = Question(
            profile=self.profile,
            gates=self.gates,
            checks=self.checks,
            policy_digest=self.policy_digest,
            phase=self.phase,
            subjects=self.subjects,
            source=self.source,
            now=self.now,
            require_evidence=self.require_evidence,
        )
        return verify(path or self.path, asked)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A GO of a moment ago for image api in staging, not written yet."""
    made = Case(tmp_path)
    assert made.decided.decision is Decision.GO
    return made


@pytest.fixture(scope="session")
def sealed() -> Callable[[Mapping[str, Any]], bytes]:
    """Gives a statement that was changed by hand a checksum of its own again, as a forger would."""

    def seal(statement: Mapping[str, Any]) -> bytes:
        statement["predicate"][EXTENSION]["sha256"] = ""
        statement["predicate"][EXTENSION]["sha256"] = hashlib.sha256(canonical(statement)).hexdigest()
        return encode(statement)

    return seal


@pytest.fixture(scope="session")
def stored() -> bytes:
    """The bytes of a GO."""
    return encode(Case(Path()).statement())
