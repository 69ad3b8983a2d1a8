"""Where faults are injected: copies of a small application, gated under the rules of a real profile.

Of the profile come the rules (thresholds, floors, skips, ages), never the places: no copy knows the user's
repository, environment or AWS. Each copy (`harness.selftest.copies`) is a folder of its own; the keys that sign are made
for this self-test alone.
"""

import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from harness.errors import GonogoError
from harness.frozen import dataclass, field
from harness.gates.load import LoadConfig
from harness.gates.security import SecurityConfig
from harness.gates.unit import UnitConfig
from harness.profile import Profile
from harness.profile.public_key import KeyKind
from harness.selftest import sample
from harness.selftest.copies import APPROVER, CARRIER, COMMANDER, LASTS, RUNNER, SOON, STRANGER, Copy
from harness.selftest.fault import GO
from harness.verdict.signing import FileKey, new_private, private_pem, public_of

RULES = ["success_rate >= 95%", "avg_response_time < 2s"]
"""For a profile whose scenarios have no rule on a web address."""


@dataclass
class Lab:
    """What all copies of one self-test share. `base` is an empty folder; `environ` is laid over each copy's environment."""

    profile: Profile
    base: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _lock_of_healthy: Lock = field(default_factory=Lock)
    _made: int = 0
    _healthy: "dict[bool, Copy]" = field(default_factory=dict)

    @cached_property
    def keys(self) -> Mapping[str, FileKey]:
        """Everybody's key, made for this self-test alone; that of the runs is in a file as well."""
        private = {name: new_private(KeyKind.ED25519) for name in (RUNNER, APPROVER, COMMANDER, STRANGER)}
        path = self.base / "selftest.key"
        path.touch(0o600)
        path.write_bytes(private_pem(private[RUNNER]))
        return {name: FileKey(public_of(each), each) for name, each in private.items()}

    @property
    def key(self) -> FileKey:
        """Whom the copies trust to sign verdicts."""
        return self.keys[RUNNER]

    def signer(self, name: str) -> dict[str, str]:
        """One of them, as a profile names people."""
        return {"name": name, "key": self.keys[name].key.text}

    @cached_property
    def _template(self) -> Path:
        """Application and advisories, made once and copied."""
        made = self.base / "template"
        unit, security = self.profile.gate("unit", UnitConfig), self.profile.gate("security", SecurityConfig)
        sample.write_app(
            made / "app",
            tests=unit.min_tests,
            files=security.bandit.min_files,
            clean=self.profile.app.require_clean,
        )
        sample.write_advisories(made / "advisories", records=security.safety.min_records)
        return made

    def copy(self, *gates: str) -> "Copy":
        """A fresh copy whose profile runs these gates, side by side."""
        with self._lock:
            _ = self.key
            template = self._template
        root = self.folder()
        shutil.copytree(template, root, symlinks=True)
        return Copy(self, root, gates)

    def folder(self) -> Path:
        """A name for one more copy."""
        with self._lock:
            self._made += 1
            return self.base / f"{self._made:03d}"

    def again(self, *, approved: bool = False) -> "Copy":
        """A copy of one that was run before and is GO: its verdict is on file, and its checks may be others now.

        With `approved`, of one whose profile demands an approval, which it has.

        Raises:
            GonogoError: it is not GO.
        """
        with self._lock_of_healthy:
            if approved not in self._healthy:
                self._healthy[approved] = self._run_one(approved=approved)
            healthy = self._healthy[approved]
        copy = Copy(self, self.folder(), (CARRIER,), settings=dict(healthy.settings), more=healthy.more)
        shutil.copytree(healthy.root, copy.root, symlinks=True)
        return copy

    def _run_one(self, *, approved: bool) -> "Copy":
        made = self.copy(CARRIER)
        made.carry()
        if approved:
            people = [self.signer(name) for name in (APPROVER, COMMANDER, RUNNER)]
            wait, lasts = (f"{each.total_seconds():.0f}s" for each in (SOON, LASTS))
            made.more["approval"] = {"required": 1, "approvers": people, "wait": wait, "max_age": lasts}
            made.more["override"] = {"signers": [self.signer(COMMANDER)], "max": lasts}
        done = made.gate()
        verdict = made.verdict()
        over = verdict.info.finished if verdict else None
        if approved and over:
            made.approve(APPROVER)
        if (came := made.verify(now=over + 2 * SOON if over else None)).answer != GO:
            raise GonogoError(
                f"a run without a fault is not GO: {came.told} {done.output[-800:].strip()}",
                hint="see the control",
            )
        return made

    def table(self, gate: str) -> dict[str, Any]:
        """What a copy's profile says of a gate: the rules of the user's, in the sample's places."""
        profile = self.profile
        match gate:
            case "unit":
                given = profile.gate("unit", UnitConfig)
                return {
                    "tests": ["tests/unit"],
                    "sources": [sample.SOURCES],
                    "coverage": given.coverage.text,
                    "branch": given.branch,
                    "min_tests": given.min_tests,
                }
            case "security":
                own = profile.gate("security", SecurityConfig)
                safety = {"advisories": "advisories", "max_age": f"{own.safety.max_age:.0f}s"}
                return {
                    "bandit": {**own.bandit.model_dump(), "paths": [sample.SOURCES]},
                    "safety": {**safety, "min_records": own.safety.min_records},
                }
            case "load":
                return {"allowed_hosts": ["127.0.0.1"], "scenarios": [self._scenario()]}
            case "integration":
                return {"settle": "1s"}
            case _:
                return {}

    def _scenario(self) -> dict[str, Any]:
        scenarios = self.profile.gate("load", LoadConfig).scenarios
        rules = next(([rule.text for rule in each.rules] for each in scenarios if each.url), RULES)
        return {
            "name": "api",
            "url": "http://127.0.0.1:9/health",
            "rate": "20/s",
            "duration": "5s",
            "timeout": "5s",
            "min_requests": 50,
            "thresholds": rules,
        }
