"""``security``: weaknesses in the source (Bandit) and known vulnerabilities in the dependencies (Safety)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from harness.model import ExpectedCheck, Phase
from harness.profile.schema import PLACE, Duration, GateConfig, Section
from harness.shapes import Field

Level = Literal["low", "medium", "high"]
MANDATORY = ("code.has_no_weakness", "dependencies.have_no_known_vulnerability")


class BanditConfig(Section):
    """``[gates.security.bandit]``: findings of at least this severity *and* confidence fail."""

    paths: list[str] = Field(default_factory=list)
    """What is scanned, relative to the application; empty: the sources of the unit gate."""
    severity: Level = "medium"
    confidence: Level = "medium"
    min_files: int = Field(default=1, ge=1)


class SafetyConfig(Section):
    """``[gates.security.safety]``: the advisory source, and what it must be to be believed."""

    advisories: Annotated[str, PLACE] = ""
    """A folder made by ``gonogo advisories build``, relative to the working folder; ``${…}`` allowed."""
    requirements: list[str] = Field(default_factory=lambda: ["requirements.txt"])
    """Pinned requirement files of the application."""
    max_age: Duration = 0.0
    """The oldest the advisory source may be; 0 for any age."""
    min_records: int = Field(default=1, ge=1)
    """The fewest records the source may hold."""
    ignore: list[str] = Field(default_factory=list)
    """Advisory ids (or aliases: CVE, GHSA) that do not count; each shows in the verdict."""

    def mirror(self, root: Path) -> Path | None:
        """The folder of the advisory source; `None` where none is configured. `root` is the working folder."""
        return root / self.advisories if self.advisories else None


class SecurityConfig(GateConfig):
    """``[gates.security]``."""

    bandit: BanditConfig = BanditConfig()
    safety: SafetyConfig = SafetyConfig()

    def expected(self, gate: str, profile: Any, phase: Phase) -> Iterable[ExpectedCheck]:  # noqa: ANN401
        """Code and dependencies, always."""
        yield from (ExpectedCheck(f"{gate}.{check}", gate) for check in MANDATORY)
        yield from super().expected(gate, profile, phase)
