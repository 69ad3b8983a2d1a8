"""Small real applications on disk, and a recorder that stands where a check does."""

import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import pytest

from harness.model import Cause, Finding, Unit

Project = Callable[[Mapping[str, str]], Path]


class EndedError(Exception):
    """How a recorder was told to end."""

    def __init__(self, outcome: str, reason: str, hint: str, cause: Cause | None = None) -> None:
        super().__init__(reason)
        self.outcome, self.reason, self.hint, self.cause = outcome, reason, hint, cause


@dataclass
class Notes:
    """Everything a scan tells a check."""

    measured: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def measure(
        self, metric: str, value: Fraction | float | None, unit: Unit = Unit.COUNT, *, sample: int = 1
    ) -> None:
        self.measured[metric] = (value, unit, sample)

    def fact(self, name: str, value: object) -> None:
        self.facts[name] = value

    def finding(self, finding: Finding) -> None:
        self.findings.append(finding)

    def diagnose(self, lines: str | Iterable[str]) -> None:
        self.lines.extend([lines] if isinstance(lines, str) else lines)

    def evidence(self, name: str, content: str | bytes | Path, media_type: str = "text/plain") -> None:
        assert isinstance(content, Path)
        assert content.name == name
        assert media_type
        self.files.append(content)

    def fail(self, reason: str, *, hint: str = "") -> NoReturn:
        raise EndedError("failed", reason, hint)

    def error(self, reason: str, *, hint: str = "") -> NoReturn:
        raise EndedError("error", reason, hint)

    def inconclusive(self, cause: Cause, reason: str, *, hint: str = "") -> NoReturn:
        raise EndedError("inconclusive", reason, hint, cause)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def ended() -> type[EndedError]:
    return EndedError


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Write files into the application's folder; call again to add to it."""
    app = tmp_path / "app"

    def write(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = app / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        app.mkdir(exist_ok=True)
        return app

    return write


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., str]:
    """Run git in a folder, with an identity and no configuration of this machine."""
    home = tmp_path / "home"
    home.mkdir()

    def run(folder: Path, *arguments: str) -> str:
        done = subprocess.run(
            [
                "git",
                "-c",
                "user.name=A",
                "-c",
                "user.email=a@example.com",
                "-c",
                "init.defaultBranch=main",
                *arguments,
            ],
            cwd=folder,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin:/usr/local/bin", "GIT_CONFIG_NOSYSTEM": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    return run
