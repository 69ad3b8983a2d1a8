"""A profile in a folder, and runs of it with evidence that are published to a store."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.cli.asked import load
from harness.gates import plan
from harness.model import CheckResult, Evidence, GateRun, Outcome, Phase, Record, SessionEnd, Subject
from harness.policy import decide
from harness.profile import Profile
from harness.profile.digest import policy_digest, policy_document
from harness.verdict.info import RunInfo, image_check, policy_uri, resource_uri, rules
from harness.verdict.reading import encode
from harness.verdict.statement import build, placeholder
from harness.verdict.store import FILE, RUNS, publish, write_atomic
from harness.verdict.stores import Series, VerdictStore

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
COMMIT = "c" * 40
PROFILE = """
description = "Another team's staging"

[app]
images = { api = "api" }

[aws]
account = "123456789012"

[phases]
pre-deploy = [["unit"]]

[gates.unit]
sources = ["apps"]
"""
SERIES = Series("mine", Phase.PRE_DEPLOY)
EVIDENCE = {
    "unit/evidence/pytest.txt": b"12 passed\n",
    "unit/evidence/coverage.json": b'{"lines": 90}\n' * 400,
}


@dataclass
class Releases:
    """A folder with a profile ``mine``, in which runs take place, each a minute after the one before."""

    root: Path
    runs: list[str] = field(default_factory=list)

    def write_profile(self, more: str = "") -> None:
        (self.root / "profiles").mkdir(exist_ok=True)
        (self.root / "profiles" / "mine.toml").write_text(PROFILE + more)

    @property
    def profile(self) -> Profile:
        return load("mine", str(self.root / "profiles"))

    @property
    def reports(self) -> Path:
        return self.root / "reports" / "mine" / "pre-deploy"

    def folder(self, run_id: str) -> Path:
        return self.reports / RUNS / run_id

    def info(self, run_id: str, digest: str = DIGEST) -> RunInfo:
        profile = self.profile
        gates, checks = plan(profile, Phase.PRE_DEPLOY)
        begun = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30 - int(run_id[-2:]))
        return RunInfo(
            run_id=run_id,
            profile="mine",
            phase=Phase.PRE_DEPLOY,
            resource_uri=resource_uri(profile),
            subjects=(
                Subject("source", {"gitCommit": COMMIT}),
                Subject("api", {"sha256": digest.removeprefix("sha256:")}),
            ),
            started=begun,
            policy_digest=policy_digest(policy_document(profile, gates, checks)),
            policy_uri=policy_uri(profile),
            version="0.1.0",
            images={"api": "v1"},
        )

    def record(self, *failing: str) -> Record:
        profile = self.profile
        gates, checks = plan(profile, Phase.PRE_DEPLOY)
        expected = (*checks, image_check("api"))
        return Record(
            rules(profile),
            gates,
            expected,
            tuple(GateRun(gate.name, SessionEnd.COMPLETED) for gate in gates),
            tuple(
                _result(check.id, check.gate, check.id in failing, first=number == 0)
                for number, check in enumerate(expected)
            ),
        )

    def begin(self, digest: str = DIGEST) -> tuple[str, bytes]:
        """A run's id, which begins with its time as real ones do, and its placeholder."""
        run_id = f"20261123T12{len(self.runs):02}00Z-{len(self.runs):02}"
        self.runs.append(run_id)
        info = self.info(run_id, digest)
        pending = replace(info, subjects=info.subjects[:1])
        return run_id, encode(placeholder(pending))

    def verdict(self, run_id: str, *failing: str, digest: str = DIGEST) -> bytes:
        """What a run came to, and its evidence on disk."""
        for path, content in EVIDENCE.items():
            write_atomic(self.folder(run_id) / path, content)
        info = self.info(run_id, digest)
        over = info.ended(info.started + timedelta(seconds=30), 86400.0)
        record = self.record(*failing)
        return encode(build(over, record, decide(record)))

    def run(
        self,
        *failing: str,
        store: VerdictStore | None = None,
        digest: str = DIGEST,
        ended: bool = True,
    ) -> str:
        """A run, in the reports folder and in a store; all checks pass but those named."""
        run_id, pending = self.begin(digest)
        publish(self.reports, pending, run_id, start=True)
        if store is not None:
            store.begin(SERIES, run_id, pending)
        if ended:
            raw = self.verdict(run_id, *failing, digest=digest)
            publish(self.reports, raw, run_id)
            if store is not None:
                store.finish(SERIES, run_id, raw, self.folder(run_id))
        return run_id

    def newest(self) -> Path:
        return self.reports / FILE


def _result(check: str, gate: str, failing: bool, *, first: bool) -> CheckResult:
    evidence = tuple(
        Evidence(Path(path).name, path, hashlib.sha256(content).hexdigest(), len(content))
        for path, content in EVIDENCE.items()
    )
    if failing:
        return CheckResult(check, gate, Outcome.FAILED, reason="it is so", hint="look into it")
    return CheckResult(check, gate, Outcome.PASSED, evidence=evidence if first else ())
