"""Fixtures of the engine's tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine_parts import GOOD, PROFILE, Repo
from harness.verdict.statement import Verdict


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "repo")
    made.write("profiles/p.toml", PROFILE)
    made.write("app.py", "print('an application')\n")
    made.suite(GOOD)
    return made


@pytest.fixture
def outcomes() -> Callable[[Verdict], dict[str, str]]:
    """Check id -> outcome of a verdict."""
    return lambda verdict: {result.id: str(result.outcome) for result in verdict.record.results}
