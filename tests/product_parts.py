"""The command in a folder of its own, and what a run of it came to."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.model import CheckResult, GateVerdict
from harness.verdict.statement import Verdict, parse
from tests_environment import environment

QUICK = (
    "gates.load.scenarios[0].duration=2s",
    "gates.load.scenarios[0].min_requests=20",
    "gates.load.scenarios[1].duration=2s",
    "gates.load.scenarios[1].min_requests=20",
    "gates.integration.settle=2s",
    "journeys.domains[0].timeout=5s",
)
"""The local profile's own scenarios, shorter: the path is the real one."""
IMAGES = ("--image", "api=v1.0.0", "--image", "web=v1.0.0")


@dataclass
class Done:
    """A gate run that is over."""

    code: int
    stdout: str
    stderr: str
    home: Path

    @property
    def verdict(self) -> Verdict:
        return parse((self.home / "verdict.intoto.json").read_bytes())

    @property
    def gates(self) -> dict[str, GateVerdict]:
        return {gate.gate: gate for gate in self.verdict.decided.gates}

    @property
    def results(self) -> dict[str, CheckResult]:
        return {result.id: result for result in self.verdict.record.results}

    @property
    def not_passed(self) -> dict[str, CheckResult]:
        return {name: result for name, result in self.results.items() if result.outcome != "passed"}


@dataclass
class Product:
    """The command in an empty folder."""

    root: Path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "harness.cli", *arguments]

    def run(
        self, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=environment(environ),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def gate(
        self,
        profile: str,
        *arguments: str,
        phase: str = "pre-deploy",
        environ: Mapping[str, str] | None = None,
    ) -> Done:
        done = self.run("gate", "--profile", profile, "--phase", phase, *arguments, environ=environ)
        return Done(done.returncode, done.stdout, done.stderr, self.root / "reports" / profile / phase)

    def local(self, *arguments: str, phase: str = "pre-deploy") -> Done:
        quick = [part for each in QUICK for part in ("--set", each)]
        return self.gate("local", *IMAGES, *quick, *arguments, phase=phase)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments).stdout)


class SilentHost:
    """A listening socket that counts who connects, and answers nobody."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    @property
    def connections(self) -> int:
        """How many connections wait in its queue."""
        count = 0
        self._listener.settimeout(0)
        while True:
            try:
                self._listener.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1
