"""A signed verdict with people who approve and override it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from harness.profile.schema import ApprovalConfig, OverrideConfig, PolicyConfig, SigningConfig
from harness.verdict.envelope import PAYLOAD_TYPE, seal
from harness.verdict.evidence import run_home
from harness.verdict.info import Starter
from harness.verdict.override import bypassed, digests
from harness.verdict.record_format import About, Approval, Denial, EmergencyOverride, Record
from harness.verdict.records import attach, sign
from harness.verdict.statement import Verdict, parse
from harness.verdict.verify import Question, Verified, verify
from signing_parts import Signer

CI, ALICE, BOB, CAROL = (Signer.make(name) for name in ("ci", "alice", "bob", "carol"))
STRANGER = Signer.make("stranger", "ecdsa")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@dataclass
class People:
    """A case whose verdict CI signs, which alice and bob may approve, and carol (and alice) may override."""

    case: Any

    def profile(
        self,
        *,
        required: int = 1,
        wait: float = 0.0,
        max_age: float = 86400.0,
        signers: Sequence[Signer] = (CI, ALICE),
        override_max: float = 28800.0,
    ) -> "People":
        self.case.profile = replace(
            self.case.profile,
            policy=PolicyConfig(signing=SigningConfig(signers=[each.config for each in signers])),
            approval=ApprovalConfig(
                required=required,
                approvers=[ALICE.config, BOB.config] if required else [],
                wait=wait,
                max_age=max_age,
            ),
            override=OverrideConfig(signers=[CAROL.config, ALICE.config], max=override_max),
        )
        return self

    def write(self, by: Signer | None = CI, *, claimed: str = "dana", known_as: str = "") -> "People":
        """The verdict, signed by somebody whom the profile calls `known_as`."""
        starter = (
            Starter(known_as or by.name, by.key.keyid)
            if by and self.case.profile.policy.signing.signers
            else None
        )
        self.case.info = replace(self.case.info, started_by=claimed, starter=starter)
        self.case.write()
        if by:
            self.case.path.write_bytes(seal(self.case.path.read_bytes(), PAYLOAD_TYPE, [by]))
        return self

    @property
    def verdict(self) -> Verdict:
        return parse(self.case.path.read_bytes())

    @property
    def about(self) -> About:
        return About.of(self.verdict)

    @property
    def made(self) -> datetime:
        made = self.verdict.info.finished
        assert made is not None
        return made

    @property
    def home(self) -> Path:
        return run_home(self.case.path, self.case.info.run_id)

    def add(self, record: Record, by: Signer) -> Path:
        return attach(self.home, sign(record, by))

    def approve(
        self, by: Signer, *, after: timedelta = MINUTE / 2, name: str = "", comment: str = ""
    ) -> Path:
        return self.add(Approval(self.about, name or by.name, self.made + after, comment), by)

    def deny(
        self, by: Signer, *, after: timedelta = MINUTE / 2, reason: str = "the database is busy"
    ) -> Path:
        return self.add(Denial(self.about, by.name, self.made + after, reason), by)

    def overriding(
        self,
        by: Signer = CAROL,
        *,
        after: timedelta = MINUTE / 2,
        lasts: timedelta = 4 * HOUR,
        **changes: Any,
    ) -> EmergencyOverride:
        at = self.made + after
        verdict = self.verdict
        record = EmergencyOverride(
            self.about,
            by.name,
            at,
            "checkout is down",
            "INC-7",
            at + lasts,
            digests(verdict),
            bypassed(verdict),
        )
        return replace(record, **changes)

    def verify(self, *, accept_override: bool = False, after: timedelta = MINUTE) -> Verified:
        case = self.case
        asked = Question(
            profile=case.profile,
            gates=case.gates,
            checks=case.checks,
            policy_digest=case.policy_digest,
            phase=case.phase,
            subjects=case.subjects,
            now=self.made + after,
            accept_override=accept_override,
        )
        return verify(case.path, asked)
