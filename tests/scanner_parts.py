"""What the tests of the scanners share: their types, and a recorder that stands where a check does."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from harness.model import Cause, Finding, Unit

Project = Callable[[Mapping[str, str]], Path]
"""Writes files into the application's folder, which it gives back."""
Git = Callable[..., str]
"""Runs git in a folder: ``git(folder, *arguments)``."""


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
    of_findings: bool = False

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

    def fail(self, reason: str, *, hint: str = "", of_findings: bool = False) -> NoReturn:
        self.of_findings = of_findings
        raise EndedError("failed", reason, hint)

    def error(self, reason: str, *, hint: str = "") -> NoReturn:
        raise EndedError("error", reason, hint)

    def inconclusive(self, cause: Cause, reason: str, *, hint: str = "") -> NoReturn:
        raise EndedError("inconclusive", reason, hint, cause)
