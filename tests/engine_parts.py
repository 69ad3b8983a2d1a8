"""A small repository with a profile of its own, gated for real through the command line."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.verdict.statement import Verdict, parse

PROFILE = """
description = "A profile for tests of the engine"
[phases]
pre-deploy = [["smoke"]]
[gates.smoke]
budget = "20s"
required_checks = ["mine.good"]
"""
GOOD = '''
def test_good(check):
    """Is good."""
    check.measure("seen", 3, sample=3)
'''


@dataclass
class Repo:
    """A user's repository in a folder of its own."""

    root: Path

    def write(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def suite(self, *functions: str, gate: str = "smoke") -> None:
        self.write(f"suites/{gate}/test_mine.py", "\n".join(functions))

    def run(
        self, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """``gonogo …`` in the repository."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "GONOGO_"))}
        return subprocess.run(
            [sys.executable, "-m", "harness.cli", *arguments],
            cwd=self.root,
            env={**kept, "CI": "", "COLUMNS": "200", **(environ or {})},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def gate(
        self, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return self.run("gate", "--profile", "p", *arguments, environ=environ)

    def pytest(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def verdict_file(self) -> Path:
        return self.root / "reports/p/pre-deploy/verdict.intoto.json"

    @property
    def verdict(self) -> Verdict:
        return parse(self.verdict_file.read_bytes())
