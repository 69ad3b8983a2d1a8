"""A verdict that is GO, in both of its forms, and the question that it answers."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import VerdictError
from harness.gates import tables
from harness.model import (
    CheckResult,
    ExpectedCheck,
    ExpectedGate,
    GateRun,
    Outcome,
    Phase,
    Record,
    SessionEnd,
    Subject,
)
from harness.policy import decide
from harness.profile.loader import load_profile
from harness.profile.schema import SigningConfig
from harness.verdict.envelope import PAYLOAD_TYPE, seal
from harness.verdict.info import RunInfo, policy_uri, resource_uri, rules
from harness.verdict.reading import Unreadable, encode
from harness.verdict.refusal import Refusal
from harness.verdict.statement import build
from harness.verdict.verify import Question, Verified, verify
from signing_parts import Signer

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
SOURCE, POLICY = "c" * 40, "d" * 64
CODES = {code.value for code in Refusal}
UNREADABLE = {code.value for code in Unreadable}


@dataclass(frozen=True)
class Go:
    """A GO, its envelope, and the question that it answers."""

    question: Any
    statement: dict[str, Any]
    raw: bytes
    sealed: bytes
    signer: Signer

    def ask(self, raw: bytes, folder: Path, *, signed: bool) -> Verified | None:
        """What verifying these bytes comes to; ``None`` where they are refused, with a code and a hint."""
        path = folder / "verdict.intoto.json"
        path.write_bytes(raw)
        question = dict(self.question)
        if signed:
            policy = question["profile"].policy
            signing = SigningConfig(signers=[self.signer.config])
            profile = replace(question["profile"], policy=policy.model_copy(update={"signing": signing}))
            question["profile"] = profile
        try:
            return verify(path, Question(**question))
        except VerdictError as error:
            refused = error
        assert refused.code in CODES
        assert refused.hint
        assert str(path) in refused.message or refused.code not in UNREADABLE, refused.message
        return None


@cache
def go() -> Go:
    profile = load_profile("local", tables(), folder=Path("nowhere"), environ={})
    gates = (ExpectedGate("subject", 0), ExpectedGate("unit", 1))
    checks = (
        ExpectedCheck("subject.source.committed", "subject"),
        ExpectedCheck("unit.tests.all_pass", "unit"),
    )
    started = NOW - timedelta(minutes=5)
    runs = tuple(GateRun(gate.name, SessionEnd.COMPLETED, duration=1.5) for gate in gates)
    passed = tuple(_passed(check) for check in checks)
    record = Record(rules(profile), gates, checks, runs, passed, at=started)
    info = RunInfo(
        run_id="20261102T115500Z-4f1c", profile=profile.name, phase=Phase.PRE_DEPLOY, resource_uri=resource_uri(profile),
        subjects=(Subject("source", {"gitCommit": SOURCE}),), started=started, policy_digest=POLICY,
        policy_uri=policy_uri(profile), version="0.1.0", stand_in=True,
    ).ended(NOW - timedelta(minutes=1), 86400.0)  # fmt: skip
    statement = build(info, record, decide(record))
    signer = Signer.make("ci")
    raw = encode(statement)
    question = {
        "profile": profile, "gates": gates, "checks": checks, "policy_digest": POLICY, "phase": Phase.PRE_DEPLOY,
        "subjects": {}, "source": SOURCE, "now": NOW,
    }  # fmt: skip
    return Go(question, statement, raw, seal(raw, PAYLOAD_TYPE, [signer]), signer)


def _passed(check: ExpectedCheck) -> CheckResult:
    return CheckResult(check.id, check.gate, Outcome.PASSED, title="It is well", facts={"seen": "3"})
