"""A small application with a profile of its own, whose static gates run as the supervisor runs them."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness import codec
from harness.gates import tables
from harness.gates.context import GateContext
from harness.model import CheckResult, Phase, Subject
from harness.profile.loader import load_profile
from harness.run import session
from harness.scanners.advisories import build

PROFILE = """
description = "Static gates"
[phases]
pre-deploy = [["unit", "lint", "security"]]
[app]
path = "app"
images = { api = "api" }
[gates.unit]
tests = ["tests"]
sources = ["src"]
arguments = ["-p", "no:locust", "-p", "no:allure_pytest", "-p", "no:hypothesispytest"]
[gates.security.safety]
advisories = "mirror"
"""
FILES = {
    "app/src/code.py": "def twice(x: int) -> int:\n    return 2 * x\n",
    "app/tests/test_code.py": "from src.code import twice\n\n\ndef test_twice() -> None:\n    assert twice(2) == 4\n",
    "app/requirements.txt": "jinja2==3.1.6\n",
    "app/ruff.toml": "[lint]\nselect = ['F']\n",
    "profiles/p.toml": PROFILE,
    "osv/one.json": json.dumps(
        {
            "id": "PYSEC-1",
            "modified": "2024-01-01T00:00:00Z",
            "affected": [
                {
                    "package": {"name": "jinja2", "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.11.3"}]}],
                }
            ],
        }
    ),
}
RunGate = Callable[..., dict[str, CheckResult]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder the command runs in."""
    made = tmp_path / "root"
    for name, text in FILES.items():
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    build(made / "osv", made / "mirror", source="one record")
    return made


@pytest.fixture
def run_gate(root: Path) -> RunGate:
    """Run one gate's session; gives its results by id without the gate's name."""

    def run(
        gate: str,
        *overrides: str,
        images: Mapping[str, str] | None = None,
        subjects: tuple[Subject, ...] = (),
    ) -> dict[str, CheckResult]:
        folder = root / "reports" / gate
        profile = load_profile("p", tables(), folder=root / "profiles", overrides=overrides, environ={})
        context = GateContext("run-1", gate, Phase.PRE_DEPLOY, profile, root, folder, images or {}, subjects)
        context.work.mkdir(parents=True)
        child, _ = session.start(context, os.environ)
        try:
            child.wait(timeout=60)
        finally:
            child.kill()
            child.wait()
        if not context.ledger.is_file():
            pytest.fail((context.work / "session.log").read_text())
        events = [json.loads(line) for line in context.ledger.read_text().splitlines()]
        results = [codec.load(CheckResult, event["result"]) for event in events if event["event"] == "check"]
        return {result.id.removeprefix(f"{gate}."): result for result in results}

    return run


@pytest.fixture
def commit(root: Path) -> Callable[[], str]:
    """Commit the application; gives the commit."""

    def run() -> str:
        def git(*arguments: str) -> str:
            identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
            return subprocess.run(
                ["git", *identity, *arguments], cwd=root / "app", check=True, capture_output=True, text=True
            ).stdout.strip()

        git("init", "-q")
        git("add", ".")
        git("commit", "-qm", "all")
        return git("rev-parse", "HEAD")

    return run
